"""Exponential form: the adaptive form with exponential integrate-and-fire cells (Fourcaud-Trocme et al. 2003).

tau_m dv/dt = current - v + D exp((v - 1) / D) - w + noise

A spike is registered at v = 1.5, during its upstroke. The f-I curve of this membrane is measured and inverted as in the
adaptive form.
"""

from cortical_attention.cells.forms.adaptive import ADAPTIVE

SHARPNESS = 0.1  # D
SOURCE = "chosen: 2 mV of the 20 mV from rest to threshold, in the range of Badel et al. 2008"


def _exponential(membrane):
    """The membrane with an exponential upstroke added to its voltage equation."""
    equations = membrane.equations.replace("- v -", "- v + D * exp((v - 1) / D) -", 1)
    constants, sources = membrane.constants | {"D": SHARPNESS}, membrane.sources | {"D": SOURCE}
    return membrane._replace(equations=equations, threshold="v > 1.5", constants=constants, sources=sources)


EXPONENTIAL = ADAPTIVE._replace(
    name="exponential",
    membrane=_exponential(ADAPTIVE.membrane),
    of_kind={kind: _exponential(membrane) for kind, membrane in ADAPTIVE.of_kind.items()},
)
