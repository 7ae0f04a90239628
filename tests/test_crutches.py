"""Crutches taken away from a frozen circuit: each changes one thing, and the read-out is refitted on other sequences."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import Hz, ms, pA, second
from rich.console import Console
from scipy.stats import t as student

from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.biophysical import BIOPHYSICAL
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.membranes.f_i import TOP, Table, affine, inverse, with_affine_current
from cortical_attention.cells.membranes.leaky import FAST_SPIKING, PYRAMIDAL
from cortical_attention.cells.membranes.published_synapse import PublishedSynapse, steady_release
from cortical_attention.cells.membranes.two_compartment import TwoCompartment, counts
from cortical_attention.circuits.protocol import RunError
from cortical_attention.command import options as o
from cortical_attention.experiments import crutches as experiment
from cortical_attention.inputs.cases import CaseError
from cortical_attention.simulation.engine import device
from cortical_attention.trials import crutches
from cortical_attention.trials.batch import side_by_side
from cortical_attention.trials.disorder import jittered
from cortical_attention.trials.refit import by_token, refitted, wired

TINY = {"n_head": 2, "d_model": 5, "d_key": 3, "d_value": 3}
N_TOKEN = 3


def cases_of(n_case=2, seed=0):
    """Small cases with one block and one set of calibration sequences."""
    return side_by_side(seed, n_case, N_TOKEN, **TINY)


# Refitting
def drawn(seed=0, n_sequence=16):
    """Values of L5 PT cells, and W_O."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n_sequence, 2, 4, 3)), rng.standard_normal((2, 5, 3))


def test_the_wired_read_out_is_w_o():
    values, W_O = drawn()
    assert wired(W_O).answer(values) == pytest.approx(np.einsum("hmv, bhiv -> bim", W_O, values))


def test_refitting_undoes_a_linear_distortion():
    """Distorted values are an affine map of the right ones: then weights and bias exist that give the right answer."""
    values, W_O = drawn()
    right = wired(W_O).answer(values)
    rng = np.random.default_rng(1)
    distorted = np.moveaxis((by_token(values) @ rng.standard_normal((6, 6)) + 0.3).reshape(16, 4, 2, 3), 2, 1)
    fit = refitted(distorted[:12], right[:12], wired(W_O))
    size = np.abs(right).max()
    assert np.abs(fit.answer(distorted[12:]) - right[12:]).max() < 1e-5 * size
    assert np.abs(wired(W_O).answer(distorted[12:]) - right[12:]).max() > 0.5 * size


def test_values_that_say_nothing_leave_the_wired_weights():
    """The strongest penalty wins where what is left to explain is noise: the weights move by less than a tenth."""
    values, W_O = drawn()
    before = wired(W_O)
    noise = np.random.default_rng(2).standard_normal((16, 4, 5))
    fit = refitted(values, before.answer(values) + noise, before)
    assert np.linalg.norm(fit.weights - before.weights) < 0.1 * np.linalg.norm(before.weights)
    free = refitted(values, 2 * before.answer(values), before)
    assert free.weights == pytest.approx(2 * before.weights, abs=1e-6)


def ideal_options():
    """Options of rates, which need no spikes to be exact."""
    return o.check(form="rate", target="numpy", record="sample")


def test_refitting_is_given_the_calibration_sequences_alone(monkeypatch):
    """In rates, whose L5 PT cells hold what the algebra says of each sequence; the right answer then stays right."""
    cases, options, given = cases_of(), ideal_options(), {}

    def spy(values, targets, before):
        given.update(values=values, targets=targets)
        return refitted(values, targets, before)

    monkeypatch.setattr(crutches, "refitted", spy)
    held = crutches.hold(cases, crutches.Variant(RATE), options, 2)
    found = crutches.figures_of(cases, held, options)
    right, others = crutches.answers_of(cases, options)
    assert given["targets"] == pytest.approx(others)
    assert wired(cases[0].block.W_O).answer(given["values"]) == pytest.approx(others, abs=1e-5)
    assert wired(cases[0].block.W_O).answer(held.tested[1]) == pytest.approx(right, abs=1e-5)
    assert np.max(found["wired"]["relative_l2"]) < 1e-5
    assert np.max(found["refitted"]["relative_l2"]) < 1e-5
    assert (found["settled"], found["answers"], found["beyond"]) == (4, 4, 0)


def test_a_tested_sequence_among_those_of_the_calibration_is_refused():
    cases = cases_of()
    seen = [cases[0], cases[1]._replace(tokens=cases[0].calibration[3])]
    with pytest.raises(CaseError, match="need to be others"):
        crutches.hold(seen, crutches.Variant(RATE), ideal_options(), 1)


def test_the_null_is_the_one_that_ignores_the_query():
    cases, options = cases_of(), ideal_options()
    found = crutches.null_of(cases, options)
    nulls = [crutches.reference_for(each, options).nulls["key_only"] for each in cases]
    right, _ = crutches.answers_of(cases, options)
    expected = crutches.agreement_of(np.array([nulls, nulls]), right)
    for name, figures in expected.items():
        assert np.array(found["wired"][name]) == pytest.approx(np.array(figures), rel=1e-9)


# What is taken away
def test_an_affine_current_is_the_line_through_a_linear_curve_and_no_other():
    rates = np.linspace(0, TOP / Hz + 1, 400)
    assert affine(Table(0.7 + 0.02 * rates, rates)) == pytest.approx((0.7, 0.02), rel=1e-9)
    bent = Table(0.7 + 0.02 * rates + 1e-4 * rates**2, rates)
    offset, slope = affine(bent)
    left = offset + slope * np.array([5.0, 52.0, 100.0]) - inverse(bent)[[50, 520, 1000]]
    assert left[0] * left[2] > 0 > left[0] * left[1]  # least squares: the line cuts the curve twice


def test_affine_currents_take_the_table_of_every_cell_that_has_one():
    for membrane in (PYRAMIDAL, FAST_SPIKING):
        changed = with_affine_current(membrane)
        assert changed._replace(drive=membrane.drive) == membrane
        assert "current_of" in membrane.drive.equations
        assert "current_of" not in changed.drive.equations
        assert with_affine_current(changed) == changed
    superficial = BIOPHYSICAL.of_cell["superficial"]
    assert with_affine_current(superficial) is superficial


def test_an_affine_current_misses_the_rate_that_the_table_gives():
    """At rest: cells that should be silent are driven, by half the way to threshold; at 60 Hz both currents are near."""
    with device("numpy"):
        known = with_affine_current(PYRAMIDAL).measured(1 * ms)
        exact = PYRAMIDAL.measured(1 * ms)["current_of"]
    missed = [float(known["I_0"] + known["I_1"] * rate * Hz) - float(exact(rate * second)) for rate in (0, 60)]
    assert missed[0] > 0.5 > 10 * abs(missed[1])
    assert known["top"] == TOP


def release(cell):
    """Mean release at a spike, and the rate (Hz), of a cell without noise that fires without bursts."""
    with device("numpy"):
        found = counts(np.array([900.0]) * pA, np.array([-600.0]) * pA, cell, 4 * second)
    return float(found["facilitated"][0] / found["total"][0]), float(found["total"][0] / 4)


def test_the_published_synapse_releases_as_its_closed_form_says():
    """A regular train: its rate is right to one spike in the window, and release changes by less than in proportion."""
    cell = PublishedSynapse(sigma=0 * pA)
    mean, rate = release(cell)
    assert rate > 5
    assert mean == pytest.approx(steady_release(cell, rate), rel=1 / (4 * rate))
    other, same = release(TwoCompartment(sigma=0 * pA))
    assert same == pytest.approx(rate, abs=1 / 4)  # the cell is the same but for rounding, only its synapse is not
    assert abs(other / mean - 1) > 0.2


def test_a_rested_published_synapse_releases_u():
    assert steady_release(PublishedSynapse(), 1e-3) == pytest.approx(0.02, rel=1e-6)


def test_disorder_averages_over_the_cells_of_a_value():
    """The standard deviation of a mean of 16 is a quarter; 4000 draws know it to 1 / sqrt(8000), five times over."""
    draw, size = np.random.default_rng(0), (4000,)
    assert (jittered(draw, 0.0, 3, size) == 1).all()
    for cells in (1, 16):
        spread = jittered(draw, 0.2, cells, size).std()
        assert spread == pytest.approx(0.2 / cells**0.5, rel=5 / 8000**0.5)


def plan(variant, seed=0):
    """Plan of a variant for a small case."""
    case, options = cases_of(1)[0], ideal_options()
    block = {"kernel": "elu+1", "normaliser": variant.normaliser, **case.block._asdict()}
    return crutches.plan_of(
        options.system.wiring, variant, seed, options.settings.times(), case.tokens[None], **block
    ).circuit.projections


def test_a_disordered_circuit_is_the_same_at_every_call_and_no_copy_of_another():
    variant = crutches.VARIANTS["adaptive"][crutches.name_of(0.3, 8)]
    one, again, other = plan(variant), plan(variant), plan(variant, seed=1)
    assert all((np.array_equal(a.weights, b.weights)) for a, b in zip(one, again, strict=True))
    assert not any(np.array_equal(a.weights, b.weights) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("form", "whole"), [("adaptive", ADAPTIVE), ("biophysical", BIOPHYSICAL)])
def test_each_row_changes_one_thing(form, whole):
    """But for the last, without all the crutches that go together."""
    intact = crutches.Variant(whole)
    for name, variant in crutches.VARIANTS[form].items():
        changed = [field for field in intact._fields if getattr(variant, field) != getattr(intact, field)]
        expected = 4 if name == crutches.TOGETHER else int(name != crutches.INTACT)
        assert len(changed) == expected, name


def test_cells_fitted_to_products_do_not_hear_of_the_gate(monkeypatch):
    """That is what tells the fit that inhibition divides by the sum of a macrocolumn."""
    heard, found = [], SimpleNamespace(I_s0=0, I_s1=0, I_d0=0, I_d1=0, unit_rate=1 * Hz)
    form_file = sys.modules["cortical_attention.cells.forms.biophysical"]
    monkeypatch.setattr(form_file, "fit", lambda *given: heard.append(given[-1]) or found)
    drives = {port: np.ones((2, 3)) for port in ("basal", "apical", "gate")}
    population = SimpleNamespace(kernels={}, signed=None)
    for form in (BIOPHYSICAL, crutches.fitted_to_products(BIOPHYSICAL)):
        form.of_cell["superficial"].drive.calibrate(population, drives, 1 * second)
    assert heard == [True, False]


# What is said
def summary(row, wired=0.05, refit=0.04, form="adaptive", squared=None):
    """A made-up summary."""
    both = {}
    for name, error in (("wired", wired), ("outside", wired), ("refitted", refit)):
        both[name] = {"relative_l2": error, "by_design": error, "squared_by_design": error**2}
    return {"form": form, "row": row, **both}


def predicted(**errors):
    """Whether each prediction about adaptive cells holds, from errors by row: wired and refitted."""
    return [each.held for each in experiment.judge([summary(row, *each) for row, each in errors.items()])]


def test_the_predictions_can_fail():
    names = crutches.INTACT, crutches.AFFINE, crutches.LEAKY, crutches.MISSING, crutches.NULL, crutches.TOGETHER
    disorder = [crutches.name_of(0.3, cells) for cells in (1, 8, 40)]
    added = [np.hypot(0.05, 0.4 / cells**0.5) for cells in (1, 8, 40)]
    good = dict(zip(names, [(0.05, 0.04), (0.2, 0.1), (0.2, 0.1), (0.2, 0.1), (0.25, 0.24), (0.3, 0.2)], strict=True))
    assert predicted(**good, **{name: (each, 0.1) for name, each in zip(disorder, added, strict=True)}) == [True] * 8
    bad = dict(zip(names, [(0.05, 0.04), (0.06, 0.05), (0.06, 0), (0.3, 0), (0.25, 0.1), (0.3, 0.2)], strict=True))
    assert predicted(**bad, **dict.fromkeys(disorder, (0.3, 0.2))) == [False] * 8


def test_biophysical_rows_are_held_to_one_and_a_half_times_and_other_fits_and_cells_to_less():
    rows = [crutches.SOMA, crutches.DENDRITE, crutches.SYNAPSE, crutches.POINT_CELLS, crutches.PRODUCTS]
    intact = summary(crutches.INTACT, 0.1, 0.05, form="biophysical")
    worse, same = ([summary(row, error, form="biophysical") for row in rows] for error in (0.2, 0.1))
    assert [each.held for each in experiment.judge([intact, *worse])] == [True] * 6
    assert [each.held for each in experiment.judge([intact, *same])] == [False] * 5 + [True]


@pytest.mark.parametrize("row", [crutches.POINT_IT, crutches.RULE_IT, crutches.RULE_SUPERFICIAL])
@pytest.mark.parametrize(("error", "held"), [(0.07, True), (0.12, False)])
def test_other_cells_in_one_layer_are_held_to_a_smaller_error(row, error, held):
    rows = [summary(name, each, form="biophysical") for name, each in ((crutches.INTACT, 0.1), (row, error))]
    assert experiment.judge(rows)[0].held == held


def figures(error, n_case=2):
    """Made-up figures of a network."""
    reading = {
        "relative_l2": [[error] * n_case] * 2, "query_identification": [[1.0] * n_case] * 2, "by_design": [error] * n_case,
    }  # fmt: skip
    return {
        "wired": reading,
        "outside": reading,
        "refitted": reading,
        "penalty": 1.0,
        "settled": 3,
        "answers": 4,
        "beyond": 0.02,
    }


def test_costs_are_relative_to_the_intact_circuit_on_the_same_sequence():
    rows = [{"form": "adaptive", "row": crutches.INTACT, "weights": k, **figures(0.1 * (k + 1))} for k in (0, 1)]
    rows += [{"form": "adaptive", "row": crutches.AFFINE, "weights": k, **figures(0.3 * (k + 1))} for k in (0, 1)]
    found = experiment.summarise(rows)[1]
    assert found["times"] == pytest.approx(3)
    assert found["times_interval"] == pytest.approx([3, 3])
    assert (found["settled"], found["answers"], found["beyond"]) == (6, 8, 0.02)
    assert experiment.summarise(rows[1:])[1]["times"] is None  # of other weights than the intact circuit


def test_intervals_are_over_weight_sets():
    """Sequences of one weight set share its disorder: if they agree and weight sets do not, the interval is as wide."""
    times = 1.0, 2.0, 4.0
    rows = [{"form": "adaptive", "row": crutches.INTACT, "weights": k, **figures(0.1, 8)} for k in range(3)]
    for k, each in enumerate(times):
        rows.append({"form": "adaptive", "row": crutches.AFFINE, "weights": k, **figures(0.1 * each, 8)})
    found = experiment.summarise(rows)[1]
    half = student.ppf(0.975, 2) * np.std(np.log(times), ddof=1) / 3**0.5
    assert found["times_interval"] == pytest.approx([2 * np.exp(-half), 2 * np.exp(half)])


def test_a_network_that_fails_is_said_and_the_rest_goes_on(monkeypatch):
    """Its line is in the table; what did not settle and what saturates is beside the errors."""

    def row_of(job, given, n_sequence, report=None):
        if job.row == crutches.AFFINE:
            raise RunError("the simulation diverged")
        return {**job._asdict(), **figures(0.1)}

    monkeypatch.setattr(experiment, "row_of", row_of)
    every = experiment.jobs(["adaptive"], 1, [crutches.INTACT, crutches.AFFINE])
    rows, failed, interrupted = experiment.run(every, {}, 2)
    assert (len(rows), interrupted) == (1, False)
    console = Console(width=150, record=True)
    console.print(experiment._tables(experiment.summarise(rows), failed))
    said = console.export_text()
    assert "failed: adaptive, affine currents, weights 0: the simulation diverged" in said
    assert "3/4" in said
    assert "2.0" in said


def test_every_row_of_a_form_is_drawn():
    rows = [{"form": "adaptive", "row": row, "weights": 0, **figures(0.1)} for row in crutches.VARIANTS["adaptive"]]
    panel = experiment.draw(experiment.summarise(rows)).axes[0]
    assert [each.get_text() for each in panel.get_yticklabels()] == list(crutches.VARIANTS["adaptive"])
