"""The whole circuit whose cells have membranes: the mask wiring of a case of the suite, in plain floats (seconds).

In the adaptive form its cells are adaptive; in the biophysical form those of L2/3 and L5 IT have two compartments, and all
others are adaptive. Peers that have only cells run as many of one kind as the circuit has cells, with its time step.
"""

from cortical_attention.inputs.suite import cases
from cortical_attention.reference.attention import linear_attention

FORMS = ("adaptive", "biophysical")
NAME, CELLS = "self_n4_scale2", 40  # of the suite; cells per value
N_CELL, N_TWO_COMPARTMENT = 51_520, 30_720  # of the circuit without its relays; of L2/3 and L5 IT
SETTLE, WINDOW = 2.0, 1.0  # s; the first as in cells.forms
DT = {"adaptive": 1e-3, "biophysical": 0.5e-3}  # s; as in cells.forms


def draw():
    """The case."""
    return next(case for case in cases() if case.name == NAME)


def algebra(case):
    """Output (n_token, d_model) of linear attention."""
    return linear_attention(case.tokens, case.block).output
