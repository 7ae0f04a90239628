"""Attention of one block, on an input of the suite: the systems that are compared on any case."""

from functools import partial

import numpy as np

from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.memory import memory_wiring
from cortical_attention.inputs.suite import cases
from cortical_attention.trials.example import Example
from cortical_attention.trials.systems import SYSTEMS

CASE = "self_n8_scale2"
ABOUT = {
    "mask": "linear attention, n x n microcolumns (the paper's)",
    "memory": "linear attention, tokens written to a memory one by one (after version 3 of the paper)",
    "softmax": "softmax attention by inhibition that subtracts log Z (ours)",
}
CONTROLS = {
    "mask": {"without division": partial(mask_wiring, normaliser=None)},
    "memory": {"without division": partial(memory_wiring, normaliser=None)},
    "softmax": {"phi = exp in the mask wiring": partial(mask_wiring, kernel="exp")},
}


def examples():
    """Linear attention in both wirings, and softmax attention (list of Example)."""
    (case,) = (each for each in cases() if each.name == CASE)
    return [_example(SYSTEMS[name], case) for name in ABOUT]


def _example(system, case):
    block = {name: each for name, each in case.block._asdict().items() if each is not None}
    nulls = {name: null(case.tokens, case.block).output[None] for name, null in system.nulls.items()}
    return Example(
        system.name,
        ABOUT[system.name],
        system.wiring,
        np.asarray(case.tokens)[None],
        block,
        system.reference(case.tokens, case.block).output[None],
        nulls,
        case.calibration,
        controls=CONTROLS[system.name],
        settings={"spiking": {"cells": 4}} if system.attention == "softmax" else {},
    )
