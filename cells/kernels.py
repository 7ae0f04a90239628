"""Dendritic nonlinearities phi as Brian2 expressions in `x` (Granier & Senn 2025, section 3: phi acts on the dendrite).

The algebra has its own phi in `reference`; the two are written apart, and held against each other by a test.
"""

import numpy as np

KERNELS = {
    "identity": "x",
    "elu+1": "(clip(x, 0, inf) + exp(clip(x, -inf, 0)))",
    "softplus": "(clip(x, 0, inf) + log1p(exp(-abs(x))))",
    "relu": "clip(x, 0, inf)",
    "exp": "exp(x)",
}


def phi(kernel):
    """A kernel as a function of arrays."""
    names = {"clip": np.clip, "exp": np.exp, "log1p": np.log1p, "abs": np.abs, "inf": np.inf}
    return lambda x: eval(KERNELS[kernel], names | {"x": np.asarray(x, dtype=float)})  # noqa: S307 (a constant of ours)
