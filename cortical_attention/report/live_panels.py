"""Figures over time of a run that goes on: spikes, mean rates and error, and the sources that they draw from."""

import numpy as np
from bokeh.models import ColumnDataSource, FixedTicker, LinearColorMapper, Range1d

from cortical_attention.readout.style import CYCLE, lighter
from cortical_attention.readout.units import magnitude
from cortical_attention.report.activity import HEIGHT, lanes, legend, time_panel
from cortical_attention.report.curves import FLOOR, draw_nulls, legend_below
from cortical_attention.report.markup import framed, paragraph, section

DRAWN = 40  # cells of a population; chosen: a row of the raster is then a few pixels high
COLUMNS = 800  # of the raster; chosen: no more than the pixels of a panel, so that none is left out
SHADES = 4  # of a cell's spikes in a column, from a light to the whole colour


class Panels:
    """Figures over time.

    Parameters
    ----------
    first : trials.watching.Look
        The first of a run.
    nulls : dict
        Names (`nulls`) and relative L2 of the null models, as in comparison.json.

    Attributes
    ----------
    raster : bokeh figure or None
        None in a form without spikes.
    rates, error : bokeh figure
    whole, drawn : list of report.activity.Lane
        Of all recorded cells, and of those of which spikes are drawn.
    column : float
        Time (s) of a column of the raster: whole time steps.
    one_by_one : bool
        Whether tokens are presented one after another.
    """

    def __init__(self, first, nulls):
        self.t, self.dt, self.whole = 0.0, first.dt, lanes(first.records)
        self.drawn = lanes([_some_cells(each) for each in first.records if each.spike_index is not None])
        self.steps = max(1, int(np.ceil(first.t_stop / first.dt / COLUMNS - 1e-9)))
        self.column = self.steps * first.dt
        n_column = int(np.ceil(first.t_stop / self.column - 1e-9)) + 1
        self.spikes = {lane.record.name: self._blank(lane, n_column) for lane in self.drawn}
        self.of_rates = ColumnDataSource(
            {"t": [], **{lane.record.name: [] for lane in self.whole}}, name="rates so far"
        )
        self.of_errors = ColumnDataSource({"t": [], "relative_l2": []}, name="errors so far")
        x_range = Range1d(0, first.t_stop, bounds=(0, first.t_stop))
        self.raster = self._raster(x_range, first.epochs) if self.drawn else None
        self.rates = self._rates(x_range, first.epochs)
        self.error = self._error(x_range, first, nulls)
        self.one_by_one = any(each.token is not None for each in first.epochs)

    def _blank(self, lane, n_column):
        """Source of the image of a lane: spikes of each cell in each column of time."""
        image = np.zeros((len(lane.record.cells), n_column), "u1")
        place = {"x": [0.0], "y": [-(lane.top + lane.height)], "dw": [n_column * self.column], "dh": [lane.height]}
        return ColumnDataSource({"image": [image], **place}, name=f"spikes of {lane.name}")

    def _raster(self, x_range, epochs):
        bottom = self.drawn[-1].top + self.drawn[-1].height
        y_range = Range1d(-bottom, 0, bounds=(-bottom, 0))
        panel = time_panel(x_range, epochs, y_range=y_range, height=HEIGHT, name="raster")
        for lane in self.drawn:
            shades = [lighter(lane.colour, 0.35 * (1 - k / (SHADES - 1))) for k in range(SHADES)]
            mapper = LinearColorMapper(palette=shades, low=1, high=SHADES, low_color="#00000000")
            source = self.spikes[lane.record.name]
            panel.image("image", "x", "y", "dw", "dh", source=source, color_mapper=mapper, origin="top_left")
        names = {-(lane.top + lane.height / 2): lane.name for lane in self.drawn}
        panel.yaxis.ticker = FixedTicker(ticks=list(names))
        panel.yaxis.major_label_overrides = names
        panel.ygrid.visible = False
        return panel

    def _rates(self, x_range, epochs):
        panel = time_panel(x_range, epochs, height=220, name="rates", y_axis_label="mean rate (Hz)")
        for lane in self.whole:
            style = {"color": lane.colour, "line_dash": lane.dash, "line_width": 1.5}
            panel.line("t", lane.record.name, source=self.of_rates, **style)
        return panel

    def _error(self, x_range, first, nulls):
        options = {"y_axis_label": "relative L2", "y_axis_type": "log"}
        panel = time_panel(x_range, first.epochs, height=300, name="error", **options)
        panel.line("t", "relative_l2", source=self.of_errors, color=CYCLE[0], line_width=2, legend_label="circuit")
        draw_nulls(panel, nulls, first.t_stop)
        legend_below(panel)
        return panel

    def add(self, looks):
        """Show what was seen since the last time: looks, in their order."""
        for lane in self.drawn:
            self._add_spikes(lane, [_named(each.records, lane.record.name) for each in looks])
        later = [each for each in looks if each.t > self.t]
        spans = np.diff([self.t, *(each.t for each in later)])
        middles = [each.t - span / 2 for each, span in zip(later, spans, strict=True)]
        names = [lane.record.name for lane in self.whole]
        rates = {name: [_mean_rate(name, *each) for each in zip(later, spans, strict=True)] for name in names}
        self.of_rates.stream({"t": middles, **rates})
        known = [(each.t, max(each.relative_l2, FLOOR)) for each in looks if each.relative_l2 is not None]
        self.of_errors.stream({"t": [t for t, _ in known], "relative_l2": [error for _, error in known]})
        self.t = looks[-1].t

    def _add_spikes(self, lane, records):
        """Count spikes in the image of a lane, of which only what changes is sent."""
        source, cells = self.spikes[lane.record.name], lane.record.cells
        image = source.data["image"][0]
        times = np.concatenate([magnitude(each.spike_time, "s") for each in records])
        index = np.concatenate([each.spike_index for each in records])
        kept = np.isin(index, cells)
        if not kept.any():
            return
        row_of = np.empty(len(cells), "i8")
        row_of[lane.order] = np.arange(len(cells))
        rows = row_of[np.searchsorted(cells, index[kept])]
        columns = np.round(times[kept] / self.dt).astype("i8") // self.steps
        first, last = columns.min(), columns.max() + 1
        part = image[:, first:last].astype("i8")
        np.add.at(part, (rows, columns - first), 1)
        place = (0, slice(0, len(cells)), slice(int(first), int(last)))
        source.patch({"image": [(place, np.minimum(part, 255).astype("u1").ravel())]})


def activity_section(panels, place):
    """The part of the page on activity.

    Parameters
    ----------
    panels : Panels
    place : callable
        Gives the HTML in which a figure appears.

    Returns
    -------
    str
    """
    parts = [] if panels.raster else [paragraph("This form has rates, and no spikes.")]
    if panels.raster:
        said = (
            f"Spikes of at most {DRAWN} cells of each population, drawn at random from those that are recorded; on cells "
            f"above off cells. A column is {panels.column * 1e3:.3g} ms, and darker with more spikes of a cell. Shaded "
            "time is not measured. The page of the result has every recorded spike."
        )
        parts.append(framed(place(panels.raster), "Raster of all populations over time", said))
    said = "Mean rate of the recorded cells of each population, from look to look."
    parts.append(framed(place(panels.rates), "Mean rate of each population over time", said))
    return section("activity", "Activity", *parts, legend(panels.whole))


def error_section(panels, place):
    """The part of the page on the error; parameters as for `activity_section`."""
    when = (
        "over the tokens that were presented so far; each is read over its own measured time"
        if panels.one_by_one
        else "read over the measured time up to then; before it (shaded), over the last one to two phases of the run"
    )
    said = f"Relative L2 of the answer so far, {when}. Lines across are nulls."
    return section("answer", "Error", framed(place(panels.error), "Error over time", said))


def _some_cells(record):
    """Record of at most `DRAWN` of its cells."""
    if len(record.cells) <= DRAWN:
        return record
    return record._replace(cells=np.sort(np.random.default_rng(0).choice(record.cells, DRAWN, replace=False)))


def _named(records, name):
    return next(each for each in records if each.name == name)


def _mean_rate(name, look, span):
    """Mean rate (Hz) of the recorded cells of a population since the look before, `span` (s) ago."""
    record = _named(look.records, name)
    if record.spike_index is not None:
        return len(record.spike_index) / (span * len(record.cells))
    return float(np.mean(magnitude(record.rate, "Hz"))) if len(record.sample_time) else float("nan")
