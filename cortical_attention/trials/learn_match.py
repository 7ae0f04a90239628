"""Learning of the match task at the fixed point of the circuit: several rules side by side, shown the same sequences.

What cells carry when the circuit has settled is computed by the algebra (`reference.local_terms.signals`), and each weight
moves by what its synapses have at hand. Two heads and a random start, with nothing copied in: the query has to be learnt.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.inputs.match import Sequences, sequences
from cortical_attention.reference.block import Block
from cortical_attention.reference.local_terms import Terms, signals, terms_of
from cortical_attention.trials.batch import part_of
from cortical_attention.trials.learners import SHOWN, TESTED, Condition, Free, Tied, accuracy
from cortical_attention.trials.protocol import PROTOCOL

# Parameters
N_BATCH = 32  # sequences of a presentation
N_CURVE, N_TEST = 300, 2000  # sequences of a point of the learning curves, and of the accuracy at the end
N_POINT = 20  # points of a learning curve
AT_ONCE = 50  # presentations that are drawn together, which is faster
STEPS = 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64  # sizes that are tried
TUNED_ON, N_TUNED = (1000, 1001), 1000  # seeds, and sequences of validation images, on which step sizes are chosen


CONDITIONS = {
    "exact": Condition(),
    "no_baseline": Condition("no_baseline"),
    "kolen_pollack": Condition("kolen_pollack"),
    "random_feedback": Condition("random_feedback"),
    "contrast": Condition("contrast"),
    "hebbian": Condition("hebbian"),
    "frozen_query_key": Condition("frozen_query_key"),
    "shuffled_tokens": Condition("shuffled_tokens"),
    "shuffled_sequences": Condition("shuffled_sequences"),
    "noise_1": Condition(noise=0.01),
    "noise_5": Condition(noise=0.05),
    "noise_10": Condition(noise=0.1),
    "copies_averaged": Condition(pull=1.0),
    "copies_pulled": Condition(pull=0.1),
    "copies_free": Condition(pull=0.0),
}


class Checkpoint(NamedTuple):
    """Weights on the way, and the sequences that were shown with them; feedback None: W_O."""

    presentation: int
    block: Block
    feedback: np.ndarray | None
    shown: Sequences


def step_of(name) -> float:
    """Step size of a condition, as chosen; noise has that of the exact rule."""
    return PROTOCOL["learn_match"]["steps"]["exact" if CONDITIONS[name].noise else name]


def presentations(seed, n_presentation, part):
    """Batches of `N_BATCH` sequences one after another (iterator of Sequences)."""
    rng = np.random.default_rng([seed, SHOWN])
    for first in range(0, n_presentation, AT_ONCE):
        drawn = sequences(rng, N_BATCH * AT_ONCE, part)
        for k in range(min(AT_ONCE, n_presentation - first)):
            yield Sequences(*(each[k * N_BATCH : (k + 1) * N_BATCH] for each in drawn))


class Learnt(NamedTuple):
    """What came of one seed.

    Attributes
    ----------
    rows : list of dict
        One a learner.
    checkpoints : dict of str to list of Checkpoint
    """

    rows: list
    checkpoints: dict


def learn(
    seed, learners, n_presentation, *, training="training", test="test", kept=(), at=(), report=None, n_test=N_TEST
) -> Learnt:  # fmt: skip
    """Show the same sequences to several learners.

    Parameters
    ----------
    seed : int
        Of start, sequences, noise and feedback.
    learners : dict of str to (Condition, float)
        Condition and step size by name.
    n_presentation : int
    training, test : str
        Parts of the images (`inputs.match.PARTS`) that the sequences shown, and those that are judged, are made of.
    kept : collection of str
        Learners of which checkpoints are kept.
    at : collection of int
        Presentations before which they are.
    report : callable, optional
        Brian2's progress report.
    n_test : int
        Sequences of the accuracy at the end.

    Returns
    -------
    Learnt
    """
    own = {name: (Tied if each[0].pull is None else Free)(*each, seed) for name, each in learners.items()}
    judged = sequences(np.random.default_rng([seed, TESTED]), n_test, test)
    brief = Sequences(*(each[:N_CURVE] for each in judged))
    curves, checkpoints = {name: [] for name in own}, {name: [] for name in kept}
    every = max(1, n_presentation // N_POINT)
    for k, shown in enumerate(presentations(seed, n_presentation, training)):
        look = k % every == 0
        for name, learner in own.items():
            if name in kept and k in at:
                checkpoints[name].append(Checkpoint(k, learner.block, learner.fed_back, shown))
            if look:
                curves[name].append([k, accuracy(learner.output(brief), brief)])
            learner.learn(shown, k, n_presentation, look)
        if look and report is not None:
            report(None, k / n_presentation, None, None)
    for name in kept:
        if n_presentation in at:
            checkpoints[name].append(Checkpoint(n_presentation, own[name].block, own[name].fed_back, shown))
    return Learnt([_row(name, seed, each, curves[name], judged) for name, each in own.items()], checkpoints)


def _row(name, seed, learner, curve, judged):
    """Figures of a learner at its end (dict)."""
    found = learner.cosines
    return {
        "condition": name,
        "seed": seed,
        "accuracy": accuracy(learner.output(judged), judged),
        **learner.end(judged),
        "cosine_first": found[0] if found else None,
        "cosine_mean": np.mean(found, axis=0).tolist() if found else None,
        "curve": curve,
        "diverged": learner.diverged,
    }


def tune(n_presentation, report=None, seeds=TUNED_ON) -> list:
    """Accuracy on sequences of validation images of learners that saw none of them, for every condition and step size.

    Noise takes the step size of the exact rule, and is not tuned.

    Parameters
    ----------
    n_presentation : int
    report : callable, optional
        Brian2's progress report.
    seeds : sequence of int

    Returns
    -------
    list of dict
        `condition`, `step`, `accuracy` by seed.
    """
    tried = [(name, step) for name, each in CONDITIONS.items() if not each.noise for step in STEPS]
    learners = {each: (CONDITIONS[each[0]], each[1]) for each in tried}
    found = [
        learn(seed, learners, n_presentation, training="fitting", test="validation", n_test=N_TUNED,
              report=part_of(report, k, len(seeds))).rows
        for k, seed in enumerate(seeds)
    ]  # fmt: skip
    return [
        {"condition": name, "step": step, "accuracy": [rows[k]["accuracy"] for rows in found]}
        for k, (name, step) in enumerate(tried)
    ]


def terms_at(checkpoint) -> Terms:
    """Terms that the algebra has at a checkpoint, with its feedback."""
    shown = checkpoint.shown
    found = signals(shown.tokens, shown.targets, checkpoint.block, context=shown.context)
    return terms_of(found, checkpoint.block.W_O if checkpoint.feedback is None else checkpoint.feedback)
