"""Learning of the match task at the fixed point of the circuit: several rules side by side, shown the same sequences.

What cells carry when the circuit has settled is computed by the algebra (`reference.local_terms.signals`), and each weight
moves by what its synapses have at hand. Two heads and a random start, with nothing copied in: the query has to be learnt.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.inputs.match import D_MODEL, N_TAG, Sequences, answered, right_items, sequences
from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.block import Block
from cortical_attention.reference.copies import Copies, copied, copies_output, copies_terms, n_copies, pulled, spread
from cortical_attention.reference.learning_rules import cosine_of, noisy, rule_named, rule_terms
from cortical_attention.reference.local_terms import Terms, signals, terms_of
from cortical_attention.reference.nulls import key_only_attention
from cortical_attention.trials.batch import part_of
from cortical_attention.trials.protocol import PROTOCOL
from cortical_attention.trials.training import Adam, adam, cosine

# Parameters
N_HEAD, D_KEY, D_VALUE = 2, 8, N_TAG  # as `experiments.train_match` with two heads
N_BATCH = 32  # sequences of a presentation
WEIGHT_DECAY = 0.03  # chosen: of the prototypes; Kolen-Pollack needs some to forget where its feedback began
N_CURVE, N_TEST = 300, 2000  # sequences of a point of the learning curves, and of the accuracy at the end
N_POINT = 20  # points of a learning curve
AT_ONCE = 50  # presentations that are drawn together, which is faster
START, SHOWN, RULE, FEEDBACK, TESTED = range(5)  # streams of a seed
STEPS = 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64  # sizes that are tried
TUNED_ON, N_TUNED = (1000, 1001), 1000  # seeds, and sequences of validation images, on which step sizes are chosen


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
        n = N_TAG * 2
        self.copies = copied(start(seed), n, n)
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


def step_of(name) -> float:
    """Step size of a condition, as chosen; noise has that of the exact rule."""
    return PROTOCOL["learn_match"]["steps"]["exact" if CONDITIONS[name].noise else name]


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
