"""Relay cell with a T-current that activates and inactivates by degrees, as in the models of Destexhe and colleagues.

::

    C dv/dt = g_L (E_L - v) + g_T m_inf(v)**2 h (E_T - v) + a (E_K - v) + received
    m_inf = 1 / (1 + exp(-(v + 59 mV) / 6.2 mV)),   h_inf = 1 / (1 + exp((v + 83 mV) / 4 mV))
    dh/dt = (h_inf - h) / tau_h
    tau_h = (30.8 + (211.4 + exp((v + 115.2 mV) / 5 mV)) / (1 + exp((v + 86 mV) / 3.2 mV))) / 3.737 ms

Sodium spikes are those of a point: where v > V_T, v = V_r for a refractory time, and the conductance `a` grows by a_1, which
stands for the potassium current after a spike. Activation is at its steady state, since it is fast. At the T-conductance of
published networks that swing in spindles (2.2 mS/cm2) a hyperpolarised cell fires bursts by itself; here it is so low
that it rests. There is no closed form of its rate: `experiments.relays` measures it.
"""

import numpy as np
from brian2 import ms, mV

from cortical_attention.cells.membranes.membrane import Membrane
from cortical_attention.cells.membranes.thalamic import CAPACITANCE, CONDUCTANCE, NOISE

DESTEXHE = "Destexhe et al. 1996, through public re-implementations of its T-current (q10 of inactivation 3)"
LEAK = (
    "Bazhenov, Timofeev, Steriade & Sejnowski 2002, through the file iLeak_TC_B02 of its re-implementation in DynaSim"
)
H_INF = "1 / (1 + exp((v + 83*mV) / (4*mV)))"
LOW_THRESHOLD = Membrane(
    f"""
    dv/dt = (g_L * (E_L - v) + I_T + a * (E_K - v) + received) / C + {NOISE} : volt (unless refractory)
    I_T = g_T * h * (E_T - v) / (1 + exp(-(v + 59*mV) / (6.2*mV)))**2 : amp/meter**2
    dh/dt = ({H_INF} - h) / tau_h : 1
    tau_h = (30.8*ms + (211.4*ms + exp((v + 115.2*mV) / (5*mV))*ms) / (1 + exp((v + 86*mV) / (3.2*mV)))) / q_10 : second
    da/dt = -a / tau_a : siemens/meter**2
""",
    threshold="v > V_T",
    reset="v = V_r; a += a_1",
    constants={
        "C": 1 * CAPACITANCE,
        "g_L": 0.01 * CONDUCTANCE,
        "E_L": -70 * mV,
        "g_T": 1 * CONDUCTANCE,
        "E_T": 120 * mV,
        "q_10": 3.737,  # 3 ** ((36 - 24) / 10)
        "E_K": -95 * mV,
        "a_1": 0.04 * CONDUCTANCE,
        "tau_a": 15 * ms,
        "V_T": -45 * mV,
        "V_r": -55 * mV,
        "refractory": 2 * ms,
    },
    refractory="refractory",
    start=lambda group, uniform: setattr(group, "h", H_INF),
    noisy=True,
    sources=dict.fromkeys(("E_T", "q_10"), DESTEXHE)
    | dict.fromkeys(("g_L", "E_L"), LEAK)
    | {
        "C": "chosen: that of a lipid membrane",
        "E_K": "chosen: of the order of models of thalamic cells",
        "g_T": "chosen: below the 2.2 mS/cm2 of spindle networks, so that a hyperpolarised cell is silent without input",
        **dict.fromkeys(("V_T", "V_r", "refractory"), "chosen: of the order of a cortical point cell"),
        **dict.fromkeys(("a_1", "tau_a"), "chosen: with them a rebound from inhibition of 100 ms has three spikes"),
    },
)


def h_inf(v):
    """Steady state of inactivation at a potential (Quantity, V; any shape)."""
    return 1 / (1 + np.exp(np.asarray(v / mV + 83) / 4))


def tau_h(v):
    """Time constant of inactivation (Quantity, s) at a potential (Quantity, V; any shape)."""
    v = np.asarray(v / mV)
    return (30.8 + (211.4 + np.exp((v + 115.2) / 5)) / (1 + np.exp((v + 86) / 3.2))) / 3.737 * ms
