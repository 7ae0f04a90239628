"""Learners of the match task: weights that move by what their synapses have at hand at the circuit's fixed point.

Copies of a weight are tied (`Tied`), or have weights of their own (`Free`).
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.inputs.match import D_MODEL, N_QUESTION, N_TAG, answered, right_items
from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.block import Block
from cortical_attention.reference.copies import Copies, copied, copies_output, copies_terms, n_copies, pulled, spread
from cortical_attention.reference.learning_rules import cosine_of, noisy, rule_named, rule_terms
from cortical_attention.reference.local_terms import signals, terms_of
from cortical_attention.reference.nulls import key_only_attention
from cortical_attention.trials.training import Adam, adam, cosine

# Parameters
N_HEAD, D_KEY, D_VALUE = 2, 8, N_TAG  # as `experiments.train_match` with two heads
WEIGHT_DECAY = 0.03  # chosen: Kolen-Pollack needs some to forget where its feedback began
START, SHOWN, RULE, FEEDBACK, TESTED = range(5)  # streams of a seed


class Condition(NamedTuple):
    """What is run: a rule, the noise with which its factors are read, and what becomes of copies of the weights.

    Attributes
    ----------
    rule : str
        Of `reference.learning_rules.RULES`.
    noise : float
        As in `reference.learning_rules.noisy`.
    pull : float or None
        Share of the way to their mean by which copies move after each presentation; None: copies are tied, and learn from
        the sum of their terms. With copies of their own the rule is the exact one.
    """

    rule: str = "exact"
    noise: float = 0.0
    pull: float | None = None


class Tied:
    """A learner whose copies share their weights.

    Attributes
    ----------
    weights : list of ndarray
        W_Q, W_K, W_V, W_O, and F where it is taught.
    cosines : list of list of float
        With the exact terms at the same weights: one entry a point of the learning curve, of four each.
    diverged : int or None
        Presentation at which terms were not finite; it then keeps the weights that it had.
    """

    def __init__(self, condition, rate, seed):
        """A learner of a condition, at a step size, with the start of a seed."""
        self.condition, self.settings, self.taught = condition, Adam(rate, WEIGHT_DECAY), False
        self.rng = np.random.default_rng([seed, RULE])
        self.weights, self.feedback = list(start(seed)[:4]), None
        kind = rule_named(condition.rule).feedback
        if kind != "transposed":
            self.feedback = draw_feedback(seed)
        if kind == "taught":
            self.weights.append(self.feedback)
        self.moments = [0.0] * len(self.weights), [0.0] * len(self.weights)
        self.cosines, self.diverged = [], None

    @property
    def block(self):
        """Weights as they are (Block)."""
        return Block(*self.weights[:4])

    @property
    def fed_back(self):
        """F as it is; None: W_O."""
        return self.weights[4] if len(self.weights) > 4 else self.feedback

    def learn(self, shown, presentation, n_presentation, look):
        """Change the weights after a presentation, and note the cosines if `look`."""
        if self.diverged is not None:
            return
        found = signals(shown.tokens, shown.targets, self.block, context=shown.context)
        terms = rule_terms(
            self.condition.rule, noisy(found, self.condition.noise, self.rng), self.weights[3], self.rng,
            feedback=self.fed_back,
        )  # fmt: skip
        if look:
            exact = terms_of(found, self.weights[3])
            self.cosines.append([cosine_of(a, b) for a, b in zip(terms, exact, strict=True)])
        if not all(np.isfinite(each).all() for each in terms):
            self.diverged = presentation
            return
        slopes = [-each / shown.labels.size for each in (*terms, terms.W_O)[: len(self.weights)]]
        adam(self.weights, self.moments, slopes, presentation, cosine(presentation, n_presentation), self.settings)

    def output(self, shown):
        """Answers to sequences."""
        return linear_attention(shown.tokens, self.block, context=shown.context).output

    def end(self, shown):
        """Accuracy of the null that ignores the query, attention on the right examples, and the cosine of F and W_O."""
        found = linear_attention(shown.tokens, self.block, context=shown.context)
        null = key_only_attention(shown.tokens, self.block, context=shown.context).output
        right = (found.kappa * right_items(shown)[:, None]).sum(axis=-1).mean()
        apart = None if self.feedback is None else cosine_of(self.fed_back, self.weights[3])
        return {"query_ignored": accuracy(null, shown), "attention_on_match": float(right), "feedback_cosine": apart}


class Free:
    """A learner whose copies have weights of their own; `pull` moves them to their mean. Attributes as of `Tied`, and
    `spreads`, as of `reference.copies.spread`, one a point of the learning curve."""

    feedback = None

    def __init__(self, condition, rate, seed):
        """Copies that start alike."""
        self.condition, self.settings = condition, Adam(rate, WEIGHT_DECAY)
        self.copies = copied(start(seed), N_QUESTION, N_QUESTION)  # as many examples as questions
        self.moments, self.cosines, self.diverged = ([0.0] * 4, [0.0] * 4), [], None
        self.spreads = []

    def learn(self, shown, presentation, n_presentation, look):
        """Change every copy by its own term, pull, and note the spread if `look`."""
        if self.diverged is not None:
            return
        terms = copies_terms(shown.tokens, shown.targets, self.copies, context=shown.context)
        if not all(np.isfinite(each).all() for each in terms):
            self.diverged = presentation
            return
        weights = list(self.copies)
        slopes = [-n * each / shown.labels.size for n, each in zip(n_copies(self.copies), terms, strict=True)]
        adam(weights, self.moments, slopes, presentation, cosine(presentation, n_presentation), self.settings)
        self.copies = pulled(Copies(*weights), self.condition.pull)
        if look:
            self.spreads.append(spread(self.copies))

    def output(self, shown):
        """Answers to sequences, 100 at a time."""
        parts = range(0, len(shown.tokens), 100)
        return np.concatenate([
            copies_output(shown.tokens[k : k + 100], self.copies, context=shown.context[k : k + 100]) for k in parts
        ])  # fmt: skip

    def end(self, shown):
        """Spread of the copies of each weight, mean over the points of the learning curve."""
        return {"spread": np.mean(self.spreads, axis=0).tolist()}


def start(seed) -> Block:
    """Random weights of variance 1 / fan-in (Block), drawn from the seed."""
    rng = np.random.default_rng([seed, START])
    shapes = [(N_HEAD, D_KEY, D_MODEL)] * 2 + [(N_HEAD, D_VALUE, D_MODEL)]
    inward = [rng.standard_normal(shape) / np.sqrt(D_MODEL) for shape in shapes]
    return Block(*inward, rng.standard_normal((N_HEAD, D_MODEL, D_VALUE)) / np.sqrt(N_HEAD * D_VALUE))


def draw_feedback(seed) -> np.ndarray:
    """F, (n_head, d_model, d_value), drawn like W_O but from a stream of its own."""
    rng = np.random.default_rng([seed, FEEDBACK])
    return rng.standard_normal((N_HEAD, D_MODEL, D_VALUE)) / np.sqrt(N_HEAD * D_VALUE)


def accuracy(output, shown) -> float:
    """Share of questions with the right tag."""
    return float(np.mean(answered(output) == shown.labels))
