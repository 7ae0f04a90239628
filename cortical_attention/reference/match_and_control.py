"""An ideal counter of coincidences between spike trains, which the match-and-control principle is held against.

The count of an axon is the sum of s exp(1 - s), s = (t - t') / tau, over all spikes of the query at t and earlier ones of
the axon at t'. An axon matches where its count is above a threshold, which lets a chosen share of trials pass in which
the largest count of axons that do not match is above it (Ellwood 2024, code: a tenth).
"""

import numpy as np


def coincidences(axons, query, tau):
    """Count of coincidences of each axon with the query.

    Parameters
    ----------
    axons : ndarray, shape (..., n_spike)
        Times of spikes (s), padded with nan.
    query : ndarray, shape (n_query,)
        Times of spikes (s), padded with nan.
    tau : float
        Constant of the kernel (s).

    Returns
    -------
    ndarray, shape (...)
    """
    late = np.asarray(query) - np.asarray(axons)[..., np.newaxis]
    with np.errstate(invalid="ignore", over="ignore"):
        return np.nansum(np.where(late >= 0, late / tau * np.exp(1 - late / tau), 0.0), axis=(-2, -1))


def threshold_of(counts, false):
    """Threshold that the largest count of axons that do not match passes in a share of trials.

    Parameters
    ----------
    counts : ndarray, shape (n_trial, n_axon)
    false : float
        Chosen share of false matches.

    Returns
    -------
    float
    """
    return float(np.quantile(np.max(counts, axis=1), 1 - false))
