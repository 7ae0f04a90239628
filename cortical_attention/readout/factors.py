"""Decomposition of a response to two drives into a product or a sum."""

from typing import NamedTuple

import numpy as np


class Factors(NamedTuple):
    """Residuals of the best product and the best sum on a response surface S(a, b).

    Attributes
    ----------
    interaction : float
        Share of the variance of S not explained by the best sum f(a) + h(b): 0 for cells that add.
    product_residual, sum_residual : float
        Norm of the residual of the best product f(a) h(b), and of the best sum, relative to the norm of S.
    """

    interaction: float
    product_residual: float
    sum_residual: float


def factors(surface):
    """Factors of a surface, by least squares on its grid.

    Parameters
    ----------
    surface : array_like, shape (n_a, n_b)
        Responses (any unit), not constant.

    Returns
    -------
    Factors
    """
    surface = np.asarray(surface, dtype=float)
    added = surface.mean(axis=0) + surface.mean(axis=1, keepdims=True) - surface.mean()
    left, spread = np.linalg.norm(surface - added), np.linalg.norm(surface - surface.mean())
    values = np.linalg.svd(surface, compute_uv=False)
    size = np.linalg.norm(values)
    return Factors(
        float((left / spread) ** 2), float(np.linalg.norm(values[1:]) / size), float(left / np.linalg.norm(surface))
    )
