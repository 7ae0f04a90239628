"""Figures that a verdict reads: a value with its interval, held against a threshold."""

import math

RULES = {
    "at most": lambda x, threshold: x <= threshold,
    "at least": lambda x, threshold: x >= threshold,
    "within": lambda x, threshold: abs(x - threshold[0]) <= threshold[1],
    "between": lambda x, threshold: threshold[0] <= x <= threshold[1],
}


def judged(value, threshold, rule, interval=None):
    """A figure, and whether what was predicted of it held.

    Parameters
    ----------
    value : float
        One that is not finite is undecided.
    threshold : float, or (float, float)
        Two numbers for "within" (the middle and the margin) and for "between" (both ends).
    rule : {"at most", "at least", "within", "between"}
    interval : (float, float), optional
        Both ends, in either order, decide: the prediction held if both keep the rule and was missed if the whole interval
        breaks it; else, and where an end is not a number, it is undecided. Without an interval the value decides.

    Returns
    -------
    dict
        `value`, `interval`, `threshold`, `rule`, and `outcome`: "held", "missed" or "undecided".

    Raises
    ------
    KeyError
        For another rule.
    """
    ends = [float(value)] if interval is None else sorted(map(float, interval))
    content = {"value": float(value), "interval": None if interval is None else ends}
    known = math.isfinite(value) and not any(map(math.isnan, ends))
    outcome = _outcome(ends, threshold, RULES[rule], rule) if known else "undecided"
    limits = [float(each) for each in threshold] if isinstance(threshold, tuple | list) else float(threshold)
    return content | {"threshold": limits, "rule": rule, "outcome": outcome}


def _outcome(ends, threshold, keeps, rule):
    """Outcome of an interval, or of a value alone (str)."""
    kept = [bool(keeps(end, threshold)) for end in ends]
    if all(kept):
        return "held"
    return "undecided" if any(kept) or _reaches(ends, threshold, rule) else "missed"


def _reaches(interval, threshold, rule):
    """Whether an interval reaches beyond a range at both sides."""
    if rule not in ("within", "between"):
        return False
    low, high = threshold if rule == "between" else (threshold[0] - threshold[1], threshold[0] + threshold[1])
    return interval[0] < low and interval[-1] > high
