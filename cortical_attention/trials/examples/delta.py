"""A memory that is written by the delta rule, on an input of its own."""

from functools import partial

import numpy as np
from brian2 import second

from cortical_attention.circuits.delta import delta_wiring
from cortical_attention.inputs.suite import random_case
from cortical_attention.reference.block import check_problem, project
from cortical_attention.reference.memory_rules import best_scale, memory_answer
from cortical_attention.trials.example import Example

N_TOKEN, SEED = 5, 21
SIZES = {"n_head": 2, "d_model": 8, "d_key": 6, "d_value": 4}
BIAS = (
    -0.5
)  # of queries and keys; chosen: |phi|^2 is then 3 to 10 with elu+1, enough for a delta rule, little for the loop
WRITE = 1 * second  # tau_write, against a lag of the loop of 45 ms in rates
BRIEF = {"settle": 0.5 * second, "window": 0.2 * second, "write": WRITE}  # a memory is read without a loop
CLAIMS = {"rate": 0.02, "dale": 0.02, "spiking": 0.03}


def means(case):
    """Output of a memory without keys, (n_token, d_model): the mean of the values, whatever is asked."""
    value = project(check_problem(case.tokens, case.block))[2].mean(axis=-2)
    return np.broadcast_to(np.einsum("hmv,hv->m", case.block.W_O, value), case.tokens.shape)


def examples():
    """Five tokens, written and asked one after another (list of Example)."""
    case = random_case(SEED, N_TOKEN, **SIZES)
    bias = np.full((SIZES["n_head"], SIZES["d_key"]), BIAS)
    case = case._replace(block=case.block._replace(b_Q=bias, b_K=bias))
    sum_rule = memory_answer(case.tokens, case.block, "sum")
    right = memory_answer(case.tokens, case.block, "continuous delta")
    scaled = best_scale(sum_rule, right) * sum_rule
    return [
        Example(
            "delta rule",
            "a memory that stores what it does not answer yet (Schlag, Irie & Schmidhuber 2021; the circuit is ours)",
            delta_wiring,
            case.tokens[None],
            {name: each for name, each in case.block._asdict().items() if each is not None},
            right[None],
            {
                "sum rule": sum_rule[None],
                "sum rule at its best scale": scaled[None],
                "mean of values": means(case)[None],
            },
            case.calibration,
            controls={"sum rule": partial(delta_wiring, rule="sum")},
            settings={
                "rate": BRIEF,
                "dale": BRIEF,
                "spiking": BRIEF | {"window": 0.5 * second, "synapses": "fast", "cells": 16},
            },
            claims=CLAIMS,
        )
    ]
