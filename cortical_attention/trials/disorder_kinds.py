"""Kinds of disorder of a circuit, and their levels."""

import numpy as np

from cortical_attention.trials.disorder import CELLS, existing, jittered, measured, with_missing
from cortical_attention.trials.disorder import disordered as disorder

VALUES = (
    "matrix -> intratelencephalic.basal", "intratelencephalic -> pyramidal_tract.soma",
    "pyramidal_tract -> higher_order.soma",
)  # fmt: skip
OTHERS = (
    "core -> superficial.basal", "matrix -> superficial.apical", "superficial -> intratelencephalic.apical",
    "superficial -> interneuron.pool", "interneuron -> superficial.shunt",
)  # fmt: skip
JITTER = 0.05  # of a single projection
COPIES = VALUES[0], *OTHERS[:2]  # of values, queries and keys
SUBTRACTION = "interneuron -> intratelencephalic.subtracted"
PROJECTIONS = {
    "linear": (*VALUES, *OTHERS),
    "softmax": (
        *VALUES, *OTHERS[:3], "superficial -> normaliser.apical", "normaliser -> interneuron.pool",
        SUBTRACTION, "interneuron -> normaliser.subtracted",
    ),
}  # fmt: skip
KINDS = {
    "projection": PROJECTIONS["linear"],
    "copies": (0.01, 0.05, 0.1),
    "jitter": (0.02, 0.05, 0.1, 0.2, 0.4),
    "probability": (0.8, 0.4, 0.2, 0.1, 0.05),
    "cells": (5, 20, 80, 320),
    "missing": (0.1, 0.2, 0.4, 0.8),
    "measured": (CELLS,),
    "none": (0,),
}


def disordered(plan, kind, level, draw):
    """Plan with disorder of a kind."""
    if kind == "missing":
        return with_missing(plan, level, CELLS, draw)
    factor = {
        "projection": lambda name, size: jittered(draw, JITTER * (name == level), 1, size),
        "copies": lambda name, size: jittered(draw, level * (name in COPIES), 1, size),
        "jitter": lambda name, size: jittered(draw, level, 1, size),
        "probability": lambda name, size: existing(draw, CELLS, level, size),
        "cells": lambda name, size: existing(draw, level, 0.1, size),
        "measured": lambda name, size: measured(draw, level, name, size),
        "none": lambda name, size: np.ones(size),
    }[kind]
    return disorder(plan, factor)


def levels_of(attention):
    """Levels of disorder by kind (dict); of softmax attention without measured probabilities, since not all are known."""
    known = {kind: levels for kind, levels in KINDS.items() if kind != "measured" or attention == "linear"}
    return known | {"projection": PROJECTIONS[attention]}
