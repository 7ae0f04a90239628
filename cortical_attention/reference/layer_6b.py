"""Layer 6b in three roles: a bias of the score, a map of gains without keys and queries, and a volume knob.

Granier & Senn (2025, section 6) name the roles: layer 6b may supplement or replace superficial cells as an attention mask,
and acts as a volume knob on cortico-thalamic loops (after Zolnik et al. 2024). They give no formulas; these are ours.

With s_ij = k_j.q_i / sqrt(d_key), a bias b_ij, gains m_ij >= 0 and a knob gamma_i >= 0 of each macrocolumn::

    supplement   kappa_ij = exp(s_ij + b_ij) / sum_j exp(s_ij + b_ij)
    replacement  kappa_ij = m_ij / sum_j m_ij
    knob         kappa_ij = exp((1 + gamma_i)^2 s_ij) / sum_j exp((1 + gamma_i)^2 s_ij)                 in softmax attention
                 kappa_ij = phi((1 + gamma_i) k_j).phi((1 + gamma_i) q_i) / sum_j (the same)            in linear attention

The knob of softmax attention is its inverse temperature. That of linear attention is not: with elu+1, attention turns from
uniform (a factor of zero) into that of the rectifier (a factor without bound), where it ends.
"""

import numpy as np

from cortical_attention.reference.attention import Attention, close, read_out
from cortical_attention.reference.block import Block, check_problem, project
from cortical_attention.reference.kernels import kernel_named

BETAS = 0.01, 50.0  # between which the nearest inverse temperature is looked for
N_TRIED, N_ROUND = 61, 7  # of a round, which searches between the neighbours of the best one: to 1e-9 of the interval


def supplemented_attention(tokens, block: Block, bias, *, context=None, mask=None) -> Attention:
    """Softmax attention with a bias of its scores.

    Parameters
    ----------
    tokens, block, context, mask
        As in `linear_attention`.
    bias : array, (..., n_head, n_token, n_context)
        b_ij; axes of size one are repeated.

    Returns
    -------
    Attention
        Its normaliser is relative to the largest score of each row.

    Raises
    ------
    ValueError
        If a shape does not fit.
    """
    problem = check_problem(tokens, block, context, mask)
    query, key, value = project(problem)
    score = query @ key.swapaxes(-1, -2) / np.sqrt(query.shape[-1]) + np.asarray(bias, dtype=float)
    return _softmax(score, value, problem)


def replaced_attention(tokens, block: Block, gain, *, context=None, mask=None) -> Attention:
    """Values weighed by gains that know neither keys nor queries: kappa_ij = m_ij / sum_j m_ij.

    Parameters
    ----------
    tokens, block, context, mask
        As in `linear_attention`; of the block the values and the output weights are used.
    gain : array, (..., n_head, n_token, n_context)
        m_ij, nowhere negative; axes of size one are repeated.

    Returns
    -------
    Attention
        A row without a positive gain is 0.

    Raises
    ------
    ValueError
        If a shape does not fit, or a gain is negative.
    """
    problem = check_problem(tokens, block, context, mask)
    value, gain = project(problem)[2], np.asarray(gain, dtype=float)
    if (gain < 0).any():
        raise ValueError(f"gain has the entry {gain.min():g}, but needs entries of at least 0")
    shape = (*value.shape[:-2], problem.tokens.shape[-2], value.shape[-2])
    return read_out(close(np.broadcast_to(gain, shape), problem.mask), value, problem.block.W_O, normalised=True)


def turned_up_softmax(tokens, block: Block, gamma, *, power=2.0, context=None, mask=None) -> Attention:
    """Softmax attention at an inverse temperature of (1 + gamma_i)^power.

    Parameters
    ----------
    tokens, block, context, mask
        As in `linear_attention`.
    gamma : array, (..., n_head, n_token)
        The knob of each macrocolumn; axes of size one are repeated.
    power : float
        Two where the knob multiplies keys and queries, one where it multiplies keys alone.

    Returns
    -------
    Attention
        Its normaliser is relative to the largest score of each row.

    Raises
    ------
    ValueError
        If a shape does not fit.
    """
    problem = check_problem(tokens, block, context, mask)
    query, key, value = project(problem)
    factor = (1 + np.asarray(gamma, dtype=float)[..., None]) ** power
    return _softmax(factor * (query @ key.swapaxes(-1, -2)) / np.sqrt(query.shape[-1]), value, problem)


def turned_up_linear(tokens, block: Block, gamma, *, context=None, mask=None, kernel: str = "elu+1") -> Attention:
    """Linear attention whose keys and queries are multiplied by 1 + gamma_i before phi.

    Parameters
    ----------
    tokens, block, context, mask, kernel
        As in `linear_attention`.
    gamma : array, (..., n_head, n_token)
        The knob of each macrocolumn; axes of size one are repeated.

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
    factor = 1 + np.asarray(gamma, dtype=float)[..., None]
    keys = phi(factor[..., None] * key[..., None, :, :])  # a copy of every key in each macrocolumn
    weight = np.einsum("...ik,...ijk->...ij", phi(factor * query), keys)
    return read_out(close(weight, problem.mask), value, problem.block.W_O, normalised=True)


def nearest_temperature(output, tokens, block: Block) -> tuple[float, float]:
    """The inverse temperature at which softmax attention comes nearest to an answer.

    Parameters
    ----------
    output : array, (n_token, d_model)
    tokens, block
        As in `linear_attention`.

    Returns
    -------
    beta : float
        Between the ends of `BETAS`.
    off : float
        Relative L2 of the answer from softmax attention at beta.
    """

    def off(log_beta):
        right = turned_up_softmax(tokens, block, np.full((1, 1), np.exp(log_beta) - 1), power=1.0).output
        return np.linalg.norm(output - right) / np.linalg.norm(right)

    low, high = np.log(BETAS)
    for _ in range(N_ROUND):
        tried = np.linspace(low, high, N_TRIED)
        best = int(np.argmin([off(each) for each in tried]))
        low, high = tried[max(best - 1, 0)], tried[min(best + 1, N_TRIED - 1)]
    return float(np.exp(tried[best])), float(off(tried[best]))


def _softmax(score, value, problem):
    """Attention by softmax of some scores."""
    weight = np.exp(score - score.max(axis=-1, keepdims=True))
    return read_out(close(weight, problem.mask), value, problem.block.W_O, normalised=True)
