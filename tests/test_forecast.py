"""Error that is predicted of biophysical cells: its closed forms, what it is made of, and where there is none."""

import io
import json
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import second
from rich.console import Console

from cortical_attention.cells.forms.biophysical import BIOPHYSICAL
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.membranes.product import map_product, map_quotient
from cortical_attention.cells.membranes.two_compartment import READOUTS, Surface, TwoCompartment
from cortical_attention.command import options as o
from cortical_attention.command.tables import say_forecast
from cortical_attention.experiments import forecast as experiment
from cortical_attention.inputs.cases import save
from cortical_attention.inputs.suite import random_case
from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.block import Block
from cortical_attention.simulation.attend import Settings, calibrate
from cortical_attention.trials.forecast import Forecast, Losses, cancellation, forecast, forecasts_for, losses
from tests.command import BRIEF, run, saved

COUNTED = 160 * second
TINY = {"n_head": 2, "d_model": 4, "d_key": 2, "d_value": 2, "scale": 2.0}
RANGES = TwoCompartment.dynamics.basal, TwoCompartment.dynamics.apical
OF_FORM = "cortical_attention.cells.forms.biophysical"


def made_up(cell):
    """A surface that is the product of two soft thresholds, in place of one that is measured for seconds."""
    soma, dendrite = (1 / (1 + np.exp(-(each - 300) / 150)) for each in RANGES)
    return Surface(*RANGES, dict.fromkeys(READOUTS, 60 * np.outer(soma, dendrite)))


def spread(surface, readout, basal, apical, *others):
    """In place of a fit: a loss that depends on every sample."""
    return SimpleNamespace(loss=float(np.var(basal) * np.mean(apical) ** 2))


FITS = ("map_product", "map_quotient")


@pytest.fixture
def quick(monkeypatch):
    """Fits on a surface that is not measured."""
    monkeypatch.setattr(f"{OF_FORM}.surface_of", made_up)


@pytest.fixture
def instant(quick, monkeypatch):
    """No fits either."""
    for name in FITS:
        monkeypatch.setattr(f"{OF_FORM}.{name}", spread)


def uniform(W_V, W_O):
    """A block of one head whose attention is uniform."""
    nothing = np.zeros((1, 2, W_V.shape[1]))
    return Block(nothing, nothing, W_V[None], W_O[None])


def asked(case):
    """Tokens and block, as `cancellation` takes them."""
    return case.tokens, case.block


# Cancellation
def test_orthogonal_terms_have_a_cancellation_of_one():
    assert cancellation(np.eye(5), uniform(np.eye(5), np.eye(5))) == pytest.approx(1)


def test_equal_terms_average_each_other_out():
    found = cancellation(np.ones((9, 3)), uniform(np.ones((1, 3)), np.ones((3, 1))))
    assert found == pytest.approx(1 / 3)


def test_it_is_the_root_of_the_sum_of_squares_of_all_terms():
    """Against a loop over heads, tokens, context and components, with biases, a mask and several sequences."""
    drawn = random_case(1, 3, 4, **TINY)
    block = drawn.block._replace(b_V=np.array([[0.3, -1], [2, 0.1]]), b_K=np.full((2, 2), 0.5))
    mask = np.array([[True, True, False, True]] * 2 + [[True] * 4])
    tokens, context = np.stack([drawn.tokens, -drawn.tokens]), np.stack([drawn.context, 2 * drawn.context])
    terms, answers = 0, 0
    for one, other in zip(tokens, context, strict=True):
        attention = linear_attention(one, block, context=other, mask=mask)
        answers += (attention.output**2).sum()
        for h, i, j, v in np.ndindex(2, 3, 4, 2):
            value = block.W_V[h, v] @ other[j] + block.b_V[h, v]
            terms += ((block.W_O[h, :, v] * attention.kappa[h, i, j] * value) ** 2).sum()
    found = cancellation(tokens, block, context=context, mask=mask)
    assert found == pytest.approx(np.sqrt(terms / answers))


@pytest.mark.parametrize("weights", ["W_O", "W_V"])
def test_twice_the_weights_leave_it(weights):
    case = random_case(2, 4, **TINY)
    twice = case.block._replace(**{weights: 2 * getattr(case.block, weights)})
    assert cancellation(case.tokens, twice) == pytest.approx(cancellation(*asked(case)))


def test_opposite_heads_raise_it_by_a_known_factor():
    """A second head that takes back 0.9 of the first leaves a tenth of the answer, of as many terms and 0.81 as many."""
    case = random_case(2, 4, **TINY | {"n_head": 1})
    both = Block(*(np.concatenate([W, W]) for W in case.block[:4]))
    both = both._replace(W_O=both.W_O * np.array([1, -0.9])[:, None, None])
    assert cancellation(case.tokens, both) == pytest.approx(np.sqrt(1.81) / 0.1 * cancellation(*asked(case)))


def test_an_answer_of_zero_has_no_finite_cancellation():
    assert cancellation(np.ones((2, 3)), uniform(np.zeros((1, 3)), np.ones((3, 1)))) == np.inf


# Losses
def test_it_is_of_the_fits_that_the_circuit_is_calibrated_with(quick, monkeypatch):
    """Currents from the algebra are those from a run of the rate form, with biases and a mask."""
    fits = []

    def noting(fit, *given):
        fits.append(fit(*given))
        return fits[-1]

    for fit in (map_product, map_quotient):
        monkeypatch.setattr(f"{OF_FORM}.{fit.__name__}", partial(noting, fit))
    case = random_case(3, 3, **TINY)
    block = case.block._replace(b_Q=np.full((2, 2), 0.4), b_V=np.array([[0.3, -1], [2, 0.1]]))
    case = case._replace(block=block, mask=np.tri(3, 3, -1, dtype=bool))  # the first asks nothing, nobody sees the last
    found = losses(case, BIOPHYSICAL, COUNTED)
    settings = Settings(form=BIOPHYSICAL, window=4 * second, cells=40, target="numpy")
    calibrate("mask", case.calibration, settings, mask=case.mask, **case.block._asdict())
    own, others = ([each.loss for each in part] for part in (fits[:2], fits[2:]))
    assert found == tuple(own) == pytest.approx(others[::-1], rel=1e-3)  # L5 is calibrated first
    unlike = losses(case._replace(mask=None), BIOPHYSICAL, COUNTED)
    assert unlike.intratelencephalic != pytest.approx(found.intratelencephalic, rel=1e-2)


def test_fewer_counts_lose_more(quick):
    case = random_case(3, 3, **TINY)
    many, few = (losses(case, BIOPHYSICAL, counted) for counted in (COUNTED, COUNTED / 100))
    assert all(less < more for less, more in zip(many, few, strict=True))


# The forecast
def test_it_is_the_root_of_the_summed_losses_times_the_cancellation():
    assert Forecast(3.0, Losses(0.03, 0.13)).relative_l2 == pytest.approx(1.2)


def test_it_reads_neither_the_tested_tokens_nor_a_network(instant, monkeypatch):
    """From calibration sequences alone the tokens may be anything; with tokens only c_rss is theirs. Nothing runs."""
    monkeypatch.setattr("cortical_attention.simulation.attend.run", None)
    case = random_case(4, 3, **TINY)
    unknown = case._replace(tokens=np.full_like(case.tokens, np.nan), targets=case.tokens)
    alone = forecast(case, BIOPHYSICAL, COUNTED, tokens=False)
    assert forecast(unknown, BIOPHYSICAL, COUNTED, tokens=False) == alone
    found = forecast(case, BIOPHYSICAL, COUNTED)
    assert found.losses == alone.losses
    assert (
        found.cancellation
        == cancellation(*asked(case))
        != alone.cancellation
        == cancellation(case.calibration, case.block)
    )


def test_without_calibration_sequences_it_draws_those_of_the_circuit(instant):
    case = random_case(4, 3, 2, **TINY)._replace(calibration=None, calibration_context=None)
    found = forecast(case, BIOPHYSICAL, COUNTED, tokens=False)
    other = forecast(case._replace(tokens=3 * case.tokens), BIOPHYSICAL, COUNTED, tokens=False)
    assert 0 < found.losses.superficial != other.losses.superficial


def test_a_form_without_such_cells_is_refused():
    with pytest.raises(ValueError, match="'spiking' has no L2/3 and L5 IT cells"):
        losses(random_case(4, 3, **TINY), SPIKING, COUNTED)


def test_inputs_of_one_block_have_the_forecasts_that_they_have_alone(instant):
    case, options = random_case(5, 3, **TINY), o.check(form="biophysical", cells=40, duration=4.0)
    cases = [case, case._replace(tokens=2 - case.tokens)]
    found = forecasts_for(cases, options)
    assert found == [forecast(each, BIOPHYSICAL, COUNTED).relative_l2 for each in cases]
    assert found[0] != found[1]


@pytest.mark.parametrize(
    "given",
    [{"form": "rate"}, {"form": "adaptive"}, {"wiring": "memory"}, {"calibrate_on_input": True}],
    ids=["rate", "adaptive", "memory", "on input"],
)
def test_nothing_is_expected_of(given, instant):
    case, expected = random_case(5, 3, **TINY), {"form": "biophysical"}
    assert forecasts_for([case], o.check(**expected))[0] > 0
    assert forecasts_for([case, case], o.check(**expected | given)) == [None, None]


# The command
def test_compare_says_it_before_a_run(instant, tmp_path):
    save(random_case(5, 3, **TINY), tmp_path / "case.npz")
    result = run("compare", tmp_path / "case.npz", "--form", "biophysical", "--plan", "--json")
    (plan,) = json.loads(result.stdout).values()
    assert f"predicts a relative L2 of {100 * plan['forecast_relative_l2']:.2f} %" in " ".join(result.stderr.split())


def test_another_form_has_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("compare", saved(), *BRIEF, "--out", "done")
    assert json.loads((tmp_path / "done" / "comparison.json").read_text())["forecast_relative_l2"] is None
    assert "predicts" not in result.stdout + result.stderr


@pytest.mark.parametrize(("null", "warns"), [(0.1, True), (0.3, False), (None, False)])
def test_a_warning_where_a_null_is_nearer(null, warns):
    said = io.StringIO()
    say_forecast(0.2, null, Console(file=said, width=200))
    assert "relative L2 of 20.00 %" in said.getvalue()
    assert ("warning: the best null model leaves 10.00 %" in said.getvalue()) == warns


# The experiment
def rows_of(predicted, measured, kind="suite"):
    """Rows of inputs with a block each."""
    return [
        {"kind": kind, "block": str(k), "case": f"case {k}", "predicted": x, "measured": y}
        for k, (x, y) in enumerate(zip(predicted, measured, strict=True))
    ]


def test_agreement_of_a_predictor_that_is_off_by_a_factor():
    x = np.array([0.05, 0.1, 0.2, 0.4, 0.8])
    found = experiment.agreement_of(rows_of(x, 0.5 * x), "predicted")
    assert found["inputs"][0] == found["blocks"][0] == pytest.approx(1)
    assert (found["slope"], found["median_ratio"], found["largest_ratio"]) == pytest.approx((1, 0.5, 2))
    assert experiment.agreement_of(rows_of(x[:3], x[:3]), "predicted")["inputs"] is None


def test_warnings_are_counted_where_they_are_right_and_where_not():
    rows = rows_of([0.5, 0.5, 0.1, 0.1], [0.4, 0.2, 0.4, 0.2])
    found = experiment.warned([row | {"best_null": 0.3} for row in rows])
    assert found == {"inputs": 4, "worse": 2, "said": 1, "in_vain": 1}


def test_digits_do_not_carry_what_is_said_without_them():
    rows = rows_of([0.1, 0.2, 0.4, 0.8], [0.2, 0.1, 0.1, 0.2]) + rows_of([5.0], [5.0], "digits")
    found = experiment.agreements_of([row | dict.fromkeys(experiment.PREDICTORS, row["predicted"]) for row in rows])
    assert found["all"]["predicted"]["inputs"][0] > 0.8
    assert abs(found["without digits"]["predicted"]["inputs"][0]) < 0.1


def test_inputs_of_one_block_count_once():
    rows = rows_of([0.1, 0.2, 0.3, 0.4, 0.5], [0.1, 0.3, 0.2, 0.4, 0.6])
    before = experiment.agreement_of(rows, "predicted")
    after = experiment.agreement_of([*rows, *[rows[1]] * 20], "predicted")
    assert after["blocks"] == pytest.approx(before["blocks"])
    assert after["inputs"][0] < before["inputs"][0]


def test_predictions_can_fail():
    x = np.array([0.05, 0.08, 0.2, 0.4])
    good = [*rows_of(x, x), *rows_of([0.5], [0.5], "digits")]
    assert [each.held for each in experiment.judge(good)] == [True] * 3
    bad = [*rows_of(x, x[::-1]), *rows_of([0.2], [0.01], "digits")]
    assert [each.held for each in experiment.judge(bad)] == [False] * 3
    assert "no input" in experiment.judge(rows_of([0.2], [0.9]))[-1].measured


def test_inputs_are_as_many_as_were_asked_for():
    pytest.importorskip("sklearn")
    found = experiment.jobs(experiment.KINDS, tokens=8, weights=1, sequences=2, matches=4, images=3)
    count = {kind: sum(len(job.cases) for job in found if job.kind == kind) for kind in experiment.KINDS}
    assert count == {"suite": 7, "design": 12, "match": 4, "digits": 3}
    assert len({job.name for job in found}) == len(found)
