"""Memory cell (L2/3): accumulates apical times basal drive while its gate is open, then holds it without leak.

Ours: the economical reading of version 3 of Granier & Senn, of which only the abstract is known to us. One cell holds
one entry M_ab = sum_j v_ja phi(k_jb); with `apical` at the constant 1 it holds z_b = sum_j phi(k_jb).
"""

from cortical_attention.cells.cell import CellType

MEMORY = CellType(
    "memory",
    "L2/3",
    {"basal": 0.0, "apical": 0.0, "gate": 0.0},
    "M",
    "dM/dt = gate * basal * apical / tau_write : 1",
    "M",
    fast=("basal", "apical"),  # each token is to be gone before the next is written
    sites={"basal": "L3", "apical": "L1"},
)


def steady_rate(unit_rate, basal, apical):
    """Rate while holding (Hz), `unit_rate * sum(basal * apical)` over the tokens written (first axis), each for one
    `tau_write` of open gate; drives after their kernels."""
    return unit_rate * (basal * apical).sum(axis=0)
