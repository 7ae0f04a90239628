"""CA3 and CA1: the algebra, the circuit in rates, controls that miss, and remembering by context."""

import json

import numpy as np
import pytest

from cortical_attention.circuits.hippocampus import hippocampus_wiring
from cortical_attention.experiments import hippocampus as experiment
from cortical_attention.inputs.episodes import episode, formation, recognised
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.block import Block
from cortical_attention.reference.hippocampus import blind_to_the_cue, evenly, recall, thresholded, winners
from cortical_attention.simulation.attend import Settings, attend
from cortical_attention.trials.examples.hippocampus import controls
from cortical_attention.wiring.expressions import WiringError
from tests.command import run

SMALL = {"d_context": 4, "d_item": 3}
RNG = np.random.default_rng(3)
WEIGHTS, ASKED = formation(RNG, 16, **SMALL), episode(RNG, 4, **SMALL)
THETA = {"theta": 0.6, "theta_pp": 0.4}


def answer(wiring=hippocampus_wiring, form="rate", **more):
    block = WEIGHTS._asdict() | THETA | more
    return attend(
        wiring, ASKED.cues[None], Settings(form, target="numpy", record="sample"), context=ASKED.stored[None], **block
    )


# Algebra
def test_recall_by_hand():
    """One cue and one stored pattern at a time."""
    weight = np.zeros((4, 4))
    for i, cue in enumerate(ASKED.cues):
        for j, stored in enumerate(ASKED.stored):
            code = [max(row @ stored - 0.6, 0) for row in WEIGHTS.W_dg]
            drive = [max(row @ cue - 0.4, 0) for row in WEIGHTS.W_pp]
            weight[i, j] = sum(a * b for a, b in zip(drive, code, strict=True))
    kappa = weight / weight.sum(axis=1, keepdims=True)
    found = recall(*ASKED, *WEIGHTS, **THETA)
    np.testing.assert_allclose(found.kappa, kappa)
    np.testing.assert_allclose(found.output, kappa @ ASKED.stored[:, 4:])


def test_without_a_threshold_it_is_cross_attention():
    """Linear attention with phi = relu, whose keys are made by W_mf W_dg where no granule cell is silent."""
    positive = WEIGHTS._replace(W_dg=np.abs(WEIGHTS.W_dg))
    stored = np.abs(ASKED.stored)
    block = Block(positive.W_pp[None], (positive.W_mf @ positive.W_dg)[None], positive.W_ec3[None], np.eye(3)[None])
    block = block._replace(W_O=np.vstack([np.eye(3), np.zeros((4, 3))])[None])
    right = linear_attention(ASKED.cues, block, context=stored, kernel="relu").output[:, :3]
    np.testing.assert_allclose(recall(ASKED.cues, stored, *positive).output, right)


def test_sparse_codes():
    drive = np.array([[3.0, -1.0, 2.0, 1.0], [-1.0, -2.0, -3.0, 0.5]])
    np.testing.assert_array_equal(winners(drive, 2), [[3, 0, 2, 0], [0, 0, 0, 0.5]])
    np.testing.assert_array_equal(thresholded(drive, 1.5), [[1.5, 0, 0.5, 0], [0, 0, 0, 0]])


def test_nulls_give_all_cues_one_answer():
    for output in (blind_to_the_cue(*ASKED, *WEIGHTS, **THETA).output, evenly(*ASKED, WEIGHTS.W_ec3)):
        np.testing.assert_allclose(output, output[:1].repeat(4, axis=0))
        assert relative_l2(output, recall(*ASKED, *WEIGHTS, **THETA).output) > 0.1


# Circuit
@pytest.mark.parametrize("form", ["rate", "dale"])
def test_the_circuit_recalls(form):
    found, right = answer(form=form), recall(*ASKED, *WEIGHTS, **THETA)
    assert found.settled.settled.all(), found.settled.reason
    assert relative_l2(found.output[0], right.output) <= 1e-6
    assert relative_l2(found.attention[0], right.kappa) <= 1e-6


def test_mossy_fibres_onto_fewer_cells_and_another_kernel():
    W_mf = RNG.uniform(0, 1, (5, 16)) * (RNG.random((5, 16)) < 0.3)
    given = {"W_mf": W_mf, "W_pp": W_mf @ WEIGHTS.W_dg, "kernel": "elu+1"}
    right = recall(*ASKED, *WEIGHTS._replace(W_mf=W_mf, W_pp=given["W_pp"]), **THETA, kernel="elu+1")
    assert relative_l2(answer(**given).output[0], right.output) <= 1e-6


@pytest.mark.parametrize("name", controls(WEIGHTS._asdict()))
def test_controls_miss(name):
    right = recall(*ASKED, *WEIGHTS, **THETA)
    assert relative_l2(answer(controls(WEIGHTS._asdict())[name]).output[0], right.output) > 0.05


def test_mossy_fibres_do_not_inhibit():
    with pytest.raises(WiringError, match="mossy fibres excite"):
        answer(W_mf=-WEIGHTS.W_mf)


# Task
def test_what_is_recognised():
    items = np.eye(3)
    assert recognised(2 * items, items).tolist() == [True] * 3
    assert recognised(np.array([[0, 1, 0], [0.4, 0.5, 0.1], [0, 0, 0]]), items).tolist() == [False, True, False]


def test_contexts_are_as_alike_as_asked():
    rng = np.random.default_rng(0)
    apart, alike = (np.mean([_cosine(episode(rng, alike=share)) for _ in range(200)]) for share in (0.0, 0.5))
    assert abs(apart) < 0.05
    assert 0.35 < alike < 0.55
    assert not episode(rng).cues[:, 12:].any()
    silent = episode(rng, noise=0.0)
    np.testing.assert_allclose(silent.cues[:, :12], silent.stored[:, :12])


def _cosine(found):
    """Mean cosine of two contexts of an episode."""
    products = found.stored[:, :12] @ found.stored[:, :12].T / 12
    return (products.sum() - np.trace(products)) / (8 * 7)


def test_predictions_can_be_missed():
    def summaries(algebra=0.9, without=0.6, blind=0.125, winner=0.9):
        by = {experiment.CIRCUIT: algebra, experiment.ALGEBRA: algebra, experiment.NO_DENTATE: without,
              experiment.WINNERS: winner, experiment.BLIND: blind, experiment.UNIFORM: 0.125}  # fmt: skip
        return [
            {"alike": alike, "model": name, "recognised": each, "interval": (each, each), "lost": algebra - each,
             "lost_interval": (algebra - each - 0.01, algebra - each + 0.01)}
            for alike in experiment.ALIKE for name, each in by.items()
        ]  # fmt: skip

    rows = [{"from_algebra": 1e-9, "settled": True, "same": 1.0}]
    assert all(each.held for each in experiment.judge(rows, summaries(), "rate"))
    assert not all(each.held for each in experiment.judge(rows, summaries(), "rate", failed=1))
    for wrong in ({"algebra": 0.5}, {"without": 0.88}, {"blind": 0.3}, {"winner": 0.7}):
        assert not all(each.held for each in experiment.judge(rows, summaries(**wrong), "rate"))
    for wrong in ({"from_algebra": 1e-3}, {"settled": False}, {"same": 0.9}):
        assert not all(each.held for each in experiment.judge([rows[0] | wrong], summaries(), "rate"))


def test_the_experiment_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("hippocampus", "--draws", 1, "--target", "numpy", "--out", "result", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "result/hippocampus.json").read_text())
    assert len(result["rows"]) == len(experiment.ALIKE)
    assert max(row["from_algebra"] for row in result["rows"]) <= 1e-6
    assert (tmp_path / "result/hippocampus.png").exists()
    for words in (("--draws", 0), ("--form", "loud"), ("--seed", -1)):
        assert run("hippocampus", *words).exit_code == 2
