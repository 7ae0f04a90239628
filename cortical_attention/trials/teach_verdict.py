"""What `experiments.teach` found, over seeds, held against the section [teach] of the protocol."""

import numpy as np

from cortical_attention.readout.judged import judged
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.trials.protocol import PROTOCOL
from cortical_attention.trials.teach import FROZEN, IGNORED, LATE, NEXT, SHUFFLED, WEIGHTS
from cortical_attention.trials.teach_cells import ALONE

ASKED = PROTOCOL["teach"]


def over_seeds(rows, task, teacher, name):
    """Values of a figure over seeds (ndarray)."""
    found = [row[name] for row in rows if (row["task"], row["teacher"]) == (task, teacher)]
    return np.array(found)


def interval(values):
    """Interval of the mean over seeds."""
    return cluster_interval(values, np.arange(len(values)), **PROTOCOL["intervals"])


def verdict(rows, cells):
    """Figures with their intervals and thresholds.

    Parameters
    ----------
    rows, cells : list of dict
        As of `rows_of` and `rows_of_cells`.

    Returns
    -------
    dict of dict
        As of `readout.judged.judged`; a figure of what was not run is left out.
    """
    found = {}
    for task in dict.fromkeys(row["task"] for row in rows):
        found |= {f"{task}_{name}": each for name, each in _of_task(rows, task).items()}
    for task in dict.fromkeys(row["task"] for row in cells):
        found |= {f"{task}_{name}": each for name, each in _of_cells(cells, task).items()}
    return found


def _of_task(rows, task):
    chance = next(row["chance"] for row in rows if row["task"] == task)
    nulls = np.array([each["query ignored"] for each in over_seeds(rows, task, NEXT, "nulls")])

    def of(teacher, name, rule, threshold, change=lambda x: x):
        values = change(over_seeds(rows, task, teacher, name)) if isinstance(name, str) else name
        return judged(np.mean(values), ASKED[threshold], rule, interval(values))

    return {
        "accuracy": of(NEXT, "accuracy", "at least", "accuracy"),
        "on_right": of(NEXT, "attention_on_right", "at least", "on_right", lambda x: x / chance),
        "null_from_chance": of(NEXT, np.abs(nulls - chance), "at most", "exact"),
        "no_query_from_chance": of(IGNORED, "accuracy", "at most", "exact", lambda x: np.abs(x - chance)),
        "other_sequence_from_chance": of(SHUFFLED, "accuracy", "at most", "shuffled", lambda x: np.abs(x - chance)),
        "one_later": of(LATE, "accuracy", "at most", "late_next"),
        "one_later_two_ahead": of(LATE, "two_ahead", "at least", "late_two_ahead", lambda x: x / chance),
        "frozen_above_chance": of(FROZEN, "accuracy", "at most", "frozen", lambda x: x - chance),
    }


def _of_cells(cells, task):
    def of(teacher, names=WEIGHTS):
        return [row[name] for row in cells if (row["task"], row["teacher"]) == (task, teacher) for name in names]

    asked = {  # values, threshold, rule, and which of the values has to keep it
        "cells": (of(NEXT), "cells", "at most", max),
        "cells_one_later": (of(LATE), "cells_off", "at least", min),
        "cells_error_held": (of(ALONE, ("error",)), "cells", "at most", max),
        "cells_answer_alone_held": (of(ALONE, ("W_Q",)), "cells_off", "at least", min),
    }
    return {
        name: judged(worst(values), ASKED[threshold], rule)
        for name, (values, threshold, rule, worst) in asked.items() if values
    }  # fmt: skip
