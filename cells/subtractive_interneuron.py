"""Subtractive interneuron (Martinotti-like) of one macrocolumn: its rate is subtracted in the tufts of L5 cells.

::

    lags tau_loop dI/dt = clip(pool, 0, pool_max) - 1,    value max(I + tonic + k_p (clip(pool, 0, p_max) - 1), 0)

`pool` is the summed activity of cells that read the tufts out. With tufts exp(score + tonic - value) the loop is that of
the divisive interneuron (`cells.interneuron`) in other coordinates, I = log g: at its fixed point the pool is one and I is
log Z, which the cell adds to a tonic rate. A cell that subtracts carries some tens, one that divides up to 1e13.

A macrocolumn without open microcolumns would let I fall for ever; below a rate of zero it is drawn back. While the gate is
closed I returns to its initial value `start`. That I integrates without a leak is by rule.
"""

import numpy as np

from cortical_attention.cells.cell import DRIVEN, GABA, CellType
from cortical_attention.cells.interneuron import PARAMETERS, PROPORTIONAL, SOURCES
from cortical_attention.cells.tuft import CAP, TONIC, least_tonic

STATE = "dI/dt = gate * (clip(pool, 0, pool_max) - 1{}) / (lags * tau_loop) + (1 - gate) * (start - I) / tau_start : 1"
RESPONSE = "I + tonic + gate * k_p * (clip(pool, 0, p_max) - 1)"


def fit(values, drives):
    """Initial value and tonic rate of each head.

    Parameters
    ----------
    values : ndarray, shape (n_head, n_sample)
        log Z + `TONIC` on the calibration sequences, as a cell that can be negative holds it.
    drives : dict of str to ndarray
        Values at the port `pool`, in that shape; macrocolumns in which it is not above `DRIVEN` are silent and left out.

    Returns
    -------
    dict of str to ndarray, shape (n_head,)
        The mean of log Z as `start`, zero where a head is silent; and `tonic`, that of the tufts.
    """
    driven = [row[pool > DRIVEN] for row, pool in zip(values, drives["pool"], strict=True)]
    start = np.array([each.mean() - TONIC if each.size else 0.0 for each in driven])
    return {"start": start, "tonic": least_tonic(driven)}


PARAMETERS_OF = {name: PROPORTIONAL.parameters[name] for name in ("pool_max", "lags", "k_p", "p_max", "tau_start")}
UNBOUNDED = CellType(  # may hold a negative log Z, in calibration
    "subtractive interneuron",
    "L5 interneuron",
    {"pool": 0.0, "gate": 1.0, "start": 0.0, "tonic": TONIC},
    RESPONSE,
    STATE.format(""),
    "I",
    parameters=PARAMETERS_OF,
    transmitter=GABA,
    role="interneuron",
    membrane="fast spiking",
    recorded="whole",
    sources={name: PROPORTIONAL.sources[name] for name in PARAMETERS_OF},
    fit=fit,
    fitted=("start", "tonic"),
)
SUBTRACTIVE = UNBOUNDED._replace(
    value=f"clip({RESPONSE}, 0, inf)", state=STATE.format(" + clip(-I - tonic, 0, 1)"), stand_in=UNBOUNDED
)
INTEGRATING = SUBTRACTIVE._replace(  # over four lags, without the proportional term
    value="clip(I + tonic, 0, inf)",
    parameters={name: PARAMETERS_OF[name] for name in ("pool_max", "tau_start")} | {"lags": PARAMETERS["lags"]},
    sources={name: SUBTRACTIVE.sources[name] for name in ("pool_max", "tau_start")} | {"lags": SOURCES["lags"]},
)


def lags_from(start, log_normaliser, parameters=SUBTRACTIVE.parameters, cap=CAP):
    """Time in which the interneuron comes from its initial value to log Z, in lags of the loop (`Form.tau_loop`).

    Far from its fixed point its slope is bounded: above it the pool is nearly zero, so that I falls by one for each
    integration time of `lags` lags; below it the pool is at most `pool_max`, or the cap of a single tuft where one token
    outweighs all others, so that I rises by min(pool_max, cap) - 1. From near there it still has to settle.

    Parameters
    ----------
    start, log_normaliser : float or ndarray
        Shapes broadcast.
    parameters : dict
        `lags` and `pool_max` of the cell type.
    cap : float
        Of the tufts.

    Returns
    -------
    float or ndarray
    """
    up = np.clip(log_normaliser - start, 0, None) / (min(parameters["pool_max"], cap) - 1)
    return parameters["lags"] * (up + np.clip(start - log_normaliser, 0, None))


def steady_rate(unit_rate, log_normaliser, tonic=TONIC):
    """Rate in the steady state, `unit_rate * max(log Z + tonic, 0)`.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    log_normaliser : float or ndarray
        log of the sum of exp(score) over the open context of the macrocolumn.
    tonic : float
        Tonic rate, in the unit of values.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
        Zero where the sum is below one although nothing is subtracted.
    """
    held = log_normaliser + tonic
    return unit_rate * held * (held > 0)
