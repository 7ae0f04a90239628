"""
3. Reading a raster
===================

**Goal:** read the spikes of a circuit as an electrophysiologist would: which cells they come from, when the answer
begins to count, how fast and how regularly cells fire, and what their membranes do.

**You need:** :doc:`tutorial 2 <02_first_spiking_head>`; for the tables, in your clone, ``pip install '.[analysis]'``,
which brings pandas and Elephant. The script takes some seconds.
"""

import warnings

import numpy as np
from brian2 import Network, SpikeMonitor, StateMonitor, ms, mV, pA, second
from elephant.statistics import cv, isi, mean_firing_rate

import cortical_attention as ca
from cortical_attention.cells.membranes.two_compartment import TwoCompartment, cells_under
from cortical_attention.readout.style import CYCLE, new_figure, style

warnings.filterwarnings("ignore", message="The 'copy' argument in Quantity")  # Elephant's, of no concern here

# %%
# A run with a recording
# ----------------------
#
# A recording holds the spikes of a sample of all cells. ``record`` asks for more: any variable of the somata of chosen
# cells, here the membrane variable ``v`` of one L2/3 cell. (``cortical-attention describe CASE --form FORM`` lists the
# variables of a form.)

case = ca.random_case(3, n_token=3, n_head=1, d_model=4, d_key=2, d_value=2, scale=2.0)
answer = ca.attend(
    case, form="spiking", target="numpy", settle=1 * second, window=1 * second,
    record={"superficial": {"variables": ["v"], "token": 0, "context": 2, "count": 1}},
)  # fmt: skip
print(answer)

# %%
# The raster
# ----------
#
# One panel per population, in anatomical order: cortex from its surface down, then the thalamus. One row per cell, one
# mark per spike. Where a population is signed, a value has a pair of cells: the *on* cell (above, dark) fires when the
# value is positive, the *off* cell (below, light) when it is negative, and of a pair at most one should fire. The
# input enters at the bottom, through core and matrix, and the answer leaves through the higher-order nucleus.
#
# The shaded half is settling time. The answer is read from the white half alone, the measured *window*, by counting
# spikes. The lowest panel is the recorded membrane, below the spikes of its cell.

raster = answer.raster()

# %%
# The first instants show why a circuit has to settle. Relays fire at once, since the tokens are there from the start,
# and L2/3 cells soon after. But synapses are slow here, with a time constant of 100 ms, so that the activity of L5 and
# of the higher-order nucleus builds up one after the other.

onset = answer.raster(t_stop=0.3 * second)

# %%
# Rates and regularity
# --------------------
#
# ``to_dataframe()`` has a row per population, and ``to_dataframe(per="cell")`` a row per cell. Only the measured
# window counts. ``cv`` is the *coefficient of variation* of the intervals between spikes, their standard deviation
# over their mean: 0 for a clock, 1 for a Poisson process. Cells of waking cortex are nearer to 1.

populations = answer.to_dataframe()
print(populations[["population", "layer", "n_cell", "n_spikes", "rate_hz", "cv"]].round(2).to_string(index=False))
cells = answer.to_dataframe(per="cell")
core = cells[cells.population == "core"]
print(core.pivot_table(index="token", columns=["model", "sign"], values="rate_hz").round(0).to_string())

# %%
# Most of these cells fire like clocks. An integrate-and-fire cell without noise turns a constant input into equal
# intervals, and all that varies here is the ripple of synapses that other spikes leave behind. It is strongest in
# L2/3, where one rippling input is multiplied by another. That is the point of this form: nearly all of its error is
# counting, so that a failure would be one of the wiring. The forms ``"adaptive"`` and ``"biophysical"`` have noise.

assert populations.set_index("population").cv.idxmax() == "superficial"

# %%
# The same numbers from spike trains, with Elephant. ``spiketrains`` gives neo objects, which other tools read as well;
# the places are the axes of the population.

trains = answer.spiketrains("core", token=2)
for train in trains:
    if len(train) > 2:
        place = {name: train.annotations[name] for name in ("model", "sign")}
        print(place, mean_firing_rate(train).rescale("Hz").round(1), "cv", round(float(cv(isi(train))), 3))
assert all(float(cv(isi(train))) < 1 for train in trains if len(train) > 2)

# %%
# From rates back to numbers
# --------------------------
#
# The rate that stands for the number one is the *unit rate* of a population. Divided by it, rate of the on cell less
# rate of the off cell is the token that was put in.

on, off = (core[core.sign == sign].sort_values(["token", "model"]).rate_hz.to_numpy() for sign in ("on", "off"))
decoded = (on - off).reshape(case.tokens.shape) / answer.calibration.unit_rates["core"]
print(np.stack([decoded[0], case.tokens[0]]).round(2))
assert np.abs(decoded - case.tokens).max() < 0.1

# %%
# A cell with a membrane
# ----------------------
#
# The form ``"biophysical"`` has L2/3 and L5 IT cells with two compartments, soma and apical dendrite, after Naud and
# Sprekeler (2018), whose cell is a thick-tufted pyramidal cell of layer 5. Nobody told them to multiply. A whole circuit
# of them takes minutes, a single cell less than a second. It receives a basal current, an apical current, or both; where a
# current is off, a weak one of -200 pA keeps the compartment down. The last pair of currents is about that of one L2/3 cell
# of a circuit, on :doc:`the page on cells </own_cells>`. Twenty cells with independent noise show what is typical, and one
# of them is drawn.

n_cell = 20
conditions = {
    "basal current": (500, -200), "apical current": (-200, 300), "both currents": (500, 300),
    "currents of a circuit": (-293, 490),
}  # fmt: skip
currents = np.repeat(np.array(list(conditions.values())), n_cell, axis=0).T * pA
group = cells_under(*currents, TwoCompartment(), seed=3)
monitor, fired = StateMonitor(group, ["V_s", "V_d", "plateau"], record=True, clock=group.clock), SpikeMonitor(group)
Network(group, monitor, fired).run(1 * second, namespace={})
spikes, bursts = (np.reshape(count, (-1, n_cell)).mean(axis=1) for count in (group.total, group.burst))

with style():
    membranes = new_figure(5.4, width=7)
    panels = membranes.subplots(len(conditions), 1, sharex=True, sharey=True)
    for k, (panel, name) in enumerate(zip(panels, conditions, strict=True)):
        panel.plot(monitor.t / ms, monitor.V_d[k * n_cell] / mV, color=CYCLE[1], label="apical dendrite")
        panel.plot(monitor.t / ms, monitor.V_s[k * n_cell] / mV, color=CYCLE[0], label="soma", linewidth=1)
        panel.set(ylabel="mV", title=f"{name}: {spikes[k]:.1f} spikes and {bursts[k]:.1f} bursts per second")
    panels[-1].set(xlabel="time (ms)")
    membranes.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
print("bursts per second:", dict(zip(conditions, bursts.tolist(), strict=True)))
assert bursts[2] > 5 * (bursts[0] + bursts[1])

# %%
# Basal current alone makes single spikes, and apical current alone hardly reaches the soma. Together they do what
# neither does: more than five times the bursts of each alone, added up. Bursts ride on a *plateau*, a calcium spike
# of the dendrite of tens of milliseconds. (A spike itself is a point in this model: the soma crosses its threshold and is
# reset.) So a burst says that both inputs were there, which is near to a product. How near is measured by the ladder.
#
# Which comes first, spike or plateau? The variable ``plateau`` is the opening of the calcium current, between 0 and 1. We
# say that a plateau begins where it rises above one half, and ask whether the soma fired in the 10 ms before.

rising = np.diff((monitor.plateau > 0.5).astype(int), axis=1) > 0
trains = fired.spike_trains()
preceded = {}
for k, name in enumerate(conditions):
    cells = range(k * n_cell, (k + 1) * n_cell)
    found = [
        np.any((trains[cell] >= onset - 10 * ms) & (trains[cell] < onset))
        for cell in cells for onset in monitor.t[1:][rising[cell]]
    ]  # fmt: skip
    preceded[name] = np.mean(found)
    print(f"{name}: {len(found)} plateaus, of which {preceded[name]:.0%} follow a spike")
assert preceded["both currents"] > 0.8
assert preceded["currents of a circuit"] < 0.05

still = cells_under([-293] * pA, [490] * pA, TwoCompartment(sigma=0 * pA), seed=3)
Network(still).run(1 * second, namespace={})
assert still.total[0] == 0  # without noise

# %%
# It depends on the currents. Where the soma is driven above its threshold, nearly every plateau follows a spike: the
# spike runs back into the dendrite and ignites it. (Under basal current alone the spike itself lifts the dendrite for a
# few milliseconds, and no plateau stays.) Under the currents of a circuit it is the reverse. The current into the soma is
# negative there, since the fit of the circuit adds a constant of about -350 pA to the query (the page on cells prints it);
# without noise such a cell is silent. Noise opens the plateau, and the spikes come on it. In a circuit, expect the plateau
# first.
#
# Try it
# ------
#
# 1. Record ``"apical"`` and ``"basal"`` of the same L2/3 cell besides ``"v"``. Divide their product by the value of the
#    interneuron: is this the value of the cell?
# 2. Draw ``answer.raster(token=1)``. Which populations have an axis of tokens, and which do not?
# 3. Run ``form="adaptive", cells=8``, and print the table again. Which ``cv`` does noise bring?
#
# Next: :doc:`your own block <04_your_own_block>`. Deeper: :doc:`ways in and out </ways>`, and, of membranes, the
# :doc:`ladder </ladder>`.
