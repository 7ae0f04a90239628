"""Pyramidal tract (L5b) cell whose activity outlasts its drive: tau_slow du/dt = soma - u.

Ours: in a loop of two areas of softmax attention, what an area is told has to change more slowly than its inhibition does,
or the loop rings for ever. Slow currents of such cells are known (NMDA receptors, calcium-activated cation currents), the
time constant of this one is not measured.
"""

from brian2 import second

from cortical_attention.cells.pyramidal_tract import PYRAMIDAL_TRACT

SLOW_TRACT = PYRAMIDAL_TRACT._replace(
    name="slow pyramidal tract",
    value="u",
    state="du/dt = (soma - u) / tau_slow : 1",
    variable="u",
    parameters={"tau_slow": 0.5 * second},
    sources={"tau_slow": "chosen: loops of softmax attention ring with fast cells and come to rest with these"},
)


def steady_rate(unit_rate, soma):
    """Rate in the steady state, `unit_rate * soma`.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    soma : float or ndarray
        Summed drive of the intratelencephalic cells, without unit.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
    """
    return unit_rate * soma
