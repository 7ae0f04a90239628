"""Short-term plasticity: the transmitter that a synapse releases at a spike, from what it has released before.

The resource-and-use model of Tsodyks & Markram (1997), with the facilitation of Tsodyks, Pawelzik & Markram (1998, equation
2.2). Between spikes u falls to zero and x recovers to one; at a spike, in this order,

::

    u -> u + U (1 - u)      the share of the resources that is used
                            u x is released
    x -> x - u x            the resources that are left

What is released is stated relative to that of a rested synapse, u x / U, so that a weight is the effect of the first spike.
It depends on the spikes of the source alone.
"""

from typing import NamedTuple

import numpy as np
from brian2 import Hz, Quantity, ms

LEAST = 1e-9 * Hz  # chosen: below any rate, so that the interval of a silent cell is finite


class ShortTerm(NamedTuple):
    """Constants of short-term plasticity.

    Attributes
    ----------
    U : float
        Share of the resources that the first spike uses, above 0 and at most 1.
    tau_f, tau_d : Quantity (s)
        Time constants of facilitation (of u) and of recovery from depression (of x), above 0.
    """

    U: float
    tau_f: Quantity
    tau_d: Quantity

    @property
    def constants(self):
        """Of the equations below."""
        return {**self._asdict(), "least": LEAST}


# Tsodyks, Pawelzik & Markram 1998, figure 1, by way of re-implementations; tau_f of the first: chosen, since they have none
DEPRESSING = ShortTerm(U=0.5, tau_f=1 * ms, tau_d=800 * ms)  # pyramidal to pyramidal
FACILITATING = ShortTerm(U=0.03, tau_f=530 * ms, tau_d=130 * ms)  # pyramidal to interneuron

AT_SPIKES = """
    du/dt = -u / tau_f : 1 (event-driven)
    dx/dt = (1 - x) / tau_d : 1 (event-driven)
"""  # of a synapse; a rested one has u = 0 and x = 1
RELEASED = "weight * u * x / U"

OF_RATES = """
    u : 1
    x : 1
    received : Hz (linked)   # rate of the source
    rate : Hz                # times what is released at a spike
"""
# u and x go to the steady state of a regular train of that rate, at the speed of the mean field (Tsodyks, Pawelzik & Markram
# 1998, equation 3.2), so that rates and the spikes of regular cells have one fixed point. Each step is exact at a held rate.
STEP_OF_RATES = """
    rate = received * u * x / U
    heard = abs(received) + least                  # of a signed rate: of its on or its off cell, the other is silent
    left = exp(-1 / (heard * tau_d))
    u_steady = U / (1 - (1 - U) * exp(-1 / (heard * tau_f)))
    u_next = u_steady + (u - u_steady) * exp(-dt * (1 / tau_f + U * heard))
    x_steady = (1 - left) / (1 - (1 - u) * left)
    x = x_steady + (x - x_steady) * exp(-dt * (1 / tau_d + u * heard))
    u = u_next
"""


def at_spike(effect):
    """Statements of a synapse at a spike, of its effect in terms of `weight`."""
    return f"u += U * (1 - u)\n {effect.replace('weight', RELEASED)}\n x -= u * x"


def slope(plasticity, rate):
    """Derivative of the steady release per second with respect to the rate: d(rate steady_release) / d(rate).

    Parameters
    ----------
    plasticity : ShortTerm
    rate : ndarray (Hz)
        Numbers without a Brian2 unit, at least zero.

    Returns
    -------
    ndarray
        In the shape of `rate`, without unit: 1 at rate zero.
    """
    step = 1e-30j  # the derivative by a complex step, which cancels nothing
    moved = np.maximum(rate, float(LEAST)) + step
    return np.imag(moved * _steady(plasticity, moved)) / step.imag


def steady_release(plasticity, rate):
    """Release at each spike of a regular train, once it is steady.

    ::

        u = U / (1 - (1 - U) exp(-1 / (rate tau_f))),   x = (1 - e) / (1 - (1 - u) e),   e = exp(-1 / (rate tau_d))

    Parameters
    ----------
    plasticity : ShortTerm
    rate : ndarray (Hz)
        At least zero.

    Returns
    -------
    ndarray
        u x / U, relative to a rested synapse: 1 at rate zero.
    """
    return _steady(plasticity, np.maximum(rate, float(LEAST)))


def _steady(plasticity, rate):
    kept, left = (np.exp(-1 / (rate * float(tau))) for tau in (plasticity.tau_f, plasticity.tau_d))
    u = plasticity.U / (1 - (1 - plasticity.U) * kept)
    return u * (1 - left) / (1 - (1 - u) * left) / plasticity.U


def steady_release_poisson(plasticity, rate):
    """Mean release at each spike of a Poisson train, once it is steady.

    ::

        u = U (1 + rate tau_f) / (1 + U rate tau_f),   x = 1 / (1 + u rate tau_d)

    The mean of u is exact; that of u x takes the two to be independent, which is exact without facilitation.

    Parameters
    ----------
    plasticity : ShortTerm
    rate : ndarray (Hz)
        Numbers without a Brian2 unit, at least zero.

    Returns
    -------
    ndarray
        u x / U in the shape of `rate`, relative to a rested synapse: 1 at rate zero.
    """
    tau_f, tau_d = float(plasticity.tau_f), float(plasticity.tau_d)
    u = plasticity.U * (1 + rate * tau_f) / (1 + plasticity.U * rate * tau_f)
    return u / (1 + u * rate * tau_d) / plasticity.U
