"""Two transformer blocks on each other, with linear attention or with softmax attention."""

from functools import partial

import numpy as np
from brian2 import second

from cortical_attention.circuits.block import WIRINGS, block_wiring
from cortical_attention.inputs.transformer_weights import Layer, Norm
from cortical_attention.reference.block import Block
from cortical_attention.reference.transformer_block import transformer_blocks
from cortical_attention.trials.example import Example

SEED, N_CALIBRATION = 20, 16
N_TOKEN, D_MODEL, N_HEAD, D_HIDDEN, DEPTH = 5, 8, 2, 16, 2
D_KEY = D_MODEL // N_HEAD
SCALE = 1.5  # of W_Q and W_K: scores of softmax attention then have a standard deviation of about two
NULLS = {
    "without the residual stream": {"residual": False},
    "uniform attention": {"attention": "uniform"},
    "without the feed-forward part": {"feed_forward": False},
}
OTHER = {"linear": "softmax", "softmax": "linear"}
CONTROLS = {
    "mean not subtracted": partial(block_wiring, centred=False),
    "energy not divided": partial(block_wiring, divided=False),
}


def examples():
    """Blocks of linear attention and of softmax attention (list of Example)."""
    return [example(attention) for attention in WIRINGS]


def example(attention, depth=DEPTH):
    """Blocks of one attention on each other (Example)."""
    rng = np.random.default_rng(SEED)
    layers = [_layer(rng) for _ in range(depth)]
    tokens, calibration = (rng.normal(size=(n, N_TOKEN, D_MODEL)) for n in (1, N_CALIBRATION))
    answer = partial(transformer_blocks, tokens, layers)
    nulls = {name: answer(**{"attention": attention} | without) for name, without in NULLS.items()}
    nulls[f"{OTHER[attention]} attention"] = answer(OTHER[attention])
    nulls["without attention"] = transformer_blocks(tokens, [_silent(layer) for layer in layers], attention)
    return Example(
        f"block of {attention} attention",
        f"{depth} transformer blocks: residual stream, {attention} attention, layer norm, feed-forward part (ours)",
        block_wiring,
        tokens,
        {"layers": layers, "attention": attention},
        answer(attention),
        nulls,
        calibration,
        controls=CONTROLS,
        settings=dict.fromkeys(("rate", "dale"), {"settle": 1 * second}),
    )


def _silent(layer):
    """A block of which attention says nothing."""
    return layer._replace(block=layer.block._replace(W_O=np.zeros_like(layer.block.W_O)))


def _layer(rng):
    """Weights of one block (Layer)."""

    def drawn(*shape):
        return rng.normal(size=shape) / np.sqrt(shape[-1])

    inward = [
        SCALE * drawn(N_HEAD, D_KEY, D_MODEL),
        SCALE * drawn(N_HEAD, D_KEY, D_MODEL),
        drawn(N_HEAD, D_KEY, D_MODEL),
    ]
    block = Block(*inward, drawn(N_HEAD, D_MODEL, D_KEY))
    norms = [Norm(1 + 0.1 * rng.normal(size=D_MODEL), 0.1 * rng.normal(size=D_MODEL)) for _ in range(2)]
    b_O, b_1, b_2 = (0.1 * rng.normal(size=size) for size in (D_MODEL, D_HIDDEN, D_MODEL))
    return Layer(block, b_O, norms[0], drawn(D_HIDDEN, D_MODEL), b_1, drawn(D_MODEL, D_HIDDEN), b_2, norms[1])
