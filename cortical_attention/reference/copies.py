"""Linear attention in which every microcolumn has its own copy of the weights, and the local terms of each copy.

In the paper W_Q, W_K and W_V are repeated for every pair of token and context token, and W_O for every token; that these
copies stay alike is assumed (Granier & Senn 2025 name it as open). Here they may differ: a copy of W_Q serves one token i
and one context token j, and learns from what happens there. The terms of `local_terms` are the sums of
these over copies, as long as all copies are equal.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.reference.block import Block
from cortical_attention.reference.kernels import kernel_named

COPIED = (1, 2), (1, 2), (1, 2), (1,)  # axes of the copies


class Copies(NamedTuple):
    """Weights of every copy, or their terms.

    Attributes
    ----------
    W_Q, W_K : array, (n_head, n_token, n_context, d_key, d_model)
    W_V : array, (n_head, n_token, n_context, d_value, d_model)
    W_O : array, (n_head, n_token, d_model, d_value)
    """

    W_Q: np.ndarray
    W_K: np.ndarray
    W_V: np.ndarray
    W_O: np.ndarray


def copied(block: Block, n_token: int, n_context: int) -> Copies:
    """A copy of every weight for each place that uses it (Copies)."""
    sizes = (n_token, n_context), (n_token, n_context), (n_token, n_context), (n_token,)
    repeated = [np.expand_dims(W, axes) for W, axes in zip(block[:4], COPIED, strict=True)]
    return Copies(
        *(
            np.broadcast_to(W, (W.shape[0], *size, *W.shape[-2:])).copy()
            for W, size in zip(repeated, sizes, strict=True)
        )
    )


def n_copies(copies: Copies) -> list[int]:
    """Number of copies of each weight."""
    return [int(np.prod([W.shape[axis] for axis in axes])) for W, axes in zip(copies, COPIED, strict=True)]


def mean_of(copies: Copies) -> list[np.ndarray]:
    """Mean over copies of each weight, with axes of length one in their place."""
    return [W.mean(axis=axes, keepdims=True) for W, axes in zip(copies, COPIED, strict=True)]


def pulled(copies: Copies, share: float) -> Copies:
    """Copies moved towards their mean by a share of the way (Copies): 0 leaves them, 1 makes them equal."""
    return Copies(*(W + share * (mean - W) for W, mean in zip(copies, mean_of(copies), strict=True)))


def spread(copies: Copies) -> list[float]:
    """Root mean square deviation of copies from their mean, over that of the mean, of each weight."""
    return [
        float(np.sqrt(np.mean((W - mean) ** 2) / np.mean(mean**2)))
        for W, mean in zip(copies, mean_of(copies), strict=True)
    ]


def copies_output(tokens, copies: Copies, *, context=None, kernel="elu+1") -> np.ndarray:
    """Output of linear attention with its own weights at every place, (n_batch, n_token, d_model).

    Parameters
    ----------
    tokens : array, (n_batch, n_token, d_model)
    copies : Copies
    context : array, (n_batch, n_context, d_model), optional
        None: the tokens.
    kernel : str

    Returns
    -------
    array
    """
    return _settled(tokens, copies, context, kernel)[-1]


def copies_terms(tokens, targets, copies: Copies, *, context=None, kernel="elu+1") -> Copies:
    """Local term of every copy, summed over the batch.

    The terms are those of `local_terms` before the sum over i and j, with the weights of the place itself: delta_i =
    W_O,i^T e_i, and a_ij = delta_i . (v_ij - vt_i).

    Parameters
    ----------
    tokens, targets : array, (n_batch, n_token, d_model)
    copies, context, kernel
        As in `copies_output`.

    Returns
    -------
    Copies
    """
    phi, derivative = kernel_named(kernel)
    context = tokens if context is None else context
    query, key, value, s, pooled, output = _settled(tokens, copies, context, kernel)
    e = (targets - output).transpose(1, 2, 0)  # i, m, b
    delta = copies.W_O.swapaxes(-1, -2) @ e  # h, i, v, b
    kappa = s.sum(axis=-2)
    a = ((value - pooled[:, :, None]) * delta[:, :, None]).sum(axis=-2)
    s *= a[..., None, :]
    x_i, x_j = tokens.transpose(1, 0, 2)[:, None], context.transpose(1, 0, 2)  # (i, 1, b, m), (j, b, m)
    return Copies(
        W_Q=(s * derivative(query) / phi(query)) @ x_i,
        W_K=(s * derivative(key) / phi(key)) @ x_j,
        W_V=(kappa[..., None, :] * delta[:, :, None]) @ x_j,
        W_O=e @ pooled.swapaxes(-1, -2),
    )


def _settled(tokens, copies, context, kernel):
    """Queries, keys, values and L2/3 rates (h, i, j, component, b), pooled values (h, i, v, b), output (b, i, m)."""
    phi = kernel_named(kernel).phi
    context = tokens if context is None else context
    x_i, x_j = tokens.transpose(1, 2, 0)[:, None], context.transpose(1, 2, 0)  # (i, 1, m, b), (j, m, b)
    query, key, value = copies.W_Q @ x_i, copies.W_K @ x_j, copies.W_V @ x_j
    s = phi(query) * phi(key)
    s /= s.sum(axis=(2, 3), keepdims=True)
    pooled = (s.sum(axis=-2, keepdims=True) * value).sum(axis=2)
    return query, key, value, s, pooled, (copies.W_O @ pooled).sum(axis=0).transpose(2, 0, 1)
