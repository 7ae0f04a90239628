"""Sparsemax: the Euclidean projection on the simplex, p = argmin |p - z|^2 with p >= 0 and sum p = 1.

p_i = max(z_i - tau, 0), where tau is such that p sums to one (Martins & Astudillo 2016; the abstract was read). It is what
threshold-linear cells settle on that share one pool of inhibition: r_i = G max(s_i - theta, 0) with a common theta gives
r / R = sparsemax(s / T) with the temperature T = R / G, R being the total rate and G the gain of one cell.
"""

import numpy as np


def sparsemax(z):
    """Projection of the last axis on the simplex.

    Parameters
    ----------
    z : array_like, shape (..., n)
        Finite.

    Returns
    -------
    ndarray, shape (..., n)

    Raises
    ------
    ValueError
        For an entry that is not finite, or without entries.
    """
    z = np.asarray(z, dtype=float)
    if z.ndim == 0 or z.shape[-1] == 0 or not np.isfinite(z).all():
        raise ValueError("sparsemax needs finite scores, and one at least.")
    falling = -np.sort(-z, axis=-1)
    # tau if the k largest are above it; there are as many above it as have their own score above this
    tau = (np.cumsum(falling, axis=-1) - 1) / np.arange(1, z.shape[-1] + 1)
    above = (falling > tau).sum(axis=-1, keepdims=True)
    return np.maximum(z - np.take_along_axis(tau, above - 1, axis=-1), 0)
