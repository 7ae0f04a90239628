"""Attention by subtraction through other curves than the exponential: kappa_ij = f(s_ij - I_i), whose rows sum to one.

The exponential gives softmax, and the rectifier sparsemax (Martins & Astudillo 2016). The others are curves by which the
firing rate of cells is described. Each of them is one at zero.
"""

from collections.abc import Callable
from math import erfc

import numpy as np

from cortical_attention.reference.attention import Attention, read_out
from cortical_attention.reference.block import Block, check_problem, project

HALVINGS = 80  # of an interval of some tens: beyond the resolution of a float


_erfc = np.frompyfunc(erfc, 1, 1)


def _power(exponent: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.maximum(1 + x / exponent, 0) ** exponent


CURVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "exponential": lambda x: np.maximum(x, 0) + np.exp(np.minimum(x, 0)),
    "softplus": lambda x: np.logaddexp(0, x) / np.log(2),
    "logistic": lambda x: 2 / (1 + np.exp(-x)),
    "noisy threshold": lambda x: _erfc(-x / np.sqrt(2)).astype(float),
    "fourth power": _power(4),
    "square": _power(2),
    "rectifier": lambda x: np.maximum(1 + x, 0),
}
"""Curves f by name, from an array to the array of f, elementwise."""


def subtracted(score: np.ndarray, curve: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """I of each row, (...,), with sum_j f(score_j - I) = 1, by bisection.

    Parameters
    ----------
    score : array, (..., n_context)
        Scores; -inf where a context token is closed.
    curve : callable
        f: never negative, does not decrease, and reaches one at zero at the latest.

    Returns
    -------
    array, (...,)
        Not a number in a row that is closed.
    """
    top = score.max(axis=-1)
    low, high = top - 1.0, top + 1.0
    with np.errstate(invalid="ignore"):
        while (more := curve(score - high[..., None]).sum(axis=-1) > 1).any():
            high = np.where(more, 2 * high - top, high)
        while (less := curve(score - low[..., None]).sum(axis=-1) < 1).any():
            low = np.where(less, 2 * low - top, low)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            above = curve(score - middle[..., None]).sum(axis=-1) > 1
            low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2


def curve_attention(
    tokens, block: Block, curve: Callable[[np.ndarray], np.ndarray], *, gain: float = 1.0, context=None, mask=None
) -> Attention:
    """Multihead attention kappa_ij = f(gain k_j.q_i / sqrt(d_key) - I_i), whose rows sum to one.

    Parameters
    ----------
    tokens : array, (..., n_token, d_model)
    block : Block
    curve : callable
        f, as in `subtracted`.
    gain : float
        Factor of the scores.
    context, mask
        As in `linear_attention`.

    Returns
    -------
    Attention
        Its normaliser is exp(I). A row with every context token closed is 0.

    Raises
    ------
    ValueError
        If a shape does not fit.
    """
    problem, score, value = _scored(tokens, block, gain, context, mask)
    held = subtracted(score, curve)
    with np.errstate(invalid="ignore", over="ignore"):
        weight = np.nan_to_num(curve(score - held[..., None]))
        return read_out(weight, value, problem.block.W_O, normalised=False)._replace(normaliser=np.exp(held))


def divided_attention(
    tokens, block: Block, curve: Callable[[np.ndarray], np.ndarray], *, gain: float = 1.0, tonic: float = 0.0,
    context=None, mask=None,
) -> Attention:  # fmt: skip
    """Multihead attention of the same curves whose rows are divided by their sum, and nothing subtracted.

    kappa_ij = f(gain k_j.q_i / sqrt(d_key) + tonic) / sum_j f(...), which with the exponential is softmax as well.

    Parameters
    ----------
    tokens, block, curve, gain, context, mask
        As in `curve_attention`.
    tonic : float
        Drive of every tuft besides the score.

    Returns
    -------
    Attention
        A row in which every f is zero is 0.

    Raises
    ------
    ValueError
        If a shape does not fit.
    """
    problem, score, value = _scored(tokens, block, gain, context, mask)
    return read_out(np.nan_to_num(curve(score + tonic)), value, problem.block.W_O, normalised=True)


def _scored(tokens, block, gain, context, mask):
    """The problem, its scores with -inf where a context token is closed, and values."""
    problem = check_problem(tokens, block, context, mask)
    query, key, value = project(problem)
    score = gain * query @ key.swapaxes(-1, -2) / np.sqrt(query.shape[-1])
    return problem, score if problem.mask is None else np.where(problem.mask, score, -np.inf), value
