"""Random blocks, what circuits and the algebra answer to them, and errors; shared by the tests of the forms."""

from typing import NamedTuple

import numpy as np

from cortical_attention.reference import Block, linear_attention
from cortical_attention.simulation.attend import Settings, attend


class Drawn(NamedTuple):
    """Tokens (batch, n_token, d_model), context (None in self-attention) and a block."""

    tokens: np.ndarray
    context: np.ndarray | None
    block: Block


def draw(seed, n_token=4, n_context=None, n_head=2, d_key=3, scale=2.0, batch=1, biased=False, d_model=6, d_value=4):
    """Drawn at random; queries and keys have about the standard deviation `scale`."""
    rng = np.random.default_rng(seed)
    key, value = (n_head, d_key, d_model), (n_head, d_value, d_model)
    shapes = [key, key, value, (n_head, d_model, d_value)]
    gains = np.array([scale, scale, 1, 1]) / np.sqrt([d_model, d_model, d_model, n_head * d_value])
    block = Block(*(gain * rng.normal(size=shape) for gain, shape in zip(gains, shapes, strict=True)))
    if biased:
        block = block._replace(
            b_Q=rng.normal(size=key[:2]), b_K=rng.normal(size=key[:2]), b_V=rng.normal(size=value[:2])
        )
    tokens = rng.normal(size=(batch, n_token, d_model))
    return Drawn(tokens, None if n_context is None else rng.normal(size=(batch, n_context, d_model)), block)


def ask(wiring, drawn, form, settings, report=None, **more):
    """What a circuit answers, on numpy."""
    settings = Settings(form, target="numpy", **settings)
    return attend(wiring, drawn.tokens, settings, report, context=drawn.context, **drawn.block._asdict(), **more)


def algebra(drawn, attention=linear_attention, **more):
    """What the algebra answers to the same."""
    return attention(drawn.tokens, drawn.block, context=drawn.context, **more)


def relative(output, reference):
    """Relative L2 error of each input."""
    return np.linalg.norm(output - reference, axis=(1, 2)) / np.linalg.norm(reference, axis=(1, 2))
