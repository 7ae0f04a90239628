"""Stimuli for cells of the thalamus, one after another in physiology and side by side here, and what their spikes say.

Every stimulus is 4 s long, of which the first is not measured, and goes to cells of its own. A draw is a set of such cells
with one offset of the holding current, so that intervals over draws are over working points as well as over noise.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
from brian2 import Hz, Quantity, ms, mV
from scipy.stats import linregress

from cortical_attention.cells.membranes.fire_or_burst import FIRE_OR_BURST
from cortical_attention.cells.membranes.low_threshold import LOW_THRESHOLD
from cortical_attention.cells.membranes.membrane import Membrane
from cortical_attention.cells.membranes.reticular import RETICULAR
from cortical_attention.cells.membranes.thalamic import CONDUCTANCE, DENSITY, holding
from cortical_attention.circuits.nucleus import POTASSIUM, Driver, Held, Nucleus
from cortical_attention.readout.bursts import bursts
from cortical_attention.simulation.nuclei import simulate

SLOT, N_SLOT, SETTLE = 10 * ms, 400, 1.0  # s
FREQUENCY, N_BIN, N_HARMONIC = (
    2.0,
    40,
    7,
)  # Hz; below 3 Hz, where tonic firing begins to lock (Smith et al. 2000, abstract)
TONIC, BURST = 0.4, 0.8  # uA/cm2: amplitudes of the sines
DURATIONS = 25, 50, 100, 200, 400  # ms, of the inhibition before a rebound, which ends at 2 s
INHIBITION = Held(0.5 * CONDUCTANCE, -80 * mV)  # chosen: holds the cell at the reversal of GABA_A
RELEASED, AFTER = 2.0, 0.25  # s
RATES = 5, 10, 20, 40, 60, 80  # Hz, of driver spikes
OFFSET = 1 * mV  # chosen: standard deviation of the potential at which draws are held
CROWD = 4  # chosen: times as many cells for sines, of whose harmonics noise is a part


class Preparation(NamedTuple):
    """A cell, and the holding currents at which it is tonic, ready to burst, or just below its threshold.

    Attributes
    ----------
    membrane : Membrane
    sigma : Quantity (V)
    leak : tuple of Held
    tonic, burst, relaying, rebounding : float
        Currents in uA/cm2: firing without input; hyperpolarised; silent, but depolarised, for driver spikes; and for the
        rebound from inhibition.
    weight : float
        Conductance of a driver spike, mS/cm2.
    steps : tuple of float
        Currents in uA/cm2 of the f-I curve.
    """

    membrane: Membrane
    sigma: Quantity
    leak: tuple
    tonic: float
    burst: float
    relaying: float
    rebounding: float
    weight: float
    steps: tuple


def _at(membrane, v, leak=()):
    return float(holding(membrane, v * mV, leak) / DENSITY)


LEAK = (Held(0.02 * CONDUCTANCE, POTASSIUM),)  # chosen: the leak that acetylcholine closes, open
CELLS = {  # chosen in pilot runs with other noise
    "fire_or_burst": Preparation(
        FIRE_OR_BURST, 2 * mV, (), _at(FIRE_OR_BURST, -25), _at(FIRE_OR_BURST, -75), _at(FIRE_OR_BURST, -45),
        _at(FIRE_OR_BURST, -55), 0.25, tuple(np.linspace(1.2, 3.0, 7)),
    ),
    "low_threshold": Preparation(
        LOW_THRESHOLD, 1 * mV, LEAK, 2.5, _at(LOW_THRESHOLD, -80, LEAK), _at(LOW_THRESHOLD, -55, LEAK),
        _at(LOW_THRESHOLD, -60, LEAK), 0.25, tuple(np.linspace(1.6, 3.4, 7)),
    ),
    "reticular": Preparation(
        RETICULAR, 2 * mV, (), 2.0, 0.0, _at(RETICULAR, -60), _at(RETICULAR, -65), 0.25, tuple(np.linspace(1.4, 3.2, 7)),
    ),
}  # fmt: skip


WITHOUT, SWAPPED = ", without T", "fire_or_burst, exchanged"
OTHERS = {f"{name}{WITHOUT}": each._replace(membrane=each.membrane.changed(g_T=0 * CONDUCTANCE))
          for name, each in CELLS.items()}  # fmt: skip
OTHERS[SWAPPED] = CELLS["fire_or_burst"]._replace(
    membrane=FIRE_OR_BURST.changed(tau_minus=100 * ms, tau_plus=20 * ms)  # decision 0029
)


class Stimulus(NamedTuple):
    """What one set of cells receives.

    Attributes
    ----------
    kind : {"step", "sine", "rebound", "driver"}
    mode : {"tonic", "silent", "burst"}
        Depolarised so that the cell fires without input, or just not; or hyperpolarised.
    level : float
        Current (uA/cm2), amplitude (uA/cm2), duration (ms) or rate (Hz).
    current : ndarray, shape (N_SLOT,)
        uA/cm2.
    inhibition : ndarray, shape (N_SLOT,)
        Of the conductance of `INHIBITION`.
    rate : float
        Hz, of driver spikes.
    """

    kind: str
    mode: str
    level: float
    current: np.ndarray
    inhibition: np.ndarray
    rate: float = 0.0


def stimuli_of(cell):
    """All stimuli of a preparation (list of Stimulus)."""
    times, none = np.arange(N_SLOT) * float(SLOT), np.zeros(N_SLOT)
    wave = np.sin(2 * np.pi * FREQUENCY * times)
    found = [Stimulus("step", "tonic", float(level), none + level, none) for level in cell.steps]
    modes = ("tonic", cell.tonic, TONIC), ("silent", cell.relaying, BURST), ("burst", cell.burst, BURST)
    for mode, held, amplitude in modes:
        found += [Stimulus("sine", mode, amplitude, held + amplitude * wave, none)] * CROWD
    for duration in DURATIONS:
        inhibited = (times < RELEASED) & (times >= RELEASED - duration / 1000)
        found.append(Stimulus("rebound", "burst", duration, none + cell.rebounding, inhibited * 1.0))
    for mode, held in (("tonic", cell.relaying), ("burst", cell.burst)):
        found += [Stimulus("driver", mode, rate, none + held, none, rate) for rate in RATES]
    return found


def nucleus_of(name, cell, n_draw, n_cell, seed):
    """Nucleus in which each stimulus of each draw has its cells, in C order of draw, stimulus and cell."""
    stimuli = stimuli_of(cell)
    own = cell.membrane.constants["g_L"] + sum((held.conductance for held in cell.leak), 0 * CONDUCTANCE)
    offsets = np.random.default_rng([seed, n_draw]).standard_normal(n_draw) * float(OFFSET * own / DENSITY)
    currents = np.array([each.current for each in stimuli]) + offsets[:, None, None]
    rates = np.repeat(np.tile([each.rate for each in stimuli], n_draw), n_cell)
    inhibition = np.tile(np.array([each.inhibition for each in stimuli]), (n_draw, 1))
    tone = Held(np.repeat(inhibition.T, n_cell, axis=1) * INHIBITION.conductance, INHIBITION.reversal)
    return Nucleus(
        name, cell.membrane, n_draw * len(stimuli) * n_cell,
        np.repeat(currents.reshape(-1, N_SLOT).T, n_cell, axis=1) * DENSITY, cell.sigma,
        drivers=(Driver(rates * Hz, cell.weight * CONDUCTANCE),), conductances=(*cell.leak, tone),
    )  # fmt: skip


def measure(cells, n_draw, n_cell, seed, target="auto"):
    """Present all stimuli to all cells in one run.

    Parameters
    ----------
    cells : dict of str to Preparation
    n_draw, n_cell : int
        Draws, and cells of each stimulus in a draw; sines have `CROWD` times as many.
    seed : int
    target : {"auto", "numpy", "cython", "cpp"}

    Returns
    -------
    list of dict
        A row for each cell, stimulus and draw, with `kind`, `mode`, `level` and what `_row` reads of it.
    """
    nuclei = [nucleus_of(f"cells_{k}", cell, n_draw, n_cell, seed) for k, cell in enumerate(cells.values())]
    found = simulate(nuclei, slot=SLOT, n_slot=N_SLOT, seed=seed, target=target)
    return [
        row
        for (name, cell), spikes in zip(cells.items(), found.values(), strict=True)
        for row in rows_of(name, spikes, stimuli_of(cell), n_draw, n_cell)
    ]


def rows_of(name, spikes, stimuli, n_draw, n_cell):
    """Rows of one nucleus (list of dict)."""
    keys = [each[:3] for each in stimuli]
    started, rows = bursts(spikes.cells, spikes.times), []
    for draw, key in product(range(n_draw), dict.fromkeys(keys)):
        sets = np.flatnonzero([each == key for each in keys]) + draw * len(keys)
        inside, first = np.isin(spikes.cells // n_cell, sets), np.isin(started.cells // n_cell, sets)
        found = _row(key[0], spikes.cells[inside], spikes.times[inside], started.times[first], started.spikes[first],
                     len(sets) * n_cell)  # fmt: skip
        rows.append({"cell": name, "draw": draw, **dict(zip(Stimulus._fields, key, strict=False)), **found})
    return rows


def _row(kind, cells, times, started, sizes, n_cell):
    """Figures of one stimulus in one draw: spikes (cells, times), bursts (starts, sizes)."""
    measured = float(SLOT) * N_SLOT - SETTLE
    late = times >= SETTLE
    row = {
        "rate": float(late.sum() / n_cell / measured),
        "bursts": float((started >= SETTLE).sum() / n_cell / measured),
        "spikes_per_burst": float(sizes[started >= SETTLE].mean()) if (started >= SETTLE).any() else 0.0,
    }
    if kind == "sine":
        row |= _of_cycles(cells[late], times[late] - SETTLE, n_cell, measured)
        row["bursts_per_cycle"] = row["bursts"] / FREQUENCY
    if kind == "rebound":
        after = (times >= RELEASED) & (times < RELEASED + AFTER)
        row["rebound"] = float(after.sum() / n_cell)
    return row


def _of_cycles(cells, times, n_cell, measured):
    """Harmonics of the histogram over a cycle, and the Fano factor of spikes in a cycle."""
    histogram = np.bincount((times * FREQUENCY % 1 * N_BIN).astype(int), minlength=N_BIN)
    power = np.abs(np.fft.rfft(histogram))
    n_cycle = round(measured * FREQUENCY)
    _, own = np.unique(cells, return_inverse=True)
    counts = np.zeros((n_cell, n_cycle))
    np.add.at(counts, (own, (times * FREQUENCY).astype(int)), 1)
    mean = counts.mean()
    return {
        "harmonics": float(np.sqrt((power[2 : N_HARMONIC + 1] ** 2).sum()) / power[1]) if power[1] else None,
        "spikes_per_cycle": float(mean),
        "fano": float(counts.var() / mean) if mean else None,
        "histogram": (histogram * N_BIN * FREQUENCY / n_cell / measured / FREQUENCY).tolist(),
    }


def slope(rows, cell, kind, mode, draw):
    """Regression of the rates of one draw on the levels of a stimulus (scipy's result, with `slope` and `rvalue`)."""
    own = [row for row in rows if (row["cell"], row["kind"], row["mode"], row["draw"]) == (cell, kind, mode, draw)]
    return linregress([row["level"] for row in own], [row["rate"] for row in own])
