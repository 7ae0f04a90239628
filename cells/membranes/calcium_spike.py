"""Two-compartment pyramidal cell with a gated calcium current, after Larkum, Senn & Luescher (2004).

::

    Soma:      C_s dV_s/dt = (E_L - V_s) / R_s + (V_d - V_s) / R_T + g_K (E_K - V_s) + I_s
               g_K += g_AHP at a spike, and decays with tau_K
    Dendrite:  C_d dV_d/dt = (E_d - V_d) / R_d + (V_soma - V_d) / R_T + g_Ca m h (E_Ca - V_d) + I_d
               tau_m dm/dt = 1 / (1 + exp(-(V_d - V_m) / D)) - m,  tau_h dh/dt = 1 / (1 + exp((V_d - V_h) / D)) - h

During a spike the dendrite receives current from a soma at V_peak for `refractory`; then the soma is reset to V_reset and
the dendrite depolarised by `kick`. Both last one step less than stated, since spikes are detected at the end of a step.
Noise, shunts, bursts and synapses are those of `cells.membranes.two_compartment`.

The paper itself was not accessible. All constants except those of the gates come from one public re-implementation, by
students, with the calcium reversal potential from another source. Those of the gates come from two; the second attributes
them to this paper and has logistic curves where the first has their tangents. There g_K is set to g_AHP at a spike: the cell
then fires at 200 Hz, that of the paper at 24 Hz. With summation it approximates the f-I points of the paper, quoted by a
third public source (`F_I`; `tests/test_two_compartment.py`).
"""

from typing import NamedTuple

import numpy as np
from brian2 import Mohm, Quantity, ms, mV, nF, nS, pA

from cortical_attention.cells.membranes import two_compartment
from cortical_attention.cells.membranes.two_compartment import Dynamics

MEMBRANE = """
    dV_s/dt = ((E_L - V_s) / R_s + (V_d - V_s) / R_T + g_K * (E_K - V_s) + I_s + noise_s + shunt_s) / C_s
        : volt (unless refractory)
    dg_K/dt = -g_K / tau_K : siemens
    dV_d/dt = ((E_d - V_d) / R_d + (V_soma - V_d) / R_T + I_Ca + I_d + noise_d + shunt_d) / C_d + raised : volt
    dm/dt = (1 / (1 + exp(-(V_d - V_m) / D)) - m) / tau_m : 1
    dh/dt = (1 / (1 + exp((V_d - V_h) / D)) - h) / tau_h : 1
    I_Ca = g_Ca * m * h * (E_Ca - V_d) : amp
    V_soma = V_s + (V_peak - V_s) * int(t - last < refractory - 0.5*dt) : volt   # half a step: times are not exact
    raised = kick / dt * int(t - last >= refractory - 0.5*dt) * int(t - last < refractory + 0.5*dt) : volt / second
"""


F_I = {  # pA into the soma, Hz: Larkum, Senn & Luescher (2004), as a public analysis of another model quotes them
    200: 1, 250: 2, 300: 3.9, 350: 6, 400: 7, 450: 8, 500: 12.5, 550: 14.5, 600: 17, 650: 20, 700: 22, 750: 24,
}  # fmt: skip


PAPER = "Larkum, Senn & Luescher 2004, through"
OF_ONE = ("E_L", "V_T", "V_reset", "V_peak", "refractory", "C_s", "R_s", "R_T", "g_AHP", "E_K", "tau_K")
OF_ONE += ("C_d", "R_d", "E_d", "kick", "g_Ca", "tau_noise", "sigma")
OF_TWO = ("V_m", "V_h", "D", "tau_m", "tau_h")  # the gates
OURS = ("together", "E_I", "g_shunt_s", "g_shunt_d", "tau_f", "U")
SOURCES = {
    **dict.fromkeys(OF_ONE, f"{PAPER} one re-implementation"),
    **dict.fromkeys(OF_TWO, f"{PAPER} two re-implementations"),
    "E_Ca": "another source than the re-implementation that states the other constants",
    **{name: f"as in the other cell with two compartments: {two_compartment.SOURCES[name]}" for name in OURS},
}


class CalciumSpike(NamedTuple):
    """Constants of the cell, with their `sources`."""

    E_L: Quantity = -70 * mV  # rest of the soma
    V_T: Quantity = -47 * mV  # threshold
    V_reset: Quantity = -52 * mV
    V_peak: Quantity = 10 * mV
    refractory: Quantity = 1 * ms  # duration of a spike
    C_s: Quantity = 0.26 * nF
    R_s: Quantity = 50 * Mohm
    R_T: Quantity = 65 * Mohm  # between soma and dendrite
    g_AHP: Quantity = 4 * nS
    E_K: Quantity = -90 * mV
    tau_K: Quantity = 80 * ms
    C_d: Quantity = 0.12 * nF
    R_d: Quantity = 43 * Mohm
    E_d: Quantity = -60 * mV  # rest of the dendrite
    kick: Quantity = 10 * mV
    g_Ca: Quantity = 70 * nS
    E_Ca: Quantity = 137 * mV
    V_m: Quantity = -9 * mV
    V_h: Quantity = -21 * mV
    D: Quantity = 2 * mV
    tau_m: Quantity = 15 * ms
    tau_h: Quantity = 80 * ms
    together: Quantity = 16 * ms
    tau_noise: Quantity = 3 * ms
    sigma: Quantity = 300 * pA
    E_I: Quantity = -75 * mV
    g_shunt_s: Quantity = 0 * nS
    g_shunt_d: Quantity = 0 * nS
    tau_f: Quantity = 20 * ms
    U: float = 0.9

    sources = SOURCES
    dynamics = Dynamics(
        MEMBRANE,
        "V_s = V_reset; g_K += g_AHP",
        0.25 * ms,  # chosen: a tenth of the dendrite's time constant, a quarter of a spike
        np.linspace(-600, 1400, 31),
        np.linspace(-600, 1800, 31),
    )
