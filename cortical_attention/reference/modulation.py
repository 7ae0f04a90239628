"""Attention whose queries, keys and values come from nuclei with gains of their own.

A nucleus that passes on a part g of each token multiplies what is computed from it: with gains c of the core, whence queries
come, and m of the matrix, whence keys and values come,

::

    softmax:   kappa_ij = softmax_j(c m q_i.k_j / sqrt(d_key)),                              xt_i = m sum_j kappa_ij v_j
    linear:    kappa_ij = phi(m k_j).phi(c q_i) / Z_i,     phi = elu+1,                      xt_i = m sum_j kappa_ij v_j

(biases zero). In softmax attention the product c m is the inverse temperature, whichever nucleus it comes from. In linear
attention it is so where all keys and queries are positive and large, and by about that much elsewhere: `scaled` is exact.
"""

import numpy as np

from cortical_attention.reference.attention import linear_attention, read_out
from cortical_attention.reference.block import Block, check_shape


def scaled(block: Block, query: float, key: float, value: float) -> Block:
    """Block whose queries, keys and values are multiplied by factors.

    Parameters
    ----------
    block : Block
        Without biases, which gains of the tokens leave alone.
    query, key, value : float

    Returns
    -------
    Block
    """
    return block._replace(W_Q=query * block.W_Q, W_K=key * block.W_K, W_V=value * block.W_V)


def attention_of_nuclei(query, key, value, block: Block):
    """Linear attention whose queries, keys and values are computed from different versions of the tokens.

    ::

        q_i = W_Q query_i,   k_j = W_K key_j,   v_j = W_V value_j,   kappa_ij = phi(k_j).phi(q_i) / Z_i,   phi = elu+1

    Parameters
    ----------
    query : array, (..., n_token, d_model)
    key, value : array, (..., n_context, d_model)
    block : Block
        Without biases.

    Returns
    -------
    Attention

    Raises
    ------
    ValueError
        If a shape does not fit.
    """
    value = np.asarray(value, dtype=float)
    check_shape("value", value, batch=True, n_context=np.shape(key)[-2], d_model=block.W_V.shape[-1])
    weight = linear_attention(query, block, context=key, normalised=False).kappa
    return read_out(weight, value[..., None, :, :] @ block.W_V.swapaxes(-1, -2), block.W_O, normalised=True)


def entropy(kappa):
    """Entropy of attention weights, -sum_j kappa_ij log kappa_ij, averaged over all rows (float, nats).

    Parameters
    ----------
    kappa : array, (..., n_context)
        Non-negative, rows that sum to one.
    """
    safe = np.where(kappa > 0, kappa, 1.0)
    return float(-np.mean(np.sum(safe * np.log(safe), axis=-1)))
