"""Gradients of attention as sums over what each synapse has at hand: three-factor terms (Granier & Senn 2025, eq. 2 to 5).

With the error e_i = y_i - xt_i of token i, delta_i = F^T e_i for each head, and F = W_O unless other feedback is given, one
scalar for each pair of token and context token carries all that L2/3 has to know of the error,

::

    a_ij = delta_i . (v_j - vt_i)

in which v_j is a value, and vt_i = sum_j kappa_ij v_j what the head says now. With s_ijk, the rate of an L2/3 cell,

::

    W_Q   sum_ij  s_ijk (log phi)'(q_ik) a_ij x_im
    W_K   sum_ij  s_ijk (log phi)'(k_jk) a_ij x_jm
    W_V   sum_ij  kappa_ij delta_iv x_jm
    W_O   sum_i   e_im vt_iv

A sum over i and j is a sum over the copies of a synapse. The tensors Gamma of the paper collapse into a_ij (this form is
ours); the term in vt_i is the derivative of the normaliser Z_i. In softmax attention kappa_ij k_jk / sqrt(d_key), and
kappa_ij q_ik / sqrt(d_key), stand in the place of the rate times the derivative.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.reference.attention import close, read_out, share, softmax_attention
from cortical_attention.reference.block import Block, check_problem, check_shape, project, to_heads
from cortical_attention.reference.gradients import check_targets, outer
from cortical_attention.reference.kernels import kernel_named


class Terms(NamedTuple):
    """Direction in which the energy of equation 1 falls, -dE/dW, summed over the batch, in the shapes of the weights.

    Attributes
    ----------
    W_Q, W_K : array, (n_head, d_key, d_model)
    W_V : array, (n_head, d_value, d_model)
    W_O : array, (n_head, d_model, d_value)
    """

    W_Q: np.ndarray
    W_K: np.ndarray
    W_V: np.ndarray
    W_O: np.ndarray


class Signals(NamedTuple):
    """What the cells of the circuit carry when it has settled.

    Attributes
    ----------
    tokens : array, (..., n_token, d_model)
    context : array, (..., n_context, d_model)
    query : array, (..., n_head, n_token, d_key)
    key : array, (..., n_head, n_context, d_key)
    value : array, (..., n_head, n_context, d_value)
    kappa : array, (..., n_head, n_token, n_context)
    normaliser : array, (..., n_head, n_token)
        Z_i; ones if not normalised.
    pooled : array, (..., n_head, n_token, d_value)
        vt_i.
    output, error : array, (..., n_token, d_model)
        xt_i, and e_i = y_i - xt_i.
    """

    tokens: np.ndarray
    context: np.ndarray
    query: np.ndarray
    key: np.ndarray
    value: np.ndarray
    kappa: np.ndarray
    normaliser: np.ndarray
    pooled: np.ndarray
    output: np.ndarray
    error: np.ndarray


def local_terms(
    tokens, targets, block: Block, *, context=None, mask=None, kernel="elu+1", normalised=True, feedback=None,
    baseline=True,
) -> Terms:  # fmt: skip
    """Sum over copies of the local terms of linear attention; equal to minus the derivatives of `gradients`.

    Parameters
    ----------
    tokens, targets : array, (..., n_token, d_model)
    block, context, mask, kernel, normalised
        As in `linear_attention`.
    feedback : array, (n_head, d_model, d_value), optional
        F, through which the error arrives at the heads; None: W_O, the exact gradient.
    baseline : bool
        Whether a_ij has its term in vt_i; without it Z_i counts as constant.

    Returns
    -------
    Terms

    Raises
    ------
    ValueError
        If the kernel is unknown or a shape does not fit.
    """
    how = {"context": context, "mask": mask, "kernel": kernel, "normalised": normalised}
    found = signals(tokens, targets, block, **how)
    return terms_of(found, feedback_of(block, feedback), kernel, baseline=baseline and normalised)


def softmax_local_terms(
    tokens, targets, block: Block, *, context=None, mask=None, feedback=None, baseline=True
) -> Terms:
    """The same of softmax attention, with the same a_ij.

    Parameters and errors are those of `local_terms`.

    Returns
    -------
    Terms
    """
    found = softmax_signals(tokens, targets, block, context=context, mask=mask)
    delta, a = credit(found, feedback_of(block, feedback), baseline)
    weight = found.kappa * a / np.sqrt(found.query.shape[-1])
    return Terms(
        W_Q=outer(weight @ found.key, found.tokens),
        W_K=outer(weight.swapaxes(-1, -2) @ found.query, found.context),
        W_V=outer(found.kappa.swapaxes(-1, -2) @ delta, found.context),
        W_O=outer(found.pooled, found.error).swapaxes(-1, -2),
    )


def signals(tokens, targets, block: Block, *, context=None, mask=None, kernel="elu+1", normalised=True) -> Signals:
    """What the cells of the mask wiring settle to (Signals); parameters and errors are those of `local_terms`."""
    phi = kernel_named(kernel).phi
    problem = check_problem(tokens, block, context, mask)
    query, key, value = project(problem)
    weight = close(phi(query) @ phi(key).swapaxes(-1, -2), problem.mask)
    found = _signals(problem, targets, query, key, value, read_out(weight, value, problem.block.W_O, normalised))
    return found if normalised else found._replace(normaliser=np.ones_like(found.normaliser))


def softmax_signals(tokens, targets, block: Block, *, context=None, mask=None) -> Signals:
    """The same of the softmax wiring (Signals)."""
    problem = check_problem(tokens, block, context, mask)
    answer = softmax_attention(tokens, block, context=context, mask=mask)
    return _signals(problem, targets, *project(problem), answer)


def _signals(problem, targets, query, key, value, answer):
    """Signals of an answer."""
    error = check_targets(targets, problem) - answer.output
    x = problem.tokens, problem.context
    pooled = answer.kappa @ value
    return Signals(*x, query, key, value, answer.kappa, answer.normaliser, pooled, answer.output, error)


def credit(found: Signals, feedback, baseline=True) -> tuple[np.ndarray, np.ndarray]:
    """Error at each head, and the credit of each context token.

    Parameters
    ----------
    found : Signals
    feedback : array, (n_head, d_model, d_value)
    baseline : bool
        Whether vt_i is subtracted.

    Returns
    -------
    delta : array, (..., n_head, n_token, d_value)
        delta_i = F^T e_i.
    a : array, (..., n_head, n_token, n_context)
        a_ij = delta_i . (v_j - vt_i), or delta_i . v_j without the baseline.
    """
    delta = to_heads(found.error, feedback)
    a = delta @ found.value.swapaxes(-1, -2)
    return delta, a - (delta * found.pooled).sum(axis=-1, keepdims=True) if baseline else a


def terms_of(found: Signals, feedback, kernel="elu+1", *, baseline=True, a=None) -> Terms:
    """Sum over copies of the local terms of linear attention, from the signals.

    Parameters
    ----------
    found : Signals
        Where kappa_ij is zero the context token is closed, or has no weight: the pair contributes nothing.
    feedback : array, (n_head, d_model, d_value)
    kernel : str
    baseline : bool
    a : array, (..., n_head, n_token, n_context), optional
        Modulator of L2/3 in the place of a_ij.

    Returns
    -------
    Terms
    """
    phi, derivative = kernel_named(kernel)
    delta, own = credit(found, feedback, baseline)
    modulator = np.where(found.kappa == 0, 0.0, own if a is None else a)
    per_pair = share(modulator, found.normaliser[..., None])
    phi_q, phi_k = phi(found.query), phi(found.key)
    superficial_q = phi_q * (per_pair @ phi_k)  # sum_j s_ijk a_ij
    superficial_k = phi_k * (per_pair.swapaxes(-1, -2) @ phi_q)  # sum_i s_ijk a_ij
    return Terms(
        W_Q=outer(share(derivative(found.query), phi_q) * superficial_q, found.tokens),
        W_K=outer(share(derivative(found.key), phi_k) * superficial_k, found.context),
        W_V=outer(found.kappa.swapaxes(-1, -2) @ delta, found.context),
        W_O=outer(found.pooled, found.error).swapaxes(-1, -2),
    )


def feedback_of(block: Block, feedback=None) -> np.ndarray:
    """Feedback weights F, (n_head, d_model, d_value): those given, or W_O.

    Raises
    ------
    ValueError
        If they have another shape than W_O.
    """
    W_O = np.asarray(block.W_O, dtype=float)
    if feedback is None:
        return W_O
    feedback = np.asarray(feedback, dtype=float)
    check_shape("feedback", feedback, **dict(zip(("n_head", "d_model", "d_value"), W_O.shape, strict=True)))
    return feedback
