"""Relay nucleus and reticular nucleus in a loop: excited by relays of its channel, a reticular channel inhibits relays.

::

    relay_i      -> reticular_i   "i -> i"        AMPA
    reticular_j  -> relay_i       "j, ij -> i"    GABA_A, L_ij

What the loop computes depends on whom a channel inhibits (rows of L sum to the strength of inhibition)::

    closed        its own relays            L = w 1
    broad         all relays alike          L = w / n
    lateral       all relays but its own    L = w / (n - 1) off the diagonal
    topographic   its neighbours on a ring, by a Gaussian of one channel, but not its own

Closed and lateral loops are both found in reticular nuclei, and how many cells are of which kind is not settled.
"""

import numpy as np
from brian2 import Quantity

from cortical_attention.cells.membranes.thalamic import CONDUCTANCE
from cortical_attention.circuits.nucleus import between

N_RELAY, N_RETICULAR = 20, 10  # chosen: cells of a channel
EXCITATION = (
    0.4 * CONDUCTANCE
)  # chosen: a spike of each relay of a channel brings its reticular cells well above threshold


def closed(n):
    """Each channel inhibits its own relays alone (ndarray, (n, n))."""
    return np.eye(n)


def broad(n):
    """Each channel inhibits all relays alike (ndarray, (n, n))."""
    return np.full((n, n), 1 / n)


def lateral(n):
    """Each channel inhibits all relays but its own (ndarray, (n, n))."""
    return (1 - np.eye(n)) / (n - 1)


def topographic(n):
    """Each channel inhibits its neighbours on a ring (ndarray, (n, n))."""
    apart = np.abs(np.arange(n)[:, None] - np.arange(n))
    near = np.exp(-(np.minimum(apart, n - apart) ** 2) / 2) * (1 - np.eye(n))
    return near / near.sum(axis=1, keepdims=True)


PATTERNS = {each.__name__: each for each in (closed, broad, lateral, topographic)}


def inhibition(patterns, strengths, n_channel):
    """Conductances of inhibition in circuits side by side.

    Parameters
    ----------
    patterns : sequence of str
        Of each circuit, a name of `PATTERNS`.
    strengths : Quantity (S / m**2), shape (n_circuit,)
        Conductance that a relay receives if each reticular cell of the circuit fires once.
    n_channel : int

    Returns
    -------
    targets, sources : ndarray of int, shape (n_synapse,)
    weights : Quantity (S / m**2), shape (n_synapse,)
        As in `circuits.nucleus.between`.
    """
    made = {name: PATTERNS[name](n_channel) for name in set(patterns)}
    parts = [_synapses(made[name], k) for k, name in enumerate(patterns)]
    targets, sources, shares = (np.concatenate(each) for each in zip(*parts, strict=True))
    return targets, sources, shares * strengths[targets // (n_channel * N_RELAY)]


def _synapses(pattern, k):
    """Synapses of the k-th circuit."""
    targets, sources, weights = between(pattern * CONDUCTANCE, N_RELAY, N_RETICULAR)
    n_channel = len(pattern)
    return targets + k * n_channel * N_RELAY, sources + k * n_channel * N_RETICULAR, np.asarray(weights / CONDUCTANCE)


def of_cells(values, n_cell):
    """Values of channels as those of cells: (..., n_circuit, n_channel) to (..., n_circuit * n_channel * n_cell)."""
    values = Quantity(values)
    return np.repeat(values.reshape((*values.shape[:-2], -1)), n_cell, axis=-1)


def of_channels(rates, n_channel, n_cell):
    """Mean over the cells of a channel: (n_window, n_circuit * n_channel * n_cell) to (n_window, n_circuit, n_channel)."""
    return rates.reshape(len(rates), -1, n_channel, n_cell).mean(axis=-1)
