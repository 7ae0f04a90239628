"""Gradients of attention through a key-value memory, as sums over what a synapse has at hand.

The memory of a head is M = sum_j v_j phi(k_j)^T with a row of ones z = sum_j phi(k_j), and vt_i = M phi(q_i) / Z_i with
Z_i = z.phi(q_i) is what it says to token i (`attention.memory_attention`). With e_i = y_i - xt_i, the error at the head
delta_i = F^T e_i / Z_i, and r_i = -delta_i.vt_i, which is what token i teaches the row of ones,

::

    B = sum_i delta_i phi(q_i)^T            b = sum_i r_i phi(q_i)

are a second memory, of errors and queries, and

::

    W_Q   sum_i  phi'(q_ik) (sum_v M_vk delta_iv + z_k r_i) x_im
    W_K   sum_j  phi'(k_jk) (sum_v B_vk v_jv + b_k) x_jm
    W_V   sum_j  (sum_k B_vk phi(k_jk)) x_jm
    W_O   sum_i  e_im vt_iv

are minus the derivatives of equations 2 to 5 in Granier & Senn (2025). Not normalised, Z_i is one and r_i zero. B is
complete only after all tokens have asked, so that the context has to be presented a second time. A tag at each synapse of
a memory cell (v, k), laid down while the context is written, spares that::

    U^K_vkm = sum_j phi'(k_jk) v_jv x_jm        U^V_vkm = sum_j phi(k_jk) x_jm        U^1_km = sum_j phi'(k_jk) x_jm

are products of a presynaptic rate and of the two dendrites of the cell. When token i asks, an error cell in layer 5 that is
one-to-one with the memory cell has the rate C_vk = delta_iv phi(q_ik), that of the row of ones c_k = r_i phi(q_ik), and

::

    W_K   sum_i (sum_v C_vk U^K_vkm + c_k U^1_km)        W_V   sum_i sum_k C_vk U^V_vkm

is the same gradient, each term of it known when token i has its error. The memory reading of attention is that of
Katharopoulos et al. (2020), and by its abstract that of version 3 of the paper; what its synapses need is derived here.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.reference.attention import memory_attention, share
from cortical_attention.reference.block import Block, check_problem, project, to_heads
from cortical_attention.reference.gradients import check_targets, outer
from cortical_attention.reference.kernels import kernel_named
from cortical_attention.reference.local_terms import Terms, feedback_of

ERRORS = "all", "present", "past"


class Tags(NamedTuple):
    """Tags of the synapses of memory cells, after the context has been written.

    Attributes
    ----------
    keys : array, (..., n_head, d_value, d_key, d_model)
        U^K, of synapses of W_K on the cell (v, k).
    values : array, (..., n_head, d_key, d_model)
        U^V, of synapses of W_V, the same for all v.
    ones : array, (..., n_head, d_key, d_model)
        U^1, of synapses of W_K on a cell of the row of ones.
    """

    keys: np.ndarray
    values: np.ndarray
    ones: np.ndarray


class Asked(NamedTuple):
    """What is there when tokens ask.

    Attributes
    ----------
    query, phi_q : array, (..., n_head, n_token, d_key)
    error : array, (..., n_token, d_model)
        e_i = y_i - xt_i.
    delta : array, (..., n_head, n_token, d_value)
        F^T e_i / Z_i.
    ones : array, (..., n_head, n_token)
        r_i = -delta_i . vt_i; zero if not normalised.
    pooled : array, (..., n_head, n_token, d_value)
        vt_i.
    """

    query: np.ndarray
    phi_q: np.ndarray
    error: np.ndarray
    delta: np.ndarray
    ones: np.ndarray
    pooled: np.ndarray


def memory_terms(
    tokens, targets, block: Block, *, context=None, kernel="elu+1", normalised=True, feedback=None, errors="all"
) -> Terms:  # fmt: skip
    """Terms of both memories, M and B; the context is presented again to B.

    Parameters
    ----------
    tokens, targets : array, (..., n_token, d_model)
    block, context, kernel, normalised
        As in `memory_attention`, without a mask.
    feedback : array, (n_head, d_model, d_value), optional
        F; None: W_O, the exact gradient.
    errors : {"all", "present", "past"}
        Errors that a context token meets when it is presented to B: those of all tokens; of the token in its own place
        alone; or of the tokens up to its own place, as where each is presented once while others ask in turn. The latter
        two are not the gradient, and need as many context tokens as tokens.

    Returns
    -------
    Terms

    Raises
    ------
    ValueError
        If the kernel or the kind of errors is unknown, or a shape does not fit.
    """
    problem, asked, derivative, (key, phi_k, value) = _presented(
        tokens, targets, block, context, kernel, normalised, feedback
    )
    M, z = value.swapaxes(-1, -2) @ phi_k, phi_k.sum(axis=-2)
    to_query = asked.delta @ M + asked.ones[..., None] * z[..., None, :]
    to_key, to_value = _from_errors(asked, phi_k, value, errors)
    return Terms(
        W_Q=outer(derivative(asked.query) * to_query, problem.tokens),
        W_K=outer(derivative(key) * to_key, problem.context),
        W_V=outer(to_value, problem.context),
        W_O=outer(asked.pooled, asked.error).swapaxes(-1, -2),
    )


def eligibility(context, block: Block, *, kernel="elu+1") -> Tags:
    """Tags of a context, which is written one token after another and not kept.

    Parameters
    ----------
    context : array, (..., n_context, d_model)
    block : Block
        Of which the weights and biases of keys and values are used.
    kernel : str

    Returns
    -------
    Tags

    Raises
    ------
    ValueError
        If the kernel is unknown or a shape does not fit.
    """
    phi, derivative = kernel_named(kernel)
    problem = check_problem(context, block)
    _, key, value = project(problem)
    n_head, d_key, d_model = problem.block.W_K.shape
    lead = key.shape[:-3]
    keys = np.zeros((*lead, n_head, value.shape[-1], d_key, d_model))
    values, ones = (np.zeros((*lead, n_head, d_key, d_model)) for _ in range(2))
    for j in range(problem.context.shape[-2]):
        x, k, v = problem.context[..., None, None, j, :], key[..., j, :, None], value[..., j, :]
        values += phi(k) * x
        ones += derivative(k) * x
        keys += v[..., None, None] * (derivative(k) * x)[..., None, :, :]
    return Tags(keys, values, ones)


def tagged_terms(
    tokens, targets, block: Block, *, context=None, kernel="elu+1", normalised=True, feedback=None
) -> Terms:
    """Terms of one pass forward in time: tags while the context is written, third factors while tokens ask in turn.

    Parameters, shapes and errors are those of `memory_terms`, with all errors.

    Returns
    -------
    Terms
    """
    problem, asked, derivative, (_, phi_k, value) = _presented(
        tokens, targets, block, context, kernel, normalised, feedback
    )
    tags = eligibility(problem.context, block, kernel=kernel)
    M, z = value.swapaxes(-1, -2) @ phi_k, phi_k.sum(axis=-2)
    found = Terms(*(np.zeros(np.shape(each)) for each in block[:4]))
    for i in range(problem.tokens.shape[-2]):
        found = Terms(*map(np.add, found, terms_of_token(asked, i, problem.tokens, M, z, tags, derivative)))
    return found


def terms_of_token(asked: Asked, i, tokens, M, z, tags: Tags, derivative) -> Terms:
    """Terms of token i, known when it has asked.

    Parameters
    ----------
    asked : Asked
    i : int
    tokens : array, (..., n_token, d_model)
    M : array, (..., n_head, d_value, d_key)
    z : array, (..., n_head, d_key)
    tags : Tags
    derivative : callable
        phi'.

    Returns
    -------
    Terms
        Summed over the batch.
    """
    x, delta, phi_q, r = tokens[..., i, :], asked.delta[..., i, :], asked.phi_q[..., i, :], asked.ones[..., i, None]
    to_query = derivative(asked.query[..., i, :]) * (np.einsum("...vk,...v->...k", M, delta) + z * r)
    credit, of_ones = delta[..., None] * phi_q[..., None, :], r * phi_q
    return Terms(
        W_Q=_summed(to_query[..., None] * x[..., None, None, :], 3),
        W_K=_summed(
            np.einsum("...vk,...vkm->...km", credit, tags.keys) + of_ones[..., None] * tags.ones, 3
        ),
        W_V=_summed(credit @ tags.values, 3),
        W_O=_summed(asked.error[..., i, None, :, None] * asked.pooled[..., i, None, :], 3),
    )  # fmt: skip


def _presented(tokens, targets, block, context, kernel, normalised, feedback):
    """Problem; what is there when tokens ask; phi'; and keys, phi of keys and values."""
    phi, derivative = kernel_named(kernel)
    problem = check_problem(tokens, block, context)
    query, key, value = project(problem)
    phi_q, phi_k = phi(query), phi(key)
    answer = memory_attention(tokens, block, context=context, kernel=kernel, normalised=normalised)
    Z = answer.normaliser[..., None] if normalised else np.ones(())
    error = check_targets(targets, problem) - answer.output
    pooled = share(phi_q @ (phi_k.swapaxes(-1, -2) @ value), Z)
    delta = share(to_heads(error, feedback_of(block, feedback)), Z)
    ones = -(delta * pooled).sum(axis=-1) * normalised
    return problem, Asked(query, phi_q, error, delta, ones, pooled), derivative, (key, phi_k, value)


def _from_errors(asked, phi_k, value, errors):
    """What the context tokens get from B and b at their keys (..., n_head, n_context, d_key) and values."""
    if errors not in ERRORS:
        raise ValueError(f"errors is {errors!r}, but needs to be one of {', '.join(ERRORS)}")
    n_token, n_context = asked.delta.shape[-2], value.shape[-2]
    if errors != "all" and n_token != n_context:
        raise ValueError(
            f"errors is {errors!r}, but needs one context token for each of {n_token} tokens, not {n_context}"
        )
    met = {"all": np.ones((n_context, n_token)), "present": np.eye(n_token), "past": np.tri(n_context, n_token)}[errors]
    to_key = (met * (value @ asked.delta.swapaxes(-1, -2)) + met * asked.ones[..., None, :]) @ asked.phi_q
    return to_key, (met * (phi_k @ asked.phi_q.swapaxes(-1, -2))) @ asked.delta


def _summed(terms, n_axis):
    """Sum over the batch axes before the last `n_axis`."""
    return terms.reshape(-1, *terms.shape[-n_axis:]).sum(axis=0)
