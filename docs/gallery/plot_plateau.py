"""
Plateau of a two-compartment cell
=================================

A current into the soma alone brings mostly single spikes, one into the apical dendrite alone hardly any. Both together bring
calcium plateaus, on which bursts ride: more spikes than the two currents bring one by one. Rates are means over 20 cells.
"""

import numpy as np
from brian2 import Network, StateMonitor, ms, mV, pA, second

from cortical_attention.cells.membranes.two_compartment import TwoCompartment, cells_under
from cortical_attention.readout.style import CYCLE, new_figure, style

currents = {"soma alone, 400 pA": (400, 0), "dendrite alone, 300 pA": (0, 300), "both": (400, 300)}
soma, dendrite = np.repeat(list(currents.values()), 20, axis=0).T * pA
group = cells_under(soma, dendrite, TwoCompartment(), seed=1)
traces = StateMonitor(group, ["V_s", "V_d"], record=[0, 20, 40], clock=group.clock)
Network(group, traces).run(2 * second, namespace={})
spikes, bursts = (np.reshape(getattr(group, name), (3, 20)).mean(axis=1) / 2 for name in ("total", "burst"))
with style():
    figure = new_figure(5, width=7)
    panels = figure.subplots(3, 1, sharex=True, sharey=True)
    for k, (panel, name) in enumerate(zip(panels, currents, strict=True)):
        panel.plot(traces.t / ms, traces.V_d[k] / mV, color=CYCLE[1], label="apical dendrite")
        panel.plot(traces.t / ms, traces.V_s[k] / mV, color=CYCLE[0], label="soma")
        panel.set(title=f"{name}: {spikes[k]:.1f} spikes and {bursts[k]:.1f} bursts a second", ylabel="mV")
    panels[0].legend(ncols=2)
    panels[-1].set(xlabel="time (ms)", xlim=(1000, 2000))
