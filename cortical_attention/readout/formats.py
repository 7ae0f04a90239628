"""Numbers as text, for tables and pictures."""


def number(value, digits=3):
    """A number as text; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}g}"


def per_cent(value):
    """A share as text; small ones in powers of ten."""
    if value is None:
        return "-"
    return f"{100 * value:.2f} %" if value >= 1e-4 else f"{value:.1e}"


def shares(values):
    """Shares in one cell of a table: 25/5.6/19 %."""
    return "/".join(map(_share, values)) + " %"


def _share(value):
    """Per cent without the sign; a dash where there is none."""
    if value is None:
        return "-"
    return f"{100 * value:.2g}" if value < 1 else f"{100 * value:.0f}"
