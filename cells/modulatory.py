"""Modulatory cell: represents its drive, and sets how fast memory cells forget.

Where it lies is open. Cholinergic cells of the basal forebrain reach all of cortex, so that one state reaches every head;
that acetylcholine keeps what is written apart from what is retrieved is a proposal about the hippocampus (reviewed in
PMC3605586, of which the abstract was read). Cells of layer 6 would hear the token itself. Of neither is it known that it
makes a memory forget: that is ours.
"""

from cortical_attention.cells.cell import ACETYLCHOLINE, CellType

MODULATORY = CellType("modulatory", "basal forebrain", {"soma": 0.0}, "soma", transmitter=ACETYLCHOLINE)


def steady_rate(unit_rate, soma):
    """Rate in the steady state, `unit_rate * soma`.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    soma : float or ndarray
        Drive of the soma, without unit.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
    """
    return unit_rate * soma
