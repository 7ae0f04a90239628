r"""
1. Eight lines: from algebra to a circuit
=========================================

**Goal:** write linear attention as loops, then as eight index expressions, and see that these eight lines are the whole
wiring of the cortico-thalamic circuit that Granier and Senn (2025) propose.

**You need:** Python and matrix products. No neuroscience and no knowledge of transformers is assumed. The script runs
in a few seconds.

**Attention in a paragraph.** A sequence has :math:`n` tokens, each a vector :math:`x_i` of :math:`d_{model}` numbers.
Every token asks a question, its *query* :math:`q_i = W_Q x_i`. Every token also has an address, its *key* :math:`k_j =
W_K x_j`, and something to say, its *value* :math:`v_j = W_V x_j`. Token :math:`i` receives a weighted mean of all
values. A value counts the more, the better its key fits the query:

.. math::

   \tilde x_i = \sum_h W_O \sum_j \kappa_{ij} v_j, \qquad \kappa_{ij} = \frac{\phi(k_j) \cdot \phi(q_i)}{Z_i},
   \qquad Z_i = \sum_j \phi(k_j) \cdot \phi(q_i)

The function :math:`\phi` makes numbers positive. Each *head* :math:`h` has weights of its own, and the heads add up.
This is *linear* attention. The softmax attention of most transformers has an exponential in place of the product, and
is the subject of tutorial 7.
"""

import numpy as np
from brian2 import ms, second

import cortical_attention as ca
from cortical_attention.circuits.protocol import Times
from cortical_attention.readout.style import SEQUENTIAL, new_figure, style

# %%
# Algorithm 1 as loops
# --------------------
#
# We draw a small block at random: 4 tokens, 2 heads, keys and values of 3 components. The loops follow Algorithm 1 of
# the paper: one head, one token that asks, one token that answers at a time.

case = ca.random_case(1, n_token=4, n_head=2, d_model=6, d_key=3, d_value=3, scale=2.0)
x, (W_Q, W_K, W_V, W_O) = case.tokens, case.block[:4]


def phi(u):
    """elu(u) + 1: the identity plus one above zero, an exponential below."""
    return np.where(u > 0, u + 1, np.exp(np.minimum(u, 0)))


by_loops = np.zeros_like(x)
for head in range(len(W_Q)):
    for i in range(len(x)):
        query = phi(W_Q[head] @ x[i])
        products = [phi(W_K[head] @ x[j]) * query for j in range(len(x))]
        Z = sum(product.sum() for product in products)
        pooled = sum((product / Z).sum() * (W_V[head] @ x[j]) for j, product in enumerate(products))
        by_loops[i] += W_O[head] @ pooled

# %%
# The same as index expressions
# -----------------------------
#
# Nothing in these loops depends on their order, so they can be written as lines of indices, as in ``numpy.einsum``:
# ``h`` for the head, ``i`` for the token that asks, ``j`` for the token that answers, ``m``, ``k`` and ``v`` for the
# components of tokens, keys and values. A letter that is missing at the right of the arrow is summed over.
#
# The comments name the cells. A reader from machine learning may take them as names of arrays:
#
# - the **thalamus** relays the tokens. Its *core* cells reach the middle layers of cortex, its *matrix* cells the top;
# - **L2/3** and **L5 IT** are pyramidal cells of cortical layers 2/3 and 5. Such a cell has two dendrites, i.e. two
#   inputs: a *basal* one at its foot and an *apical* one at its top. The proposal is that the cell multiplies them;
# - an **interneuron** inhibits. This one divides the L2/3 cells around it;
# - **L5 PT** cells send the answer out of cortex, to a *higher-order* nucleus of the thalamus.

query = phi(np.einsum("im, hkm -> hik", x, W_Q))[:, :, None]  # 1  core -> L2/3, basal (a copy for every j)
key = phi(np.einsum("jm, hkm -> hjk", x, W_K))[:, None]  # 2  matrix -> L2/3, apical (a copy for every i)
Z = np.einsum("hijk -> hi", key * query)  # 3  L2/3 -> interneuron
s = key * query / Z[:, :, None, None]  # 4  interneuron -> L2/3: division; s is the rate of an L2/3 cell
value = np.einsum("jm, hvm -> hjv", x, W_V)[:, None]  # 5  matrix -> L5 IT, basal
kappa = np.einsum("hijk -> hij", s)[..., None]  # 6  L2/3 -> L5 IT, apical: the attention weight
pooled = np.einsum("hijv -> hiv", kappa * value)  # 7  L5 IT -> L5 PT
by_indices = np.einsum("hiv, hmv -> im", pooled, W_O)  # 8  L5 PT -> higher-order thalamus

print("largest difference from the loops:", np.abs(by_indices - by_loops).max())
assert np.allclose(by_indices, by_loops)

# %%
# The circuit
# -----------
#
# A *wiring* is a function that returns a circuit: populations of cells with named axes, and projections. A projection
# is a source, a target with the name of a dendrite (a *port*), and an index expression. Times are asked for because a
# wiring also says when it is to be read.

times = Times(settle=2 * second, window=0.5 * second, write=0.25 * second, dt=1 * ms)
block = {name: weights for name, weights in case.block._asdict().items() if weights is not None}
circuit = ca.SYSTEMS["mask"].wiring(times, x[None], **block).circuit
print(circuit.describe())
assert len(circuit.projections) == 8

# %%
# These are the eight lines, in another order. Two things differ. The circuit has axes where the algebra has letters:
# ``2 head x 4 token x 4 context x 3 key`` L2/3 cells are one cell for every :math:`(h, i, j, k)`. All cells with the
# same :math:`(h, i)` form a *macrocolumn*, which works for one token that asks; those with the same :math:`(h, i, j)`
# are one of its *microcolumns*. (``context`` is the axis of the tokens that answer; here they are the same tokens.)
#
# And the interneuron is not told :math:`Z`. It hears the L2/3 cells *after* it has divided them, and goes on changing
# its own rate until their sum is one. It then holds :math:`Z`, which it found by a loop. What makes it exact is an
# assumption: by rule it integrates without a leak (``normaliser="plausible"`` leaks, and comes near only). That is why a
# circuit has to settle, and why its answer has to be measured.
#
# What the cells should do
# ------------------------
#
# The picture shows what L2/3 cells of the first head should represent, by the algebra. Every row is a macrocolumn, and
# the white lines part its microcolumns. Summed over the three cells of a microcolumn, this is the attention matrix.

with style():
    figure = new_figure(2.7, width=7)
    left, right = figure.subplots(1, 2, width_ratios=[3, 1])
    left.imshow(s[0].reshape(len(x), -1), cmap=SEQUENTIAL, aspect="auto")
    left.vlines(np.arange(1, len(x)) * W_Q.shape[1] - 0.5, -0.5, len(x) - 0.5, color="white")
    left.set(title="L2/3 cells, head 0", xlabel="microcolumn j, and its cells k", ylabel="macrocolumn i")
    left.set(xticks=np.arange(len(x)) * 3 + 1, xticklabels=range(len(x)), yticks=range(len(x)))
    shown = right.imshow(kappa[0, ..., 0], cmap=SEQUENTIAL, vmin=0)
    right.set(title="attention", xlabel="token j", ylabel="token i", xticks=range(len(x)), yticks=range(len(x)))
    figure.colorbar(shown, ax=right)

# %%
# The answer of the simulated circuit
# -----------------------------------
#
# ``ca.attend`` builds this circuit in Brian2, simulates it until it has settled, and compares the result with the
# algebra. In the form ``"rate"`` each cell is one number, its firing rate, that follows its input with a lag. The
# circuit never sees the formula above; only the comparison does. (``target="numpy"`` asks Brian2 not to compile
# anything; every tutorial does so, because its circuits are small.)

answer = ca.attend(case, wiring="mask", form="rate", target="numpy")
print(answer)
print("largest difference from the eight lines:", np.abs(answer.output - by_indices).max())
assert answer.report["settled"]
assert answer.report["relative_l2"] < 1e-6

# %%
# The *relative L2* is the length of the error over the length of the right answer. In rates it is as small as the
# settling time permits.
#
# Try it
# ------
#
# 1. Leave out line 4 (``s = key * query``). The answer is then not divided. Compare it with
#    ``ca.attend(case, normaliser=None, target="numpy").output``.
# 2. Give all tokens the same query: ``W_Q = 0 * W_Q``. What does the attention matrix look like, and why?
# 3. Count the cells of a circuit for 128 tokens, 8 heads and keys of 16 components. Which axis makes it large? The
#    wiring ``ca.SYSTEMS["memory"]`` does without that axis: describe its circuit as above.
#
# Next: :doc:`a first spiking head <02_first_spiking_head>`. Deeper: the :doc:`ladder </ladder>`, from ideal rates to
# biophysical cells.
