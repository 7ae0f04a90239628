"""Values transmitted by plastic synapses, from their steady release at the rate of each value."""

import numpy as np
from brian2 import Hz

from cortical_attention.cells.short_term import slope, steady_release
from cortical_attention.wiring.expressions import WiringError, parse


def released(projection, values, unit_rate=None):
    """Values that the synapses of a projection stand for, once their release is steady.

    Parameters
    ----------
    projection : Projection
    values : ndarray, shape (..., batch, *sizes)
        Of its source. Of a signed one, the on or the off cell releases, and the other is silent.
    unit_rate : Quantity (Hz), shape (batch,) or (batch, *sizes), optional
        Of its source; needed where it has short-term plasticity.

    Returns
    -------
    ndarray
        As `values`, which they are without plasticity.

    Raises
    ------
    WiringError
        If the projection is plastic, and no unit rate is known.
    """
    if projection.plasticity is None:
        return values
    return values * steady_release(projection.plasticity, _rates(projection, values, unit_rate))


def gain_of_release(projection, values, unit_rate):
    """Derivative of the transmitted value with respect to the value of the source, once release is steady.

    Parameters
    ----------
    projection : Projection
    values : ndarray, shape (..., batch, *sizes)
        Of its source.
    unit_rate : Quantity (Hz), shape (batch,) or (batch, *sizes), or None
        Of its source; None is accepted without short-term plasticity.

    Returns
    -------
    float or ndarray
        1.0 without short-term plasticity; otherwise in the shape of `values`.

    Raises
    ------
    WiringError
        If the projection is plastic, and the unit rate is None.
    """
    if projection.plasticity is None:
        return 1.0
    return slope(projection.plasticity, _rates(projection, values, unit_rate))


def _rates(projection, values, unit_rate):
    """Rates (Hz) of the cells that stand for values."""
    if unit_rate is None:
        raise WiringError(
            f"projection '{projection.name}': what its plastic synapses release depends on the rate of their source, which "
            "is not known here"
        )
    each, n_axis = np.asarray(unit_rate / Hz), 1 + len(parse(projection.expression).source)
    return np.abs(values) * each.reshape(*each.shape, *(1 for _ in range(n_axis - each.ndim)))
