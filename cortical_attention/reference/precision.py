"""Predictive coding with precision: where it settles, how fast, and how far it is from softmax attention.

F_i = 1/2 sum_j pi_ij |v_j - mu_i|^2 + 1/2 pi_0 |mu_i - m_0|^2 is least at

::

    mu_i = (sum_j pi_ij v_j + pi_0 m_0) / (sum_j pi_ij + pi_0)

Its weights are those of softmax attention exactly where log pi_ij = q_i.k_j / sqrt(d_key) + c_i, with a constant that
does not depend on j; a prior is a sink, a further token of the value m_0 and the score log pi_0. Precision that comes
from the distance of query and key has the further term -|k_j|^2 / (2 sqrt(d_key)), which is such a constant only where
all keys have one norm. Precision that is estimated from the error itself, pi_ij = 1 / (|v_j - mu_i|^2 + s^2), makes F_i
the sum over j of 1/2 log(1 + |v_j - mu_i|^2 / s^2), which has neither query nor key: its minimum is a robust mean of the
values, the location of multivariate Cauchy noise of scale s.

The dossier's sentence that precision weighting is attention follows Kanai, Komura, Shipp & Friston (2015), whom it cites
as Friston, and Bastos et al. (2012); abstracts were read, as of Feldman & Friston (2010), to whom attention is the
inference of precision. That softmax needs a log precision which is bilinear is ours.
"""

from typing import NamedTuple

import numpy as np

STEPS, TOLERANCE = 10_000, 1e-13


class Settled(NamedTuple):
    """Where descent on F settles.

    Attributes
    ----------
    output : ndarray, shape (..., n_token, d_value)
    weights : ndarray, shape (..., n_token, n_context)
        Of the values; they sum to one without a prior.
    total : ndarray, shape (..., n_token)
        sum_j pi_ij + pi_0: descent with time constant T settles with the time constant T / total.
    """

    output: np.ndarray
    weights: np.ndarray
    total: np.ndarray


def settled(log_precision, values, prior=0.0, prior_precision=0.0):
    """Minimum of F for given precisions.

    Parameters
    ----------
    log_precision : ndarray, shape (..., n_token, n_context)
    values : ndarray, shape (..., n_context, d_value)
    prior, prior_precision : float
        m_0 and pi_0.

    Returns
    -------
    Settled
    """
    total = np.logaddexp(
        np.logaddexp.reduce(log_precision, axis=-1), np.log(prior_precision) if prior_precision else -np.inf
    )
    weights = np.exp(log_precision - total[..., None])
    sink = prior_precision * np.exp(-total)[..., None] * prior
    return Settled(weights @ values + sink, weights, np.exp(total))


def of_product(queries, keys, constant=0.0):
    """log pi_ij = q_i.k_j / sqrt(d_key) + c.

    Parameters
    ----------
    queries, keys : ndarray, shape (..., n_token, d_key) and (..., n_context, d_key)
    constant : float

    Returns
    -------
    ndarray, shape (..., n_token, n_context)
    """
    return queries @ keys.swapaxes(-1, -2) / np.sqrt(queries.shape[-1]) + constant


def of_distance(queries, keys, constant=0.0):
    """log pi_ij = -|q_i - k_j|^2 / (2 sqrt(d_key)) + c; parameters and result as of `of_product`."""
    squared = ((queries[..., :, None, :] - keys[..., None, :, :]) ** 2).sum(axis=-1)
    return -squared / (2 * np.sqrt(queries.shape[-1])) + constant


def robust_mean(values, spread):
    """Where descent settles from zero if precision is 1 / (|v_j - mu|^2 + s^2), by iteratively reweighted means.

    Parameters
    ----------
    values : ndarray, shape (..., n_context, d_value)
    spread : float
        s, above 0.

    Returns
    -------
    ndarray, shape (..., d_value)

    Raises
    ------
    ValueError
        If the iteration does not settle.
    """
    mean = np.zeros_like(values[..., 0, :])
    for _ in range(STEPS):
        precision = 1 / (((values - mean[..., None, :]) ** 2).sum(axis=-1, keepdims=True) + spread**2)
        before, mean = mean, (precision * values).sum(axis=-2) / precision.sum(axis=-2)
        if np.abs(mean - before).max() <= TOLERANCE * np.abs(values).max():
            return mean
    raise ValueError(f"the robust mean did not settle in {STEPS} steps.")
