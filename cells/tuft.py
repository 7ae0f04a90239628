"""Intratelencephalic (L5a) pyramidal cell with an exponential tuft: basal drive times exp(apical + tonic - subtracted).

The tuft is exponential below threshold and linear above it, as elu+1 is, and saturates at `CAP`. In softmax attention the
apical dendrite hears the score of a key and a query, and inhibition subtracts log Z from it, so that a fixed point is never
above threshold, where the tuft would not be exponential. A tonic drive of the apical dendrite, that which calibration gives
to the interneuron, keeps what is subtracted above zero, since the rate of an interneuron cannot be negative.

In `AVERAGING` cells the apical dendrite is slow in every form, so that a tuft hears the mean of a score that oscillates.

Granier & Senn (2025) leave softmax out; this cell is ours. Of apical tufts of L5 cells it is known that weak input decays on
its way and strong input starts a plateau (Larkum, Zhu & Sakmann 1999), an expansive curve; that it is exponential is chosen.
These are thick-tufted pyramidal tract cells; for intratelencephalic cells it is assumed.
"""

import numpy as np
from brian2 import ms

from cortical_attention.cells.cell import CellType

CAP = 3.0  # chosen: with a cap of one the sum exceeds one only while several cells saturate, and the loop creeps
TONIC = 3.0  # where nothing was calibrated; chosen: log Z is above -3 in all inputs of the suite
MARGIN = 3.0  # chosen: other inputs may have a log Z of so much less than the least of the calibration sequences
TAU_APICAL = 100 * ms
ABOVE = "apical + tonic - subtracted"
RULE = f"gate * basal * clip(clip({ABOVE}, 0, inf) + exp(clip({ABOVE}, -inf, 0)), 0, {{}})"


def least_tonic(subtracted):
    """Tonic drive for each head, (n_head,), that keeps what is subtracted above `MARGIN`.

    Parameters
    ----------
    subtracted : sequence of ndarray
        What inhibition subtracted from the tufts of each head while the tonic drive was `TONIC`.

    Returns
    -------
    ndarray
        `TONIC` where a head is silent.
    """
    return np.array([max(MARGIN + TONIC - each.min(), 0.0) if each.size else TONIC for each in subtracted])


def tufted(cap=CAP):
    """Cell type with a tuft that saturates at `cap` (CellType)."""
    return CellType(
        "tufted intratelencephalic",
        "L5 IT",
        {"basal": 0.0, "apical": 0.0, "tonic": TONIC, "subtracted": 0.0, "gate": 1.0},
        RULE.format(cap),
        fast=("subtracted",),
        inhibited=("subtracted",),
        role="intratelencephalic",
        sites={"basal": "L5a", "apical": "L1", "tonic": "L1", "subtracted": "L1"},
        fitted=("tonic",),
    )


TUFTED = tufted()
AVERAGING = TUFTED._replace(
    name="averaging tufted intratelencephalic",
    own_tau={"apical": TAU_APICAL},
    sources={"tau_apical": "chosen: the length of a plateau in the tuft, and a cycle of alpha waves (10 Hz)"},
)


def steady_rate(unit_rate, basal, apical, subtracted=0.0, gate=1.0, cap=CAP, tonic=TONIC):
    """Rate in the steady state, `unit_rate * gate * basal * min(f(apical + tonic - subtracted), cap)`.

    f(x) = exp(x) below zero and 1 + x above.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    basal, apical : float or ndarray
        Drives of the two dendrites, without unit; shapes broadcast.
    subtracted : float or ndarray
        Inhibition of the tuft.
    gate : float or ndarray
        1 where the microcolumn is open, 0 where it is closed.
    cap : float
        Highest value of the tuft.
    tonic : float or ndarray
        Tonic drive of the apical dendrite.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
    """
    above = apical + tonic - subtracted
    return unit_rate * gate * basal * np.minimum(np.maximum(above, 0) + np.exp(np.minimum(above, 0)), cap)
