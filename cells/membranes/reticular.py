"""Cell of the thalamic reticular nucleus, whose T-current (Destexhe and colleagues) is slower than that of relay cells.

::

    C dv/dt = g_L (E_L - v) + g_T m_inf(v)**2 h (E_T - v) + received
    m_inf = 1 / (1 + exp(-(v + 52 mV) / 7.4 mV)),   h_inf = 1 / (1 + exp((v + 80 mV) / 5 mV))
    dh/dt = (h_inf - h) / tau_h,   tau_h = (85 + 1 / (exp((v + 48 mV) / 4 mV) + exp(-(v + 407 mV) / 50 mV))) / 3 ms

Sodium spikes are those of a point: where v > V_T, v = V_r for a refractory time. At rest, at -78 mV, excitation brings a
burst; depolarised the cell fires tonically. There is no closed form of its rate: `experiments.relays` measures it.
"""

import numpy as np
from brian2 import ms, mV

from cortical_attention.cells.membranes.membrane import Membrane
from cortical_attention.cells.membranes.thalamic import CAPACITANCE, CONDUCTANCE, NOISE

DESTEXHE = (
    "Destexhe, Contreras, Steriade, Sejnowski & Huguenard 1996, through public re-implementations of its T-current"
)
NETWORK = "order of the reticular cells of Destexhe's network models, as remembered; no text was at hand"
H_INF = "1 / (1 + exp((v + 80*mV) / (5*mV)))"
RETICULAR = Membrane(
    f"""
    dv/dt = (g_L * (E_L - v) + I_T + received) / C + {NOISE} : volt (unless refractory)
    I_T = g_T * h * (E_T - v) / (1 + exp(-(v + 52*mV) / (7.4*mV)))**2 : amp/meter**2
    dh/dt = ({H_INF} - h) / tau_h : 1
    tau_h = (85*ms + 1*ms / (exp((v + 48*mV) / (4*mV)) + exp(-(v + 407*mV) / (50*mV)))) / q_10 : second
""",
    threshold="v > V_T",
    reset="v = V_r",
    constants={
        "C": 1 * CAPACITANCE,
        "g_L": 0.05 * CONDUCTANCE,
        "E_L": -78 * mV,
        "g_T": 2.3 * CONDUCTANCE,
        "E_T": 120 * mV,
        "q_10": 3.0,  # of the time constant, from 24 to 36 degrees
        "V_T": -45 * mV,
        "V_r": -60 * mV,
        "refractory": 2 * ms,
    },
    refractory="refractory",
    start=lambda group, uniform: setattr(group, "h", H_INF),
    noisy=True,
    sources=dict.fromkeys(("C", "g_L", "E_L", "g_T"), NETWORK)
    | {
        "E_T": DESTEXHE,
        "q_10": f"{DESTEXHE}: 2.5 ** ((36 - 24) / 10) in cnmodel/cnmodel, nrnlibrary/mechanisms/it2.mod, commit bd7fef2",
        **dict.fromkeys(("V_T", "V_r", "refractory"), "chosen: of the order of a cortical point cell"),
    },
)


def h_inf(v):
    """Steady state of inactivation at a potential (Quantity, V; any shape)."""
    return 1 / (1 + np.exp(np.asarray(v / mV + 80) / 5))


def tau_h(v):
    """Time constant of inactivation (Quantity, s) at a potential (Quantity, V; any shape)."""
    v = np.asarray(v / mV)
    return (85 + 1 / (np.exp((v + 48) / 4) + np.exp(-(v + 407) / 50))) / 3 * ms
