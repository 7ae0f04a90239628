"""
Pairs of on and off cells
=========================

A cell cannot fire at a negative rate, so a signed value takes two: an on cell fires for values above zero, an off cell for
values below. Their difference, over the unit rate, is the value.
"""

import numpy as np
from brian2 import second

import cortical_attention as ca
from cortical_attention.readout.style import CYCLE, new_figure, style

case = ca.random_case(0, 6, n_head=1, d_model=4, d_key=2, d_value=2)
answer = ca.attend(case, form="spiking", settle=0.5 * second, window=1 * second, target="numpy")
with style():
    figure = new_figure(4, width=7)
    panel = figure.subplots()
    for sign, colour in (("on", CYCLE[0]), ("off", CYCLE[1])):
        trains = answer.spiketrains("core", sign=sign)
        values = [case.tokens[each.annotations["token"], each.annotations["model"]] for each in trains]
        panel.scatter(values, [each.size / 1.0 for each in trains], color=colour, label=f"{sign} cells")
    unit_rate = float(np.ravel(answer.calibration.unit_rates["core"])[0])
    panel.axline((0, 0), slope=unit_rate, color="#777777", linestyle=":")
    panel.axline((0, 0), slope=-unit_rate, color="#777777", linestyle=":", label="unit rate times value")
    panel.set(xlabel="component of a token", ylabel="rate (Hz)", ylim=(-5, None), title="Core thalamus")
    panel.legend()
