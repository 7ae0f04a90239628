"""The hippocampal formation as the mask wiring with other names: CA3 compares two pathways, CA1 is modulated by it.

::

    entorhinal_5            y_i = sum_j y_ij                              what is recalled
            ^
    ca1                     y_ij = kappa_ij * W_ec3 x_j                   basal: entorhinal_3; apical: CA3
            ^ sum over k
    ca3                     s_ijk = phi(W_pp x_i - theta_pp)_k phi(W_mf d_j)_k / Z_i   basal: perforant path; apical: granule
            |^                               ^
    interneuron Z_i         granule          d_j = max(W_dg x_j - theta, 0)
                                             ^ W_dg: many cells, few of them active
    ----------------------------------------------------------------------------
    entorhinal_2 (cues i), entorhinal_2_stored (j), entorhinal_3 (stored, j)

Granier & Senn (2025, section 6): CA3 hears layer 2 of entorhinal cortex directly and by way of the dentate gyrus, and
computes attention as the similarity of the two; CA1 hears CA3, and layer 3 of entorhinal cortex directly. Ours are the
formulas, the threshold by which the dentate gyrus is sparse (a tonic inhibition, alike for all of its cells), that of the
perforant path, and the axes: each pair of a cue and a stored pattern has CA3 and CA1 cells of its own, as microcolumns of
cortex have.
"""

import numpy as np

from cortical_attention.cells.hippocampus import (
    CA1,
    CA3,
    CA3_INTERNEURON,
    ENTORHINAL_2,
    ENTORHINAL_3,
    ENTORHINAL_5,
    GRANULE,
)
from cortical_attention.circuits.mask import protocol_of
from cortical_attention.circuits.plan import Plan, Reading, axes_of, given, named
from cortical_attention.wiring.circuit import Circuit, Population, Projection
from cortical_attention.wiring.expressions import WiringError


def hippocampus_wiring(
    times, tokens, W_pp, W_mf, W_dg, W_ec3, *, context=None, theta=0.0, theta_pp=0.0, kernel="relu"
):  # fmt: skip
    """Circuit and protocol of recall by CA3 and CA1.

    Parameters
    ----------
    times : Times
    tokens : ndarray, shape (batch, n_token, d_model)
        Cues, in layer 2 of entorhinal cortex.
    W_pp : ndarray, shape (d_key, d_model)
        Perforant path, onto CA3.
    W_mf : ndarray, shape (d_key, n_granule)
        Mossy fibres, which excite.
    W_dg : ndarray, shape (n_granule, d_model)
        Perforant path, onto the dentate gyrus.
    W_ec3 : ndarray, shape (d_value, d_model)
        From layer 3 of entorhinal cortex onto CA1.
    context : ndarray, shape (batch, n_context, d_model), optional
        What is stored; None: the cues.
    theta, theta_pp : float
        Tonic inhibition of granule cells, and of the dendrites of CA3 that the perforant path reaches.
    kernel : str
        phi of the CA3 dendrites.

    Returns
    -------
    Plan
        The output has the shape (batch, n_token, d_value).

    Raises
    ------
    WiringError
        If a mossy fibre were to inhibit.
    """
    if (np.asarray(W_mf) < 0).any():
        raise WiringError("W_mf has negative entries, but mossy fibres excite")
    context = tokens if context is None else context
    sizes = {
        "token": tokens.shape[1], "context": context.shape[1], "model": tokens.shape[2], "granule": len(W_dg),
        "key": len(W_pp), "value": len(W_ec3),
    }  # fmt: skip
    circuit = Circuit(
        "hippocampus",
        _populations(sizes, tokens, context, theta, theta_pp, kernel),
        _projections(W_pp, W_mf, W_dg, W_ec3),
    )
    attention, total = Reading("ca3", sum=("key",)), Reading("ca3", sum=("context", "key"))
    return Plan(
        circuit, protocol_of(times), len(tokens), Reading("entorhinal_5"), attention, total, Reading("interneuron")
    )


def _populations(sizes, tokens, context, theta, theta_pp, kernel):
    """Entorhinal cortex, dentate gyrus, CA3 with its interneurons, and CA1."""

    def axes(*kinds):
        return axes_of(sizes, *kinds)

    def entorhinal(name, cell, values, *kinds):
        return Population(name, cell, axes(*kinds), signed="soma", inputs=given(soma=values))

    return named(
        entorhinal("entorhinal_2", ENTORHINAL_2, tokens, "token", "model"),
        entorhinal("entorhinal_2_stored", ENTORHINAL_2, context, "context", "model"),
        entorhinal("entorhinal_3", ENTORHINAL_3, context, "context", "model"),
        Population(
            "granule", GRANULE, axes("context", "granule"), {"soma": "relu"}, inputs={"soma": -theta * np.ones((1, 1, 1))}
        ),
        Population(
            "ca3", CA3, axes("token", "context", "key"), {"basal": kernel, "apical": kernel},
            inputs={"basal": -theta_pp * np.ones((1, 1, 1, 1))},
        ),
        Population("interneuron", CA3_INTERNEURON, axes("token")),
        Population("ca1", CA1, axes("token", "context", "value"), signed="basal"),
        entorhinal("entorhinal_5", ENTORHINAL_5, None, "token", "value"),
    )  # fmt: skip


def _projections(W_pp, W_mf, W_dg, W_ec3):
    """From entorhinal cortex by way of CA3 and CA1 back to it."""
    return (
        Projection("entorhinal_2", "ca3.basal", "im, km -> ijk", W_pp),
        Projection("entorhinal_2_stored", "granule.soma", "jm, gm -> jg", W_dg),
        Projection("granule", "ca3.apical", "jg, kg -> ijk", W_mf),
        Projection("ca3", "interneuron.pool", "ijk -> i"),
        Projection("interneuron", "ca3.shunt", "i -> ijk"),
        Projection("entorhinal_3", "ca1.basal", "jm, vm -> ijv", W_ec3),
        Projection("ca3", "ca1.apical", "ijk -> ijv"),
        Projection("ca1", "entorhinal_5.soma", "ijv -> iv", like_signs=True),
    )
