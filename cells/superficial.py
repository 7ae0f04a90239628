"""Superficial (L2/3) pyramidal cell: apical times basal drive, divided by shunting inhibition.

Granier & Senn (2025), Algorithm 1, line 13: s = phi(k) * phi(q) / Z. The key reaches the apical dendrite, the query the
basal dendrite; Z is the inhibition of the macrocolumn. `gate` is 0 in a microcolumn that the mask closes.
"""

from cortical_attention.cells.cell import CellType

SUPERFICIAL = CellType(
    "superficial",
    "L2/3",
    {"basal": 0.0, "apical": 0.0, "shunt": 1.0, "gate": 1.0},
    "gate * basal * apical / shunt",
    fast=("shunt",),
    inhibited=("shunt",),
    sites={"basal": "L3", "apical": "L1"},
)


def steady_rate(unit_rate, basal, apical, shunt=1.0, gate=1.0):
    """Rate in the steady state, `unit_rate * gate * basal * apical / shunt`.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    basal, apical : float or ndarray
        Drives of the two dendrites after their kernels, without unit; shapes broadcast.
    shunt : float or ndarray
        Divisive inhibition.
    gate : float or ndarray
        1 where the microcolumn is open, 0 where it is closed.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
    """
    return unit_rate * gate * basal * apical / shunt
