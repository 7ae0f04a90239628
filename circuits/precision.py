"""Predictive coding that weighs errors by precision: its weights sum to one because a prediction is taken away.

::

    higher-order nucleus      x~_i = sum_h W_O mu_i
            ^ W_O
    representation (L6)       T dmu_i/dt = sum_j e_ij + pi_0 (m_0 - mu_i) ---+
            ^ sum over j                                                      |
    error (L5 IT)             e_ij = pi_ij (v_j - mu_i)  <--- prediction -----+
                              basal: W_V from matrix, less mu_i; apical: log pi_ij, through an exponential tuft
            ^ sum over k
    L2/3                      one component of log pi_ij
    ------------------------------------------------------------------
    core (queries), matrix (context)

This is descent on F_i = 1/2 sum_j pi_ij |v_j - mu_i|^2 + 1/2 pi_0 |mu_i - m_0|^2, and settles on mu_i = (sum_j pi_ij v_j
+ pi_0 m_0) / (sum_j pi_ij + pi_0): no interneuron divides. Its time constant is T / (sum_j pi_ij + pi_0), so that T has
to be longer than the lags of the loop times the largest total precision. The precision is one of

::

    product     log pi_ij = q_i.k_j / sqrt(d_key) + c        L2/3 multiplies query and key, as in `circuits.softmax`
    distance    log pi_ij = -|q_i - k_j|^2 / (2 sqrt(d_key)) + c        L2/3 squares what is between them
    error       pi_ij = 1 / (|v_j - mu_i|^2 + s^2)           interneurons square the errors and divide: no query, no key

The dossier calls precision weighting attention, after Kanai, Komura, Shipp & Friston (2015) and Bastos et al. (2012), of
which abstracts were read; the formulas and the circuit are ours.
"""

import numpy as np

from cortical_attention.cells.intratelencephalic import INTRATELENCEPHALIC
from cortical_attention.cells.predictive import DIFFERENCE, REPRESENTATION, SQUARE
from cortical_attention.cells.superficial import SUPERFICIAL
from cortical_attention.circuits.mask import OUTPUT, key_and_query, nuclei, protocol_of, sizes_of
from cortical_attention.circuits.plan import Plan, axes_of, given, named
from cortical_attention.wiring.circuit import Circuit, Population, Projection
from cortical_attention.wiring.expressions import WiringError

PRECISIONS = "product", "distance", "error"
BREAKS = {
    "core to layers 3 and 4": "a distance needs query and key at both dendrites of a cell that multiplies them",
    "matrix to layers 1 and 5a": "a distance needs query and key at both dendrites of a cell that multiplies them",
}


def precision_wiring(
    times, tokens, W_Q, W_K, W_V, W_O, *, context=None, precision="product", constant=0.0, spread=1.0, prior=0.0,
    prior_precision=0.0, T=None,
):  # fmt: skip
    """Circuit and protocol of predictive coding with precision.

    Parameters
    ----------
    times, tokens, W_Q, W_K, W_V, W_O, context
        As in `circuits.mask.mask_wiring`.
    precision : {"product", "distance", "error"}
        Where precision comes from.
    constant : float
        c, a tonic drive of the tufts of error cells; not used with "error".
    spread : float
        s, above 0; with "error" alone.
    prior, prior_precision : float
        m_0 and pi_0, at least 0.
    T : Quantity (s), optional
        Time constant of the representation at a total precision of one; None: that of its cell.

    Returns
    -------
    Plan

    Raises
    ------
    WiringError
        For another precision, a negative prior precision, or a spread that is not above zero.
    """
    if precision not in PRECISIONS:
        raise WiringError(f"precision is {precision!r} but needs to be one of {', '.join(PRECISIONS)}")
    if prior_precision < 0 or spread <= 0:
        raise WiringError("prior_precision needs to be at least 0, and spread above 0")
    context = tokens if context is None else context
    sizes = sizes_of(W_Q, W_V, tokens, context)
    own = {"prior_precision": prior_precision} | ({} if T is None else {"tau_state": T})
    populations = nuclei(sizes, tokens, context) | named(
        Population(
            "representation", REPRESENTATION, axes_of(sizes, "head", "token", "value"), signed="soma",
            inputs=given(prior=np.full((1, 1, 1, 1), float(prior)) if prior else None), parameters=own,
        )
    )  # fmt: skip
    cells, source = (
        _of_error(sizes, spread, W_V) if precision == "error" else _of_score(sizes, precision, constant, W_Q, W_K)
    )
    populations |= cells
    projections = [
        *source,
        *_errors("error", W_V),
        Projection("error", "representation.soma", "hijv -> hiv"),
        Projection("representation", "higher_order.soma", "hiv, hmv -> im", W_O),
    ]
    breaks = BREAKS if precision == "distance" else {}
    circuit = Circuit(f"precision by {precision}", populations, tuple(projections), breaks)
    return Plan(circuit, protocol_of(times), len(tokens), OUTPUT)


def _errors(population, W_V):
    """From values and from the prediction to cells that represent their difference."""
    return [
        Projection("matrix", f"{population}.basal", "jm, hvm -> hijv", W_V),
        Projection("representation", f"{population}.basal", "hiv -> hijv", -1.0),
    ]


def _of_score(sizes, precision, constant, W_Q, W_K):
    """Error cells (dict) with a tuft that hears a score, of a product or of a distance, and projections of the score."""
    scale, grid = 1 / np.sqrt(W_Q.shape[1]), ("head", "token", "context")
    signed = "basal" if precision == "product" else None
    tonic = given(apical=np.full((1,) * 5, float(constant)) if constant else None)
    tuft = {"kernels": {"apical": "exp"}, "signed": "basal", "inputs": tonic}
    populations = named(
        Population("superficial", SUPERFICIAL, axes_of(sizes, *grid, "key"), signed=signed),
        Population("error", INTRATELENCEPHALIC, axes_of(sizes, *grid, "value"), **tuft),
    )
    weight = scale if precision == "product" else -scale / 2
    score = Projection("superficial", "error.apical", "hijk -> hijv", weight)
    if precision == "product":
        return populations, [*key_and_query("superficial", W_Q, W_K), score]
    return populations, [
        each
        for port in ("basal", "apical")
        for each in (
            Projection("core", f"superficial.{port}", "im, hkm -> hijk", W_Q),
            Projection("matrix", f"superficial.{port}", "jm, hkm -> hijk", -np.asarray(W_K)),
        )
    ] + [score]


def _of_error(sizes, spread, W_V):
    """Error cells (dict) that are divided by their own squared error, and projections of it."""
    grid = axes_of(sizes, "head", "token", "context", "value")
    own = {"apical": np.ones((1,) * 5), "shunt": np.full((1,) * 5, float(spread) ** 2)}
    populations = named(
        Population("error", INTRATELENCEPHALIC, grid, signed="basal", inputs=own),
        Population("difference", DIFFERENCE, grid, signed="basal"),
        Population("square", SQUARE, grid),
    )
    return populations, [
        *_errors("difference", W_V),
        Projection("difference", "square.basal", "hijv -> hijv"),
        Projection("square", "error.shunt", "hijw -> hijv"),
    ]
