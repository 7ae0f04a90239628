"""Cells that carry errors, so that synapses learn from what is there: error, feedback and credit.

ERROR
    L2/3 of the area that the higher-order nucleus drives: the target less the answer, `gate * (y - xt)`. The target comes
    from outside. The gate is 0 for tokens whose answer nobody asks for.
FEEDBACK
    L5 IT of the area that answers: what the errors mean there, delta = F^T e, which cortico-cortical feedback brings to its
    tuft in layer 1.
CREDIT
    L2/3, one for each microcolumn: a_ij, the sum of its mismatch cells, by which all synapses onto the L2/3 cells of that
    microcolumn learn. In softmax attention its apical dendrite hears the attention kappa_ij and multiplies.

Mismatch cells, delta_iv (v_jv - vt_iv), and gain cells, kappa_ij delta_iv, are L5 IT cells as they are
(`cells.intratelencephalic`): a basal drive times an apical one.

That errors are the rates of cells of their own in superficial layers is the proposal of predictive coding (Whittington &
Bogacz 2017, abstract read; Bastos et al. 2012, as others report it). There they ascend; here the answer of a nucleus, which
excites its area, subtracts through local inhibition, and errors descend to the area that answered. That feedback ends in
layer 1 and deep layers, and on L5 IT cells, is what Granier & Senn (2025, section 6, read) say of Harris et al. (2019) and
Bodor et al. (2023), not read. That such cells exist in these numbers, and how the rate of a credit cell reaches the
synapses, is assumed; the circuit is ours.
"""

from cortical_attention.cells.cell import CellType

ERROR = CellType("error", "L2/3", {"basal": 0.0, "gate": 1.0}, "gate * basal", sites={"basal": "L3"})
FEEDBACK = CellType("feedback", "L5 IT", {"apical": 0.0}, "apical", role="intratelencephalic", sites={"apical": "L1"})
CREDIT = CellType(
    "credit", "L2/3", {"basal": 0.0, "apical": 1.0}, "basal * apical", sites={"basal": "L3", "apical": "L1"}
)


def steady_rate(unit_rate, basal, apical=1.0):
    """Rate in the steady state, `unit_rate * basal * apical`, of a credit cell; of an error cell with its gate as `apical`.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    basal : float or ndarray
        Summed mismatch, or the error, without unit.
    apical : float or ndarray
        Attention, or one; shapes broadcast.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
    """
    return unit_rate * basal * apical
