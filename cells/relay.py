"""Thalamic relay cell: carries the number it is driven with. Core, matrix and higher-order nuclei are made of it.

Tonic mode only; the T-current and its bursts belong to the thalamic experiments.
"""

from cortical_attention.cells.cell import CellType

FIRST_ORDER = CellType("relay", "thalamus", {"soma": 0.0}, "soma")
HIGHER_ORDER = CellType("relay", "higher-order thalamus", {"soma": 0.0}, "soma")


def steady_rate(unit_rate, soma):
    """Rate in the steady state, `unit_rate * soma` (Hz): the unit rate times the number that drives the soma."""
    return unit_rate * soma
