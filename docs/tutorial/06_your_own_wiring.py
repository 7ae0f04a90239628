"""
6. Your own wiring
==================

**Goal:** add a path of your own to the circuit, let the anatomy object to it, and hold the result against its algebra,
in rates and in spikes, beside null models and a lesion.

**You need:** :doc:`tutorial 1 <01_eight_lines>` for index expressions, :doc:`tutorial 2 <02_first_spiking_head>` for
nulls. The script takes about ten seconds.

In a transformer attention does not replace a token, it is *added* to it: :math:`y_i = x_i + \\tilde x_i`. This is the
skip path, or residual stream. The circuit of the paper has none. We build one.
"""

import numpy as np
from brian2 import second

import cortical_attention as ca
from cortical_attention.readout.style import CYCLE, new_figure, style

# %%
# A path, first try
# -----------------
#
# The answer is carried by the higher-order nucleus, and the token by the core thalamus. What drives the higher-order
# nucleus are L5 PT cells, so the shortest path is a population of such cells that the core reaches directly.
#
# A *population* is a cell type with named axes, one cell for every index. The new one has a cell for each token and
# each component of the model, and it is *signed*: values may be negative, and forms with spikes give it pairs of
# cells. Its cell type is that of the L5 PT cells that are there already. In an index expression ``i`` is the token and
# ``m`` the component; ``"im -> im"`` connects like to like, with weights of one.


MASK = ca.SYSTEMS["mask"]


def short_path(times, tokens, **block):
    """The mask wiring, and L5 PT cells that repeat the token."""
    plan = MASK.wiring(times, tokens, **block)
    populations, axes = plan.circuit.populations, plan.circuit.populations["core"].axes
    stream = ca.Population("stream", populations["pyramidal_tract"].cell, axes, signed="soma")
    added = (
        ca.Projection("core", "stream.soma", "im -> im"),
        ca.Projection("stream", "higher_order.soma", "im -> im"),
    )
    circuit = plan.circuit._replace(
        populations=populations | {"stream": stream}, projections=plan.circuit.projections + added
    )
    return plan._replace(circuit=circuit)


case = ca.random_case(3, n_token=4, n_head=1, d_model=4, d_key=3, d_value=3, scale=2.0)
try:
    ca.attend(case, short_path, target="numpy")
except ValueError as error:
    print("refused:", error)

# %%
# The anatomy objects
# -------------------
#
# Circuits are checked against rules of the anatomy: every synapse of a cell has the sign of its transmitter; core thalamus
# reaches layers 3 and 4; L5 PT cells do not reach the nucleus that drives their own area; and so on. (Negative weights of
# a cell that excites are no breach: they run through inhibitory relay cells, which forms under Dale's law add, and
# which the rules do not look at.) A rule can be broken on purpose, with ``breaks={"core to layers 3 and 4": "why"}``. Here
# there is a better way: a stop in layer 4, where core axons do end. The cell type is new. It has one port, ``soma``,
# which lies in L4, and its *rule*, the value that it represents, is the value at that port.

STELLATE = ca.CellType("spiny stellate", "L4", ports={"soma": 0.0}, value="soma", sites={"soma": "L4"})


def skip_wiring(times, tokens, **block):
    """The mask wiring, and a skip path from core through L4 and L5 PT to the higher-order nucleus."""
    plan = short_path(times, tokens, **block)
    stellate = ca.Population("stellate", STELLATE, plan.circuit.populations["core"].axes, signed="soma")
    kept = [each for each in plan.circuit.projections if each.name != "core -> stream.soma"]
    added = [
        ca.Projection("core", "stellate.soma", "im -> im"),
        ca.Projection("stellate", "stream.soma", "im -> im"),
    ]
    circuit = plan.circuit._replace(
        populations=plan.circuit.populations | {"stellate": stellate}, projections=(*kept, *added)
    )
    return plan._replace(circuit=circuit)


# %%
# Where the answer is read, a ``Reading``, is part of the plan; we keep that of the mask wiring, which is the value of
# the higher-order nucleus, ``ca.Reading("higher_order")``. A reading can sum over axes: that of the attention weights
# is ``ca.Reading("superficial", sum=("key",))``.
#
# The algebra
# -----------
#
# A ``System`` pairs a wiring with what it should compute and with null models. Neither is seen by the circuit. All are
# called alike, and give an answer with a field ``output``.

attention = MASK.reference


def with_skip(tokens, block, **options):
    """x + attention(x)."""
    answer = attention(tokens, block, **options)
    return answer._replace(output=tokens + answer.output)


def skip_alone(tokens, block, **options):
    """The token as it is."""
    return attention(tokens, block, **options)._replace(output=tokens)


SYSTEM = ca.System("skip", skip_wiring, with_skip, {"attention_alone": attention, "skip_alone": skip_alone})

# %%
# In rates, in spikes, and with a lesion
# --------------------------------------
#
# The lesion cuts the new path at its last station. The circuit has to fall back to attention alone, and so to be as
# far off as that null.


def lesion(times, tokens, **block):
    """The skip wiring, less the axons of the stream."""
    plan = skip_wiring(times, tokens, **block)
    kept = tuple(each for each in plan.circuit.projections if each.source != "stream")
    return plan._replace(circuit=plan.circuit._replace(projections=kept))


brief = {"target": "numpy", "settle": 1 * second, "window": 1 * second}
answers = {
    "rates": ca.attend(case, SYSTEM, target="numpy"),
    "spikes": ca.attend(case, SYSTEM, "spiking", **brief),
    "rates, lesion": ca.attend(case, SYSTEM._replace(name="lesion", wiring=lesion), target="numpy"),
}
for name, answer in answers.items():
    print(f"{name}: relative L2 {answer.report['relative_l2']:.2g}")
nulls = {name.replace("_", " "): answers["spikes"].report[f"{name}_relative_l2"] for name in SYSTEM.nulls}
print(nulls)
assert answers["rates"].report["relative_l2"] < 1e-6
assert answers["spikes"].report["relative_l2"] < 0.05 < 0.2 < min(nulls.values())
assert np.isclose(answers["rates, lesion"].report["relative_l2"], nulls["attention alone"])

# %%
# A skip path is easy for an algebra and less so for a brain: it asks a second set of L5 PT cells to carry the tokens
# themselves out of cortex. The picture has the answer to each token, with its components as points.

with style():
    figure = new_figure(3.2, width=7)
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    for panel, (name, answer), colour in zip(panels, answers.items(), CYCLE, strict=False):
        panel.axline((0, 0), slope=1, color="#BBBBBB")
        panel.plot(answer.reference.ravel(), answer.output.ravel(), "o", color=colour, markersize=4)
        panel.set(title=name, xlabel="x + attention(x)")
    panels[0].set(ylabel="circuit")

# %%
# Try it
# ------
#
# 1. Weigh the skip: give ``"stream -> higher_order.soma"`` the weights ``0.5`` and change the algebra with it.
# 2. Let the skip end at the wrong token, with a permutation ``P`` and the expression ``"im, ij -> jm"``. Is this a
#    better control than the lesion?
# 3. Write the wiring of a reticular nucleus, whose cells inhibit the core by the mean of all others. :doc:`Your own
#    wiring </own_wiring>` has it.
#
# Next: :doc:`softmax <07_softmax>`. Deeper: :doc:`your own wiring and its algebra </own_wiring>`, :doc:`whole transformer
# blocks </block>`, whose skip breaks the rule on purpose, and the section *Adding* of CONTRIBUTING.
