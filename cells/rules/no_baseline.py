"""The gradient where Z is taken to be constant: credit without delta_i . vt_i, the derivative of the normalisation."""

from cortical_attention.cells.rules.exact import EXACT

NO_BASELINE = EXACT._replace(
    says="the gradient where the normalisation is taken to be constant",
    without=("intratelencephalic -> mismatch.basal",),
)
