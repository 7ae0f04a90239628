"""Modern Hopfield networks: one update, the fixed point, what it takes to retrieve, and how slow the state has to be.

Ramsauer et al. (2020, Hopfield Networks is All You Need): x' = sum_j softmax_j(beta x . p_j) p_j, whose fixed points lie
near one pattern, near the mean of several, or near the mean of all. States have shape (..., n_cue, d), patterns
(..., n_pattern, d).
"""

import numpy as np

N_STEP = 10_000  # chosen: convergence is linear, and slow only within 1e-3 of a critical beta
STILL = 1e-14
N_THIRD = 100  # of an interval of one: beyond the resolution of a float


def weights(state, patterns, beta):
    """Attention to the patterns, softmax_j(beta x . p_j), (..., n_cue, n_pattern)."""
    score = beta * state @ np.swapaxes(patterns, -1, -2)
    exponential = np.exp(score - score.max(axis=-1, keepdims=True))
    return exponential / exponential.sum(axis=-1, keepdims=True)


def update(state, patterns, beta):
    """One step, (..., n_cue, d): the mean of the patterns, weighted by attention."""
    return weights(state, patterns, beta) @ patterns


def fixed_point(state, patterns, beta):
    """Limit of the update from a state, (..., n_cue, d).

    Raises
    ------
    RuntimeError
        If the state still moves after `N_STEP` steps.
    """
    for _ in range(N_STEP):
        before, state = state, update(state, patterns, beta)
        if np.abs(state - before).max() <= STILL * np.abs(state).max():
            return state
    raise RuntimeError(f"the update still moves after {N_STEP} steps")


def contraction(state, patterns, beta):
    """Share of a small deviation from a fixed point that one update leaves at most, (..., n_cue).

    The largest eigenvalue of the Jacobian, beta times the covariance of the patterns under attention. The continuous loop,
    with inhibition at once, loses a deviation with the time constant T / (1 - contraction).
    """
    attention = weights(state, patterns, beta)
    mean = attention @ patterns
    square = np.einsum("...ij,...ja,...jb->...iab", attention, patterns, patterns)
    return beta * np.linalg.eigvalsh(square - mean[..., :, None] * mean[..., None, :])[..., -1]


def retrieval_error(state, wanted):
    """Distance of each state from the pattern that it should have retrieved, over the norm of that pattern (..., n_cue)."""
    return np.linalg.norm(state - wanted, axis=-1) / np.linalg.norm(wanted, axis=-1)


def critical_beta(n_pattern):
    """Smallest beta at which n orthonormal patterns are fixed points of their own, beside the mean of all.

    With weight w on one pattern and the rest spread evenly, w = softmax requires
    beta = log((n - 1) w / (1 - w)) / (w - (1 - w) / (n - 1)), whose least value over 1/n < w < 1 is the critical beta; below
    it the mean of all is the only fixed point of this shape. Derived here.

    Raises
    ------
    ValueError
        For fewer than three patterns: with two, the mean loses its stability at beta = 2 and there is no such least value.
    """
    if n_pattern < 3:
        raise ValueError(f"n_pattern is {n_pattern} but needs to be at least 3")

    def beta_of(w):
        return np.log((n_pattern - 1) * w / (1 - w)) / (w - (1 - w) / (n_pattern - 1))

    low, high = (1 + 1e-3) / n_pattern, 1 - 1e-12  # beta falls from n at w = 1/n, and then rises without bound
    for _ in range(N_THIRD):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if beta_of(left) < beta_of(right) else (left, high)
    return float(beta_of((low + high) / 2))


def least_time_constant(b, tau_g, k_p=0.0):
    """T beyond which the continuous loop settles at a pattern, (b - 1 - k_p) tau_g, in the unit of tau_g.

    Near a pattern p that has all of the attention P, with a = x . p, b = beta |p|^2, and inhibition I + k_p (P - 1)::

        T a' = P |p|^2 - a,    tau_g I' = P - 1,    P = exp(beta a - I - k_p (P - 1))

    so that (1 + k_p) dP = beta da - dI. Their matrix has the determinant 1 / ((1 + k_p) T tau_g), which is positive, and the
    trace (b / (1 + k_p) - 1) / T - 1 / ((1 + k_p) tau_g), which is negative where T > (b - 1 - k_p) tau_g. Derived here; all
    other lags are left out.

    Parameters
    ----------
    b : float or ndarray
        beta |p|^2.
    tau_g : float or Quantity
        Time constant with which inhibition integrates.
    k_p : float
        Proportional term.
    """
    return np.maximum(b - 1 - k_p, 0) * tau_g


def least_time_constant_with_lags(b, tau_g, k_p=0.0, path=(), loop=()):
    """The same with first-order lags, in seconds: on the path from the state through the tufts and back, and in the loop of
    inhibition.

    With H and G the products of 1 / (1 + s tau) over the path and the loop, a perturbation exp(s t) of the state obeys
    (1 + s T) (1 + (k_p + 1 / (s tau_g)) G) = b H. On the imaginary axis s = i w the real part of b H / (1 + ...) is one, and
    the imaginary part is w T: the largest such T is returned, zero if there is none.

    Parameters
    ----------
    b, tau_g, k_p
        As in `least_time_constant`; tau_g in seconds.
    path, loop : sequence of float
        Time constants of the lags (s).
    """
    w = np.geomspace(1e-3, 1e4, 200_001)  # 1/s; chosen: a step of 0.008 %, so that T is right to a thousandth
    lag = [np.prod([1 / (1 + 1j * w * tau) for tau in (0.0, *taus)], axis=0) for taus in (path, loop)]
    around = b * lag[0] / (1 + (k_p + 1 / (1j * w * tau_g)) * lag[1]) - 1
    crossed = np.flatnonzero(np.diff(np.sign(around.real)))
    return max([0.0, *(around.imag[crossed] / w[crossed])])


def potentiated(state, patterns, beta, largest, spread=None, subtracted=False):
    """Retrieval by synapses whose strength a match raises from one to at most a factor `largest`, (..., n_cue, d).

    A model after the match-and-control principle of Ellwood (2024): the axon of each stored pattern reaches a cell of the
    query, and a synapse is the stronger the better its key matches. The rule is the most generous one within the limit:
    strengths are exponential in the match, the best match gets all of it, and only what falls below the rested synapse is
    cut off,

    ::

        m_j = max(largest exp(beta (x . p_j - max_k x . p_k)), 1),

    so that scores count over a range of log(largest). Divided by their sum, strengths are attention, whose largest weight is
    at most largest / (largest + n - 1) however large beta is. With `subtracted` inhibition takes away what rested synapses
    would bring, so that max(m_j - 1, 0) takes the place of m_j. The model is ours; Ellwood's is of spines and spike trains.

    Parameters
    ----------
    state, patterns, beta
        As in `update`.
    largest : float
        Above one: the largest potentiation.
    spread : ndarray, shape (..., n_cue, n_pattern), optional
        Strength of each rested synapse; None: all one. What is subtracted is one at all of them, since inhibition does not
        know single synapses.
    subtracted : bool

    Raises
    ------
    ValueError
        If `largest` is not above one.
    """
    if not largest > 1:
        raise ValueError(f"largest is {largest} but needs to be above one")
    score = beta * state @ np.swapaxes(patterns, -1, -2)
    strength = np.maximum(largest * np.exp(score - score.max(axis=-1, keepdims=True)), 1)
    strength = np.maximum(strength * (1 if spread is None else spread) - subtracted, 0)
    total = strength.sum(axis=-1, keepdims=True)
    return np.divide(strength, total, out=np.zeros_like(strength), where=total > 0) @ patterns
