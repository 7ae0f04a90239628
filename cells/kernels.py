"""Dendritic nonlinearities phi as Brian2 expressions in `x` (Granier & Senn 2025, section 3: phi acts on the dendrite).

The algebra has its own phi in `reference`; the two are written apart, and held against each other by a test.
"""

KERNELS = {
    "identity": "x",
    "elu+1": "(clip(x, 0, inf) + exp(clip(x, -inf, 0)))",
    "softplus": "(clip(x, 0, inf) + log1p(exp(-abs(x))))",
    "relu": "clip(x, 0, inf)",
    "exp": "exp(x)",
}
