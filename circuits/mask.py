"""The mask wiring: n x n microcolumns per head (Granier & Senn 2025, sections 2 to 4, Algorithm 1).

::

    higher-order nucleus        x~_i = sum_h W_O vt_i
            ^ W_O
    L5 PT          vt_i = sum_j y_ij                 one set per macrocolumn i
            ^
    L5 IT          y_ij = alpha_ij * v_j             basal: W_V from matrix; apical: alpha = A s from L2/3
            ^ A
    L2/3           s_ij = phi(k_j) * phi(q_i) / Z_i  basal: W_Q from core; apical: W_K from matrix; shunt: g_i
            |^
    interneuron    g_i = Z_i                         one per macrocolumn, lateral and recurrent
    ------------------------------------------------------------------
    core (tokens), matrix (tokens; the context in cross-attention)
"""

import numpy as np

from cortical_attention.cells.intratelencephalic import INTRATELENCEPHALIC
from cortical_attention.cells.pyramidal_tract import PYRAMIDAL_TRACT
from cortical_attention.cells.relay import CORE, HIGHER_ORDER, MATRIX
from cortical_attention.cells.sensory import KEY
from cortical_attention.cells.superficial import SUPERFICIAL
from cortical_attention.circuits.normalisers import NORMALISERS
from cortical_attention.circuits.normalisers.divided import Divided
from cortical_attention.circuits.plan import Plan, Reading, axes_of, given, named, shown
from cortical_attention.circuits.protocol import Protocol, phase_of
from cortical_attention.wiring.circuit import Circuit, Population, Projection


def mask_wiring(
    times, tokens, W_Q, W_K, W_V, W_O, *, context=None, b_Q=None, b_K=None, b_V=None, mask=None, kernel="elu+1",
    normaliser="pi", A=None,
):  # fmt: skip
    """Circuit and protocol of the mask wiring.

    Parameters
    ----------
    times : Times
    tokens : ndarray, shape (batch, n_token, d_model)
    W_Q, W_K : ndarray, shape (n_head, d_key, d_model)
    W_V : ndarray, shape (n_head, d_value, d_model)
    W_O : ndarray, shape (n_head, d_model, d_value)
    context : ndarray, shape (batch, n_context, d_model), optional
        Input of the matrix cells; None: the tokens.
    b_Q, b_K, b_V : ndarray, shape (n_head, d_key) or (n_head, d_value), optional
        Constant drives of the dendrites.
    mask : ndarray of bool, shape (n_token, n_context), optional
        True where a microcolumn is open.
    kernel : str
        phi of the L2/3 dendrites.
    normaliser : str or None
        Inhibitory circuit that divides by Z (`circuits.normalisers.NORMALISERS`). None: a constant shunt of 1.
    A : ndarray, shape (d_value, d_key), optional
        Weights from L2/3 to the apical dendrite of L5 IT; None: ones.

    Returns
    -------
    Plan

    Notes
    -----
    ``normaliser="output"`` is wrong by design: the attention sums to sqrt(Z). Where phi underflows (relu) Z is zero,
    the macrocolumn is silent and its output zero.
    """
    tokens, context = shown(tokens, tokens if context is None else context, mask)
    sizes = sizes_of(W_Q, W_V, tokens, context)
    gate = None if mask is None else np.asarray(mask, dtype=float)[None, None, :, :, None]
    superficial = Population(
        "superficial", SUPERFICIAL, axes_of(sizes, "head", "token", "context", "key"),
        kernels={"basal": kernel, "apical": kernel},
        inputs=given(basal=on_grid(b_Q), apical=on_grid(b_K), gate=gate),
    )  # fmt: skip
    protocol = protocol_of(times)
    populations = {**nuclei(sizes, tokens, context), **layer_5(sizes, b_V), "superficial": superficial}
    projections = [
        *key_and_query("superficial", W_Q, W_K),
        Projection("matrix", "intratelencephalic.basal", "jm, hvm -> hijv", W_V),  # layer 5a
        _attention_to_value(A),
        Projection("intratelencephalic", "pyramidal_tract.soma", "hijv -> hiv", like_signs=True),
        Projection("pyramidal_tract", "higher_order.soma", "hiv, hmv -> im", W_O),
    ]
    normalised = ()
    if normaliser is not None:
        biases = {"basal": b_Q, "apical": b_K}
        inhibition = NORMALISERS[normaliser](_divided(sizes, superficial, biases, W_Q, W_K, mask, protocol.n_phase))
        populations |= inhibition.populations
        projections += inhibition.projections
        normalised = (ATTENTION_SUM, inhibition.gain, inhibition.exact)
    circuit = Circuit("mask", populations, tuple(projections))
    return Plan(circuit, protocol, len(tokens), OUTPUT, ATTENTION, *normalised)


OUTPUT = Reading("higher_order")
ATTENTION = Reading("superficial", sum=("key",))  # kappa, as the L2/3 cells carry it
ATTENTION_SUM = Reading("superficial", sum=("context", "key"))


def sizes_of(W_Q, W_V, tokens, context):
    """Axes by kind."""
    n_head, d_key, d_model = W_Q.shape
    return {
        "head": n_head,
        "token": tokens.shape[1],
        "context": context.shape[1],
        "model": d_model,
        "key": d_key,
        "value": W_V.shape[1],
    }


def nuclei(sizes, tokens, context):
    """First-order nuclei, which represent the sequences, and the higher-order nucleus, which represents the answer."""
    return named(
        Population("core", CORE, axes_of(sizes, "token", "model"), signed="soma", inputs={"soma": tokens}),
        Population("matrix", MATRIX, axes_of(sizes, "context", "model"), signed="soma", inputs={"soma": context}),
        Population("higher_order", HIGHER_ORDER, axes_of(sizes, "token", "model"), signed="soma"),
    )


def layer_5(sizes, b_V):
    """L5 IT cells, which represent attention-modulated values, and L5 PT cells, which sum them."""
    grid = axes_of(sizes, "head", "token", "context", "value")
    inputs = given(basal=on_grid(b_V))
    return named(
        Population("intratelencephalic", INTRATELENCEPHALIC, grid, signed="basal", inputs=inputs),
        Population("pyramidal_tract", PYRAMIDAL_TRACT, axes_of(sizes, "head", "token", "value"), signed="soma"),
    )


def on_grid(bias):
    """Bias per head and component, repeated for every input, macrocolumn and microcolumn."""
    return None if bias is None else bias[None, :, None, None, :]


def key_and_query(target, W_Q, W_K):
    """Core projection to layers 3 and 4, dense and focused; matrix projection to layer 1, diffuse."""
    return [
        Projection("core", f"{target}.basal", "im, hkm -> hijk", W_Q),
        Projection("matrix", f"{target}.apical", "jm, hkm -> hijk", W_K),
    ]


def _attention_to_value(A):
    """L2/3 to the apical dendrites of L5 IT in its own microcolumn, all-to-all."""
    if A is None:
        return Projection("superficial", "intratelencephalic.apical", "hijk -> hijv")
    return Projection("superficial", "intratelencephalic.apical", "hijk, vk -> hijv", A)


def _divided(sizes, superficial, biases, W_Q, W_K, mask, n_phase):
    """L2/3 cells as a normaliser needs to know them. Without a gate of their own, interneurons that start at their ceiling
    wait for one phase."""
    kernels, bias = {"apical": superficial.kernels["apical"]}, biases["apical"]
    keys = Population(
        "keys", KEY, axes_of(sizes, "head", "context", "key"), kernels,
        inputs=given(apical=None if bias is None else bias[None, :, None, :]),
    )  # fmt: skip
    bias = biases["basal"]
    return Divided(
        pooled=superficial,
        letters={"superficial": "hijk"},
        axes=axes_of(sizes, "head", "token", "key"),
        component="hik",
        drives=tuple(key_and_query("superficial", W_Q, W_K)),
        query=Projection("core", "{}.basal", "im, hkm -> hik", W_Q),
        biases=given(basal=None if bias is None else bias[None, :, None, :]),
        keys=_open(Projection("keys", "{}", "hjk -> hik"), mask),
        key_cells=named(keys),
        key_drives=(Projection("matrix", "keys.apical", "jm, hkm -> hjk", W_K),),
        gate=None,
        closed=(np.arange(n_phase) > 0).astype(float)[:, None, None, None],
    )


def _open(projection, mask):
    """Projection from the context onto macrocolumns, of those tokens that the mask opens to each."""
    if mask is None:
        return projection
    return projection._replace(expression="hjk, ij -> hik", weights=np.asarray(mask, dtype=float))


def protocol_of(times):
    """One window, after settling."""
    phase, n_window, n_settle, _ = phase_of(times)
    return Protocol(phase, n_settle + n_window, np.arange(n_settle, n_settle + n_window)[None])
