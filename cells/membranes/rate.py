"""Leaky rates: the soma as a low-pass filter of the rate that its cell type asks for.

tau_soma drate/dt = unit_rate * number - rate
"""

from brian2 import ms

from cortical_attention.cells.membranes.membrane import Membrane

TAU_SOMA = 10 * ms  # chosen: order of a cortical membrane time constant; the fixed point does not depend on it

SIGNED = Membrane(
    "drate/dt = (unit_rate * number - rate) / tau_soma : Hz",
    constants={"tau_soma": TAU_SOMA},
    variable="rate",
    reading="rate",
    lag=TAU_SOMA,
)
RECTIFIED = SIGNED._replace(equations="drate/dt = (unit_rate * clip(number, 0, inf) - rate) / tau_soma : Hz")


def steady_rate(unit_rate, number):
    """Rate in the steady state (Hz): `unit_rate * number`, at least zero where it is rectified."""
    return unit_rate * number
