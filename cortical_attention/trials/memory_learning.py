"""Gradients read from the cells of the memory wiring with tags, and learning with memory synapses that are frozen."""

import numpy as np

from cortical_attention.reference.kernels import kernel_named
from cortical_attention.reference.local_terms import Terms
from cortical_attention.simulation.settle import window_values


def cells_of(answer, form):
    """Values of all populations when each token asks, from its own window and memory (dict of ndarray).

    Parameters
    ----------
    answer : simulation.attend.Answer
        Of `circuits.memory_learning.memory_learning_wiring`.
    form : Form

    Returns
    -------
    dict of str to ndarray, shape (batch, n_token, *sizes)
    """
    protocol = answer.plan.protocol
    measured = window_values(answer.run, form, protocol.windows)
    return {name: protocol.presented(each) for name, each in measured.items()}


def terms_of_cells(cells, W_Q, kernel="elu+1", b_Q=0.0):
    """Terms of all weights by input, from rates alone; only the drive of the dendrites that hear the query, of which no
    cell has the rate, is W_Q times the rates of the core.

    Parameters
    ----------
    cells : dict of str to ndarray, shape (batch, n_token, *sizes)
        As from `cells_of`.
    W_Q : array, (n_head, d_key, d_model)
    kernel : str
    b_Q : array, (n_head, d_key), optional

    Returns
    -------
    list of Terms
        Of each input, summed over its tokens.
    """
    return [
        _of_input({name: each[b] for name, each in cells.items()}, W_Q, kernel, b_Q) for b in range(len(cells["core"]))
    ]


def _of_input(c, W_Q, kernel, b_Q):
    """Terms of one input."""
    phi, derivative = kernel_named(kernel)
    drive = np.einsum("im, hkm -> ihk", c["core"], W_Q) + b_Q
    slope = np.divide(derivative(drive), phi(drive), out=np.zeros_like(drive), where=phi(drive) > 0)  # of log phi
    taught = np.einsum("ihvk, ihv -> ihk", c["intratelencephalic"], c["feedback"])
    W_K = np.einsum("ihvk, ihvkm -> hkm", c["credit"], c["key_tag"])
    if "key_credit" in c:
        taught = taught - c["normaliser"] * c["agreement"].sum(axis=-1)[..., None]
        W_K = W_K + np.einsum("ihk, ihkm -> hkm", c["key_credit"], c["ones_tag"])
    return Terms(
        W_Q=np.einsum("ihk, im -> hkm", slope * taught, c["core"]),
        W_K=W_K,
        W_V=np.einsum("ihvk, ihvkm -> hvm", c["credit"], c["value_tag"]),
        W_O=np.einsum("im, ihv -> hmv", c["error"], c["pyramidal_tract"]),
    )
