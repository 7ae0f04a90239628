"""
Plateau of a two-compartment cell
=================================

A current into the soma alone brings single spikes, one into the apical dendrite alone hardly any. Together they bring
calcium plateaus, on which bursts ride: more spikes than both currents bring one by one.
"""

import numpy as np
from brian2 import Network, StateMonitor, ms, mV, pA, second

from cortical_attention.cells.membranes.two_compartment import TwoCompartment, cells_under
from cortical_attention.readout.style import CYCLE, new_figure, style

currents = {"soma alone: 400 pA": (400, 0), "dendrite alone: 300 pA": (0, 300), "both": (400, 300)}
soma, dendrite = np.array(list(currents.values())).T * pA
group = cells_under(soma, dendrite, TwoCompartment(), seed=1)
traces = StateMonitor(group, ["V_s", "V_d"], record=True, clock=group.clock)
Network(group, traces).run(0.7 * second, namespace={})
with style():
    figure = new_figure(5, width=7)
    panels = figure.subplots(3, 1, sharex=True, sharey=True)
    for k, (panel, name) in enumerate(zip(panels, currents, strict=True)):
        panel.plot(traces.t / ms, traces.V_d[k] / mV, color=CYCLE[1], label="apical dendrite")
        panel.plot(traces.t / ms, traces.V_s[k] / mV, color=CYCLE[0], label="soma")
        panel.set(title=name, ylabel="mV")
    panels[0].legend(ncols=2)
    panels[-1].set(xlabel="time (ms)", xlim=(200, 700))
