"""Intratelencephalic (L5a) pyramidal cell: apical times basal drive.

Granier & Senn (2025), Algorithm 1, line 16: y = alpha * v, attention at the apical dendrite, value at the basal one.
In the memory wiring (our reading of the paper's version 3) the apical dendrite receives an entry of the memory, the basal
dendrite phi(query), and the shunt divides the product; in the mask wiring the shunt has no input.
"""

from cortical_attention.cells.cell import CellType

INTRATELENCEPHALIC = CellType(
    "intratelencephalic",
    "L5 IT",
    {"basal": 0.0, "apical": 0.0, "shunt": 1.0, "gate": 1.0},
    "gate * basal * apical / shunt",
    fast=("shunt",),
    inhibited=("shunt",),
    role="intratelencephalic",
    sites={"basal": "L5a", "apical": "L1"},
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
