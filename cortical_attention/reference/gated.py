"""Linear attention with a memory that forgets: one gate for each head and token.

    M_t = alpha_t M_{t-1} + v_t phi(k_t)^T,   z_t = alpha_t z_{t-1} + phi(k_t),   vt_t = M_t phi(q_t)  (/ z_t.phi(q_t))

Gated linear attention (Yang et al. 2024, arXiv 2312.06635, abstract read) has a gate for each component of a key; one gate
for each head and token is the special case of gated random feature attention (Peng et al. 2021) and of Mamba-2 (Dao & Gu
2024), a constant gate that of retention (Sun et al. 2023); these three were not read. As weights of attention it is

    kappa_tj = D_tj phi(k_j).phi(q_t),   D_tj = alpha_t ... alpha_{j+1} for j <= t, and 0 for the future
"""

import numpy as np

from cortical_attention.reference.attention import Attention, share
from cortical_attention.reference.block import Block, check_problem, check_shape, project
from cortical_attention.reference.kernels import kernel_named


def gates_of(modulation, W_M):
    """Gates that a modulatory state sets, alpha_ht = exp(-sum_s W_M_hs m_ts).

    For a leak lambda = log(1 + exp(x)) a gate is the logistic function of -x, which is the usual form of a learned gate.

    Parameters
    ----------
    modulation : array, (..., n_token, n_state)
    W_M : array, (n_head, n_state)

    Returns
    -------
    array, (..., n_head, n_token)
        Between 0 and 1 where neither state nor weights are negative.
    """
    return np.exp(-np.einsum("hs,...ts->...ht", W_M, modulation))


def gated_linear_attention(tokens, block: Block, gates, *, kernel="elu+1", normalised=False) -> Attention:
    """Linear attention of each token to itself and those before it, through a memory that forgets.

    Parameters
    ----------
    tokens : array, (..., n_token, d_model)
        In their order, which matters here.
    block : Block
    gates : array, (..., n_head, n_token)
        alpha_t, from 0 (all is forgotten before token t is written) to 1 (nothing is). Axes of size one are repeated.
    kernel : str
        A name in `reference.kernels.KERNELS`.
    normalised : bool
        Whether to divide by z_t.phi(q_t), with a z that forgets too.

    Returns
    -------
    Attention
        kappa is None: it is never formed.

    Raises
    ------
    ValueError
        If a shape does not fit, a gate is not between 0 and 1, or there is no such kernel.
    """
    phi, problem = kernel_named(kernel).phi, check_problem(tokens, block)
    query, key, value = project(problem)
    query, key, gates = phi(query), phi(key), _checked(gates, key.shape[:-1])
    M = np.zeros((*key.shape[:-2], value.shape[-1], key.shape[-1]))
    z = np.zeros((*key.shape[:-2], key.shape[-1]))
    pooled, Z = np.zeros_like(value), np.zeros(key.shape[:-1])
    for t in range(key.shape[-2]):
        alpha, k, q = gates[..., t, None], key[..., t, :], query[..., t, :]
        M = alpha[..., None] * M + value[..., t, :, None] * k[..., None, :]
        z = alpha * z + k
        pooled[..., t, :] = np.einsum("...vk,...k->...v", M, q)
        Z[..., t] = (z * q).sum(axis=-1)
    if normalised:
        pooled = share(pooled, Z[..., None])
    return Attention(np.einsum("...hiv,hmv->...im", pooled, problem.block.W_O), None, Z)


def _checked(gates, needs):
    """Gates of the shape (..., n_head, n_token) of the keys."""
    gates = np.asarray(gates, dtype=float)
    if not ((gates >= 0) & (gates <= 1)).all():
        raise ValueError(f"gates reach from {gates.min():g} to {gates.max():g}, but need to be between 0 and 1")
    try:
        return np.broadcast_to(gates, needs)
    except ValueError:
        check_shape("gates", gates, batch=True, n_head=needs[-2], n_token=needs[-1])
        raise ValueError(f"gates have batch axes {gates.shape[:-2]}, but need those of the tokens, {needs[:-2]}") from None
