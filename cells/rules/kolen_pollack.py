"""Feedback that learns: F changes as W_O does, by the same product, and both decay, so that they come to be alike.

After Kolen & Pollack (1994), of whose paper others' descriptions were read.
"""

from cortical_attention.cells.rules.exact import EXACT, W_O
from cortical_attention.cells.rules.rule import Learning

DECAY = 0.02  # chosen: a share of 1 / 50 a presentation, so that what F began with is gone after a hundred

KOLEN_POLLACK = Learning(
    "the gradient, but for feedback that learns as the weights of the answer do and begins elsewhere",
    EXACT.rules | {"W_O": W_O._replace(decay=DECAY), "F": W_O._replace(decay=DECAY)},
    feedback="F",
)
