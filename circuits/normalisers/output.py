"""Recurrent inhibition by an interneuron that adds its pool up: wrong by design, a control.

The literal reading of the paper: g = sum(s) = Z / g, so that the cells are divided by the square root of Z and the attention
sums to it.
"""

from cortical_attention.cells.interneuron import POOLING
from cortical_attention.circuits.normalisers.divided import alone


def output(divided):
    """Inhibition of some `Divided` cells."""
    return alone(divided, POOLING, divided.closed)
