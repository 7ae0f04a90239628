"""The gradient as local terms: each weight by what is at its synapse, times one number that comes there.

::

    W_Q   s_ijk (log phi)'(q_ik) a_ij x_im       core onto L2/3, basal
    W_K   s_ijk (log phi)'(k_jk) a_ij x_jm       matrix onto L2/3, apical
    W_V   kappa_ij delta_iv x_jm                 matrix onto L5 IT, basal
    W_O   e_im vt_iv                             L5 PT onto the higher-order nucleus

In softmax attention L2/3 cells carry q_ik k_jk / sqrt(d_key), so that the drive of the other dendrite stands in the place of
s (log phi)', and a_ij is multiplied by the attention. `SOFTMAX` has these two rules.

If delta = W_O^T e the sums are equations 2 to 5 of Granier & Senn (2025) with the sign turned; of softmax
attention, the same derivatives. `circuits.learning` has the cells.
"""

from cortical_attention.cells.rules.rule import Factor, Learning, Rule

S, CREDIT = Factor("superficial", "hijk"), Factor("credit", "hij")
CORE, MATRIX = Factor("core", "im"), Factor("matrix", "jm")
W_Q = Rule((S, Factor("superficial", "hijk", "slope(basal)"), CREDIT, CORE), "hkm")
W_K = Rule((S, Factor("superficial", "hijk", "slope(apical)"), CREDIT, MATRIX), "hkm")
W_V = Rule((Factor("gain", "hijv"), MATRIX), "hvm")
W_O = Rule((Factor("error", "im"), Factor("pyramidal_tract", "hiv")), "hmv")

EXACT = Learning(
    "the gradient, with the weights of the answer for the feedback", {"W_Q": W_Q, "W_K": W_K, "W_V": W_V, "W_O": W_O}
)
SOFTMAX = {
    "W_Q": Rule((Factor("superficial", "hijk", "apical"), CREDIT, CORE), "hkm"),
    "W_K": Rule((Factor("superficial", "hijk", "basal"), CREDIT, MATRIX), "hkm"),
}
