"""
Rates over layers
=================

Mean rates of single cells in the measured window, from the thalamus up to the surface of the cortex. Each point is a cell;
many are silent, since a signed value drives only one of its two cells, on or off.
"""

import numpy as np
from brian2 import second

import cortical_attention as ca
from cortical_attention.readout.style import LAYER_COLOURS, new_figure, style

case = ca.random_case(0, 5, n_head=1, d_model=4, d_key=3, d_value=3, scale=2.0)
answer = ca.attend(case, form="spiking", settle=1 * second, window=1 * second, target="numpy")
rng = np.random.default_rng(0)
names = ["core", "matrix", "higher_order", "pyramidal_tract", "intratelencephalic", "interneuron", "superficial"]
layers = {record.name: record.layer for record in answer.recording.records}
with style():
    figure = new_figure(4.5, width=7)
    panel = figure.subplots()
    for place, name in enumerate(names):
        rates = [train.size / 1.0 for train in answer.spiketrains(name)]
        panel.scatter(
            rates, place + rng.uniform(-0.3, 0.3, len(rates)), s=8, alpha=0.5, color=LAYER_COLOURS[layers[name]]
        )
        panel.plot([np.mean(rates)] * 2, [place - 0.4, place + 0.4], color="black")
    panel.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    panel.set(xlabel="rate (Hz); black: mean", xlim=(-2, None))
