"""Areas that ask each other, and attention with a learned A: the algebra of Granier & Senn (2025), section 6 and section 2.

Arrays are (..., n, d); weights are of heads, [post, pre].
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.reference.attention import share
from cortical_attention.reference.block import Block, check_problem, project
from cortical_attention.reference.kernels import kernel_named

STEPS, LONGEST, REST = (0.5, 0.1, 0.02), 500, 1e-13  # parts of a step, time in whole steps, and the last step


class Coupling(NamedTuple):
    """Weights of area 2 and between the areas.

    Attributes
    ----------
    W_21 : ndarray, shape (n_head, d_key_2, d_value)
        From what area 1 represents to the queries of area 2.
    W_K2 : ndarray, shape (n_head, d_key_2, d_model)
    W_V2 : ndarray, shape (n_head, d_value_2, d_model)
    W_K12 : ndarray, shape (n_head, d_key, d_value_2), or None
    W_V12 : ndarray, shape (n_head, d_value, d_value_2), or None
        From what area 2 represents to the keys and the values of area 1; None: no feedback.
    """

    W_21: np.ndarray
    W_K2: np.ndarray
    W_V2: np.ndarray
    W_K12: np.ndarray | None = None
    W_V12: np.ndarray | None = None


class Coupled(NamedTuple):
    """What two areas represent at their fixed point.

    Attributes
    ----------
    output : ndarray, shape (..., n_token, d_model)
        W_O u, summed over heads.
    first, second : ndarray, shape (..., n_head, n_token, d)
        u and f: what area 1 and area 2 represent.
    residual : float
        Largest difference between f and what area 2 answers to the u that it leads to.
    """

    output: np.ndarray
    first: np.ndarray
    second: np.ndarray
    residual: float


def attended(query, key, value, attention="linear", kernel="elu+1", A=None):
    """Values by attention, without weights of their own.

    y_iv = sum_j kappa_ijv v_jv. Linear: kappa_ijv = sum_k A_vk phi(k_jk) phi(q_ik) / Z_i, where Z_i is the sum over j of
    phi(k_j).phi(q_i), without A. Softmax: kappa_ijv = exp(sum_k A_vk k_jk q_ik / sqrt(d_key)) / Z_iv, where Z_iv is the sum
    over j.

    Parameters
    ----------
    query : array, (..., n_token, d_key)
    key : array, (..., n_context, d_key)
    value : array, (..., n_context, d_value)
    attention : {"linear", "softmax"}
    kernel : str
        phi of linear attention.
    A : array, (d_value, d_key), optional
        None: ones.

    Returns
    -------
    ndarray, shape (..., n_token, d_value)

    Raises
    ------
    ValueError
        For another attention, or an unknown kernel.
    """
    if attention not in ("linear", "softmax"):
        raise ValueError(f"attention is {attention!r}, but needs to be linear or softmax")
    A = np.ones((value.shape[-1], key.shape[-1])) if A is None else np.asarray(A, dtype=float)
    if attention == "linear":
        phi = kernel_named(kernel).phi
        query, key = phi(query), phi(key)
        Z = np.einsum("...ik,...jk->...i", query, key)
        return share(np.einsum("vk,...ik,...jk,...jv->...iv", A, query, key, value, optimize=True), Z[..., None])
    score = np.einsum("vk,...ik,...jk->...ijv", A, query, key) / np.sqrt(key.shape[-1])
    weight = np.exp(score - score.max(axis=-2, keepdims=True))
    return np.einsum("...ijv,...jv->...iv", weight / weight.sum(axis=-2, keepdims=True), value)


def learned_attention(tokens, block: Block, A, *, context=None, attention="linear", kernel="elu+1"):
    """Attention with weights A from L2/3 to L5 that need not be ones (Granier & Senn 2025, section 2).

    Parameters
    ----------
    tokens, block, context, kernel
        As in `reference.attention.linear_attention`.
    A, attention
        As in `attended`.

    Returns
    -------
    ndarray, shape (..., n_token, d_model)

    Raises
    ------
    ValueError
        As in `attended`, or if a shape does not fit.
    """
    problem = check_problem(tokens, block, context)
    return _mixed(attended(*project(problem), attention, kernel, A), problem.block.W_O)


def coupled_areas(tokens, block: Block, coupling: Coupling, *, context=None, attention="linear"):
    """Fixed point of two areas, the second of which feeds back to the first (Granier & Senn 2025, figure 4b).

    u_i = sum_j kappa(k_j, q_i) v_j with k_j = W_K x_j + W_K12 f_j and v_j = W_V x_j + W_V12 f_j;
    f_i = sum_a kappa(W_K2 y_a, W_21 u_i) W_V2 y_a. Found by repeated steps of f towards the right side of the last, from 0.

    Parameters
    ----------
    tokens : array, (..., n_token, d_model)
    block : Block
        Of area 1.
    coupling : Coupling
    context : array, (..., n_context, d_model), optional
        y, of area 2; None: the tokens.
    attention : {"linear", "softmax"}

    Returns
    -------
    Coupled

    Raises
    ------
    ValueError
        If a shape does not fit, or no fixed point is found.
    """
    first, second = _areas(tokens, block, coupling, context, attention)
    f = _fixed_point(lambda f: second(first(f)), second(first(0.0)))
    u = first(f)
    return Coupled(_mixed(u, np.asarray(block.W_O, dtype=float)), u, f, float(np.abs(second(u) - f).max()))


def answer_to(second, tokens, block: Block, coupling: Coupling, *, context=None, attention="linear"):
    """What area 2 answers when it feeds `second` back to area 1: `second` itself, at a fixed point.

    Parameters
    ----------
    second : array, (..., n_head, n_token, d_value_2)
        f.
    tokens, block, coupling, context, attention
        As in `coupled_areas`.

    Returns
    -------
    ndarray, shape (..., n_head, n_token, d_value_2)

    Raises
    ------
    ValueError
        If a shape does not fit.
    """
    first, answer = _areas(tokens, block, coupling, context, attention)
    return answer(first(second))


def _areas(tokens, block, coupling, context, attention):
    """u as a function of f, and f as a function of u."""
    query, key, value = project(check_problem(tokens, block))
    sequence = np.asarray(tokens if context is None else context, dtype=float)[..., None, :, :]
    key_2, value_2 = (sequence @ np.swapaxes(W, -1, -2) for W in (coupling.W_K2, coupling.W_V2))

    def first(f):
        back = [0.0 if W is None or np.ndim(f) == 0 else f @ np.swapaxes(W, -1, -2) for W in coupling[3:]]
        return attended(query, key + back[0], value + back[1], attention)

    def second(u):
        return attended(u @ np.swapaxes(coupling.W_21, -1, -2), key_2, value_2, attention)

    return first, second


def _fixed_point(answer, f):
    """f with f = answer(f), by repeated steps towards the right side; shorter ones where longer ones do not come to rest."""
    for part in STEPS:
        found = f
        for _ in range(int(LONGEST / part)):
            step = answer(found) - found
            if np.abs(step).max() <= REST * np.abs(found).max():
                return found
            found = found + part * step
    raise ValueError(f"no fixed point of the two areas is found: the last step is {np.abs(step).max():.1g}")


def asked_memory(tokens, block: Block, coupling: Coupling, *, context):
    """What an area reads from the memory of another: sum_a kappa(W_K2 y_a, W_21 u_i) W_V2 y_a, with u_i linear attention.

    Parameters
    ----------
    tokens : array, (..., n_token, d_model)
    block : Block
        W_Q, W_K and W_V of area 1; W_O, (n_head, d_model, d_value_2), of area 2.
    coupling : Coupling
        Without feedback.
    context : array, (..., n_token, d_model)
        y, in the memory of area 2.

    Returns
    -------
    ndarray, shape (..., n_token, d_model)

    Raises
    ------
    ValueError
        If a shape does not fit.
    """
    tokens, W_O = np.asarray(tokens, dtype=float), np.asarray(block.W_O, dtype=float)
    no_output = np.zeros((len(block.W_V), tokens.shape[-1], block.W_V.shape[1]))
    coupling = coupling._replace(W_K12=None, W_V12=None)
    return _mixed(coupled_areas(tokens, block._replace(W_O=no_output), coupling, context=context).second, W_O)


def _mixed(values, W_O):
    """Sum over heads of W_O times what a head represents, (..., n_token, d_model)."""
    return np.einsum("...hiv,hmv->...im", values, W_O)
