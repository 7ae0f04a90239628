"""A whole transformer block, and blocks on blocks: residual stream, attention, layer norm and feed-forward part.

::

    higher-order nucleus of the block  x'' = gain_2 norm(x' + W_2 h + b_2) + bias_2    -> core and matrix of the next block
            ^
    L5 PT          output                                     gain_2 and bias_2
            ^ gain_2
    L2/3           norm_2 (`circuits.layer_norm`)             area "output"
            ^ 1 - 1/d
    L2/3           summed: x' + W_2 h + b_2                   basal: direct cortico-cortical projections; apical: one
            ^ W_2  ^ gain_1
    L5 IT          | h = a Phi(a),  a = W_1 x' + b_1          gated cells (`cells.gated`), the same drive at both dendrites
            ^ W_1  |
    L2/3           norm_1: x' = gain_1 norm_1 + bias_1        area "feed-forward"
            ^ 1 - 1/d
    higher-order nucleus of attention  x + attention(x) + b_O
            ^ W_O         ^ 1
    L5 PT          | L5 PT stream: x                          a population of its own for the skip
            ^             ^ 1
    cortical attention    |                                   area of attention: the mask wiring, or the softmax wiring
    ------------------------------------------------------------------
    core (tokens), matrix (tokens)

The paper (Granier & Senn 2025, section 6) names the parts of a block, leaves their circuits open, and suggests that core
projections onto L5 PT cells carry the skip. We give the skip PT cells of its own. Into the very PT cells of attention
(`skip="shared"`, a control) it would take weights S with W_O S = 1; and these cells are reached by IT cells of like sign
alone, so that an on cell and an off cell, each of which rectifies its sum, no longer represent the sum of both.

Post-norm, as in BERT. Gain and bias of a norm are in the weights of the next projection. The circuit is ours.
"""

import numpy as np

from cortical_attention.cells.gated import GATED
from cortical_attention.cells.pyramidal_tract import PYRAMIDAL_TRACT
from cortical_attention.cells.relay import HIGHER_ORDER
from cortical_attention.cells.superficial import SUPERFICIAL
from cortical_attention.circuits.layer_norm import layer_norm
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.plan import Reading, axes_of, named
from cortical_attention.circuits.softmax import softmax_wiring
from cortical_attention.circuits.stack import stack
from cortical_attention.wiring.circuit import Population, Projection
from cortical_attention.wiring.expressions import WiringError

WIRINGS = {"linear": mask_wiring, "softmax": softmax_wiring}
SKIPS = "separate", "shared"
FORWARD, OUTPUT = "feed-forward", "output"  # areas
BREAKS = {
    "core to layers 3 and 4": "the skip, as the paper suggests it; core thalamus drives L5 directly as well (Constantinople "
    "& Bruno 2013)"
}


def block_wiring(times, tokens, layers, *, attention="softmax", skip="separate", centred=True, divided=True):
    """Circuit and protocol of transformer blocks on each other.

    Parameters
    ----------
    times : Times
        Each block settles for the time given, after the block below.
    tokens : ndarray, shape (batch, n_token, d_model)
    layers : sequence
        From the first block to the last, weights as fields: `block` with those of attention, as `circuits.mask.mask_wiring`
        takes them; `b_O` (d_model,); `W_1` (d_hidden, d_model), `b_1` (d_hidden,), `W_2` (d_model, d_hidden), `b_2`
        (d_model,); and `norm_1`, `norm_2` with a `gain` and a `bias` (d_model,).
    attention : {"linear", "softmax"}
    skip : {"separate", "shared"}
        Whether the skip has L5 PT cells of its own, or reaches those of attention.
    centred, divided : bool
        Parts of layer norm, as in `circuits.layer_norm.layer_norm`.

    Returns
    -------
    Plan

    Raises
    ------
    WiringError
        For no layers, for another name of `attention` or `skip`, and for a shared skip where W_O has no right inverse.
    """
    for name, given, known in (("attention", attention, WIRINGS), ("skip", skip, SKIPS)):
        if given not in known:
            raise WiringError(f"{name} is {given!r} but needs to be one of {', '.join(known)}")
    norm = {"centred": centred, "divided": divided}
    return stack(*(_one_block(times, tokens, layer, WIRINGS[attention], skip, norm) for layer in layers))


def _one_block(times, tokens, layer, wiring, skip, norm):
    """Plan of one block."""
    plan = wiring(times, tokens, **{name: each for name, each in layer.block._asdict().items() if each is not None})
    sizes = {"token": tokens.shape[1], "model": tokens.shape[2], "hidden": len(layer.W_1)}
    parts = [
        _residual(layer, skip, sizes),
        layer_norm("1", "higher_order", sizes, plan.protocol.n_phase, FORWARD, **norm),
        _feed_forward(layer, sizes),
        layer_norm("2", "summed", sizes, plan.protocol.n_phase, OUTPUT, **norm),
        _answer(layer.norm_2, sizes),
    ]
    populations, projections = dict(plan.circuit.populations), list(plan.circuit.projections)
    nucleus = populations["higher_order"]
    populations["higher_order"] = nucleus._replace(inputs={"soma": layer.b_O[None, None]})
    for more, others in parts:
        populations |= more
        projections += others
    circuit = plan.circuit._replace(
        name=f"block of {plan.circuit.name}", populations=populations, projections=tuple(projections), breaks=BREAKS
    )
    return plan._replace(circuit=circuit, output=Reading("answer"))


def _residual(layer, skip, sizes):
    """The skip around attention, through L5 PT cells of its own or through those of attention."""
    if skip == "shared":
        return {}, [Projection("core", "pyramidal_tract.soma", "im, hvm -> hiv", right_inverse(layer.block.W_O))]
    stream = Population("stream", PYRAMIDAL_TRACT, axes_of(sizes, "token", "model"), signed="soma")
    return named(stream), [
        Projection("core", "stream.soma", "im -> im", like_signs=True),
        Projection("stream", "higher_order.soma", "im -> im"),
    ]


def right_inverse(W_O):
    """The smallest weights S (n_head, d_value, d_model) with W_O S = 1, summed over heads.

    Parameters
    ----------
    W_O : ndarray, shape (n_head, d_model, d_value)

    Returns
    -------
    ndarray

    Raises
    ------
    WiringError
        If the heads together do not reach all of the stream.
    """
    n_head, d_model, d_value = np.shape(W_O)
    side_by_side = np.concatenate(list(W_O), axis=1)
    if np.linalg.matrix_rank(side_by_side) < d_model:
        raise WiringError(f"W_O has a rank below d_model = {d_model}, so that no skip through it gives the stream back")
    return np.linalg.pinv(side_by_side).reshape(n_head, d_value, d_model)


def _feed_forward(layer, sizes):
    """Hidden cells, and the sum of what they send with the stream around them."""
    (gain, bias), axes = layer.norm_1, axes_of(sizes, "token", "model")
    drive = (layer.b_1 + layer.W_1 @ bias)[None, None]
    hidden = Population(
        "hidden", GATED, axes_of(sizes, "token", "hidden"), signed="basal", inputs={"basal": drive, "apical": drive},
        area=FORWARD,
    )  # fmt: skip
    given = {"basal": (layer.b_2 + bias)[None, None], "apical": np.ones((1, 1, 1))}
    summed = Population("summed", SUPERFICIAL, axes, signed="basal", inputs=given, area=OUTPUT)
    return named(hidden, summed), [
        Projection("normed_1", "hidden.basal", "im, fm -> if", layer.W_1 * gain),
        Projection("normed_1", "hidden.apical", "im, fm -> if", layer.W_1 * gain),
        Projection("hidden", "summed.basal", "if, mf -> im", layer.W_2),
        Projection("normed_1", "summed.basal", "im, m -> im", gain),
    ]


def _answer(norm, sizes):
    """L5 PT cells that send the normalised stream, and the higher-order nucleus that holds it."""
    axes = axes_of(sizes, "token", "model")
    output = Population(
        "output", PYRAMIDAL_TRACT, axes, signed="soma", inputs={"soma": norm.bias[None, None]}, area=OUTPUT
    )
    return named(output, Population("answer", HIGHER_ORDER, axes, signed="soma")), [
        Projection("normed_2", "output.soma", "im, m -> im", norm.gain),
        Projection("output", "answer.soma", "im -> im", like_signs=True),
    ]
