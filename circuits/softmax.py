"""Softmax attention: the mask wiring's sister, in which inhibition subtracts log Z in the tufts of L5.

::

    higher-order nucleus        x~_i = sum_h W_O vt_i
            ^ W_O
    L5 PT          vt_i = sum_j y_ij                       one set per macrocolumn i
            ^
    L5 IT          y_ij = exp(s_ij - log Z_i) v_j          basal: W_V from matrix; apical: score; subtracted: log Z
    normaliser     kappa_ij = exp(s_ij - log Z_i)          one more L5 IT cell per microcolumn, of the constant value 1
    interneuron    log Z_i                                 one per macrocolumn: pools the normalisers, inhibits the tufts
            ^ sum over k
    L2/3           k_jk q_ik / sqrt(d_key)                 signed; basal: W_Q from core; apical: W_K from matrix
    ------------------------------------------------------------------
    core (tokens), matrix (tokens; the context in cross-attention)

The paper would pool the apical activity of L5 cells itself, and calls softmax hard to implement. The normaliser reads that
activity out with a cell of the same type, so that no dendrite has an axon. The circuit is ours.
"""

import numpy as np

from cortical_attention.cells.interneuron import PROPORTIONAL
from cortical_attention.cells.intratelencephalic import INTRATELENCEPHALIC
from cortical_attention.cells.subtractive_interneuron import INTEGRATING, SUBTRACTIVE
from cortical_attention.cells.superficial import SUPERFICIAL
from cortical_attention.cells.tuft import TUFTED
from cortical_attention.circuits.mask import OUTPUT, key_and_query, layer_5, nuclei, on_grid, protocol_of, sizes_of
from cortical_attention.circuits.plan import Plan, Reading, axes_of, given, named, shown
from cortical_attention.wiring.circuit import Circuit, Population, Projection
from cortical_attention.wiring.expressions import WiringError

INTERNEURONS = {"pi": SUBTRACTIVE, "slow": INTEGRATING, "divisive": PROPORTIONAL}
SIGNS = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])  # of the query and of the key, by quadrant
ATTENTION = Reading("normaliser")
ATTENTION_SUM = Reading("normaliser", sum=("context",))


def softmax_wiring(
    times, tokens, W_Q, W_K, W_V, W_O, *, context=None, b_Q=None, b_K=None, b_V=None, mask=None, kernel=None,
    normaliser="pi", quadrants=False, A=None,
):  # fmt: skip
    """Circuit and protocol of softmax attention.

    Parameters
    ----------
    times, tokens, W_Q, W_K, W_V, W_O, context, b_Q, b_K, b_V, mask
        As in `circuits.mask.mask_wiring`.
    kernel : str, optional
        Not used: keys and queries are multiplied as they are.
    normaliser : {"pi", "slow", "divisive"}
        Interneuron that subtracts log Z, with a proportional term or without; or one that divides exponential tufts by Z.
    quadrants : bool
        Whether a product of a component of key and query is carried by four L2/3 cells, each of which multiplies two
        rectified drives, one for each pair of signs, instead of by an on and an off cell.
    A : ndarray, shape (d_value, d_key), optional
        Weights from L2/3 to the tufts of L5; None: ones. Each component of the value then has attention of its own,
        kappa_ijv = exp(sum_k A_vk q_k k_k / sqrt(d_key)) / Z_iv, and a normaliser and an interneuron for it.

    Returns
    -------
    Plan
        With A no attention is read, since there is one for each component of the value.

    Raises
    ------
    WiringError
        For another normaliser, or none: without division there is no softmax; and for quadrants with A.
    """
    if normaliser not in INTERNEURONS:
        raise WiringError(f"normaliser is {normaliser!r} but softmax attention needs one of {', '.join(INTERNEURONS)}")
    tokens, context = shown(tokens, tokens if context is None else context, mask)
    sizes, protocol, scale = sizes_of(W_Q, W_V, tokens, context), protocol_of(times), 1 / np.sqrt(W_Q.shape[1])
    b_Q = None if b_Q is None else scale * np.asarray(b_Q)
    superficial, products = (_quadrants if quadrants else _pairs)(sizes, scale * W_Q, W_K, b_Q, b_K)
    populations = {**nuclei(sizes, tokens, context), **layer_5(sizes, b_V), "superficial": superficial}
    own, v = ((), "") if A is None else (("value",), "v")
    populations |= _tufts(populations["intratelencephalic"], sizes, mask, normaliser, own)
    populations |= named(Population("interneuron", INTERNEURONS[normaliser], axes_of(sizes, "head", "token", *own)))
    score, weights = _score(quadrants, A)
    port = "shunt" if normaliser == "divisive" else "subtracted"
    projections = [
        *products,
        Projection("matrix", "intratelencephalic.basal", "jm, hvm -> hijv", W_V),
        Projection("superficial", "intratelencephalic.apical", f"{score} -> hijv", weights),
        Projection("superficial", "normaliser.apical", f"{score} -> hij{v}", weights),
        Projection("normaliser", "interneuron.pool", f"hij{v} -> hi{v}"),
        Projection("interneuron", f"intratelencephalic.{port}", f"hi{v} -> hijv"),
        Projection("interneuron", f"normaliser.{port}", f"hi{v} -> hij{v}"),
        Projection("intratelencephalic", "pyramidal_tract.soma", "hijv -> hiv", like_signs=True),
        Projection("pyramidal_tract", "higher_order.soma", "hiv, hmv -> im", W_O),
    ]
    circuit = Circuit("softmax", populations, tuple(projections))
    attention = ATTENTION if A is None else None
    return Plan(circuit, protocol, len(tokens), OUTPUT, attention, ATTENTION_SUM, restless=True)


def _pairs(sizes, W_Q, W_K, b_Q, b_K):
    """L2/3 cells (Population) that carry a product and its sign, and projections to them (list)."""
    superficial = Population(
        "superficial", SUPERFICIAL, axes_of(sizes, "head", "token", "context", "key"), signed="basal",
        inputs=given(basal=on_grid(b_Q), apical=on_grid(b_K)),
    )  # fmt: skip
    return superficial, key_and_query("superficial", W_Q, W_K)


def _quadrants(sizes, W_Q, W_K, b_Q, b_K):
    """As `_pairs`, of L2/3 cells that multiply what is above zero."""
    (query, key), sizes = SIGNS.T[..., None, None], {**sizes, "quadrant": len(SIGNS)}
    superficial = Population(
        "superficial", SUPERFICIAL, axes_of(sizes, "head", "token", "context", "quadrant", "key"),
        {"basal": "relu", "apical": "relu"}, inputs=given(basal=_by_sign(query, b_Q), apical=_by_sign(key, b_K)),
    )  # fmt: skip
    return superficial, [
        Projection("core", "superficial.basal", "im, hakm -> hijak", query * W_Q[:, None]),
        Projection("matrix", "superficial.apical", "jm, hakm -> hijak", key * W_K[:, None]),
    ]


def _score(quadrants, A):
    """Letters and weights from L2/3 to the tufts: a sum over products, with the signs of quadrants, or with weights A."""
    if quadrants and A is not None:
        raise WiringError("quadrants do not go with A, which is for on and off cells")
    if quadrants:
        return "hijak, a", SIGNS.prod(axis=1)
    return ("hijk", 1.0) if A is None else ("hijk, vk", A)


def _by_sign(sign, bias):
    """Bias per head and component with the signs of a quadrant, for every input and microcolumn; None without."""
    return None if bias is None else (sign[..., 0] * np.asarray(bias)[:, None])[None, :, None, None]


def _tufts(modulated, sizes, mask, normaliser, own):
    """L5 IT cells (Population) whose tufts hold the attention, and those beside them that read it out; `own` has the axis of
    the value where each of its components has attention of its own."""
    divisive = normaliser == "divisive"
    gate = None if mask is None else np.asarray(mask, dtype=float)[None, None]
    tuft = {"cell": INTRATELENCEPHALIC, "kernels": {"apical": "exp"}} if divisive else {"cell": TUFTED}
    wide = {} if gate is None else {"gate": gate[..., None]}
    reads = given(basal=np.ones((1,) * (4 + len(own)))) | (wide if own else given(gate=gate))
    return named(
        modulated._replace(**tuft, inputs=modulated.inputs | wide),
        Population("normaliser", axes=axes_of(sizes, "head", "token", "context", *own), inputs=reads, **tuft),
    )
