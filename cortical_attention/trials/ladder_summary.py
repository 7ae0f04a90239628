"""Summary of the rows of the ladder for each rung, wiring and suite."""

import numpy as np

from cortical_attention.inputs.digits import digit_cases, predict
from cortical_attention.readout.mixed import mixed
from cortical_attention.trials.comparison import reference_of
from cortical_attention.trials.protocol import PROTOCOL
from cortical_attention.trials.systems import NULLS, system_of

N_DIGIT = 4  # images
COLUMNS = (
    "rung", "wiring", "suite", "setting", "weights", "case", "seed", "relative_l2", "relative_l2_by_design",
    "uniform_relative_l2", "key_only_relative_l2", "additive_relative_l2", "skill", "query_identification",
    "kappa_correlation", "cosine", "agreement", "settled", "cells", "dt_ms", "peak_rate_hz", "wall_s",
)  # fmt: skip


def summarise(rows):
    """One row a rung, wiring and suite: the errors, with intervals over weight sets and inputs (`readout.mixed`)."""
    found = []
    for key in dict.fromkeys((row["rung"], row["wiring"], row["suite"]) for row in rows):
        chosen = [row for row in rows if (row["rung"], row["wiring"], row["suite"]) == key]
        column = {name: [row[name] for row in chosen] for name in COLUMNS}
        skills = [skill for skill in column["skill"] if skill is not None]
        digits = key[2] == "digits"
        found.append(
            {
                **dict(zip(("rung", "wiring", "suite"), key, strict=True)),
                "median_relative_l2": float(np.median(column["relative_l2"])),
                **_model(column),
                "largest_relative_l2": max(column["relative_l2"]),
                "median_relative_l2_by_design": _median(column["relative_l2_by_design"]),
                "query_identification": _mean(column["query_identification"]),
                **{f"{null}_relative_l2": _median(column[f"{null}_relative_l2"]) for null in NULLS},
                "least_skill": min(skills, default=None),
                "better": sum(skill > 0 for skill in skills),
                "settled": sum(column["settled"]),
                "agreement": sum(column["agreement"]) if digits else None,
                "key_only_agreement": agreeing_null(column) if digits else None,
                "answers": len(chosen),
            }
        )
    return found


def _model(column):
    """Intervals of the median, of all settings and of each, and standard deviations; a case without a weight set in a design
    is one of its own."""
    weights = [case if each is None else each for case, each in zip(column["case"], column["weights"], strict=True)]
    setting = ["all" if each is None else each for each in column["setting"]]
    fit = mixed(column["relative_l2"], setting, weights, column["case"], **PROTOCOL["intervals"])
    settings = {name: list(each) for name, each in fit.settings.items()}
    return {"estimate": fit.overall.median, "interval": _ends(fit.overall), "settings": settings, "log_sd": fit.log_sd}


def _ends(estimate):
    """Both ends of an interval; None without it."""
    return None if estimate.low is None else [estimate.low, estimate.high]


def _median(values):
    """Median; None where a value is."""
    return None if None in values else float(np.median(values))


def _mean(values):
    """Mean; None where a value is."""
    return None if None in values else float(np.mean(values))


def agreeing_null(column):
    """On how many of the digits of rows the null that ignores the query predicts as attention does; None without it."""
    cases, system = digit_cases(len(set(column["case"]))), system_of(column["wiring"][0])
    if "key_only" not in system.nulls:
        return None
    found = [reference_of(case, "elu+1", system=system) for case in cases]
    null, right = ([each.nulls["key_only"] for each in found], [each.attention.output for each in found])
    return int((predict(np.stack(null)) == predict(np.stack(right))).sum()) * len(set(column["seed"]))
