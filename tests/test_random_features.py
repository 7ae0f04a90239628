"""Softmax attention by positive random features: the algebra, and the experiment about the number of cells."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from cortical_attention.experiments import random_features as experiment
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.readout.statistics import slope_of_log_log
from cortical_attention.reference import Block, linear_attention, softmax_attention
from cortical_attention.reference.features import (
    balanced,
    best_drive,
    exponents,
    feature_attention,
    iid,
    orthogonal,
)
from tests.command import run

DIRECTIONS = {"iid": iid, "orthogonal": orthogonal, "optimal": orthogonal}
N_SIGMA = 5  # of a mean over thousands of independent blocks: a false alarm in millions
D = 3
N_BLOCK = 20_000


def vectors(seed=0, n=4, d=D, size=0.5):
    """Queries and keys."""
    return size * np.random.default_rng(seed).normal(size=(2, n, d))


def estimates(kind, query, key):
    """Means of f_r(q_i) f_r(k_j) over independent blocks of directions, (n_block, n, n)."""
    omega = DIRECTIONS[kind](np.random.default_rng(1), N_BLOCK * D, D)
    A = best_drive(query, key) if kind == "optimal" else 0.0
    products = np.exp(exponents(query, omega, A)[:, None] + exponents(key, omega, A)[None])
    return np.moveaxis(products.reshape(*products.shape[:2], N_BLOCK, D).mean(axis=-1), -1, 0)


def beyond(samples, wanted):
    """Largest distance of a mean from what is wanted, in its standard errors."""
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    return np.max(np.abs(samples.mean(axis=0) - wanted) / error)


# Algebra
@pytest.mark.parametrize("kind", DIRECTIONS)
def test_products_of_features_average_to_the_exponential(kind):
    query, key = vectors()
    found, wanted = estimates(kind, query, key), np.exp(query @ key.T / np.sqrt(D))
    assert beyond(found, wanted) < N_SIGMA
    assert np.max(found.std(axis=0) / np.sqrt(N_BLOCK) / wanted) < 0.02  # so that it says something
    norms = np.exp((key**2).sum(axis=-1) / 2 / np.sqrt(D))
    assert beyond(found * norms, wanted) > 2 * N_SIGMA  # negative control: without the squares of the keys


@pytest.mark.parametrize("n_feature", [3, 6, 8])
def test_directions_are_orthogonal_in_blocks(n_feature):
    omega = orthogonal(np.random.default_rng(0), n_feature, D)
    assert omega.shape == (n_feature, D)
    for start in range(0, n_feature, D):
        block = omega[start : start + D]
        products = block @ block.T
        np.testing.assert_allclose(products, np.diag(np.diag(products)), atol=1e-12)


def test_directions_have_the_moments_of_gaussian_ones():
    """Norms have the mean of a chi distribution squared, d, and entries a variance of one and no mean."""
    blocks = orthogonal(np.random.default_rng(2), N_BLOCK * D, D).reshape(N_BLOCK, D, D)
    assert beyond((blocks**2).sum(axis=-1), D) < N_SIGMA
    assert beyond(((blocks**2).sum(axis=-1) - D) ** 2, 2 * D) < N_SIGMA  # variance of chi squared
    assert beyond(blocks, 0) < N_SIGMA
    assert beyond(blocks**2, 1) < N_SIGMA


def test_balanced_queries_and_keys_have_the_same_attention():
    query, key = vectors(size=2.0)
    query = 5 * query
    q, k = balanced(query, key)
    scores, wanted = (each[0] @ each[1].T for each in ((q, k), (query, key)))
    scores, wanted = (each - each[:, :1] for each in (scores, wanted))
    np.testing.assert_allclose(scores, wanted, atol=1e-12)
    assert np.linalg.norm(q) == pytest.approx(np.linalg.norm(k))
    for zero in ((0 * query, key), (query, 0 * key)):
        assert np.isfinite(balanced(*zero)).all()


def test_the_best_drive_is_where_the_second_moment_is_least():
    for size in (0.1, 1.0, 5.0):
        query, key = vectors(size=size)
        s = (((query[:, None] + key[None]) / D**0.25) ** 2).sum(axis=-1).mean()

        def second_moment(A, s=s):
            return D * np.log(1 - 4 * A) - D / 2 * np.log(1 - 8 * A) + 2 * (1 - 4 * A) / (1 - 8 * A) * s

        found = minimize_scalar(second_moment, bounds=(-50, 0), method="bounded", options={"xatol": 1e-9}).x
        assert best_drive(query, key) == pytest.approx(found, abs=1e-5)
    assert best_drive(0 * query, 0 * key) == 0


@pytest.mark.parametrize("kind", DIRECTIONS)
def test_attention_by_many_features_is_softmax_attention(kind):
    """Within the standard error of its ratio of means, which blocks of directions tell; scores twice as large are not."""
    case = random_case(3, 4, d_model=3, d_key=2, n_head=2)
    omega = DIRECTIONS[kind](np.random.default_rng(4), 2**17, 2)

    def outputs(directions):
        return feature_attention(case.tokens, case.block, directions, optimal=kind == "optimal").output

    found, parts = outputs(omega), np.array([outputs(each) for each in np.split(omega, 64)])
    error = parts.std(axis=0, ddof=1) / np.sqrt(len(parts))
    wanted = softmax_attention(case.tokens, case.block).output
    assert np.max(np.abs(found - wanted) / error) < N_SIGMA
    assert relative_l2(found, wanted) < 0.02
    sharper = case.block._replace(W_Q=2 * case.block.W_Q)
    assert np.max(np.abs(found - softmax_attention(case.tokens, sharper).output) / error) > 2 * N_SIGMA


def test_the_normaliser_estimates_that_of_softmax_attention():
    case = random_case(3, 4, d_model=3, d_key=2, n_head=2)
    omega = orthogonal(np.random.default_rng(4), 2**17, 2)
    found = feature_attention(case.tokens, case.block, omega).normaliser
    np.testing.assert_allclose(found, softmax_attention(case.tokens, case.block).normaliser, rtol=0.05)


def test_features_are_the_papers_circuit_where_keys_have_equal_norms():
    """Then |k|^2 / 2 cancels, and the paper's linear attention with phi = exp and weights omega W is the same. For other
    keys it is not, and no bias can make it so."""
    angles = np.array([0.3, 1.7, 4.0])
    ring, omega = np.stack([np.cos(angles), np.sin(angles)], axis=-1), iid(np.random.default_rng(0), 16, 2)
    W_Q, W_K, W_V, W_O = np.random.default_rng(1).normal(size=(4, 1, 2, 2))
    block = Block(W_Q, np.eye(2)[None], W_V, W_O)
    drives = block._replace(W_Q=omega @ W_Q / 2**0.25, W_K=omega @ block.W_K / 2**0.25)
    paper, features = linear_attention(ring, drives, kernel="exp"), feature_attention(ring, block, omega)
    np.testing.assert_allclose(paper.kappa, features.kappa, rtol=1e-12)
    other = ring * np.array([[0.5], [1.0], [2.0]])
    difference = linear_attention(other, drives, kernel="exp").kappa - feature_attention(other, block, omega).kappa
    assert np.abs(difference).max() > 0.05


def test_the_residual_falls_with_the_number_of_features():
    """Where features vary little, as the square root, to a fifth; the mean over heads and draws makes up for few of each."""
    cells, case = (32, 128, 512, 2048), random_case(5, 4, n_head=8, d_model=8, d_key=4, scale=0.5)
    wanted = softmax_attention(case.tokens, case.block).output
    for kind, directions in DIRECTIONS.items():
        errors = [
            np.mean([
                relative_l2(
                    feature_attention(
                        case.tokens, case.block, directions(np.random.default_rng([m, r]), m, 4), optimal=kind == "optimal"
                    ).output,
                    wanted,
                )
                for r in range(24)
            ])
            for m in cells
        ]  # fmt: skip
        assert slope_of_log_log(cells, errors) == pytest.approx(-0.5, abs=0.1)


def test_large_scores_do_not_overflow():
    case = random_case(3, 4, scale=30.0)
    answer = feature_attention(case.tokens, case.block, orthogonal(np.random.default_rng(0), 64, 8), optimal=True)
    np.testing.assert_allclose(answer.kappa.sum(axis=-1), 1)


def test_directions_of_another_size_are_refused():
    case = random_case(3, 4)
    with pytest.raises(ValueError, match=r"omega has shape \(5, 3\), but needs \(n_feature, d_key=8\)"):
        feature_attention(case.tokens, case.block, np.ones((5, 3)))


# Experiment
def summary(scale, attention, residual, cells=experiment.ASKED):
    return {"scale": scale, "attention": attention, "cells": cells, "residual": residual, "interval": None}


def summaries(orthogonal_features, optimal, kernel):
    """Residuals that are alike at all scales."""
    return [
        each
        for scale in experiment.SCALES
        for each in (
            summary(scale, "orthogonal", orthogonal_features), summary(scale, "optimal", optimal),
            summary(scale, f"exp{experiment.BEST}", kernel, experiment.D_KEY),
        )
    ]  # fmt: skip


def test_predictions_can_be_missed():
    assert [each.held for each in experiment.judge(summaries(0.4, 0.2, 0.6))] == [True] * 5
    assert [each.held for each in experiment.judge(summaries(0.2, 0.3, 0.4))] == [True, False, False, False, False]
    assert [each.held for each in experiment.judge(summaries(0.1, 0.1, 0.5))] == [False, False, False, True, False]
    without = [each for each in summaries(0.1, 0.1, 0.4) if each["cells"] != experiment.ASKED]
    assert [each.held for each in experiment.judge(without)] == [False]


def test_the_best_gain_is_no_worse_than_none():
    rows = experiment.rows_of(0, 2, [8], seed=5)
    by = {row["attention"]: row["residual"] for row in rows}
    for kernel in experiment.KERNELS:
        assert by[kernel + experiment.BEST] <= by[kernel] * (1 + 1e-12)
    assert by["relu"] == pytest.approx(by[f"relu{experiment.BEST}"])  # a gain on both cancels


def test_the_interval_is_of_the_geometric_mean():
    rows = [{"scale": 1, "attention": "iid", "cells": 8, "residual": each} for each in (0.1, 0.4, 0.2)]
    (found,) = experiment.summarise(rows)
    assert found["residual"] == 0.2
    assert np.sqrt(np.prod(found["interval"])) == pytest.approx(0.2)
    (alone,) = experiment.summarise(rows[:1])
    assert alone["interval"] is None


def test_the_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("random_features", "--draws", 2, "--most", 32, "--seed", 5)
    done = run(*words, "--out", "result")
    assert done.exit_code == 0, done.output
    assert {path.name for path in Path("result").iterdir()} == {
        f"random_features.{kind}" for kind in ("json", "png")
    } | {"run.json"}
    result = json.loads(Path("result/random_features.json").read_text())
    n_attention = len(experiment.FEATURES) * 2 + 2 * len(experiment.KERNELS) + 1
    assert len(result["rows"]) == 2 * len(experiment.SCALES) * n_attention
    assert len(result["summaries"]) == len(experiment.SCALES) * n_attention
    assert "softmax wiring" in done.stdout
    run(*words, "--out", "again")
    assert json.loads(Path("again/random_features.json").read_text()) == result


@pytest.mark.parametrize(("option", "value"), [("--draws", 0), ("--most", 100), ("--seed", -1)])
def test_what_is_refused(option, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = run("random_features", option, value)
    assert refused.exit_code == 2
    assert option in refused.stderr
    assert not list(tmp_path.iterdir())
