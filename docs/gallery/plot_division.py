"""
Division by the interneurons
============================

An interneuron sums the L2/3 cells of its macrocolumn and settles at Z, the sum of the undivided products; attention then
sums to one. Dots are the algebra, lines the values of the cells.
"""

import cortical_attention as ca
from cortical_attention.readout.style import CYCLE, new_figure, style
from cortical_attention.reference.attention import linear_attention

case = ca.random_case(0, 4, n_head=1, d_model=4, d_key=2, d_value=2, scale=2.0)
answer = ca.attend(case, record={"interneuron": "value", "superficial": {"variables": ["value"], "count": 1000}})
Z = linear_attention(case.tokens, case.block).normaliser[0]
divisor, products = (answer.trace(name, "value") for name in ("interneuron", "superficial"))
token = products.array_annotations["token"]
with style():
    figure = new_figure(5, width=7)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for i, colour in zip(range(len(Z)), CYCLE, strict=False):
        upper.semilogy(divisor.times, divisor.magnitude[:, i], color=colour, label=f"macrocolumn {i}")
        upper.plot(2.5, Z[i], "o", color=colour, clip_on=False)
        lower.plot(products.times, products.magnitude[:, token == i].sum(axis=1), color=colour)
    upper.set(ylabel="inhibition", title="Interneurons come to Z")
    upper.legend(ncols=2)
    lower.set(xlabel="time (s)", ylabel="sum of attention", ylim=(0, 2), xlim=(0, 2.5))
