"""Gradients of a token-wise squared error with respect to the weights of linear attention (Granier & Senn 2025, eq. 1-5).

The paper writes them as sums over the third-order tensors Gamma_ijj'. Each is an outer product in disguise,

::

    Gamma^q_ijj' = [phi'(q_i) * phi(k_j')] c_ij x_i^T
    Gamma^k_ijj' = [phi(q_i) * phi'(k_j')] c_ij x_j'^T

with c_ij = v_j.(W_O^T e_i), because Delta_ij = W_O^T e_i x_j^T. Only c_ij is formed: one
(n_token, n_context) array per head, never (n, n, n).
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.reference.attention import close, read_out, share
from cortical_attention.reference.block import Block, check_problem, project, to_heads
from cortical_attention.reference.kernels import kernel_named


class Gradients(NamedTuple):
    """Energy, and its derivatives in the shapes of the weights.

    The signs are those of the derivative; the right-hand sides of equations 2 to 5 have the opposite sign.
    """

    energy: float
    dE_dW_Q: np.ndarray
    dE_dW_K: np.ndarray
    dE_dW_V: np.ndarray
    dE_dW_O: np.ndarray


def gradients(
    tokens, targets, block: Block, *, context=None, mask=None, kernel: str = "elu+1", normalised: bool = True
) -> Gradients:
    """Energy of a linear attention block and its derivatives with respect to every weight.

    E = 1/2 sum_i |y_i - xt_i|^2 (Granier & Senn 2025, eq. 1) and +dE/dW (eq. 2 to 5 with the sign turned). Biases enter
    the forward pass and are constant. A row with Z_i = 0 adds to the energy and nothing to the derivatives.

    Parameters
    ----------
    tokens : array, (..., n_token, d_model)
        With batch axes, energy and derivatives are summed over the batch.
    targets : array, (..., n_token, d_model)
        y_i, in the shape of the block's output.
    block, context, mask, kernel, normalised
        As in `linear_attention`. Not normalised (ours, not in the paper), the division by Z_i and the term in kappa_ij,
        which is its derivative, are absent.

    Returns
    -------
    Gradients

    Raises
    ------
    ValueError
        If the kernel is unknown or a shape does not fit.
    """
    phi, derivative = kernel_named(kernel)
    problem = check_problem(tokens, block, context, mask)
    y = check_targets(targets, problem)
    query, key, value = project(problem)
    phi_q, phi_k = phi(query), phi(key)
    weight = close(phi_q @ phi_k.swapaxes(-1, -2), problem.mask)
    xt, kappa, Z = read_out(weight, value, problem.block.W_O, normalised)

    e = y - xt
    back = to_heads(e, problem.block.W_O)  # W_O^T e_i; Delta_ij = back_i x_j^T
    c = back @ value.swapaxes(-1, -2)
    per_q, per_dq = phi_q, derivative(query)
    if normalised:
        c = c - (kappa * c).sum(axis=-1, keepdims=True)  # the terms in kappa_ij of eq. 4 and 5, with j and j' exchanged
        per_q, per_dq = share(per_q, Z[..., None]), share(per_dq, Z[..., None])  # Z_i^-1
    c = close(c, problem.mask)

    x_i, x_j = problem.tokens, problem.context
    return Gradients(
        energy=0.5 * float(np.sum(e * e)),
        dE_dW_Q=-outer(per_dq * (c @ phi_k), x_i),  # eq. 4
        dE_dW_K=-outer(derivative(key) * (c.swapaxes(-1, -2) @ per_q), x_j),  # eq. 5
        dE_dW_V=-outer(kappa.swapaxes(-1, -2) @ back, x_j),  # eq. 3
        dE_dW_O=-outer(kappa @ value, e).swapaxes(-1, -2),  # eq. 2
    )


def check_targets(targets, problem):
    """Targets in float64; ValueError unless they have the shape of the output."""
    targets, needed = np.asarray(targets, dtype=float), problem.tokens.shape
    if targets.shape != needed:
        raise ValueError(f"targets has shape {targets.shape}, but needs {needed}, that of the output")
    return targets


def outer(left, right):
    """sum_i left_i right_i^T of each head, summed over the batch: (..., h, i, a) and (..., i, m) to (h, a, m)."""
    left, right = left.reshape(-1, *left.shape[-3:]), right.reshape(-1, *right.shape[-2:])
    return np.einsum("bhia,bim->ham", left, right, optimize=True)
