"""Feedback between areas: an area asks another, whose answers become keys and values of its own.

Granier & Senn (2025), figure 4b and section 6, "Cortico-cortical projections": feedforward axons have the targets of core
thalamus, and carry a query; feedback axons those of matrix thalamus, and carry what keys and values are made of.

::

    area_1_higher_order     x~_i = sum_h W_O u_i
            ^ W_O
    area_1 L5 PT            u_i
            ^
    area_1 L5 IT            y_ij, with u_i = sum_j y_ij      -- W_21: feedforward, a query --> area_2 L2/3, basal
            ^                                                <-- W_V12: feedback, basal ---+
    area_1 L2/3                                              <-- W_K12: feedback, apical --+-- area_2 L5 PT
    area_2 L5 PT            f_i = sum_a kappa(k2_a, W_21 u_i) v2_a
    ------------------------------------------------------------------
    area_1_core, area_1_matrix (tokens); area_2_matrix (its context, which are the tokens unless another is given)

k_j = W_K x_j + W_K12 f_j and v_j = W_V x_j + W_V12 f_j, where j is a macrocolumn of area 2 and a microcolumn of area 1. The
steady state is the fixed point of two attentions, each of which needs the answer of the other.

Both areas are mask wirings or softmax wirings, which the figure leaves open. Ours are: that L5 IT cells of all microcolumns
converge on a dendrite, which sums them; that area 2 has no core nucleus; that its answer goes nowhere else. In softmax
attention feedback has to be slower than inhibition (`cells.slow_tract`).
"""

import numpy as np

from cortical_attention.cells.slow_tract import SLOW_TRACT
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.plan import named
from cortical_attention.circuits.softmax import softmax_wiring
from cortical_attention.circuits.stack import SAME, join
from cortical_attention.wiring.circuit import Projection
from cortical_attention.wiring.expressions import WiringError

WIRINGS = {"linear": mask_wiring, "softmax": softmax_wiring}
BREAKS = {"IT to PT": "the rule is of one area; L5 PT cells reach L5 IT cells of another one (Bodor et al. 2023)"}


def areas_wiring(
    times, tokens, W_Q, W_K, W_V, W_O, *, W_21, W_K2, W_V2, W_K12, W_V12, context=None, attention="linear", slow=False,
):  # fmt: skip
    """Circuit and protocol of two areas, the second of which feeds back to the first.

    Parameters
    ----------
    times, tokens, W_Q, W_K, W_V, W_O
        Of area 1, as in `circuits.mask.mask_wiring`.
    W_21 : ndarray, shape (n_head, d_key_2, d_value)
        From what area 1 represents to the queries of area 2. Head h of area 1 asks head h of area 2.
    W_K2 : ndarray, shape (n_head, d_key_2, d_model)
    W_V2 : ndarray, shape (n_head, d_value_2, d_model)
    W_K12 : ndarray, shape (n_head, d_key, d_value_2)
    W_V12 : ndarray, shape (n_head, d_value, d_value_2)
        From what area 2 represents to the keys and the values of area 1.
    context : ndarray, shape (batch, n_context, d_model), optional
        Sequence from which area 2 has its keys and values; None: the tokens.
    attention : {"linear", "softmax"}
        Of both areas.
    slow : bool
        Whether the cells that feed back are slow.

    Returns
    -------
    Plan

    Raises
    ------
    WiringError
        For another attention, or weights that do not fit together.
    """
    if attention not in WIRINGS:
        raise WiringError(f"attention is {attention!r} but needs to be one of {', '.join(WIRINGS)}")
    first = WIRINGS[attention](times, tokens, W_Q, W_K, W_V, W_O)
    no_core, no_output = np.zeros((*W_21.shape[:2], W_Q.shape[2])), np.zeros((len(W_V2), W_Q.shape[2], W_V2.shape[1]))
    second = WIRINGS[attention](times, tokens, no_core, W_K2, W_V2, no_output, context=context)
    scale = 1 / np.sqrt(W_21.shape[1]) if attention == "softmax" else 1.0
    asked = without(second.circuit, "core", "higher_order")._replace(breaks=BREAKS)
    if slow:
        cells = asked.populations["pyramidal_tract"]._replace(cell=SLOW_TRACT)
        asked = asked._replace(populations=asked.populations | named(cells))
    areas = {"area_1": first.circuit, "area_2": asked}
    circuit = join(areas, _between(scale * W_21, W_K12, W_V12), name=f"two areas of {attention} attention")
    read = readings_of({"area_1": first, "area_2": second._replace(output=None)})
    return first._replace(circuit=circuit, **read["area_1"], layers=read)


def without(circuit, *names):
    """Circuit without some of its populations and their projections."""
    populations = {name: each for name, each in circuit.populations.items() if name not in names}
    kept = [each for each in circuit.projections if not {each.source, each.target.partition(".")[0]} & set(names)]
    return circuit._replace(populations=populations, projections=tuple(kept))


def readings_of(plans):
    """Readings of areas that are joined: by prefix and name (dict of dict of Reading)."""
    return {
        prefix: {name: each.prefixed(f"{prefix}_") for name, each in plan.readings().items()}
        for prefix, plan in plans.items()
    }


def _between(W_21, W_K12, W_V12):
    """Feedforward projection of area 1, and feedback of area 2 (list of Projection)."""
    asks, answers = "area_1_intratelencephalic", "area_2_pyramidal_tract"
    return [
        Projection(asks, "area_2_superficial.basal", "hijv, hkv -> hiak", W_21),
        Projection(answers, "area_1_superficial.apical", "hju, hku -> hijk", W_K12, same=SAME),
        Projection(answers, "area_1_intratelencephalic.basal", "hju, hvu -> hijv", W_V12, same=SAME),
    ]
