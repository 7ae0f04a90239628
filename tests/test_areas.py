"""Areas that ask each other, and a learned A: the algebra against brute force, circuits against the algebra, controls."""

import json
from pathlib import Path

import numpy as np
import pytest
from brian2 import ms, second
from scipy.optimize import root

from cortical_attention.cells.slow_tract import steady_rate
from cortical_attention.circuits.areas import areas_wiring
from cortical_attention.circuits.areas_memory import areas_memory_wiring
from cortical_attention.circuits.protocol import Times
from cortical_attention.circuits.softmax import softmax_wiring
from cortical_attention.experiments import areas as experiment
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference import areas as algebra
from cortical_attention.reference.areas import (
    Coupling,
    answer_to,
    asked_memory,
    attended,
    coupled_areas,
    learned_attention,
)
from cortical_attention.reference.attention import linear_attention, softmax_attention
from cortical_attention.simulation.attend import Settings, attend
from cortical_attention.trials.example import answer, best_null, error_of
from cortical_attention.trials.examples import areas as examples
from cortical_attention.wiring.expressions import WiringError
from tests.command import run

TIMES = Times(0.2 * second, 0.1 * second, 0.1 * second, 1 * ms)


def small(n_context=None):
    """A case of three tokens, with two components of a key and three of a value, and other sizes in area 2."""
    case = random_case(5, 3, n_context, n_head=2, d_model=5, d_key=2, d_value=3, scale=2.0)
    rng = np.random.default_rng(6)
    shapes = (4, 3), (4, 5), (2, 5), (2, 2), (3, 2)
    return case, Coupling(*(rng.standard_normal((2, *shape)) / 2 for shape in shapes))


def weights_of(case, coupling):
    return {name: each for name, each in (case.block._asdict() | coupling._asdict()).items() if each is not None}


def asked(wiring, case, settle=2.0, **block):
    settings = Settings("rate", target="numpy", settle=settle * second, window=0.2 * second, dt=2 * ms, record="sample")
    return attend(wiring, case.tokens[None], settings, **block)


# Algebra
@pytest.mark.parametrize("attention", ["linear", "softmax"])
def test_the_fixed_point_is_that_of_a_root_finder(attention):
    """With loops over tokens and an independent solver."""
    case, coupling = small(4)

    def weight(q, k):
        elu = [np.where(u > 0, u + 1, np.exp(np.minimum(u, 0))) for u in (q, k)]
        return elu[0] @ elu[1] if attention == "linear" else np.exp(q @ k / np.sqrt(len(k)))

    def pooled(q, keys, values):
        weights = [weight(q, k) for k in keys]
        return sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)

    def missing(f, h):
        f = f.reshape(3, 2)
        keys = [case.block.W_K[h] @ x + coupling.W_K12[h] @ b for x, b in zip(case.tokens, f, strict=True)]
        values = [case.block.W_V[h] @ x + coupling.W_V12[h] @ b for x, b in zip(case.tokens, f, strict=True)]
        keys_2, values_2 = ([W[h] @ y for y in case.context] for W in (coupling.W_K2, coupling.W_V2))
        u = [pooled(case.block.W_Q[h] @ x, keys, values) for x in case.tokens]
        return np.array([pooled(coupling.W_21[h] @ each, keys_2, values_2) for each in u]).ravel() - f.ravel()

    given = {"context": case.context, "attention": attention}
    found = coupled_areas(case.tokens, case.block, coupling, **given)
    for h in range(2):
        solved = root(missing, np.zeros(6), args=(h,), tol=1e-12)
        assert solved.success
        np.testing.assert_allclose(found.second[h].ravel(), solved.x, atol=1e-9)
    assert found.residual < 1e-12
    np.testing.assert_allclose(answer_to(found.second, case.tokens, case.block, coupling, **given), found.second)
    away = answer_to(found.second + 1, case.tokens, case.block, coupling, **given)
    assert relative_l2(away, found.second + 1) > 0.1


def test_without_feedback_it_is_attention():
    case, coupling = small()
    alone = coupling._replace(W_K12=None, W_V12=None)
    for attention, reference in (("linear", linear_attention), ("softmax", softmax_attention)):
        found = coupled_areas(case.tokens, case.block, alone, attention=attention).output
        np.testing.assert_allclose(found, reference(case.tokens, case.block).output)
        assert relative_l2(coupled_areas(case.tokens, case.block, coupling, attention=attention).output, found) > 0.1


def test_a_loop_without_a_fixed_point_is_refused(monkeypatch):
    monkeypatch.setattr(algebra, "STEPS", (0.5,))
    case, coupling = examples.drawn(14, 1.0)
    with pytest.raises(ValueError, match="no fixed point"):
        coupled_areas(case.tokens, case.block, coupling, attention="softmax")


@pytest.mark.parametrize("attention", ["linear", "softmax"])
def test_a_learned_a_entry_by_entry(attention):
    rng = np.random.default_rng(1)
    A, query, key, value = (rng.standard_normal(shape) for shape in ((3, 2), (4, 2), (5, 2), (5, 3)))
    found = attended(query, key, value, attention, A=A)
    phi = (lambda u: np.where(u > 0, u + 1, np.exp(u))) if attention == "linear" else (lambda u: u)
    for i, v in np.ndindex(found.shape):
        scores = [A[v] @ (phi(query[i]) * phi(k)) for k in key]
        if attention == "linear":
            Z = sum(phi(query[i]) @ phi(k) for k in key)
        else:
            scores = np.exp(np.array(scores) / np.sqrt(2))
            Z = sum(scores)
        assert found[i, v] == pytest.approx(scores @ value[:, v] / Z)
    with pytest.raises(ValueError, match="attention is 'hard'"):
        attended(query, key, value, "hard")


def test_a_of_ones_is_attention():
    case, _ = small(4)
    for attention, reference in (("linear", linear_attention), ("softmax", softmax_attention)):
        found = learned_attention(case.tokens, case.block, np.ones((3, 2)), context=case.context, attention=attention)
        np.testing.assert_allclose(found, reference(case.tokens, case.block, context=case.context).output)


# Circuits
def test_a_loop_of_linear_attention_comes_to_rest_at_its_fixed_point():
    case, coupling = small(4)
    found = asked(areas_wiring, case, **weights_of(case, coupling), context=case.context[None])
    reference = coupled_areas(case.tokens, case.block, coupling, context=case.context)
    assert found.settled.settled.all(), found.settled.reason
    assert relative_l2(found.output[0], reference.output) <= 1e-6
    assert relative_l2(found.run.values["area_2_pyramidal_tract"][-1, 0], reference.second) <= 1e-6


def test_slow_feedback_lets_softmax_attention_come_to_rest():
    case, coupling = small()
    coupling = coupling._replace(W_V12=3 * coupling.W_V12, W_21=3 * coupling.W_21)
    block = weights_of(case, coupling) | {"attention": "softmax"}
    reference = coupled_areas(case.tokens, case.block, coupling, attention="softmax").output
    slow = asked(areas_wiring, case, 4.0, **block, slow=True)
    assert relative_l2(slow.output[0], reference) <= 1e-3  # eight time constants of the slow cells
    assert steady_rate(10.0, 2.0) == 20.0


@pytest.mark.parametrize("control", ["feedback as a query", "feedback to macrocolumns"])
def test_feedback_wired_otherwise_misses(control):
    example = examples.feedback(examples.SEED)
    off = answer(example, "rate", examples.CONTROLS[control], target="numpy", settle=1 * second)
    assert error_of(example, off.output) > 0.003
    assert best_null(example)[1] > 0.03


def test_an_area_asks_the_memory_of_another():
    case, coupling = small(3)
    W_O = np.random.default_rng(0).standard_normal((2, 5, 2))
    block = weights_of(case._replace(block=case.block._replace(W_O=W_O)), coupling._replace(W_K12=None, W_V12=None))
    found = asked(areas_memory_wiring, case, 0.6, **block, context=case.context[None])
    reference = asked_memory(case.tokens, case.block._replace(W_O=W_O), coupling, context=case.context)
    assert found.settled.settled.all(), found.settled.reason
    assert relative_l2(found.output[0], reference) <= 1e-6
    with pytest.raises(WiringError, match="3 tokens need a context as long, not of 2"):
        areas_memory_wiring(TIMES, case.tokens[None], **block, context=case.context[None, :2])


@pytest.mark.parametrize("normaliser", ["pi", "divisive"])
def test_each_component_of_the_value_has_softmax_attention_of_its_own(normaliser):
    case, _ = small(4)
    A = 1 + np.random.default_rng(2).standard_normal((3, 2))
    mask = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [0, 1, 1, 1]], dtype=bool)
    block = weights_of(case, Coupling(*5 * (None,)))
    found = asked(
        softmax_wiring, case, **block, context=case.context[None], A=A, normaliser=normaliser, mask=mask
    )  # fmt: skip
    assert found.attention is None
    assert found.settled.settled.all(), found.settled.reason
    for i, row in enumerate(mask):
        reference = learned_attention(case.tokens, case.block, A, context=case.context[row], attention="softmax")
        assert relative_l2(found.output[0, i], reference[i]) <= 1e-6


def test_one_normaliser_for_all_components_is_another_attention():
    example = examples.learned(examples.SEED, attention="softmax")
    off = answer(example, "rate", example.controls["one normaliser for all components"], target="numpy")
    assert error_of(example, off.output) > 0.1


# Wirings that are refused
def test_feedback_to_l5_it_is_a_declared_break():
    case, coupling = small()
    circuit = areas_wiring(TIMES, case.tokens[None], **weights_of(case, coupling)).circuit
    assert "IT to PT" in circuit.breaks
    with pytest.raises(WiringError, match="breaks 'IT to PT'"):
        circuit._replace(breaks={}).check()
    with pytest.raises(WiringError, match="attention is 'hard' but needs to be one of linear, softmax"):
        areas_wiring(TIMES, case.tokens[None], **weights_of(case, coupling), attention="hard")


# Experiment
def row(circuit=experiment.LOOP, form="rate", gain=1.0, **figures):
    usual = {"relative_l2": 1e-9, "residual": 1e-9, "moved": 0.1 + gain, "time_s": 0.5, "settled": True}
    return {"circuit": circuit, "form": form, "gain": gain, "draw": 0} | usual | figures


def rows(**figures):
    """All circuits on a draw."""
    found = [row(form=form, gain=gain, **figures) for form in experiment.FORMS for gain in experiment.GAINS]
    controls = [row(name, relative_l2=0.1) for name in experiment.LEAST]
    fast = row(experiment.FAST, relative_l2=0.1, settled=False)
    return [*found, *controls, row(experiment.SLOW, **figures), fast]


def test_predictions_can_be_missed():
    assert all(each.held for each in experiment.judge(rows()))
    off = experiment.judge(rows(relative_l2=0.1, residual=0.1, moved=0.05, time_s=3.0, settled=False))
    assert [each.held for each in off] == [False] * 8 + [True] * 3
    others = [row(name, relative_l2=1e-9) for name in experiment.LEAST] + [row(experiment.FAST)]
    assert [each.held for each in experiment.judge(others)] == [False] * 3
    failed = experiment.judge(rows(), {experiment.Job(experiment.LOOP, "dale", 1.0, 1).label: "overflow"})
    assert [each.held for each in failed] == [True, False] + [True] * 9


def test_the_time_to_rest():
    class Done:
        class plan:
            class protocol:
                phase = 0.5 * second

        class run:
            values = {"area_1_higher_order": np.array([[0.0], [0.9], [1.0], [1.001], [1.0]])}

    assert experiment.time_to_rest(Done) == 1.0


def test_the_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(examples, "LOOP", {"settle": 1.5 * second})
    kinds = [(experiment.LOOP, 1.0), (experiment.QUERY, 1.0)]
    monkeypatch.setattr(
        experiment, "jobs", lambda draws, *_: [experiment.Job(a, "rate", b, draws[0]) for a, b in kinds]
    )
    done = run("areas", "--draws", 1, "--target", "numpy", "--out", "result")
    assert done.exit_code == 0, done.output
    result = json.loads(Path("result/areas.json").read_text())
    assert [each["circuit"] for each in result["rows"]] == [kind for kind, _ in kinds]
    assert result["rows"][0]["relative_l2"] <= 1e-6 < result["rows"][1]["relative_l2"]
    assert Path("result/areas.png").exists()
    refused = run("areas", "--forms", "none")
    assert refused.exit_code == 2
    assert "--forms" in refused.stderr
