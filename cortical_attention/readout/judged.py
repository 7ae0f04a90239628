"""Figures that a verdict reads: a value with its interval, held against a threshold."""

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
    threshold : float, or (float, float)
        Two numbers for "within" (the middle and the margin) and for "between" (both ends).
    rule : {"at most", "at least", "within", "between"}
    interval : (float, float), optional
        Both ends decide: the prediction held if both keep the rule and was missed if the whole interval breaks it; else
        it is undecided. Without an interval the value decides.

    Returns
    -------
    dict
        `value`, `interval`, `threshold`, `rule`, and `outcome`: "held", "missed" or "undecided".

    Raises
    ------
    KeyError
        For another rule.
    """
    keeps = RULES[rule]
    ends = [value] if interval is None else interval
    kept = [bool(keeps(end, threshold)) for end in ends]
    if all(kept):
        outcome = "held"
    elif any(kept) or (interval is not None and _reaches(interval, threshold, rule)):
        outcome = "undecided"
    else:
        outcome = "missed"
    content = {"value": float(value), "interval": None if interval is None else [float(end) for end in interval]}
    limits = [float(each) for each in threshold] if isinstance(threshold, tuple | list) else float(threshold)
    return content | {"threshold": limits, "rule": rule, "outcome": outcome}


def _reaches(interval, threshold, rule):
    """Whether an interval reaches beyond a range at both sides."""
    if rule not in ("within", "between"):
        return False
    low, high = threshold if rule == "between" else (threshold[0] - threshold[1], threshold[0] + threshold[1])
    return interval[0] < low and interval[1] > high
