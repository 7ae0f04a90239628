"""Layer 6b: its algebra in three roles, the circuits in rates, controls that miss, and the experiment."""

import json

import numpy as np
import pytest
from scipy.special import softmax

from cortical_attention.cells.layer_6b import LAYER_6B, steady_rate
from cortical_attention.cells.modulated_superficial import modulated
from cortical_attention.circuits.layer_6b import knob_wiring, replacement_wiring, supplement_wiring
from cortical_attention.experiments import layer_6b as experiment
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import linear_attention, softmax_attention
from cortical_attention.reference.layer_6b import (
    nearest_temperature,
    replaced_attention,
    supplemented_attention,
    turned_up_linear,
    turned_up_softmax,
)
from cortical_attention.reference.nulls import uniform_attention
from cortical_attention.simulation.attend import Settings, attend
from cortical_attention.trials.examples import layer_6b as examples
from cortical_attention.trials.rewired import without
from cortical_attention.wiring.expressions import WiringError
from tests.command import run

CASE = random_case(11, 3, n_head=2, d_model=4, d_key=3, d_value=2)
BLOCK = {name: each for name, each in CASE.block._asdict().items() if each is not None}
RNG = np.random.default_rng(12)
BIAS, GAIN, GAMMA = RNG.uniform(0, 3, (1, 2, 3, 3)), RNG.uniform(0, 2, (1, 2, 3, 3)), RNG.uniform(0, 1.5, (1, 2, 3))
MASK = np.array([[1, 0, 1], [1, 1, 1], [0, 1, 1]], dtype=bool)


def answer(wiring, form="rate", **block):
    return attend(wiring, CASE.tokens[None], Settings(form, target="numpy", record="sample"), **block)


def error(found, right):
    return relative_l2(found.output, np.broadcast_to(right.output, found.output.shape))


# Algebra
def test_the_algebra_by_hand():
    """One row of one head at a time, with the softmax of scipy."""
    for h in range(2):
        q, k = CASE.tokens @ BLOCK["W_Q"][h].T, CASE.tokens @ BLOCK["W_K"][h].T
        for i in range(3):
            score, factor = k @ q[i] / np.sqrt(3), 1 + GAMMA[0, h, i]
            found = supplemented_attention(CASE.tokens, CASE.block, BIAS[0]).kappa[h, i]
            np.testing.assert_allclose(found, softmax(score + BIAS[0, h, i]))
            found = turned_up_softmax(CASE.tokens, CASE.block, GAMMA[0]).kappa[h, i]
            np.testing.assert_allclose(found, softmax(factor**2 * score))
            weight = [(np.logaddexp(0, factor * each) * np.logaddexp(0, factor * q[i])).sum() for each in k]
            found = turned_up_linear(CASE.tokens, CASE.block, GAMMA[0], kernel="softplus").kappa[h, i]
            np.testing.assert_allclose(found, weight / np.sum(weight))
            found = replaced_attention(CASE.tokens, CASE.block, GAIN[0]).kappa[h, i]
            np.testing.assert_allclose(found, GAIN[0, h, i] / GAIN[0, h, i].sum())


def test_the_ends_of_the_knob():
    """At zero it is attention; turned far down uniform, and far up that of the rectifier, no sharper."""
    zero, (softly, linearly) = np.zeros((1, 1)), (turned_up_softmax, turned_up_linear)
    args = CASE.tokens, CASE.block
    np.testing.assert_allclose(softly(*args, zero).output, softmax_attention(*args).output)
    np.testing.assert_allclose(linearly(*args, zero).output, linear_attention(*args).output)
    np.testing.assert_allclose(linearly(*args, zero - 1 + 1e-9).kappa, 1 / 3, rtol=1e-6)
    far = linearly(*args, zero + 1e9).kappa
    np.testing.assert_allclose(far, linear_attention(*args, kernel="relu").kappa, atol=1e-6)


def test_a_constant_of_a_row_is_no_bias_and_gains_ignore_keys_and_queries():
    plain = supplemented_attention(CASE.tokens, CASE.block, BIAS[0] + RNG.normal(size=(2, 3, 1))).output
    np.testing.assert_allclose(plain, supplemented_attention(CASE.tokens, CASE.block, BIAS[0]).output)
    other = CASE.block._replace(W_Q=-CASE.block.W_Q, W_K=2 * CASE.block.W_K)
    blind = [replaced_attention(CASE.tokens, block, GAIN[0]).output for block in (CASE.block, other)]
    assert np.array_equal(*blind)
    assert (
        relative_l2(softmax_attention(CASE.tokens, other).output, softmax_attention(CASE.tokens, CASE.block).output)
        > 0.1
    )
    even = replaced_attention(CASE.tokens, CASE.block, np.ones((1, 1, 1))).output
    np.testing.assert_allclose(even, uniform_attention(CASE.tokens, CASE.block).output)


def test_a_negative_gain_has_no_algebra_and_no_cell():
    with pytest.raises(ValueError, match="gain has the entry -1"):
        replaced_attention(CASE.tokens, CASE.block, -np.ones((1, 1, 1)))
    for wiring, name, block in (
        (supplement_wiring, "bias", BLOCK),
        (knob_wiring, "gamma", BLOCK),
        (replacement_wiring, "gain", {"W_V": BLOCK["W_V"], "W_O": BLOCK["W_O"]}),
    ):
        with pytest.raises(WiringError, match=f"{name} has the entry -1, but cells of layer 6b cannot hold"):
            answer(wiring, **block, **{name: -np.ones((1, 1, 1, 1))})


# Circuits
@pytest.mark.parametrize("form", ["rate", "dale"])
def test_a_supplement_with_a_mask(form):
    found = answer(supplement_wiring, form, **BLOCK, bias=BIAS, mask=MASK)
    assert found.settled.settled.all(), found.settled.reason
    assert error(found, supplemented_attention(CASE.tokens, CASE.block, BIAS[0], mask=MASK)) <= 1e-6
    assert error(found, softmax_attention(CASE.tokens, CASE.block, mask=MASK)) > 0.05


def test_a_replacement_with_a_mask():
    found = answer(replacement_wiring, W_V=BLOCK["W_V"], W_O=BLOCK["W_O"], gain=GAIN, mask=MASK)
    assert found.settled.settled.all(), found.settled.reason
    assert "core" not in found.plan.circuit.populations
    assert error(found, replaced_attention(CASE.tokens, CASE.block, GAIN[0], mask=MASK)) <= 1e-6


@pytest.mark.parametrize(("attention", "algebra"), [("softmax", turned_up_softmax), ("linear", turned_up_linear)])
def test_a_knob(attention, algebra):
    found = answer(knob_wiring, **BLOCK, gamma=GAMMA, attention=attention)
    assert found.settled.settled.all(), found.settled.reason
    assert error(found, algebra(CASE.tokens, CASE.block, GAMMA[0])) <= 1e-6
    assert error(found, algebra(CASE.tokens, CASE.block, 0 * GAMMA[0])) > 0.02


def test_a_knob_on_keys_alone_and_one_behind_phi_are_others():
    keys = answer(without(knob_wiring, "layer_6b -> superficial.query_gain"), **BLOCK, gamma=GAMMA)
    assert error(keys, turned_up_softmax(CASE.tokens, CASE.block, GAMMA[0], power=1)) <= 1e-6
    assert error(keys, turned_up_softmax(CASE.tokens, CASE.block, GAMMA[0])) > 0.02
    behind = answer(examples.behind_phi, **BLOCK, gamma=GAMMA)
    assert error(behind, linear_attention(CASE.tokens, CASE.block)) <= 1e-6


def test_the_knob_says_which_rule_of_the_anatomy_it_breaks():
    plan = knob_wiring(Settings().times(), CASE.tokens[None], **BLOCK, gamma=GAMMA)
    assert list(plan.circuit.check().breaks) == ["layer 6b to layers 1 and 5a"]
    with pytest.raises(WiringError, match="this port lies in L3"):
        plan.circuit._replace(breaks={}).check()
    with pytest.raises(WiringError, match="attention is 'hard' but needs to be"):
        knob_wiring(Settings().times(), CASE.tokens[None], **BLOCK, gamma=GAMMA, attention="hard")


def test_what_is_not_there_cannot_be_cut():
    with pytest.raises(WiringError, match="has no projection 'layer_6b -> core.soma' to be cut"):
        without(knob_wiring, "layer_6b -> core.soma")(Settings().times(), CASE.tokens[None], **BLOCK, gamma=GAMMA)


def test_the_cells():
    assert steady_rate(2.0, 3.0, shunt=4.0) == 1.5
    assert LAYER_6B.layer == "L6b"
    assert "exp(clip(((1 + key_gain) * apical)" in modulated("elu+1").value
    with pytest.raises(KeyError):
        modulated("cosh")


# Experiment
def test_the_nearest_temperature_is_found():
    beta = turned_up_softmax(CASE.tokens, CASE.block, np.full((1, 1), 2.7), power=1).output
    found, off = nearest_temperature(beta, CASE.tokens, CASE.block)
    assert (found, off) == (pytest.approx(3.7, rel=1e-4), pytest.approx(0, abs=1e-4))
    assert experiment.attended(np.array([[0.25] * 4, [1, 0, 0, 0]])) == pytest.approx(2.5)


def knob_row(**more):
    return {"circuit": experiment.SOFTMAX, "form": "rate", "gamma": 1.0, "beta": 4.0, "from_temperature": 0.0,
            "from_algebra": 1e-9, "settled": True, "attended": 2.0} | more  # fmt: skip


def map_rows(ratio, name=experiment.FITTED):
    rows = []
    for k, spread in enumerate((0.999, 1.0, 1.001)):
        both = {"case": k, "attention": "softmax", "from_algebra": 1e-9, "settled": True}
        rows += [
            {**both, "map": name, "form": "rate", "from_attention": 0.7 * ratio * spread},
            {**both, "map": experiment.UNIFORM, "form": "algebra", "from_attention": 0.7},
        ]  # fmt: skip
    return rows


def test_predictions_can_be_missed():
    rates = [knob_row(), knob_row(form="spiking", from_algebra=0.01)]
    assert all(each.held for each in experiment.judge(rates, map_rows(1.0)))
    assert all(each.held for each in experiment.judge(rates, map_rows(1.5, experiment.RANDOM)))
    wrong = [
        ([knob_row(from_algebra=1e-3)], []), ([knob_row(settled=False)], []), ([knob_row(beta=4.1)], []),
        ([knob_row(circuit=experiment.LINEAR, beta=0.7, from_temperature=0.1)], []),
        ([knob_row()], map_rows(0.9)), ([knob_row()], map_rows(0.99, experiment.RANDOM)),
    ]  # fmt: skip
    for knobs, maps in wrong:
        judged = [each for each in experiment.judge(knobs, maps) if not each.predicted.startswith("spiking")]
        assert not all(each.held for each in judged)
    assert not all(each.held for each in experiment.judge(rates, map_rows(1.0), failed={"spiking": 1}))


def small_case(seed, n_token, name):
    """A case with small scores, so that log Z is near that of its few calibration sequences."""
    case = random_case(seed, n_token, n_head=1, d_key=4, scale=0.5, name=name)
    return case._replace(calibration=case.calibration[:4])


def test_the_experiment_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in {"random_case": small_case, "GAMMAS": (0.0, 1.0), "N_TOKEN": 3, "N_CALIBRATION": 4}.items():
        monkeypatch.setattr(experiment, name, value)
    monkeypatch.delitem(experiment.KNOBS, experiment.KEYS)
    done = run("layer_6b", "--inputs", 2, "--spiking", 0, "--target", "numpy", "--out", "result", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "result/layer_6b.json").read_text())
    assert len(result["rows"]) == 2 * 2 * 2
    assert max(row["from_algebra"] for row in result["rows"]) <= 1e-6
    assert (tmp_path / "result/layer_6b.png").exists()
    for words in (("--inputs", 1), ("--spiking", 30)):
        assert run("layer_6b", *words).exit_code == 2
