"""Interneuron that sums: a leaky parvalbumin-like cell with a power-law f-I curve and a slow recurrent drive.

::

    tau_pv du/dt = w_q queries + w_k keys + w_0 + a c (pool - 1) + r - u,    g = max(u, 0)**2
    tau_s  dr/dt = a_s c (pool - 1) - r

Nothing integrates without leak, and the one nonlinearity is the square. The thalamocortical drive (`queries`, the summed
L4 cells phi(q_i) of the macrocolumn, and `keys`, the summed phi(k_j)) predicts the square root of Z; the fast recurrent
drive of gain a and the slow one of gain a_s (NMDA-like) correct it, both in units of c, half the square root of a middle Z.
Since both leak, the attention does not sum to one exactly: what the drive cannot predict remains, divided by about
1 + a + a_s.

While the gate is closed, as between two successive tokens, the recurrent drives are left out.

The square is the expansive f-I curve of the stabilised supralinear network (Ahmadian, Rubin & Miller 2013). Thalamus drives
parvalbumin cells harder and faster than pyramidal cells (Cruikshank, Lewis & Connors 2007), and they are broadly tuned
(Bruno & Simons 2002), which fits sums over components. By rule remain the division at the pyramidal cells, the square and
the set point of the recurrent drives, and w_q, w_k, w_0 and c, which are fitted to calibration sequences.
"""

import numpy as np
from brian2 import ms

from cortical_attention.cells.cell import DRIVEN, GABA, CellType, in_the_middle
from cortical_attention.cells.interneuron import PARAMETERS, PROPORTIONAL, SOURCES

DRIVES = {"queries": 0.0, "keys": 0.0}
FITTED = {"w_q": 0.0, "w_k": 0.0, "w_0": 1.0, "c": 0.5}


def fit(values, drives):
    """Weights of the drives, for each head: weighted least squares of sqrt(Z), so that relative errors of Z count alike.

    Parameters
    ----------
    values : ndarray, shape (n_head, n_sample)
        Z of each macrocolumn of the calibration sequences, as an integrating stand-in holds it.
    drives : dict of str to ndarray
        Values at the ports `queries` and `keys`, in that shape.

    Returns
    -------
    dict of str to ndarray, shape (n_head,)
        Inputs of the ports w_q, w_k, w_0, c and start.
    """
    each_head = zip(drives["queries"], drives["keys"], values, strict=True)
    w_q, w_k, w_0 = np.array([_weights(*each) for each in each_head]).T
    middle = in_the_middle(values, drives)
    return {"w_q": w_q, "w_k": w_k, "w_0": w_0, "c": np.sqrt(middle["start"]) / 2, **middle}


def _weights(queries, keys, z):
    """w_q, w_k and w_0 of one head, from those macrocolumns that have any drive."""
    driven = z > DRIVEN
    root = np.sqrt(z[driven])
    predictors = np.stack([queries[driven], keys[driven], np.ones(root.size)], axis=1)
    return np.linalg.lstsq(predictors / root[:, None], np.ones(root.size), rcond=None)[0]


SUMMING = CellType(
    "summing interneuron",
    "L2/3 interneuron",
    {**DRIVES, "pool": 0.0, "gate": 1.0, "start": 1.0, **FITTED},
    "sigma_g + clip(u, 0, inf)**2",
    """
    du/dt = (w_q * queries + w_k * keys + w_0 + a * c * error + r - u) / tau_pv : 1
    dr/dt = (a_s * c * error - r) / tau_s : 1
    error = gate * (clip(pool, 0, pool_max) - 1) : 1
    """,
    fast=("queries", "keys"),
    transmitter=GABA,
    role="interneuron",
    membrane="fast spiking",
    recorded="whole",
    parameters={
        "sigma_g": PARAMETERS["sigma_g"],
        "tau_pv": 5 * ms,
        "tau_s": 100 * ms,
        "a": 1.0,
        "a_s": 6.0,
        "pool_max": 3.0,
    },
    sources={
        "sigma_g": SOURCES["sigma_g"],
        "tau_pv": "chosen: a fast-spiking membrane",
        "tau_s": "chosen: an NMDA current",
        "a": "chosen: with delays the fast loop rings at gains of 3 to 4",
        "a_s": "chosen: a leaky loop corrects all but 1 / (1 + a + a_s) of an error",
        "pool_max": "chosen: as for the integrating interneuron",
    },
    fit=fit,
    fitted=("start", *FITTED),
    stand_in=PROPORTIONAL._replace(ports=PROPORTIONAL.ports | DRIVES | FITTED),
)


def steady_rate(unit_rate, drive, pool=1.0, gain=0.5):
    """Rate in the steady state, but for `sigma_g`: `unit_rate * max(drive + gain * (a + a_s) * (pool - 1), 0)**2`.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    drive : float or ndarray
        w_q queries + w_k keys + w_0, without unit.
    pool : float or ndarray
        Summed activity of the divided cells, at most `pool_max`.
    gain : float or ndarray
        c, the unit of the recurrent drives; shapes broadcast.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
    """
    both = SUMMING.parameters["a"] + SUMMING.parameters["a_s"]
    return unit_rate * np.maximum(drive + gain * both * (pool - 1), 0) ** 2
