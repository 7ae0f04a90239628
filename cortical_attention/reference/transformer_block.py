"""A transformer block: attention and a feed-forward part, each in a residual stream and with layer norm after it (BERT).

::

    x' = norm_1(x + attention(x) + b_O);    x'' = norm_2(x' + W_2 gelu(W_1 x' + b_1) + b_2)
    norm(x) = gain (x - mean(x)) / sqrt(var(x) + epsilon) + bias;    gelu(a) = a Phi(a)

Vaswani et al. 2017 (the block, norm after each part), Devlin et al. 2019 (BERT), Hendrycks & Gimpel 2016 (GELU), Ba, Kiros &
Hinton 2016 (layer norm).
"""

from math import erf
from typing import Any

import numpy as np

from cortical_attention.reference.attention import linear_attention, softmax_attention
from cortical_attention.reference.nulls import uniform_attention

ATTENTIONS = {"linear": linear_attention, "softmax": softmax_attention, "uniform": uniform_attention}
"""What may be the attention of a block, by name."""

_erf = np.frompyfunc(erf, 1, 1)


def layer_norm(stream: np.ndarray, norm: Any, epsilon: float = 0.0) -> np.ndarray:
    """Stream (..., d_model) with mean 0 and variance 1 in each token, then with gain and bias (the fields of `norm`)."""
    variance = stream.var(axis=-1, keepdims=True)
    return (stream - stream.mean(axis=-1, keepdims=True)) / np.sqrt(variance + epsilon) * norm.gain + norm.bias


def gelu(x: np.ndarray) -> np.ndarray:
    """x Phi(x), with the normal distribution function Phi; elementwise."""
    return x * (1 + _erf(x / np.sqrt(2)).astype(float)) / 2


def transformer_block(
    tokens: np.ndarray,
    layer: Any,
    attention: str = "softmax",
    *,
    residual: bool = True,
    feed_forward: bool = True,
    epsilon: float = 0.0,
) -> np.ndarray:
    """Stream after one block.

    Parameters
    ----------
    tokens : array, (..., n_token, d_model)
    layer : object
        Weights as fields: `block` (Block), `b_O` (d_model,), `W_1` (d_hidden, d_model), `b_1` (d_hidden,), `W_2` (d_model,
        d_hidden), `b_2` (d_model,), and `norm_1`, `norm_2` with a `gain` and a `bias` (d_model,).
    attention : str
        A name in `ATTENTIONS`.
    residual, feed_forward : bool
        Whether there is a residual stream around both parts, and whether there is a feed-forward part; without either the
        block is a null model.
    epsilon : float
        What a norm adds to the variance.

    Returns
    -------
    array, (..., n_token, d_model)

    Raises
    ------
    KeyError
        For another attention.
    """
    attended = ATTENTIONS[attention](tokens, layer.block).output + layer.b_O
    stream = layer_norm(tokens * residual + attended, layer.norm_1, epsilon)
    hidden = gelu(stream @ layer.W_1.T + layer.b_1)
    if feed_forward:
        stream = stream * residual + hidden @ layer.W_2.T + layer.b_2
    return layer_norm(stream, layer.norm_2, epsilon)


def transformer_blocks(tokens: np.ndarray, layers: Any, attention: str = "softmax", **parts: Any) -> np.ndarray:
    """Stream after several blocks on each other; arguments are those of `transformer_block`."""
    for layer in layers:
        tokens = transformer_block(tokens, layer, attention, **parts)
    return tokens
