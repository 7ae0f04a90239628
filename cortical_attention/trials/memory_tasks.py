"""Tasks of the experiment about learning in a memory: sequences, random weights, accuracy."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cortical_attention.inputs import match, recall
from cortical_attention.reference.attention import Block, linear_attention
from cortical_attention.reference.nulls import key_only_attention

WEIGHTS = "W_Q", "W_K", "W_V", "W_O"
LEARNT = {"all": WEIGHTS, "frozen": ("W_Q", "W_O"), "output": ("W_O",)}
N_BATCH, N_AT_ONCE = 16, 50  # sequences a step; steps whose sequences are drawn at once, which is faster
NOISE = 0.05  # of the components of images while training, as in `experiments.train_match`
N_PAIR = 8  # of recall: as many symbols, all of them asked
N_TEST = 1000  # sequences that are asked in the end
D_VALUE = 16  # chosen: no less than d_model, so that a random W_V loses nothing of a token
KEY_SCALE = 3.0  # of frozen random keys; chosen on other seeds and on validation images


class Task(NamedTuple):
    """A task, and step sizes that were chosen on other seeds and on validation images.

    Attributes
    ----------
    d_model, n_step : int
    by_token, by_sequence : float
        Size of plain steps along the terms of one token, or of one sequence.
    draw : callable
        ``draw(rng, n_sequence, part, noise)`` gives sequences of `inputs.match` or `inputs.recall`, in both of which an
        answer is the largest of the first four components.
    """

    d_model: int
    n_step: int
    by_token: float
    by_sequence: float
    draw: Callable


def _recall(rng, n_sequence, part, noise):
    """Sequences of recall, which has neither images nor noise."""
    return recall.recall(rng, n_sequence, n_pair=N_PAIR, n_symbol=N_PAIR, n_value=match.N_TAG, n_asked=N_PAIR)


TASKS = {
    "recall": Task(N_PAIR + match.N_TAG, 500, 0.3, 0.1, _recall),
    "match": Task(match.D_MODEL, 1000, 0.1, 0.03, match.sequences),
}


class Condition(NamedTuple):
    """What is trained: heads, components of a key, and which weights learn (of `LEARNT`)."""

    n_head: int
    d_key: int
    learnt: str

    @property
    def features(self):
        """Components of the keys of all heads."""
        return self.n_head * self.d_key


def start(task: Task, condition: Condition, seed):
    """Random weights by name, of variance 1 / fan-in; keys that are frozen are larger by `KEY_SCALE` (dict)."""
    rng, (n_head, d_key, learnt) = np.random.default_rng([seed, 0]), condition
    shapes = {"W_Q": (n_head, d_key, task.d_model), "W_K": (n_head, d_key, task.d_model)}
    shapes["W_V"] = n_head, D_VALUE, task.d_model
    found = {name: rng.standard_normal(shape) / np.sqrt(task.d_model) for name, shape in shapes.items()}
    if "W_K" not in LEARNT[learnt]:
        found["W_K"] *= KEY_SCALE
    return found | {"W_O": rng.standard_normal((n_head, task.d_model, D_VALUE)) / np.sqrt(n_head * D_VALUE)}


def batches(task: Task, seed, part):
    """Sequences of every step, which all conditions of a seed share (iterator)."""
    rng = np.random.default_rng([seed, 1])
    for begin in range(0, task.n_step, N_AT_ONCE):
        many = task.draw(rng, N_BATCH * min(N_AT_ONCE, task.n_step - begin), part, NOISE)
        for k in range(0, len(many.tokens), N_BATCH):
            yield type(many)(*(each[k : k + N_BATCH] for each in many))


def accuracy(task: Task, block: Block, seed, part):
    """Share of right answers, and of those of the null that ignores the query, on sequences of their own (float, float)."""
    drawn = task.draw(np.random.default_rng([seed, 2]), N_TEST, part, 0.0)
    answers = (
        each(drawn.tokens, block, context=drawn.context).output for each in (linear_attention, key_only_attention)
    )
    return tuple(float(np.mean(match.answered(each) == drawn.labels)) for each in answers)
