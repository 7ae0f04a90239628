"""Cells that represent one component: L4 spiny cells phi(q), and L2/3 cells phi(k), which thalamus reaches in L1."""

from cortical_attention.cells.cell import CellType

SPINY = CellType("spiny", "L4", {"basal": 0.0}, "basal", sites={"basal": "L4"})
KEY = CellType("key", "L2/3", {"apical": 0.0}, "apical", sites={"apical": "L1"})


def steady_rate(unit_rate, drive):
    """Rate in the steady state, `unit_rate * drive`.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    drive : float or ndarray
        Drive of the one dendrite after its kernel, without unit.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
    """
    return unit_rate * drive
