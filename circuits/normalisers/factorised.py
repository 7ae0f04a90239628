"""Feed-forward inhibition that factorises: Z = sum_k phi(q_k) sum_j phi(k_jk), one interneuron for each component k.

::

    core   -> interneuron.basal          phi(q_k)
    matrix -> keys -> interneuron.apical sum over the context of phi(k_k)
    L2/3   -> interneuron.pool           recurrent, of finite gain
    interneuron -> L2/3.shunt            the conductances of all components add

d_key cells a macrocolumn and d_key a context token, where sister cells are as many as the L2/3 cells; no integrator.
"""

from cortical_attention.cells.product_interneuron import PRODUCT
from cortical_attention.circuits.normalisers.divided import SHUNT, Inhibition
from cortical_attention.circuits.plan import Reading, given, named
from cortical_attention.wiring.circuit import Population, Projection


def factorised(divided):
    """Inhibition of some `Divided` cells."""
    other = {name: letters.replace("k", "l") for name, letters in divided.letters.items()}
    kernels = {"basal": divided.pooled.kernels["basal"]}
    interneuron = Population(
        "interneuron", PRODUCT, divided.axes, kernels, inputs=divided.biases | given(gate=_of_each(divided.gate))
    )
    pooled = divided.pooled.name
    projections = [
        *divided.key_drives,
        divided.onto(divided.query, "interneuron.basal"),
        divided.onto(divided.keys, "interneuron.apical"),
        Projection(pooled, "interneuron.pool", f"{other[pooled]} -> {divided.component}"),
        *(
            Projection("interneuron", SHUNT.format(name), f"{divided.component} -> {letters}")
            for name, letters in other.items()
        ),
    ]
    return Inhibition(divided.key_cells | named(interneuron), projections, Reading("interneuron", sum=("key",)))


def _of_each(gate):
    """Gate of a macrocolumn for each of its components."""
    return None if gate is None else gate[..., None]
