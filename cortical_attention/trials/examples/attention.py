"""Attention of one block, on an input of the suite: the systems that are compared on any case."""

from functools import partial

import numpy as np

from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.memory import memory_wiring
from cortical_attention.circuits.softmax import softmax_wiring
from cortical_attention.circuits.softmax_quadrants import softmax_quadrants_wiring
from cortical_attention.inputs.suite import cases
from cortical_attention.trials.example import Example
from cortical_attention.trials.systems import SYSTEMS

CASE = "self_n8_scale2"
ABOUT = {
    "mask": "linear attention, n x n microcolumns (the paper's)",
    "memory": "linear attention, tokens written to a memory one by one (after version 3 of the paper)",
    "softmax": "softmax attention by inhibition that subtracts log Z (ours)",
}
IN_QUADRANTS = "softmax attention in four quadrants"
CONTROLS = {
    "mask": {"without division": partial(mask_wiring, normaliser=None)},
    "memory": {"without division": partial(memory_wiring, normaliser=None)},
    "softmax": {"phi = exp in the mask wiring": partial(mask_wiring, kernel="exp")},
}


def query_ignored(wiring, *given, W_Q, **block):
    """A wiring whose queries are all zero, so that attention depends on keys alone."""
    return wiring(*given, W_Q=np.zeros_like(W_Q), **block)


def values_of_another_head(wiring, *given, W_V, W_O, **block):
    """A wiring in which the attention of each head multiplies the values of another."""
    return wiring(*given, W_V=np.roll(W_V, 1, axis=0), W_O=np.roll(W_O, 1, axis=0), **block)


def without_signs(*given, **block):
    """L2/3 cells of four quadrants that all excite the tufts."""
    plan = softmax_wiring(*given, quadrants=True, **block)
    changed = [
        each._replace(weights=np.abs(each.weights)) if each.source == "superficial" else each
        for each in plan.circuit.projections
    ]
    return plan._replace(circuit=plan.circuit._replace(projections=tuple(changed)))


def examples():
    """Linear attention in both wirings, and softmax attention with pairs and with quadrants (list of Example)."""
    (case,) = (each for each in cases() if each.name == CASE)
    found = [_example(SYSTEMS[name], case) for name in ABOUT]
    quadrants = found[-1]._replace(
        system=IN_QUADRANTS,
        about="the same, with L2/3 cells that multiply two rectified drives, four for each component (ours)",
        wiring=softmax_quadrants_wiring,
        controls={
            "all quadrants excite": without_signs,
            "query ignored": partial(query_ignored, softmax_quadrants_wiring),
            "values of another head": partial(values_of_another_head, softmax_quadrants_wiring),
        },
    )
    return [*found, quadrants]


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
        controls=CONTROLS[system.name]
        | {
            "query ignored": partial(query_ignored, system.wiring),
            "values of another head": partial(values_of_another_head, system.wiring),
        },
        settings={"spiking": {"cells": 4}} if system.attention == "softmax" else {},
    )
