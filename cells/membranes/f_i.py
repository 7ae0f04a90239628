"""A drive by current: the f-I curve of a membrane, measured in Brian2 on that membrane, and inverted.

The equations of the membrane take `current` as given, in whatever unit its levels have. There is no closed form of the
curve; the table is measured once in a process for each membrane and time step.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from brian2 import Clock, Hz, Network, NeuronGroup, TimedArray, second
from scipy.optimize import isotonic_regression

from cortical_attention.cells.membranes.integrator import ASKED
from cortical_attention.cells.membranes.membrane import Drive, Limit, MembraneError
from cortical_attention.cells.noise import noise

RESOLUTION = 0.1 * Hz  # chosen: of the inverted table; a step of the drive of the least that one spike in 10 s can tell
HIGHEST = 16.0  # chosen: a current that drives every membrane beyond TOP
TOP = 300 * Hz  # chosen: the end of the table, beyond which a run fails
N_LEVEL, N_CELL, SETTLE, WINDOW = 120, 40, 0.5 * second, 5 * second  # chosen: of the measurement


class Table(NamedTuple):
    """A measured f-I curve.

    Attributes
    ----------
    current : ndarray, shape (n_level,)
        In units of the distance from rest to threshold.
    rate : ndarray, shape (n_level,)
        Hz, made monotone (isotonic regression).
    """

    current: np.ndarray
    rate: np.ndarray


def f_i_table(membrane, dt):
    """f-I curve of a membrane at a time step (Table).

    The levels lie close where the cell begins to fire: about the distance from rest to threshold, and about what noise
    (constant `sigma`) takes across it. The first half second is left out.
    """
    return _measure(_Key(membrane, float(dt)))


class _Key:
    """A membrane and a time step (s), compared by what the measurement depends on."""

    def __init__(self, membrane, dt):
        self.membrane, self.dt = membrane, dt
        constants = tuple((name, float(value)) for name, value in membrane.constants.items())
        self.known = (membrane.equations, membrane.threshold, membrane.reset, membrane.refractory, constants, dt)

    def __eq__(self, other):
        return self.known == other.known

    def __hash__(self):
        return hash(self.known)


@lru_cache
def _measure(key):
    sigma = float(key.membrane.constants.get("sigma", 0.0))
    wide, near = np.geomspace(0.2, HIGHEST, N_LEVEL) - 3 * sigma, 1 + np.geomspace(1e-4, 1, N_LEVEL // 3)
    levels = np.sort(np.concatenate([wide, near]))
    found = rates_at(key.membrane, levels, key.dt * second, N_CELL, WINDOW)
    return Table(levels, isotonic_regression(found).x)


def rates_at(membrane, currents, dt, n_cell=N_CELL, window=WINDOW, stream=0):
    """Mean rates (Hz) of cells under constant currents (n_current,), simulated in Brian2.

    Parameters
    ----------
    membrane : Membrane
    currents : ndarray, shape (n_current,)
    dt : Quantity (s)
    n_cell : int
        Cells for each current.
    window : Quantity (s)
        After half a second that is left out.
    stream : int
        Of the noise.

    Raises
    ------
    KeyboardInterrupt
        If it was interrupted.
    """
    group = NeuronGroup(
        len(currents) * n_cell,
        f"{membrane.equations}\n current : 1 (constant)\n count : 1",
        threshold=membrane.threshold,
        reset=f"{membrane.reset}; count += 1",
        refractory=membrane.refractory,
        method="euler",
        namespace={**membrane.constants, "noise": noise, **dict.fromkeys(membrane.streams, stream)},
        clock=Clock(dt),
    )
    group.current = np.repeat(currents, n_cell)
    network, counts = Network(group), []
    for span in (SETTLE, window):
        end = network.t + span
        network.run(span, namespace={})
        if network.t < end:
            raise KeyboardInterrupt  # half a table would serve the whole process
        counts.append(np.array(group.count).reshape(-1, n_cell).mean(axis=1))
    return (counts[1] - counts[0]) / float(window)


def inverse(table):
    """Currents that give the rates 0, RESOLUTION, ... up to TOP.

    Raises
    ------
    MembraneError
        If the table ends below TOP.
    """
    if table.rate[-1] < TOP / Hz:
        raise MembraneError(
            f"the f-I table of the membrane ends at {table.rate[-1]:.0f} Hz but needs to reach {TOP / Hz:.0f} Hz; "
            "shorten its refractory time, or weaken its adaptation"
        )
    rates = np.arange(0, TOP / Hz + 2 * RESOLUTION / Hz, RESOLUTION / Hz)
    rising = np.append(True, np.diff(table.rate) > 0)
    return np.interp(rates, table.rate[rising], table.current[rising])


def _constants(membrane, dt):
    """The inverted table of a membrane as a function of the rate; Brian2 has tables over time: 1 Hz is read at 1 s."""
    table = TimedArray(inverse(f_i_table(membrane, dt)), float(RESOLUTION / Hz) * second)
    return {"current_of": table, "top": TOP}


BY_CURRENT = Drive(f"{ASKED}\n current = current_of(rate * second ** 2) : 1", measure=_constants)
BEYOND_THE_TABLE = Limit("rate > top", "a rate beyond its measured f-I table")
