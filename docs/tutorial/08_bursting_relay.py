"""
8. A bursting relay
===================

**Goal:** put a thalamic relay cell into tonic and into burst mode, see what each mode relays, and whether attention to
what the relays say is still attention to what they were told.

**You need:** :doc:`tutorial 2 <02_first_spiking_head>`. Until now relays said what they were told. Real ones have a
*T-current*, a calcium current that opens below the usual threshold. Depolarised, it is inactivated, and the cell fires
one spike after another (*tonic* mode). After 100 ms of hyperpolarisation it is ready again, and the next input brings
a *burst* of a few spikes. For a reader from machine learning: burst mode is an input embedding with a memory. The
script takes some seconds.
"""

import numpy as np
from brian2 import Hz, ms, mV

import cortical_attention as ca
from cortical_attention.cells.membranes.fire_or_burst import FIRE_OR_BURST
from cortical_attention.cells.membranes.thalamic import CONDUCTANCE, DENSITY, holding
from cortical_attention.circuits.nucleus import Driver, Nucleus
from cortical_attention.readout.agreement import relative_l2_by_design
from cortical_attention.readout.bursts import bursts
from cortical_attention.readout.style import CYCLE, new_figure, style
from cortical_attention.simulation.nuclei import simulate

# %%
# Two modes of one cell
# ---------------------
#
# The cell is the integrate-and-fire-or-burst cell of Smith, Cox, Sherman and Rinzel (2000). Twenty cells each are held
# at a depolarised or at a hyperpolarised potential, and get a current that swings at 2 Hz. A third set is
# hyperpolarised, but has its T-current taken away: the control.

WITHOUT_T = FIRE_OR_BURST.changed(g_T=0 * CONDUCTANCE)
modes = {  # membrane, holding potential, amplitude of the sine
    "tonic": (FIRE_OR_BURST, -25 * mV, 0.4),
    "burst": (FIRE_OR_BURST, -75 * mV, 0.8),
    "no_T_current": (WITHOUT_T, -75 * mV, 0.8),
}
phase = 2 * np.pi * 2 * np.arange(200)[:, None] * 0.01  # 200 slots of 10 ms
nuclei = [
    Nucleus(name, cell, 20, holding(cell, held) + swing * np.sin(phase) * DENSITY, sigma=2 * mV)
    for name, (cell, held, swing) in modes.items()
]
sent = simulate(nuclei, slot=10 * ms, n_slot=200, dt=0.2 * ms, seed=1, target="numpy")
for name, spikes in sent.items():
    found = bursts(spikes.cells, spikes.times)
    size = found.spikes.mean() if len(found.spikes) else 0
    print(f"{name}: {len(spikes.cells) / 40:.1f} spikes/s per cell, {len(found.times)} bursts, of {size:.1f} spikes")
assert len(bursts(sent["tonic"].cells, sent["tonic"].times).times) == 0
assert len(bursts(sent["burst"].cells, sent["burst"].times).times) > 50

# %%
# A burst is counted as recordings do: a silence of 100 ms, then at least two spikes in quick succession. In tonic mode
# the rate follows the sine, up and down; in burst mode each cycle brings one burst at its rise, and silence.

with style():
    figure = new_figure(3.4, width=7)
    panels = figure.subplots(3, 1, sharex=True)
    for panel, (name, spikes), colour in zip(panels, sent.items(), CYCLE, strict=False):
        panel.vlines(spikes.times, spikes.cells - 0.4, spikes.cells + 0.4, color=colour, linewidth=0.8)
        panel.set(title=name.replace("_", " "), ylabel="cell", ylim=(-1, 20), yticks=[0, 19])
    panels[-1].set(xlabel="time (s)", xlim=(0, 2))

# %%
# What is relayed of tokens
# -------------------------
#
# Now relays are shown tokens. A token has six components between 0 and 2, and each component drives 160 relays, by
# Poisson trains of 20 spikes/s for a component of one. After 300 ms half of the tokens are replaced. What do the
# relays say in the 50 ms before the change, and in the 50 ms after it? (Components above zero spare us off cells.)

rng = np.random.default_rng(2)
n_input, n_token, d_model, n_cell = 6, 4, 6, 160
before, other = rng.uniform(0, 2, size=(2, n_input, n_token, d_model))
new = np.arange(n_token) < n_token // 2
after = np.where(new[:, None], other, before)
shown = np.stack([before] * 6 + [after]).reshape(7, -1)  # 7 slots of 50 ms
driver = np.repeat(shown, n_cell, axis=1) * 20 * Hz


def relayed(cell, held):
    """Numbers (2 windows, 2 halves of the cells, n_input, n_token, d_model) that relays stand for."""
    drive = Driver(driver, 0.25 * CONDUCTANCE)
    nucleus = Nucleus("relay", cell, driver.shape[1], holding(cell, held), 2 * mV, drivers=(drive,), start=held)
    spikes = simulate([nucleus], slot=50 * ms, n_slot=7, dt=0.2 * ms, seed=2, target="numpy")["relay"]
    counts = spikes.rates(50 * ms)[-2:].reshape(2, n_input, n_token, d_model, 2, -1).mean(axis=-1)
    unit = (counts[0] * before[..., None]).sum() / (2 * (before**2).sum())  # Hz for a component of one, at rest
    return np.moveaxis(counts / unit, -1, 1)


arms = {"tonic": (FIRE_OR_BURST, -45 * mV), "burst": (FIRE_OR_BURST, -75 * mV), "no_T_current": (WITHOUT_T, -75 * mV)}
numbers = {name: relayed(*arm) for name, arm in arms.items()}

# %%
# The gain of a relay is what it says for a component of one. In tonic mode it is the same for tokens that are new and
# for tokens that were there before. Bursts answer to what is *new* with a higher gain, since the T-current of a relay
# that was quiet has recovered. Without the T-current a hyperpolarised cell is slow, and its gain for what is new is
# lower.

novelty = {}
for name, both in numbers.items():
    mean = both[1].mean(axis=0)
    gains = [(mean[:, which] * after[:, which]).sum() / (after[:, which] ** 2).sum() for which in (new, ~new)]
    novelty[name] = gains[0] / gains[1]
    print(f"{name}: gain for new tokens over gain for old ones {novelty[name]:.2f}")
assert novelty["burst"] > 1.3 > 1.15 > novelty["tonic"] > 0.85 > novelty["no_T_current"]

# %%
# Attention to what is relayed
# ----------------------------
#
# Does the equivalence survive? Keys and values come from the matrix nucleus. We let the *algebra* of attention read
# the relays' numbers as its context, with the true tokens as queries, and compare with attention to the true tokens.
# Any error is then that of the relays. Two halves of the cells with independent noise tell the error by design from
# noise.

block = ca.random_case(4, n_token, n_head=1, d_model=d_model, d_key=4, d_value=4, scale=2.0).block
attention = ca.SYSTEMS["mask"].reference
left = {}
for name, both in numbers.items():
    for window, (halves, tokens) in enumerate(zip(both, (before, after), strict=True)):
        answers = [attention(tokens, block, context=half).output for half in halves]
        left[name, window] = relative_l2_by_design(answers, attention(tokens, block).output)
    print(f"{name}: error before the change {left[name, 0]:.2f}, in the first 50 ms after it {left[name, 1]:.2f}")
assert left["tonic", 1] < 0.5 * left["burst", 1]

with style():
    relays = new_figure(3, width=7)
    panels = relays.subplots(1, 3, sharex=True, sharey=True)
    for panel, (name, both) in zip(panels, numbers.items(), strict=True):
        mean = both[1].mean(axis=0)
        for which, label, colour in ((~new, "old token", CYCLE[5]), (new, "new token", CYCLE[1])):
            panel.plot(after[:, which].ravel(), mean[:, which].ravel(), "o", color=colour, markersize=3, label=label)
        panel.axline((0, 0), slope=1, color="#BBBBBB")
        panel.set(title=name.replace("_", " "), xlabel="component of the token")
    panels[0].set(ylabel="relayed, first 50 ms")
    panels[0].legend(loc="upper left")

# %%
# With tonic relays the answer stays near attention. With bursting ones it does not, since the weight of a token
# depends on what was there before it. An embedding without memory, f(x), would have left the circuit in the attention
# family; whether any f(x) could explain such an answer is asked, and answered, on the deeper page.
#
# Try it
# ------
#
# 1. Hold the bursting cells at -65 mV, then at -85 mV. How does the novelty gain change?
# 2. Look at the next 50 ms as well: add a slot of ``after``, and compare the last two windows.
# 3. Why does the cell without T-current distort attention, too?
#
# Next: :doc:`learning <09_learning>`. Deeper: :doc:`relay cells </relays>` and :doc:`attention in burst mode
# </burst_attention>`.
