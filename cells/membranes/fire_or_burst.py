"""Integrate-and-fire-or-burst relay cell (Smith, Cox, Sherman & Rinzel 2000).

::

    C dv/dt = g_L (E_L - v) + g_T m h (E_T - v) + received,   m = 1 if v >= V_h, else 0
    dh/dt = -h / tau_minus if v >= V_h,   (1 - h) / tau_plus below;   spike where v > V_T, then v = V_r

Held above V_h the T-current is inactivated and the cell is a leaky integrate-and-fire cell (tonic mode). Below V_h the
inactivation h is lifted within tau_plus, and the next depolarisation beyond V_h brings a burst that ends as h decays with
tau_minus (burst mode). Decision 0029: sources give the two time constants in either order.
"""

import numpy as np
from brian2 import Hz, ms, mV

from cortical_attention.cells.membranes.membrane import Membrane
from cortical_attention.cells.membranes.thalamic import CAPACITANCE, CONDUCTANCE, NOISE

SMITH = "Smith, Cox, Sherman & Rinzel 2000, through public re-implementations; the paper itself was not accessible"
FIRE_OR_BURST = Membrane(
    f"""
    dv/dt = (g_L * (E_L - v) + I_T + received) / C + {NOISE} : volt
    I_T = g_T * opened * h * (E_T - v) : amp/meter**2
    opened = int(v >= V_h) : 1
    dh/dt = (1 - opened) * (1 - h) / tau_plus - opened * h / tau_minus : 1
""",
    threshold="v > V_T",
    reset="v = V_r",
    constants={
        "C": 2 * CAPACITANCE,
        "g_L": 0.035 * CONDUCTANCE,
        "E_L": -65 * mV,
        "g_T": 0.07 * CONDUCTANCE,
        "E_T": 120 * mV,
        "V_h": -60 * mV,  # beyond it the T-current is open, and inactivates
        "tau_minus": 20 * ms,  # of inactivation
        "tau_plus": 100 * ms,  # of recovery from it
        "V_T": -35 * mV,
        "V_r": -50 * mV,
    },
    start=lambda group, uniform: setattr(group, "h", "int(v < V_h)"),
    noisy=True,
    sources=dict.fromkeys(("C", "g_L", "E_L", "g_T", "E_T", "V_h", "V_T", "V_r"), SMITH)
    | dict.fromkeys(("tau_minus", "tau_plus"), f"{SMITH}; of two orders the one of decision 0029"),
)


def steady_rate(membrane, current):
    """Rate of tonic firing under a constant current, without noise.

    ::

        1 / rate = (C / g_L) log((v_inf - V_r) / (v_inf - V_T)),   v_inf = E_L + current / g_L

    Parameters
    ----------
    membrane : Membrane
        Of this file.
    current : Quantity (A / m**2)
        Any shape.

    Returns
    -------
    Quantity (Hz)
        In the shape of `current`; zero where v_inf is at most V_T. The T-current is inactivated, since V_r is above V_h.
    """
    c = membrane.constants
    beyond = np.asarray((c["E_L"] - c["V_T"] + current / c["g_L"]) / mV)  # v_inf - V_T
    fires = beyond > 0
    reached = np.where(fires, beyond, 1.0)
    interval = float(c["C"] / c["g_L"]) * np.log((reached + float((c["V_T"] - c["V_r"]) / mV)) / reached)
    return np.where(fires, 1 / interval, 0.0) * Hz


def recovered(membrane, time, h=0.0):
    """Inactivation variable after some time below V_h, 1 - (1 - h) exp(-time / tau_plus).

    Parameters
    ----------
    membrane : Membrane
        Of this file.
    time : Quantity (s)
        Any shape.
    h : float
        At its start.

    Returns
    -------
    ndarray
        In the shape of `time`; 1 is a T-current that is wholly available.
    """
    return 1 - (1 - h) * np.exp(-np.asarray(time / membrane.constants["tau_plus"]))
