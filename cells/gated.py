"""Gated (L5a) pyramidal cell: basal drive times Phi(apical), with the normal distribution function Phi.

With the same drive at both dendrites it computes GELU(x) = x Phi(x) (Hendrycks & Gimpel 2016), the nonlinearity of the
feed-forward part of BERT. As a product it keeps the sign of the basal drive, so that an on cell and an off cell represent
it under Dale's law; no nonlinearity of a single dendrite would.

The tuft is a sigmoid of its drive, as the probability is that a threshold blurred by normal noise is crossed. That it is
the normal distribution function is chosen; a product of a sigmoid of the apical drive and the basal drive is the gain
modulation of L5 cells (Larkum, Senn & Lüscher 2004). These are thick-tufted pyramidal tract cells; for intratelencephalic
cells it is assumed, and the cell itself is ours.
"""

from functools import reduce

from scipy.special import ndtr

from cortical_attention.cells.cell import CellType

# Phi(-z) = exp(-z**2 / 2) P(z) / Q(z) to 1e-15 (Hart et al. 1968, as given by West 2005), since Brian2 has no erf
P = (
    "0.0352624965998911", "0.700383064443688", "6.37396220353165", "33.912866078383", "112.079291497871",
    "221.213596169931", "220.206867912376",
)  # fmt: skip
Q = (
    "0.0883883476483184", "1.75566716318264", "16.064177579207", "86.7807322029461", "296.564248779674",
    "637.333633378831", "793.826512519948", "440.413735824752",
)  # fmt: skip
SIZE = "clip(abs(apical), 0, 30)"  # beyond it Phi is zero or one, and no power overflows
SIGN = "clip(1e30 * apical, -1, 1)"


def _polynomial(coefficients):
    """Polynomial in the size of the apical drive, the highest power first (str)."""
    return reduce(lambda high, low: f"({high} * {SIZE} + {low})", coefficients)


TAIL = f"exp(-{SIZE}**2 / 2) * {_polynomial(P)} / {_polynomial(Q)}"

GATED = CellType(
    "gated intratelencephalic",
    "L5 IT",
    {"basal": 0.0, "apical": 0.0},
    f"basal * (0.5 + {SIGN} * (0.5 - {TAIL}))",
    role="intratelencephalic",
    sites={"basal": "L5a", "apical": "L1"},
)


def steady_rate(unit_rate, basal, apical):
    """Rate in the steady state, `unit_rate * basal * Phi(apical)`.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    basal, apical : float or ndarray
        Drives of the two dendrites, without unit; shapes broadcast.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
    """
    return unit_rate * basal * ndtr(apical)
