"""Attention with frozen keys, fitted to a driver with many gains: the price of gains in heads.

The gates of the heads, sigma(w_h.m + b_h), are fitted to the gain field of training contexts by gradient (L-BFGS), with the
best mixture of them given at each step; then the free matrices of all heads are fitted to training answers by least squares.
"""

import numpy as np
from scipy.optimize import minimize

HEADS, LATENT = (1, 2, 4, 8), (1, 4, 16)  # heads that are fitted, and independent causes of the gains
N_START = 4  # chosen: of the gradient, from random weights
SMALL, RIDGE = (
    0.3,
    1e-9,
)  # chosen: scale of starting weights, where gates are nearly linear; of the Gram matrix of gates


def gains_of(n_context, n_latent, n_gain, gain, rng, weights=None):
    """Contexts and the gains that they give.

    Parameters
    ----------
    n_context, n_latent, n_gain : int
    gain : callable
        From the level of a modulator, 0 to 1, to the gain of a relay.
    rng : Generator
    weights : ndarray, shape (n_latent, n_gain), optional
        From latent causes to modulators; None: drawn.

    Returns
    -------
    levels, gains : ndarray, shape (n_context, n_gain)
    weights : ndarray, shape (n_latent, n_gain)
    """
    if weights is None:
        weights = rng.standard_normal((n_latent, n_gain)) / np.sqrt(n_latent)
        weights = np.repeat(weights[:, :1], n_gain, axis=1) if n_latent == 1 else weights
    levels = 1 / (1 + np.exp(-1.5 * rng.standard_normal((n_context, n_latent)) @ weights))
    return levels, gain(levels), weights


def fitted_gates(levels, gains, heads, rng):
    """Weights of the gates that span a gain field best.

    Parameters
    ----------
    levels, gains : ndarray, shape (n_context, n_gain)
    heads : int
    rng : Generator

    Returns
    -------
    ndarray, shape (heads, n_gain + 1)
        w_h, and b_h last.
    """
    inputs = np.column_stack([levels, np.ones(len(levels))])

    def off(flat):
        gates = 1 / (1 + np.exp(-inputs @ flat.reshape(heads, -1).T))
        gram = gates.T @ gates + RIDGE * len(gates) * np.eye(heads)
        mixture = np.linalg.solve(gram, gates.T @ gains)
        left = gates @ mixture - gains
        slope = (
            2 * left @ mixture.T * gates * (1 - gates)
        ).T @ inputs  # the mixture is the best one: its slope is zero
        return (left**2).sum() / (gains**2).sum(), slope.ravel() / (gains**2).sum()

    starts = SMALL * rng.standard_normal((N_START, heads * inputs.shape[1]))
    found = [minimize(off, start, jac=True, method="L-BFGS-B", options={"maxiter": 600}) for start in starts]
    return min(found, key=lambda each: each.fun).x.reshape(heads, -1)


def features(levels, driver, weights):
    """What the matrices of all heads multiply, gamma_h(m) x: (n_context, heads * n_gain)."""
    gates = 1 / (1 + np.exp(-(levels @ weights[:, :-1].T + weights[:, -1])))
    return (gates[:, :, None] * driver[:, None, :]).reshape(len(driver), -1)


def fitted_error(train, test, heads, rng):
    """What a fitted attention leaves of answers that it was not fitted on.

    Parameters
    ----------
    train, test : (ndarray, ndarray, ndarray), each of shape (n_context, n_gain)
        Levels, gains and drivers; the answer is gain times driver.
    heads : int
    rng : Generator

    Returns
    -------
    float
        Relative L2.
    """
    weights = fitted_gates(*train[:2], heads, rng)
    (levels, gains, driver), right = train, test[1] * test[2]
    matrices = np.linalg.lstsq(features(levels, driver, weights), gains * driver, rcond=None)[0]
    answer = features(test[0], test[2], weights) @ matrices
    return float(np.linalg.norm(answer - right) / np.linalg.norm(right))
