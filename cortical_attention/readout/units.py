"""Conversion of Brian2 quantities, the only place where their units are removed: to `quantities` and to JSON."""

import numpy as np

SI_UNITS = ("m", "kg", "s", "A", "K", "mol", "cd")  # as both packages call them


def to_quantities(x, unit):
    """Turn a Brian2 quantity into a `quantities.Quantity` of the given unit.

    `quantities` and Brian2 silently remove each other's units: `pq.Quantity(3*mV, "mV")` is 0.003 mV. This function
    derives the unit from the dimension of `x`, and refuses a wrong dimension.

    Parameters
    ----------
    x : brian2.Quantity or quantities.Quantity
        Any shape; of the package `quantities` where a recording was read from a file. A plain number is accepted if
        `unit` is "dimensionless".
    unit : str
        A unit of `quantities`, such as "s", "Hz" or "mV".

    Returns
    -------
    quantities.Quantity
        Float64 with the shape of `x`. Exact for SI base units ("s", "Hz"); scaled units cost a rounding.

    Raises
    ------
    ValueError
        If the dimension of `x` is not that of `unit`.
    """
    import quantities as pq

    plain = x if isinstance(x, pq.Quantity) else in_si(x)
    try:
        return plain.astype(float).rescale(unit)
    except ValueError as error:
        raise ValueError(f"a quantity in {unit} is needed, got one in {plain.dimensionality}.") from error


def in_si(x):
    """Turn a Brian2 quantity of any dimension into a `quantities.Quantity` in SI base units (nothing is rounded)."""
    import quantities as pq

    return pq.Quantity(np.asarray(x, dtype=float), _si_unit(x))


def _si_unit(x):
    import quantities as pq
    from brian2 import get_dimensions

    dimensions, si = get_dimensions(x), pq.dimensionless
    for unit in SI_UNITS:
        si = si * pq.Quantity(1.0, unit) ** dimensions.get_dimension(unit)
    return si


def magnitude(x, unit):
    """Float64 array of a Brian2 quantity `x` in `unit`, without unit; errors as in `to_quantities`."""
    return to_quantities(x, unit).magnitude


def value_and_unit(x):
    """Write a Brian2 quantity as `{"value": ..., "unit": ...}`, in its SI unit, so that nothing is rounded.

    A dimensionless quantity becomes its plain value: Brian2 would call its unit "rad".
    """
    from brian2 import get_unit

    value = np.asarray(x).tolist()
    return value if x.dim.is_dimensionless else {"value": value, "unit": str(get_unit(x.dim))}


def readable(x):
    """Turn a quantity into the unit in which people read it: mV, pA or nS where SI base units are unwieldy.

    Parameters
    ----------
    x : brian2.Quantity or quantities.Quantity

    Returns
    -------
    quantities.Quantity
        Scaled units cost a rounding.
    """
    plain = x if hasattr(x, "dimensionality") else in_si(x)
    for unit in ("mV", "pA", "nS", "pF", "ms", "Hz", "dimensionless"):
        try:
            return plain.rescale(unit)
        except ValueError:
            continue
    return plain


def shown_in(x):
    """Values (ndarray) of a quantity in its readable unit, and the name of the unit, empty without dimension."""
    found = readable(x)
    unit = found.dimensionality.string
    return found.magnitude, "" if unit == "dimensionless" else unit
