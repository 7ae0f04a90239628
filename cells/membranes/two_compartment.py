"""Two-compartment pyramidal cell with an apical calcium plateau, whose bursts multiply basal by apical drive.

Soma:      C_s dV_s/dt = -C_s (V_s - E_L) / tau_s + g_s f(V_d) + I_s + w_s - g_shunt_s (V_s - E_I)
           tau_ws dw_s/dt = -w_s, w_s += b at each spike
Dendrite:  C_d dV_d/dt = -C_d (V_d - E_L) / tau_d + g_d f(V_d) + c_d K(t - t_spike) + I_d + w_d - g_shunt_d (V_d - E_I)
           tau_wd dw_d/dt = -w_d - a (V_d - E_L)
Plateau:   f(V) = 1 / (1 + exp(-(V - E_d) / D_d))
K is the back-propagated spike, 1 from 0.5 to 2.5 ms after it. To both currents comes noise of its own, an
Ornstein-Uhlenbeck process of standard deviation `sigma` (at any step: less 1 under its root). Spikes closer than 16 ms make
a burst; an event is a burst or a spike that stands alone. A facilitating synapse releases the more, the shorter the
interval: du/dt = -u / tau_f, u += U (1 - u) at each spike, which releases what u was before (Naud & Sprekeler read bursts
so).

The equations and constants are those of Naud & Sprekeler (2018), as public re-implementations give them: of the soma two
were read, of the dendrite four. Where two or more state a constant they agree, and so they do on a background noise of
450 pA and 2 ms; not on its mean (into the dendrite -270, -300 or 400 pA), which is part of the drive here. The threshold was
read in one place only, and the refractory time is said in one to be 1 ms longer than the original. The paper itself could
not be had. The shunts, the facilitation and a weaker noise are ours.

There is no closed form: `surface` measures the table.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from brian2 import Clock, Network, NeuronGroup, Quantity, ms, mV, nS, pA, pF, second

from cortical_attention.cells.noise import noise

READOUTS = ("total", "burst", "event", "facilitated")
MEMBRANE = """
    dV_s/dt = -(V_s - E_L) / tau_s + (g_s * plateau + I_s + w_s + noise_s + shunt_s) / C_s : volt (unless refractory)
    dw_s/dt = -w_s / tau_ws : amp
    dV_d/dt = -(V_d - E_L) / tau_d + (g_d * plateau + c_d * K + I_d + w_d + noise_d + shunt_d) / C_d : volt
    dw_d/dt = (-w_d - a * (V_d - E_L)) / tau_wd : amp
    plateau = 1 / (1 + exp(-(V_d - E_d) / D_d)) : 1
    K = int(t - last > 0.5*ms - 0.5*dt) * int(t - last < 2.5*ms - 0.5*dt) : 1   # half a step: times are not exact
"""
SURROUNDINGS = """
    shunt_s = -g_shunt_s * (V_s - E_I) : amp
    shunt_d = -g_shunt_d * (V_d - E_I) : amp
    dnoise_s/dt = (-noise_s + sigma * sqrt(2 * tau_noise / dt - 1) * noise(i, t_in_timesteps, stream)) / tau_noise : amp
    dnoise_d/dt = (-noise_d + sigma * sqrt(2 * tau_noise / dt - 1) * noise(i, t_in_timesteps, stream_d)) / tau_noise : amp
    last : second            # time of the last spike
    close = int(t - last < together - 0.5*dt) : 1
    bursting : 1             # whether the last spike was in a burst, not its first
    du/dt = -u / tau_f : 1   # facilitation of the synapses it makes
"""  # of any cell with two compartments
THRESHOLD = "V_s > V_T"
STREAMS = {"stream": "", "stream_d": "dendrites of "}  # of the noise in soma and dendrite, by constant
SENT = {  # what a spike counts for, in each read-out, before it is added to the state
    "total": "1",
    "burst": "close * (1 - bursting)",
    "event": "1 - close",
    "facilitated": "u",
}
BOOK = """
    u += U * (1 - u)
    bursting = close
    last = t
"""  # what every cell notes at a spike, after its own reset
SETTLE = 0.5 * second  # chosen: five times the longest time constant
LONG_AGO = -1 * second
COUNTERS = "\n".join(f"{name} : 1" for name in READOUTS)
SAMPLED = {**SENT, "facilitated": "passed"}  # what synapses find at the beginning of the step
COUNT = "\n".join(f"{name} += {SAMPLED[name]}" for name in READOUTS)


class Dynamics(NamedTuple):
    """Equations of a kind of cell, and how it is simulated.

    Attributes
    ----------
    equations, reset : str
        Of V_s and V_d, given the currents I_s and I_d and `SURROUNDINGS`; and what a spike does to them.
    step : Quantity
        Time step.
    basal, apical : ndarray
        Currents (pA) from silence to the highest rates, at which the cell is measured.
    """

    equations: str
    reset: str
    step: Quantity
    basal: np.ndarray
    apical: np.ndarray


class TwoCompartment(NamedTuple):
    """Constants of the cell: Naud & Sprekeler (2018), by way of re-implementations, unless said otherwise."""

    E_L: Quantity = -70 * mV  # rest, and reset
    V_T: Quantity = -50 * mV  # threshold
    C_s: Quantity = 370 * pF
    tau_s: Quantity = 16 * ms
    g_s: Quantity = 1300 * pA  # current from a full plateau into the soma
    b: Quantity = -200 * pA  # spike-triggered adaptation
    tau_ws: Quantity = 100 * ms
    refractory: Quantity = 3 * ms
    C_d: Quantity = 170 * pF
    tau_d: Quantity = 7 * ms
    g_d: Quantity = 1200 * pA  # current of a full plateau in the dendrite
    E_d: Quantity = -38 * mV
    D_d: Quantity = 6 * mV
    c_d: Quantity = 2600 * pA  # back-propagating spike
    a: Quantity = 13 * nS  # dendritic adaptation
    tau_wd: Quantity = 30 * ms
    together: Quantity = 16 * ms  # spikes closer than this make a burst
    tau_noise: Quantity = 2 * ms
    sigma: Quantity = 300 * pA  # chosen, in place of 450 pA: see decision 0008
    E_I: Quantity = -75 * mV  # chosen: reversal of GABA_A
    g_shunt_s: Quantity = 0 * nS  # inhibition of the soma (parvalbumin-like)
    g_shunt_d: Quantity = 0 * nS  # of the apical dendrite (somatostatin-like)
    tau_f: Quantity = 20 * ms  # chosen: of the order of `together`, so that the next spike of a burst is what it passes
    U: float = 0.9  # chosen: one spike opens the synapse

    dynamics = Dynamics(
        MEMBRANE,
        "V_s = E_L; w_s += b",
        0.5 * ms,  # chosen: a quarter of the noise's time constant
        np.linspace(-600, 1400, 31),  # chosen: up to 60 Hz
        np.linspace(-600, 900, 31),
    )


class Summing(TwoCompartment):
    """Control: a cell of one compartment that receives both currents, so that nothing in it multiplies."""

    dynamics = TwoCompartment.dynamics._replace(
        equations="""
    dV_s/dt = -(V_s - E_L) / tau_s + (I_s + I_d + w_s + noise_s + shunt_s) / C_s : volt (unless refractory)
    dw_s/dt = -w_s / tau_ws : amp
    V_d : volt
"""
    )


def cells_under(basal, apical, cell, seed):
    """Cells under constant drives, at rest (NeuronGroup); the arguments are those of `counts`."""
    streams = np.random.SeedSequence(seed).generate_state(2).tolist()
    constants = cell._asdict()
    own = {name: constants.pop(name) for name in ("g_shunt_s", "g_shunt_d")}
    state = (
        "I_s : amp (constant)\n I_d : amp (constant)\n g_shunt_s : siemens (constant)\n g_shunt_d : siemens (constant)"
    )
    kind = cell.dynamics
    group = NeuronGroup(
        len(basal), f"{kind.equations}\n{SURROUNDINGS}\n{state}\n{COUNTERS}\n passed = u : 1 (constant over dt)",
        threshold=THRESHOLD,
        reset=f"{COUNT}\n{kind.reset}\n{BOOK}",
        refractory=cell.refractory, method="euler", clock=Clock(kind.step),
        namespace={**constants, "noise": noise, "stream": streams[0], "stream_d": streams[1]},
    )  # fmt: skip
    group.V_s, group.V_d, group.last = cell.E_L, cell.E_L, LONG_AGO
    group.I_s, group.I_d = basal, apical
    for name, conductance in own.items():
        setattr(group, name, conductance)
    return group


def counts(basal, apical, cell, window, seed=0, report=None):
    """What cells count under constant drives, simulated in Brian2.

    Parameters
    ----------
    basal, apical : Quantity (A), shape (n,)
        Currents into soma and dendrite, one a cell.
    cell : TwoCompartment or CalciumSpike
        A constant may also be an array (n,), a value for each cell: `g_shunt_s` and `g_shunt_d` only.
    window : Quantity (s)
        After `SETTLE`.
    seed : int
    report : callable, optional

    Returns
    -------
    dict of str to ndarray, shape (n,)
        Number of spikes ("total"), of bursts ("burst") and of events ("event") of each cell in the window, and what its
        facilitating synapses released ("facilitated").

    Raises
    ------
    KeyboardInterrupt
        If it was interrupted.
    """
    group = cells_under(basal, apical, cell, seed)
    network, read = Network(group), []
    for span in (SETTLE, window):
        network.run(span, report=report, report_period=1 * second, namespace={})
        read.append({name: np.array(getattr(group, name)) for name in READOUTS})
        if network.t < (SETTLE if len(read) == 1 else SETTLE + window) - cell.dynamics.step / 2:
            raise KeyboardInterrupt
    return {name: read[1][name] - read[0][name] for name in READOUTS}


class Surface(NamedTuple):
    """Rates over a grid of drives.

    Attributes
    ----------
    basal, apical : ndarray, shape (n_basal,) and (n_apical,)
        Currents, pA.
    rates : dict of str to ndarray, shape (n_basal, n_apical)
        Hz, of each read-out.
    """

    basal: np.ndarray
    apical: np.ndarray
    rates: dict


def surface(cell, basal=None, apical=None, n_cell=20, window=4 * second, seed=0):
    """Surface of a cell.

    Parameters
    ----------
    cell : TwoCompartment or CalciumSpike
    basal, apical : ndarray, shape (n_basal,) and (n_apical,), optional
        Currents, pA; those of the cell's `dynamics` unless given.
    n_cell : int
        Cells at each point.
    window : Quantity (s)
    seed : int
    """
    basal = cell.dynamics.basal if basal is None else basal
    apical = cell.dynamics.apical if apical is None else apical
    grid = np.meshgrid(basal, apical, indexing="ij")
    currents = [np.repeat(each.ravel(), n_cell) * pA for each in grid]
    found = counts(*currents, cell, window, seed)
    rates = {name: each.reshape(*grid[0].shape, n_cell).mean(axis=2) / float(window) for name, each in found.items()}
    return Surface(np.asarray(basal), np.asarray(apical), rates)


def surface_of(cell):
    """Surface of a cell over the whole range of currents, measured once in a process."""
    return _measure(type(cell), tuple(float(each) for each in cell))


@lru_cache
def _measure(kind, constants):
    """The surface, from what can be compared: the kind of cell, and its constants in their order, in SI units."""
    dimensions = [getattr(default, "dim", None) for default in kind()]
    return surface(
        kind(*(each if dim is None else Quantity(each, dim) for each, dim in zip(constants, dimensions, strict=True)))
    )
