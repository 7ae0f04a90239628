"""Multihead attention: Algorithm 1 as loops, linear attention two ways, and softmax attention.

Every function returns an `Attention`. Tokens and context may have leading batch axes, which broadcast. The mask is boolean,
(n_token, n_context); False closes a context token to a token. Where Z_i = 0 (every context token closed, or every
phi(k_j).phi(q_i) zero), that row of kappa and of the head's output is 0, without warning.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.reference.block import Block, check_block, check_problem, check_shape, project
from cortical_attention.reference.kernels import kernel_named


class Attention(NamedTuple):
    """Output of an attention block.

    Attributes
    ----------
    output : array, (..., n_token, d_model)
        xt_i = sum_h W_O^h sum_j kappa^h_ij v^h_j.
    kappa : array, (..., n_head, n_token, n_context), or None
        Attention weights, divided by the normaliser if normalised; None in `memory_attention`, which never forms them.
    normaliser : array, (..., n_head, n_token)
        Z_i, the sum over j of the undivided weights; present also if not normalised.
    """

    output: np.ndarray
    kappa: np.ndarray | None
    normaliser: np.ndarray


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Ratio part / whole (ndarray), 0 where the whole is 0; the two arrays broadcast."""
    shape = np.broadcast_shapes(part.shape, whole.shape)
    return np.divide(part, whole, out=np.zeros(shape), where=whole != 0)


def close(weight: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Weights (..., n_token, n_context), set to 0 where the mask (n_token, n_context) is False."""
    return weight if mask is None else np.where(mask, weight, 0.0)


def read_out(weight: np.ndarray, value: np.ndarray, W_O: np.ndarray, normalised: bool) -> Attention:
    """Attention from weights and values, the last step of every variant.

    Z_i = sum_j w_ij; kappa_ij = w_ij / Z_i, or w_ij if not normalised; xt_i = sum_h W_O sum_j kappa_ij v_j.

    Parameters
    ----------
    weight : array, (..., n_head, n_token, n_context)
        w_ij, 0 where closed.
    value : array, (..., n_head, n_context, d_value)
    W_O : array, (n_head, d_model, d_value)
    normalised : bool

    Returns
    -------
    Attention
    """
    Z = weight.sum(axis=-1)
    kappa = share(weight, Z[..., None]) if normalised else weight
    return Attention(_mix_heads(kappa @ value, W_O), kappa, Z)


def _mix_heads(pooled, W_O):
    """xt_i = sum_h W_O^h vt_i^h, from (..., n_head, n_token, d_value) to (..., n_token, d_model)."""
    return np.einsum("...hiv,hmv->...im", pooled, W_O, optimize=True)


def algorithm_1(tokens, block: Block, kernel: str = "elu+1") -> Attention:
    """Multihead linear self-attention as the loops of the paper, one entry at a time; slow, for tests.

    Comments carry the line numbers of Algorithm 1 in Granier & Senn 2025, version 1. Additions: the biases of the
    block, the record of kappa and Z, and s = 0 where Z = 0, which the paper leaves undefined.

    Parameters
    ----------
    tokens : array, (n_token, d_model)
        One sequence, no batch, no mask.
    block : Block
    kernel : str
        A name in `KERNELS`.

    Returns
    -------
    Attention

    Raises
    ------
    ValueError
        If the kernel is unknown or a shape does not fit.
    """
    phi = kernel_named(kernel).phi
    W_Q, W_K, W_V, W_O, b_Q, b_K, b_V = check_block(block)
    n_head, d_key, d_model = W_Q.shape
    d_value = W_V.shape[1]
    x = np.asarray(tokens, dtype=float)  # 1
    check_shape("tokens", x, n_token=None, d_model=d_model)
    n = len(x)
    output, kappa, normaliser = np.zeros((n, d_model)), np.zeros((n_head, n, n)), np.zeros((n_head, n))  # 2
    A = np.ones((d_value, d_key))  # 3
    for h in range(n_head):  # 4
        for i in range(n):  # 5
            Z, pooled = 0.0, np.zeros(d_value)  # 6
            for j in range(n):  # 7
                Z = Z + np.ones(d_key) @ (phi(W_K[h] @ x[j] + b_K[h]) * phi(W_Q[h] @ x[i] + b_Q[h]))  # 8, 9
            q = W_Q[h] @ x[i] + b_Q[h]  # 10
            for j in range(n):  # 11
                k = W_K[h] @ x[j] + b_K[h]  # 12
                s = phi(k) * phi(q) / Z if Z != 0 else np.zeros(d_key)  # 13
                v = W_V[h] @ x[j] + b_V[h]  # 14
                alpha = A @ s  # 15
                y = alpha * v  # 16
                pooled = pooled + y  # 17, 18
                kappa[h, i, j] = alpha[0]  # every entry of alpha is the same number, since A is all ones
            output[i] = output[i] + W_O[h] @ pooled  # 19 to 21
            normaliser[h, i] = Z
    return Attention(output, kappa, normaliser)  # 22, 23


def linear_attention(
    tokens, block: Block, *, context=None, mask=None, kernel: str = "elu+1", normalised: bool = True
) -> Attention:
    """Multihead linear attention, all pairs at once (Granier & Senn 2025, section 3).

    kappa_ij = phi(k_j).phi(q_i) / Z_i with Z_i = sum_j phi(k_j).phi(q_i) over the open j; when not normalised,
    kappa_ij = phi(k_j).phi(q_i). Rows with Z_i = 0 are 0.

    Parameters
    ----------
    tokens : array, (..., n_token, d_model)
        Source of the queries.
    block : Block
    context : array, (..., n_context, d_model), optional
        Source of keys and values; None: the tokens.
    mask : boolean array, (n_token, n_context), optional
        False closes context token j to token i.
    kernel : str
        A name in `KERNELS`.
    normalised : bool
        Whether to divide by Z.

    Returns
    -------
    Attention

    Raises
    ------
    ValueError
        If the kernel is unknown or a shape does not fit.
    """
    phi = kernel_named(kernel).phi
    problem = check_problem(tokens, block, context, mask)
    query, key, value = project(problem)
    weight = close(phi(query) @ phi(key).swapaxes(-1, -2), problem.mask)
    return read_out(weight, value, problem.block.W_O, normalised)


def memory_attention(
    tokens, block: Block, *, context=None, mask=None, kernel: str = "elu+1", normalised: bool = True
) -> Attention:
    """Multihead linear attention through a key-value memory: the same output at a cost linear in the tokens.

    M = sum_j v_j phi(k_j)^T, z = sum_j phi(k_j), vt_i = M phi(q_i) / (z.phi(q_i)), without the division when not
    normalised (Katharopoulos et al. 2020; Granier & Senn 2025, section 6, "Beyond quadratic scaling"). With a mask
    there is one memory for each distinct row of it, so that the cost grows with their number. Parameters, shapes
    and errors are those of `linear_attention`.

    Returns
    -------
    Attention
        Its kappa is None: the (n_token, n_context) array is never formed.
    """
    phi = kernel_named(kernel).phi
    problem = check_problem(tokens, block, context, mask)
    query, key, value = project(problem)
    query, key = phi(query), phi(key)
    pooled, Z = np.zeros(query.shape[:-1] + value.shape[-1:]), np.zeros(query.shape[:-1])
    for open_to, readers in _memories(problem):
        M = value[..., open_to, :].swapaxes(-1, -2) @ key[..., open_to, :]
        z = key[..., open_to, :].sum(axis=-2)
        pooled[..., readers, :] = query[..., readers, :] @ M.swapaxes(-1, -2)
        Z[..., readers] = np.einsum("...hik,...hk->...hi", query[..., readers, :], z)
    if normalised:
        pooled = share(pooled, Z[..., None])
    return Attention(_mix_heads(pooled, problem.block.W_O), None, Z)


def _memories(problem):
    """Pairs of indices for each memory: its context tokens, and the tokens that read it."""
    if problem.mask is None:
        return [(slice(None), slice(None))]
    rows, row_of = np.unique(problem.mask, axis=0, return_inverse=True)
    return [(row, row_of == r) for r, row in enumerate(rows)]


def softmax_attention(tokens, block: Block, *, context=None, mask=None) -> Attention:
    """Multihead softmax attention (Vaswani et al. 2017): kappa_ij = softmax_j(k_j.q_i / sqrt(d_key)) over the open j.

    A row with every context token closed is 0. Parameters, shapes and errors are those of `linear_attention`.

    Returns
    -------
    Attention
        Z_i = sum_j exp(k_j.q_i / sqrt(d_key)), infinite where that exceeds the float64 range; kappa is not affected.
    """
    problem = check_problem(tokens, block, context, mask)
    return softmax_of(problem, *project(problem))


def softmax_of(problem, query, key, value) -> Attention:
    """Softmax attention of a checked problem whose queries (..., n_head, n_token, d_key), keys and values are given."""
    score = query @ key.swapaxes(-1, -2) / np.sqrt(query.shape[-1])
    if problem.mask is not None:
        score = np.where(problem.mask, score, -np.inf)
    top = score.max(axis=-1, keepdims=True, initial=-np.inf)
    top = np.where(top == -np.inf, 0.0, top)  # a closed row: keeps -inf - top from being nan
    answer = read_out(np.exp(score - top), value, problem.block.W_O, normalised=True)
    with np.errstate(over="ignore"):
        return answer._replace(normaliser=answer.normaliser * np.exp(top[..., 0]))
