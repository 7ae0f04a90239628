"""Threshold of each figure that a statement of the verdict reads, as `protocol.toml` has it now.

A figure is judged by what the file says when the verdict is asked for, and not by what it said when the experiment ran, so
that a threshold can be moved without running anything again.
"""

import math

from cortical_attention.readout.judged import judged
from cortical_attention.trials.protocol import PROTOCOL, ProtocolError

CELLS = ("_fire_or_burst", "_low_threshold")
KEYS = {  # of figures that are not called as their threshold is
    "harmonics_tonic": "harmonics",
    "hysteresis_lateral": "hysteresis",
    "doubled": "cosine",
    "rates": "rate",
    "over_rates": "retention",
    "over_spikes": "retention",
    "selection_by_key": "by_key",
    "linear_adaptive": "inside",
    "linear_biophysical": "inside",
    "trials_behind": "trials",
    "points_behind": "points",
    "unnormalised_points": "unnormalised",
    "fixed_divisor_points": "unnormalised",
    "mistuned_points": "mistuned",
    "linear_points": "linear",
    "signs_held": "signs",
    "signs_held_in_spikes": "signs",
    "signs_swapped": "swapped",
    "signs_shuffled": "swapped",
    "circuit_product": "circuit",
    "circuit_distance": "circuit",
    "circuit_error": "circuit",
    "equal_norms": "circuit",
    "query_of_error": "no_query",
    "query_of_product": "query",
}
WINDOWS = ("0.5", "1", "2")  # s of coincidence, of `match_and_control`


def threshold_of(experiment, figure):
    """Threshold that `protocol.toml` has for a figure (float, or list of two), or None if it has none.

    Parameters
    ----------
    experiment : str
    figure : str
        A figure of one relay cell ends with the name of the cell, and has the threshold of both.
    """
    own = PROTOCOL.get(experiment, {})
    for cell in CELLS:
        figure = figure.removesuffix(cell)
    if figure == "bursts_per_cycle":
        return [own[figure] - 0.05, own[figure] + 0.05]
    kind, _, window = figure.rpartition("_")
    if kind == "success" and window in WINDOWS:
        return [own["success"][WINDOWS.index(window)], own["success_within"]]
    if kind == "false_matches" and window in WINDOWS:
        return [own["false"], own["spurious_within"]]
    return own.get(KEYS.get(figure, figure))


def check(experiment, figure):
    """Refuse a threshold of a figure that is missing or no number (ProtocolError)."""
    try:
        threshold = threshold_of(experiment, figure)
        usable = all(
            isinstance(each, int | float) for each in (threshold if isinstance(threshold, list) else [threshold])
        )
    except (KeyError, IndexError, TypeError):
        usable = False
    if not usable:
        key = KEYS.get(figure, figure)
        raise ProtocolError(f"protocol.toml: the threshold of '{key}' in [{experiment}] is missing or not a number")


def judged_now(experiment, name, figure):
    """A figure of an experiment with the present threshold and its outcome (dict); with its own where the file has none.

    Parameters
    ----------
    experiment, name : str
    figure : dict
        `value`, `interval`, `threshold` and `rule`, as the experiment wrote them; what is no number is null in a file.

    Raises
    ------
    LookupError, TypeError, ValueError
        If it is something else.
    """
    threshold = threshold_of(experiment, name)
    ends = None if figure["interval"] is None else tuple(map(number_of, figure["interval"]))
    limit = figure["threshold"] if threshold is None else threshold
    return judged(number_of(figure["value"]), limit, figure["rule"], ends)


def number_of(value):
    """A number of a file, where null is none (float); TypeError for what is something else."""
    if not isinstance(value, int | float | None):
        raise TypeError(f"{value!r} is no number")
    return math.nan if value is None else float(value)
