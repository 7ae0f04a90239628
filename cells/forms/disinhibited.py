"""Disinhibited form: the second biophysical variant.

L2/3 cells have two saturating dendrites, and their apical input releases the basal one from inhibition
(`cells.membranes.disinhibited`); L5 IT cells are point cells in pairs (`cells.membranes.point`). All else is as in the
biophysical form, but for synapses, which release the same at every spike.
"""

from cortical_attention.cells.forms.biophysical import biophysical
from cortical_attention.cells.membranes.disinhibited import Disinhibited
from cortical_attention.cells.membranes.point import Point

DISINHIBITED = biophysical("total", Disinhibited(), of_values=(Point(), "total"), name="disinhibited")
