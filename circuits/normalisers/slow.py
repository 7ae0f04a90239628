"""Recurrent inhibition by an interneuron that integrates its pool alone, over four lags of the loop.

L2/3 -> interneuron -> L2/3 (shunt), within a macrocolumn. The interneuron starts at its ceiling, so that inhibition is
strong and then decreases, and its gate is closed until keys and queries have arrived.
"""

from cortical_attention.cells.interneuron import INTEGRATING
from cortical_attention.circuits.normalisers.divided import alone


def slow(divided):
    """Inhibition of some `Divided` cells."""
    return alone(divided, INTEGRATING, divided.closed)
