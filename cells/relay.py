"""Thalamic relay cell: represents the value of its drive. The core, matrix and higher-order nuclei consist of it.

Tonic mode only; there is no T-current, hence no bursts.
"""

from cortical_attention.cells.cell import CellType

FIRST_ORDER = CellType("relay", "thalamus", {"soma": 0.0}, "soma", role="relay", recorded="whole")
CORE = FIRST_ORDER._replace(nucleus="core")  # dense and focused, to layers 3 and 4
MATRIX = FIRST_ORDER._replace(nucleus="matrix")  # diffuse, to layers 1 and 5a
HIGHER_ORDER = FIRST_ORDER._replace(layer="higher-order thalamus", nucleus="higher order")


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
