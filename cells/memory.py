"""Memory cell (L2/3): integrates apical times basal drive while its gate is open, then keeps the sum without leak.

Ours: the economical reading of version 3 of Granier & Senn, of which only the abstract is known to us. One cell stores
one entry M_ab = sum_j v_ja phi(k_jb); with `apical` at the constant 1 it stores z_b = sum_j phi(k_jb).

The leaky cell loses its content besides, at a rate that one of its ports sets. While the port hears lambda for one
tau_write, exp(-lambda) of the content is left. That a synapse or a cell of cortex forgets faster while a modulator is high
is our assumption.
"""

import numpy as np

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

LEAKY_MEMORY = MEMORY._replace(
    name="leaky memory",
    ports={**MEMORY.ports, "leak": 0.0},
    state="dM/dt = (gate * basal * apical - leak * M) / tau_write : 1",
    fast=(*MEMORY.fast, "leak"),
)


def left_after(leak):
    """Share of the content of a leaky cell that is left when its port has heard `leak` for one `tau_write`.

    Parameters
    ----------
    leak : ndarray
        Drive of the port `leak`, without unit, nowhere negative.

    Returns
    -------
    ndarray
        exp(-leak), of the same shape.
    """
    return np.exp(-np.asarray(leak, dtype=float))


def steady_rate(unit_rate, basal, apical):
    """Rate after writing, `unit_rate * sum(basal * apical)` over the tokens.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    basal, apical : ndarray, shape (n_token, ...)
        Drives after their kernels, without unit; each token is written for one `tau_write` of open gate.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
        Shape (...).
    """
    return unit_rate * (basal * apical).sum(axis=0)
