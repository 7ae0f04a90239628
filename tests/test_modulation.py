"""Acetylcholine and noradrenaline as holding potentials: the algebra of gains, relays at every potential, the experiment."""

import json
from pathlib import Path

import numpy as np
import pytest

from cortical_attention.experiments import modulation as experiment
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.readout.judged import judged
from cortical_attention.reference import linear_attention, softmax_attention
from cortical_attention.reference.modulation import attention_of_nuclei, entropy, scaled
from cortical_attention.trials import modulated_nuclei
from cortical_attention.trials import modulation as trials
from cortical_attention.trials.modulated_nuclei import (
    BURST,
    CORE,
    MATRIX,
    N_LEVEL,
    STEADY,
    TONIC,
    course,
    measure,
    slope,
)
from cortical_attention.trials.relay_bank import RELAYS
from tests.command import run

BLOCK, TOKENS = trials.draw(seed=5, k=0, n_input=4)


# Algebra
def test_gains_of_nuclei_are_factors_of_the_weights():
    nuclei = attention_of_nuclei(0.5 * TOKENS, 2.0 * TOKENS, 3.0 * TOKENS, BLOCK).output
    np.testing.assert_allclose(nuclei, linear_attention(TOKENS, scaled(BLOCK, 0.5, 2.0, 3.0)).output, atol=1e-12)
    assert relative_l2(nuclei, linear_attention(TOKENS, scaled(BLOCK, 2.0, 0.5, 3.0)).output) > 0.01


def test_the_product_is_the_inverse_temperature_of_softmax_alone():
    kappa = {
        attention: [attention(TOKENS, scaled(BLOCK, *each)).kappa for each in ((0.5, 1.0, 1.0), (1.0, 0.5, 0.5))]
        for attention in (softmax_attention, linear_attention)
    }
    np.testing.assert_allclose(*kappa[softmax_attention], atol=1e-12)
    assert relative_l2(*kappa[linear_attention]) > 0.01


def test_attention_of_nuclei_is_that_of_the_formula():
    query, key, value = np.random.default_rng(0).standard_normal((3, trials.N_TOKEN, trials.D_MODEL))
    wanted = np.zeros_like(query)
    for W_Q, W_K, W_V, W_O in zip(*BLOCK[:4], strict=True):
        q, k = ((np.where(x > 0, x + 1, np.exp(x))) for x in (query @ W_Q.T, key @ W_K.T))
        weight = q @ k.T
        wanted += weight / weight.sum(axis=1, keepdims=True) @ (value @ W_V.T) @ W_O.T
    np.testing.assert_allclose(attention_of_nuclei(query, key, value, BLOCK).output, wanted, atol=1e-12)
    assert relative_l2(attention_of_nuclei(query, value, key, BLOCK).output, wanted) > 0.1
    with pytest.raises(ValueError, match=r"value has shape \(3, 16\), but needs"):
        attention_of_nuclei(query, key, value[:3], BLOCK)


def test_entropy_of_certain_and_of_even_weights():
    assert entropy(np.eye(4)) == 0
    assert entropy(np.full((2, 4), 0.25)) == pytest.approx(np.log(4))


# Errors
def test_factors_are_found_again_and_leave_nothing():
    """But values that are cut off below a threshold leave an error."""
    noise = 0.05 * np.random.default_rng(1).standard_normal((2, *TOKENS.shape))
    answers = linear_attention(TOKENS, scaled(BLOCK, 0.6, 0.8, 1.5)).output + noise
    assert trials.fit(TOKENS, BLOCK, answers.mean(axis=0)) == pytest.approx([0.6, 0.8, 1.5], rel=0.15)
    assert trials.left(TOKENS, BLOCK, answers) < 0.05**2
    cut = np.sign(TOKENS) * np.clip(np.abs(TOKENS) - 1, 0, None)
    assert trials.left(TOKENS, BLOCK, attention_of_nuclei(TOKENS, TOKENS, cut, BLOCK).output + noise) > 0.2**2


# Relays
def test_switches_begin_and_end_in_a_mode():
    assert {(each[0], each[-1]) for each in map(course, (0.0, 0.5, 2.0))} == {(0.0, 1.0)}
    assert course(None)[-1] == 0.5
    assert np.all(np.diff(course(2.0)) >= 0)
    assert np.count_nonzero((course(2.0) > 0) & (course(2.0) < 1)) == 40


def test_relays_follow_their_driver_in_tonic_mode_and_burst_when_hyperpolarised():
    tokens = np.random.default_rng(2).standard_normal((1, 4, 8))
    bank = measure(RELAYS["fire_or_burst"], tokens, 2, seed=3)
    gains = slope(bank.rates[STEADY], tokens).mean(axis=(1, 2, 3)) / 20
    assert gains[TONIC] == pytest.approx(1, abs=0.15)
    assert gains[N_LEVEL // 2] < 0.7 * gains[TONIC]  # dead zone
    assert np.all(bank.in_bursts[BURST] > 0.2)
    assert np.all(bank.in_bursts[TONIC] < 0.1)
    onset = slope(bank.rates["onset"], tokens).mean(axis=(-2, -1))
    assert onset[BURST, MATRIX] > 1.3 * onset[TONIC, CORE]
    assert onset[BURST, MATRIX] > 1.5 * slope(bank.without["onset"], tokens)[MATRIX].mean()


# Experiment
def rows(gains, bursts):
    """Rows of two blocks with the same gains and burst shares at each potential of both nuclei."""
    return [
        {
            "cell": "x", "block": block, "window": window, "modulator": modulator, "level": (k - BURST) / (TONIC - BURST),
            "core": core, "matrix": matrix, "gain_core": gains[core], "gain_matrix": gains[matrix],
            "product": gains[core] * gains[matrix], "bursts_core": bursts[core], "bursts_matrix": bursts[matrix],
            "entropy": 1 + 0.1 * core + 0.1 * matrix + 0.01 * block, "size": gains[matrix],
        }
        for block in range(2) for window in ("onset", STEADY)
        for modulator, places in trials.LEVELS.items() for k, (core, matrix) in enumerate(places)
    ]  # fmt: skip


def figures(gains, bursts, errors):
    arms = [
        {"cell": "x", "block": block, "window": window, "arm": arm, "left": value}
        for block in range(2) for window in ("onset", STEADY) for arm, value in errors.items()
    ]  # fmt: skip
    times = [
        {"cell": "x", "block": k, "arm": arm, "outside": 0.1, "end": 0.5}
        for arm in ("step", "stays between")
        for k in range(2)
    ]
    return trials.figures_of(rows(gains, bursts), arms, times, "x")


BURSTS = [0.4] * 3 + [0.04] * 6


def test_the_dead_zone_is_left_out_and_reported():
    gains = np.array([0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 1.0, 1.0, 1.0])
    assert trials.modes(rows(gains, BURSTS), "x") == ["burst"] * 3 + ["between"] * 3 + ["tonic"] * 3
    found = figures(gains, BURSTS, {trials.IN_QUERIES: 0.01, trials.IN_BOTH: 0.16})
    assert found["inverse_temperature_x"]["value"] == pytest.approx(0)
    assert found["inverse_temperature_with_dead_zone_x"]["outcome"] == "missed"
    assert found["asymmetry_x"]["value"] == pytest.approx(4)
    held = {name.removesuffix("_x") for name, each in found.items() if each["outcome"] == "held"}
    assert held == {"moves", "inverse_temperature", "asymmetry", "asymmetry_at_onset", "dissociation", "stays_between",
                    "step", "entropy", "answer"}  # fmt: skip


def test_predictions_can_be_missed():
    gains = np.array([2.0, 1.8, 1.4, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    found = figures(gains, BURSTS, {trials.IN_QUERIES: 0.04, trials.IN_BOTH: 0.16})
    missed = {name.removesuffix("_x") for name, each in found.items() if each["outcome"] == "missed"}
    assert missed >= {"moves", "inverse_temperature", "asymmetry", "answer", "novelty"}
    assert not any(each.held for each in experiment.judge({"moves": found["moves_x"]}))
    noisy = figures(gains, BURSTS, {trials.IN_QUERIES: -0.01, trials.IN_BOTH: 0.16})
    assert noisy["asymmetry_x"]["outcome"] == "undecided"
    assert judged(3.5, 3.0, "at least", (2.9, 4.0))["outcome"] == "undecided"


def test_the_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "CELLS", ("fire_or_burst",))
    monkeypatch.setattr(trials, "D_MODEL", 4)
    monkeypatch.setattr(modulated_nuclei, "LAST", 2.0)
    done = run("modulation", "--seeds", 2, "--inputs", 2, "--cells", 1, "--seed", 5, "--out", "result")
    assert done.exit_code == 0, done.output
    assert {path.name for path in Path("result").iterdir()} == {"modulation.json", "modulation.png", "run.json"}
    result = json.loads(Path("result/modulation.json").read_text())
    assert len(result["rows"]) == 2 * 2 * 2 * N_LEVEL
    first = {row["arm"]: row["first"] for row in result["over_time"]}
    assert first["step"] < 0 < first["step, no T-current"]  # silent cells rebound
    assert set(result["figures"]) >= {"inverse_temperature_fire_or_burst", "asymmetry_fire_or_burst"}
    assert all(
        set(each) == {"value", "interval", "threshold", "rule", "outcome"} for each in result["figures"].values()
    )


@pytest.mark.parametrize(("option", "value"), [("--seeds", 1), ("--inputs", 1), ("--cells", 0), ("--seed", -1)])
def test_what_is_refused(option, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = run("modulation", option, value)
    assert refused.exit_code == 2
    assert option in refused.stderr
    assert not list(tmp_path.iterdir())
