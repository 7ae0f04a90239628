"""Conversion between represented values, which have no unit, and firing rates; the only place where it happens."""

import numpy as np

SILENT = 1e-12  # chosen: above what is left by rounding where values of order one cancel


def weight_of_rate(weights, unit_rate):
    """Synaptic weights that convert a rate into its value: weights / unit_rate.

    Parameters
    ----------
    weights : array_like
        Weights between values, any shape.
    unit_rate : Quantity (Hz), or array_like in Hz
        Of the source; the shapes broadcast.

    Returns
    -------
    Quantity (s), or ndarray in s for a unit rate without a Brian2 unit
        In the broadcast shape.
    """
    return np.asarray(weights) / unit_rate


def weight_of_spike(weights, unit_rate, tau, dt):
    """Increase of a synaptic trace at one spike, such that a regular train at `unit_rate` has a trace of mean `weights`.

    A spike of size a, read after each decay, sums to a dt / (exp(dt / tau) - 1) over time; hence
    a = weights (exp(dt / tau) - 1) / (unit_rate dt). As dt -> 0 that is weights / (unit_rate tau).

    Parameters
    ----------
    weights : array_like
        Weights between values, any shape.
    unit_rate : Quantity (Hz)
        Of the source; the shapes broadcast.
    tau : Quantity (s)
        Time constant of the trace.
    dt : Quantity (s)
        Time step.

    Returns
    -------
    ndarray
        Without unit, in the broadcast shape.
    """
    return np.asarray(weights) * np.expm1(float(dt / tau)) / np.asarray(unit_rate * dt)


def values_of_rate(rates, unit_rate):
    """Values decoded from firing rates: rates / unit_rate.

    Parameters
    ----------
    rates : Quantity (Hz)
        Any shape.
    unit_rate : Quantity (Hz)
        Rate that represents the value one; the shapes broadcast.

    Returns
    -------
    ndarray
        Without unit, in the broadcast shape.
    """
    return np.asarray(rates / unit_rate)


def values_of_count(counts, unit_rate, window):
    """Values decoded from spike counts in a window: counts / (unit_rate window).

    Parameters
    ----------
    counts : array_like
        Number of spikes, any shape.
    unit_rate : Quantity (Hz)
        Rate that represents the value one; the shapes broadcast.
    window : Quantity (s)
        Length of the window.

    Returns
    -------
    ndarray
        Without unit, in the broadcast shape.
    """
    return np.asarray(counts) / np.asarray(unit_rate * window)


def unit_rate_for(peak, bound):
    """Unit rates at which the largest values are represented by a given rate: bound / peak.

    Parameters
    ----------
    peak : ndarray
        Largest absolute values, any shape.
    bound : Quantity (Hz)
        Rate of these values; the shapes broadcast.

    Returns
    -------
    Quantity (Hz)
        In the broadcast shape; `bound` itself for peaks of at most 1e-12, since a population that is silent in the pilot has
        no scale.
    """
    return bound / np.where(peak > SILENT, peak, 1.0)
