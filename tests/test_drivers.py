"""Drivers and modulators: the algebra of gates and gains, relays that multiply, and the experiment about them."""

import json
from pathlib import Path

import numpy as np
import pytest
from brian2 import ms

from cortical_attention.experiments import drivers as experiment
from cortical_attention.inputs.suite import random_case
from cortical_attention.reference.attention import softmax_attention
from cortical_attention.reference.driver_modulator import (
    frozen_key_attention,
    gain_of,
    gated,
    homogeneity,
    least_error,
    left_by_product,
    left_by_sum,
)
from cortical_attention.simulation.nuclei import simulate
from cortical_attention.trials import drivers
from cortical_attention.trials.gates import fitted_error, gains_of
from tests.command import run

RISING = np.array([0.0, 2.0, 3.0, 5.0, 6.0, 6.5, 7.0, 7.2])  # a saturating response to driver rates
GAINS = np.array([0.2, 0.4, 0.6, 0.8, 1.0])


# Algebra
def test_a_frozen_key_with_a_sink_is_a_gate():
    rng = np.random.default_rng(0)
    d, m, w = rng.standard_normal((20, 6)), rng.standard_normal((20, 4)), rng.standard_normal(4)
    right = np.array([each / (1 + np.exp(-(other @ w + 0.3))) for each, other in zip(d, m, strict=True)])
    np.testing.assert_allclose(frozen_key_attention(d, m, w, 0.3), right, rtol=1e-12)
    np.testing.assert_allclose(gated(d, m, w, 0.3), right, rtol=1e-12)
    assert homogeneity(lambda x: frozen_key_attention(x, m, w), d) < 1e-12


def test_keys_of_the_driver_are_not_homogeneous():
    case = random_case(1, 4, scale=2.0)
    asks = np.random.default_rng(2).standard_normal(case.tokens.shape)
    assert homogeneity(lambda x: softmax_attention(asks, case.block, context=x).output, case.tokens) > 0.05


def test_a_product_and_a_sum_are_told_apart():
    product, both = np.outer(RISING, GAINS), RISING[:, None] + GAINS
    assert left_by_product(product) < 1e-12 < 0.1 < left_by_sum(product)
    assert left_by_sum(both) < 1e-12 < 0.01 < left_by_product(both)
    np.testing.assert_allclose(gain_of(product), GAINS)


def test_no_mixture_of_scalar_gains_is_nearer_than_the_bound():
    """The bound is that of the eigenvalues, and a mixture that is found by alternating least squares reaches it."""
    gains = np.random.default_rng(0).uniform(0.1, 1, (300, 5))
    values = np.linalg.eigvalsh(gains.T @ gains / 300)[::-1]
    for heads in (1, 2, 4):
        assert least_error(gains, heads) == pytest.approx(np.sqrt(1 - values[:heads].sum() / values.sum()))
        mixed = np.random.default_rng(1).standard_normal((heads, 5))
        for _ in range(300):
            scalar = np.linalg.lstsq(mixed.T, gains.T, rcond=None)[0].T
            mixed = np.linalg.lstsq(scalar, gains, rcond=None)[0]
        left = np.linalg.norm(scalar @ mixed - gains) / np.linalg.norm(gains)
        assert least_error(gains, heads) - 1e-9 <= left == pytest.approx(least_error(gains, heads), abs=1e-3)
    assert least_error(gains, 5) < 1e-7


def test_fitted_heads_come_near_the_bound_and_one_head_does_not_do_for_many_gains():
    rng = np.random.default_rng(3)
    train, test = [], []
    weights = None
    for problem in (train, test):
        levels, gains, weights = gains_of(600, 3, 3, lambda m: 0.2 + 0.8 * m, rng, weights)
        problem += [levels, gains, rng.uniform(0, 1, (600, 3))]
    for heads in (1, 2):
        assert fitted_error(train, test, heads, rng) == pytest.approx(least_error(test[1], heads), abs=0.02)
    assert fitted_error(train, test, 1, rng) > 0.1 > fitted_error(train, test, 3, rng)


@pytest.mark.parametrize("answer", [gated, frozen_key_attention])
def test_shapes_that_do_not_fit_are_refused(answer):
    with pytest.raises(ValueError, match=r"have shapes \(2, 3\), \(3, 2\) and \(2,\), which do not fit"):
        answer(np.ones((2, 3)), np.ones((3, 2)), np.ones(2))
    with pytest.raises(ValueError, match="heads is -1"):
        least_error(np.ones((5, 3)), -1)


# Circuit
def test_depolarisation_multiplies_depressing_drivers():
    relay = drivers.RELAYS["fire_or_burst"]
    drawn = np.array([[0.0], [1.0], [1.0]])
    nucleus = drivers.nucleus_of("relay", relay, "depressing", 6, drawn)
    spikes = simulate([nucleus], slot=200 * ms, n_slot=4, seed=5, target="numpy")["relay"]
    shape = len(drivers.MODULATORS), len(drivers.LEVELS), len(drivers.RATES), 6
    rates = spikes.rates(200 * ms)[1:].mean(axis=0).reshape(shape).mean(axis=-1)
    depolarised = rates[drivers.MODULATORS.index(drivers.DEPOLARISED)]
    assert depolarised[-1, -1] > 2 * depolarised[0, -1]  # gain
    assert depolarised[-1, 0] < 0.1 * depolarised[-1, -1]  # a modulator alone does not drive
    assert left_by_product(depolarised) < left_by_sum(depolarised)


def test_fewer_reticular_cells_fire_at_higher_levels_and_inhibit_their_own_level():
    current = np.asarray(drivers.reticular_of(2).current).reshape(2, len(drivers.LEVELS), -1)
    fires = (current > 0).sum(axis=-1)
    assert (np.diff(fires, axis=1) < 0).all()
    assert (fires[:, -1] == 0).all()
    targets, sources, weights = drivers.inhibition_of(drivers.RELAYS["fire_or_burst"], 3, np.ones((3, 2)))
    size = len(drivers.RATES) * 3
    np.testing.assert_array_equal(targets // size % len(drivers.LEVELS), sources // drivers.N_RETICULAR % 5)
    assert set(targets // (size * len(drivers.LEVELS)) % len(drivers.MODULATORS)) == {3}
    assert float(weights.sum()) > 0


# Experiment
def surfaces(surface):
    """Surfaces of every cell, driver and modulator, in three draws; of drivers that do not depress a sum."""
    made = {"depressing": surface, "plain": 5 * RISING[:, None] + GAINS}
    rng = np.random.default_rng(0)
    return {
        (cell, driver, modulator): made[driver] + 0.01 * rng.uniform(size=(3, *surface.shape))
        for cell in drivers.RELAYS
        for driver in drivers.DRIVERS
        for modulator in drivers.MODULATORS
    }


def outcomes(surface):
    """Outcomes of the figures of both cells, without those of the algebra."""
    rows, algebra = experiment.rows_of(surfaces(surface)), experiment.algebra_of(0, 3)
    price = [{"latent": 16, "draw": k, "fitted": 0.31 + 0.001 * k, "bound": 0.3} for k in range(3)]
    return {name: each["outcome"] for name, each in experiment.figures_of(rows, price, algebra).items()}


def test_a_product_holds_and_a_sum_is_missed():
    held = outcomes(np.outer(RISING, GAINS))
    assert {held[f"{name}_fire_or_burst"] for name in ("rank_one", "additive", "plain", "alone", "cosine")} == {"held"}
    assert held["identity"] == held["heads"] == "held"
    missed = outcomes(RISING[:, None] + 10 * GAINS)
    assert missed["additive_low_threshold"] == missed["alone_low_threshold"] == "missed"


def test_responses_are_compared_where_the_gain_has_doubled():
    assert experiment.cosine_where_doubled(np.outer(RISING, GAINS)) == pytest.approx(1)
    turned = np.outer(RISING, GAINS)
    turned[:, :3] = turned[::-1, :3]
    assert experiment.cosine_where_doubled(turned) < 0.9
    assert experiment.cosine_where_doubled(np.outer(RISING, 0.6 + 0.4 * GAINS)) is None


def test_the_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "measure", lambda *given: (surfaces(np.outer(RISING, GAINS)), np.zeros(5)))
    monkeypatch.setattr(experiment, "N_CONTEXT", 300)
    done = run("drivers", "--quick", "--seeds", 3, "--out", "result")
    assert done.exit_code == 0, done.output
    assert {path.name for path in Path("result").iterdir()} == {"drivers.json", "drivers.png", "run.json"}
    result = json.loads(Path("result/drivers.json").read_text())
    assert {"rank_one_fire_or_burst", "additive_low_threshold", "identity", "heads"} <= result["figures"].keys()
    assert len(result["rows"]) == 2 * 2 * 5 * 3
    given = json.loads(Path("result/run.json").read_text())["parameters"]
    assert (given["seeds"], given["cells"]) == (3, experiment.QUICK[1])  # what is given wins over --quick


@pytest.mark.parametrize(("option", "value"), [("--seeds", 1), ("--cells", 0), ("--seed", -1)])
def test_what_is_refused(option, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = run("drivers", option, value)
    assert refused.exit_code == 2
    assert option in refused.stderr
    assert not list(tmp_path.iterdir())
