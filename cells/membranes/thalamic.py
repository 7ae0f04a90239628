"""What the membranes of thalamic cells have in common: current densities, white noise, and a current that holds them.

::

    C dv/dt = g_L (E_L - v) + I_T + received + noise,   I_T = g_T m h (E_T - v)

`received` is the density of all currents from outside (synapses, modulators, an electrode); `sigma` is the standard
deviation that the noise alone gives to the potential of the passive membrane, whose time constant is C / g_L. Both are given
by `simulation.nuclei`, as is `stream`, which selects the noise.
"""

from brian2 import cm, msiemens, uA, uF

CAPACITANCE, CONDUCTANCE, DENSITY = uF / cm**2, msiemens / cm**2, uA / cm**2
NOISE = "sigma * sqrt(2 * g_L / (C * dt)) * noise(i, t_in_timesteps, stream)"  # stationary variance sigma**2


def holding(membrane, v, conductances=()):
    """Current that holds the passive membrane at a potential, g_L (v - E_L) + sum of g (v - E).

    Parameters
    ----------
    membrane : Membrane
        With the constants g_L and E_L.
    v : Quantity (V)
        Any shape.
    conductances : sequence of (Quantity (S / m**2), Quantity (V))
        Further constant conductances and their reversals, such as a potassium leak.

    Returns
    -------
    Quantity (A / m**2)
        In the shape of `v`. The T-current is left out: a cell with a window current rests above `v`.
    """
    own = (membrane.constants["g_L"], membrane.constants["E_L"])
    return sum(g * (v - reversal) for g, reversal in (own, *conductances))
