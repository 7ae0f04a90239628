"""Weights of an attention block, checks of all shapes, and projections to queries, keys and values."""

from typing import NamedTuple

import numpy as np


class Block(NamedTuple):
    """Weights of one multihead attention block (Granier & Senn 2025, section 4).

    Matrices are [post, pre], one per head; the biases are constant drives (ours, not the paper's), None if absent.

    Parameters
    ----------
    W_Q, W_K : array, (n_head, d_key, d_model)
    W_V : array, (n_head, d_value, d_model)
    W_O : array, (n_head, d_model, d_value)
    b_Q, b_K : array, (n_head, d_key), optional
    b_V : array, (n_head, d_value), optional
    """

    W_Q: np.ndarray
    W_K: np.ndarray
    W_V: np.ndarray
    W_O: np.ndarray
    b_Q: np.ndarray | None = None
    b_K: np.ndarray | None = None
    b_V: np.ndarray | None = None


class Problem(NamedTuple):
    """Checked input of an attention, in float64, with equal batch axes of tokens and context.

    Parameters
    ----------
    tokens : array, (..., n_token, d_model)
    context : array, (..., n_context, d_model)
        Equal to the tokens in self-attention.
    mask : boolean array, (n_token, n_context), or None
    block : Block
        Absent biases are zeros.
    """

    tokens: np.ndarray
    context: np.ndarray
    mask: np.ndarray | None
    block: Block


def check_shape(name: str, array: np.ndarray, batch: bool = False, **sizes: int | None) -> None:
    """Refuse an array whose axes are not `sizes`, given as axis=size in order; None allows any size.

    With `batch`, any number of axes may stand before those.

    Raises
    ------
    ValueError
        For a shape that does not fit, in one sentence with the actual and the required shape.
    """
    found = array.shape[-len(sizes) :] if batch else array.shape
    if len(found) == len(sizes) and all(want in (None, have) for want, have in zip(sizes.values(), found, strict=True)):
        return
    axes = ["..."] * batch + [axis if size is None else f"{axis}={size}" for axis, size in sizes.items()]
    raise ValueError(f"{name} has shape {array.shape}, but needs ({', '.join(axes)})")


def check_block(block: Block) -> Block:
    """Block in float64, with zeros for absent biases; W_Q defines n_head, d_key and d_model, W_V defines d_value.

    Raises
    ------
    ValueError
        If an array does not fit those sizes.
    """
    W_Q, W_K, W_V, W_O = (np.asarray(W, dtype=float) for W in block[:4])
    check_shape("W_Q", W_Q, n_head=None, d_key=None, d_model=None)
    n_head, d_key, d_model = W_Q.shape
    check_shape("W_K", W_K, n_head=n_head, d_key=d_key, d_model=d_model)
    check_shape("W_V", W_V, n_head=n_head, d_value=None, d_model=d_model)
    d_value = W_V.shape[1]
    check_shape("W_O", W_O, n_head=n_head, d_model=d_model, d_value=d_value)
    b_Q, b_K, b_V = (
        np.zeros((n_head, size)) if b is None else np.asarray(b, dtype=float)
        for b, size in zip(block[4:], (d_key, d_key, d_value), strict=True)
    )
    check_shape("b_Q", b_Q, n_head=n_head, d_key=d_key)
    check_shape("b_K", b_K, n_head=n_head, d_key=d_key)
    check_shape("b_V", b_V, n_head=n_head, d_value=d_value)
    return Block(W_Q, W_K, W_V, W_O, b_Q, b_K, b_V)


def check_mask(mask, n_token: int, n_context: int) -> np.ndarray | None:
    """Mask as an array, True where context token j is open to token i; None stays None.

    Raises
    ------
    ValueError
        If it is not boolean (0 and 1 could mean either) or not (n_token, n_context).
    """
    if mask is None:
        return None
    mask = np.asarray(mask)
    if mask.dtype != bool:
        raise ValueError(f"mask has dtype {mask.dtype}, but needs bool, True where a context token is open")
    check_shape("mask", mask, n_token=n_token, n_context=n_context)
    return mask


def check_problem(tokens, block: Block, context=None, mask=None) -> Problem:
    """Checked tokens, context, mask and block, in float64; see `Problem` for the shapes.

    Raises
    ------
    ValueError
        If a shape does not fit, or the batch axes of tokens and context cannot be broadcast.
    """
    block = check_block(block)
    d_model = block.W_Q.shape[2]
    tokens = np.asarray(tokens, dtype=float)
    check_shape("tokens", tokens, batch=True, n_token=None, d_model=d_model)
    if context is None:
        return Problem(tokens, tokens, check_mask(mask, tokens.shape[-2], tokens.shape[-2]), block)
    context = np.asarray(context, dtype=float)
    check_shape("context", context, batch=True, n_context=None, d_model=d_model)
    try:
        batch = np.broadcast_shapes(tokens.shape[:-2], context.shape[:-2])
    except ValueError:
        have, need = context.shape[:-2], tokens.shape[:-2]
        raise ValueError(f"context has batch axes {have}, but needs those of tokens, {need}, or none") from None
    mask = check_mask(mask, tokens.shape[-2], context.shape[-2])
    tokens, context = (np.broadcast_to(x, batch + x.shape[-2:]) for x in (tokens, context))
    return Problem(tokens, context, mask, block)


def project(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Queries, keys and values: q_i = W_Q x_i + b_Q, k_j = W_K x_j + b_K, v_j = W_V x_j + b_V, for each head.

    Queries come from the tokens, keys and values from the context (Granier & Senn 2025, sections 3 and 6).

    Returns
    -------
    query : array, (..., n_head, n_token, d_key)
    key : array, (..., n_head, n_context, d_key)
    value : array, (..., n_head, n_context, d_value)
    """
    tokens, context, _, block = problem
    query = to_heads(tokens, block.W_Q.swapaxes(-1, -2)) + block.b_Q[:, None, :]
    key = to_heads(context, block.W_K.swapaxes(-1, -2)) + block.b_K[:, None, :]
    value = to_heads(context, block.W_V.swapaxes(-1, -2)) + block.b_V[:, None, :]
    return query, key, value


def to_heads(x: np.ndarray, W: np.ndarray) -> np.ndarray:
    """x_i^T W^h of each head: (..., i, m) and (h, m, a) to (..., h, i, a).

    An einsum would do, but leaves the batch axis fastest in memory: gradients of a large batch then took twice the
    time (measured).
    """
    return x[..., None, :, :] @ W
