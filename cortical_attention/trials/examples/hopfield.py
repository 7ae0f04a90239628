"""Retrieval from a modern Hopfield network: one step, and iterated to the fixed point."""

import numpy as np
from brian2 import ms, second

from cortical_attention.circuits.hopfield import hopfield_wiring
from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.block import Block
from cortical_attention.reference.hopfield import fixed_point, update
from cortical_attention.trials.example import Example

SEED, N_PATTERN, N_CUE, D = 1, 8, 4, 16
NOISE = 0.5  # norm of what is added to a pattern of norm one
BETA = 8.0
T, FAST = 0.5 * second, 20 * ms  # above the least that the loop needs in rates, 0.2 s, and far below it
SETTLE = 10 * second  # a quarter of it for loading and holding the cue; the rest is 15 T, which leaves 3e-7
N_CALIBRATION = 8


def drawn(rng, n_sequence, n_pattern=N_PATTERN, n_cue=N_CUE, d=D, noise=NOISE):
    """Random patterns of norm one, and cues: patterns with noise added.

    Returns
    -------
    cues, wanted : ndarray, shape (n_sequence, n_cue, d)
        Cues, and the patterns that they come from.
    patterns : ndarray, shape (n_sequence, n_pattern, d)
    """
    patterns = rng.standard_normal((n_sequence, n_pattern, d))
    patterns /= np.linalg.norm(patterns, axis=-1, keepdims=True)
    target = rng.integers(0, n_pattern, (n_sequence, n_cue))
    wanted = np.take_along_axis(patterns, target[..., None], axis=1)
    return wanted + noise * rng.standard_normal(wanted.shape) / np.sqrt(d), wanted, patterns


def without_division(*given, **block):
    """Interneurons without effect."""
    plan = hopfield_wiring(*given, **block)
    cut = [each._replace(weights=0.0) if each.source == "interneuron" else each for each in plan.circuit.projections]
    return plan._replace(circuit=plan.circuit._replace(projections=tuple(cut)))


def too_fast(*given, T, **block):
    """Feedback that is faster than inhibition."""
    return hopfield_wiring(*given, T=FAST, **block)


def nulls_of(cues, patterns, beta):
    """Answers without a part of retrieval, by name (dict)."""
    one = np.eye(cues.shape[-1])[None]
    linear = linear_attention(cues, Block(beta * np.sqrt(cues.shape[-1]) * one, one, one, one), context=patterns)
    return {
        "mean of the patterns": np.broadcast_to(patterns.mean(axis=1, keepdims=True), cues.shape),
        "the cue itself": cues,
        "linear attention": linear.output,
    }


def examples():
    """One step, and the fixed point (list of Example)."""
    tested, other = np.random.default_rng(SEED).spawn(2)
    cues, _, patterns = drawn(tested, 1)
    calibration, _, others = drawn(other, N_CALIBRATION)
    both = {
        "wiring": hopfield_wiring,
        "tokens": cues,
        "nulls": nulls_of(cues, patterns, BETA),
        "calibration": calibration,
        "calibration_block": {"context": others},
    }
    block = {"context": patterns, "beta": BETA}
    long = {form: {"settle": SETTLE} for form in ("rate", "dale", "spiking")}
    one_step = Example(
        "Hopfield one step", "softmax of the overlaps times the patterns (ours, after Ramsauer et al. 2020)", **both,
        block=block, reference=update(cues, patterns, BETA), controls={"without division": without_division},
        settings={"spiking": {"cells": 4}}, claims={"spiking": 0.02},
    )  # fmt: skip
    iterated = Example(
        "Hopfield iterated", "fixed point of that update (ours, after Ramsauer et al. 2020)", **both,
        block=block | {"T": T}, reference=fixed_point(cues, patterns, BETA), settings=long,
        controls={"feedback too fast": too_fast, "without division": without_division},
    )  # fmt: skip
    long["spiking"] = {"settle": SETTLE, "cells": 4}
    return [one_step, iterated]
