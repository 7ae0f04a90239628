"""Drive by current: the f-I curve of a membrane, measured in Brian2 on the same membrane and inverted.

The membrane equations use `current`, in units of the distance from rest to threshold. The curve has no closed form; it is
measured once per process for each membrane and time step.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from brian2 import Clock, Hz, Network, NeuronGroup, TimedArray, second
from scipy.optimize import isotonic_regression

from cortical_attention.cells.membranes.integrator import ASKED
from cortical_attention.cells.membranes.membrane import Drive, Limit, Membrane, MembraneError
from cortical_attention.cells.noise import noise

RESOLUTION = 0.1 * Hz  # chosen: of the inverted table; a step of the drive of the least that one spike in 10 s can tell
HIGHEST, FURTHEST = (
    16.0,
    1e3,
)  # chosen: a current that drives a leaky membrane beyond TOP; where the search for one ends
TOP = 300 * Hz  # chosen: the end of the table, beyond which a run fails
AFFINE = 5 * Hz, 100 * Hz  # chosen: rates between which an affine current is fitted, up to the ceiling of the cells
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
    """f-I curve of a membrane.

    Current levels are dense near the onset of firing: around threshold, and shifted down by three times the noise (constant
    `sigma`). The first half second is discarded.

    Parameters
    ----------
    membrane : Membrane
    dt : Quantity (s)
        Time step.

    Returns
    -------
    Table

    Raises
    ------
    KeyboardInterrupt
        On an interrupted measurement.
    """
    return _measure(_Key(membrane, float(dt)))


class _Key:
    """A membrane and a time step (s); equal if the measurement would be equal."""

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
    found = rates_at(key.membrane, levels, key.dt * second)
    while found[-1] < TOP / Hz and levels[-1] < FURTHEST:
        more = np.geomspace(levels[-1], 2 * levels[-1], N_LEVEL // 10 + 1)[1:]
        levels = np.append(levels, more)
        found = np.append(found, rates_at(key.membrane, more, key.dt * second))
    return Table(levels, isotonic_regression(found).x)


def rates_at(membrane, currents, dt, n_cell=N_CELL, window=WINDOW, stream=0):
    """Mean rates (Hz) of cells under constant currents (n_current,), simulated in Brian2.

    Parameters
    ----------
    membrane : Membrane
    currents : ndarray, shape (n_current,)
        In units of the distance from rest to threshold.
    n_cell : int
        Cells per current.
    window : Quantity (s)
        Measured time, after half a second that is discarded.
    dt : Quantity (s)
        Time step.
    stream : int
        Stream of the noise.

    Returns
    -------
    ndarray, shape (n_current,)
        Hz.

    Raises
    ------
    KeyboardInterrupt
        On an interrupted simulation.
    """
    group = NeuronGroup(
        len(currents) * n_cell,
        f"{membrane.equations}\n current : 1 (constant)\n count : 1",
        threshold=membrane.threshold,
        reset=f"{membrane.reset}; count += 1",
        refractory=membrane.refractory,
        method="euler",
        namespace={**membrane.constants, "noise": noise, "stream": stream},
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
    """Currents for the rates 0, RESOLUTION, ... up to TOP.

    Parameters
    ----------
    table : Table

    Returns
    -------
    ndarray, shape (n_rate,)
        In units of the distance from rest to threshold.

    Raises
    ------
    MembraneError
        If the table ends below TOP.
    """
    if table.rate[-1] < TOP / Hz:
        raise MembraneError(
            f"the f-I table of the membrane ends at {table.rate[-1]:.0f} Hz but needs to reach {TOP / Hz:.0f} Hz; "
            "shorten the time step or its refractory time, or weaken its adaptation"
        )
    rates = np.arange(0, TOP / Hz + 2 * RESOLUTION / Hz, RESOLUTION / Hz)
    rising = np.append(True, np.diff(table.rate) > 0)
    return np.interp(rates, table.rate[rising], table.current[rising])


def _constants(membrane, dt):
    """The inverted table of a membrane as a function of the rate; Brian2 has tables over time: 1 Hz is read at 1 s."""
    table = TimedArray(inverse(f_i_table(membrane, dt)), float(RESOLUTION / Hz) * second)
    return {"current_of": table, "top": TOP}


SOURCES = {  # of what is measured
    "current_of": (1, "measured on this membrane before a run: its f-I curve, from rate to current"),
    "top": (Hz, f"chosen: {TOP / Hz:g} Hz, the end of the f-I table, beyond which a run fails"),
}
BY_CURRENT = Drive(
    f"{ASKED}\n current = current_of(rate * second ** 2) : 1",
    measure=_constants,
    sources=SOURCES,
)
BEYOND_THE_TABLE = Limit("rate > top", "a rate beyond its measured f-I table")


def affine(table):
    """Affine current I_0 + I_1 rate nearest to the inverse of an f-I curve, by least squares over the rates `AFFINE`.

    Parameters
    ----------
    table : Table

    Returns
    -------
    I_0, I_1 : float
        In units of the distance from rest to threshold; I_1 for a rate in Hz.

    Raises
    ------
    MembraneError
        As `inverse`.
    """
    rates = np.arange(*(each / RESOLUTION for each in AFFINE)) * (RESOLUTION / Hz)
    slope, offset = np.polyfit(rates, inverse(table)[np.rint(rates * Hz / RESOLUTION).astype(int)], 1)
    return float(offset), float(slope)


def _affine_constants(membrane, dt):
    """Both constants of the affine current of a membrane, and the end of its table."""
    offset, slope = affine(f_i_table(membrane, dt))
    return {"I_0": offset, "I_1": slope / Hz, "top": TOP}


FITTED = "fitted on this membrane before a run: the affine current nearest to its inverted f-I curve, 5 to 100 Hz"
BY_AFFINE_CURRENT = Drive(
    f"{ASKED}\n current = I_0 + I_1 * rate : 1",
    measure=_affine_constants,
    sources={"I_0": (1, FITTED), "I_1": (second, FITTED), "top": SOURCES["top"]},
)


def with_affine_current(membrane: Membrane) -> Membrane:
    """The membrane with an affine current in place of its inverted table; another membrane as it is.

    A synapse gives a current that is proportional to the rate it hears. The f-I curve of the cell is then left to bend the
    answer.
    """
    if membrane.drive.measure is not _constants:
        return membrane
    drive = {name: getattr(BY_AFFINE_CURRENT, name) for name in ("equations", "measure")}
    sources = membrane.drive.sources | BY_AFFINE_CURRENT.sources
    return membrane._replace(drive=membrane.drive._replace(**drive, sources=sources))
