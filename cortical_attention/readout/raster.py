"""Activity of all populations over time, in anatomical order: cortex from the surface down, thalamus below."""

from typing import NamedTuple

import numpy as np

from cortical_attention.readout.recording import cell_positions, spikes_by_cell
from cortical_attention.readout.style import DIVERGING, layer_colours, lighter, new_figure, style
from cortical_attention.readout.units import magnitude, shown_in

ROW_HEIGHT = 0.018  # inches a cell
LEAST_HEIGHT = 0.62  # inches a population: three lines of text
TRACE_HEIGHT = 0.9  # inches a recorded variable
SHOWN_TRACES = 3
NOTHING = 1e-6  # of the largest value before it
MARK = 1.2  # points: width of a spike
PANEL_WIDTH = 560  # points, about: where spikes have to find place


class View(NamedTuple):
    """What is drawn of one input: the time from `start` to `stop` (s), and the cells at an index along some axes."""

    start: float
    stop: float
    epochs: tuple
    batch: int
    max_cells: int
    at: dict

    @property
    def measured(self):
        """Measured windows (list of Epoch)."""
        return [each for each in self.epochs if each.name == "window"]

    @property
    def shaded(self):
        """Start and stop (s) of the drawn parts that are not measured (list of tuple)."""
        parts = [(max(e.start, self.start), min(e.stop, self.stop)) for e in self.epochs if e.name != "window"]
        return [part for part in parts if part[0] < part[1]]


def raster(run, t_start=None, t_stop=None, batch=0, max_cells=60, at=None, about=""):
    """Draw the spikes of a run, or in the rate form the values of its cells, one panel a population; traces below.

    Parameters
    ----------
    run
        As in `readout.recording.to_block`.
    t_start, t_stop : Quantity (s), optional
        Drawn time; the whole run by default.
    batch : int
        Index of the input, in a batch of inputs.
    max_cells : int
        Largest number of cells shown per population, on and off cells together; a reproducible random selection.
    at : dict of str to int, optional
        Index along some axes, {"head": 0, "token": 2}: of populations with these axes, only the cells that lie there are
        drawn.
    about : str
        Beginning of the title: wiring, form and case.

    Returns
    -------
    matplotlib.figure.Figure
        The left of a panel states population, layer, and the numbers of cells shown and present for this input; the right
        the mean over all cells of the population in the measured windows, recorded or not (Hz; in the rate form: values).
        Spikes of a recorded cell are ticks above its traces. Times outside the measured windows are shaded; windows of
        single tokens are named above. On cells are above and dark, off cells below and light.

    Raises
    ------
    ValueError
        If there is no time or no population to draw, no such input, or no cell where `at` says.
    """
    view = _view(run, t_start, t_stop, batch, max_cells, at)
    colours = layer_colours({record.layer for record in run.records})
    records = sorted(run.records, key=lambda record: list(colours).index(record.layer))
    if not records:
        raise ValueError("there is no population to draw.")
    _check_place(records, view)
    selections = [_selection(record, view) for record in records]
    traces = [(record, trace) for record in records for trace in record.traces]
    heights = [max(LEAST_HEIGHT, ROW_HEIGHT * len(selection)) for selection in selections]
    heights += [TRACE_HEIGHT] * len(traces)
    with style():
        figure = new_figure(sum(heights) + 0.08 * len(heights) + 1.0)
        panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for panel, record, selection in zip(panels, records, selections, strict=False):
            _population(panel, record, selection, view, colours[record.layer])
        for panel, (record, trace) in zip(panels[len(records) :], traces, strict=True):
            _trace(panel, record, trace, view, colours[record.layer])
        panels[-1].set(xlabel="time (s)", xlim=(view.start, view.stop))
        panels[-1].tick_params(bottom=True, labelbottom=True)
        panels[-1].spines["bottom"].set(color="black")
        _name_tokens(panels[0], view)
        figure.suptitle(_title(view, records, about))
        if any(record.spike_index is None for record in records):
            _colour_bar(figure, panels)
    return figure


def _view(run, t_start, t_stop, batch, max_cells, at):
    start = 0.0 if t_start is None else float(magnitude(t_start, "s"))
    stop = float(magnitude(run.t_stop if t_stop is None else t_stop, "s"))
    if not start < stop:
        raise ValueError(f"there is no time to draw between {start:g} s and {stop:g} s.")
    return View(start, stop, tuple(run.epochs), batch, max_cells, at or {})


def _check_place(records, view):
    """Refuse an index along an axis that no population has, or beyond its size; and no whole number of cells."""
    if not _whole(view.max_cells) or view.max_cells < 1:
        raise ValueError(f"max_cells is {view.max_cells!r} but needs to be a whole number of at least 1.")
    for kind, index in view.at.items():
        sizes = [dict(record.axes)[kind] for record in records if kind in dict(record.axes)]
        if not sizes:
            raise ValueError(f"there is no population with an axis {kind!r}.")
        if not _whole(index) or not 0 <= index < max(sizes):
            raise ValueError(f"there is no {kind} {index!r}: there are {max(sizes)}, counted from 0.")


def _whole(x):
    return isinstance(x, int | np.integer) and not isinstance(x, bool)


def _title(view, records, about):
    n_batch = dict(records[0].axes).get("batch", 1)
    parts = [about, *(f"{kind} {index}" for kind, index in view.at.items())]
    parts += [f"input {view.batch} (of {n_batch})"] if n_batch > 1 else []
    what = "values" if all(record.spike_index is None for record in records) else "spikes"
    beginning = ", ".join(each for each in parts if each)
    shaded = "; shaded: not measured" if view.measured and view.shaded else ""
    return f"{beginning}: {what}{shaded}" if beginning else f"{what.capitalize()} of every population{shaded}"


def _of_input(record, view, cells=None):
    """Indices into `cells`, by default the recorded ones, of those of one input at the chosen places."""
    cells = record.cells if cells is None else cells
    sizes, positions = dict(record.axes), cell_positions(record, cells)
    n_batch = sizes.get("batch", 1)
    if not 0 <= view.batch < n_batch:
        raise ValueError(f"there is no input {view.batch}: population {record.name!r} has {n_batch}, counted from 0.")
    chosen = {"batch": view.batch} | view.at
    here = [positions[kind] == index for kind, index in chosen.items() if kind in sizes and kind != "sign"]
    return np.flatnonzero(np.all(here, axis=0)) if here else np.arange(len(cells))


def _selection(record, view):
    """Indices into `cells` of the cells drawn: off cells first, so that they lie below, and in flat order."""
    places = _of_input(record, view)
    if len(places) > view.max_cells:  # at random: a regular step would pick the same component of every head
        places = np.sort(np.random.default_rng(0).choice(places, view.max_cells, replace=False))
    return places[np.argsort(_on(record)[places], kind="stable")]


def _on(record):
    """Whether a recorded cell is an on cell; True throughout where cells are not paired."""
    sign = cell_positions(record).get("sign")
    return np.ones(len(record.cells), dtype=bool) if sign is None else sign == "on"


def _population(panel, record, selection, view, colour):
    on = _on(record)[selection]
    if record.spike_index is None:
        _values(panel, record, selection, view)
    else:
        _spikes(panel, record, selection, on, view, colour)
    panel.set_ylim(-0.5, max(1, len(selection)) - 0.5)
    _frame(panel, colour)
    _sign_labels(panel, on, paired="sign" in dict(record.axes))
    _shade(panel, view)
    total = int(np.prod([size for kind, size in record.axes if kind != "batch" and kind not in view.at]))
    name = f"{record.name.replace('_', ' ')}\n{record.layer}\n{len(selection)} of {total:,} cells"
    beside = {"transform": panel.transAxes, "va": "center", "fontsize": 9}
    panel.text(-0.045, 0.5, name, ha="right", **beside)
    panel.text(1.01, 0.5, _mean(record, view), ha="left", **beside)


def _shade(panel, view):
    """Shade what is not measured; dashed lines bound what is."""
    for start, stop in view.shaded:
        panel.axvspan(start, stop, color="#F2F2F2", zorder=0)
    for epoch in view.measured:
        for edge in {max(epoch.start, view.start), min(epoch.stop, view.stop)} - {view.start, view.stop}:
            panel.axvline(edge, color="black", linewidth=0.8, linestyle="--", zorder=3)


def _name_tokens(panel, view):
    """Name above the first panel the windows in which one token is presented."""
    named = [each for each in view.measured if each.token is not None and view.start <= each.start < view.stop]
    for each in named[:: -(-len(named) // 12) or 1]:
        panel.text(
            (each.start + min(each.stop, view.stop)) / 2, 1.02, f"token {each.token}", ha="center", va="bottom", fontsize=8,
            transform=panel.get_xaxis_transform(),
        )  # fmt: skip


def _trace(panel, record, trace, view, colour):
    """A recorded variable over time, of at most three of the cells that lie at the chosen places."""
    times = magnitude(trace.time, "s")
    inside = (times >= view.start) & (times <= view.stop)
    values, unit = shown_in(trace.values)
    shown = _of_input(record, view, trace.cells)[:SHOWN_TRACES]
    for k, place in enumerate(shown):
        shade = lighter(colour, 0.3 * k)
        panel.plot(times[inside], values[inside, place], color=shade, linewidth=0.8)
        _ticks(panel, record, trace.cells[place], view, shade, k)
    _frame(panel, colour)
    panel.tick_params(left=True)
    panel.margins(y=0.1)
    _shade(panel, view)
    cells = f"cell {', '.join(str(each) for each in trace.cells[shown])}" if len(shown) else "of no cell here"
    said = record.name.replace("_", " "), f"{trace.variable} ({unit})" if unit else trace.variable, cells
    panel.text(-0.06, 0.5, "\n".join(said), ha="right", va="center", fontsize=9, transform=panel.transAxes)


def _ticks(panel, record, cell, view, colour, k):
    """Spikes of a cell as ticks above its trace, those of the `k`th cell in a row of their own; none without spikes."""
    if record.spike_index is not None:
        spikes = _inside(magnitude(record.spike_time, "s")[np.asarray(record.spike_index) == cell], view)
        top = 1.1 - 0.12 * k
        panel.vlines(
            spikes, top - 0.1, top, color=colour, linewidth=0.8, transform=panel.get_xaxis_transform(), clip_on=False,
            label="spikes",
        )  # fmt: skip


def _frame(panel, colour):
    """A bar in the colour of the layer at the left, a faint line beneath."""
    panel.tick_params(bottom=False, labelbottom=False, left=False)
    panel.spines["left"].set(color=colour, linewidth=4)
    panel.spines["bottom"].set(color="#CCCCCC", linewidth=0.8)


def _sign_labels(panel, on, paired):
    """Name the bands of off and on cells at the left, and part them by a faint line."""
    bands = [(name, np.flatnonzero(on == value)) for name, value in (("off", False), ("on", True))]
    bands = [(name, rows.mean()) for name, rows in bands if paired and rows.size]
    panel.set_yticks([row for _, row in bands], [name for name, _ in bands])
    if len(bands) == 2:
        panel.axhline(np.sum(~on) - 0.5, color="#CCCCCC", linewidth=0.8, zorder=2)


def _spikes(panel, record, selection, on, view, colour):
    trains = spikes_by_cell(record)
    times = [_inside(trains[place], view) for place in selection]
    marks = _marks([each.size for each in times if each.size])
    for name, shade, rows in (("on", colour, np.flatnonzero(on)), ("off", lighter(colour), np.flatnonzero(~on))):
        if rows.size:
            row = np.repeat(rows, [times[place].size for place in rows])
            time = np.concatenate([times[place] for place in rows])
            panel.vlines(time, row - 0.5, row + 0.5, color=shade, label=name, **marks)


def _marks(counts):
    """Width and opacity of a spike: thin and transparent if spikes would merge, so that rates appear as shades."""
    overlap = max(1.0, np.mean(counts or [0]) * MARK / PANEL_WIDTH)
    return {"linewidth": max(0.5, MARK / overlap), "alpha": max(0.2, 1 / overlap)}


def _inside(times, view):
    return times[(times >= view.start) & (times <= view.stop)]


def _values(panel, record, selection, view):
    """Values as an image; red above zero, blue below, on a scale of the population's own."""
    times, value = magnitude(record.sample_time, "s"), _value(record)[:, selection]
    if value.size == 0 or len(times) < 2:
        return
    half = (times[1] - times[0]) / 2
    extent = (times[0] - half, times[-1] + half, -0.5, len(selection) - 0.5)
    largest = _largest(record, view) or 1.0
    panel.imshow(
        value.T, aspect="auto", origin="lower", extent=extent, cmap=DIVERGING, vmin=-largest, vmax=largest, zorder=1
    )


def _value(record):
    """Values that the recorded cells stand for, (n_sample, n_cell): rates over the unit rate."""
    return magnitude(record.rate, "Hz") / magnitude(record.unit_rate, "Hz")


def _largest(record, view):
    """Largest value of any cell in the measured windows; if that is nothing, over the whole drawn time."""
    times = magnitude(record.sample_time, "s")
    value = np.abs(_value(record)[:, _of_input(record, view)])
    drawn = (times >= view.start) & (times <= view.stop)
    measured = drawn & np.any([(times >= each.start) & (times <= each.stop) for each in view.measured], axis=0)
    inside, whole = (float(value[each].max(initial=0.0)) for each in (measured, drawn))
    return inside if inside > NOTHING * whole else whole


def _mean(record, view):
    """Label at the right: mean over all cells of this input in the measured windows; in the rate form, the scale."""
    if not len(_of_input(record, view)):
        return "not recorded"
    mean = None if record.mean_rate is None else magnitude(record.mean_rate, "Hz")[view.batch]
    if record.spike_index is not None:
        return "" if mean is None else f"mean {_hertz(mean)}\nof the population"
    shown = [] if mean is None else [f"mean {mean / float(magnitude(record.unit_rate, 'Hz')):.3g}"]
    return "\n".join([*shown, f"scale ±{_largest(record, view):.3g}"])


def _hertz(rate):
    return f"{rate:,.0f} Hz" if abs(rate) >= 1000 else f"{rate:.3g} Hz"


def _colour_bar(figure, panels):
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    shades = ScalarMappable(Normalize(-1, 1), DIVERGING)
    bar = figure.colorbar(shades, ax=list(panels), location="bottom", shrink=0.4, aspect=40, pad=0.01, extend="both")
    bar.set_ticks([-1, -0.5, 0, 0.5, 1])
    bar.set_label("value / scale of the population (given at the right)")
