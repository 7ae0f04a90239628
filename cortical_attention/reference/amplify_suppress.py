"""Two pools that integrate pulses, where none of them is at zero or saturated: the algebra of their difference.

::

    tau d(x_1 - x_2)/dt = (G w + m - 1) (x_1 - x_2) + G (cue_1 - cue_2)

With a gain G the difference is a leaky sum of the pulses while G w + m < 1, and a perfect one at G w + m = 1. Beyond, it
grows by itself: early pulses count most and the choice locks in.
"""

from math import erf, sqrt

import numpy as np


def growth(gain, w, m, tau):
    """Rate of growth of the difference of two pools, (G w + m - 1) / tau.

    Parameters
    ----------
    gain, w, m : float or ndarray
        Gain of the dendrites, excitation of a pool by itself, inhibition by the other pool.
    tau : float or ndarray
        Time constant, s.

    Returns
    -------
    float or ndarray
        1/s: negative where evidence leaks, positive where the choice locks in.
    """
    return (gain * w + m - 1) / tau


def pulse_weights(gain, w, m, tau, cue, n_slot, slot, wait=0.0):
    """What a pulse in each slot contributes to the difference of the pools at the end of a trial.

    Parameters
    ----------
    gain, w, m, tau : float
        As in `growth`.
    cue : float
        Input of a pulse.
    n_slot : int
    slot, wait : float
        Length of a slot, and of the time after the last one, s.

    Returns
    -------
    ndarray, shape (n_slot,)
        integral over the slot of G cue exp(growth (T - t)) dt / tau.
    """
    rate, left = growth(gain, w, m, tau), wait + slot * np.arange(n_slot, 0, -1.0)
    if rate == 0:
        return np.full(n_slot, gain * cue * slot / tau)
    return gain * cue * (np.exp(rate * left) - np.exp(rate * (left - slot))) / (rate * tau)


def linear_accuracy(pulses, weights, sd):
    """Share of right choices by the sign of a weighted sum of pulses with normal noise.

    Parameters
    ----------
    pulses : ndarray, shape (n_trial, n_slot)
        1 in favour of the right rule, -1 against it, 0 where there is none.
    weights : ndarray, shape (n_slot,)
    sd : float
        Standard deviation of the noise, positive.

    Returns
    -------
    float
        mean of Phi(sum_k weight_k pulse_k / sd). Where all weights grow by a common factor, which is what a gain does
        without recurrence, it can only grow as long as every sum is as likely as its negative, or more so.
    """
    sums = np.asarray(pulses) @ np.asarray(weights) / sd
    return float(np.mean([(1 + erf(each / sqrt(2))) / 2 for each in sums]))
