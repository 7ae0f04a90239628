"""Pyramidal tract (L5b) cell: sums the attention-modulated values (Granier & Senn 2025, Algorithm 1, line 17)."""

from cortical_attention.cells.cell import CellType

PYRAMIDAL_TRACT = CellType(
    "pyramidal tract", "L5 PT", {"soma": 0.0}, "soma", role="pyramidal tract", recorded="whole", sites={"soma": "L5b"}
)


def steady_rate(unit_rate, soma):
    """Rate in the steady state, `unit_rate * soma`.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    soma : float or ndarray
        Summed drive of the intratelencephalic cells, without unit.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
    """
    return unit_rate * soma
