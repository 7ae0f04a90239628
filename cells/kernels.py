"""Dendritic nonlinearities phi as Brian2 expressions in `x` (Granier & Senn 2025, section 3: phi acts on the dendrite).

The algebra defines phi independently in `reference.kernels`; a test compares the two.
"""

import numpy as np

KERNELS = {
    "identity": "x",
    "elu+1": "(clip(x, 0, inf) + exp(clip(x, -inf, 0)))",
    "softplus": "(clip(x, 0, inf) + log1p(exp(-abs(x))))",
    "relu": "clip(x, 0, inf)",
    "exp": "exp(x)",
}

LOG_SLOPES = {
    "elu+1": "1 / clip(x, 1, inf)",
    "softplus": "(1 - exp(-x)) / x",
    "exp": "1",
}
"""(log phi)', which the learning of keys and queries needs, as Brian2 expressions in `x`, here phi itself: what a dendrite
holds after its kernel, so that a synapse there has it. These kernels are never zero."""


def phi(kernel):
    """A kernel as a function of arrays.

    Parameters
    ----------
    kernel : str
        A name in `KERNELS`.

    Returns
    -------
    callable
        From an array to the array of phi, elementwise and without unit.

    Raises
    ------
    KeyError
        On the call, for an unknown name.
    """
    names = {"clip": np.clip, "exp": np.exp, "log1p": np.log1p, "abs": np.abs, "inf": np.inf}
    return lambda x: eval(KERNELS[kernel], names | {"x": np.asarray(x, dtype=float)})  # noqa: S307 (a constant of ours)
