"""Circuits that weigh pulses: their algebra, the simulation, what silencing changes, and the experiment."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from cortical_attention.circuits.amplify_suppress import Parameters
from cortical_attention.experiments import amplify_suppress as experiment
from cortical_attention.reference.amplify_suppress import growth, linear_accuracy, pulse_weights
from cortical_attention.trials import amplify_suppress as simulated
from cortical_attention.trials.amplify_suppress import (
    ARMS,
    N_SLOT,
    SLOT,
    WAIT,
    accuracy,
    changes,
    early_over_late,
    trials,
)
from cortical_attention.trials.amplify_suppress_mechanisms import (
    CLIMBED,
    LEAKY,
    MECHANISMS,
    OWN_LOW,
    SHUFFLED_LOW,
    around,
    circuits,
    draw,
)
from cortical_attention.trials.amplify_suppress_spikes import accuracy_in_spikes
from cortical_attention.trials.amplify_suppress_tuning import Design, outcome
from tests.command import check_refused, run

LINEAR = {
    "w": 0.5,
    "m": 0.2,
    "cue": 0.05,
    "a": 0.3,
    "c": -0.3,
    "sigma": 0.0,
    "tau": 50.0,
    "tau_md": 20.0,
}  # c: tonic drive
TIMES = {"n_slot": N_SLOT, "slot": float(SLOT), "wait": WAIT * float(SLOT)}


@pytest.fixture(autouse=True)
def _not_compiled(monkeypatch):
    monkeypatch.setattr(simulated, "compiler", lambda: None)


def one(**given):
    """Parameters of one circuit."""
    return Parameters(**{name: np.array([float(each)]) for name, each in given.items()})


# Algebra
@pytest.mark.parametrize(("gain", "sign"), [(1.3, -1), (1.6, 0), (2.0, 1)])
def test_pulses_add_up_as_the_equation_of_the_difference_says(gain, sign):
    w, m, tau, cue = 0.5, 0.2, 0.05, 0.1
    weights = pulse_weights(gain, w, m, tau, cue, 4, 0.08, 0.1)
    for k in range(4):
        found = solve_ivp(
            lambda t, x, k=k: growth(gain, w, m, tau) * x + gain * cue / tau * (0.08 * k <= t < 0.08 * (k + 1)),
            (0, 0.42), [0.0], max_step=1e-3, rtol=1e-8,
        ).y[0, -1]  # fmt: skip
        assert weights[k] == pytest.approx(found, rel=2e-2)
    assert np.sign(np.round(growth(gain, w, m, tau), 9)) == sign
    assert np.sign(np.round(weights[0] - weights[-1], 9)) == sign  # early pulses count most where the difference grows


def test_a_gain_of_pulses_alone_cannot_hurt_where_more_of_them_are_right():
    pulses = trials(500, 0).pulses[1]
    found = [linear_accuracy(pulses, pulse_weights(gain, 0, 0, 0.4, 0.1, **TIMES), 0.1) for gain in (0.5, 1, 2, 4)]
    assert np.all(np.diff(found) > 0)
    assert linear_accuracy(-pulses, np.ones(N_SLOT), 0.1) < 0.1


# Simulation
def test_the_simulation_decides_as_the_algebra_says_while_the_pools_are_linear():
    given = trials(1500, 1)
    right = accuracy(one(**LINEAR, bound=np.inf, reading=0.05), given, ("intact", "D2 off"))
    expected = {
        (gain, task): linear_accuracy(
            given.pulses[task], pulse_weights(gain, 0.5, 0.2, 0.05, 0.05, **TIMES), 0.05
        ) for gain in (1.3, 1.0) for task in (0, 1)
    }  # fmt: skip
    for arm, gain in enumerate((1.3, 1.0)):
        for task in (0, 1):
            assert right[0, arm, task].mean() == pytest.approx(expected[gain, task], abs=0.04)  # three standard errors
    assert expected[1.3, 0] - expected[1.0, 0] > 0.08


def test_cells_that_spike_choose_as_rates_do_while_nothing_is_noisy():
    given, point = trials(25, 5), LINEAR | {"cue": 0.1, "reading": 0.0, "bound": np.inf}
    rates = accuracy(one(**point), given, ("intact",))
    spikes = accuracy_in_spikes(Parameters(**point), given, 20, np.random.SeedSequence(0), ("intact",))
    assert np.mean(rates == spikes) >= 0.9
    assert np.mean(rates == 1 - spikes) < 0.5


def test_a_silenced_population_is_one_without_a_target():
    point = {name: np.array([each]) for name, each in CLIMBED[OWN_LOW].items()}
    own, given = circuits(OWN_LOW, point), trials(20, 2)
    right = accuracy(own, given)
    for k, without in ((1, {"a": 0}), (2, {"c": 0}), (3, {"a": 0, "c": 0})):
        alone = accuracy(own._replace(**{name: np.zeros(1) for name in without}), given, ("intact",))
        assert np.array_equal(right[:, k], alone[:, 0])
    assert not np.array_equal(right[:, 0], right[:, 1])


def test_a_choice_at_the_bound_is_for_good():
    given = trials(30, 3)
    early = np.sign([row[np.flatnonzero(row)[0]] for row in given.pulses[1]])
    leaky = LINEAR | {"w": 0, "m": 0, "c": 0, "cue": 0.5, "reading": 0}
    for bound, first in ((1e-3, True), (np.inf, False)):
        right = accuracy(one(**leaky, bound=bound), given, ("intact",))[0, 0, 1]
        assert np.array_equal(right, (1 + early) / 2) == first


# What silencing changes
def test_changes_are_positive_where_they_are_as_in_mice():
    right = np.zeros((1, len(ARMS), 2, 2))
    right[0, :, 0], right[0, :, 1] = ([[1, 0], [0, 0], [1, 1], [0, 0]], [[1, 0], [1, 1], [0, 0], [0, 0]])
    assert {name: float(each[0]) for name, each in changes(right).items()} == dict.fromkeys(changes(right), 0.5)
    assert list(changes(right[:, :3])) == list(simulated.SIGNS)
    assert all(each[0] <= 0 for each in changes(1 - right).values())


def test_early_pulses_that_count_more_are_told_from_pulses_that_count_alike():
    pulses = trials(2000, 4).pulses[1]
    half = N_SLOT // 2
    early, late, all_ = ((part.sum(axis=1) > 0) * 1.0 for part in (pulses[:, :half], pulses[:, half:], pulses))
    assert early_over_late(pulses, early) > 0.05
    assert early_over_late(pulses, late) < -0.05
    assert early_over_late(pulses, all_) == pytest.approx(0, abs=1e-12)


def test_own_and_shuffled_signals_are_mirror_images():
    drawn = draw(5, 0)
    own, shuffled = circuits(OWN_LOW, drawn), circuits(SHUFFLED_LOW, drawn)
    assert np.array_equal(own.d2_activity, shuffled.grik4_activity)
    assert np.array_equal(own.grik4_conflict, shuffled.d2_conflict)
    assert not own.d2_conflict.any() if isinstance(own.d2_conflict, np.ndarray) else own.d2_conflict == 0
    assert circuits(LEAKY, drawn).w.max() == 0
    near = around({"w": 1.0}, 100, 0.2, 0)["w"]
    assert 0.8 <= near.min() < 0.85 < 1.15 < near.max() <= 1.2


# Experiment
def test_outcomes_can_be_missed_and_undecided():
    assert outcome(0.04, [0.01, 0.07], 0.03, "at least") == "held"
    assert outcome(0.04, [-0.01, 0.09], 0.03, "at least") == "undecided"
    assert outcome(0.02, [0.01, 0.03], 0.03, "at least") == "missed"
    assert [outcome(value, None, 0.02, "within") for value in (-0.01, -0.03)] == ["held", "missed"]
    assert outcome(4, None, 3, "at most") == "missed"


def test_the_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "QUICK", Design(3, 10, 10, 10, 2, 0, (LEAKY, OWN_LOW, SHUFFLED_LOW)))
    done = run("amplify_suppress", "--quick", "--seeds", 2, "--out", "result")
    assert done.exit_code == 0, done.output
    names = {"amplify_suppress.json", "amplify_suppress.png", "run.json"}
    assert {path.name for path in Path("result").iterdir()} == names
    result = json.loads(Path("result/amplify_suppress.json").read_text())
    assert set(result["figures"]["signs_held"]) == {"value", "interval", "threshold", "rule", "outcome"}
    assert [each["row"]["mechanism"] for each in result["tuned"]] == [LEAKY, OWN_LOW, SHUFFLED_LOW]
    assert set(MECHANISMS) > {LEAKY, OWN_LOW, SHUFFLED_LOW}


@pytest.mark.parametrize(("option", "value"), [("--seeds", 1), ("--seed", -1)])
def test_what_the_command_refuses(option, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_refused("amplify_suppress", option, value, names=option)
