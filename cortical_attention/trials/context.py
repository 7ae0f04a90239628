"""Context inference: cues that contexts share, the circuits that are asked, and how their answers are scored."""

from itertools import product
from typing import NamedTuple

import numpy as np
from brian2 import Network, StateMonitor, TimedArray, ms, second

from cortical_attention.cells.mediodorsal import N_GROUP
from cortical_attention.cells.noise import stream_of
from cortical_attention.circuits.mediodorsal import FAST, SLOW, Session, mediodorsal
from cortical_attention.circuits.protocol import RunError
from cortical_attention.simulation import engine

N_CUE, PER_CUE = 4, 50  # two cues belong to each context; prefrontal cells of a cue
BLOCK, LEARNING, TESTED = 40, 4, 4  # trials of a block; blocks that are learnt from, and returns that are scored
LABELLED = 2  # last blocks of those that are learnt from: they tell which group stands for which context
RUN = 3  # right trials in a row: the context is inferred
TRIAL = 300 * ms
WEIGHTS = 0.3, 0.4  # chosen: uniform, so that no relay is saturated, and none silent, before learning
RATE = 0.1  # 1/s; chosen: of a quarter of it at most; a weight falls from where it starts to 0 in 14 s, about one block


class Circuit(NamedTuple):
    """Constants of a circuit; those that stand here are the circuit that is asked about.

    Attributes
    ----------
    name : str
    perfect : bool
        Whether relays are told which drive is larger.
    competition, gain : float
        Of reticular inhibition, and of relays.
    adapts : bool
        Whether the interneuron adapts its division to the relays.
    plastic : bool
    """

    name: str
    perfect: bool = False
    competition: float = 1.5
    gain: float = 4.0
    adapts: bool = True
    plastic: bool = True


class Asked(NamedTuple):
    """A circuit, the reliability of cues, and the level of prefrontal rates."""

    circuit: Circuit
    reliability: float
    level: float = 1.0


class Task(NamedTuple):
    """Trials of one seed.

    Attributes
    ----------
    contexts : ndarray of int, shape (n_trial,)
        0 or 1, in blocks.
    cues : ndarray of int, shape (n_trial,)
        Cues 0 and 1 belong to context 0, cues 2 and 3 to context 1.
    weights : ndarray, shape (N_GROUP, N_CUE PER_CUE)
    """

    contexts: np.ndarray
    cues: np.ndarray
    weights: np.ndarray


def task_of(seed, k, reliability, per_cue=PER_CUE, blocks=LEARNING + TESTED, block=BLOCK):
    """Task of the k-th seed; the random numbers are the same at every reliability."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, k)))
    contexts = np.repeat(np.arange(blocks) % N_GROUP, block)
    own, which = rng.random(len(contexts)) < reliability, rng.integers(2, size=len(contexts))
    cues = 2 * np.where(own, contexts, 1 - contexts) + which
    return Task(contexts, cues, rng.uniform(*WEIGHTS, size=(N_GROUP, N_CUE * per_cue)))


def session_of(asked, seeds, seed, per_cue=PER_CUE, blocks=LEARNING + TESTED, block=BLOCK):
    """Every circuit that is asked, for every seed, side by side (Session, list of Task by reliability and seed)."""
    reliabilities = sorted({each.reliability for each in asked})
    tasks = [task_of(seed, k, p, per_cue, blocks, block) for p, k in product(reliabilities, range(seeds))]
    every = list(product(asked, range(seeds)))
    task = np.array([reliabilities.index(each.reliability) * seeds + k for each, k in every])
    shown = np.zeros((len(tasks[0].cues), len(tasks), N_CUE))
    for k, each in enumerate(tasks):
        shown[np.arange(len(each.cues)), k, each.cues] = 1
    children = np.random.SeedSequence(seed, spawn_key=(1,)).spawn(2)
    session = Session(
        TimedArray(shown.reshape(len(shown), -1), dt=TRIAL, name="shown"), per_cue, N_CUE, len(tasks), round(TRIAL / FAST),
        task, np.array([tasks[k].weights for k in task]), _constants(every, per_cue), tuple(map(stream_of, children)),
    )  # fmt: skip
    return session, tasks


def _constants(every, per_cue):
    """Constants of the circuits, each an array over them; the divisor begins at the mean drive before learning."""
    given = {
        name: np.array([float(getattr(each.circuit, name)) for each, _ in every])
        for name in ("perfect", "competition", "gain", "adapts")
    }
    given["level"] = np.array([each.level for each, _ in every])
    given["learning"] = np.array([RATE * each.circuit.plastic for each, _ in every])
    return given | {"divisor": np.full(len(every), np.mean(WEIGHTS) * per_cue)}


def simulate(session, n_trial, target="auto", report=None):
    """Rates of relays in every trial.

    Parameters
    ----------
    session : Session
    n_trial : int
    target : {"auto", "numpy", "cython", "cpp"}
    report : callable, optional
        Brian2's progress report.

    Returns
    -------
    ndarray, shape (n_circuit, n_trial, N_GROUP)
        Means over the second half of each trial.

    Raises
    ------
    RunError
        If a rate is not finite.
    """
    target, _ = engine.choose(target, _work(session, n_trial))
    with engine.device(target):
        populations = mediodorsal(session)
        monitor = StateMonitor(populations.relays, "heard", record=True, dt=TRIAL, name="heard")
        network = Network(*populations, monitor, name="circuit")
        network.run(n_trial * TRIAL, report=None if target == "cpp" else report, report_period=1 * second, namespace={})
        if round(populations.relays.clock.t / FAST) < n_trial * session.per_trial:
            raise KeyboardInterrupt
        heard = np.concatenate([np.array(monitor.heard), np.array(populations.relays.heard)[:, None]], axis=1)
    rates = np.diff(heard, axis=1) / float(TRIAL / second) * 2
    if not np.isfinite(rates).all():
        raise RunError("rates of mediodorsal relays are not finite")
    return np.moveaxis(rates.reshape(len(session.task), N_GROUP, n_trial), 1, 2)


def _work(session, n_trial):
    """Estimated size of a simulation, in steps of thalamus."""
    n_synapse, each = session.weights.size, float(FAST / SLOW)
    n_cell = session.n_task * session.n_cue * session.per_cue * each + 5 * len(session.task) + n_synapse * each
    return engine.Work(10, n_cell, n_trial * session.per_trial, n_synapse * each)


class Score(NamedTuple):
    """Share of right trials in the tested blocks, and mean number of trials to infer the context after a return."""

    accuracy: float
    trials: float


def score(rates, contexts, block=BLOCK, learning=LEARNING):
    """Score of relays.

    The group with the higher rate is the answer. Which group stands for which context is the one of two assignments with
    which more of the trials in the last two blocks that are learnt from are right; the blocks after them are scored. Trials
    to infer: those of a block before the first of three right ones in a row; all of the block, if there are no such three.

    Parameters
    ----------
    rates : ndarray, shape (n_trial, N_GROUP)
    contexts : ndarray of int, shape (n_trial,)

    Returns
    -------
    Score
    """
    said = np.argmax(rates, axis=-1)
    labelled = slice((learning - LABELLED) * block, learning * block)
    same = np.mean(said[labelled] == contexts[labelled]) >= 1 / 2
    return of_right((said == contexts) == same, block, learning)


def of_right(right, block=BLOCK, learning=LEARNING):
    """Score of right and wrong trials, (n_trial,) of bool."""
    tested = right[learning * block :].reshape(-1, block)
    return Score(float(tested.mean()), float(np.mean([_trials(each) for each in tested])))


def _trials(right):
    """Trials before the first of three right ones in a row."""
    runs = np.lib.stride_tricks.sliding_window_view(right, RUN).all(axis=-1)
    return int(np.argmax(runs)) if runs.any() else len(right)


def scores(asked, seeds, seed, target="auto", report=None):
    """Scores of every circuit that is asked, by seed (dict of Asked to list of Score), and the tasks by reliability."""
    session, tasks = session_of(asked, seeds, seed)
    rates = simulate(session, len(tasks[0].cues), target, report)
    every = list(product(asked, range(seeds)))
    found = {each: [] for each in asked}
    for (each, _), task, rate in zip(every, session.task, rates, strict=True):
        found[each].append(score(rate, tasks[task].contexts))
    reliabilities = sorted({each.reliability for each in asked})
    return found, {p: tasks[k * seeds : (k + 1) * seeds] for k, p in enumerate(reliabilities)}
