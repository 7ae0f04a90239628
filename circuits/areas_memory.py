"""Cross-attention between areas in the memory wiring: what an area answers is the query to the memory of another.

::

    area_2_higher_order      x~_i = sum_h W_O f_i
            ^ W_O
    area_2 L5 PT             f_i = M_2 phi(W_21 u_i) / (z_2 . phi(W_21 u_i))
            ^
    area_2 L5 IT             M_2 * phi(W_21 u_i), basal: W_21 from L5 IT of area 1; apical: M_2
    area_2 L2/3              M_2 = sum_a v2_a phi(k2_a)^T, of its own context
            ^ W_21: feedforward, a query
    area_1 L5 IT             u_i = M_1 phi(q_i) / (z_1 . phi(q_i))
    area_1 L2/3              M_1 = sum_j v_j phi(k_j)^T, of the tokens
    ------------------------------------------------------------------
    area_1_core, area_1_matrix (tokens); area_2_matrix (the context of area 2), one token at a time

Ours, after the abstract of version 3 of Granier & Senn, which names cross-attention between areas and no wiring for it:
each area is a `circuits.memory`, and both write at the same time. No core nucleus reaches area 2.
"""

import numpy as np

from cortical_attention.circuits.areas import readings_of, without
from cortical_attention.circuits.memory import memory_wiring
from cortical_attention.circuits.stack import join
from cortical_attention.wiring.circuit import Projection
from cortical_attention.wiring.expressions import WiringError


def areas_memory_wiring(times, tokens, W_Q, W_K, W_V, W_O, *, W_21, W_K2, W_V2, context, normaliser="pi"):
    """Circuit and protocol of an area that asks the memory of another.

    Parameters
    ----------
    times : Times
    tokens : ndarray, shape (batch, n_token, d_model)
        Of area 1, which has them in its memory and asks with each.
    W_Q, W_K : ndarray, shape (n_head, d_key, d_model)
    W_V : ndarray, shape (n_head, d_value, d_model)
    W_O : ndarray, shape (n_head, d_model, d_value_2)
        From area 2 to the higher-order nucleus.
    W_21 : ndarray, shape (n_head, d_key_2, d_value)
        From what area 1 represents to the queries of area 2. Head h of area 1 asks head h of area 2.
    W_K2 : ndarray, shape (n_head, d_key_2, d_model)
    W_V2 : ndarray, shape (n_head, d_value_2, d_model)
    context : ndarray, shape (batch, n_token, d_model)
        Sequence in the memory of area 2, as long as the tokens.
    normaliser : str or None
        Of both areas, as in `circuits.mask.mask_wiring`.

    Returns
    -------
    Plan

    Raises
    ------
    WiringError
        If the sequences differ in length, or weights do not fit together.
    """
    if tokens.shape[1] != context.shape[1]:
        raise WiringError(
            f"the areas write at the same time, so that {tokens.shape[1]} tokens need a context as long, not of "
            f"{context.shape[1]}"
        )
    d_model, n_head = W_Q.shape[2], len(W_Q)
    no_core, no_output = np.zeros((*W_21.shape[:2], d_model)), np.zeros((n_head, d_model, W_V.shape[1]))
    first = memory_wiring(times, tokens, W_Q, W_K, W_V, no_output, normaliser=normaliser)
    second = memory_wiring(times, tokens, no_core, W_K2, W_V2, W_O, context=context, normaliser=normaliser)
    areas = {"area_1": without(first.circuit, "higher_order"), "area_2": without(second.circuit, "core")}
    circuit = join(areas, _asking(W_21), name="two areas of memories")
    read = readings_of({"area_1": first._replace(output=None), "area_2": second})
    return second._replace(circuit=circuit, **read["area_2"], layers=read)


def _asking(W_21):
    """Feedforward projection of area 1, onto the L5 IT cells of area 2 and those that normalise (list of Projection)."""
    asks = "area_1_intratelencephalic"
    return [
        Projection(asks, "area_2_intratelencephalic.basal", "hul, hku -> hvk", W_21),
        Projection(asks, "area_2_normaliser.basal", "hul, hku -> hk", W_21),
    ]
