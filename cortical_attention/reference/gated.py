"""Linear attention with a memory that forgets: one gate for each head and token.

::

    M_t = alpha_t M_{t-1} + v_t phi(k_t)^T,   z_t = alpha_t z_{t-1} + phi(k_t),   vt_t = M_t phi(q_t)  (/ z_t.phi(q_t))

Gated linear attention (Yang et al. 2024, arXiv 2312.06635, abstract read) has a gate for each component of a key; one gate
for each head and token is the special case of gated random feature attention (Peng et al. 2021) and of Mamba-2 (Dao & Gu
2024), a constant gate that of retention (Sun et al. 2023); these three were not read. As weights of attention it is

::

    kappa_tj = D_tj phi(k_j).phi(q_t),   D_tj = alpha_t ... alpha_{j+1} for j <= t, and 0 for the future
"""

import numpy as np

from cortical_attention.reference.attention import Attention, share
from cortical_attention.reference.block import Block, check_problem, project
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


def held_shares(gates):
    """Share of a token that is left of its own write where a memory leaks while it is written, (alpha - 1) / log(alpha).

    dM/dt = v phi^T - lambda M for unit time, from zero: the input gate that a state-space model has under zero-order hold.

    Parameters
    ----------
    gates : array
        alpha, above 0 and at most 1.

    Returns
    -------
    array
    """
    gates = np.asarray(gates, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gates == 1, 1.0, (gates - 1) / np.log(gates))


def memories(keys, values, gates):
    """Memory after each write, M_t = alpha_t M_{t-1} + v_t phi(k_t)^T, from nothing.

    Parameters
    ----------
    keys : array, (..., n_token, d_key)
        phi(k) of each.
    values : array, (..., n_token, d_value)
    gates : array, (..., n_token)

    Returns
    -------
    array, (..., n_token, d_value, d_key)
    """
    M = np.einsum("...tv,...tk->...tvk", values, keys)
    for t in range(1, M.shape[-3]):
        M[..., t, :, :] += gates[..., t, None, None] * M[..., t - 1, :, :]
    return M


def gated_linear_attention(tokens, block: Block, gates, *, shares=1.0, kernel="elu+1", normalised=False) -> Attention:
    """Linear attention of each token to itself and those before it, through a memory that forgets.

    Parameters
    ----------
    tokens : array, (..., n_token, d_model)
        In their order, which matters here.
    block : Block
    gates : array, (..., n_head, n_token)
        alpha_t, from 0 (all is forgotten before token t is written) to 1 (nothing is). Axes of size one are repeated.
    shares : array, (..., n_head, n_token)
        Share of each token that is written, as an input gate.
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
    gates, shares = (_checked(name, each, key.shape[:-1]) for name, each in (("gates", gates), ("shares", shares)))
    query, key = phi(query), shares[..., None] * phi(key)
    pooled = np.einsum("...tvk,...tk->...tv", memories(key, value, gates), query)
    z = memories(key, np.ones_like(value[..., :1]), gates)[..., 0, :]
    Z = (z * query).sum(axis=-1)
    if normalised:
        pooled = share(pooled, Z[..., None])
    return Attention(np.einsum("...hiv,hmv->...im", pooled, problem.block.W_O), None, Z)


def _checked(name, gates, needs):
    """Gates of the shape (..., n_head, n_token) of the keys."""
    gates = np.asarray(gates, dtype=float)
    if not ((gates >= 0) & (gates <= 1)).all():
        raise ValueError(f"{name} reach from {gates.min():g} to {gates.max():g}, but need to be between 0 and 1")
    try:
        return np.broadcast_to(gates, needs)
    except ValueError:
        raise ValueError(f"{name} have shape {gates.shape}, but need (..., n_head, n_token), as {needs}") from None
