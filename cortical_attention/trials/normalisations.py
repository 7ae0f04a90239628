"""What lateral inhibition computes, read from rates: families of normalisation, hysteresis, and rhythms."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.sparsemax import sparsemax


def shares(rates):
    """Rates as parts of their sum over the last axis; zeros where all are silent."""
    total = rates.sum(axis=-1, keepdims=True)
    return np.divide(rates, total, out=np.zeros_like(rates), where=total > 0)


# Families with one parameter: from scores and rates without inhibition, (n, n_channel), to shares
FAMILIES = {
    "sparsemax": lambda scores, alone, b: sparsemax(b * scores),
    "softmax": lambda scores, alone, b: softmax(b * scores, axis=-1),
    "power": lambda scores, alone, b: shares(alone**b),
    "fixed threshold": lambda scores, alone, b: shares(np.maximum(1 + b * scores, 0)),
}
RANGE = np.log(0.01), np.log(20)  # of the parameter; chosen: far beyond what is found


def fitted(family, scores, alone, found):
    """Parameter of a family that comes nearest to some shares, by least squares.

    Parameters
    ----------
    family : str
    scores, alone, found : ndarray, shape (n, n_channel)
        Scores, rates without inhibition (Hz), shares.

    Returns
    -------
    residual, parameter : float
        Relative L2 of what is left.
    """
    f = FAMILIES[family]

    def left(log):
        return relative_l2(f(scores, alone, np.exp(log)), found)

    grid = np.linspace(*RANGE, 60)
    best = int(np.argmin([left(each) for each in grid]))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    done = minimize_scalar(left, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(done.fun), float(np.exp(done.x))


def hysteresis(up, down, scores):
    """Score from which on a rising channel leads, less that from which on it has lost as it falls.

    Parameters
    ----------
    up, down : ndarray, shape (n_step, n_circuit)
        Share of the two rivals' rate that the channel has, at each step of the ramp up, and down.
    scores : ndarray, shape (n_step,)
        Of the ramp up; that down is reversed.

    Returns
    -------
    ndarray, shape (n_circuit,)
        In units of a score. A channel that never leads for good, or never loses for good, is counted as one that does at
        the end of the ramp.
    """
    return _for_good(up > 0.5, scores) - _for_good(down < 0.5, scores[::-1])


def _for_good(holds, scores):
    """Score from which on something holds, of each circuit (ndarray, (n_circuit,))."""
    after = np.cumprod(holds[::-1], axis=0).sum(axis=0)  # steps at the end at which it holds
    return scores[np.minimum(len(scores) - after, len(scores) - 1)]


def spectral_peak(rates, step, band):
    """Largest power of a population rate in a band, over the median of its spectrum from 2 to 60 Hz.

    Parameters
    ----------
    rates : ndarray, shape (n_step, n_copy)
        Mean rate of a population in equal circuits, whose spectra are averaged.
    step : Quantity (s)
    band : tuple of float
        Hz.

    Returns
    -------
    frequency, ratio : float
        Frequency of the largest power from 2 to 60 Hz (Hz), and power in the band over the median; both zero where no
        cell fires.
    """
    power = (np.abs(np.fft.rfft(rates - rates.mean(axis=0), axis=0)) ** 2).mean(axis=1)
    frequencies = np.fft.rfftfreq(len(rates), float(step))
    wide = (frequencies > 2) & (frequencies < 60)
    inside = (frequencies >= band[0]) & (frequencies <= band[1])
    median = np.median(power[wide])
    if median == 0:
        return 0.0, 0.0
    return float(frequencies[wide][np.argmax(power[wide])]), float(power[inside].max() / median)
