"""Cells of predictive coding: a representation that follows precision-weighted errors, and interneurons that square.

REPRESENTATION
    T dmu/dt = soma + pi_0 (prior - mu), with the summed errors pi_j (v_j - mu) at the soma, and the precision pi_0 of the
    prior, a leak towards it.
INTERNEURON
    Value basal^2: one component of a squared error, for inhibition that divides.

Without a prior it integrates without a leak, by rule. Bastos et al. (2012) put expectations into deep pyramidal cells and
errors into superficial ones (abstract read; this as others report it). Here cells of layer 6, which reach thalamus,
represent, and intratelencephalic cells of layer 5 carry the errors (`circuits.precision`), since matrix thalamus brings
values there.
"""

from brian2 import second

from cortical_attention.cells.cell import GABA, CellType

REPRESENTATION = CellType(
    "representation",
    "L6",
    {"soma": 0.0, "prior": 0.0},
    "X",
    "dX/dt = (soma + prior_precision * (prior - X)) / tau_state : 1",
    "X",
    parameters={"tau_state": 2.5 * second, "prior_precision": 0.0},
    recorded="whole",
    sites={"soma": "L6", "prior": "L6"},
    sources={
        "tau_state": "chosen: over a total precision of 30 it still exceeds the lags of the loop (30 ms in rates)",
        "prior_precision": "chosen: no prior, unless a wiring sets one",
    },
)
DIFFERENCE = CellType(
    "difference",
    "L5 IT",
    {"basal": 0.0},
    "basal",
    role="intratelencephalic",
    sites={"basal": "L5a"},
)
SQUARE = CellType(
    "squaring interneuron",
    "L5 interneuron",
    {"basal": 0.0},
    "basal * basal",
    transmitter=GABA,
    role="interneuron",
    membrane="fast spiking",
    recorded="whole",
)


def steady_rate(unit_rate, values, precisions, prior=0.0, prior_precision=0.0):
    """Rate of the representation in the steady state, `unit_rate * (sum_j pi_j v_j + pi_0 prior) / (sum_j pi_j + pi_0)`.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    values : ndarray, shape (n_context, ...)
        v_j, without unit.
    precisions : ndarray, shape (n_context, ...)
        pi_j, above 0.
    prior, prior_precision : float
        m_0 and pi_0.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
        Shape (...).
    """
    total = precisions.sum(axis=0) + prior_precision
    return unit_rate * ((precisions * values).sum(axis=0) + prior_precision * prior) / total
