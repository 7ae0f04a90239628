"""Leaky rates: the soma as a low-pass filter of the target rate.

tau_soma drate/dt = unit_rate * value - rate
"""

from brian2 import ms

from cortical_attention.cells.membranes.membrane import Membrane

TAU_SOMA = 10 * ms

SIGNED = Membrane(
    "drate/dt = (unit_rate * value - rate) / tau_soma : Hz",
    constants={"tau_soma": TAU_SOMA},
    variable="rate",
    reading="rate",
    lag=TAU_SOMA,
    sources={
        "tau_soma": "chosen: order of a cortical membrane time constant; the fixed point does not depend on it",
    },
)
RECTIFIED = SIGNED._replace(equations="drate/dt = (unit_rate * clip(value, 0, inf) - rate) / tau_soma : Hz")


def steady_rate(unit_rate, value):
    """Rate in the steady state, `unit_rate * value`; a rectified membrane needs a value of at least zero.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    value : float or ndarray
        Value given by the rule of the cell type.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
    """
    return unit_rate * value
