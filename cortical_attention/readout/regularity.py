"""Statistics of the spikes of populations in the measured windows: rates, intervals, and correlations of counts."""

from typing import NamedTuple

import numpy as np

from cortical_attention.readout.rates import cell_rows
from cortical_attention.readout.units import magnitude

BIN = 0.02  # s, of the counts that are correlated
SAMPLE = 100  # chosen: cells of a population of which every pair is correlated


class Regularity(NamedTuple):
    """Statistics of one population.

    Attributes
    ----------
    population : str
    rates : ndarray, (n_recorded,)
        Mean rate of each recorded cell (Hz).
    variations : ndarray
        Coefficient of variation of the intervals of each cell with two intervals or more.
    intervals : ndarray
        All intervals between two spikes of a cell within one window (s).
    correlations : ndarray
        Pearson's correlation of the counts in bins of `BIN` of each pair of a sample of cells whose counts vary.
    n_paired : int
        Size of that sample.
    """

    population: str
    rates: np.ndarray
    variations: np.ndarray
    intervals: np.ndarray
    correlations: np.ndarray
    n_paired: int


def regularity(run):
    """Statistics of every population with spikes (list of Regularity); none where nothing was measured.

    Parameters
    ----------
    run
        As in `readout.recording.to_block`.
    """
    windows = [(each.start, each.stop) for each in run.epochs if each.name == "window"]
    records = [each for each in run.records if each.spike_index is not None and len(each.cells)]
    if not windows:
        return []
    rows = {}
    for row in cell_rows(run._replace(records=records)):
        rows.setdefault(row["population"], []).append(row)
    return [_regularity(record, rows[record.name], windows, float(magnitude(run.dt, "s"))) for record in records]


def _regularity(record, rows, windows, dt):
    place, time, window = _measured(record, windows, dt)
    order = np.lexsort((time, place))
    place, time, window = place[order], time[order], window[order]
    same = (np.diff(place) == 0) & (np.diff(window) == 0)
    correlations, n_paired = _correlations(_counts(place, time, window, len(record.cells), windows, dt))
    known = [row["cv"] for row in rows if row["cv"] is not None]
    rates = np.array([row["rate_hz"] for row in rows])
    return Regularity(record.name, rates, np.array(known), np.diff(time)[same], correlations, n_paired)


def _measured(record, windows, dt):
    """Of each spike in a window: the place of its cell among the recorded ones, its time (s), and its window."""
    time = magnitude(record.spike_time, "s") + dt / 2  # between two steps, so that no spike lies on an edge
    starts, stops = map(np.array, zip(*windows, strict=True))
    window = np.searchsorted(starts, time, side="right") - 1
    inside = (window >= 0) & (time < stops[window])
    by_cell = np.argsort(record.cells)
    place = by_cell[np.searchsorted(record.cells, record.spike_index, sorter=by_cell)]
    return place[inside], time[inside], window[inside]


def _counts(place, time, window, n_cell, windows, dt):
    """Spikes of a sample of the cells that fire in whole bins of all windows, (n_sample, n_bin)."""
    active = np.unique(place)
    sample = _spaced(active)
    n_bin = np.array([int((stop - start + dt / 2) / BIN) for start, stop in windows])
    first, starts = np.cumsum(n_bin) - n_bin, np.array([start for start, _ in windows])
    bins = ((time - starts[window]) / BIN).astype(int)
    row = np.full(n_cell, -1)
    row[sample] = np.arange(len(sample))
    keeps = (row[place] >= 0) & (bins < n_bin[window])
    flat = row[place[keeps]] * n_bin.sum() + first[window[keeps]] + bins[keeps]
    return np.bincount(flat, minlength=len(sample) * n_bin.sum()).reshape(len(sample), n_bin.sum())


def _spaced(cells):
    """At most `SAMPLE` of some cells, evenly spaced (ndarray)."""
    return cells[np.unique(np.linspace(0, len(cells) - 1, SAMPLE).astype(int))] if len(cells) > SAMPLE else cells


def _correlations(counts):
    """Correlation of each pair of rows that vary, and how many these rows are."""
    varies = counts[counts.std(axis=1) > 0] if counts.size else counts
    if len(varies) < 2:
        return np.zeros(0), len(varies)
    return np.corrcoef(varies)[np.triu_indices(len(varies), 1)], len(varies)
