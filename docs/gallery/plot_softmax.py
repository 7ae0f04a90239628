"""
Softmax against linear attention
================================

The same tokens and weights in two circuits. Linear attention divides products of rectified queries and keys; softmax
attention has exponential tufts, from which an interneuron subtracts log Z, and is sharper.
"""

from brian2 import second

import cortical_attention as ca
from cortical_attention.readout.style import SEQUENTIAL, new_figure, style

case = ca.random_case(1, 8, n_head=1, d_model=8, d_key=4, d_value=4, scale=2.0)
times = {"settle": 1 * second, "window": 0.1 * second}
answers = {"linear": ca.attend(case, "mask", **times), "softmax": ca.attend(case, "softmax", **times)}
with style():
    figure = new_figure(3.6, width=7)
    panels = figure.subplots(1, 2)
    for panel, (name, answer) in zip(panels, answers.items(), strict=True):
        shown = panel.imshow(answer.attention[0], cmap=SEQUENTIAL, vmin=0, vmax=1)
        title = f"{name} attention\nrelative L2 {answer.report['relative_l2']:.0e}"
        panel.set(title=title, xlabel="key token", ylabel="query token")
    figure.colorbar(shown, ax=panels, label="attention")
