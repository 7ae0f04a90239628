"""Layer 6b in three roles: it supplements the attention of L2/3, replaces it, or turns it up.

::

    supplement    softmax(s_ij + b_ij)          layer 6b adds b_ij to the score, in the tufts of L5 IT and of the normaliser
    replacement   m_ij / sum_j m_ij             layer 6b in the place of L2/3: no key, no query, no core thalamus
    volume knob   phi((1 + gamma_i) k_j)_k phi((1 + gamma_i) q_i)_k   layer 6b multiplies the drives of L2/3, before phi

    supplement                          replacement                            volume knob
    L5 IT   exp(s + b - log Z) v        L5 IT        (m / Z) v                 L5 IT as in softmax, or in the mask wiring
      ^ apical      ^ apical              ^ apical                               ^
    L2/3 s_ij     L6b b_ij              L6b m / Z <-> interneuron of L6        L2/3  <- gains - L6b gamma_i

Granier & Senn (2025, section 6) name the roles, after Zolnik et al. (2024): cells of layer 6b end where matrix thalamus
does, in layers 1 and 5a, act as a volume knob, and could replace or supplement superficial cells as an attention mask. How
they do it is ours. What drives layer 6b comes from outside, and does not depend on the tokens.
"""

import numpy as np

from cortical_attention.cells.interneuron import PROPORTIONAL
from cortical_attention.cells.layer_6b import LAYER_6B
from cortical_attention.cells.modulated_superficial import modulated
from cortical_attention.circuits.mask import OUTPUT, layer_5, mask_wiring, nuclei, protocol_of, sizes_of
from cortical_attention.circuits.plan import Plan, Reading, axes_of, given, named, shown
from cortical_attention.circuits.softmax import softmax_wiring
from cortical_attention.wiring.circuit import Circuit, Population, Projection
from cortical_attention.wiring.expressions import WiringError

INTERNEURON = PROPORTIONAL._replace(layer="L6 interneuron")
BREAKS = {
    "layer 6b to layers 1 and 5a": "a knob has to reach the query too, in layer 3; anatomy offers the way through thalamus"
}


def supplement_wiring(times, tokens, W_Q, W_K, W_V, W_O, *, bias, **block):
    """Circuit and protocol of softmax attention with a bias of its scores, which layer 6b adds.

    Parameters
    ----------
    times, tokens, W_Q, W_K, W_V, W_O, **block
        As in `circuits.softmax.softmax_wiring`.
    bias : ndarray, shape (batch, n_head, n_token, n_context)
        Values of layer 6b, nowhere negative, since its cells excite; a constant in each row is without effect. Axes of size
        one are repeated.

    Returns
    -------
    Plan

    Raises
    ------
    WiringError
        For a negative bias, or as `softmax_wiring`.
    """
    plan = softmax_wiring(times, tokens, W_Q, W_K, W_V, W_O, **block)
    axes = plan.circuit.populations["normaliser"].axes
    cells = Population("layer_6b", LAYER_6B, axes, inputs={"soma": _never_negative("bias", bias)})
    projections = (
        Projection("layer_6b", "intratelencephalic.apical", "hij -> hijv"),
        Projection("layer_6b", "normaliser.apical", "hij -> hij"),
    )
    return _with(plan, "layer 6b beside L2/3", named(cells), projections)


def replacement_wiring(times, tokens, W_V, W_O, *, gain, context=None, b_V=None, mask=None):
    """Circuit and protocol of values weighed by gains of layer 6b, without keys and queries.

    Parameters
    ----------
    times, tokens, W_V, W_O, context, b_V, mask
        As in `circuits.mask.mask_wiring`; of the tokens only the number counts.
    gain : ndarray, shape (batch, n_head, n_token, n_context)
        Values of layer 6b before inhibition, nowhere negative. Axes of size one are repeated.

    Returns
    -------
    Plan

    Raises
    ------
    WiringError
        For a negative gain.
    """
    tokens, context = shown(tokens, tokens if context is None else context, mask)
    sizes = sizes_of(np.zeros_like(W_V), W_V, tokens, context)
    gate = None if mask is None else np.asarray(mask, dtype=float)[None, None]
    populations = {name: each for name, each in nuclei(sizes, tokens, context).items() if name != "core"}
    populations |= layer_5(sizes, b_V)
    populations |= named(
        Population(
            "layer_6b", LAYER_6B, axes_of(sizes, "head", "token", "context"),
            inputs=given(soma=_never_negative("gain", gain), gate=gate),
        ),
        Population("interneuron", INTERNEURON, axes_of(sizes, "head", "token")),
    )  # fmt: skip
    projections = (
        Projection("matrix", "intratelencephalic.basal", "jm, hvm -> hijv", W_V),
        Projection("layer_6b", "intratelencephalic.apical", "hij -> hijv"),
        Projection("layer_6b", "interneuron.pool", "hij -> hi"),
        Projection("interneuron", "layer_6b.shunt", "hi -> hij"),
        Projection("intratelencephalic", "pyramidal_tract.soma", "hijv -> hiv", like_signs=True),
        Projection("pyramidal_tract", "higher_order.soma", "hiv, hmv -> im", W_O),
    )
    circuit = Circuit("layer 6b in place of L2/3", populations, projections)
    attention, total = Reading("layer_6b"), Reading("layer_6b", sum=("context",))
    return Plan(circuit, protocol_of(times), len(tokens), OUTPUT, attention, total, Reading("interneuron"))


def knob_wiring(times, tokens, W_Q, W_K, W_V, W_O, *, gamma, attention="softmax", kernel="elu+1", **block):
    """Circuit and protocol of attention that layer 6b turns up.

    Parameters
    ----------
    times, tokens, W_Q, W_K, W_V, W_O, **block
        As in `circuits.mask.mask_wiring`, without A.
    gamma : ndarray, shape (batch, n_head, n_token)
        Values of layer 6b, one for each macrocolumn, nowhere negative. Axes of size one are repeated.
    attention : {"softmax", "linear"}
        Which wiring layer 6b is added to.
    kernel : str
        phi in linear attention.

    Returns
    -------
    Plan

    Raises
    ------
    WiringError
        For a negative gamma, or another attention.
    """
    if attention not in ("softmax", "linear"):
        raise WiringError(f"attention is {attention!r} but needs to be softmax or linear")
    wiring, phi = (softmax_wiring, "identity") if attention == "softmax" else (mask_wiring, kernel)
    plan = wiring(times, tokens, W_Q, W_K, W_V, W_O, **block)
    populations = plan.circuit.populations
    superficial = populations["superficial"]._replace(cell=modulated(phi), kernels={})
    knob = Population(
        "layer_6b", LAYER_6B, populations["interneuron"].axes, inputs={"soma": _never_negative("gamma", gamma)}
    )
    projections = (
        Projection("layer_6b", "superficial.key_gain", "hi -> hijk"),
        Projection("layer_6b", "superficial.query_gain", "hi -> hijk"),
    )
    return _with(plan, f"layer 6b, {attention} attention", named(superficial, knob), projections, BREAKS)


def _with(plan, name, populations, projections, breaks=None):
    """A plan with further populations and projections."""
    whole = plan.circuit
    circuit = whole._replace(
        name=name, populations=whole.populations | populations, projections=(*whole.projections, *projections),
        breaks=breaks or {},
    )  # fmt: skip
    return plan._replace(circuit=circuit)


def _never_negative(name, values):
    """Values of cells that excite, as an array."""
    values = np.asarray(values, dtype=float)
    if (values < 0).any():
        raise WiringError(f"{name} has the entry {values.min():g}, but cells of layer 6b cannot hold a negative value")
    return values
