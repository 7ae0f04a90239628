"""Currents of a two-compartment cell for two values, such that its output approximates their product.

A value x at the basal port becomes the current I_s0 + I_s1 x, a value y at the apical port I_d0 + I_d1 y. The four
constants are fitted on the measured surface S of the cell, so that S, times a gain, approximates phi(x) phi(y) over the
distribution of the values; the thresholds of the cell replace phi. A pair of cells represents a signed value, with -x at the
off cell: S(x, y) - S(-x, y) then approximates x y. The error includes the variance of spike counts, which excludes working
points that are linear but almost silent.

Where inhibition divides the cells of a macrocolumn by their own sum, a factor that all of them share does no harm. The
constants are then fitted to the quotients (`map_quotient`): sum_k phi(x_ik) phi(y_jk), divided by its sum over j.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
from brian2 import Hz, Quantity, pA
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import map_coordinates
from scipy.optimize import minimize

from cortical_attention.cells.membranes.membrane import MembraneError

N_POINT = 25  # chosen: points along each axis at which the product is asked for
STARTS = list(
    product((9, 18, 27, 36, 44, 51, 60), (9, 18, 36, 60), (15, 28, 40, 52, 64, 72, 84), (10, 20, 34, 48, 70))
)  # chosen: 120ths of the range of currents, from its least, and slopes at the largest value: into soma, and into dendrite
BEST = 4  # of the starts, from which the search goes on
MANY = 2**16  # chosen: values of a port in a fit to quotients
SAMPLE = 20261126  # seed, where there are more


class Mapping(NamedTuple):
    """Affine map from values to currents, and its result.

    Attributes
    ----------
    I_s0, I_d0 : Quantity (A)
        Current for the value zero, into soma and dendrite.
    I_s1, I_d1 : Quantity (A)
        Increase of the current per unit of value.
    unit_rate : Quantity (Hz)
        Output of the cell for the product one.
    loss : float
        Squared error of the product relative to its square, including the variance of counts.
    ranges : tuple of (float, float)
        Least and largest measured current (pA), into soma and dendrite.
    """

    I_s0: Quantity
    I_s1: Quantity
    I_d0: Quantity
    I_d1: Quantity
    unit_rate: Quantity
    loss: float
    ranges: tuple

    def currents(self, basal, apical):
        """Currents for values at the two ports, clipped to the measured range.

        Parameters
        ----------
        basal, apical : float or ndarray
            Values, without unit; any shapes.

        Returns
        -------
        basal, apical : ndarray
            Currents (pA) into soma and dendrite, in the shapes of the values.
        """
        currents = (self.I_s0 + self.I_s1 * basal) / pA, (self.I_d0 + self.I_d1 * apical) / pA
        return tuple(np.clip(each, *ends) for each, ends in zip(currents, self.ranges, strict=True))


def density(values):
    """Density of values on a grid.

    Parameters
    ----------
    values : ndarray
        Values, any shape.

    Returns
    -------
    points, weight : ndarray, shape (N_POINT,)
        Grid from the least to the largest value, and the share of values near each point (sum one).
    """
    values = np.ravel(values)
    points, width = np.linspace(values.min(), values.max(), N_POINT, retstep=True)
    near = np.exp(-0.5 * ((values[:, None] - points) / max(width, 1e-12)) ** 2).mean(axis=0)
    return points, near / near.sum()


def map_product(surface, readout, basal, apical, phi_basal, phi_apical, signed, counted):
    """Mapping fitted to the values at the two ports.

    Parameters
    ----------
    surface : Surface
    readout : str
    basal, apical : ndarray
        Samples of the values, any shape.
    phi_basal, phi_apical : callable
        Kernels that the thresholds replace.
    signed : bool
        Whether the basal value is signed, and represented by an on cell and an off cell.
    counted : Quantity (s)
        Cells per value times the window.

    Returns
    -------
    Mapping
    """
    x, x_weight = density(np.abs(basal) if signed else basal)
    y, y_weight = density(apical)
    sent, weight = _reader(surface, readout), np.outer(x_weight, y_weight)
    wanted = np.outer(phi_basal(x), phi_apical(y))
    if not np.any(weight * wanted):
        raise MembraneError(
            "the products of its two inputs are zero in all calibration sequences, but some need to differ from zero"
        )

    def found(p):
        """Output for the product, and the variance of its count."""
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


def map_quotient(surface, readout, basal, apical, phi_basal, phi_apical, counted, gate=1.0):
    """Mapping fitted to products that inhibition divides by their sum over the macrocolumn.

    Parameters
    ----------
    surface, readout, phi_basal, phi_apical, counted
        As for `map_product`, whose mapping the search starts from.
    basal, apical, gate : ndarray, shape (..., n_column, n_component), or of size one along any axis
        Values at the two ports, and whether a microcolumn is open. Products are added over the components of a
        microcolumn, and divided by their sum over all microcolumns.

    Returns
    -------
    Mapping
        With the squared error of the quotients relative to their square, including the variance of counts, for its `loss`;
        its `unit_rate` is that at which the sums of the macrocolumns are best approximated.
    """
    start = map_product(surface, readout, basal, apical, phi_basal, phi_apical, False, counted)
    x, y, is_open = _macrocolumns(basal, apical, gate)
    if not len(x):
        return start
    table = _bilinear(surface, readout)
    products, total = _added(is_open * phi_basal(x) * phi_apical(y))
    wanted = products / total

    def found(p):
        """Output of every microcolumn, and of the whole macrocolumn."""
        return _added(is_open * table(p[0] + p[1] * x, p[2] + p[3] * y))

    def loss(p):
        rates, sums = found(p)
        quotient = rates / sums
        variance = quotient / sums / float(counted)
        return ((quotient - wanted) ** 2 + variance).sum() / (wanted**2).sum()

    begin = [float(each / pA) for each in start[:4]]
    best = minimize(loss, begin, method="Nelder-Mead")
    sums = found(best.x)[1]
    return start._replace(
        **dict(zip(Mapping._fields, best.x * pA, strict=False)),
        unit_rate=(sums * total).sum() / (total**2).sum() * Hz,
        loss=float(best.fun),
    )


def _macrocolumns(*values):
    """Values as (n_macrocolumn, n_column, n_component), of the macrocolumns that have an open microcolumn; a random sample
    of them where they have more than `MANY` values, always the same."""
    full = [each.reshape(-1, *each.shape[-2:]) for each in np.broadcast_arrays(*values)]
    some = np.random.default_rng(SAMPLE).permutation(np.flatnonzero(full[-1].any(axis=(1, 2))))
    some = np.sort(some[: max(1, MANY // full[0][0].size)])
    return [each[some] for each in full]


def _added(products):
    """Sum over the components of each microcolumn, and over the macrocolumn."""
    rates = products.sum(axis=-1)
    return rates, np.maximum(rates.sum(axis=-1, keepdims=True), np.finfo(float).tiny)


def _bilinear(surface, readout):
    """Function that gives rates (Hz) at currents (pA) of equal shapes, clipped to the surface; its grid is even."""

    def at(basal, apical):
        grids = zip((basal, apical), (surface.basal, surface.apical), strict=True)
        places = [(np.clip(each, grid[0], grid[-1]) - grid[0]) / (grid[1] - grid[0]) for each, grid in grids]
        return map_coordinates(surface.rates[readout], places, order=1)

    return at


def _starts(surface, *largest):
    """Constants (I_s0, I_s1, I_d0, I_d1; pA) from which the search starts, for values up to the `largest` at each port."""
    ranges = [(each[0], each[-1] - each[0]) for each in (surface.basal, surface.apical)]
    parts = np.array(STARTS, dtype=float).reshape(-1, 2, 2)
    for k, (least, span) in enumerate(ranges):
        parts[:, k] *= span / 120
        parts[:, k, 0] += least
        parts[:, k, 1] /= max(largest[k], 1e-12)
    return parts.reshape(-1, 4)


def rates(surface, readout, basal, apical):
    """Rates at given currents, interpolated on the measured surface.

    Parameters
    ----------
    surface : Surface
    readout : str
        A read-out in `surface.rates`.
    basal, apical : ndarray
        Currents (pA); shapes broadcast.

    Returns
    -------
    ndarray
        Hz.

    Raises
    ------
    ValueError
        For currents outside the surface.
    """
    table = RegularGridInterpolator((surface.basal, surface.apical), surface.rates[readout])
    return table(tuple(np.broadcast_arrays(basal, apical)))


def _reader(surface, readout):
    """Function that gives rates (n_x, n_y), Hz, for values x and y under constants p (pA), clipped to the surface."""
    table = RegularGridInterpolator((surface.basal, surface.apical), surface.rates[readout])

    def sent(p, x, y):
        basal = np.clip(p[0] + p[1] * x, surface.basal[0], surface.basal[-1])
        apical = np.clip(p[2] + p[3] * y, surface.apical[0], surface.apical[-1])
        return table((basal[:, None], apical[None, :]))

    return sent
