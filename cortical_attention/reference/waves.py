"""Softmax attention in which the score of two tokens falls off with their distance in the phase of a travelling wave.

Ours, after a sentence of Granier & Senn (2025, section 6, "Encoding temporal context").
"""

import numpy as np

from cortical_attention.reference.attention import Attention, read_out
from cortical_attention.reference.block import Block, check_problem, check_shape, project


def wave_attention(tokens, block: Block, token_phase, *, context_phase=None, context=None, mask=None) -> Attention:
    """Multihead attention kappa_ij = softmax_j(1/2 q_i.k_j cos(theta_i - theta_j) / sqrt(d_key)) over the open j.

    The score is the mean over a cycle of q_i cos(w t + theta_i) . k_j cos(w t + theta_j) / sqrt(d_key).

    Parameters
    ----------
    tokens : array, (..., n_token, d_model)
    block : Block
    token_phase : array, (n_token,)
        theta_i (rad).
    context_phase : array, (n_context,), optional
        theta_j; None: those of the tokens.
    context, mask
        As in `reference.attention.linear_attention`.

    Returns
    -------
    Attention
        A row with every context token closed is 0.

    Raises
    ------
    ValueError
        If a shape does not fit.
    """
    problem = check_problem(tokens, block, context, mask)
    query, key, value = project(problem)
    theta_i = np.asarray(token_phase, dtype=float)
    theta_j = theta_i if context_phase is None else np.asarray(context_phase, dtype=float)
    check_shape("token_phase", theta_i, n_token=query.shape[-2])
    check_shape("context_phase", theta_j, n_context=key.shape[-2])
    falls = np.cos(theta_i[:, None] - theta_j) / 2
    score = falls * (query @ key.swapaxes(-1, -2)) / np.sqrt(query.shape[-1])
    if problem.mask is not None:
        score = np.where(problem.mask, score, -np.inf)
    top = score.max(axis=-1, keepdims=True, initial=-np.inf)
    top = np.where(top == -np.inf, 0.0, top)
    return read_out(np.exp(score - top), value, problem.block.W_O, normalised=True)
