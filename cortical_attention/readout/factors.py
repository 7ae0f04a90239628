"""Whether a response to two drives is a product, a sum, or neither."""

from typing import NamedTuple

import numpy as np


class Factors(NamedTuple):
    """How a response surface S(a, b) falls apart.

    Attributes
    ----------
    interaction : float
        Share of the variance of S that the best sum f(a) + h(b) leaves: 0 for cells that add.
    product_residual, sum_residual : float
        Norm of what the best product f(a) h(b), and the best sum, leave, over the norm of S.
    """

    interaction: float
    product_residual: float
    sum_residual: float


def factors(surface):
    """Factors of a surface (n_a, n_b) that is not constant; least squares on the grid as it is."""
    surface = np.asarray(surface, dtype=float)
    added = surface.mean(axis=0) + surface.mean(axis=1, keepdims=True) - surface.mean()
    left, spread = np.linalg.norm(surface - added), np.linalg.norm(surface - surface.mean())
    values = np.linalg.svd(surface, compute_uv=False)
    size = np.linalg.norm(values)
    return Factors(
        float((left / spread) ** 2), float(np.linalg.norm(values[1:]) / size), float(left / np.linalg.norm(surface))
    )
