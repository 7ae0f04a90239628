"""Superficial (L2/3) pyramidal cell whose dendrites are turned up: each drive is multiplied by one plus a gain.

s = phi((1 + key_gain) k) * phi((1 + query_gain) q) / shunt: the gains act before phi. Behind it they would be a common
factor of a macrocolumn, which its inhibition takes out again. The cell is ours.
"""

import re

from cortical_attention.cells.kernels import KERNELS
from cortical_attention.cells.superficial import SUPERFICIAL


def modulated(kernel):
    """Superficial cell with gains and a kernel of its own; the population has none (CellType).

    Parameters
    ----------
    kernel : str
        phi of both dendrites, a name in `KERNELS`.

    Raises
    ------
    KeyError
        For an unknown name.
    """
    query, key = (f"(1 + {gain}) * {port}" for gain, port in (("query_gain", "basal"), ("key_gain", "apical")))
    return SUPERFICIAL._replace(
        name="modulated superficial",
        ports=SUPERFICIAL.ports | {"query_gain": 0.0, "key_gain": 0.0},
        value=f"gate * {_phi(kernel, query)} * {_phi(kernel, key)} / shunt",
        sites=SUPERFICIAL.sites | {"query_gain": "L3", "key_gain": "L1"},
    )


def _phi(kernel, drive):
    """A kernel of a drive, as an expression."""
    return re.sub(r"\bx\b", f"({drive})", f"({KERNELS[kernel]})")
