"""
7. Softmax
==========

**Goal:** see how far linear attention is from the softmax attention of transformers, and let a circuit compute
softmax: with an exponential in the tufts of L5 cells, and an interneuron that subtracts a logarithm.

**You need:** :doc:`tutorial 2 <02_first_spiking_head>`. This circuit is ours; the paper calls softmax hard to
implement in neurons. The script takes about ten seconds.

Softmax attention weighs token :math:`j` by an exponential of its score,

.. math::

   \\kappa_{ij} = \\frac{\\exp(s_{ij} / T)}{Z_i} = \\exp(s_{ij} / T - \\log Z_i), \\qquad
   s_{ij} = \\frac{q_i \\cdot k_j}{\\sqrt{d_{key}}}, \\qquad Z_i = \\sum_j \\exp(s_{ij} / T)

The *temperature* :math:`T` makes it sharp (low) or flat (high). The second form of the formula is that of the circuit:
dividing by :math:`Z` is subtracting :math:`\\log Z` *before* the exponential, and to subtract is what inhibition of a
dendrite can do.
"""

from brian2 import second

import cortical_attention as ca
from cortical_attention.readout.style import CYCLE, SEQUENTIAL, new_figure, style

# %%
# Linear attention is something else
# ----------------------------------
#
# One block at two temperatures: the weights of the queries are divided by ``T``. The algebra of both attentions is
# part of the two systems ``"mask"`` and ``"softmax"``.

case = ca.random_case(3, n_token=4, n_head=1, d_model=6, d_key=3, d_value=3, scale=1.0)
linear, softmax = (ca.SYSTEMS[name].reference for name in ("mask", "softmax"))
cases = {T: case._replace(block=case.block._replace(W_Q=case.block.W_Q / T)) for T in (1.0, 0.5)}
for T, each in cases.items():
    soft, line = softmax(each.tokens, each.block), linear(each.tokens, each.block)
    error = ca.relative_l2(line.output, soft.output)
    print(f"T = {T}: linear from softmax {error:.2f}; largest weight {line.kappa.max():.2f} and {soft.kappa.max():.2f}")
    assert error > 0.3

# %%
# The paper's circuit would compute the linear answer faithfully, whatever the temperature, and so miss what the
# transformer computes. No calibration helps, for it is another function of the score.
#
# The circuit
# -----------
#
# In short: L2/3 cells still multiply key and query, component by component, now with their signs. The *tuft* of an L5
# cell, the end of its apical dendrite in layer 1, adds these products up to the score, and is exponential in what
# inhibition leaves of it. A second L5 cell of every microcolumn, the *normaliser*, does the same without a value, so
# that its rate is the attention weight. An interneuron listens to all normalisers of its macrocolumn and inhibits all
# tufts the more, the more their sum exceeds one. It comes to rest when the sum is one: it then subtracts :math:`\log
# Z`.

in_rates = {T: ca.attend(each, "softmax", target="numpy") for T, each in cases.items()}
for T, answer in in_rates.items():
    print(f"T = {T}: circuit from softmax {answer.report['relative_l2']:.1e}")
    assert answer.report["relative_l2"] < 1e-6

# %%
# Where each token looks, by the cells of the circuit. At the lower temperature the rows are sharper.

with style():
    maps = new_figure(2.9, width=7)
    panels = maps.subplots(1, 3, sharex=True, sharey=True)
    shown = {"linear attention": linear(case.tokens, case.block).kappa[0]}
    shown |= {f"softmax, T = {T:g}": answer.attention[0] for T, answer in in_rates.items()}
    for panel, (name, kappa) in zip(panels, shown.items(), strict=True):
        image = panel.imshow(kappa, cmap=SEQUENTIAL, vmin=0, vmax=1)
        panel.set(title=name, xlabel="looked at", xticks=range(4), yticks=range(4))
    panels[0].set(ylabel="token")
    maps.colorbar(image, ax=panels, location="bottom", shrink=0.5, aspect=30, label="attention weight")

# %%
# In spikes
# ---------
#
# An exponential is hard on spikes: a single spike more or less moves a score, and the exponential blows that up. So
# four cells share each value here.

in_spikes = ca.attend(cases[1.0], "softmax", "spiking", cells=4, target="numpy", settle=1 * second, window=1 * second)
print(in_spikes)
errors = {"rates": in_rates[1.0].report["relative_l2"], "spikes": in_spikes.report["relative_l2"]}
errors |= {f"null: {name}": in_spikes.report[f"{name}_relative_l2"] for name in ("linear", "key_only", "uniform")}
assert errors["spikes"] < 0.05 < 0.2 < min(errors["null: linear"], errors["null: key_only"], errors["null: uniform"])

# %%
# Linear attention is one of the null models now: it is held against softmax like any other wrong formula.

with style():
    figure = new_figure(2.6, width=7)
    panel = figure.subplots()
    names = [name.replace("_", " ") for name in errors]
    panel.barh(names, list(errors.values()), color=[*CYCLE[:2], *["#999999"] * 3])
    panel.set(xscale="log", xlabel="relative L2 error, T = 1")
    panel.invert_yaxis()

# %%
# What is by rule here: the products, the exponential, and an interneuron that integrates without a leak. Which of that
# cortex is known to have is discussed on the deeper page.
#
# Try it
# ------
#
# 1. Go on to ``T = 0.1`` in rates. How many tokens does each token still look at? What is that called?
# 2. Run the spiking circuit with ``cells=1``, and read its warning. Then give it the time that it asks for.
# 3. ``ca.attend(case, "mask", kernel="exp")`` has an exponential as well, but before the product: :math:`\exp(k)
#    \exp(q)` summed over components. Is it nearer to softmax?
#
# Next: :doc:`a bursting relay <08_bursting_relay>`. Deeper: :doc:`softmax </softmax>`.
