"""
Wiring diagram of a circuit
===========================

The drawing is made from the circuit itself, by Graphviz, as `cortical-attention describe CASE --drawing circuit.svg` makes
it. A dot is an apical dendrite, a bar is inhibition, and the letters beside an arrow say which cells are connected.
"""

from io import BytesIO

from matplotlib.image import imread

import cortical_attention as ca
from cortical_attention.command.options import check
from cortical_attention.readout.diagram import graph_of
from cortical_attention.readout.style import new_figure
from cortical_attention.trials.description import description

case = ca.random_case(0, 4, n_head=2, d_model=4, d_key=2, d_value=2)
picture = imread(BytesIO(graph_of(description(case, check())).pipe(format="png")))
height, width = picture.shape[:2]
figure = new_figure(7 * height / width, width=7)
panel = figure.add_axes((0, 0, 1, 1))
panel.imshow(picture)
panel.axis("off")
