"""Numbers as text, for tables and figures."""


def number(value, digits=3):
    """A number as text (str) with so many significant digits; a dash for None."""
    return "-" if value is None else f"{value:.{digits}g}"


def per_cent(value):
    """A fraction as text (str) in per cent, below 1e-4 in powers of ten; a dash for None."""
    if value is None:
        return "-"
    return f"{100 * value:.2f} %" if value >= 1e-4 else f"{value:.1e}"


def shares(values):
    """Fractions in one cell of a table (str), such as 25/5.6/19 %."""
    return "/".join(map(_share, values)) + " %"


def _share(value):
    """Per cent without the sign; a dash for None."""
    if value is None:
        return "-"
    return f"{100 * value:.2g}" if value < 1 else f"{100 * value:.0f}"
