"""Activity of all populations over time, in anatomical order: cortex from the surface down, thalamus below."""

from typing import NamedTuple

import numpy as np

from cortical_attention.readout.recording import cell_positions, spikes_by_cell
from cortical_attention.readout.style import DIVERGING, layer_colours, lighter, new_figure, style
from cortical_attention.readout.units import magnitude

ROW_HEIGHT = 0.018  # inches a cell
LEAST_HEIGHT = 0.62  # inches a population: three lines of text
MARK = 1.2  # points: width of a spike
PANEL_WIDTH = 560  # points, about: where spikes have to find place


class Window(NamedTuple):
    """Drawn time of one input: from `start` to `stop` (s); the measured window begins at `measured` (s, or None)."""

    start: float
    stop: float
    measured: float | None
    batch: int
    max_cells: int


def raster(run, t_start=None, t_stop=None, batch=0, max_cells=60, settle=None):
    """Draw the spikes of a run, or in the rate form its rates, one panel a population.

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
    settle : Quantity (s), optional
        Time thrown away; shaded, up to a dashed line. The colours of rates are then scaled to what comes after it.

    Returns
    -------
    matplotlib.figure.Figure
        The left of a panel states population, layer, and the numbers of cells shown and present for this input; the
        right the mean rate of all recorded cells (Hz). On cells are above and dark, off cells below and light.

    Raises
    ------
    ValueError
        If there is no time or no population to draw, or no such input.
    """
    window = _window(run, t_start, t_stop, batch, max_cells, settle)
    colours = layer_colours({record.layer for record in run.records})
    records = sorted(run.records, key=lambda record: list(colours).index(record.layer))
    if not records:
        raise ValueError("there is no population to draw.")
    selections = [_selection(record, window) for record in records]
    heights = [max(LEAST_HEIGHT, ROW_HEIGHT * len(selection)) for selection in selections]
    with style():
        figure = new_figure(sum(heights) + 0.08 * len(heights) + 1.0)
        panels = figure.subplots(len(records), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for panel, record, selection in zip(panels, records, selections, strict=True):
            _population(panel, record, selection, window, colours[record.layer])
        panels[-1].set(xlabel="time (s)", xlim=(window.start, window.stop))
        panels[-1].tick_params(bottom=True, labelbottom=True)
        panels[-1].spines["bottom"].set(color="black")
        figure.suptitle(_title(window, records))
        if any(record.spike_index is None for record in records):
            _colour_bar(figure, panels)
    return figure


def _window(run, t_start, t_stop, batch, max_cells, settle):
    start = 0.0 if t_start is None else float(magnitude(t_start, "s"))
    stop = float(magnitude(run.t_stop if t_stop is None else t_stop, "s"))
    if not start < stop:
        raise ValueError(f"there is no time to draw between {start:g} s and {stop:g} s.")
    return Window(start, stop, None if settle is None else float(magnitude(settle, "s")), batch, max_cells)


def _title(window, records):
    n_batch = dict(records[0].axes).get("batch", 1)
    which = f", input {window.batch} (of {n_batch})" if n_batch > 1 else ""
    settling = "; settling up to the dashed line" if window.measured is not None else ""
    what = "Rates" if all(record.spike_index is None for record in records) else "Spikes"
    return f"{what} of every population{which}{settling}"


def _of_input(record, batch):
    """Indices into `cells` of the recorded cells of one input."""
    n_batch = dict(record.axes).get("batch", 1)
    if not 0 <= batch < n_batch:
        raise ValueError(f"there is no input {batch}: population {record.name!r} has {n_batch}, counted from 0.")
    kinds = [kind for kind, _ in record.axes]
    if "batch" not in kinds:
        return np.arange(len(record.cells))
    return np.flatnonzero(cell_positions(record)["index"][:, kinds.index("batch")] == batch)


def _selection(record, window):
    """Indices into `cells` of the cells drawn: off cells first, so that they lie below, and in flat order."""
    places = _of_input(record, window.batch)
    if len(places) > window.max_cells:  # at random: a regular step would pick the same component of every head
        places = np.sort(np.random.default_rng(0).choice(places, window.max_cells, replace=False))
    return places[np.argsort(_on(record)[places], kind="stable")]


def _on(record):
    """Whether a recorded cell is an on cell; True throughout where cells are not paired."""
    sign = cell_positions(record).get("sign")
    return np.ones(len(record.cells), dtype=bool) if sign is None else sign == "on"


def _population(panel, record, selection, window, colour):
    on = _on(record)[selection]
    if record.spike_index is None:
        _rates(panel, record, selection, window)
    else:
        _spikes(panel, record, selection, on, window, colour)
    panel.set_ylim(-0.5, max(1, len(selection)) - 0.5)
    _frame(panel, colour)
    _sign_labels(panel, on, paired="sign" in dict(record.axes))
    if window.measured is not None and window.measured > window.start:
        panel.axvspan(window.start, min(window.measured, window.stop), color="#F2F2F2", zorder=0)
        panel.axvline(window.measured, color="black", linewidth=0.8, linestyle="--", zorder=3)
    total = int(np.prod([size for kind, size in record.axes if kind != "batch"]))
    name = f"{record.name.replace('_', ' ')}\n{record.layer}\n{len(selection)} of {total:,} cells"
    beside = {"transform": panel.transAxes, "va": "center", "fontsize": 9}
    panel.text(-0.045, 0.5, name, ha="right", **beside)
    panel.text(1.01, 0.5, _mean_rate(record, window), ha="left", **beside)


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


def _spikes(panel, record, selection, on, window, colour):
    trains = spikes_by_cell(record)
    times = [_inside(trains[place], window) for place in selection]
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


def _inside(times, window):
    return times[(times >= window.start) & (times <= window.stop)]


def _rates(panel, record, selection, window):
    """Rates as an image; red above zero, blue below, on a scale of the population's own."""
    times, rate = magnitude(record.sample_time, "s"), magnitude(record.rate, "Hz")[:, selection]
    if rate.size == 0 or len(times) < 2:
        return
    half = (times[1] - times[0]) / 2
    extent = (times[0] - half, times[-1] + half, -0.5, len(selection) - 0.5)
    largest = _largest(record, window) or 1.0
    panel.imshow(
        rate.T, aspect="auto", origin="lower", extent=extent, cmap=DIVERGING, vmin=-largest, vmax=largest, zorder=1
    )


def _sampled(record, window, start):
    """Rates (Hz) of all recorded cells of this input from `start` to the end of the drawn time, (n_sample, n_cell)."""
    times, rate = magnitude(record.sample_time, "s"), magnitude(record.rate, "Hz")
    return rate[(times >= start) & (times <= window.stop)][:, _of_input(record, window.batch)]


def _largest(record, window):
    """Largest rate (Hz) of any cell after settling; if that is zero, over the whole drawn time."""
    starts = (max(window.start, window.measured or 0.0), window.start)
    largest = [float(np.abs(_sampled(record, window, start)).max(initial=0.0)) for start in starts]
    return largest[0] or largest[1]


def _mean_rate(record, window):
    """Label at the right: mean rate of all recorded cells of this input over the drawn time."""
    places = _of_input(record, window.batch)
    if not len(places):
        return "not recorded"
    if record.spike_index is None:
        rates = _sampled(record, window, window.start)
        return f"mean {_hertz(rates.mean())}\nscale ±{_hertz(_largest(record, window))}" if rates.size else "no sample"
    trains = spikes_by_cell(record)
    count = sum(_inside(trains[place], window).size for place in places)
    return f"mean {_hertz(count / len(places) / (window.stop - window.start))}"


def _hertz(rate):
    return f"{rate:,.0f} Hz" if abs(rate) >= 1000 else f"{rate:.3g} Hz"


def _colour_bar(figure, panels):
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    shades = ScalarMappable(Normalize(-1, 1), DIVERGING)
    bar = figure.colorbar(shades, ax=list(panels), location="bottom", shrink=0.4, aspect=40, pad=0.01, extend="both")
    bar.set_ticks([-1, -0.5, 0, 0.5, 1])
    bar.set_label("rate / scale of the population (given at the right)")
