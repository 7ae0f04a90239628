"""
Layer 6b as volume knob
=======================

Layer 6b multiplies keys and queries of its macrocolumn by one plus gamma, and so turns up the scores of softmax attention:
attention of a query gathers on one token. Bars are the circuit, dots the algebra.
"""

from functools import partial

import numpy as np
from brian2 import second

import cortical_attention as ca
from cortical_attention.circuits.layer_6b import knob_wiring
from cortical_attention.readout.style import CYCLE, new_figure, style
from cortical_attention.reference.layer_6b import turned_up_softmax

case = ca.random_case(6, 6, n_head=1, d_model=8, d_key=4, d_value=4, scale=0.7)
with style():
    figure = new_figure(3.5, width=7)
    panels = figure.subplots(1, 3, sharey=True)
    for panel, gamma in zip(panels, (0.0, 0.5, 1.5), strict=True):
        knob = np.full((1, 1, 1), gamma)
        circuit = ca.attend(
            case, partial(knob_wiring, gamma=knob), settle=0.5 * second, window=0.1 * second, target="numpy"
        ).attention[0]
        algebra = turned_up_softmax(case.tokens, case.block, knob[0]).kappa[0]
        panel.bar(range(6), circuit[0], color=CYCLE[0])
        panel.plot(range(6), algebra[0], "o", color=CYCLE[1])
        panel.set(title=f"gamma = {gamma:g}", xlabel="key token")
    panels[0].set_ylabel("attention of query 0")
