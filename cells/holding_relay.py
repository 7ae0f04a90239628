"""Thalamic relay cell that loads a value, holds it, and then follows its drive slowly.

::

    dX/dt = load (soma - X) / tau_load + follow (soma - X) / tau_state,    value X

While `load` is one, X takes on the drive of the soma at once; while both gates are closed it stays where it is; while
`follow` is one, X follows the drive with a time constant of its own. That a relay cell holds a value without a leak is by
rule: in cortex and thalamus it would take a loop through layer 6.
"""

from brian2 import ms, second

from cortical_attention.cells.relay import CORE

HOLDING_CORE = CORE._replace(
    name="holding relay",
    ports={"soma": 0.0, "load": 0.0, "follow": 0.0},
    value="X",
    state="dX/dt = (load / tau_load + follow / tau_state) * (soma - X) : 1",
    variable="X",
    parameters={"tau_load": 20 * ms, "tau_state": 0.5 * second},
    sources={
        "tau_load": "chosen: short against the phases of a protocol",
        "tau_state": "chosen: where a wiring sets none; longer than the loops of the rate and spiking forms need",
    },
)


def steady_rate(unit_rate, soma):
    """Rate in the steady state while either gate is open, `unit_rate * soma`.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    soma : float or ndarray
        Drive of the soma, without unit.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
    """
    return unit_rate * soma
