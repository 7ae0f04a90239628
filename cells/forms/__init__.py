"""Forms: each turns the rule of a cell type into dynamics. `FORMS` lists them by name, the most ideal first."""

from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.biophysical import BIOPHYSICAL
from cortical_attention.cells.forms.dale import DALE
from cortical_attention.cells.forms.disinhibited import DISINHIBITED
from cortical_attention.cells.forms.exponential import EXPONENTIAL
from cortical_attention.cells.forms.point import POINT
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING

FORMS = {form.name: form for form in (RATE, DALE, SPIKING, ADAPTIVE, EXPONENTIAL, BIOPHYSICAL, DISINHIBITED, POINT)}
"""Forms by name, the most ideal first (dict of str to Form)."""
