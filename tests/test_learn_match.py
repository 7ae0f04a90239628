"""Learning of the match task: learners side by side, the circuit at checkpoints, and the command."""

import json
from pathlib import Path

import numpy as np
import pytest

from cortical_attention.experiments import learn_match as experiment
from cortical_attention.trials import learn_match as trial
from cortical_attention.trials.learn_match import CONDITIONS, Checkpoint, learn, presentations, terms_at
from cortical_attention.trials.learn_match_circuit import row_of
from cortical_attention.trials.learners import WEIGHT_DECAY, start
from cortical_attention.trials.protocol import PROTOCOL
from cortical_attention.trials.training import cosine
from tests.command import run

N = 200
LEFT, CHANCE = 0.5, 0.35  # of right answers to 1600 questions: a quarter by chance


@pytest.fixture(scope="module")
def learnt():
    """A seed that is not reported, at one step size."""
    names = "exact", "kolen_pollack", "shuffled_tokens", "copies_free"
    return learn(
        2000, {name: (CONDITIONS[name], 0.02) for name in names}, N, kept=("kolen_pollack",), at=(0, N), n_test=200
    )


def test_the_exact_rule_learns_and_shuffled_errors_do_not(learnt):
    by = {row["condition"]: row for row in learnt.rows}
    assert by["exact"]["accuracy"] > LEFT
    assert by["shuffled_tokens"]["accuracy"] < CHANCE
    assert {row["query_ignored"] for row in learnt.rows if "query_ignored" in row} == {0.25}
    assert np.allclose(by["exact"]["cosine_mean"], 1)
    assert max(by["copies_free"]["spread"]) > 0.1
    assert all(row["diverged"] is None for row in learnt.rows)


def test_taught_feedback_forgets_where_it_began(learnt):
    """Feedback and W_O get the same changes, so that only decay changes their difference."""
    first, last = (each.feedback - each.block.W_O for each in learnt.checkpoints["kolen_pollack"])
    left = np.prod([1 - cosine(k, N) * 0.02 * WEIGHT_DECAY for k in range(N)])
    np.testing.assert_allclose(last, left * first, atol=1e-12)
    assert left < 0.95


def test_a_step_that_diverges_is_said_and_the_rest_kept():
    learners = {"wild": (CONDITIONS["exact"], 1e200), "exact": (CONDITIONS["exact"], 0.02)}
    with np.errstate(all="ignore"):
        wild, exact = learn(2000, learners, 20, n_test=50).rows
    assert wild["diverged"] == 1
    assert len(wild["curve"]) == 20
    assert exact["diverged"] is None


def test_rules_see_the_same_sequences_whoever_learns_beside_them():
    alone = learn(7, {"exact": (CONDITIONS["exact"], 0.02)}, 10, n_test=50).rows[0]
    beside = learn(7, {each: (CONDITIONS[each], 0.02) for each in ("noise_5", "exact")}, 10, n_test=50).rows[1]
    assert alone == beside
    assert len(list(presentations(7, 60, "fitting"))) == 60


def test_every_condition_has_a_step_size_that_was_tried(monkeypatch):
    monkeypatch.setattr(trial, "N_TUNED", 50)
    rows, chosen = trial.tune(2, seeds=(1000,)), PROTOCOL["learn_match"]["steps"]
    assert {row["condition"] for row in rows} == {name for name, each in CONDITIONS.items() if not each.noise}
    assert set(chosen) == {row["condition"] for row in rows}
    assert set(chosen.values()) <= {row["step"] for row in rows}
    assert min(trial.TUNED_ON) > 99 + 900  # beyond every seed that the command takes


def test_terms_read_from_cells():
    """After some learning with feedback of its own; the terms of the feedback W_O are other ones."""
    shown = next(presentations(3, 1, "training"))
    feedback = np.random.default_rng(0).normal(size=start(3).W_O.shape)
    checkpoint = Checkpoint(0, start(3), feedback, type(shown)(*(each[:1] for each in shown)))
    row = row_of("kolen_pollack", checkpoint)
    assert max(row["relative_l2"].values()) <= PROTOCOL["learn_match"]["gradient"]
    assert row["settled"]
    through_W_O = terms_at(checkpoint._replace(feedback=None))
    right = terms_at(checkpoint)
    assert np.linalg.norm(through_W_O.W_Q - right.W_Q) > 0.1 * np.linalg.norm(right.W_Q)


# Experiment
def rows_with(**accuracy):
    """Rows of two seeds in which every condition has an accuracy."""
    return [
        {"condition": name, "seed": seed, "accuracy": accuracy.get(name, 0.96), "query_ignored": 0.25}
        for name in CONDITIONS for seed in (0, 1)
    ]  # fmt: skip


def test_predictions_can_be_missed():
    low = dict.fromkeys(("hebbian", "frozen_query_key", "shuffled_tokens", "shuffled_sequences", "copies_free"), 0.25)
    good = experiment.figures_of(rows_with(no_baseline=0.85, **low), [])
    assert all(each.held for each in experiment.judge(good))
    bad = experiment.figures_of(
        [row | {"query_ignored": 0.26} for row in rows_with(exact=0.9, no_baseline=0.89, noise_5=0.85, kolen_pollack=0.9,
                                                            contrast=0.9, copies_pulled=0.5)],
        [{"relative_l2": {"W_Q": 1e-4}}],
    )  # fmt: skip
    assert not any(each.held for each in experiment.judge(bad))


def test_the_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("learn_match", "--seeds", 2, "--presentations", 20, "--no-circuit", "--out", "result")
    assert done.exit_code == 0, done.output
    assert {path.name for path in Path("result").iterdir()} == {"learn_match.json", "learn_match.png", "run.json"}
    result = json.loads(Path("result/learn_match.json").read_text())
    assert len(result["rows"]) == 2 * len(CONDITIONS)
    assert {"tied", "exact_less_no_baseline", "query_ignored"} <= set(result["figures"])


@pytest.mark.parametrize(("option", "value"), [("--seeds", 1), ("--presentations", 0), ("--seed", 1000)])
def test_what_is_refused(option, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = run("learn_match", option, value)
    assert refused.exit_code == 2
    assert option in refused.stderr
    assert not list(tmp_path.iterdir())
