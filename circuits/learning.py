"""Attention with cells for its errors: all that the synapses of a wiring need to know to follow the gradient.

::

    error         e_i = y_i - xt_i                        L2/3 of the area above, driven by the higher-order nucleus
            | F: cortico-cortical feedback
    feedback      delta_i = F^T e_i                       L5 IT, one set per macrocolumn
            |
    mismatch      m_ij = delta_i * (v_j - vt_i)           L5 IT; basal: W_V from matrix, less all y_ij of its macrocolumn
            |
    credit        a_ij = sum_v m_ijv                      L2/3, one per microcolumn; softmax: times kappa_ij
    gain          g_ij = kappa_ij * delta_i               L5 IT; basal: delta; apical: the attention
    ------------------------------------------------------------------
    the mask wiring (`circuits.mask`), or softmax attention (`circuits.softmax`), whose cells hear none of these

Each weight then changes by a product of what is at its synapse and one number that comes there, summed over copies::

    W_Q   s_ijk (log phi)'(q_ik) a_ij x_im       core onto L2/3, basal
    W_K   s_ijk (log phi)'(k_jk) a_ij x_jm       matrix onto L2/3, apical
    W_V   g_ijv x_jm                             matrix onto L5 IT, basal
    W_O   e_im vt_iv                             L5 PT onto the higher-order nucleus

In softmax attention the L2/3 cells carry q_ik k_jk / sqrt(d_key); its derivative is the drive of the other dendrite, which
stands in the place of s (log phi)'. With F = W_O these are the negative gradients of E = sum |e|^2 / 2 (Granier & Senn 2025,
equations 2 to 5, which the paper leaves without a circuit; it is ours).

Where the errors run: straight from the higher-order nucleus to the area whose L5 PT cells drive it would be the loop that L5
PT cells avoid (the paper's figure 2e, after Cassidy et al. 2025), and `wiring.anatomy` refuses it. Here the nucleus drives a
second area, `ABOVE`, as transthalamic pathways do, and that area feeds back to layer 1 of the first. L5 PT cells do not
reach the mismatch cells, which are L5 IT: the answer vt_i that these subtract is the sum of their L5 IT neighbours, through
local inhibition. Nothing returns from the errors to the cells that attend, so that they leave the answer as it is.

What is assumed besides: mismatch cells have the W_V of their neighbours, and F is W_O, though no synapse knows the weight of
another. Credit and gain cells tell their numbers to synapses onto other cells. So do error cells, to the synapses of L5 PT
cells onto the nucleus: cells that project to the thalamus lie in layers 5 and 6, so that W_O needs a way back from the area
above, such as its layer 6, which is not simulated.
"""

import numpy as np

from cortical_attention.cells.error import CREDIT, ERROR, FEEDBACK
from cortical_attention.cells.intratelencephalic import INTRATELENCEPHALIC
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.plan import named
from cortical_attention.circuits.softmax import softmax_wiring
from cortical_attention.wiring.circuit import Population, Projection
from cortical_attention.wiring.expressions import WiringError

ATTENTIONS = "linear", "softmax"
ABOVE = "above"  # the area that the higher-order nucleus drives


def learning_wiring(
    times, tokens, targets, W_Q, W_K, W_V, W_O, *, attention="linear", context=None, mask=None, kernel="elu+1",
    feedback=None, asked=None,
):  # fmt: skip
    """Circuit and protocol of an attention wiring with error, feedback, mismatch, credit and gain cells.

    Parameters
    ----------
    times, tokens, W_Q, W_K, W_V, W_O, context, mask
        As in `circuits.mask.mask_wiring`.
    targets : ndarray, shape (batch, n_token, d_model)
        y_i, which the answers are compared with.
    attention : {"linear", "softmax"}
    kernel : str
        phi of the L2/3 dendrites, in linear attention.
    feedback : ndarray, shape (n_head, d_model, d_value), optional
        F; None: W_O.
    asked : ndarray of bool, shape (batch, n_token), optional
        Tokens whose errors count; None: all.

    Returns
    -------
    Plan

    Raises
    ------
    WiringError
        For another attention, or targets or feedback of another shape.
    """
    if attention not in ATTENTIONS:
        raise WiringError(f"attention is {attention!r} but needs to be one of {', '.join(ATTENTIONS)}")
    feedback = W_O if feedback is None else feedback
    _refuse_other_shapes("targets", targets, np.shape(tokens))
    _refuse_other_shapes("feedback", feedback, np.shape(W_O))
    block = {"context": context, "mask": mask}
    if attention == "softmax":
        plan = softmax_wiring(times, tokens, W_Q, W_K, W_V, W_O, **block)
    else:
        plan = mask_wiring(times, tokens, W_Q, W_K, W_V, W_O, **block, kernel=kernel)
    circuit = plan.circuit
    populations = circuit.populations | _error_cells(circuit, targets, asked)
    projections = (*circuit.projections, *_errors(attention, W_V, feedback))
    circuit = circuit._replace(name=f"{circuit.name} with errors", populations=populations, projections=projections)
    return plan._replace(circuit=circuit)


def _refuse_other_shapes(name, values, needs):
    """Raise WiringError unless values have the shape that they need."""
    if np.shape(values) != needs:
        raise WiringError(f"{name} has shape {np.shape(values)} but needs {needs}")


def _error_cells(circuit, targets, asked):
    """Populations that carry errors (dict)."""
    answer, values, grid = (
        circuit.populations[name].axes for name in ("higher_order", "pyramidal_tract", "intratelencephalic")
    )
    gate = {} if asked is None else {"gate": np.asarray(asked, dtype=float)[..., None]}
    return named(
        Population("error", ERROR, answer, signed="basal", inputs={"basal": targets, **gate}, area=ABOVE),
        Population("feedback", FEEDBACK, values, signed="apical"),
        Population("mismatch", INTRATELENCEPHALIC, grid, signed="basal"),
        Population("credit", CREDIT, grid[:-1], signed="basal"),
        Population("gain", INTRATELENCEPHALIC, grid, signed="basal"),
    )


def _errors(attention, W_V, feedback):
    """Projections to and among the cells that carry errors (list)."""
    kappa = {"linear": ("superficial", "hijk"), "softmax": ("normaliser", "hij")}[attention]
    onto_credit = [Projection(kappa[0], "credit.apical", "hij -> hij")] if attention == "softmax" else []
    return [
        Projection("higher_order", "error.basal", "im -> im", -1.0),
        Projection("error", "feedback.apical", "im, hmv -> hiv", feedback),
        Projection("matrix", "mismatch.basal", "jm, hvm -> hijv", W_V),
        Projection("intratelencephalic", "mismatch.basal", "hijv -> hilv", -1.0),  # l: every microcolumn
        Projection("feedback", "mismatch.apical", "hiv -> hijv"),
        Projection("mismatch", "credit.basal", "hijv -> hij"),
        *onto_credit,
        Projection("feedback", "gain.basal", "hiv -> hijv"),
        Projection(kappa[0], "gain.apical", f"{kappa[1]} -> hijv"),
    ]
