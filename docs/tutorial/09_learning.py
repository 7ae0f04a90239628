"""
9. Learning
===========

**Goal:** let a circuit *learn* where to look, by what its synapses have at hand, and check what it asks of its synapses
against the gradient that a computer would take.

**You need:** :doc:`tutorial 1 <01_eight_lines>` for index expressions. A *gradient* says by how much each weight
should change so that the error falls fastest; machine learning computes it backwards through all layers. A *local*
rule may use only what is at the synapse. The script takes about ten seconds.
"""

import numpy as np
from brian2 import ms, second

from cortical_attention.cells.rules import RULES
from cortical_attention.inputs.recall import answered
from cortical_attention.readout.style import CYCLE, SEQUENTIAL, new_figure, style
from cortical_attention.trials.learn import LEARNING, TEST, right, sequences
from cortical_attention.trials.online import STILL, How, State, cosines, initial, teach

# %%
# A task that cannot be learnt by heart
# -------------------------------------
#
# Associative recall: the context holds four pairs of a symbol and a value (cat: red, dog: blue, ...), dealt out anew
# for every sequence. Each of four tokens shows one symbol and asks for its value. Which value is right changes all the
# time, so that it can only be looked up. An answer that ignores the query is right on exactly one question in four.
#
# Sixteen sequences at once make a *presentation*. There are 24 ways to deal four values; half of them are shown for
# learning, and the other half is asked afterwards.

seed, n_presentation = 4, 40
drawn = sequences(seed, LEARNING, 0, n_presentation)
new = sequences(seed, TEST, 0, 4)
print("a question:   ", drawn.tokens[0, 0, 0].astype(int), "-> value", drawn.labels[0, 0, 0])
print("pairs to look up:")
print(drawn.context[0, 0].astype(int))

# %%
# What the circuit knows and what it has to find
# ----------------------------------------------
#
# To keep this short, the circuit knows *what to say*: its values copy the second half of a pair, and its output writes
# it. It does not know *where to look*: queries and keys are random, and only they learn.
#
# Besides the cells of attention it has cells for errors. An error cell compares the answer with the target that a
# teacher gives; feedback takes the error back to the area; a *credit* cell of every microcolumn then says how much
# better, or worse, looking there was than looking at the average of all places. A synapse of a query has four things to
# multiply: the rate of its own L2/3 cell, the slope of its dendrite, the credit of its microcolumn, and the rate of
# the axon that ends on it.

QUERIES_AND_KEYS = {name: RULES["exact"].rules[name] for name in ("W_Q", "W_K")}
for name, rule in QUERIES_AND_KEYS.items():
    print(name, ":", " x ".join(f"{factor.population} {factor.what}" for factor in rule.factors), f'  "{rule.line}"')

weights = initial(np.random.default_rng([seed, 9]), n_head=1, d_key=4, d_value=4, d_model=8)
weights["W_V"] = np.eye(8)[None, 4:]
weights["W_O"] = np.eye(8)[None, :, :4]

# %%
# Learning
# --------
#
# Each presentation lasts 300 ms. In its last quarter a teaching gate is open, and synapses remember the mean of each
# factor; then weights change by the product, plus nine tenths of their last change (*momentum*). The control is taught
# with the same cells and rules, but its teacher gives the targets of *other* sequences.

how = How(presentation=0.3 * second, dt=5 * ms, target="numpy")  # in rates
steps = {"step": 1 / 64, "momentum": 0.9}
rules = {"learning": "exact", "wrong teacher": "shuffled_sequences"}
courses = {
    name: teach(drawn, State(weights, {}), RULES[rule]._replace(rules=QUERIES_AND_KEYS), steps, how)
    for name, rule in rules.items()
}
shares = {name: right(course.output, drawn).mean(axis=(1, 2)) for name, course in courses.items()}
for name, share in shares.items():
    print(
        f"{name}: {share[:5].mean():.0%} right in the first five presentations, {share[-5:].mean():.0%} in the last five"
    )

# %%
# And was it the gradient? The cosine of what the synapses asked for with the gradient of the algebra is one if both
# point the same way.

asked = cosines(courses["learning"], drawn)
print({name: round(float(each.min()), 4) for name, each in asked.items()}, "at least")
assert min(each.min() for each in asked.values()) > 0.99

# %%
# New sequences
# -------------
#
# With the learnt weights held still, the circuit is asked what it was never shown.

state = courses["learning"].state
exam = teach(new, state, RULES["exact"]._replace(rules=QUERIES_AND_KEYS), STILL, how)
share = right(exam.output, new).mean()
print(f"right on new sequences: {share:.0%}")
print("the first answers:", answered(exam.output[0, 0]), "and the right ones:", new.labels[0, 0])
assert share > 0.95
assert shares["learning"][-5:].mean() > 0.95
assert shares["wrong teacher"][-5:].mean() < 0.5

# %%
# Left: right answers while learning. Right: where four questions look, in the first presentation and in the exam.
# Orange marks the pair that was asked for.

with style():
    figure = new_figure(2.9, width=7)
    curve, *maps = figure.subplots(1, 3, width_ratios=[1.8, 1, 1])
    for (name, values), colour in zip(shares.items(), (CYCLE[0], "#999999"), strict=True):
        curve.plot(values, color=colour, label=name)
    curve.axhline(0.25, color="black", linestyle=":", label="query ignored")
    curve.set(xlabel="presentation", ylabel="right answers", ylim=(0, 1.05))
    curve.legend(loc="upper left")
    looks = {"first presentation": (courses["learning"], drawn), "exam": (exam, new)}
    for panel, (name, (course, asked_for)) in zip(maps, looks.items(), strict=True):
        panel.imshow(course.attention[0, 0, 0], cmap=SEQUENTIAL, vmin=0, vmax=1)
        panel.plot(asked_for.places[0, 0], range(4), "s", color=CYCLE[4], markersize=4)
        panel.set(title=name, xlabel="pair looked at", xticks=range(4), yticks=range(4))
    maps[0].set(ylabel="question")

# %%
# So a circuit can follow the gradient by products at its synapses. What it was given is a teacher, feedback with the
# right weights, weights that copies of a synapse share, and a gate that says when to learn. How much of this can be
# taken away is the subject of the deeper pages.
#
# Try it
# ------
#
# 1. Try other seeds. How many presentations do they need?
# 2. Set the momentum to zero. How many presentations does the circuit need now?
# 3. Replace ``"exact"`` by ``"no_baseline"``: credit then does not know the average of all places. Does the circuit
#    learn, and what do the cosines say?
#
# This is the last tutorial. Deeper: :doc:`learning </learn>`, :doc:`the gradient in spikes </credit>`, and
# :doc:`matching images by example </learn_match>`.
