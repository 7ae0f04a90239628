"""The one door at which Brian2's units come off: to `quantities` for neo and the figures, to JSON for files."""

import numpy as np

SI_UNITS = ("m", "kg", "s", "A", "K", "mol", "cd")  # as both packages call them


def to_quantities(x, unit):
    """Turn a Brian2 quantity into a `quantities.Quantity` of the given unit.

    `quantities` and Brian2 do not know each other, and each silently strips the other's unit: `pq.Quantity(3*mV, "mV")`
    is 0.003 mV. Here the unit is built from the dimension of `x`, and a wrong dimension is refused.

    Parameters
    ----------
    x : brian2.Quantity
        Any shape. A plain number is accepted where `unit` is "dimensionless".
    unit : str
        A unit that `quantities` knows, such as "s", "Hz" or "mV".

    Returns
    -------
    quantities.Quantity
        Float64 with the shape of `x`. Exact for SI base units ("s", "Hz"); scaled units cost a rounding.

    Raises
    ------
    ValueError
        Where the dimension of `x` is not that of `unit`, or `x` is a quantity of `quantities` already.
    """
    import quantities as pq

    if isinstance(x, pq.Quantity):
        raise ValueError(f"a Brian2 quantity is needed here, got one of the package quantities: {x!r}.")
    si = _si_unit(x)
    plain = pq.Quantity(np.asarray(x, dtype=float), si)
    try:
        return plain.rescale(unit)
    except ValueError as error:
        raise ValueError(f"a quantity in {unit} is needed, got one in {si.dimensionality}.") from error


def _si_unit(x):
    import quantities as pq
    from brian2 import get_dimensions

    dimensions, si = get_dimensions(x), pq.dimensionless
    for unit in SI_UNITS:
        si = si * pq.Quantity(1.0, unit) ** dimensions.get_dimension(unit)
    return si


def magnitude(x, unit):
    """The plain float64 array of a Brian2 quantity `x` in `unit`; raises as `to_quantities` does."""
    return to_quantities(x, unit).magnitude


def value_and_unit(x):
    """Write a Brian2 quantity as `{"value": ..., "unit": ...}`, value in the SI unit named, so that nothing is rounded.

    A dimensionless quantity comes out as its plain value: Brian2 would call its unit "rad".
    """
    from brian2 import get_unit

    value = np.asarray(x).tolist()
    return value if x.dim.is_dimensionless else {"value": value, "unit": str(get_unit(x.dim))}
