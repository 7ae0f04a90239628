"""Retrieval from a modern Hopfield network: one step, and iterated to the fixed point."""

from functools import partial

import numpy as np
from brian2 import second

from cortical_attention.circuits.hopfield import hopfield_wiring
from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.block import Block
from cortical_attention.reference.hopfield import fixed_point, update
from cortical_attention.trials.example import Example

SEED, N_PATTERN, N_CUE, D = 1, 8, 4, 16
NOISE = 0.5  # norm of what is added to a pattern of norm one
BETA = 5.0  # the answer is not yet that of a hard maximum, the nearest pattern
T = 0.4 * second  # about twice the least that the loop needs in spikes, if lags are left out
SETTLE = 20 * second  # a quarter of it for loading and holding the cue; the rest is 13 of the longest time constants
CELLS = 4
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


CONTROLS = {
    "one step": {"without division": without_division},
    "iterated": {
        "without division": without_division,
        "inhibition slower than the feedback": partial(hopfield_wiring, normaliser="slow"),
    },
}


def nulls_of(cues, patterns, beta):
    """Answers without a part of retrieval, by name (dict)."""
    one = np.eye(cues.shape[-1])[None]
    linear = linear_attention(cues, Block(beta * np.sqrt(cues.shape[-1]) * one, one, one, one), context=patterns)
    nearest = (cues @ patterns.swapaxes(-1, -2)).argmax(axis=-1)[..., None]
    return {
        "nearest pattern": np.take_along_axis(patterns, nearest, axis=1),
        "mean of the patterns": np.broadcast_to(patterns.mean(axis=1, keepdims=True), cues.shape),
        "the cue itself": cues,
        "linear attention": linear.output,
    }


def retrieval(seed, beta=BETA, n_pattern=N_PATTERN, T=None, settings=None, claims=None):
    """Retrieval from random patterns by random cues; without T in one step.

    Returns
    -------
    Example
    wanted : ndarray, shape (1, n_cue, d)
        Patterns that the cues come from.
    """
    tested, other = np.random.default_rng(seed).spawn(2)
    cues, wanted, patterns = drawn(tested, 1, n_pattern)
    calibration, _, others = drawn(other, N_CALIBRATION, n_pattern)
    name, solve = ("one step", update) if T is None else ("iterated", fixed_point)
    example = Example(
        f"Hopfield {name}",
        {"one step": "softmax of the overlaps times the patterns", "iterated": "fixed point of that update"}[name]
        + " (ours, after Ramsauer et al. 2020)",
        hopfield_wiring, cues, {"context": patterns, "beta": beta} | ({} if T is None else {"T": T}),
        solve(cues, patterns, beta), nulls_of(cues, patterns, beta), calibration, {"context": others}, CONTROLS[name],
        settings or {}, claims or {},
    )  # fmt: skip
    return example, wanted


def examples():
    """One step, and the fixed point (list of Example)."""
    spiking, settle = {"cells": CELLS}, {"settle": SETTLE}
    once, _ = retrieval(SEED, settings={"spiking": spiking}, claims={"spiking": 0.02})
    iterated, _ = retrieval(SEED, T=T, settings={"rate": settle, "dale": settle, "spiking": spiking | settle})
    return [once, iterated]
