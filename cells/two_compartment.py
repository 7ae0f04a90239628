"""Two-compartment pyramidal cell with an apical calcium plateau, whose bursts multiply basal by apical drive.

Soma:      C_s dV_s/dt = -C_s (V_s - E_L) / tau_s + g_s f(V_d) + I_s + w_s
           tau_ws dw_s/dt = -w_s, w_s += b at each spike
Dendrite:  C_d dV_d/dt = -C_d (V_d - E_L) / tau_d + g_d f(V_d) + c_d K(t - t_spike) + I_d + w_d
           tau_wd dw_d/dt = -w_d - a (V_d - E_L)
Plateau:   f(V) = 1 / (1 + exp(-(V - E_d) / D_d))
K is the back-propagated spike, 1 from 0.5 to 2.5 ms after it. To both currents comes noise of its own, an
Ornstein-Uhlenbeck process of standard deviation `sigma`. Spikes closer than 16 ms make a burst; an event is a burst or a
spike that stands alone.

The equations and constants are those of Naud & Sprekeler (2018), as re-implementations give them: none was checked
against the paper itself, which could not be had; the strength of the background noise is a parameter of the experiment.
There is no closed form: `surface` measures the table.
"""

from typing import NamedTuple

import numpy as np
from brian2 import Clock, Network, NeuronGroup, Quantity, ms, mV, nS, pA, pF, second

from cells.noise import noise

READOUTS = ("total", "burst", "event")


class TwoCompartment(NamedTuple):
    """Constants of the cell; Naud & Sprekeler (2018), second-hand, unless said otherwise."""

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
    tau_noise: Quantity = 2 * ms  # chosen: order of a synaptic current
    sigma: Quantity = 450 * pA  # strong background; chosen; `bursts --sigma` takes another


EQUATIONS = """
    dV_s/dt = -(V_s - E_L) / tau_s + (g_s * plateau + I_s + w_s + noise_s) / C_s : volt (unless refractory)
    dw_s/dt = -w_s / tau_ws : amp
    dV_d/dt = -(V_d - E_L) / tau_d + (g_d * plateau + c_d * K + I_d + w_d + noise_d) / C_d : volt
    dw_d/dt = (-w_d - a * (V_d - E_L)) / tau_wd : amp
    plateau = 1 / (1 + exp(-(V_d - E_d) / D_d)) : 1
    K = int(t - last >= 0.5*ms) * int(t - last < 2.5*ms) : 1
    dnoise_s/dt = (-noise_s + sigma * sqrt(2 * tau_noise / dt) * noise(i, t_in_timesteps, stream_s)) / tau_noise : amp
    dnoise_d/dt = (-noise_d + sigma * sqrt(2 * tau_noise / dt) * noise(i, t_in_timesteps, stream_d)) / tau_noise : amp
    I_s : amp (constant)     # basal drive
    I_d : amp (constant)     # apical drive
    last : second            # time of the last spike
    bursting : 1             # whether the last spike was in a burst, not its first
    total : 1                # spikes so far
    burst : 1                # bursts so far
    event : 1                # bursts and spikes that stand alone, so far
"""
RESET = """
    V_s = E_L
    w_s += b
    total += 1
    event += int(t - last >= together)
    burst += int(t - last < together) * (1 - bursting)
    bursting = int(t - last < together)
    last = t
"""
STEP, SETTLE = 0.5 * ms, 0.5 * second  # chosen: a quarter of the noise's time constant; five times the longest one


def counts(basal, apical, cell, window, seed=0, report=None):
    """What cells count under constant drives, simulated in Brian2.

    Parameters
    ----------
    basal, apical : Quantity (A), shape (n,)
        Currents into soma and dendrite, one a cell.
    cell : TwoCompartment
    window : Quantity (s)
        After `SETTLE`.
    seed : int
    report : callable, optional

    Returns
    -------
    dict of str to ndarray, shape (n,)
        Number of spikes ("total"), of bursts ("burst") and of events ("event") of each cell in the window.

    Raises
    ------
    KeyboardInterrupt
        If it was interrupted.
    """
    streams = np.random.SeedSequence(seed).generate_state(2).tolist()
    clock = Clock(STEP)
    group = NeuronGroup(
        len(basal), EQUATIONS, threshold="V_s > V_T", reset=RESET, refractory=cell.refractory, method="euler",
        namespace={**cell._asdict(), "noise": noise, "stream_s": streams[0], "stream_d": streams[1]}, clock=clock,
    )  # fmt: skip
    group.V_s, group.V_d, group.last = cell.E_L, cell.E_L, -1 * second
    group.I_s, group.I_d = basal, apical
    network, read = Network(group), []
    for span in (SETTLE, window):
        network.run(span, report=report, report_period=1 * second, namespace={})
        read.append({name: np.array(getattr(group, name)) for name in READOUTS})
        if network.t < (SETTLE if len(read) == 1 else SETTLE + window) - STEP / 2:
            raise KeyboardInterrupt
    return {name: read[1][name] - read[0][name] for name in READOUTS}


def surface(basal, apical, cell, n_cell=20, window=4 * second, seed=0):
    """Rates over a grid of drives.

    Parameters
    ----------
    basal, apical : Quantity (A), shape (n_basal,) and (n_apical,)
    cell : TwoCompartment
    n_cell : int
        Cells at each point.
    window : Quantity (s)
    seed : int

    Returns
    -------
    dict of str to Quantity (Hz), shape (n_basal, n_apical)
    """
    grid = np.meshgrid(basal / pA, apical / pA, indexing="ij")
    currents = [np.repeat(each.ravel(), n_cell) * pA for each in grid]
    found = counts(*currents, cell, window, seed)
    return {name: each.reshape(*grid[0].shape, n_cell).mean(axis=2) / window for name, each in found.items()}
