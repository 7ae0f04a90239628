"""Recurrent inhibition by an interneuron that integrates its pool, with a proportional term: the default.

L2/3 -> interneuron -> L2/3 (shunt), within a macrocolumn. Done in about the time of the dendrites.
"""

from cortical_attention.cells.interneuron import PROPORTIONAL
from cortical_attention.circuits.normalisers.divided import alone


def pi(divided):
    """Inhibition of some `Divided` cells."""
    return alone(divided, PROPORTIONAL, divided.gate)
