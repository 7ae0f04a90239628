"""Match and control: the counter, the synapse and the cell spike by spike, controls that miss, and the experiment."""

import json
from pathlib import Path

import numpy as np
import pytest

from cortical_attention.cells.short_term_hebbian import ShortTermHebbian, strength
from cortical_attention.experiments import match_and_control as experiment
from cortical_attention.reference.match_and_control import coincidences, threshold_of
from cortical_attention.trials import match_and_control as trial
from tests.command import run

TAU, WINDOW = 0.01, 0.5


def trains_with(query, axon, n_axon=trial.N_AXON):
    """One trial in which axon 0 sends a train in both phases, and all others are silent."""
    match = np.full((1, n_axon, len(axon)), np.nan)
    match[0, 0] = axon
    control = np.full((1, n_axon, 3), np.nan)
    control[0, 0] = trial.START + WINDOW + trial.GAP + np.array([0.1, 0.4, 0.8])
    return trial.Trains(np.array([query]), match, control, WINDOW)


# Algebra
def test_a_pair_counts_most_if_the_query_follows_after_tau():
    lags = np.array([-0.005, 0.0, 0.002, TAU, 0.03])
    found = [coincidences(np.array([0.2]), np.array([0.2 + lag]), TAU) for lag in lags]
    np.testing.assert_allclose(found, [0, 0, 0.2 * np.exp(0.8), 1, 3 * np.exp(-2)], atol=1e-12)
    axons, query = np.array([[0.1, np.nan], [0.1, 0.25]]), np.array([0.11, 0.26, np.nan])
    both = coincidences(axons, query, TAU)
    assert both[1] == pytest.approx(2 + 15 * np.exp(-15) * np.exp(1) + 0 * both[0], rel=1e-3)
    assert both[0] < both[1]


def test_the_threshold_lets_a_chosen_share_of_trials_pass():
    counts = np.random.default_rng(0).random((1000, 4))
    assert (counts.max(axis=1) > threshold_of(counts, 0.1)).mean() == pytest.approx(0.1, abs=2e-3)


def test_trains_have_their_rate_and_refractory_time():
    times = trial.poisson(np.random.default_rng(0), (2000,), 5.0)
    waits = np.diff(times, axis=1)
    assert np.nanmin(waits) >= trial.REFRACTORY
    assert np.nanmean(waits) == pytest.approx(1 / trial.RATE, rel=0.02)
    trains = trial.drawn(3, 2, WINDOW)
    np.testing.assert_allclose(trains.match[:, 0, : trains.query.shape[1]], trains.query - trial.LEAD)
    alone = trial.drawn(3, 2, WINDOW, "independent")
    np.testing.assert_array_equal(alone.query, trains.query)
    assert not np.isclose(alone.match[:, 0, :1], trains.query[:, :1] - trial.LEAD).any()


# Synapse and cell
def test_synapses_count_as_the_ideal_counter_does():
    """To the rounding of spike times to a time step; a cell that spikes besides, as by chance, is left out."""
    trains = trial.drawn(4, 6, WINDOW)
    found = trial.simulate(trains, trial.NEVER, TAU, cell=trial.PointNeuron(w=1e-6), control=False).counts
    right = np.array([coincidences(*pair, TAU) for pair in zip(trains.match, trains.query, strict=True)])
    np.testing.assert_allclose(found, right, atol=0.25)
    assert np.corrcoef(found.ravel(), right.ravel())[0, 1] > 0.99
    assert np.abs(found - coincidences(trains.match, np.roll(trains.query, 1, axis=0)[0], TAU)).max() > 1


def test_a_matched_axon_takes_the_cell_over_and_the_same_axon_without_potentiation_does_not():
    query = trial.START + np.array([0.05, 0.15, 0.25, 0.35])
    trains = trains_with(query, query - trial.LEAD)
    strong = trial.PointNeuron(w=0.2)  # eight times of it is beyond threshold, without other axons
    assert trial.simulate(trains, 1.0, TAU, cell=strong).followed == [1.0]
    assert trial.simulate(trains, trial.NEVER, TAU, cell=strong).followed == [0.0]
    late = trains_with(query, query + trial.LEAD)
    assert trial.simulate(late, 1.0, TAU, cell=strong).followed == [0.0]
    weak = ShortTermHebbian(largest=2.0)
    assert trial.simulate(trains, 1.0, TAU, hebbian=weak, cell=strong).followed == [0.0]
    assert strength(1.0, 1.0) == pytest.approx(4.5)
    assert strength(0.0, 1.0) == pytest.approx(1, abs=1e-6)


def test_what_counts_as_followed_and_as_spurious():
    axon = np.array([[1.0, 1.5, np.nan], [1.0, np.nan, np.nan], [np.nan] * 3, [1.0, np.nan, np.nan]])
    cells, times = np.array([0, 0, 1, 2]), np.array([1.007, 1.3, 1.1, 1.2])
    followed, spurious = trial._outcomes(axon, cells, times)
    np.testing.assert_array_equal(followed, [0.5, 0, np.nan, 0])
    np.testing.assert_array_equal(spurious, [0.5, 1, 1, 0])


# Experiment
def test_predictions_can_be_missed():
    row = {"false": 0.1, "without_match": 0.02, "without_potentiation": 0.02}
    rows = [
        row | {"window": window, "seed": k, "success": wanted + 0.01 * k}
        for window, wanted in zip(experiment.WINDOWS, experiment.ASKED["success"], strict=True) for k in range(3)
    ]  # fmt: skip
    assert all(each.held for each in experiment.judge(experiment.figures_of(rows)))
    for name, value, outcome in (
        ("success", 0.1, "missed"),
        ("false", 0.3, "missed"),
        ("without_match", 0.5, "missed"),
    ):
        worse = experiment.figures_of([each | {name: value} for each in rows])
        changed = {"success": "success_2", "false": "false_matches_1", "without_match": "without_match_0.5"}[name]
        assert worse[changed]["outcome"] == outcome


def test_the_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "TAUS", (0.01,))
    monkeypatch.setattr(experiment, "WINDOWS", (0.5,))
    monkeypatch.setattr(experiment, "ASKED", experiment.ASKED | {"success": [0.34]})
    monkeypatch.setattr(experiment, "ELLWOOD", {name: own[:1] for name, own in experiment.ELLWOOD.items()})
    done = run("match_and_control", "--seeds", 2, "--trials", 8, "--quick", "--out", "result")
    assert done.exit_code == 0, done.output
    names = {"match_and_control.json", "match_and_control.png", "run.json"}
    assert {path.name for path in Path("result").iterdir()} == names
    result = json.loads(Path("result/match_and_control.json").read_text())
    assert len(result["rows"]) == 2 * len(experiment.WINDOWS)
    assert len(result["figures"]) == 4 * len(experiment.WINDOWS)
    assert result["tau_c_s"] == 0.01
    for option, value in (("--seeds", 1), ("--trials", 2)):
        assert run("match_and_control", option, value).exit_code == 2
