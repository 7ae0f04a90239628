"""Point form: L2/3 and L5 IT cells without dendrites, the null of every claim that a dendrite multiplies.

The form is the biophysical one with `cells.membranes.point` in place of two-compartment cells, and with synapses that
release the same at every spike.
"""

from cortical_attention.cells.forms.biophysical import biophysical
from cortical_attention.cells.membranes.point import Point

POINT = biophysical("total", Point(), name="point")
