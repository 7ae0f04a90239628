"""Bursts of thalamic cells: spikes in quick succession after a silence.

The silence is what tells a burst of the T-current from fast tonic firing in recordings: the current has to recover from
inactivation first. At least 100 ms of it, and intervals of at most 4 ms, define a burst in PMC4765377 (legend of figure 1
read) and, with the same pause, in PMC6672514 (introduction read in part). The default here is 6 ms, since the last intervals
of a burst of point cells are longer.
"""

from typing import NamedTuple

import numpy as np

SILENCE, INTERVAL = 0.1, 0.006  # s


class Bursts(NamedTuple):
    """Bursts among spikes.

    Attributes
    ----------
    cells, times : ndarray, shape (n_burst,)
        Cell and time (s) of the first spike of each burst, by cell and then by time.
    spikes : ndarray of int, shape (n_burst,)
        Spikes of each burst, two at least.
    inside : ndarray of bool, shape (n_spike,)
        Whether each of the given spikes is in a burst.
    """

    cells: np.ndarray
    times: np.ndarray
    spikes: np.ndarray
    inside: np.ndarray


def bursts(cells, times, silence=SILENCE, interval=INTERVAL):
    """Bursts: a spike after a silence, and all that follow one another at short intervals.

    Parameters
    ----------
    cells : ndarray of int, shape (n_spike,)
    times : ndarray, shape (n_spike,)
        Seconds, in any order. The first spike of a cell counts as preceded by a silence.
    silence, interval : float
        Least silence before the first spike, largest interval between spikes (s).

    Returns
    -------
    Bursts
    """
    order = np.lexsort((times, cells))
    cell, time = np.asarray(cells)[order], np.asarray(times, dtype=float)[order]
    before = np.diff(time, prepend=-np.inf)
    before[np.flatnonzero(np.diff(cell, prepend=-1))] = np.inf
    margin = 1e-9  # times are whole steps, but for rounding
    quick = before <= interval + margin
    group = np.cumsum(~quick) - 1  # spikes that follow one another at short intervals
    first = np.flatnonzero(~quick)
    size = np.bincount(group, minlength=first.size) if first.size else np.zeros(0, dtype=int)
    found = (before[first] >= silence - margin) & (size > 1)
    inside = np.zeros(time.size, dtype=bool)
    inside[order] = found[group] if first.size else False
    return Bursts(cell[first][found], time[first][found], size[found], inside)


def share(cells, times, silence=SILENCE, interval=INTERVAL):
    """Share of the spikes that are in bursts (float); zero without spikes. Arguments as for `bursts`."""
    inside = bursts(cells, times, silence, interval).inside
    return float(inside.mean()) if inside.size else 0.0
