"""Summary of the rows of the ladder for each rung, wiring and suite."""

import numpy as np

from cortical_attention.inputs.digits import digit_cases, predict
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.trials.comparison import reference_of
from cortical_attention.trials.protocol import PROTOCOL
from cortical_attention.trials.systems import NULLS, system_of

N_DIGIT = 4  # images
COLUMNS = (
    "rung", "wiring", "suite", "case", "seed", "relative_l2", "uniform_relative_l2", "key_only_relative_l2",
    "additive_relative_l2", "skill", "kappa_correlation", "cosine", "agreement", "settled", "cells", "dt_ms",
    "peak_rate_hz", "wall_s",
)  # fmt: skip


def summarise(rows):
    """One row a rung, wiring and suite: the errors over cases, with an interval over seeds."""
    found = []
    for key in dict.fromkeys((row["rung"], row["wiring"], row["suite"]) for row in rows):
        chosen = [row for row in rows if (row["rung"], row["wiring"], row["suite"]) == key]
        column = {name: [row[name] for row in chosen] for name in COLUMNS}
        skills = [skill for skill in column["skill"] if skill is not None]
        found.append(
            {
                **dict(zip(("rung", "wiring", "suite"), key, strict=True)),
                "median_relative_l2": float(np.median(column["relative_l2"])),
                "interval": cluster_interval(column["relative_l2"], column["seed"], **PROTOCOL["intervals"]),
                "ahead": {null: _ahead(column, null) for null in NULLS},
                "largest_relative_l2": max(column["relative_l2"]),
                **{f"{null}_relative_l2": _median(column[f"{null}_relative_l2"]) for null in NULLS},
                "least_skill": min(skills, default=None),
                "better": sum(skill > 0 for skill in skills),
                "settled": sum(column["settled"]),
                "agreement": sum(column["agreement"]) if key[2] == "digits" else None,
                "key_only_agreement": agreeing_null(column) if key[2] == "digits" else None,
                "answers": len(chosen),
            }
        )
    return found


def _median(values):
    """Median; None where a value is."""
    return None if None in values else float(np.median(values))


def _ahead(column, null):
    """Interval over seeds of how far the error lies below that of a null; None where the system has no such null."""
    if None in column[f"{null}_relative_l2"]:
        return None
    ahead = np.subtract(column[f"{null}_relative_l2"], column["relative_l2"])
    return cluster_interval(ahead, column["seed"], **PROTOCOL["intervals"])


def agreeing_null(column):
    """On how many of the digits of rows the null that ignores the query predicts as attention does; None without it."""
    cases, system = digit_cases(len(set(column["case"]))), system_of(column["wiring"][0])
    if "key_only" not in system.nulls:
        return None
    found = [reference_of(case, "elu+1", system=system) for case in cases]
    null, right = ([each.nulls["key_only"] for each in found], [each.attention.output for each in found])
    return int((predict(np.stack(null)) == predict(np.stack(right))).sum()) * len(set(column["seed"]))
