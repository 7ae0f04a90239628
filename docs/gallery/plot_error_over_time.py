"""
Error over time, beside the null models
=======================================

The longer spikes are counted, the nearer the answer comes to the algebra. Dashed lines are answers that lack a part of
attention; an error below them is an agreement that needs that part.
"""

from brian2 import second

import cortical_attention as ca
from cortical_attention.readout.style import CYCLE, new_figure, style

case = ca.random_case(0, 5, n_head=1, d_model=4, d_key=2, d_value=2, scale=3.0)
report = ca.attend(case, form="spiking", settle=1 * second, window=2 * second, target="numpy").report
with style():
    figure = new_figure(4, width=7)
    panel = figure.subplots()
    over_time = report["error_over_time"]
    panel.semilogy(over_time["s"], over_time["relative_l2"], marker="o", markersize=4, label="spiking circuit")
    for name, colour in zip(report["nulls"], CYCLE[1:], strict=False):
        panel.axhline(report[f"{name}_relative_l2"], color=colour, linestyle="--", label=name.replace("_", " "))
    panel.set(xlabel="measured time (s)", ylabel="relative L2 error", title="Error of the mean until then")
    panel.legend(ncols=2)
