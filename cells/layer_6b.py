"""Cell of layer 6b: represents its drive, divided where it is inhibited.

Axons of these cells end in layers 1 and 5a, as those of matrix thalamus do, and in thalamus (Granier & Senn 2025, section
6, after Zolnik et al. 2024, which was not read). What drives them comes from outside a circuit: of these cells it is known
that orexin excites them, and that they hear other areas of cortex (both as Meijer et al., eLife preprint 106992, review
it).
"""

from cortical_attention.cells.cell import CellType

LAYER_6B = CellType(
    "layer 6b",
    "L6b",
    {"soma": 0.0, "shunt": 1.0, "gate": 1.0},
    "gate * soma / shunt",
    fast=("shunt",),
    inhibited=("shunt",),
)


def steady_rate(unit_rate, soma, shunt=1.0, gate=1.0):
    """Rate in the steady state, `unit_rate * gate * soma / shunt`.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    soma : float or ndarray
        Drive of the soma, without unit.
    shunt : float or ndarray
        Divisive inhibition.
    gate : float or ndarray
        1 where the microcolumn is open, 0 where it is closed.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
    """
    return unit_rate * gate * soma / shunt
