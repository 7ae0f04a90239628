"""Inhibition without a product and without an integrator: one leaky parvalbumin-like cell a macrocolumn that sums.

::

    core   -> spiny (L4) -> interneuron.queries   sum over k of phi(q_k)
    matrix -> keys       -> interneuron.keys      sum over the context and k of phi(k_k)
    L2/3   -> interneuron.pool                    recurrent, fast and slow
    interneuron -> L2/3.shunt

The attention sums to one only as far as the thalamocortical drive predicts Z and the leaky loops correct it.
"""

from cortical_attention.cells.sensory import SPINY
from cortical_attention.cells.summing_interneuron import SUMMING
from cortical_attention.circuits.normalisers.divided import Inhibition
from cortical_attention.circuits.plan import named
from cortical_attention.wiring.circuit import Population, Projection


def plausible(divided):
    """Inhibition of some `Divided` cells."""
    kernels = {"basal": divided.pooled.kernels["basal"]}
    spiny = Population("spiny", SPINY, divided.axes, kernels, inputs=divided.biases)
    column = divided.macrocolumn
    projections = [
        *divided.key_drives,
        divided.onto(divided.query, "spiny.basal"),
        Projection("spiny", "interneuron.queries", f"{divided.component} -> {column}"),
        divided.onto(divided.keys, "interneuron.keys", column),
        divided.pool(),
        *divided.shunts(),
    ]
    populations = divided.key_cells | named(spiny, divided.interneuron(SUMMING, divided.gate))
    return Inhibition(populations, projections, exact=False)
