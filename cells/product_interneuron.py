"""Interneuron that multiplies: one component of Z of a macrocolumn, phi(q_k) times the sum of phi(k_k) over the context.

Since Z = sum_k phi(q_k) sum_j phi(k_jk), d_key such cells of a macrocolumn inhibit with Z in sum, where sister cells need
one cell for each product. No variable integrates: the loop through `pool`, the summed activity of the divided cells, has the
finite gain a, and at its fixed point pool is one, whatever a is. It divides errors of the factorised drive by 1 + a. With
a = 1 the drive is multiplied by the pool itself, so that the cell is silent until L2/3 cells fire.

While the gate is closed, as between two successive tokens, the recurrent drive is left out.

The product is by rule, as that of the pyramidal cells is.
"""

from cortical_attention.cells.cell import GABA, CellType, in_the_middle
from cortical_attention.cells.interneuron import PARAMETERS, SOURCES

PRODUCT = CellType(
    "product interneuron",
    "L2/3 interneuron",
    {"basal": 0.0, "apical": 0.0, "pool": 1.0, "gate": 1.0, "start": 1.0},
    "sigma_g + basal * apical * clip(1 + gate * a * (pool - 1), 0, pool_max)",
    fast=("apical",),
    transmitter=GABA,
    role="interneuron",
    membrane="fast spiking",
    recorded="whole",
    parameters={"sigma_g": PARAMETERS["sigma_g"], "a": 1.0, "pool_max": 4.0},
    sources={
        "sigma_g": SOURCES["sigma_g"],
        "a": "chosen: halves an error of the feed-forward drive, far below the gain at which the loop rings",
        "pool_max": "chosen: the drive of an interneuron saturates",
    },
    fit=in_the_middle,
    fitted=("start",),
)


def steady_rate(unit_rate, basal, apical):
    """Rate in the steady state, `unit_rate * (sigma_g + basal * apical)`, at which attention sums to one.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    basal : float or ndarray
        phi(q_k), without unit.
    apical : float or ndarray
        Sum of phi(k_k) over the context; shapes broadcast.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
    """
    return unit_rate * (PARAMETERS["sigma_g"] + basal * apical)
