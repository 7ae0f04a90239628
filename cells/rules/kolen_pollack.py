"""Feedback that learns: F changes as W_O does, by the same product, and both decay, so that they come to be alike.

After Kolen & Pollack (1994, abstract read). Synapses of F lie between error cells and feedback cells, which are L5 IT. The
errors are there; the answer vt_i is that of L5 PT cells, which do not reach L5 IT cells, so that it would have to come from
the L5 IT cells of the macrocolumn, whose sum it is. That it comes is assumed.
"""

from cortical_attention.cells.rules.exact import EXACT, W_O
from cortical_attention.cells.rules.rule import Learning

DECAY = 0.02  # chosen: a share of 1 / 50 a presentation, so that of what F began with an eighth is left after a hundred

KOLEN_POLLACK = Learning(
    "the gradient, but for feedback that learns as the weights of the answer do and begins elsewhere",
    EXACT.rules | {"W_O": W_O._replace(decay=DECAY), "F": W_O._replace(decay=DECAY)},
    feedback="F",
)
