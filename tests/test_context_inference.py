"""The mediodorsal circuit of context inference, its algebra, its score, and the experiment."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from brian2 import ms, second

from cortical_attention.cells.mediodorsal import CONSTANTS, graded, takeover
from cortical_attention.cells.noise import noise
from cortical_attention.circuits.mediodorsal import FAST, SLOW, mediodorsal
from cortical_attention.experiments import context_inference as experiment
from cortical_attention.reference.context import observer, rates
from cortical_attention.trials import context as trials
from tests.command import check_refused, run

SMALL = {"per_cue": 3, "blocks": 2, "block": 4}
PLAIN = {name: float(value) for name, value in CONSTANTS.items()}
STEPS = [float(each / second) for each in (SLOW, FAST, trials.TRIAL)]
CIRCUITS = (
    trials.Circuit("reticular"), trials.Circuit("perfect", perfect=True), trials.Circuit("linear", competition=0, gain=0.5),
    trials.Circuit("fixed", adapts=False), trials.Circuit("not plastic", plastic=False),
)  # fmt: skip


def small(seed=3, level=1.0):
    """Session of every circuit, for two seeds."""
    return trials.session_of([trials.Asked(each, 0.8, level) for each in CIRCUITS], 2, seed, **SMALL)


# Simulation against algebra
def integrated(session, tasks, sign=1):
    """Rates of a session by numpy, with the noise of the circuit."""

    def drawn(population, step):
        if population == "prefrontal":
            cells = np.arange(session.n_task * session.n_cue * session.per_cue)
            every = sign * noise.pyfunc(cells, step, session.streams[0])
            return every.reshape(session.n_task, session.n_cue, session.per_cue)[session.task]
        twin = 2 * session.task[:, None] + np.arange(2)
        return sign * noise.pyfunc(twin.ravel(), step, session.streams[1]).reshape(twin.shape)

    cues = np.array([tasks[k].cues for k in session.task])
    weights = session.weights.reshape(len(cues), 2, session.n_cue, session.per_cue)
    return rates(cues, weights, session.constants, PLAIN, *STEPS, drawn)


def test_the_circuit_follows_its_equations():
    session, tasks = small()
    found = trials.simulate(session, 8, "numpy")
    right = integrated(session, tasks)
    assert np.ptp(right[:, :, 0]) > 0.5  # so that it says something
    np.testing.assert_allclose(found, right, atol=1e-9)
    assert np.abs(found - integrated(session, tasks, sign=-1)).max() > 1e-3  # negative control: another noise


# Closed forms
def held_relays(drives, given):
    """Rates (n_trial, 2) of relays whose drives (2, n_trial) are held for a trial each, without noise and plasticity."""
    given = {"perfect": 0, "level": 1, "learning": 0, "adapts": 0, "divisor": 0.25, **given}
    given = {name: np.array([float(each)]) for name, each in given.items()}
    weights = np.asarray(drives)[None, :, :, None] / 4  # below the bound of synapses
    cues = np.arange(weights.shape[2])[None]
    return rates(cues, weights, given, PLAIN | {"tau_hold": STEPS[0]}, *STEPS)[0]


@pytest.mark.parametrize("adapts", [0, 1])
def test_a_relay_takes_over_at_the_advantage_of_the_closed_form(adapts):
    """Not at a tenth less, with a fixed and with an adaptive divisor."""
    for competition, gain in ((1.5, 4.0), (1.2, 2.0)):
        least = takeover(gain, competition)
        for part, taken in ((0.9, False), (1.1, True)):
            a = part * least
            drives = np.array([[1.5, *3 * [1 - a]], [0.5, *3 * [1 + a]]])
            last = held_relays(drives, {"competition": competition, "gain": gain, "adapts": adapts})[-1]
            np.testing.assert_allclose(last, [0, 1] if taken else [1, 0], atol=0.01)
    with pytest.raises(ValueError, match="competition is 0.5"):
        takeover(4.0, 0.5)


@pytest.mark.parametrize("gain", [0.5, 4.0])
def test_relays_without_inhibition_follow_their_share(gain):
    shares = np.array([[1.2, 0.7, 1.0], [0.8, 1.3, 1.0]])
    found = held_relays(np.repeat(shares, 3, axis=1), {"competition": 0, "gain": gain})[2::3]
    np.testing.assert_allclose(found, graded(shares.T, gain), atol=1e-3)
    if gain == 0.5:
        np.testing.assert_allclose(found, shares.T / 2, atol=1e-3)  # linear attention: in proportion to drives


def test_an_adaptive_divisor_does_not_hear_how_strong_the_drive_is():
    """Rates sum to one at any level; with a fixed divisor both relays are at their ceiling."""
    drives = np.repeat([[1.05], [0.95]], 6, axis=1)
    for level in (0.5, 3.0):
        found = held_relays(drives, {"level": level, "competition": 0, "gain": 4, "adapts": 1})[-1]
        np.testing.assert_allclose(found, graded([1.05, 0.95], 4), atol=1e-3)
    np.testing.assert_allclose(held_relays(drives, {"level": 3, "competition": 0, "gain": 4})[-1], 1, atol=1e-3)


# Observer and score
def posterior(cues, reliability, hazard):
    """The likeliest last context, by summing over every sequence of contexts."""
    total = np.zeros(2)
    for contexts in product((0, 1), repeat=len(cues)):
        moves = np.where(np.diff(contexts) == 0, 1 - hazard, hazard)
        seen = np.where(np.array(cues) // 2 == contexts, reliability, 1 - reliability)
        total[contexts[-1]] += np.prod(moves) * np.prod(seen)
    return int(total[1] > total[0])


@pytest.mark.parametrize(("reliability", "hazard"), [(0.8, 0.1), (0.7, 0.3), (1.0, 0.05)])
def test_the_observer_is_right_about_the_posterior(reliability, hazard):
    cues = np.random.default_rng(1).integers(4, size=9)
    wanted = [posterior(cues[: k + 1], reliability, hazard) for k in range(len(cues))]
    np.testing.assert_array_equal(observer(cues, reliability, hazard), wanted)


@pytest.mark.parametrize(("reliability", "hazard"), [(0.0, 0.1), (0.8, 0.0), (1.2, 0.1)])
def test_an_observer_needs_probabilities(reliability, hazard):
    with pytest.raises(ValueError, match="an observer needs a reliability"):
        observer([0, 1], reliability, hazard)


@pytest.mark.parametrize("swapped", [False, True])
def test_the_score_of_rates(swapped):
    """Names of groups do not count; the first tested block is inferred after two trials, the second never."""
    contexts = np.repeat([0, 1] * 3, 6)
    said = contexts.copy()
    said[24:] = [1, 1, 0, 0, 0, 0, 1, 1, 0, 1, 1, 0]
    rates_said = np.eye(2)[1 - said if swapped else said]
    assert trials.score(rates_said, contexts, block=6) == (8 / 12, (2 + 6) / 2)
    assert trials.score(0 * rates_said, contexts, block=6) == (0.5, 3.0)  # no answer: right in one of two blocks


def test_cues_are_as_reliable_as_asked():
    task = trials.task_of(0, 0, 0.8)
    own = task.cues // 2 == task.contexts
    assert own.mean() == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / len(own)))
    assert (trials.task_of(0, 0, 1.0).cues // 2 == task.contexts).all()
    assert not np.array_equal(trials.task_of(0, 1, 0.8).cues, task.cues)


def test_weights_of_another_shape_are_refused():
    session, _ = small()
    with pytest.raises(ValueError, match=r"weights have shape \(10, 2, 11\), but 10 circuits of 2 relays"):
        mediodorsal(session._replace(weights=session.weights[..., 1:]))


# Experiment
def made(points=None):
    """Scores of four seeds: 0.9 and 2 trials, less what is lost by a circuit."""
    return {
        each: [trials.Score(0.9 - (points or {}).get(each.circuit, 0) + 0.001 * k, 2.0) for k in range(4)]
        for each in experiment.asked_of(experiment.RELIABILITIES, experiment.LEVELS)
    }


def test_predictions_can_be_missed():
    lost = {experiment.NEITHER: 0.3, experiment.FIXED: 0.3, experiment.LINEAR: 0.1, experiment.UNLEARNED: 0.4}
    found = made(lost)
    found[trials.Asked(experiment.CIRCUIT, 0.5)] = [trials.Score(0.5, 20.0)] * 4
    assert {each["outcome"] for each in experiment.figures_of(found).values()} == {"held"}
    other = experiment.figures_of(made({experiment.CIRCUIT: 0.1, experiment.STEEP: 0.06}))
    held = {name for name, each in other.items() if each["outcome"] == "held"}
    assert held == {"trials_behind", "level_points"}
    noisy = experiment._figure(np.array([0.0, 0.1]), 0.05, "at most")
    assert noisy["outcome"] == "undecided"
    (said,) = experiment.judge({"noisy": noisy})
    assert (said.held, said.undecided) == (False, True)


def test_the_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trials, "TRIAL", 60 * ms)  # a fifth, for the sake of time
    done = run("context_inference", "--quick", "--seeds", 2, "--out", "result")
    assert done.exit_code == 0, done.output
    result = json.loads(Path("result/context_inference.json").read_text())
    assert set(result["figures"]) == set(experiment.figures_of(made()))
    assert {"value", "interval", "threshold", "rule", "outcome"} == set(result["figures"]["trials_behind"])
    assert Path("result/context_inference.png").exists()


@pytest.mark.parametrize(("option", "value"), [("--seeds", 1), ("--seed", -1)])
def test_what_is_refused(option, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_refused("context_inference", option, value, names=option)
