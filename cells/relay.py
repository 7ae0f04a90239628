"""Thalamic relay cell: carries the number it is driven with. Core, matrix and higher-order nuclei are made of it.

Tonic mode only; the T-current and its bursts belong to the thalamic experiments.
"""

from cortical_attention.cells.cell import CellType

FIRST_ORDER = CellType("relay", "thalamus", {"soma": 0.0}, "soma", role="relay", recorded="whole")
CORE = FIRST_ORDER._replace(nucleus="core")  # dense and focused, to layers 3 and 4
MATRIX = FIRST_ORDER._replace(nucleus="matrix")  # diffuse, to layers 1 and 5a
HIGHER_ORDER = FIRST_ORDER._replace(layer="higher-order thalamus", nucleus="higher order")


def steady_rate(unit_rate, soma):
    """Rate in the steady state, `unit_rate * soma` (Hz): the unit rate times the number that drives the soma."""
    return unit_rate * soma
