"""Elementwise nonlinearities phi of linear attention, each with its derivative.

Linear attention weighs key j for query i by phi(k_j).phi(q_i) (Granier & Senn 2025, section 3); phi is never negative,
so that the weights of a row can be normalised to a sum of one.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Kernel(NamedTuple):
    """A nonlinearity and its derivative: elementwise functions of an array that keep its shape."""

    phi: Callable[[np.ndarray], np.ndarray]
    derivative: Callable[[np.ndarray], np.ndarray]


def _elu_plus_one(u):
    # The exponential sees only u <= 0: it cannot overflow, and it is exactly 1 for positive u.
    return np.maximum(u, 0) + np.exp(np.minimum(u, 0))


def _elu_plus_one_derivative(u):
    return np.exp(np.minimum(u, 0))


def _softplus(u):
    return np.logaddexp(0, u)


def _logistic(u):
    # 1 / (1 + exp(-u)) as exp(-log(1 + exp(-u))): no overflow at either end, and small values keep their digits.
    return np.exp(-np.logaddexp(0, -u))


def _relu(u):
    return np.maximum(u, 0)


def _relu_derivative(u):
    return np.where(u > 0, 1.0, 0.0)


KERNELS: dict[str, Kernel] = {
    "elu+1": Kernel(_elu_plus_one, _elu_plus_one_derivative),
    "softplus": Kernel(_softplus, _logistic),
    "relu": Kernel(_relu, _relu_derivative),
    "exp": Kernel(np.exp, np.exp),
}
"""The kernels by name.

======== ==================== ================ ===============================================================
name     phi(u)               phi'(u)          notes
======== ==================== ================ ===============================================================
elu+1    u + 1, exp(u) if <0  1, exp(u) if <0  the default (Katharopoulos et al. 2020)
softplus log(1 + exp(u))      logistic(u)      stable for any u
relu     max(u, 0)            1 if u > 0       can close a whole row (Z = 0); the derivative at 0 is taken as 0
exp      exp(u)               exp(u)           overflows above 709, with numpy's warning
======== ==================== ================ ===============================================================
"""


def kernel_named(name: str) -> Kernel:
    """Kernel of a name (Kernel).

    Raises
    ------
    ValueError
        For an unknown name; the message lists the known ones.
    """
    if name not in KERNELS:
        raise ValueError(f"kernel {name!r} is not known; the known kernels are {', '.join(map(repr, KERNELS))}")
    return KERNELS[name]
