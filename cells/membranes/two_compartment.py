"""Two-compartment pyramidal cell with an apical calcium plateau, whose bursts multiply basal by apical drive.

::

    Soma:      C_s dV_s/dt = -C_s (V_s - E_L) / tau_s + g_s f(V_d) + I_s + w_s - g_shunt_s (V_s - E_I)
               tau_ws dw_s/dt = -w_s, w_s += b at each spike
    Dendrite:  C_d dV_d/dt = -C_d (V_d - E_L) / tau_d + g_d f(V_d) + c_d K(t - t_spike) + I_d + w_d - g_shunt_d (V_d - E_I)
               tau_wd dw_d/dt = -w_d - a (V_d - E_L)
    Plateau:   f(V) = 1 / (1 + exp(-(V - E_d) / D_d))

K is the back-propagated spike, 1 from 0.5 to 2.5 ms after it. Each current has independent noise, an
Ornstein-Uhlenbeck process of standard deviation `sigma` at any time step (hence the -1 under the root). Spikes closer than
16 ms form a burst; an event is a burst or an isolated spike. Release of a facilitating synapse increases as the interval
shortens: du/dt = -u / tau_f, u += U (1 - u) at each spike, which releases the value of u before it (the read-out of
bursts in Naud & Sprekeler). Between spikes u is not needed, so it is kept as it was after the last spike.

The equations and constants are those of Naud & Sprekeler (2018) in public re-implementations: two for the soma, four for the
dendrite. Where two or more state a constant they agree, as they do on a background noise of 450 pA and 2 ms; they differ on
its mean (into the dendrite -270, -300 or 400 pA), which is part of the drive here. Two sources give the threshold. They
differ on what follows a spike: one has a refractory time and states that it is 1 ms longer than the original, the other has
none and a threshold that moves (`cells.membranes.moving_threshold`). The paper itself was not accessible. The shunts, the
facilitation and a weaker noise are ours.

There is no closed form: `surface` measures a table of rates.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from brian2 import Clock, Network, NeuronGroup, Quantity, ms, mV, nS, pA, pF, second

from cortical_attention.cells.noise import noise, stream_of

READOUTS = ("total", "burst", "event", "facilitated")
COMPARTMENTS = """
    dV_s/dt = -(V_s - E_L) / tau_s + (g_s * plateau + I_s + w_s + noise_s + shunt_s) / C_s : volt (unless refractory)
    dw_s/dt = -w_s / tau_ws : amp
    dV_d/dt = -(V_d - E_L) / tau_d + (g_d * plateau + c_d * K + I_d + w_d + noise_d + shunt_d) / C_d : volt
    dw_d/dt = (-w_d - a * (V_d - E_L)) / tau_wd : amp
    plateau = 1 / (1 + exp(-(V_d - E_d) / D_d)) : 1
"""
RETURNED = """
    K = int(t - lastspike > 0.5*ms - 0.5*dt) * int(t - lastspike < 2.5*ms - 0.5*dt) : 1   # half a step: times are not exact
"""  # the back-propagated spike
SURROUNDINGS = """
    shunt_s = -g_shunt_s * (V_s - E_I) : amp
    shunt_d = -g_shunt_d * (V_d - E_I) : amp
    dnoise_s/dt = (-noise_s + sigma * sqrt(2 * tau_noise / dt - 1) * noise(i, t_in_timesteps, stream)) / tau_noise : amp
    dnoise_d/dt = (-noise_d + sigma * sqrt(2 * tau_noise / dt - 1) * noise(i, t_in_timesteps, stream + 1)) / tau_noise : amp
    last : second            # time of the last spike, set at its reset: until then, of the one before it
    close = int(t - last < together - 0.5*dt) : 1
    bursting : 1             # whether the last spike was in a burst, not its first
    u : 1                    # facilitation of the synapses it makes, at the last spike
"""  # of any cell with two compartments
SENT = {  # what a spike counts for, in each read-out, before it is added to the state
    "total": "1",
    "burst": "close * (1 - bursting)",
    "event": "1 - close",
    "facilitated": "u * exp((last - t) / tau_f)",
}
BOOK = """
    u *= exp((last - t) / tau_f)
    u += U * (1 - u)
    bursting = close
    last = t
"""  # what every cell notes at a spike, after its own reset
SETTLE = 0.5 * second  # chosen: five times the longest time constant
LONG_AGO = -1 * second
PAPER = "Naud & Sprekeler 2018, through re-implementations"
SOURCES = {
    **dict.fromkeys(("E_L", "C_s", "tau_s", "g_s", "b", "tau_ws"), PAPER),
    **dict.fromkeys(("C_d", "tau_d", "g_d", "E_d", "D_d", "c_d", "a", "tau_wd", "together", "tau_noise"), PAPER),
    "V_T": f"{PAPER}, of which two state it",
    "refractory": f"{PAPER}, of which one says that it is 1 ms longer than the original",
    "sigma": "chosen, in place of 450 pA: see decision 0008",
    "E_I": "chosen: reversal of GABA_A",
    "g_shunt_s": "chosen: no inhibition of the soma unless a form has it there",
    "g_shunt_d": "chosen: no inhibition of the dendrite unless a form has it there",
    "tau_f": "chosen: of the order of `together`, so that the next spike of a burst is what it passes",
    "U": "chosen: one spike opens the synapse",
}
COUNTERS = "\n".join(f"{name} : 1" for name in READOUTS)


class Dynamics(NamedTuple):
    """Equations of a cell model, its facilitating synapse, its time step and its range of currents.

    Attributes
    ----------
    equations, reset : str
        Equations of V_s and V_d, in terms of the currents I_s and I_d and `SURROUNDINGS`; reset at a spike.
    step : Quantity
        Time step (s).
    basal, apical : ndarray
        Measured currents (pA), from silence to the highest rates.
    threshold : str
        Condition of a spike.
    released : str
        What a facilitating synapse releases at a spike, in terms of its state before it.
    book : str
        What the cell notes at a spike, after its own reset: the state of that synapse and whether it bursts.
    """

    equations: str
    reset: str
    step: Quantity
    basal: np.ndarray
    apical: np.ndarray
    threshold: str = "V_s > V_T"
    released: str = SENT["facilitated"]
    book: str = BOOK

    @property
    def sent(self):
        """What a spike counts for, by read-out (dict of str to str)."""
        return SENT | {"facilitated": self.released}


class TwoCompartment(NamedTuple):
    """Constants of the cell, with their `sources`."""

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
    sigma: Quantity = 300 * pA
    E_I: Quantity = -75 * mV  # reversal of the shunts
    g_shunt_s: Quantity = 0 * nS  # inhibition of the soma (parvalbumin-like)
    g_shunt_d: Quantity = 0 * nS  # of the apical dendrite (somatostatin-like)
    tau_f: Quantity = 20 * ms  # of facilitation
    U: float = 0.9  # its growth at a spike, as a share of what is left

    sources = SOURCES
    dynamics = Dynamics(
        COMPARTMENTS + RETURNED,
        "V_s = E_L; w_s += b",
        0.5 * ms,  # chosen: a quarter of the noise's time constant
        np.linspace(-600, 1400, 31),  # chosen: up to 60 Hz
        np.linspace(-600, 900, 31),
    )


class Summing(TwoCompartment):
    """Control: a one-compartment cell that receives and sums both currents, without multiplication."""

    dynamics = TwoCompartment.dynamics._replace(
        equations="""
    dV_s/dt = -(V_s - E_L) / tau_s + (I_s + I_d + w_s + noise_s + shunt_s) / C_s : volt (unless refractory)
    dw_s/dt = -w_s / tau_ws : amp
    V_d : volt
"""
    )


def cells_under(basal, apical, cell, seed):
    """Cells at rest under constant currents (NeuronGroup); arguments as in `counts`."""
    constants = cell._asdict()
    own = {name: constants.pop(name) for name in ("g_shunt_s", "g_shunt_d")}
    state = (
        "I_s : amp (constant)\n I_d : amp (constant)\n g_shunt_s : siemens (constant)\n g_shunt_d : siemens (constant)"
    )
    kind = cell.dynamics
    count = "\n".join(f"{name} += {kind.sent[name]}" for name in READOUTS)
    group = NeuronGroup(
        len(basal), f"{kind.equations}\n{SURROUNDINGS}\n{state}\n{COUNTERS}",
        threshold=kind.threshold,
        reset=f"{count}\n{kind.reset}\n{kind.book}",
        refractory=cell.refractory, method="euler", clock=Clock(kind.step),
        namespace={**constants, "noise": noise, "stream": stream_of(np.random.SeedSequence(seed))},
    )  # fmt: skip
    group.V_s, group.V_d, group.last = cell.E_L, cell.E_L, LONG_AGO
    group.I_s, group.I_d = basal, apical
    for name, conductance in own.items():
        setattr(group, name, conductance)
    return group


def counts(basal, apical, cell, window, seed=0, report=None):
    """Counts of each read-out under constant currents, simulated in Brian2.

    Parameters
    ----------
    basal, apical : Quantity (A), shape (n,)
        Currents into soma and dendrite, one per cell.
    cell : TwoCompartment or CalciumSpike
        `g_shunt_s` and `g_shunt_d` may be arrays (n,), one value per cell.
    window : Quantity (s)
        Measured time, after `SETTLE`.
    seed : int
        Seed of the noise.
    report : callable, optional
        Progress report of Brian2.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        Number of spikes ("total"), of bursts ("burst") and of events ("event") of each cell in the window, and release
        of its facilitating synapses ("facilitated").

    Raises
    ------
    KeyboardInterrupt
        On an interrupted simulation.
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
    """Measured rates over a grid of currents.

    Attributes
    ----------
    basal, apical : ndarray, shape (n_basal,) and (n_apical,)
        Currents, pA.
    rates : dict of str to ndarray, shape (n_basal, n_apical)
        Hz, by read-out.
    """

    basal: np.ndarray
    apical: np.ndarray
    rates: dict


def surface(cell, basal=None, apical=None, n_cell=20, window=4 * second, seed=0):
    """Surface of a cell, measured in Brian2.

    Parameters
    ----------
    cell : TwoCompartment or CalciumSpike
    basal, apical : ndarray, shape (n_basal,) and (n_apical,), optional
        Currents (pA); default: those of the cell's `dynamics`.
    n_cell : int
        Cells per point.
    window : Quantity (s)
        Measured time, after `SETTLE`.
    seed : int
        Seed of the noise.

    Returns
    -------
    Surface
        Mean over the cells of each point.

    Raises
    ------
    KeyboardInterrupt
        On an interrupted simulation.
    """
    basal = cell.dynamics.basal if basal is None else basal
    apical = cell.dynamics.apical if apical is None else apical
    grid = np.meshgrid(basal, apical, indexing="ij")
    currents = [np.repeat(each.ravel(), n_cell) * pA for each in grid]
    found = counts(*currents, cell, window, seed)
    rates = {name: each.reshape(*grid[0].shape, n_cell).mean(axis=2) / float(window) for name, each in found.items()}
    return Surface(np.asarray(basal), np.asarray(apical), rates)


def surface_of(cell):
    """Surface of a cell over the whole range of currents, measured once per process (Surface)."""
    return _measure(type(cell), tuple(float(each) for each in cell))


@lru_cache
def _measure(kind, constants):
    """Surface from a hashable key: the cell class, and its constants in order, in SI units."""
    dimensions = [getattr(default, "dim", None) for default in kind()]
    return surface(
        kind(*(each if dim is None else Quantity(each, dim) for each, dim in zip(constants, dimensions, strict=True)))
    )
