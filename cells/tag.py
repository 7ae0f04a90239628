"""Synaptic tags on memory cells: what a synapse keeps of the tokens that were written, until errors come.

A tag is a variable of one synapse onto a memory cell (`cells.memory`), simulated as a cell of its own. While the gate of
the memory is open it adds up the product of the presynaptic rate and what stands at the dendrites of its cell,

::

    KEY      tau_write dU/dt = gate x_m phi'(k) v       of a synapse of W_K onto a cell that stores v phi(k)
    VALUE    tau_write dU/dt = gate x_m phi(k)          of a synapse of W_V onto it

and keeps the sum without leak, as the cell keeps its content. The slope phi' of a dendrite needs no drive of its own: it is
a function of the activation phi, and that of elu+1 is the activation itself, saturated at one.

That a synapse is marked by what happened at it, and changes only when something else comes later, is known as a synaptic
tag (Frey & Morris 1997, abstract read) and as an eligibility trace with a third factor, of which there is evidence over
seconds (Gerstner et al. 2018, abstract read). A presentation of some tokens takes seconds here. That a tag multiplies three
things, keeps their sum without loss, and is cleared between sequences is ours.
"""

from cortical_attention.cells.cell import CellType

SLOPES = {  # phi' in terms of phi, by kernel
    "identity": "1.0",
    "elu+1": "clip(basal, 0, 1)",
    "softplus": "(1 - exp(-basal))",
    "relu": "int(basal > 0)",
    "exp": "basal",
}

VALUE = CellType(
    "value tag",
    "L2/3",
    {"basal": 0.0, "pre": 0.0, "gate": 0.0},
    "U",
    "dU/dt = gate * pre * basal / tau_write : 1",
    "U",
    fast=("basal", "pre"),  # as the dendrites of the memory cell: each token is to be gone before the next is written
    sites={"basal": "L3", "pre": "L1"},
)


def key_tag(kernel):
    """Tag of a synapse of W_K, by the kernel of the dendrite that it lies on (CellType).

    Parameters
    ----------
    kernel : str
        Of `SLOPES`.
    """
    return VALUE._replace(
        name="key tag",
        ports={**VALUE.ports, "apical": 0.0},
        state=f"dU/dt = gate * pre * {SLOPES[kernel]} * apical / tau_write : 1",
        fast=(*VALUE.fast, "apical"),
        sites={**VALUE.sites, "apical": "L1"},
    )


def steady_rate(unit_rate, pre, basal, apical=1.0):
    """Rate after writing, `unit_rate * sum(pre * basal * apical)` over the tokens.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    pre, basal, apical : ndarray, shape (n_token, ...)
        Presynaptic value; slope (key) or activation (value) of the dendrite; drive of the other one. Each token is written
        for one `tau_write` of open gate.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
        Shape (...).
    """
    return unit_rate * (pre * basal * apical).sum(axis=0)
