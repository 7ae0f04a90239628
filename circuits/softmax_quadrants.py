"""Softmax attention in which L2/3 cells multiply rectified values: `circuits.softmax` in four quadrants.

L2/3 cells multiply what a query and a key have above zero or below it, four for each product, one for each pair of signs;
the tufts of L5 add two of them and subtract the other two. No cell represents a product with its sign, so that cells that
multiply by a threshold in each of two compartments can take part. It is the same algebra as `softmax`.
"""

from functools import partial

from cortical_attention.circuits.softmax import softmax_wiring

softmax_quadrants_wiring = partial(softmax_wiring, quadrants=True)
