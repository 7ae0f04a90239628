"""
f-I curves of the membranes
===========================

Current in units of the distance from rest to threshold, about 20 mV. A circuit of adaptive cells is calibrated by such
curves, which are measured in Brian2 on the same membrane; noise lets cells fire below threshold, adaptation bends the curve.
"""

import numpy as np
from brian2 import ms, second

from cortical_attention.cells.forms import FORMS
from cortical_attention.cells.membranes.f_i import rates_at
from cortical_attention.readout.style import new_figure, style

adaptive, exponential = FORMS["adaptive"], FORMS["exponential"]
membranes = {
    "pyramidal, adaptive form": adaptive.membrane,
    "the same without noise": adaptive.membrane.changed(sigma=0.0),
    "fast spiking, adaptive form": adaptive.of_kind["fast spiking"],
    "pyramidal, exponential form": exponential.membrane,
}
currents = np.linspace(0, 3, 25)
with style():
    figure = new_figure(4, width=7)
    panel = figure.subplots()
    for name, membrane in membranes.items():
        rates = rates_at(membrane, currents, 1 * ms, n_cell=4, window=1 * second)
        panel.plot(currents, rates, label=name)
    panel.set(xlabel="current (1: threshold)", ylabel="rate (Hz)", title="f-I curves")
    panel.legend()
