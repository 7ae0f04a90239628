"""
Membrane and drives of one L2/3 cell
====================================

The query arrives at the basal dendrite from the core thalamus, the key at the apical dendrite from the matrix thalamus. The
soma fires at a rate that is their product, divided by the inhibition of the macrocolumn (the shunt).
"""

from brian2 import second

import cortical_attention as ca
from cortical_attention.readout.style import LAYER_COLOURS, new_figure, style

case = ca.random_case(0, 4, n_head=1, d_model=4, d_key=2, d_value=2, scale=2.0)
cell = {"head": 0, "token": 2, "context": 1, "key": 0, "count": 1}
names = {"v": "membrane", "basal": "basal (query)", "apical": "apical (key)", "shunt": "shunt (Z)"}
answer = ca.attend(
    case, form="spiking", settle=1 * second, window=0.5 * second, target="numpy",
    record={"superficial": {"variables": list(names), **cell}},
)  # fmt: skip
with style():
    figure = new_figure(5, width=7)
    panels = figure.subplots(len(names), 1, sharex=True)
    for panel, (variable, name) in zip(panels, names.items(), strict=True):
        trace = answer.trace("superficial", variable)
        late = trace.time_slice(1 * trace.times.units, None)
        panel.plot(late.times, late.magnitude, color=LAYER_COLOURS["L2/3"])
        panel.set_ylabel(name)
    panels[0].set_title("One L2/3 cell: values, without unit (threshold of the membrane at 1)")
    panels[-1].set(xlabel="time (s)", xlim=(1, 1.5))
