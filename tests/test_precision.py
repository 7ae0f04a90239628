"""Predictive coding with precision: its algebra, the circuit in rates, controls that miss, and the experiment."""

import json
from pathlib import Path

import numpy as np
import pytest
from brian2 import second
from scipy.optimize import minimize
from scipy.special import softmax

from cortical_attention.cells.predictive import steady_rate
from cortical_attention.circuits.precision import precision_wiring
from cortical_attention.experiments import precision as experiment
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.readout.judged import judged
from cortical_attention.reference import precision as algebra
from cortical_attention.reference.attention import softmax_attention
from cortical_attention.reference.block import Block
from cortical_attention.simulation.attend import Settings
from cortical_attention.trials import precision as trial
from cortical_attention.trials.amplify_suppress_tuning import outcome as outcome_of_a_sign
from cortical_attention.wiring.expressions import WiringError
from tests.command import run

EQUAL, APART = trial.drawn(3, 0.0), trial.drawn(3, 0.5)


def free_energy(mean, log_precision, values, prior, prior_precision):
    errors = ((values - mean) ** 2).sum(axis=-1)
    return (np.exp(log_precision) * errors).sum() / 2 + prior_precision * ((mean - prior) ** 2).sum() / 2


# Algebra
def test_descent_settles_at_the_minimum_of_the_free_energy():
    queries, keys, values = APART
    scores = algebra.of_product(queries, keys)
    found = algebra.settled(scores, values, 0.4, 2.0)
    for score, output in zip(scores, found.output, strict=True):
        least = minimize(free_energy, np.zeros(values.shape[1]), (score, values, 0.4, 2.0), tol=1e-12).x
        np.testing.assert_allclose(output, least, atol=1e-5)
    rate = steady_rate(1.0, values[:, None], np.exp(scores).T[..., None], 0.4, 2.0)
    np.testing.assert_allclose(rate, found.output, rtol=1e-12)


def test_a_product_is_softmax_attention_and_a_prior_is_a_sink():
    queries, keys, values = APART
    _, context, weights = trial._tokens([APART])
    tokens = trial._tokens([APART])[0]
    attention = softmax_attention(tokens[0], Block(**weights), context=context[0]).output[:, trial.D_KEY :]
    np.testing.assert_allclose(algebra.settled(algebra.of_product(queries, keys), values).output, attention, rtol=1e-12)
    shifted = algebra.of_product(queries, keys) + np.array([[3.0], [-2.0], [0.0], [1.0]])
    np.testing.assert_allclose(algebra.settled(shifted, values).output, attention, rtol=1e-12)
    scores = np.column_stack([algebra.of_product(queries, keys), np.full(len(queries), np.log(5.0))])
    sink = softmax(scores, axis=1) @ np.vstack([values, np.full(values.shape[1], 0.5)])
    found = algebra.settled(algebra.of_product(queries, keys), values, 0.5, 5.0)
    np.testing.assert_allclose(found.output, sink, rtol=1e-12)
    assert (found.weights.sum(axis=1) < 1).all()


def test_a_distance_is_softmax_for_keys_of_one_norm_alone():
    def apart(one):
        queries, keys, values = one
        right = algebra.settled(algebra.of_product(queries, keys), values).output
        return relative_l2(algebra.settled(algebra.of_distance(queries, keys), values).output, right)

    assert apart(EQUAL) < 1e-12
    assert apart(APART) > 0.1
    queries, keys, values = APART
    corrected = algebra.of_distance(queries, keys) + (keys**2).sum(axis=1) / (2 * np.sqrt(trial.D_KEY))
    right = algebra.settled(algebra.of_product(queries, keys), values).output
    np.testing.assert_allclose(algebra.settled(corrected, values).output, right, rtol=1e-10)


def test_precision_from_errors_is_the_location_of_cauchy_noise_and_resists_an_outlier():
    values = np.vstack([trial.drawn(5, 0.0)[2], np.full(trial.D_VALUE, 40.0)])
    found = algebra.robust_mean(values, 1.5)
    least = minimize(lambda m: np.log1p(((values - m) ** 2).sum(axis=1) / 1.5**2).sum(), np.zeros(6), tol=1e-12).x
    np.testing.assert_allclose(found, least, atol=1e-5)
    without = algebra.robust_mean(values[:-1], 1.5)
    assert np.linalg.norm(found - without) < 0.1 * np.linalg.norm(values.mean(axis=0) - values[:-1].mean(axis=0))


# Circuit
def ask(precision, inputs, settle=5.0, **given):
    return trial.asked(precision, "rate", inputs, settle=settle * second, **given)


@pytest.mark.parametrize("precision", ["product", "prior", "distance", "error"])
def test_the_circuit_settles_where_its_algebra_says(precision):
    answer = ask(precision, [APART])
    found, right = answer.output[0, :, trial.D_KEY :], trial.algebra(precision, APART)
    assert relative_l2(found, right) < 1e-3
    others = {
        kind: trial.algebra(kind, APART) for kind in ("product", "prior", "distance", "error") if kind != precision
    }
    assert min(relative_l2(found, other) for other in others.values()) > 0.1  # each misses the algebra of all others
    if precision == "product":
        times, errors = trial.over_time([APART], answer)
        slowest = trial.total(precision, APART).min() / float(trial.T[precision])
        assert errors[times.searchsorted(3.0)] < 3 * np.exp(-slowest * 3.0)


def test_without_a_prediction_gains_are_right_and_the_sum_is_not():
    answer = ask("product", [EQUAL], cut=True)
    (row,) = trial.rows_of("product", "rate", [{"spread": 0.0, "seed": 3}], [EQUAL], answer)
    assert row["cosine"] > 0.999
    assert row["from_softmax"] > 1


def test_what_a_circuit_refuses():
    tokens, context, weights = trial._tokens([EQUAL])
    for given, said in (({"precision": "sum"}, "precision is 'sum'"), ({"prior_precision": -1.0}, "at least 0")):
        with pytest.raises(WiringError, match=said):
            precision_wiring(Settings().times(), tokens, context=context, **weights, **given)


# Experiment
@pytest.mark.parametrize(
    ("interval", "rule", "threshold", "outcome"),
    [
        (None, "at most", 0.1, "held"), ((0.01, 0.09), "at most", 0.1, "held"), ((0.01, 0.2), "at most", 0.1, "undecided"),
        ((0.2, 0.3), "at most", 0.1, "missed"), ((0.2, 0.3), "at least", 0.1, "held"),
        ((0.2, 0.3), "within", (0.25, 0.1), "held"), ((0.0, 0.5), "within", (0.25, 0.1), "undecided"),
        ((0.0, 0.1), "between", (0.2, 0.3), "missed"),
    ],
)  # fmt: skip
def test_an_outcome_is_that_of_both_ends(interval, rule, threshold, outcome):
    value = 0.05 if interval is None else np.mean(interval)
    assert judged(value, threshold, rule, interval)["outcome"] == outcome
    assert interval is None or judged(value, threshold, rule, interval[::-1])["outcome"] == outcome


@pytest.mark.parametrize("interval", [None, (0.0, 0.1), (np.nan, np.nan), (0.0, np.nan)])
@pytest.mark.parametrize(
    ("rule", "threshold"), [("at most", 1), ("at least", 0), ("within", (0, 1)), ("between", (0, 1))]
)
def test_what_is_no_number_is_undecided(rule, threshold, interval):
    own = judged(np.nan, threshold, rule, interval)
    assert own["outcome"] == outcome_of_a_sign(own["value"], own["interval"], 0, rule) == "undecided"
    if interval and np.isnan(interval[1]):
        assert judged(0.05, threshold, rule, interval)["outcome"] == "undecided"


def test_predictions_can_be_missed():
    row = {"precision": "distance", "form": "rate", "spread": 1.0, "seed": 0, "error": 0.0, "over_queries": 0.5}
    rows = [
        row | {"seed": k, "from_softmax": 0.9, "algebra_from_softmax": right} for k, right in enumerate((0.8, 0.81))
    ]
    assert experiment.figures_of(rows)["curve"]["outcome"] == "missed"
    assert experiment.figures_of(4 * rows)["curve"]["value"] == pytest.approx(0.095)
    near = [each | {"algebra_from_softmax": 0.9} for each in rows]
    assert experiment.figures_of(near)["curve"]["outcome"] == "held"
    assert not all(each.held for each in experiment.judge(experiment.figures_of(rows), rows, 0.5))


def test_the_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "QUICK", (0.0, 1.0))
    monkeypatch.setattr(experiment, "FIFTY", 2 * second)
    done = run("precision", "--seeds", 2, "--quick", "--out", "result")
    assert done.exit_code in (0, 1), done.output
    assert {path.name for path in Path("result").iterdir()} == {"precision.json", "precision.png", "run.json"}
    figures = json.loads(Path("result/precision.json").read_text())["figures"]
    assert {"circuit_product", "circuit_distance", "curve", "unequal_norms", "without_prediction"} <= set(figures)
    assert run("precision", "--seeds", 1).exit_code == 2
