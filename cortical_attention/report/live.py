"""The page of a result while it is computed: spikes, rates, error and attention so far, fed by a Bokeh server.

The thread of the simulation fills a `Story`; every open page reads from it, at its own time, what it has not shown yet. So a
page that opens late shows all, and the run waits for none.
"""

import json
import threading
from html import escape
from types import SimpleNamespace

import numpy as np
from bokeh.models import ColumnDataSource, CustomJS, FixedTicker, Range1d
from jinja2 import Template

from cortical_attention.readout.formats import per_cent
from cortical_attention.readout.style import CYCLE
from cortical_attention.readout.units import magnitude
from cortical_attention.report.activity import HEIGHT, lanes, legend, time_panel
from cortical_attention.report.curves import FLOOR, draw_nulls, legend_below
from cortical_attention.report.headline import best_null
from cortical_attention.report.maps import attention_section
from cortical_attention.report.markup import element, framed, own, section

DRAWN = 40  # cells of a population; chosen: a row of the raster is then a few pixels high
KEPT = 60_000  # spikes on a page, and then the oldest leave it; chosen: what a browser draws anew in a fraction of a second
PERIOD = 200  # ms from one look at the story to the next
WHAT = "The circuit is being asked. Its answer so far is held against the algebra, which it never sees."
CARDS = {"time": "Simulated", "error": "Relative L2", "null": "Best null", "settled": "Settled"}
RELOAD = "const [state] = cb_obj.data.state; if (state) document.getElementById('state').textContent = state; else location.reload()"
PARTS = """{% from macros import embed %}{% extends base %}
{% block title %}{{ about | e }}{% endblock %}
{% block preamble %}<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><style>{{ style }}</style>{% endblock %}
{% block contents %}{% for kind, part in parts %}{{ embed(roots[part]) if kind == "root" else part }}{% endfor %}
{% endblock %}"""


class Story:
    """What there is to show: filled by the thread of the simulation, read by that of the server.

    Parameters
    ----------
    about : str
        Circuit and case, in words.
    nulls : dict
        Names (`nulls`) and relative L2 of the null models, as in comparison.json.
    attention : ndarray, shape (n_head, n_token, n_context), or None
        Attention weights of the algebra.

    Attributes
    ----------
    looks : list
        What was seen of the run, from its beginning (`trials.watching.Look`).
    end : dict or None
        Once the run has ended, what the page says then.
    stopped : threading.Event
        Set where somebody asks for the run to end.
    delivered : set
        Documents of pages that have shown the end.
    """

    def __init__(self, about, nulls, attention):
        self.about, self.nulls, self.attention = about, nulls, attention
        self.looks, self.end, self.stopped, self.delivered = [], None, threading.Event(), set()

    def take(self, look):
        """Take in what was seen; gives whether the run goes on."""
        self.looks.append(look)
        return not self.stopped.is_set()


def fill(document, story):
    """Fill the Bokeh document of a page that was opened."""
    (_page if story.looks else _waiting)(document, story)


def _waiting(document, story):
    """A page before the run has begun: it loads itself anew when there is something to show."""
    said = ColumnDataSource({"state": [""]}, name="said")
    said.js_on_change("data", CustomJS(code=RELOAD))
    sentence = element("p", "The circuit is being calibrated; this page shows the run as soon as it begins.", id="state")
    _lay_out(document, story, [("html", _header(story) + element("main", sentence))], said)

    def look():
        """Tell the page once that the run has begun, or has failed before."""
        if story.looks or story.end:
            said.data = {"state": ["" if story.looks else story.end["state"]]}
            document.remove_periodic_callback(waiting)
            story.delivered.add(document)

    waiting = document.add_periodic_callback(look, PERIOD)


def _page(document, story):
    """A page of the run: its figures, and what keeps them up to date."""
    first, roots = story.looks[0], []

    def place(figure):
        """Take a figure into the page, and give the HTML in which it appears."""
        figure.name = figure.name or f"figure {len(roots)}"
        roots.append(figure)
        return f"<root{len(roots) - 1}>"

    panels = Panels(first, story.nulls)
    attention, sizes = attention_section(SimpleNamespace(attention=_blank(first, story), reference_attention=story.attention), place)
    body = element("main", _headline() + attention + panels.section(place) + panels.answer(place, story.nulls))
    page = {"t_stop": first.t_stop, "dt": 1, "lanes": [], "measured": [0, 0], "attention": sizes, "figures": len(roots)}
    parts = _parts(_header(story) + body + _scripts(page))
    said, asked = ColumnDataSource(_said(story), name="said"), ColumnDataSource({"stop": [0], "seen": [0]}, name="asked")
    said.js_on_change("data", CustomJS(code="live.say(cb_obj.data)"))
    _lay_out(document, story, parts, *roots, said, asked)
    weights = document.get_model_by_name("attention")
    if weights:
        weights.js_on_change("data", CustomJS(code="live.redraw()"))
    shown = 0

    def look():
        """Show what is new."""
        nonlocal shown
        looks, ended = story.looks[shown:], story.end
        if looks:
            shown += len(looks)
            panels.add(looks)
            if weights and looks[-1].attention is not None:
                weights.data = dict(weights.data) | {"circuit": looks[-1].attention.astype("f4").ravel()}
        if looks or ended:
            said.data = _said(story)
        if ended:
            document.remove_periodic_callback(looking)

    def answer(_, before, now):
        """Do what a page asks for."""
        if now["stop"][0]:
            story.stopped.set()
        if now["seen"][0]:
            story.delivered.add(document)

    asked.on_change("data", answer)
    looking = document.add_periodic_callback(look, PERIOD)


def _blank(first, story):
    """Attention before there is any; None where no cell carries it."""
    return None if first.attention is None or story.attention is None else np.zeros_like(story.attention)


def _lay_out(document, story, parts, *roots):
    for root in roots:
        document.add_root(root)
    document.title = f"cortical-attention: {story.about}"
    document.template = Template(PARTS)
    document.template_variables |= {"parts": parts, "style": own("page.css"), "about": document.title}


def _parts(body):
    """The body of a page cut at its figures: pairs of a kind, "html" or "root", and the text, or the place of the figure."""
    text, *others = body.split("<root")
    parts = [("html", text)]
    for each in others:
        k, _, text = each.partition(">")
        parts += [("root", int(k)), ("html", text)]
    return parts


def _scripts(page):
    data = json.dumps(page)
    return (
        element("script", data, type="application/json", id="page-data")
        + element("script", own("page.js"))
        + element("script", own("live.js"))
    )


def _header(story):
    return element("header", element("h1", escape(story.about)) + element("p", WHAT))


def _headline():
    """Cards that the page's script fills, the button that ends the run, and a sentence on how it stands."""
    cards = "".join(
        element("div", element("dt", name) + element("dd", element("b", "", id=key) + element("small", "", id=f"{key}-note")))
        for key, name in CARDS.items()
    )  # fmt: skip
    stop = element("button", "Stop the run", type="button", id="stop")
    sentence = element("span", "", id="state", aria_live="polite")
    return section("figures", "So far", element("dl", cards, class_="cards"), element("div", stop + sentence, class_="pickers"))


def _said(story):
    """What the cards and the sentence say, as columns of one row."""
    last, (null, least) = story.looks[-1], best_null(story.nulls)
    return {
        name: [text] for name, text in (_running(story, last) | (story.end or {})).items()
    } | {"null": [per_cent(least)], "null-note": [null.replace("_", " ")], "ended": [int(story.end is not None)]}


def _running(story, last):
    epoch = next((each.name for each in last.epochs if last.t < each.stop), "window")
    error = "" if last.relative_l2 is None else per_cent(last.relative_l2)
    return {
        "time": f"{last.t:.3g} s", "time-note": f"of {last.t_stop:.3g} s of biological time",
        "error": error, "error-note": "of the window so far" if epoch == "window" else "of the last moment, while it settles",
        "settled": "", "settled-note": "judged at the end",
        "state": "Stopping after this chunk." if story.stopped.is_set() else "Running.",
    }  # fmt: skip


class Panels:
    """Figures over time, and the sources that they draw from.

    Parameters
    ----------
    first : trials.watching.Look
        The first of a run.
    nulls : dict
        As for `Story`.
    """

    def __init__(self, first, nulls):
        self.t, self.whole = first.t, lanes(first.records)
        self.drawn = lanes(map(_some_cells, first.records))
        x_range = Range1d(0, first.t_stop, bounds=(0, first.t_stop))
        self.spikes = {lane.record.name: ColumnDataSource({"t": [], "y": []}, name=f"spikes of {lane.name}") for lane in self.drawn}
        self.rates = ColumnDataSource({"t": [], **{lane.record.name: [] for lane in self.whole}}, name="rates so far")
        self.errors = ColumnDataSource({"t": [], "relative_l2": []}, name="errors so far")
        spiking = any(lane.record.spike_index is not None for lane in self.drawn)
        self.raster = self._raster(x_range, first.epochs) if spiking else None
        self.mean = self._rates(x_range, first.epochs)
        self.error = self._error(x_range, first, nulls)

    def _raster(self, x_range, epochs):
        bottom = self.drawn[-1].top + self.drawn[-1].height
        y_range = Range1d(-bottom, 0, bounds=(-bottom, 0))
        panel = time_panel(x_range, epochs, y_range=y_range, height=HEIGHT, name="raster")
        for lane in self.drawn:
            panel.scatter("t", "y", source=self.spikes[lane.record.name], size=2.5, marker="square", color=lane.colour, line_color=None)
        names = {-(lane.top + lane.height / 2): lane.name for lane in self.drawn}
        panel.yaxis.ticker = FixedTicker(ticks=list(names))
        panel.yaxis.major_label_overrides = names
        panel.ygrid.visible = False
        return panel

    def _rates(self, x_range, epochs):
        panel = time_panel(x_range, epochs, height=220, name="rates", y_axis_label="mean rate (Hz)")
        for lane in self.whole:
            panel.line("t", lane.record.name, source=self.rates, color=lane.colour, line_dash=lane.dash, line_width=1.5)
        return panel

    def _error(self, x_range, first, nulls):
        panel = time_panel(x_range, first.epochs, height=300, name="error", y_axis_label="relative L2", y_axis_type="log")
        panel.line("t", "relative_l2", source=self.errors, color=CYCLE[0], line_width=2, legend_label="circuit")
        draw_nulls(panel, nulls, first.t_stop)
        legend_below(panel)
        return panel

    def section(self, place):
        """The part of the page on activity."""
        parts = []
        if self.raster:
            parts.append(framed(
                place(self.raster), "Raster of all populations over time",
                f"Spikes of at most {DRAWN} cells of each population, chosen at random among those that are recorded, and of "
                f"all the last {KEPT:,}; the page of the result has every one. Shaded time is not measured.",
            ))  # fmt: skip
        parts.append(framed(
            place(self.mean), "Mean rate of each population over time",
            "Mean rate of the recorded cells of each population, from look to look.",
        ))  # fmt: skip
        return section("activity", "Activity", *parts, legend(self.whole))

    def answer(self, place, nulls):
        """The part of the page on the error."""
        caption = (
            "Relative L2 of the answer so far: in the measured time that of the window up to then, before it (shaded) that of "
            "the last moment. Lines across are nulls."
        )
        return section("answer", "Answer", framed(place(self.error), "Error over time", caption))

    def add(self, looks):
        """Show what was seen since the last time."""
        for lane in self.drawn:
            if lane.record.spike_index is not None:
                new = [_points(lane, each.records) for each in looks]
                columns = {name: np.concatenate([each[name] for each in new]) for name in ("t", "y")}
                self.spikes[lane.record.name].stream(columns, KEPT // len(self.drawn))
        later = [each for each in looks if each.t > self.t]
        spans = np.diff([self.t, *(each.t for each in later)])
        rates = {
            lane.record.name: [_mean_rate(lane.record.name, *each) for each in zip(later, spans, strict=True)]
            for lane in self.whole
        }  # fmt: skip
        self.rates.stream({"t": [each.t - span / 2 for each, span in zip(later, spans, strict=True)], **rates})
        known = [each for each in looks if each.relative_l2 is not None]
        self.errors.stream({"t": [each.t for each in known], "relative_l2": [max(each.relative_l2, FLOOR) for each in known]})
        self.t = looks[-1].t


def _some_cells(record):
    """Record of at most `DRAWN` of its cells."""
    if len(record.cells) <= DRAWN:
        return record
    return record._replace(cells=np.sort(np.random.default_rng(0).choice(record.cells, DRAWN, replace=False)))


def _named(records, name):
    return next(each for each in records if each.name == name)


def _points(lane, records):
    """Time and height of the spikes of the cells of a lane."""
    record, cells = _named(records, lane.record.name), lane.record.cells
    kept = np.isin(record.spike_index, cells)
    row_of = np.empty(len(cells), "i8")
    row_of[lane.order] = np.arange(len(cells))
    rows = row_of[np.searchsorted(cells, record.spike_index[kept])]
    y = -(lane.top + (rows + 0.5) * lane.height / len(cells))
    return {"t": magnitude(record.spike_time, "s")[kept].astype("f4"), "y": y.astype("f4")}


def _mean_rate(name, look, span):
    """Mean rate (Hz) of the recorded cells of a population since the look before, `span` (s) ago."""
    record = _named(look.records, name)
    if record.spike_index is not None:
        return len(record.spike_index) / (span * len(record.cells))
    return float(np.mean(magnitude(record.rate, "Hz"))) if record.rate.size else float("nan")
