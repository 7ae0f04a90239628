"""Threshold of each figure that a statement of the verdict reads, as `protocol.toml` has it now.

A figure is judged by what the file says when the verdict is asked for, and not by what it said when the experiment ran, so
that a threshold can be moved without running anything again.
"""

from cortical_attention.readout.judged import judged
from cortical_attention.trials.protocol import PROTOCOL

CELLS = tuple(f"_{cell}" for cell in PROTOCOL["burst_attention"]["cells"])
CYCLE, MATCH, PRECISION = PROTOCOL["relays"]["bursts_per_cycle"], PROTOCOL["match_and_control"], PROTOCOL["precision"]
RENAMED = {  # figures that are not called as their threshold is
    "relays": {
        "harmonics_tonic": PROTOCOL["relays"]["harmonics"],
        "bursts_per_cycle": [CYCLE - 0.05, CYCLE + 0.05],
    },
    "reticular": {"hysteresis_lateral": PROTOCOL["reticular"]["hysteresis"]},
    "layer_6": {"doubled": PROTOCOL["layer_6"]["cosine"]},
    "recurrent_attention": {
        "rates": PROTOCOL["recurrent_attention"]["rate"],
        "over_rates": PROTOCOL["recurrent_attention"]["retention"],
    },
    "context_inference": {
        "trials_behind": PROTOCOL["context_inference"]["trials"],
        "points_behind": PROTOCOL["context_inference"]["points"],
        "unnormalised_points": PROTOCOL["context_inference"]["unnormalised"],
    },
    "amplify_suppress": {"signs_held": PROTOCOL["amplify_suppress"]["signs"]},
    "match_and_control": {
        **{
            f"success_{window}": [wanted, MATCH["success_within"]]
            for window, wanted in zip(("0.5", "1", "2"), MATCH["success"], strict=True)
        },
        **{f"false_matches_{window}": [MATCH["false"], MATCH["spurious_within"]] for window in ("0.5", "1", "2")},
    },
    "precision": dict.fromkeys(
        ("circuit_product", "circuit_distance", "circuit_error", "equal_norms"), PRECISION["circuit"]
    ),
}


def threshold_of(experiment, figure):
    """Threshold that `protocol.toml` has for a figure (float, or list of two), or None if it has none.

    Parameters
    ----------
    experiment : str
    figure : str
        A figure of one relay cell ends with the name of the cell, and has the threshold of both.
    """
    for cell in CELLS:
        figure = figure.removesuffix(cell)
    return (PROTOCOL.get(experiment, {}) | RENAMED.get(experiment, {})).get(figure)


def judged_now(experiment, name, figure):
    """A figure of an experiment with the present threshold and its outcome (dict); as it is where there is no threshold.

    Parameters
    ----------
    experiment, name : str
    figure : dict
        `value`, `interval`, `threshold`, `rule` and `outcome`, as the experiment wrote them.
    """
    threshold = threshold_of(experiment, name)
    if threshold is None:
        return figure
    return judged(figure["value"], threshold, figure["rule"], figure["interval"])
