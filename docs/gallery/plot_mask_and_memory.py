"""
Size of the mask wiring and of the memory wiring
================================================

The mask wiring has a microcolumn for each pair of tokens, and so grows as the square of their number. The memory wiring
stores keys and values while tokens come one after another: it takes time in place of cells, and does not grow.
"""

import cortical_attention as ca
from cortical_attention.command.options import check
from cortical_attention.readout.style import new_figure, style
from cortical_attention.trials.description import description

n_tokens = (2, 4, 8, 16, 32)
cases = [ca.random_case(0, n, n_head=1, d_model=8, d_key=8, d_value=8) for n in n_tokens]
with style():
    figure = new_figure(4, width=7)
    panel = figure.subplots()
    for wiring in ("mask", "memory"):
        options = check(wiring=wiring, form="spiking")
        cells = [description(case, options)["counts"]["n_cell"] for case in cases]
        panel.loglog(n_tokens, cells, marker="o", label=f"{wiring} wiring")
    panel.set(xlabel="tokens", ylabel="cells of one head, nuclei included", title="One cell per value, spiking form")
    panel.set_xticks(n_tokens, n_tokens, minor=False)
    panel.set_xticks([], minor=True)
    panel.legend()
