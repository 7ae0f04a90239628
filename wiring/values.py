"""Conversion between represented values, which have no unit, and firing rates; the only place where it happens."""

import numpy as np

SILENT = 1e-12  # chosen: above what is left by rounding where values of order one cancel


def weight_of_rate(weights, unit_rate):
    """Synaptic weights (s) that convert a rate into its represented value: weights / unit_rate."""
    return np.asarray(weights) / unit_rate


def weight_of_spike(weights, unit_rate, tau, dt):
    """What one spike adds to a trace, so that the trace of a regular train at `unit_rate` has mean `weights`.

    A spike of size a, read after each decay, sums to a dt / (exp(dt / tau) - 1) over time; hence
    a = weights (exp(dt / tau) - 1) / (unit_rate dt). As dt -> 0 that is weights / (unit_rate tau).
    """
    return np.asarray(weights) * np.expm1(float(dt / tau)) / np.asarray(unit_rate * dt)


def values_of_rate(rates, unit_rate):
    """Decode firing rates (Hz) into represented values: rates / unit_rate."""
    return np.asarray(rates / unit_rate)


def values_of_count(counts, unit_rate, window):
    """Decode spike counts in a window into represented values: counts / (unit_rate window)."""
    return np.asarray(counts) / np.asarray(unit_rate * window)


def unit_rate_for(peak, bound):
    """Unit rates (Hz) at which values `peak` (ndarray) are carried at the rate `bound`.

    It is `bound` itself for peaks below 1e-12, since a population that is silent in the pilot has no scale.
    """
    return bound / np.where(peak > SILENT, peak, 1.0)
