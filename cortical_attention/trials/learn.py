"""Courses of learning: associative recall taught to a circuit by a rule, with new sequences to answer afterwards."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from brian2 import ms, second

from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.rules import RULES
from cortical_attention.circuits.protocol import RunError
from cortical_attention.inputs.recall import Sequences, answered, recall
from cortical_attention.reference.block import Block
from cortical_attention.reference.nulls import key_only_attention, key_only_softmax
from cortical_attention.simulation import engine
from cortical_attention.simulation.learning import LearningError
from cortical_attention.trials.batch import part_of
from cortical_attention.trials.online import BLOCK, STILL, How, calibrate, initial, teach
from cortical_attention.trials.online_history import begun, longer

N_HEAD, D_KEY, D_VALUE, D_MODEL = 1, 4, 4, 8
N_SEQUENCE, N_ANSWER = 16, 64  # side by side in a presentation, and answers of these
N_DRAWN = 8 * N_SEQUENCE  # chosen: half of them are of either kind
CHUNK = 50  # presentations of one run
N_TEST, N_CALIBRATION = 8, 150  # presentations
FORMS = {
    "rate": How(RATE, presentation=0.5 * second, dt=2 * ms),
    "spiking": How(SPIKING, presentation=2 * second, dt=1 * ms),
}
LEARNING, CALIBRATION, TEST = 1, 2, 3  # streams of sequences


class Asked(NamedTuple):
    """One course of learning: a rule, a seed, a form, and how many presentations; settings of the steps."""

    rule: str
    seed: int
    form: str
    attention: str
    presentations: int
    step: float
    momentum: float
    cells: int
    target: str

    @property
    def name(self):
        """Under which its history is kept."""
        return f"seed-{self.seed}-{self.rule}"

    @property
    def steps(self):
        """Step for the sum over all answers of a presentation, and momentum."""
        return {"step": self.step / N_ANSWER, "momentum": self.momentum}

    @property
    def how(self):
        """How presentations are simulated: compiled if it can be, since every run is then of one program."""
        compiled = self.target == "auto" and engine.compiles()
        target = "cpp" if compiled else self.target
        return FORMS[self.form]._replace(attention=self.attention, cells=self.cells, target=target)

    @property
    def settings(self):
        """All that a history depends on, but for its length (dict)."""
        return {name: each for name, each in self._asdict().items() if name not in ("presentations", "target")}


def sequences(seed, stream, first, n):
    """Sequences of n presentations from the presentation `first` on (Sequences, with an axis of presentations).

    Which symbol has which value is a permutation. Even ones are shown and calibrated on, and odd ones asked, or the other
    way with odd seeds: half of the 24 are new when they are asked. Either half has each pair of symbols with each pair of
    values equally often, so that nothing but the sequence itself tells which value is right.
    """
    even = (stream != TEST) == (seed % 2 == 0)
    drawn = [_drawn(np.random.default_rng([seed, stream, k]), even) for k in range(first, first + n)]
    return Sequences(*map(np.stack, zip(*drawn, strict=True)))


def _drawn(rng, even):
    """Sequences side by side, all of even or all of odd permutations."""
    many = recall(rng, N_DRAWN)
    chosen = np.flatnonzero(is_even(many) == even)[:N_SEQUENCE]
    return Sequences(*(each[chosen] for each in many))


def is_even(drawn):
    """Whether the permutation from symbols to values of each sequence is even (ndarray of bool)."""
    symbols = drawn.context[..., :4].argmax(axis=-1).argsort(axis=-1)
    return np.linalg.det(np.eye(4)[np.take_along_axis(drawn.values, symbols, axis=-1)]) > 0


def right(output, drawn):
    """Whether each answer names the value asked for (ndarray of bool)."""
    return answered(output) == drawn.labels


def start_of(asked):
    """History before the first presentation, of weights drawn with the seed."""
    return begun(initial(np.random.default_rng([asked.seed, 0]), N_HEAD, D_KEY, D_VALUE, D_MODEL))


@lru_cache(maxsize=4)
def calibrated(asked):
    """How presentations are simulated, with a calibration where spikes or tufts need one: by a course of learning in rates,
    from the same start, on a stream of its own of the sequences that are shown."""
    if not asked.how.form.spikes and asked.attention == "linear":
        return asked.how
    drawn = sequences(asked.seed, CALIBRATION, 0, N_CALIBRATION)
    return asked.how._replace(
        calibration=calibrate(drawn, start_of(asked).state, RULES[asked.rule], asked.steps, asked.how)
    )


def learn(asked, history, done=lambda history: None, report=None):
    """Go on learning to the last presentation; `done` is called with the history after each run."""
    how = calibrated(asked)
    while history.n < asked.presentations:
        n = min(CHUNK, asked.presentations - history.n)
        drawn = sequences(asked.seed, LEARNING, history.n, n)
        shown = how._replace(report=part_of(report, history.n / n, asked.presentations / n))
        try:
            course = teach(drawn, history.state, RULES[asked.rule], asked.steps, shown, asked.seed)
        except LearningError as error:
            _keep_finite(asked, history, error.n_finite, how, done)
            words = f"{asked.rule} rule: learning diverged at presentation {history.n + error.n_finite + 1}"
            raise RunError(f"{words}; what was learnt before is kept; try a smaller --step") from error
        except RunError as error:
            words = f"{asked.rule} rule, presentations {history.n + 1} to {history.n + n}: {error}"
            raise RunError(f"{words}; what was learnt before is kept; a smaller --step may do as well") from error
        history = longer(history, course, drawn, right, asked.attention)
        done(history)
    return history


def _keep_finite(asked, history, n, how, done):
    """Keep what was learnt in the n presentations of a run before it diverged."""
    if n > 0:
        drawn = sequences(asked.seed, LEARNING, history.n, n)
        course = teach(drawn, history.state, RULES[asked.rule], asked.steps, how, asked.seed)
        done(longer(history, course, drawn, right, asked.attention))


def answer(asked, history, n_learnt=None):
    """Answers of the circuit to new sequences, with the weights after some presentations (Course), and the sequences; it
    learns nothing from them."""
    k = history.n if n_learnt is None else n_learnt
    state = begun({name: each[k] for name, each in history.weights.items()}).state
    drawn = sequences(asked.seed, TEST, 0, N_TEST)
    how = calibrated(asked)
    return teach(drawn, state, RULES[asked.rule], STILL, how, asked.seed), drawn


def on_right(course, drawn):
    """Attention on the pair that is asked for, mean over heads and questions; a quarter is as much as on any other pair."""
    at = np.expand_dims(drawn.places, (2, 4))
    return float(np.take_along_axis(course.attention, at, axis=-1).mean())


def null_accuracy(history, drawn, attention):
    """Share of right answers of attention that ignores the query, with the learnt weights (algebra)."""
    null = {"linear": key_only_attention, "softmax": key_only_softmax}[attention]
    block = Block(*(history.weights[name][-1] for name in BLOCK))
    every = Sequences(*(each.reshape(-1, *each.shape[2:]) for each in drawn))
    return float(right(null(every.tokens, block, context=every.context).output, every).mean())
