"""Learning from what comes next: training at the circuit's fixed point, and its controls."""

from typing import NamedTuple

import numpy as np

from cortical_attention.circuits.protocol import RunError
from cortical_attention.inputs.streams import named, right_items, stream
from cortical_attention.reference.attention import Block, linear_attention
from cortical_attention.reference.local_terms import local_terms
from cortical_attention.reference.nulls import additive_attention, key_only_attention, uniform_attention
from cortical_attention.trials.training import Adam, adam, cosine

WEIGHTS = "W_Q", "W_K", "W_V", "W_O"
SIZES = {"symbols": (1, 8, 6), "digit": (1, 24, 12)}  # heads, d_key, d_value; chosen on other seeds
OPTIMISER = Adam(learning_rate=0.02, weight_decay=0.01)  # chosen on other seeds
N_BATCH, N_TEST = 32, 200  # sequences side by side that share weights, and test sequences
SMALL = 0.1  # chosen, as in `experiments.train_match`: weights of value and output beside their copy of what is seen
N_LOOK = 20  # times that a training is looked at
NULLS = {"query ignored": key_only_attention, "uniform": uniform_attention, "additive": additive_attention}
NEXT, SHUFFLED, LATE, IGNORED, FROZEN = "next", "other sequence", "one later", "no query", "W_Q, W_K frozen"
STREAMS = {"start": 0, "training": 1, "test": 2, "cells": 3}  # of random numbers


class Teacher(NamedTuple):
    """What is learnt from.

    Attributes
    ----------
    learns : tuple of str
        Weights that change.
    late : int
        Presentations that the truth comes late.
    other : bool
        Whether it is the truth of another sequence.
    """

    learns: tuple = WEIGHTS
    late: int = 0
    other: bool = False


TEACHERS = {
    NEXT: Teacher(),
    SHUFFLED: Teacher(other=True),
    LATE: Teacher(late=1),
    IGNORED: Teacher(WEIGHTS[1:]),  # with W_Q = 0 all queries are alike
    FROZEN: Teacher(WEIGHTS[2:]),
}


class Trained(NamedTuple):
    """A training.

    Attributes
    ----------
    block : Block
        At the end.
    curve : list of (int, float)
        Sequences seen, and accuracy on test sequences.
    kept : dict of int to Block
        Weights before some steps.
    """

    block: Block
    curve: list
    kept: dict


def initial(task, seed, teacher):
    """Weights (list of ndarray) of variance 1 / fan-in, and small for W_V and W_O beside a copy of what is seen.

    The copy is the topography of a pathway in which L5 and the higher-order nucleus have the places of the senses. Without
    it heads learn to avoid the item that is right, with full accuracy (as in `experiments.train_match`). W_Q is zero where
    queries are ignored.
    """
    rng = np.random.default_rng([seed, STREAMS["start"]])
    (n_head, d_key, d_value), d_model = SIZES[task], drawn_for(task, rng, 1).shown.shape[2]
    inward = [rng.standard_normal((n_head, size, d_model)) / np.sqrt(d_model) for size in (d_key, d_key, d_value)]
    outward = rng.standard_normal((n_head, d_model, d_value)) / np.sqrt(n_head * d_value)
    inward[2], outward = SMALL * inward[2], SMALL * outward
    inward[2][..., :d_value] += np.eye(d_value)
    outward[:, :d_value] += np.eye(d_value)
    if teacher == IGNORED:
        inward[0] = np.zeros_like(inward[0])
    return [*inward, outward]


def drawn_for(task, rng, n_sequence, part="training"):
    """Sequences of a task (Stream)."""
    return stream(task, rng, n_sequence, part)


def test_of(task, seed):
    """Test sequences of a seed (Stream)."""
    return drawn_for(task, np.random.default_rng([seed, STREAMS["test"]]), N_TEST, "test")


def truth_for(drawn, teacher):
    """What error cells are told of each token (ndarray)."""
    how = TEACHERS[teacher]
    truth = drawn.truth(how.late)
    return np.roll(truth, 1, axis=0) if how.other else truth


def fit(task, teacher, seed, n_step, keep=(), report=None):
    """Train a block at the circuit's fixed point, by the local terms of its synapses.

    Parameters
    ----------
    task : str
        Of `inputs.streams.TASKS`.
    teacher : str
        Of :data:`TEACHERS`.
    seed, n_step : int
    keep : collection of int
        Steps before which weights are kept.
    report : callable, optional
        Brian2's progress report.

    Returns
    -------
    Trained

    Raises
    ------
    RunError
        If the step diverges: weights that are not finite.
    """
    rng, test = np.random.default_rng([seed, STREAMS["training"]]), test_of(task, seed)
    weights, moments, curve, kept = initial(task, seed, teacher), ([0.0] * 4, [0.0] * 4), [], {}
    looks = {0, *np.geomspace(1, n_step, N_LOOK).round().astype(int)}
    for step in range(n_step + 1):
        if step in keep:
            kept[step] = Block(*weights)
        if step in looks:
            found = linear_attention(test.tokens, Block(*weights), context=test.context)
            curve.append((step * N_BATCH, accuracy(found, test)))
            if report is not None:
                report(None, step / n_step, None, None)
        if step < n_step:
            drawn = drawn_for(task, rng, N_BATCH)
            _learn(weights, moments, drawn, teacher, step, n_step)
    return Trained(Block(*weights), curve, kept)


def _learn(weights, moments, drawn, teacher, step, n_step):
    """One step of what learns, in place."""
    terms = local_terms(drawn.tokens, truth_for(drawn, teacher), Block(*weights), context=drawn.context)
    before = list(weights)
    adam(weights, moments, [-each / drawn.tokens[..., 0].size for each in terms], step, cosine(step, n_step), OPTIMISER)
    for k, name in enumerate(WEIGHTS):
        if name not in TEACHERS[teacher].learns:
            weights[k] = before[k]
    if not all(np.isfinite(each).all() for each in weights):
        raise RunError(f"weights are not finite after presentation {step + 1}; the step is too large")


# Reference
def accuracy(answer, drawn, ahead=1):
    """Share of tokens whose answer names the frame that comes `ahead` presentations later (float)."""
    right = (right_items(drawn.n_item) + ahead - 1) % drawn.n_item
    return float(np.mean(named(answer.output, drawn) == right))


def unexplained(answer, drawn):
    """Squared error of the answers, in units of that of the mean frame of each sequence (float)."""
    seen, truth = drawn.heard, drawn.truth()
    error, spread = answer.output - truth, truth - truth.mean(axis=1, keepdims=True)
    return float((error[..., seen] ** 2).sum() / (spread[..., seen] ** 2).sum())


def figures_of(block, drawn):
    """Figures of a block on some sequences (dict)."""
    given = drawn.tokens, block
    found = linear_attention(*given, context=drawn.context)
    place = np.arange(drawn.n_item)
    return {
        "accuracy": accuracy(found, drawn),
        "two_ahead": accuracy(found, drawn, ahead=2),
        "unexplained": unexplained(found, drawn),
        "attention_on_right": float(found.kappa[..., place, right_items(drawn.n_item)].mean()),
        "chance": 1 / drawn.n_item,
        "nulls": {name: accuracy(null(*given, context=drawn.context), drawn) for name, null in NULLS.items()},
    }
