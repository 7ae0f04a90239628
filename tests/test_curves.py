"""Attention by subtraction through other curves: the algebra, its circuits, and what the experiments on softmax print."""

import json

import numpy as np
import pytest

from cortical_attention.experiments import softmax, which_curve
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import softmax_attention
from cortical_attention.reference.curves import CURVES, curve_attention, divided_attention, subtracted
from tests.command import run

CASE = random_case(0, 6, scale=2.0)


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", CURVES)
def test_rows_sum_to_one(name):
    kappa = curve_attention(CASE.tokens, CASE.block, CURVES[name]).kappa
    assert np.allclose(kappa.sum(axis=-1), 1)
    assert (kappa >= 0).all()
    assert CURVES[name](np.zeros(1)) == pytest.approx(1)


def test_the_exponential_is_softmax_and_no_other_is():
    right = softmax_attention(CASE.tokens, CASE.block).output
    off = {name: relative_l2(curve_attention(CASE.tokens, CASE.block, f).output, right) for name, f in CURVES.items()}
    assert off.pop("exponential") <= 1e-12
    assert min(off.values()) > 0.01


def test_the_rectifier_is_sparsemax():
    """The projection of the scores onto the simplex, by its own algorithm (Martins & Astudillo 2016, algorithm 1)."""
    score = np.array([2.0, 1.5, 0.2, -3.0])
    ordered = np.sort(score)[::-1]
    support = max(k for k in range(1, 5) if 1 + k * ordered[k - 1] > ordered[:k].sum())
    threshold = (ordered[:support].sum() - 1) / support
    found = CURVES["rectifier"](score - subtracted(score, CURVES["rectifier"]))
    assert found == pytest.approx(np.maximum(score - threshold, 0))


def test_masks_close_what_they_close():
    mask = np.tril(np.ones((6, 6), dtype=bool))
    mask[2] = False
    found = curve_attention(CASE.tokens, CASE.block, CURVES["softplus"], mask=mask)
    assert (found.kappa[:, ~mask] == 0).all()
    assert np.isfinite(found.output).all()
    assert not found.output[2].any()


def test_a_table_is_its_expression():
    table = which_curve.Tabulated(np.array([-1.0, 0.0, 2.0, 3.0]), np.array([0.1, 1.0, 1.0, 4.0]))
    x = np.linspace(-3, 5, 33)
    expression = table.expression("x")
    assert eval(expression, {"clip": np.clip, "x": x}) == pytest.approx(table(x))  # noqa: S307


def test_curves_of_a_cell_are_one_at_one():
    table = np.linspace(0, 4, 50), np.concatenate([np.zeros(10), np.linspace(0, 90, 40)])
    curve = which_curve.of_cell(table, 20.0)
    assert curve(0.0) == pytest.approx(1)
    assert (np.diff(curve.y) >= 0).all()


def test_which_curve_writes_its_result_and_its_circuits_follow_their_algebra():
    done = run("which_curve", "--inputs", "2", "--no-cells", "--target", "numpy", "--out", "result", "--json")
    found = json.loads(done.stdout)
    ran = {row["curve"]: row for row in found["circuits"]}
    assert ran.keys() == which_curve.EXPRESSIONS.keys()
    for name in ran.keys() - {which_curve.RECTIFIER}:
        assert ran[name]["settled"]
        assert ran[name]["from_algebra"] <= which_curve.EXACT
    assert ran[which_curve.RECTIFIER]["settled"] == (done.exit_code == 0)
    assert {row["curve"] for row in found["summaries"]} == {*CURVES, which_curve.LINEAR}


def test_predictions_about_curves_can_be_missed():
    summary = {"scale": 1, "curve": "softplus", "relative_l2": 0.05, "divided": 0.06}
    held = which_curve.judge(
        [summary, summary | {"curve": which_curve.LINEAR, "relative_l2": 0.5}], [{"from_algebra": 1e-9}]
    )
    assert [each.held for each in held] == [True, True, True, True]
    missed = which_curve.judge([summary | {"relative_l2": 0.3, "divided": 0.95}], [{"from_algebra": 1e-3}])
    assert [each.held for each in missed] == [False, False, False]


def row(**more):
    return {
        "circuit": softmax.WHOLE, "form": "rate", "scale": 1, "relative_l2": 1e-9, "settled": True,
        "linear_relative_l2": 0.5,
    } | more  # fmt: skip


def test_predictions_about_softmax_can_be_missed():
    assert all(each.held for each in softmax.judge([row(), row(form="spiking", relative_l2=0.005)]))
    for wrong in ({"relative_l2": 1e-3}, {"settled": False}, {"linear_relative_l2": 0.1}):
        assert not all(each.held for each in softmax.judge([row(**wrong)]))
    controls = [row(circuit=name, relative_l2=0.3) for name in softmax.WRONG]
    assert not any(each.held for each in softmax.judge(controls))
    gains = [row(circuit=name, uniform_relative_l2=0.5, key_only_relative_l2=0.5) for name in softmax.NULL_OF]
    slow = [row(circuit=softmax.BOTH_SLOW, form="spiking", scale=2, settled=False, relative_l2=0.01)]
    assert not any(each.held for each in softmax.judge([*gains, *slow, row(circuit=softmax.SLOW_PORT, settled=False)]))
    (held,) = softmax.judge([row(circuit=next(iter(softmax.NULL_OF)), uniform_relative_l2=1e-9)])
    assert held.held


def test_an_input_that_failed_misses_its_prediction():
    jobs = [softmax.Job(case, softmax.WHOLE, "rate") for case in softmax.suite_cases()[:2]]
    (said, _) = softmax.judge([row()], jobs)
    assert (said.held, said.measured) == (False, "1.0e-09, 1 of 2 settled")
    wrong = [softmax.Job(job.case, softmax.WRONG[0], "spiking") for job in jobs]
    (control,) = softmax.judge([row(circuit=softmax.WRONG[0], form="spiking", relative_l2=2.0)], wrong)
    assert (control.held, control.measured) == (False, "200.00 % (1 of 2 inputs)")


def test_the_experiment_writes_its_result(monkeypatch):
    few = [case for case in softmax.suite_cases() if case.name == softmax.CONTROLLED[-1]]
    monkeypatch.setattr(softmax, "suite_cases", lambda: few)
    done = run("softmax", "--forms", "rate", "--target", "numpy", "--out", "result", "--json")
    assert done.exit_code == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert {each["circuit"] for each in rows} == set(softmax.CIRCUITS)
    assert "missed" not in done.stderr


def test_dividing_by_the_sum_is_softmax_with_the_exponential_alone():
    """Against scipy's softmax of the scores, whatever the tonic drive."""
    from scipy.special import softmax

    case = random_case(3, 5)
    query, key = (np.einsum("hkm,im->hik", weights, case.tokens) for weights in (case.block.W_Q, case.block.W_K))
    score = np.einsum("hik,hjk->hij", query, key) / np.sqrt(query.shape[-1])
    low = -5.0 - score.max()  # below threshold, where the curve is the exponential itself
    exponential = divided_attention(case.tokens, case.block, CURVES["exponential"], tonic=low)
    assert np.allclose(exponential.kappa, softmax(score, axis=-1), rtol=1e-12)
    other = divided_attention(case.tokens, case.block, CURVES["square"], tonic=0.0)
    assert np.allclose(other.kappa.sum(axis=-1), 1)
    assert np.abs(other.kappa - softmax(score, axis=-1)).max() > 0.02
