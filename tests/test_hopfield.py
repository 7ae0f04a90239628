"""Hopfield retrieval: its algebra, the circuit in rates on both sides of its boundary, and the two experiments."""

import json
from pathlib import Path

import numpy as np
import pytest
from brian2 import second
from scipy.optimize import root
from scipy.special import softmax

from cortical_attention.circuits.hopfield import hopfield_wiring
from cortical_attention.experiments import hopfield as experiment
from cortical_attention.experiments import potentiation
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference import hopfield as algebra
from cortical_attention.reference.attention import softmax_attention
from cortical_attention.reference.block import Block
from cortical_attention.trials import retrieval
from cortical_attention.trials.example import answer, best_null, error_of
from cortical_attention.trials.examples import hopfield as examples
from cortical_attention.wiring.expressions import WiringError
from tests.command import run

N, D, BETA = 6, 8, 9.0


@pytest.fixture
def case():
    """Cues (n_cue, d) and patterns (n_pattern, d)."""
    cues, _, patterns = examples.drawn(np.random.default_rng(5), 1, N, 3, D)
    return cues[0], patterns[0]


# Algebra
def test_an_update_is_softmax_attention_to_the_patterns(case):
    cues, patterns = case
    found = algebra.update(cues, patterns, BETA)
    np.testing.assert_allclose(found, softmax(BETA * cues @ patterns.T, axis=1) @ patterns, rtol=1e-12)
    one = np.eye(D)[None]
    block = Block(BETA * np.sqrt(D) * one, one, one, one)
    np.testing.assert_allclose(softmax_attention(cues, block, context=patterns).output, found, rtol=1e-10)


def test_the_fixed_point_is_a_root_and_attracts_as_its_contraction_says(case):
    cues, patterns = case
    found = algebra.fixed_point(cues, patterns, BETA)
    solved = root(lambda x: algebra.update(x.reshape(cues.shape), patterns, BETA).ravel() - x, found.ravel() + 1e-3).x
    np.testing.assert_allclose(found.ravel(), solved, atol=1e-8)
    for state, share in zip(found, algebra.contraction(found, patterns, BETA), strict=True):
        steps = 1e-6 * np.eye(D)
        jacobian = (
            algebra.update(state + steps, patterns, BETA) - algebra.update(state - steps, patterns, BETA)
        ) / 2e-6
        assert share == pytest.approx(np.linalg.eigvals(jacobian).real.max(), abs=1e-6)
        assert share < 1


@pytest.mark.parametrize("n", [3, 8, 40])
def test_above_the_critical_beta_patterns_are_fixed_points_of_their_own(n):
    """Orthonormal patterns, of which the first is the start."""
    least, patterns = algebra.critical_beta(n), np.eye(n)
    for factor, retrieved in ((1.01, True), (0.99, False)):
        end = algebra.fixed_point(patterns[:1], patterns, factor * least)
        assert (end[0, 0] > 0.5) == retrieved, factor
        assert np.allclose(end, 1 / n) != retrieved
    with pytest.raises(ValueError, match="n_pattern is 2"):
        algebra.critical_beta(2)


def unstable(b, T, tau_g, k_p, path=(), loop=()):
    """Whether the linear loop, written out as a chain of lags, has an eigenvalue with a positive real part."""
    n_path, n_loop = len(path), len(loop)
    size = 2 + n_path + n_loop  # the state a, what is integrated I, and the lags on the path and in the loop
    here, integral = np.eye(size)[0], np.eye(size)[1]
    along, around = np.eye(size)[2 : 2 + n_path], np.eye(size)[2 + n_path :]
    asked = along[-1] if n_path else here
    if n_loop:  # pool -> k_p pool + I -> lags -> subtracted
        pool = b * asked - around[-1]
        rows = [(pool * k_p + integral - around[0]) / loop[0]]
        rows += [(around[k - 1] - around[k]) / loop[k] for k in range(1, n_loop)]
    else:
        pool, rows = (b * asked - integral) / (1 + k_p), []
    lags = [((here if k == 0 else along[k - 1]) - along[k]) / path[k] for k in range(n_path)]
    matrix = np.array([(pool - here) / T, pool / tau_g, *lags, *rows])
    return np.linalg.eigvals(matrix).real.max() > 0


@pytest.mark.parametrize(("b", "tau_g", "k_p"), [(8, 0.03, 0.5), (8, 0.12, 0.0), (3, 0.06, 1.0)])
def test_the_least_time_constant_is_where_the_loop_loses_its_stability(b, tau_g, k_p):
    plain = algebra.least_time_constant(b, tau_g, k_p)
    assert plain == pytest.approx((b - 1 - k_p) * tau_g)
    assert unstable(b, 0.99 * plain, tau_g, k_p)
    assert not unstable(b, 1.01 * plain, tau_g, k_p)
    assert algebra.least_time_constant_with_lags(b, tau_g, k_p) == pytest.approx(plain, rel=1e-3)
    lags = 5 * [0.005, 0.01], [0.005, 0.01, 0.005, 0.01]
    T = algebra.least_time_constant_with_lags(b, tau_g, k_p, *lags)
    assert unstable(b, 0.98 * T, tau_g, k_p, *lags)
    assert not unstable(b, 1.02 * T, tau_g, k_p, *lags)
    assert algebra.least_time_constant(0.5, tau_g) == 0


def test_potentiation_limits_the_weight_of_the_best_match():
    patterns, p = np.eye(5), 8.0
    cues = patterns[:2]
    found = algebra.potentiated(cues, patterns, 1000.0, p)
    assert found[0, 0] == pytest.approx(p / (p + 4))
    np.testing.assert_allclose(algebra.potentiated(cues, patterns, 5.0, 1e6), algebra.update(cues, patterns, 5.0))
    np.testing.assert_allclose(algebra.potentiated(cues, patterns, 1000.0, 1.5, subtracted=True), cues)
    with pytest.raises(ValueError, match="largest is 1"):
        algebra.potentiated(cues, patterns, 5.0, 1.0)


# Circuit
def asked(T=None, settle=2.0, normaliser="pi", **settings):
    """Example with a time constant in seconds, and what the circuit answers in rates."""
    T = None if T is None else T * second
    example, _ = examples.retrieval(3, 8, 5, T, {"rate": {"settle": settle * second}})
    example = example._replace(block=example.block | {"normaliser": normaliser})
    return example, answer(example, "rate", target="numpy", **settings)


def test_one_step_in_rates_is_the_algebra():
    example, done = asked()
    assert done.settled.settled.all(), done.settled.reason
    assert error_of(example, done.output) <= 1e-6
    assert best_null(example) == ("nearest pattern", best_null(example)[1])  # which is near where beta is large
    assert all(error_of(example, each) > 0.1 for name, each in example.nulls.items() if name != "nearest pattern")


def test_examples_are_no_hard_maximum():
    for example in examples.examples():
        assert error_of(example, example.nulls["nearest pattern"]) > 0.1


def test_iterated_the_cue_is_loaded_then_one_step_is_made_and_then_the_fixed_point_is_reached():
    example, done = asked(T=0.3, settle=6.5)
    assert done.settled.settled.all(), done.settled.reason
    assert error_of(example, done.output) <= 1e-6
    values, patterns, beta = done.run.values, example.block["context"], example.block["beta"]
    settle = done.plan.protocol.windows[0, 0]
    load, held = settle // 10, settle // 5  # within the first eighth, and within the second
    assert np.abs(values["higher_order"][load]).max() < 1e-9
    np.testing.assert_allclose(values["core"][load], example.tokens, atol=1e-3)
    once = algebra.update(example.tokens, patterns, beta)
    assert relative_l2(values["higher_order"][held], once) < 1e-3 < relative_l2(example.reference, once)


@pytest.mark.parametrize(
    ("normaliser", "factor", "right"), [("pi", 0.8, False), ("pi", 2.0, True), ("slow", 2.0, False)]
)
def test_the_loop_settles_above_its_least_time_constant_alone(normaliser, factor, right):
    """Of the interneuron `pi`; the other asks for a core that is four times as slow."""
    example, done = asked(factor * max(retrieval.least(8, "rate")), 4.0, normaliser)
    assert (error_of(example, done.output) < experiment.NEAR) == right


def test_the_least_time_constant_of_the_interneurons():
    assert retrieval.least(8, "rate")[0] == pytest.approx(6.5 * 0.03)
    assert retrieval.least(8, "rate", "slow")[0] == pytest.approx(7 * 4 * 0.03)


def test_another_interneuron_is_refused():
    example = examples.examples()[0]
    with pytest.raises(WiringError, match="normaliser is 'output'"):
        answer(example, "rate", lambda *given, **block: hopfield_wiring(*given, normaliser="output", **block))


# Experiments
def test_the_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    every = experiment.about_the_boundary
    monkeypatch.setattr(experiment, "about_the_boundary", lambda seed: dict(list(every(seed).items())[:1]))
    monkeypatch.setattr(retrieval, "POINTS", {"rate": ((4, 6),)})
    monkeypatch.setattr(retrieval, "STEEP", (4,))
    monkeypatch.setattr(experiment, "SIZES", (8, 32))
    done = run("hopfield", "--draws", 2, "--forms", "rate", "--target", "numpy", "--out", "result")
    assert done.exit_code == 0, done.output
    result = json.loads(Path("result/hopfield.json").read_text())
    assert {path.name for path in Path("result").iterdir()} == {"hopfield.json", "hopfield.png", "run.json"}
    assert [each["settled"] for each in result["circuits"]] == [True, True]
    assert [each["interneuron"] for each in result["loops"]] == ["pi"]
    assert len(result["rows"]) == 2 * 2 * len(experiment.BETAS)


def test_the_command_without_circuits_and_what_it_refuses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "SIZES", (8, 32))
    assert run("hopfield", "--draws", 2, "--forms", "none", "--out", "result").exit_code == 0
    for words in (("--draws", 1), ("--forms", "dale"), ("--forms", "none,rate")):
        refused = run("hopfield", *words)
        assert refused.exit_code == 2
        assert words[0] in refused.stderr


def test_predictions_about_retrieval_can_be_missed():
    def errors(once, often):
        names = {"one step": once, "iterated": often}
        sizes = ((8, 8), (32, 4))
        return [{"patterns": n, "beta": b, "steps": s, "error": e} for n, b in sizes for s, e in names.items()]

    def points(off, settled=True):
        both = ("rate", "one step"), ("rate", "iterated")
        return [{"form": f, "steps": s, "from_algebra": off, "settled": settled} for f, s in both]

    def loops(below, above):
        both = (0.5, below), (2.0, above)
        return [{"interneuron": "pi", "factor": factor, "from_algebra": off} for factor, off in both]

    def held(*given):
        return [each.held for each in experiment.judge(*given)]

    assert held(errors(0.2, 0.1), points(1e-7), loops(1.0, 1e-5)) == [True, True, True, False, True]
    assert held(errors(0.1, 0.2), points(1e-5), loops(1e-3, 1e-5)) == [False, False, False, True, False]
    assert held(errors(0.1, 0.2), points(1e-7, False), loops(1.0, 0.5))[:2] == [False, False]
    assert not held(errors(0.1, 0.2), points(1e-7), loops(1.0, 0.5))[-1]


def test_the_command_about_synapses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("potentiation", "--draws", 2, "--out", "result")
    assert done.exit_code == 0, done.output
    assert {path.name for path in Path("result").iterdir()} == {"potentiation.json", "potentiation.png", "run.json"}
    result = json.loads(Path("result/potentiation.json").read_text())
    assert len(result["needed"]) == len(potentiation.SIZES) * len(potentiation.SPREADS)
    for option, value in (("--draws", 1), ("--seed", -1)):
        assert run("potentiation", option, value).exit_code == 2


def test_predictions_about_synapses_can_be_missed():
    def rows(error):
        rules = [(rule, p) for rule in potentiation.SPREADS for p in potentiation.POTENTIATIONS]
        return [{"patterns": 16, "rule": rule, "potentiation": p, "error": error} for rule, p in rules]

    assert [each.held for each in potentiation.judge(rows(0.5))] == [True, False, False, True, True]
    assert [each.held for each in potentiation.judge(rows(0.1))] == [False, True, True, False, False]
    assert set(potentiation.needed(rows(0.5)).values()) == {None}
    assert set(potentiation.needed(rows(0.1)).values()) == {1.5}


def test_rested_synapses_have_the_spread_that_is_asked_for():
    found = potentiation.log_normal(np.random.default_rng(0).standard_normal(400_000), 0.3)
    assert found.mean() == pytest.approx(1, abs=0.003)
    assert found.std() == pytest.approx(0.3, rel=0.01)
