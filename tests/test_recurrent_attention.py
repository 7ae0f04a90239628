"""A memory that forgets: its algebra, the cell and the circuit of gated linear attention, and the experiment."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from brian2 import second
from scipy.integrate import solve_ivp

from cortical_attention.circuits.leaky import leaky_wiring
from cortical_attention.experiments import recurrent_attention as experiment
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.gated import gated_linear_attention, gates_of, held_shares, memories
from cortical_attention.reference.kernels import kernel_named
from cortical_attention.simulation.attend import Settings, attend, calibrate
from cortical_attention.trials.recurrent import best_retention, judged_mean
from cortical_attention.wiring.expressions import WiringError
from tests.command import check_refused, run

CASE = random_case(3, 3, n_head=2, d_model=4, d_key=3, d_value=2)
STATES = np.random.default_rng(4).exponential(size=(1, 3, 2)).clip(max=2)
W_M = np.array([[0.8, 0.2], [0.1, 0.9]])
GATES = gates_of(STATES, W_M)[0]
GIVEN = {name: each for name, each in CASE.block._asdict().items() if each is not None}
CAUSAL = np.tril(np.ones((3, 3), dtype=bool))
TIMES = {"settle": 0.3 * second, "window": 0.1 * second}


# Algebra
def by_weights(tokens, block, gates, normalised):
    """Closed form: masked attention whose weights are multiplied by products of gates, one entry at a time."""
    phi, output = kernel_named("elu+1").phi, np.zeros_like(tokens)
    for h, (W_Q, W_K, W_V, W_O) in enumerate(zip(*block[:4], strict=True)):
        for t, token in enumerate(tokens):
            seen = tokens[: t + 1]
            weights = np.array(
                [phi(W_K @ x) @ phi(W_Q @ token) * gates[h, j + 1 : t + 1].prod() for j, x in enumerate(seen)]
            )
            weights = weights / weights.sum() if normalised else weights
            output[t] += W_O @ (weights @ (seen @ W_V.T))
    return output


@pytest.mark.parametrize("normalised", [False, True])
def test_the_recurrence_is_masked_attention_with_products_of_gates(normalised):
    found = gated_linear_attention(CASE.tokens, CASE.block, GATES, normalised=normalised).output
    np.testing.assert_allclose(found, by_weights(CASE.tokens, CASE.block, GATES, normalised), atol=1e-12)
    assert relative_l2(by_weights(CASE.tokens, CASE.block, GATES[:, ::-1], normalised), found) > 0.02


def test_open_gates_are_causal_attention_and_closed_ones_leave_the_token_itself():
    for gates, mask in ((1.0, CAUSAL), (0.0, np.eye(3, dtype=bool))):
        for normalised in (False, True):
            right = linear_attention(CASE.tokens, CASE.block, mask=mask, normalised=normalised).output
            found = gated_linear_attention(CASE.tokens, CASE.block, gates, normalised=normalised).output
            np.testing.assert_allclose(found, right, atol=1e-12)


def test_a_leak_that_is_a_softplus_is_a_logistic_gate():
    x = np.linspace(-3, 3, 7)[:, None]
    np.testing.assert_allclose(gates_of(np.log1p(np.exp(x)), np.ones((1, 1)))[0], 1 / (1 + np.exp(x[:, 0])))


def test_a_leak_during_the_write_leaves_the_share_of_its_equation():
    for leak in (0.0, 0.7, 3.0):
        course = solve_ivp(lambda t, M, leak=leak: 1 - leak * M, (0, 1), [0.0], rtol=1e-10, atol=1e-12)
        assert held_shares(np.exp(-leak)) == pytest.approx(course.y[0, -1], rel=1e-8)


def test_the_best_constant_decay_is_found_where_there_is_one():
    right = gated_linear_attention(CASE.tokens, CASE.block, np.array([[0.3], [0.6]])).output
    assert best_retention(CASE.tokens, CASE.block, right)[0] < 1e-4
    gated = gated_linear_attention(CASE.tokens, CASE.block, GATES).output
    leaves, decays = best_retention(CASE.tokens, CASE.block, gated)
    assert decays.shape == (2,)
    for others in np.random.default_rng(0).uniform(size=(20, 2, 1)):
        assert leaves <= relative_l2(gated_linear_attention(CASE.tokens, CASE.block, others).output, gated) + 1e-9


def test_what_the_algebra_refuses():
    with pytest.raises(ValueError, match="gates reach from 1.5 to 1.5, but need to be between 0 and 1"):
        gated_linear_attention(CASE.tokens, CASE.block, 1.5)
    with pytest.raises(ValueError, match=r"gates have shape \(2, 4\), but need \(..., n_head, n_token\), as \(2, 3\)"):
        gated_linear_attention(CASE.tokens, CASE.block, np.ones((2, 4)))


# Circuit
def asked(form="rate", calibration=None, **more):
    """Answer of the circuit in a brief run."""
    settings = Settings(form, target="numpy", record="sample", **TIMES)
    more = {"modulation": STATES, "W_M": W_M} | more
    return attend(leaky_wiring, CASE.tokens[None], settings, calibration=calibration, **GIVEN, **more)


@cache
def plainly():
    """That answer, which two tests look at."""
    return asked()


def test_the_circuit_is_gated_linear_attention_and_without_its_leak_it_is_not():
    right = gated_linear_attention(CASE.tokens, CASE.block, GATES).output
    answer = plainly()
    assert answer.settled.settled.all(), answer.settled.reason
    assert relative_l2(answer.output[0], right) <= 0.002  # Euler: half of leak squared, times 1 ms of 250 ms
    plain = asked(W_M=0 * W_M).output[0]
    assert relative_l2(plain, linear_attention(CASE.tokens, CASE.block, mask=CAUSAL, normalised=False).output) <= 1e-6
    assert relative_l2(plain, right) > 0.2


def test_the_memory_holds_between_turns_what_the_algebra_says():
    """Cells of the memory at the end of the run, and not only what is read of them."""
    phi = kernel_named("elu+1").phi
    keys, values = (CASE.tokens @ W.swapaxes(-1, -2) for W in (CASE.block.W_K, CASE.block.W_V))
    found = plainly().run.values["memory"][-1, 0]
    np.testing.assert_allclose(found, memories(phi(keys), values, GATES)[:, -1], atol=0.003 * np.abs(found).max())


def test_a_leak_during_the_write_is_an_input_gate():
    right = gated_linear_attention(CASE.tokens, CASE.block, GATES, shares=held_shares(GATES)).output
    found = asked(leaks="during").output[0]
    assert relative_l2(found, right) <= 0.05
    assert relative_l2(found, gated_linear_attention(CASE.tokens, CASE.block, GATES).output) > 0.15


def test_spikes_follow_and_modulatory_cells_keep_within_their_range():
    """A state of two is asked of a cell below its ceiling, though the cell is silent whenever a query is asked."""
    settings = Settings(
        "spiking", target="numpy", record="sample", synapses="fast", cells=2, write=0.15 * second, **TIMES
    )
    states = np.random.default_rng(5).exponential(size=(2, 3, 2)).clip(max=2)
    given = {"W_M": W_M, **GIVEN}
    found = calibrate(leaky_wiring, CASE.calibration[:2], settings, modulation=states, **given)
    assert found.unit_rates["modulator"] * states.max() <= 300
    answer = attend(leaky_wiring, CASE.tokens[None], settings, calibration=found, modulation=STATES, **given)
    assert relative_l2(answer.output[0], gated_linear_attention(CASE.tokens, CASE.block, GATES).output) <= 0.1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"modulation": -STATES}, "modulation has the entry .*, but a leak cannot be negative"),
        ({"W_M": -W_M}, "W_M has the entry -0.9, but a leak cannot be negative"),
        ({"modulation": STATES[:, :2]}, r"modulation has shape \(1, 2, 2\) but needs \(1, 3, 2\)"),
        ({"W_M": W_M[:1]}, r"W_M has shape \(1, 2\) but needs \(n_head=2, n_state\)"),
        ({"leaks": "always"}, "leaks is 'always' but needs to be one of before, during"),
    ],
)
def test_what_the_wiring_refuses(more, said):
    with pytest.raises(WiringError, match=said):
        leaky_wiring(Settings().times(), CASE.tokens[None], **GIVEN, **{"modulation": STATES, "W_M": W_M} | more)


# Experiment
def test_predictions_can_be_missed():
    assert judged_mean([0.001, 0.002], "at most", 0.01)["outcome"] == "undecided"  # two seeds: a wide interval
    assert judged_mean([0.001, 0.0011], "at most", 0.01)["outcome"] == "held"
    assert judged_mean([0.02, 0.021], "at most", 0.01)["outcome"] == "missed"
    assert judged_mean([20.0, 21.0], "at least", 5)["outcome"] == "held"
    assert judged_mean([2.0, 2.1], "at least", 5)["outcome"] == "missed"
    assert judged_mean([2.0], "at least", 5)["interval"] is None
    rows = [
        {"arm": "rates", "seed": 0, "step_ms": step, "relative_l2": 0.01, "settled": True} for step in experiment.STEPS
    ]
    assert [each.held for each in experiment.judge({}, rows)] == [False]


def test_the_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "N_TOKEN": 2,
        "N_INPUT": 1,
        "QUICK": {"seeds": 3, "arms": ("rates", "state one turn late")},
    }.items():
        monkeypatch.setattr(experiment, name, value)
    done = run("recurrent_attention", "--quick", "--seeds", 2, "--seed", 5, "--out", "result")
    assert done.exit_code == 0, done.output
    assert {path.name for path in Path("result").iterdir()} == {
        "recurrent_attention.json", "recurrent_attention.png", "run.json",
    }  # fmt: skip
    result = json.loads(Path("result/recurrent_attention.json").read_text())
    assert result["figures"]["rates"].keys() == {"value", "interval", "threshold", "rule", "outcome"}
    assert set(result["figures"]) == {"rates", "late_state", "over_rates"}
    errors = {(row["arm"], row["seed"]): row["relative_l2"] for row in result["rows"]}
    assert len({k for arm, k in errors if arm == "rates"}) == 2  # what is given wins over --quick
    assert all(errors["rates", k] <= 0.01 < errors["state one turn late", k] for k in (0, 1))
    np.testing.assert_allclose(result["course"]["circuit"][-1], result["course"]["algebra"][-1], rtol=0.01)


def test_one_seed_is_refused_which_has_no_interval(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_refused("recurrent_attention", "--seeds", 1, names="--seeds")
