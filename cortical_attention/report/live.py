"""The page of a result while it is computed: spikes, rates, error and attention so far, fed by a Bokeh server.

The thread of the simulation fills a `Story`; every open page reads from it, at its own time, what it has not shown yet. So a
page that opens late shows all, and the run waits for none.
"""

import json
import threading
from html import escape
from types import SimpleNamespace

import numpy as np
from bokeh.models import ColumnDataSource, CustomJS
from jinja2 import Template

from cortical_attention.readout.formats import per_cent
from cortical_attention.report.headline import best_null
from cortical_attention.report.live_panels import Panels, activity_section, error_section
from cortical_attention.report.maps import attention_section
from cortical_attention.report.markup import element, own, section

PERIOD = 200  # ms from one look at the story to the next
WHAT = (
    "Activity of a circuit as it is computed, and its answer so far against the algebra, which the circuit never reads."
)
CARDS = {"time": "Simulated", "error": "Relative L2", "null": "Best null", "settled": "Settled"}
PARTS = """{% from macros import embed %}{% extends base %}
{% block title %}{{ about | e }}{% endblock %}
{% block postamble %}<meta name="viewport" content="width=device-width, initial-scale=1">
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
        """Take in what was seen; gives whether the run goes on. Attention is kept of the first look and the last."""
        if len(self.looks) > 1:
            self.looks[-1] = self.looks[-1]._replace(attention=None)
        self.looks.append(look)
        return not self.stopped.is_set()


def fill(document, story):
    """Fill the Bokeh document of a page that was opened."""
    (Page if story.looks else _waiting)(document, story)


def _waiting(document, story):
    """A page before the run has begun, which loads itself anew each second; or of a run that failed before."""
    if story.end:
        sentence, again = element("p", escape(story.end["state"])), ""
        story.delivered.add(document)
    else:
        sentence = element("p", "The circuit is being calibrated; this page shows the run as soon as it begins.")
        again = element("script", "setTimeout(() => location.reload(), 1000)")
    _lay_out(document, story, [("html", _header(story) + element("main", sentence) + again)])


class Page:
    """A page of the run, which looks at the story again and again."""

    def __init__(self, document, story):
        self.document, self.story, self.shown = document, story, 0
        self.panels = Panels(story.looks[0], story.nulls)
        self.said = ColumnDataSource(_said(story), name="said")
        self.said.js_on_change("data", CustomJS(code="live.say(cb_obj.data)"))
        asked = ColumnDataSource({"stop": [0], "seen": [0]}, name="asked")
        asked.on_change("data", self.answer)
        carried = CustomJS(args={"said": self.said, "asked": asked}, code="")
        self.panels.rates.js_on_change("inner_width", carried)  # so that they are in the page
        _lay_out(document, story, *_body(story, self.panels))
        self.attention = document.get_model_by_name("attention")
        if self.attention:
            self.attention.js_on_change("data", CustomJS(code="live.redraw()"))
        self.looking = document.add_periodic_callback(self.look, PERIOD)

    def look(self):
        """Show what is new."""
        looks, ended = self.story.looks[self.shown :], self.story.end
        self.shown += len(looks)
        if looks:
            self.panels.add(looks)
        if looks and self.attention and looks[-1].attention is not None:
            weights = looks[-1].attention.astype("f4").ravel()
            self.attention.data = dict(self.attention.data) | {"circuit": weights}
        if ended:
            _switch_off(self.document, "reconnect_session")
            self.document.remove_periodic_callback(self.looking)
        if looks or ended:
            self.said.data = _said(self.story)

    def answer(self, _, before, asked):
        """Do what the page asks for, and note that it has shown the end."""
        if asked["stop"][0]:
            self.story.stopped.set()
        if asked["seen"][0]:
            self.story.delivered.add(self.document)


def _body(story, panels):
    """Parts of the body of a page (`_parts`), and its figures."""
    roots = []

    def place(figure):
        """Take a figure into the page, and give the HTML in which it appears."""
        figure.name = figure.name or f"figure {len(roots)}"
        roots.append(figure)
        return f"<root{len(roots) - 1}>"

    first = story.looks[0]
    weights = SimpleNamespace(attention=_blank(first, story), reference_attention=story.attention)
    attention, sizes = attention_section(weights, place)
    body = element("main", _headline() + attention + activity_section(panels, place) + error_section(panels, place))
    page = {"t_stop": first.t_stop, "dt": first.dt, "lanes": [], "measured": [0, 0], "attention": sizes}
    return _parts(_header(story) + body + _scripts(page | {"figures": len(roots)})), *roots


def _blank(first, story):
    """Attention before there is any; None where no cell carries it."""
    return None if first.attention is None or story.attention is None else np.zeros_like(story.attention)


def _lay_out(document, story, parts, *roots):
    for root in roots:
        document.add_root(root)
    _switch_off(document, "notify_connection_status")
    document.title = f"cortical-attention: {story.about}"
    document.template = Template(PARTS)
    document.template_variables.update({"parts": parts, "style": own("page.css"), "about": document.title})


def _switch_off(document, setting):
    """Switch off what a page does about a lost connection; older versions of Bokeh have no such settings."""
    if hasattr(document, "config"):
        setattr(document.config, setting, False)


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
        element("div", element("dt", name) + element("dd", element("b", id=key) + element("small", id=f"{key}-note")))
        for key, name in CARDS.items()
    )
    stop = element("button", "Stop the run", type="button", id="stop")
    sentence = element("span", "", id="state", aria_live="polite")
    return section(
        "figures", "So far", element("dl", cards, class_="cards"), element("div", stop + sentence, class_="pickers")
    )


def _said(story):
    """What the cards and the sentence say, as columns of one row."""
    last, (null, least) = story.looks[-1], best_null(story.nulls)
    said = _running(story, last) | {"null": per_cent(least), "null-note": null.replace("_", " ")} | (story.end or {})
    return {name: [text] for name, text in said.items()} | {"ended": [int(story.end is not None)]}


def _running(story, last):
    """What the cards say while the run goes on."""
    error = "" if last.relative_l2 is None else per_cent(last.relative_l2)
    return {
        "time": f"{last.t:.3g} s", "time-note": f"of {last.t_stop:.3g} s of biological time",
        "error": error, "error-note": _of_what(last), "settled": "", "settled-note": "judged at the end",
        "state": "The run stops after this chunk." if story.stopped.is_set() else "The run goes on.",
    }  # fmt: skip


def _of_what(last):
    """What the error so far is read from."""
    if any(each.token is not None for each in last.epochs):
        return "of the tokens that were presented so far"
    settles = next((each.name for each in last.epochs if last.t <= each.stop), "window") == "settle"
    return "of the last moment, while the circuit settles" if settles else "of the measured time so far"
