"""Perfect integrator with reset by subtraction: a spike whenever the integral of the target rate grows by one.

::

    dv/dt = rate,   v -> min(v - 1, 1) at a spike

It has no noise. A time step that would need two spikes of one cell is counted in `saturated`. Such a cell fires at every
step, and what it cannot send is lost.
"""

from brian2 import Hz

from cortical_attention.cells.membranes.membrane import Drive, Limit, Membrane

ASKED = "rate = unit_rate * clip(value, 0, inf) : Hz"


def _spread(group, uniform):
    group.v = uniform


INTEGRATOR = Membrane(
    "dv/dt = rate : 1",
    threshold="v >= 1",
    reset="v = clip(v - 1, 0, 1)",
    drive=Drive(ASKED),
    start=_spread,
    limit=Limit("v >= 1", "two spikes of one cell in one time step"),
    ceiling=300 * Hz,
    sources={"ceiling": "chosen: above it no cortical cell fires"},
)


def steady_rate(unit_rate, value):
    """Rate in the steady state, `unit_rate * value` for values of at least zero.

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
