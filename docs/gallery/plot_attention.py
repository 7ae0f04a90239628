"""
Attention of spiking cells beside the algebra
=============================================

Rows are macrocolumns (queries), columns are microcolumns (keys); the shade is the share of attention. The circuit never
reads the algebra, and its weights come from spikes of L2/3 cells, counted over one second.
"""

from brian2 import second

import cortical_attention as ca
from cortical_attention.readout.style import SEQUENTIAL, new_figure, style

case = ca.random_case(3, 5, n_head=2, d_model=4, d_key=2, d_value=2, scale=3.0)
answer = ca.attend(case, form="spiking", window=1 * second, target="numpy")
pairs = {"circuit": answer.attention, "algebra": answer.reference_attention}
with style():
    figure = new_figure(6, width=7)
    panels = figure.subplots(2, 2)
    for row, head in zip(panels, range(2), strict=True):
        for panel, (name, weights) in zip(row, pairs.items(), strict=True):
            shown = panel.imshow(weights[head], cmap=SEQUENTIAL, vmin=0, vmax=answer.reference_attention.max())
            panel.set(title=f"head {head}, {name}", xlabel="key token", ylabel="query token")
    figure.colorbar(shown, ax=panels, label="attention")
