"""
2. A first spiking head
=======================

**Goal:** give an attention block to the circuit, let it answer in rates and in spikes, and judge from the report
whether it computes attention, or only something that looks like it.

**You need:** :doc:`tutorial 1 <01_eight_lines>`, or the formula of linear attention. A *spike* is an event without
size; what a spiking cell says is how many spikes it sends in a second. The script takes about ten seconds.
"""

import tempfile
from pathlib import Path

import numpy as np
from brian2 import second

import cortical_attention as ca
from cortical_attention.readout.style import CYCLE, new_figure, style

# %%
# A case goes in
# --------------
#
# A *case* is a file with the tokens and the weights of one attention block. Shapes are those of tutorial 1, with the
# head first. Here everything is drawn at random. The weights of queries and keys are twice as large as usual, so that
# attention differs from token to token: where it is nearly uniform, any average of the values passes for attention.
#
# ``calibration`` holds other sequences of the same kind. Spiking cells have a limited range, and before it runs a
# circuit chooses for each population the rate that stands for the number one. It does so on these sequences, and never
# sees the tokens that it is tested on.

rng = np.random.default_rng(8)
n_token, n_head, d_model, d_key, d_value = 4, 1, 6, 3, 3
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "mine.npz"
    np.savez(
        path,
        tokens=rng.normal(size=(n_token, d_model)),
        W_Q=2 * rng.normal(size=(n_head, d_key, d_model)) / np.sqrt(d_model),
        W_K=2 * rng.normal(size=(n_head, d_key, d_model)) / np.sqrt(d_model),
        W_V=rng.normal(size=(n_head, d_value, d_model)) / np.sqrt(d_model),
        W_O=rng.normal(size=(n_head, d_model, d_value)) / np.sqrt(d_value),
        calibration=rng.normal(size=(16, n_token, d_model)),
    )
    case = ca.load_case(path)

# %%
# Two answers come out
# --------------------
#
# The same wiring answers twice. In the form ``"rate"`` a cell is a number that follows its input; it may be negative.
# In the form ``"spiking"`` it is an integrate-and-fire cell: it adds up its input, and sends a spike when the sum
# reaches one. Spikes are never negative, so a signed value takes two cells, an *on* cell for its positive part and an
# *off* cell for its negative part. The circuit settles for a second, and its spikes are then counted for a second.

brief = {"target": "numpy", "settle": 1 * second, "window": 1 * second}
in_rates = ca.attend(case, form="rate", target="numpy")
in_spikes = ca.attend(case, form="spiking", **brief)
print(in_rates)
print(in_spikes)

# %%
# Is this attention?
# ------------------
#
# A small error alone means little. Linear attention on random inputs is close to an average of the values, and so is
# much else. The report therefore holds the errors of *null models*, formulas that lack one ingredient of attention:
#
# - ``uniform`` has equal weights: neither query nor key;
# - ``key_only`` replaces every query by the mean query, so that all tokens look at the same places;
# - ``additive`` sums key and query, where attention multiplies them. That is what a cell without a product would do.
#
# ``skill`` is one minus the error of the circuit over that of its best null: 1 is perfect, and 0 is no better than a
# formula that does not match keys with queries. ``query_identification`` is the share of tokens whose answer is
# nearest to the algebra's answer to that token, among its answers to all tokens.

for name in ("relative_l2", *(f"{null}_relative_l2" for null in in_spikes.report["nulls"])):
    print(f"{name:24} {in_spikes.report[name]:.4f}")
for name in ("skill", "query_identification", "settled", "n_cell", "n_synapse", "peak_rate_hz"):
    print(f"{name:24} {in_spikes.report[name]}")
assert in_rates.report["relative_l2"] < 1e-6
assert in_spikes.report["relative_l2"] < 0.05 < 0.2 < in_spikes.report["key_only_relative_l2"]
assert in_spikes.report["skill"] > 0.8

# %%
# In rates the error is what is left of settling. In spikes it is the error of counting: a cell that fires 50 times in
# the window cannot say a number more finely than to one part in 50. A window twice as long about halves that error.
#
# ``settled`` says whether the answer stands still: the second half of the window says what the first half did,
# attention sums to one, and no cell was asked for more than it can fire. An answer that has not settled comes with a
# warning and a reason.
#
# A lesion
# --------
#
# A test that cannot fail shows nothing. So we cut the axons that bring the query, from the core thalamus to the basal
# dendrites of L2/3, and keep everything else: cells, weights and calibration. This circuit has to fail, and the
# algebra says by how much: without axons every query is zero.

SYSTEM = ca.SYSTEMS["mask"]  # the wiring, with the algebra and the null models that it is held against


def without_query(times, tokens, **block):
    """The wiring, less the projection that brings the query."""
    plan = SYSTEM.wiring(times, tokens, **block)
    kept = tuple(each for each in plan.circuit.projections if each.name != "core -> superficial.basal")
    return plan._replace(circuit=plan.circuit._replace(projections=kept))


lesioned = ca.attend(case, SYSTEM._replace(wiring=without_query), "spiking", calibration=in_spikes.calibration, **brief)
print(lesioned)
print("skill of the lesioned circuit:", lesioned.report["skill"])

expected = SYSTEM.reference(case.tokens, case.block._replace(W_Q=0 * case.block.W_Q)).output
print("error that the algebra expects:", ca.relative_l2(expected, lesioned.reference))
print("distance from that expectation:", ca.relative_l2(lesioned.output, expected))
assert lesioned.report["skill"] < 0 < 0.2 < lesioned.report["relative_l2"]
assert ca.relative_l2(lesioned.output, expected) < 0.05

# %%
# The picture has the errors side by side, on a logarithmic axis. Circuits are in colour, formulas in grey.

nulls = {
    "null: " + name.replace("_", " "): in_spikes.report[f"{name}_relative_l2"] for name in in_spikes.report["nulls"]
}
circuits = {"rates": in_rates, "spikes": in_spikes, "spikes, query cut": lesioned}
errors = {name: answer.report["relative_l2"] for name, answer in circuits.items()} | nulls
with style():
    figure = new_figure(2.8, width=7)
    panel = figure.subplots()
    panel.barh(list(errors), list(errors.values()), color=[*CYCLE[:3], *["#999999"] * len(nulls)])
    panel.set(xscale="log", xlabel="relative L2 error")
    panel.invert_yaxis()

# %%
# A result draws itself as well: outputs against the algebra, the error over time, and the attention weights.

comparison = in_spikes.comparison()

# %%
# Try it
# ------
#
# 1. Double the window: ``window=2 * second``. By which factor does the error in spikes fall? Leave ``settle`` as it is.
# 2. Draw ``W_Q`` and ``W_K`` at their usual size (without the factor 2). How does the skill change, and how much
#    of that is the circuit's, how much that of the nulls?
# 3. Cut ``"matrix -> superficial.apical"`` instead, which brings the key. Which null does the circuit come near to now?
#
# Next: :doc:`reading a raster <03_reading_a_raster>`. Deeper: :doc:`what a sceptic asks </sceptic>`.
