"""How numbers become the currents of a two-compartment cell, so that what it sends is their product.

A number x at the basal port becomes the current I_s0 + I_s1 x, a number y at the apical port I_d0 + I_d1 y. The four
constants are fitted on the measured surface S of the cell, so that S, times a gain, comes near phi(x) phi(y) where the
numbers lie; the cell's own thresholds do what phi does. A signed number stands on a pair of cells, of which the off cell
gets -x: there S(x, y) - S(-x, y) is to come near x y. The spikes that can be counted are part of the error: a working
point where the cell hardly fires may be linear, and tells nothing.
"""

from typing import NamedTuple

import numpy as np
from brian2 import Hz, Quantity, pA
from scipy.interpolate import RegularGridInterpolator
from scipy.optimize import minimize

N_POINT = 25  # chosen: points along each axis at which the product is asked for
STARTS = [
    (s0, s1, d0, d1) for s0 in (9, 27, 36, 51) for s1 in (18, 36) for d0 in (28, 52, 72) for d1 in (20, 48)
]  # chosen: 120ths of the range of currents, from its least; and slopes, at the largest number
BEST = 4  # of the starts, from which the search goes on


class Mapping(NamedTuple):
    """Currents of numbers, and what they give.

    Attributes
    ----------
    I_s0, I_d0 : Quantity (A)
        Current of zero into the soma and into the dendrite.
    I_s1, I_d1 : Quantity (A)
        More current for each one.
    unit_rate : Quantity (Hz)
        What the cell sends for the product one.
    loss : float
        Squared error of the product over its square, counting included.
    ranges : tuple of (float, float)
        Least and largest current (pA) of the surface, into soma and dendrite.
    """

    I_s0: Quantity
    I_s1: Quantity
    I_d0: Quantity
    I_d1: Quantity
    unit_rate: Quantity
    loss: float
    ranges: tuple

    def currents(self, basal, apical):
        """Currents (pA) of numbers at the two ports, which end where the surface ends."""
        currents = (self.I_s0 + self.I_s1 * basal) / pA, (self.I_d0 + self.I_d1 * apical) / pA
        return tuple(np.clip(each, *ends) for each, ends in zip(currents, self.ranges, strict=True))


def density(numbers):
    """Points (N_POINT,) from the least to the largest of the numbers, and how often numbers lie near each (sum one)."""
    numbers = np.ravel(numbers)
    points, width = np.linspace(numbers.min(), numbers.max(), N_POINT, retstep=True)
    near = np.exp(-0.5 * ((numbers[:, None] - points) / max(width, 1e-12)) ** 2).mean(axis=0)
    return points, near / near.sum()


def map_product(surface, readout, basal, apical, phi_basal, phi_apical, signed, counted):
    """Mapping of numbers that are seen at the two ports.

    Parameters
    ----------
    surface : Surface
    readout : str
    basal, apical : ndarray
        Samples of the numbers, any shape.
    phi_basal, phi_apical : callable
        The kernels that the thresholds stand for.
    signed : bool
        Whether the basal number has a sign, and stands on an on cell and an off cell.
    counted : Quantity (s)
        Cells a number times the window.

    Returns
    -------
    Mapping
    """
    x, x_weight = density(np.abs(basal) if signed else basal)
    y, y_weight = density(apical)
    sent, weight = _reader(surface, readout), np.outer(x_weight, y_weight)
    wanted = np.outer(phi_basal(x), phi_apical(y))

    def found(p):
        """What is sent for the product, and the variance of counting it."""
        on, off = sent(p, x, y), sent(p, -x, y) if signed else 0.0
        return on - off, (on + off) / float(counted)

    def gain(p):
        mean, variance = found(p)
        return (weight * mean * wanted).sum() / max((weight * (mean**2 + variance)).sum(), 1e-12)

    def loss(p):
        (mean, variance), g = found(p), gain(p)
        return (weight * ((g * mean - wanted) ** 2 + g**2 * variance)).sum() / (weight * wanted**2).sum()

    starts = sorted(_starts(surface, np.abs(x).max(), np.abs(y).max()), key=loss)[:BEST]
    best = min((minimize(loss, each, method="Nelder-Mead") for each in starts), key=lambda result: result.fun)
    ranges = tuple((each[0], each[-1]) for each in (surface.basal, surface.apical))
    return Mapping(*(best.x * pA), 1 / gain(best.x) * Hz, float(best.fun), ranges)


def _starts(surface, *largest):
    """Constants (I_s0, I_s1, I_d0, I_d1; pA) from which the search starts, for numbers up to the `largest` at each port."""
    ranges = [(each[0], each[-1] - each[0]) for each in (surface.basal, surface.apical)]
    parts = np.array(STARTS, dtype=float).reshape(-1, 2, 2)
    for k, (least, span) in enumerate(ranges):
        parts[:, k] *= span / 120
        parts[:, k, 0] += least
        parts[:, k, 1] /= max(largest[k], 1e-12)
    return parts.reshape(-1, 4)


def rates(surface, readout, basal, apical):
    """Rates (Hz) at currents (pA) within the surface, which are broadcast."""
    table = RegularGridInterpolator((surface.basal, surface.apical), surface.rates[readout])
    return table(tuple(np.broadcast_arrays(basal, apical)))


def _reader(surface, readout):
    """Rates (n_x, n_y) of numbers x and y under the constants p; currents end where the surface ends."""
    table = RegularGridInterpolator((surface.basal, surface.apical), surface.rates[readout])

    def sent(p, x, y):
        basal = np.clip(p[0] + p[1] * x, surface.basal[0], surface.basal[-1])
        apical = np.clip(p[2] + p[3] * y, surface.apical[0], surface.apical[-1])
        return table((basal[:, None], apical[None, :]))

    return sent
