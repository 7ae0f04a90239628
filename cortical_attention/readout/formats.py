"""Numbers as text, for tables and figures."""

from math import floor, log10

PREFIXES = {-5: "f", -4: "p", -3: "n", -2: "u", -1: "m", 0: "", 1: "k", 2: "M", 3: "G"}


def number(value, digits=3):
    """A number as text (str) with so many significant digits; a dash for None."""
    return "-" if value is None else f"{value:.{digits}g}"


def with_prefix(value, unit, digits=4):
    """A number of an SI unit as text (str), with a prefix that leaves 1 to 999 before the point, such as 20 ms.

    Parameters
    ----------
    value : float
    unit : str
        A single unit, such as "s", "Hz" or "siemens"; "1" has no prefix and is left out.
    digits : int
        Significant digits.
    """
    if unit == "1" or value == 0:
        return f"{value:.{digits}g} {unit}".removesuffix(" 1")
    power = min(max(floor(log10(abs(value)) / 3 + 1e-9), -5), 3)
    return f"{value / 1000.0**power:.{digits}g} {PREFIXES[power]}{unit}"


def per_cent(value):
    """A fraction as text (str) in per cent, below 1e-4 in powers of ten; a dash for None."""
    if value is None:
        return "-"
    return f"{100 * value:.2f} %" if abs(value) >= 1e-4 else f"{value:.1e}"


def whole_per_cent(value):
    """A fraction as text (str) in whole per cent; a dash for None."""
    return "-" if value is None else f"{100 * value:.0f} %"


def shares(values):
    """Fractions in one cell of a table (str), such as 25/5.6/19 %."""
    return "/".join(map(_share, values)) + " %"


def _share(value):
    """Per cent without the sign; a dash for None."""
    if value is None:
        return "-"
    return f"{100 * value:.2g}" if value < 1 else f"{100 * value:.0f}"
