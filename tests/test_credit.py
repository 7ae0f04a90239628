"""Error cells: they keep the anatomy and leave the answer alone, and what they carry is the gradient of the energy."""

import json
from functools import partial

import numpy as np
import pytest
from brian2 import ms, second

from cortical_attention.cells.forms import FORMS
from cortical_attention.cells.kernels import LOG_SLOPES, phi
from cortical_attention.circuits.learning import learning_wiring
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.protocol import Times
from cortical_attention.experiments import credit as experiment
from cortical_attention.readout.agreement import cosine, relative_l2
from cortical_attention.reference import Block, linear_attention, softmax_attention
from cortical_attention.reference.kernels import KERNELS
from cortical_attention.reference.local_terms import Terms, local_terms
from cortical_attention.simulation.attend import attend, calibrate
from cortical_attention.simulation.calibrate import digests
from cortical_attention.simulation.settings import Settings
from cortical_attention.simulation.settle import window_values
from cortical_attention.trials.credit import read_terms, slopes, terms_within
from cortical_attention.wiring.anatomy import violations
from cortical_attention.wiring.circuit import Projection
from cortical_attention.wiring.expressions import WiringError
from tests.command import run

N_HEAD, N_TOKEN, N_CONTEXT, D_MODEL, D_KEY, D_VALUE = 2, 3, 4, 5, 3, 2
TIMES = Times(0.6 * second, 0.1 * second, 250 * ms, 1 * ms)
MASK = np.array([[1, 1, 0, 1], [1, 1, 1, 1], [0, 1, 1, 0]], dtype=bool)
ASKED = np.array([[1, 0, 1], [1, 1, 1]], dtype=bool)
EXACT, FAR = 1e-6, 0.1
RATE = partial(Settings, "rate", window=0.1 * second, settle=0.6 * second, target="numpy", record="sample")


@pytest.fixture(scope="module")
def problem():
    """Tokens, targets and context of two sequences, and weights."""
    rng = np.random.default_rng(0)
    tokens, targets = rng.standard_normal((2, 2, N_TOKEN, D_MODEL))
    shapes = (N_HEAD, D_KEY, D_MODEL), (N_HEAD, D_KEY, D_MODEL), (N_HEAD, D_VALUE, D_MODEL), (N_HEAD, D_MODEL, D_VALUE)
    weights = dict(zip(Terms._fields, (rng.standard_normal(shape) for shape in shapes), strict=True))
    return tokens, targets, rng.standard_normal((2, N_CONTEXT, D_MODEL)), weights


def plan_of(problem, **more):
    tokens, targets, context, weights = problem
    return learning_wiring(TIMES, tokens, targets, context=context, **weights, **more)


def differences(energy, weights, step=1e-5):
    """Minus the central differences of an energy (Terms)."""
    found = {name: np.zeros_like(each) for name, each in weights.items()}
    for name, each in weights.items():
        for place in np.ndindex(each.shape):
            ends = []
            for sign in (1, -1):
                moved = each.copy()
                moved[place] += sign * step
                ends.append(energy(Block(**{**weights, name: moved})))
            found[name][place] = (ends[1] - ends[0]) / (2 * step)
    return Terms(**found)


def off(found, wanted):
    """Relative L2 of each weight."""
    return np.array([relative_l2(*each) for each in zip(found, wanted, strict=True)])


# Anatomy
@pytest.mark.parametrize("attention", ["linear", "softmax"])
def test_error_cells_keep_every_rule_of_the_anatomy(problem, attention):
    circuit = plan_of(problem, attention=attention).circuit.check()
    assert not violations(circuit)
    assert not circuit.breaks


def test_errors_that_run_straight_back_are_refused(problem):
    circuit, W_O = plan_of(problem).circuit, problem[3]["W_O"]
    kept = [each for each in circuit.projections if each.source != "error"]
    straight = Projection("higher_order", "feedback.apical", "im, hmv -> hiv", W_O)
    with pytest.raises(WiringError, match="'pyramidal_tract -> higher_order.soma' breaks 'PT spares its driver'"):
        circuit._replace(projections=(*kept, straight)).check()
    own = circuit.populations["error"]._replace(area="")  # error cells in the area that answers
    with pytest.raises(WiringError, match="breaks 'PT spares its driver'"):
        circuit._replace(populations=circuit.populations | {"error": own}).check()


def test_the_answer_cannot_reach_mismatch_cells_from_pyramidal_tract_cells(problem):
    circuit = plan_of(problem).circuit
    other = Projection("pyramidal_tract", "mismatch.basal", "hiv -> hijv", -1.0)
    with pytest.raises(WiringError, match="breaks 'IT to PT'"):
        circuit._replace(projections=(*circuit.projections, other)).check()


def test_nothing_returns_from_errors_to_the_cells_that_attend(problem):
    tokens, _, context, weights = problem
    before = mask_wiring(TIMES, tokens, **weights, context=context).circuit
    added = plan_of(problem).circuit.projections[len(before.projections) :]
    assert not {each.target.partition(".")[0] for each in added} & set(before.populations)


# Gradient
def test_rates_of_linear_attention_hold_the_derivative_of_the_energy(problem):
    tokens, targets, context, weights = problem

    def energy(block):
        errors = targets - linear_attention(tokens, block, context=context, mask=MASK).output
        return 0.5 * np.sum((errors * ASKED[..., None]) ** 2)

    given = {"targets": targets, "context": context, "mask": MASK, **weights}
    found = attend(learning_wiring, tokens, RATE(), asked=ASKED, **given)
    wanted = differences(energy, weights)
    assert np.all(off(terms_within(found, FORMS["rate"], 0.1), wanted) < EXACT)
    every = attend(learning_wiring, tokens, RATE(), **given)  # control: tokens that nobody asks for count as well
    assert np.all(off(terms_within(every, FORMS["rate"], 0.1), wanted) > FAR)
    assert np.allclose(found.output, every.output, rtol=0, atol=1e-9)
    assert np.allclose(found.attention_sum, 1, rtol=0, atol=1e-6)  # no interneuron waits behind a gate of its own
    assert "gate" not in found.plan.circuit.populations["interneuron"].inputs


def test_rates_of_softmax_attention_hold_the_derivative_of_the_energy(problem):
    tokens, targets, context, weights = problem

    def energy(block):
        return 0.5 * np.sum((targets - softmax_attention(tokens, block, context=context, mask=MASK).output) ** 2)

    given = {"attention": "softmax", "mask": MASK, **weights}
    others = {"targets": targets[::-1], "context": context + 0.3}
    calibration = calibrate(learning_wiring, tokens + 0.3, RATE(), **others, **given)
    found = attend(learning_wiring, tokens, RATE(), None, calibration, targets=targets, context=context, **given)
    assert np.all(off(terms_within(found, FORMS["rate"], 0.1), differences(energy, weights)) < EXACT)


def test_without_the_answer_at_the_mismatch_cells_the_normaliser_gets_no_credit(problem):
    tokens, targets, context, weights = problem

    def wiring(*given, **block):
        plan = learning_wiring(*given, **block)
        kept = [each for each in plan.circuit.projections if each.name != "intratelencephalic -> mismatch.basal"]
        assert len(kept) == len(plan.circuit.projections) - 1
        return plan._replace(circuit=plan.circuit._replace(projections=tuple(kept)))

    given = {"targets": targets, "context": context, **weights}
    found = terms_within(attend(wiring, tokens, RATE(), **given), FORMS["rate"], 0.1)
    errors = off(found, differences(lambda block: _energy(problem, block), weights))
    assert np.all(errors[:2] > FAR)
    assert np.all(errors[2:] < EXACT)


def _energy(problem, block):
    tokens, targets, context, _ = problem
    return 0.5 * np.sum((targets - linear_attention(tokens, block, context=context).output) ** 2)


def test_spikes_hold_it_to_their_counts_once_the_circuit_has_settled(problem):
    tokens, targets, context, weights = problem
    settings = Settings("spiking", window=1.5 * second, settle=0.25 * second, target="numpy", record="sample")
    others = {"targets": targets[1:], "context": context[1:]}
    calibration = calibrate(learning_wiring, tokens[1:], settings, **others, **weights)
    given = {"targets": targets[:1], "context": context[:1], **weights}
    found = attend(learning_wiring, tokens[:1], settings, None, calibration, **given)
    wanted = local_terms(tokens[:1], targets[:1], Block(**weights), context=context[:1])
    windows = found.plan.protocol.windows
    late = {name: each[0] for name, each in window_values(found.run, FORMS["spiking"], windows[:, 4:]).items()}
    cosines = [
        min(cosine(*each) for each in zip(terms, wanted, strict=True))
        for terms in (terms_within(found, FORMS["spiking"], 0.25), read_terms(found.plan, late))
    ]
    assert cosines[1] > 0.99 > 0.9 > cosines[0]


# Reading
@pytest.mark.parametrize("kernel", LOG_SLOPES)
def test_logarithmic_slopes_of_a_dendrite_are_those_of_the_algebra(kernel):
    u = np.linspace(-3, 3, 13)
    names = {"clip": np.clip, "exp": np.exp, "inf": np.inf, "x": phi(kernel)(u)}
    slope = eval(LOG_SLOPES[kernel], names)  # noqa: S307 (a constant of ours)
    known = KERNELS[kernel]
    assert np.allclose(slope * np.ones_like(u), known.derivative(u) / known.phi(u), rtol=1e-12, atol=0)


def test_sequences_that_are_tested_are_not_those_of_the_calibration():
    for level in experiment.LEVELS:
        drawn, others = experiment.shown(0, level)
        assert len(drawn.tokens) == experiment.N_TESTED
        assert not {*digests(drawn.tokens, drawn.context)} & {*digests(others.tokens, others.context)}


def test_what_does_not_fit_is_told_in_one_sentence(problem):
    tokens, targets, context, weights = problem
    with pytest.raises(WiringError, match="^attention is 'cosine' but needs to be one of linear, softmax$"):
        plan_of(problem, attention="cosine")
    with pytest.raises(WiringError, match=r"^targets has shape \(2, 3, 4\) but needs \(2, 3, 5\)$"):
        learning_wiring(TIMES, tokens, targets[..., 1:], **weights, context=context)
    with pytest.raises(WiringError, match=r"^feedback has shape \(1, 5, 2\) but needs \(2, 5, 2\)$"):
        plan_of(problem, feedback=weights["W_O"][:1])
    plan = plan_of(problem, kernel="relu")
    values = {name: np.ones((2, *each.shape)) for name, each in plan.circuit.populations.items()}
    with pytest.raises(WiringError, match="^kernel is 'relu' but learning needs one of elu"):
        read_terms(plan, values)
    assert [each.shape for each in slopes(plan_of(problem), values)] == 2 * [(2, 2, 3, 4, 3)]


# Experiment
def test_the_smallest_experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = (
        "credit",
        "--seeds",
        "1",
        "--levels",
        "1",
        "--no-spikes",
        "--no-growth",
        "--target",
        "numpy",
        "--out",
        "here",
    )
    assert run(*asked).exit_code == 0
    result = json.loads((tmp_path / "here" / "credit.json").read_text(encoding="utf-8"))
    assert result["figures"]["rates, linear"]["outcome"] == "held"
    assert result["figures"]["cheap at the start, linear"]["interval"] is not None
    assert (tmp_path / "here" / "credit.png").exists()
    assert "--levels is 9" in run("credit", "--levels", "9").output
