"""Rules of a memory: their algebra and its bound, the circuit of the delta rule, and the experiment."""

import json
from pathlib import Path

import numpy as np
import pytest
from brian2 import second
from scipy.integrate import solve_ivp

from cortical_attention.circuits.delta import delta_wiring
from cortical_attention.experiments import memory_rules as experiment
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import memory_attention
from cortical_attention.reference.memory_rules import SHARES, best_scale, least_loss, loss, memory_answer, written
from cortical_attention.simulation.attend import Settings, attend
from cortical_attention.wiring.expressions import WiringError
from tests.command import run

STREAM = np.random.default_rng(0)
KEYS, VALUES = STREAM.standard_normal((4, 3)), STREAM.standard_normal((4, 2))


# Algebra
def test_the_delta_rule_answers_the_last_value_and_the_sum_rule_does_not():
    assert np.allclose(written(KEYS, VALUES, "delta") @ KEYS[-1], VALUES[-1])
    assert not np.allclose(written(KEYS, VALUES, "sum") @ KEYS[-1], VALUES[-1], atol=0.1)
    np.testing.assert_allclose(written(KEYS, VALUES, "sum"), VALUES.T @ KEYS)


def test_orthonormal_keys_are_held_by_both_rules():
    keys = np.linalg.qr(STREAM.standard_normal((3, 3)))[0]
    for rule in ("sum", "delta"):
        np.testing.assert_allclose(keys @ written(keys, VALUES[:3], rule).T, VALUES[:3], atol=1e-12)


def test_the_continuous_rule_is_the_solution_of_its_equation():
    M = np.zeros(6)
    for phi, v in zip(KEYS, VALUES, strict=True):
        M = solve_ivp(
            lambda t, m, phi=phi, v=v: np.outer(v - m.reshape(2, 3) @ phi, phi).ravel(),
            (0, 1),
            M,
            rtol=1e-10,
            atol=1e-12,
        ).y[:, -1]
    np.testing.assert_allclose(written(KEYS, VALUES, "continuous delta"), M.reshape(2, 3), atol=1e-8)
    assert relative_l2(written(KEYS, VALUES, "delta"), M.reshape(2, 3)) > 0.05


def test_a_zero_key_writes_nothing():
    for rule in SHARES:
        assert not written(np.zeros((1, 3)), VALUES[:1], rule).any()


def test_the_bound_is_reached_by_a_tight_frame_and_not_beaten_by_random_keys():
    angles = 2 * np.pi * np.arange(3) / 3
    for keys, tight in ((np.stack([np.cos(angles), np.sin(angles)], axis=1), True), (KEYS[:3, :2], False)):
        best = np.linalg.lstsq(keys, np.eye(3), rcond=None)[0]
        found = loss(keys @ best, np.eye(3))
        assert found == pytest.approx(least_loss(3, 2)) if tight else found >= least_loss(3, 2) - 1e-12
        assert loss(keys @ written(keys, np.eye(3), "delta").T, np.eye(3)) > least_loss(3, 2) + 0.01
    assert least_loss(2, 2) == 0


def test_no_scale_is_better_than_the_best():
    answers, values = STREAM.standard_normal((3, 4, 2)), STREAM.standard_normal((3, 4, 2))
    best = best_scale(answers, values)
    assert best.shape == (3, 1, 1)
    for factor in (0.9, 1.1):
        assert (loss(best * answers, values) < loss(factor * best * answers, values)).all()
    assert not best_scale(np.zeros((4, 2)), values[0]).any()


def test_the_loss_of_a_sum_at_its_best_scale_is_that_of_its_formula():
    """1/2 (1 - 1 / (1 + (n - 1) / d_key)) for random keys, which is that of the docstring."""
    found = {row["keys"]: row["value"] for row in experiment.capacity(4, 1) if row["rule"] == experiment.SCALED}
    for n, value in found.items():
        assert value == pytest.approx((1 - 1 / (1 + (n - 1) / experiment.D_KEY)) / 2, rel=0.05)


def test_the_sum_rule_is_linear_attention_without_division():
    case = random_case(1, 4, d_model=5, d_key=3, d_value=2)
    found = memory_answer(case.tokens, case.block, "sum")
    np.testing.assert_allclose(found, memory_attention(case.tokens, case.block, normalised=False).output, atol=1e-12)


def test_what_the_algebra_refuses():
    with pytest.raises(ValueError, match="rule is 'hebb'"):
        written(KEYS, VALUES, "hebb")
    with pytest.raises(ValueError, match="as many of each"):
        written(KEYS[:2], VALUES, "sum")


# Circuit
@pytest.mark.parametrize("form", ["rate", "dale"])
def test_the_circuit_writes_by_the_delta_rule_and_its_control_does_not(form):
    case = random_case(2, 2, n_head=1, d_model=3, d_key=2, d_value=2)
    b_V = np.array([[0.3, -0.2]])
    block = case.block._replace(b_V=b_V)
    given = {name: each for name, each in block._asdict().items() if each is not None}
    times = {"settle": 0.3 * second, "window": 0.1 * second, "write": 1 * second}
    settings, right = Settings(form, target="numpy", **times), memory_answer(case.tokens, block, "continuous delta")
    answer = attend(delta_wiring, case.tokens[None], settings, **given)
    assert answer.settled.settled.all(), answer.settled.reason
    assert relative_l2(answer.output[0], right) <= 0.02
    settings = settings._replace(write=0.25 * second)  # a sum has no loop
    control = attend(delta_wiring, case.tokens[None], settings, rule="sum", **given).output[0]
    assert relative_l2(control, memory_answer(case.tokens, block, "sum")) <= 1e-6
    assert relative_l2(control, right) > 0.3


def test_another_rule_is_refused():
    case = random_case(2, 2, n_head=1, d_model=3, d_key=2, d_value=2)
    with pytest.raises(WiringError, match="rule is 'hebb' but needs to be one of delta, sum"):
        delta_wiring(Settings().times(), case.tokens[None], *case.block[:4], rule="hebb")


# Experiment
def test_the_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in {"N_SMALL": (2,), "N_TWICE": 2, "WRITES": (0.25,)}.items():
        monkeypatch.setattr(experiment, name, value)
    done = run("memory_rules", "--draws", 2, "--inputs", 1, "--no-spikes", "--out", "result")
    assert done.exit_code == 0, done.output
    assert {path.name for path in Path("result").iterdir()} == {"memory_rules.json", "memory_rules.png", "run.json"}
    result = json.loads(Path("result/memory_rules.json").read_text())
    assert [each["part"] for each in result["circuits"]] == [
        f"circuit, {part}" for part in ("write", "capacity", "twice", "twice")
    ]
    capacity = {(row["rule"], row["keys"]): row["value"] for row in result["rows"] if row["part"] == "capacity"}
    assert capacity["delta", 200] < capacity["sum", 200]
    once = next(each for each in result["circuits"] if each["part"] == "circuit, capacity")
    assert once["value"] == pytest.approx(once["ideal"], abs=0.02)


def test_predictions_can_be_missed():
    def ran(part, at, value, ideal=1.0):
        row = {"part": f"circuit, {part}", "rule": "delta", "at": at, "value": value, "ideal": ideal, "settled": True}
        return experiment._judged(row).held

    assert ran("write", 1.0, 0.01)
    assert not ran("write", 1.0, 0.03)
    assert not ran("write", 0.25, 0.01)
    assert not ran("spikes", 1.0, 0.04)
    assert ran("capacity", 4, 1.05)
    assert not ran("capacity", 4, 1.2)
    rows = experiment.capacity(2, 0) + experiment.overwriting(2, 0)
    worse = [row | {"value": 0.0} if row["rule"] == "delta" else row for row in rows]
    assert not all(each.held for each in experiment.judge(worse, []))
    scaled, divided = (
        [row | {"value": 0.35} if row["rule"] == rule else row for row in rows]
        for rule in (experiment.SCALED, experiment.DIVIDED)
    )
    assert [each.held for each in experiment.judge(rows, [])[:3]] == [True, True, True]
    assert [each.held for each in experiment.judge(scaled, [])[:3]] == [True, False, True]
    assert [each.held for each in experiment.judge(divided, [])[:3]] == [True, True, False]


@pytest.mark.parametrize(("option", "value"), [("--draws", 1), ("--inputs", 0), ("--seed", -1)])
def test_what_the_command_refuses(option, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("memory_rules", option, value).exit_code == 2
    assert not list(tmp_path.iterdir())
