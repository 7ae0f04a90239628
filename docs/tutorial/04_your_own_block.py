"""
4. Your own block
=================

**Goal:** turn an attention layer of your own into a case, with and without a mask, calibrate a circuit for it once,
and let it answer several inputs.

**You need:** :doc:`tutorial 2 <02_first_spiking_head>`, and the weights of a layer as arrays. A neuroscientist may
read *layer* as one stage of a network that learned elsewhere: its weights are fixed here, and are given to synapses.
The script takes about ten seconds.
"""

import numpy as np
from brian2 import second

import cortical_attention as ca
from cortical_attention.readout.style import SEQUENTIAL, new_figure, style

# %%
# The layer
# ---------
#
# Libraries store the weights of all heads in one matrix, and put the heads side by side when they multiply. This is a
# layer of that kind, with the names that PyTorch gives to the parts of ``torch.nn.MultiheadAttention``. Here they are
# random numbers.

rng = np.random.default_rng(5)
n_token, d_model, n_head = 4, 4, 2
d_key = d_model // n_head
in_proj_weight = 1.5 * rng.normal(size=(3 * d_model, d_model)) / np.sqrt(d_model)  # queries, keys and values, all heads
out_proj_weight = rng.normal(size=(d_model, d_model)) / np.sqrt(d_model)
sequence, *others = rng.normal(size=(18, n_token, d_model))  # one to ask about, and others of the same kind

# %%
# A case wants the head as an axis of its own. Rows of the input weights are head after head, and so are the columns of
# the output weights.

W_Q, W_K, W_V = in_proj_weight.reshape(3, n_head, d_key, d_model)
W_O = out_proj_weight.reshape(d_model, n_head, d_key).transpose(1, 0, 2)
weights = {"W_Q": W_Q, "W_K": W_K, "W_V": W_V, "W_O": W_O}
calibration = np.array(others[:16])
case = ca.from_arrays({"tokens": sequence, "calibration": calibration, **weights}, name="mine")

# %%
# Shapes are checked, and a wrong one is refused by name. Here the heads of ``W_O`` were left where they are.

try:
    ca.from_arrays({"tokens": sequence, **weights, "W_O": out_proj_weight.reshape(d_model, n_head, d_key)})
except ValueError as error:
    print("refused:", error)

# %%
# With PyTorch at hand all of this is one line. It takes over the biases of the input, turns the mask round, and says
# what it leaves out:
#
# .. code-block:: python
#
#    layer = torch.nn.MultiheadAttention(embed_dim=4, num_heads=2)
#    case = ca.from_torch(layer, sequence, attn_mask=attn_mask)
#
# ``ca.from_transformers`` does the same for a layer of a BERT- or GPT-2-like model in a local folder, without PyTorch.
#
# The mask
# --------
#
# A mask says which tokens may look where. In a case it is **True where a token may attend**, as in PyTorch's
# ``scaled_dot_product_attention``. The ``attn_mask`` of ``MultiheadAttention`` is the opposite: True where it may
# *not*. A *causal* mask lets each token see itself and what came before, as in a language model. In the circuit the
# mask closes microcolumns: their cells stay silent.

causal = np.tril(np.ones((n_token, n_token), dtype=bool))
masked = case._replace(mask=causal)
print(causal.astype(int))

algebra = ca.SYSTEMS["mask"].reference
turned = algebra(sequence, case.block, mask=causal.T)  # the wrong way round: no error, another answer
in_rates = ca.attend(masked, target="numpy")
print("attention of token 0, mask as it should be:", in_rates.attention[0, 0].round(3))
print("attention of token 0, mask turned round:   ", turned.kappa[0, 0].round(3))
assert np.allclose(in_rates.attention[:, ~causal], 0)

# %%
# Linear attention or softmax?
# ----------------------------
#
# The weights of a trained layer were trained for *softmax* attention. The paper's circuit computes *linear* attention,
# so there are two distances: from the circuit to the algebra of linear attention, and from that algebra to the
# layer's. The report has both.

print(f"circuit from linear attention:  {in_rates.report['relative_l2']:.1e}")
print(f"linear from softmax attention:  {in_rates.report['softmax_relative_l2']:.2f}")
assert in_rates.report["relative_l2"] < 1e-6 < 0.1 < in_rates.report["softmax_relative_l2"]

# %%
# A circuit that agrees with its algebra can still be far from your layer. Tutorial 7 has a circuit for softmax
# attention.
#
# One calibration, many inputs
# ----------------------------
#
# Spiking cells are set up once, on the calibration sequences, and then answer every input of the block as they are.
# That is what an animal has to do: its cells are not set anew for each thing it sees. ``calibrate`` gives what was
# chosen, which can be kept in a file; and no input is answered with a calibration that contains it.

calibrated = ca.calibrate(masked, target="numpy")
print(
    {name: round(float(rate), 1) for name, rate in calibrated.unit_rates.items() if name in ("core", "higher_order")},
    "Hz",
)

brief = {"form": "spiking", "target": "numpy", "settle": 1 * second, "window": 1 * second}
answers = [
    ca.attend(masked._replace(tokens=tokens), calibration=calibrated, **brief) for tokens in (sequence, others[-1])
]
for answer in answers:
    print(answer.report["calibration"], answer)
    assert answer.report["relative_l2"] < 0.1 < answer.report["key_only_relative_l2"]

# %%
# Where each token looks, by the spikes of L2/3 cells, for both inputs and both heads. The upper triangle is closed by
# the mask.

with style():
    figure = new_figure(4.4, width=7)
    panels = figure.subplots(2, 3, width_ratios=[1, 1, 1.25])
    for line, answer, name in zip(panels, answers, ("first input", "second input"), strict=True):
        for head, panel in enumerate(line[:2]):
            shown = panel.imshow(answer.attention[head], cmap=SEQUENTIAL, vmin=0, vmax=1)
            panel.set(title=f"{name}, head {head}", xticks=range(n_token), yticks=range(n_token))
        line[2].axline((0, 0), slope=1, color="#BBBBBB")
        line[2].plot(answer.reference.ravel(), answer.output.ravel(), "o", markersize=4)
        line[2].set(title=f"error {answer.report['relative_l2']:.1%}", ylabel="circuit")
    panels[1, 0].set(xlabel="looked at", ylabel="token")
    panels[1, 2].set(xlabel="algebra")
    figure.colorbar(shown, ax=panels[:, :2], location="bottom", shrink=0.6, aspect=30, label="attention weight")

# %%
# Try it
# ------
#
# 1. Leave ``calibration`` out of the case and call ``ca.attend(case, form="spiking")``. What does
#    ``answer.report["calibration"]`` say then?
# 2. Multiply the tokens of the second input by 3, and keep the calibration. With which sentence does the circuit
#    refuse?
# 3. Give the case another ``context`` (with ``calibration_context`` of the same shape for each calibration sequence):
#    queries then come from the tokens, keys and values from the context. Which nucleus carries which?
#
# Next: :doc:`your own cell <05_your_own_cell>`. Deeper: :doc:`ways in and out </ways>`.
