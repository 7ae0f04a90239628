"""Superficial (L2/3) pyramidal cell: apical times basal drive, divided by shunting inhibition.

Granier & Senn (2025), Algorithm 1, line 13: s = phi(k) * phi(q) / Z. The key reaches the apical dendrite, the query the
basal one, Z is the inhibition of the cell's macrocolumn. `gate` closes a microcolumn (0) that a mask leaves out.
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
    """Rate in the steady state (Hz), `unit_rate * gate * basal * apical / shunt`; drives after their kernels."""
    return unit_rate * gate * basal * apical / shunt
