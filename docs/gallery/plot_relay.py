"""
Relay cell in burst and in tonic mode
=====================================

The same current step reaches a thalamic relay cell from two potentials. Held above -60 mV its T-current is inactivated and
it fires single spikes; held below, it has recovered, and the step begins with a burst.
"""

import numpy as np
from brian2 import ms, mV

from cortical_attention.cells.membranes.fire_or_burst import FIRE_OR_BURST
from cortical_attention.cells.membranes.thalamic import DENSITY, holding
from cortical_attention.circuits.nucleus import Nucleus
from cortical_attention.readout.style import CYCLE, new_figure, style
from cortical_attention.simulation.nuclei import simulate

modes = {"tonic mode: held at -55 mV": -55 * mV, "burst mode: held at -75 mV": -75 * mV}
held = np.array([holding(FIRE_OR_BURST, v) / DENSITY for v in modes.values()])
step = np.where((np.arange(10) >= 3) & (np.arange(10) < 8), 1.0, 0.0)[:, None]  # slots of 50 ms
relay = Nucleus("relay", FIRE_OR_BURST, 2, (held + step) * DENSITY, sigma=0 * mV)
found = simulate([relay], slot=50 * ms, n_slot=10, target="numpy", traces={"relay": (("v",), [0, 1])})["relay"]
with style():
    figure = new_figure(4, width=7)
    panels = figure.subplots(2, 1, sharex=True, sharey=True)
    for k, (panel, name) in enumerate(zip(panels, modes, strict=True)):
        panel.plot(0.1 * np.arange(len(found.traces["v"])), 1e3 * found.traces["v"][:, k], color=CYCLE[4])
        panel.eventplot(1e3 * found.times[found.cells == k], lineoffsets=-20, linelengths=10, color="black")
        panel.set(title=name, ylabel="membrane (mV)")
    panels[-1].set(xlabel="time (ms); current step from 150 to 400 ms", xlim=(0, 500))
