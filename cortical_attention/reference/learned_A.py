"""Linear attention in which the weights A from L2/3 to L5 IT are learnt too, and its local terms.

In the paper A is a matrix of ones (Algorithm 1, line 3), of which learning is "another degree of freedom" (Granier & Senn
2025). With A_vk for each head the apical drive of an L5 IT cell is its own, alpha_ijv = sum_k A_vk s_ijk, and

::

    vt_iv = sum_j alpha_ijv v_jv
    c_ijk = sum_v A_vk delta_iv v_jv         a_ijk = c_ijk - sum_jk s_ijk c_ijk
    A     sum_ij  delta_iv v_jv s_ijk

(ours): what arrives at L2/3 is no longer the same for every k, and travels the transpose of A.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.reference.attention import close, share
from cortical_attention.reference.block import Block, check_problem, check_shape, project, to_heads
from cortical_attention.reference.gradients import check_targets, outer
from cortical_attention.reference.kernels import kernel_named


class LearnedTerms(NamedTuple):
    """-dE/dW, summed over the batch, in the shapes of the weights; A (n_head, d_value, d_key)."""

    W_Q: np.ndarray
    W_K: np.ndarray
    W_V: np.ndarray
    W_O: np.ndarray
    A: np.ndarray


def learned_A_terms(
    tokens, targets, block: Block, A, *, context=None, mask=None, kernel="elu+1", normalised=True
) -> LearnedTerms:
    """Sum over copies of the local terms of linear attention with weights A.

    Parameters
    ----------
    tokens, targets : array, (..., n_token, d_model)
    block, context, mask, kernel, normalised
        As in `linear_attention`.
    A : array, (n_head, d_value, d_key)
        From L2/3 to the apical dendrites of L5 IT; ones: linear attention.

    Returns
    -------
    LearnedTerms

    Raises
    ------
    ValueError
        If the kernel is unknown or a shape does not fit.
    """
    phi, derivative = kernel_named(kernel)
    problem = check_problem(tokens, block, context, mask)
    query, key, value = project(problem)
    A, W_O = _check_A(A, problem.block), problem.block.W_O
    s = _superficial(phi(query), phi(key), problem.mask, normalised)
    pooled, alpha = _pooled(s, value, A)
    e = check_targets(targets, problem) - np.einsum("...hiv,hmv->...im", pooled, W_O)
    delta = to_heads(e, W_O)
    mismatch = delta[..., :, None, :] * value[..., None, :, :]  # delta_iv v_jv: h, i, j, v
    c = np.einsum("hvk,...hijv->...hijk", A, mismatch)
    a = c - (s * c).sum(axis=(-1, -2), keepdims=True) if normalised else c
    return LearnedTerms(
        W_Q=outer((s * a).sum(axis=-2) * share(derivative(query), phi(query)), problem.tokens),
        W_K=outer((s * a).sum(axis=-3) * share(derivative(key), phi(key)), problem.context),
        W_V=outer((alpha * delta[..., :, None, :]).sum(axis=-3), problem.context),
        W_O=outer(pooled, e).swapaxes(-1, -2),
        A=np.einsum("bhijv,bhijk->hvk", *(each.reshape(-1, *each.shape[-4:]) for each in (mismatch, s)), optimize=True),
    )


def learned_A_output(
    tokens, block: Block, A, *, context=None, mask=None, kernel="elu+1", normalised=True
) -> np.ndarray:
    """Output of linear attention with weights A, (..., n_token, d_model); parameters as in `learned_A_terms`."""
    phi = kernel_named(kernel).phi
    problem = check_problem(tokens, block, context, mask)
    query, key, value = project(problem)
    s = _superficial(phi(query), phi(key), problem.mask, normalised)
    return np.einsum("...hiv,hmv->...im", _pooled(s, value, _check_A(A, problem.block))[0], problem.block.W_O)


def _superficial(phi_q, phi_k, mask, normalised):
    """Rates s_ijk of L2/3, (..., h, i, j, k)."""
    s = phi_q[..., :, None, :] * phi_k[..., None, :, :]
    s = np.moveaxis(close(np.moveaxis(s, -1, -3), mask), -3, -1)
    return share(s, s.sum(axis=(-1, -2), keepdims=True)) if normalised else s


def _pooled(s, value, A):
    """vt_iv and the apical drives alpha_ijv."""
    alpha = np.einsum("hvk,...hijk->...hijv", A, s)
    return (alpha * value[..., None, :, :]).sum(axis=-2), alpha


def _check_A(A, block):
    """A in float64; ValueError for a wrong shape."""
    A, (n_head, d_value, _) = np.asarray(A, dtype=float), block.W_V.shape
    check_shape("A", A, n_head=n_head, d_value=d_value, d_key=block.W_Q.shape[1])
    return A
