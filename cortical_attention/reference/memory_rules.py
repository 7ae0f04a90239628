"""Rules by which a memory of keys and values is written, one key after another, and what a memory can hold.

A memory is a matrix M (d_value, d_key), read as M phi(q). The sum rule is that of linear attention; the delta rule is that
of Schlag, Irie & Schmidhuber (2021), and of Widrow & Hoff (1960) before; the continuous one is ours.
"""

import numpy as np

from cortical_attention.reference.block import Block, check_problem, project
from cortical_attention.reference.kernels import kernel_named


def share_of_sum(size):
    """Share of a value, (...), that the sum rule writes: one, whatever |phi|^2 is."""
    return np.ones_like(np.asarray(size, dtype=float))


def share_of_delta(size):
    """Share of an error that the delta rule writes, 1 / |phi|^2, or 0 for a zero key: the memory then answers the value."""
    size = np.asarray(size, dtype=float)
    return np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)


def share_of_continuous_delta(size):
    """Share that dM/dt = (v - M phi) phi^T writes in unit time, (1 - exp(-|phi|^2)) / |phi|^2."""
    return -np.expm1(-np.asarray(size, dtype=float)) * share_of_delta(size)


SHARES = {"sum": share_of_sum, "delta": share_of_delta, "continuous delta": share_of_continuous_delta}


def written(keys, values, rule, memory=None):
    """Memory after pairs of keys and values were written, each once, in their order.

    M <- M + share(|phi|^2) (v - M phi) phi^T; in the sum rule M <- M + v phi^T.

    Parameters
    ----------
    keys : array, (..., n, d_key)
        phi(k) of each.
    values : array, (..., n, d_value)
    rule : {"sum", "delta", "continuous delta"}
    memory : array, (..., d_value, d_key), optional
        Before the first write; None: zeros.

    Returns
    -------
    array, (..., d_value, d_key)

    Raises
    ------
    ValueError
        For another rule, or numbers of keys and values that differ.
    """
    keys, values = np.asarray(keys, dtype=float), np.asarray(values, dtype=float)
    if rule not in SHARES:
        raise ValueError(f"rule is {rule!r}, but needs to be one of {', '.join(SHARES)}")
    if keys.shape[:-1] != values.shape[:-1]:
        raise ValueError(f"keys have shape {keys.shape} and values {values.shape}, but need as many of each")
    lead = keys.shape[:-2]
    M = np.zeros((*lead, values.shape[-1], keys.shape[-1])) if memory is None else np.array(memory, dtype=float)
    for j in range(keys.shape[-2]):
        phi, v = keys[..., j, :], values[..., j, :]
        held = 0.0 if rule == "sum" else np.einsum("...vk,...k->...v", M, phi)
        share = SHARES[rule]((phi**2).sum(axis=-1))[..., None]
        M = M + (share * (v - held))[..., None] * phi[..., None, :]
    return M


def memory_answer(tokens, block: Block, rule, *, context=None, kernel="elu+1"):
    """Output of a block whose memory is written by a rule, and read without division: sum_h W_O M phi(q_i).

    Parameters
    ----------
    tokens : array, (..., n_token, d_model)
        Source of the queries.
    block : Block
    rule : {"sum", "delta", "continuous delta"}
    context : array, (..., n_context, d_model), optional
        Written in its order; None: the tokens.
    kernel : str
        A name in `reference.kernels.KERNELS`, or "identity".

    Returns
    -------
    array, (..., n_token, d_model)

    Raises
    ------
    ValueError
        If a shape does not fit, or there is no such rule or kernel.
    """
    problem = check_problem(tokens, block, context)
    query, key, value = project(problem)
    phi = (lambda x: x) if kernel == "identity" else kernel_named(kernel).phi
    M = written(phi(key), value, rule)
    read = np.einsum("...hik,...hvk->...hiv", phi(query), M)
    return np.einsum("...hiv,hmv->...im", read, problem.block.W_O)


def loss(answers, values):
    """Loss 1/2 |answer - value|^2, mean over keys: of arrays (..., n, d_value), shape (...,)."""
    return ((np.asarray(answers) - values) ** 2).sum(axis=-1).mean(axis=-1) / 2


def best_scale(answers, values):
    """Factor of answers (..., n, d_value) at which they come nearest to the values, (..., 1, 1); it is set on the values
    themselves, so that it bounds what any gain of a memory could do."""
    answers = np.asarray(answers, dtype=float)
    both, own = ((answers * each).sum(axis=(-2, -1), keepdims=True) for each in (values, answers))
    return np.divide(both, own, out=np.zeros_like(both), where=own > 0)


def least_loss(n, d_key):
    """Least loss of any memory with n keys and one-hot values, (1 - d_key / n) / 2, or 0 with at most d_key keys.

    The answers are a matrix of rank d_key at most, and the values are the identity: the best of that rank leaves n - d_key
    of its n singular values, which are one (Eckart & Young 1936). Only keys of the right geometry reach it: they have to be
    a tight frame, as learned ones may be.
    """
    return max(0.0, 1 - d_key / n) / 2
