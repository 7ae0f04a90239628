"""How one f-I curve becomes another: by a shift of its axis, an added constant, a gain, or a gain and a constant."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import linregress

from cortical_attention.readout.agreement import relative_l2

STARTS = {"shift": (0.0, 150.0, 300.0, 450.0, 600.0), "constant": (0.0,), "gain": (1.0,)}
"""Where each search begins: a shifted curve may fit in more than one place."""


class Change(NamedTuple):
    """A change of one parameter and what it leaves.

    Attributes
    ----------
    value : float
        Shift (in the unit of the axis; positive where the new curve needs less current), constant (in the unit of the
        curve) or gain.
    left : float
        Relative L2 error of the changed curve.
    """

    value: float
    left: float


def changed(kind, current, before, value):
    """A curve after a change.

    Parameters
    ----------
    kind : {"shift", "constant", "gain"}
        before(current + value), held at its ends; max(before + value, 0); or value times before.
    current, before : ndarray, shape (n,)
        Axis, ascending, and curve.
    value : float

    Returns
    -------
    ndarray, shape (n,)
    """
    if kind == "shift":
        return np.interp(current + value, current, before)
    return value * before if kind == "gain" else np.clip(before + value, 0, None)


def nearest(kind, current, before, after, inside):
    """The change of a kind that brings one curve nearest to another.

    Parameters
    ----------
    kind : {"shift", "constant", "gain"}
    current, before, after : ndarray, shape (n,)
        Axis, ascending, and both curves.
    inside : ndarray of bool, shape (n,)
        Where the curves are compared; beyond it `before` is only shifted in.

    Returns
    -------
    Change
    """

    def error(p):
        return (changed(kind, current, before, p[0]) - after)[inside]

    found = min((least_squares(error, [start]) for start in STARTS[kind]), key=lambda each: each.cost)
    value = float(found.x[0])
    return Change(value, relative_l2(changed(kind, current, before, value)[inside], after[inside]))


def divided_and_subtracted(before, after):
    """Factor a and constant b of max(a before - b, 0), nearest to `after` (ndarray of two)."""

    def error(p):
        return np.clip(p[0] * before - p[1], 0, None) - after

    return least_squares(error, [0.8, 1.0]).x


def slope_between(current, rates, low, high):
    """Slope of a curve where it lies between two rates, by linear regression (nan with fewer than three points there)."""
    inside = (rates >= low) & (rates <= high)
    return linregress(current[inside], rates[inside]).slope if inside.sum() > 2 else np.nan
