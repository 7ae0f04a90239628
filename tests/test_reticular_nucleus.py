"""Sparsemax, families of normalisation, and loops of relay and reticular nuclei."""

import json
from pathlib import Path

import numpy as np
import pytest
from brian2 import ms, mV
from scipy.optimize import LinearConstraint, minimize

from cortical_attention.cells.membranes.thalamic import CONDUCTANCE
from cortical_attention.circuits.reticular import N_RELAY, N_RETICULAR, PATTERNS, inhibition
from cortical_attention.experiments import reticular as experiment
from cortical_attention.reference.sparsemax import sparsemax
from cortical_attention.trials import reticular_designs as designs
from cortical_attention.trials.normalisations import fitted, hysteresis, shares, spectral_peak
from cortical_attention.trials.reticular import AWAKE, RELAYS, Loops, channel_rates, run
from cortical_attention.trials.reticular_verdict import figures_of
from tests.command import run as command

SCORES = np.random.default_rng(7).standard_normal((6, 8))


def settled(scores, loop, gain=15.0, theta=-1.8):
    """Rates of threshold-linear relays under common inhibition in proportion to their total rate, by bisection."""
    low, high = np.zeros((len(scores), 1)), np.full((len(scores), 1), 1e4)
    for _ in range(100):
        total = (low + high) / 2
        rates = gain * np.maximum(scores - theta - loop * total / (gain * scores.shape[1]), 0)
        more = rates.sum(axis=1, keepdims=True) > total
        low, high = np.where(more, total, low), np.where(more, high, total)
    return rates


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
def test_sparsemax_is_the_nearest_point_of_the_simplex(scale):
    """Against a quadratic program of scipy, which knows of no threshold."""
    for z in scale * SCORES:
        done = minimize(
            lambda p, z=z: ((p - z) ** 2).sum(), np.full(8, 1 / 8), jac=lambda p, z=z: 2 * (p - z), method="SLSQP",
            bounds=[(0, None)] * 8, constraints=LinearConstraint(np.ones((1, 8)), 1, 1), options={"ftol": 1e-14},
        )  # fmt: skip
        np.testing.assert_allclose(sparsemax(z), done.x, atol=1e-6)


def test_sparsemax_ignores_a_common_shift_and_refuses_what_is_not_finite():
    np.testing.assert_allclose(sparsemax(SCORES + 3), sparsemax(SCORES), atol=1e-12)
    np.testing.assert_allclose(sparsemax(SCORES).sum(axis=-1), 1)
    with pytest.raises(ValueError, match="finite scores"):
        sparsemax([0.0, np.nan])


@pytest.mark.parametrize("loop", [0.3, 3.0, 30.0])
def test_common_inhibition_is_sparsemax_at_the_temperature_of_total_rate_over_gain(loop):
    rates = settled(SCORES, loop)
    own = SCORES * 15.0 / rates.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares(rates), sparsemax(own), atol=1e-9)
    left, factor = fitted("sparsemax", own, rates, shares(rates))
    assert left < 1e-3
    assert factor == pytest.approx(1, abs=1e-3)
    assert fitted("softmax", own, rates, shares(rates))[0] > 0.05  # the control


def test_a_family_finds_its_own_parameter():
    alone = settled(SCORES, 0)
    for family, parameter in (("softmax", 1.7), ("power", 3.0), ("sparsemax", 0.4)):
        found = shares(alone**parameter) if family == "power" else None
        if found is None:
            z = parameter * SCORES
            found = sparsemax(z) if family == "sparsemax" else np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        assert fitted(family, SCORES, alone, found)[1] == pytest.approx(parameter, rel=1e-2)


@pytest.mark.parametrize("name", PATTERNS)
def test_inhibition_of_every_pattern_sums_to_its_strength(name):
    targets, sources, weights = inhibition([name, name], np.array([1.0, 2.0]) * CONDUCTANCE, 8)
    received = np.bincount(targets, np.asarray(weights / CONDUCTANCE)).reshape(2, -1)
    np.testing.assert_allclose(received, [[1.0], [2.0]] * np.ones((2, 8 * N_RELAY)))
    own = targets // N_RELAY == sources // N_RETICULAR
    assert own.any() == (name in ("closed", "broad"))
    assert (targets // (8 * N_RELAY) == sources // (8 * N_RETICULAR)).all()  # no synapses between circuits


def test_hysteresis_is_the_width_of_the_loop():
    scores = np.arange(5.0)
    up, down = np.array([[0, 0, 0, 1, 1.0]]).T, np.array([[1, 1, 1, 0, 0.0]]).T
    assert hysteresis(up, down, scores) == 3 - 1
    assert hysteresis(up, up[::-1], scores) == 3 - 2  # the step of the ramp


def test_a_peak_is_found_and_noise_has_none():
    time, rng = np.arange(600) * 0.005, np.random.default_rng(0)
    noise = rng.standard_normal((600, 3))
    frequency, power = spectral_peak(noise + 2 * np.sin(2 * np.pi * 10 * time)[:, None], 5 * ms, (7, 16))
    assert frequency == pytest.approx(10, abs=0.34)
    assert power > 100 > 10 * spectral_peak(noise, 5 * ms, (7, 16))[1] / 5
    assert spectral_peak(np.zeros((600, 3)), 5 * ms, (7, 16)) == (0.0, 0.0)


def test_spikes_under_broad_inhibition_are_nearer_to_sparsemax_than_closed_loops_are():
    """Two circuits of fire-or-burst relays in numpy; the closed loop does not sharpen, which is the control."""
    scores, relay = np.tile(SCORES[0], (3, 1)), RELAYS["fire_or_burst"]
    strengths, held = np.array([0.0, 0.04, 0.04]), np.full(3, AWAKE / mV) * mV
    loops = Loops(("broad", "broad", "closed"), strengths, relay.current(scores)[None], held)
    spikes = run(relay, loops, 1000 * ms, 3, target="numpy")["relay"]
    alone, broad, closed = channel_rates(spikes, 8, 500 * ms)[1]
    found = shares(broad)
    own = 15.5 * scores[:1] / broad.sum()  # the gain that `gains` measures without a loop
    assert np.linalg.norm(sparsemax(own)[0] - found) < 0.1 * np.linalg.norm(found)
    assert np.linalg.norm(shares(closed) - found) > 0.3 * np.linalg.norm(found)
    assert broad.sum() < alone.sum() / 2


def test_a_gate_by_key_stays_in_the_family_of_gains():
    found = sparsemax(designs.scores_of([3]))
    (row,) = designs.key_gate("fire_or_burst", [3], found)
    assert row["gain"] < 1e-12
    assert min(row["weighing"], row["paper"], row["selection_by_key"]) > 0.05  # controls


def invented(off):
    """Rows of every design as an ideal circuit would give them, `off` from them."""
    selection = [
        {"pattern": "broad", "centred": False, "T_current": T, "strength": w, "seed": k,
         "sparsemax": 0.05 + off, "softmax": 0.2, "softmax, one temperature": 0.2,
         "sparsemax, one temperature": 0.07 + off, "sparsemax, factor": 1 / (1.1 + 3 * off),
         "total": 100 / (1 + 20 * w * (1 - 5 * off))}
        for w in (0.0, 0.1, 1.0) for T in (True, False) for k in range(3)
    ]  # fmt: skip
    ramps = [
        {"pattern": pattern, "strength": w, "seed": k, "hysteresis": width}
        for pattern, width in (("lateral", 2 - 20 * off), ("broad", 0.2 + 20 * off)) for w in (0.2, 0.3) for k in range(3)
    ]  # fmt: skip
    rhythms = [
        {"pattern": "broad", "strength": 0.1, "held": held, "relays": relays, "T_current": T, "seed": k,
         "frequency": 10 + 200 * off, "power": 300.0 - 2500 * off if held == -78 and T else 10 + 2000 * off}
        for held in (-78.0, -62.0) for relays in ("resting", "awake") for T in (True, False) for k in range(3)
    ]  # fmt: skip
    gates = [{"seed": k, "gain": 1e-16 + off, "selection_by_key": 0.6 - 2 * off} for k in range(3)]
    return {"selection": selection, "ramps": ramps, "rhythms": rhythms, "gates": gates}


@pytest.mark.parametrize(("off", "outcome"), [(0.0, "held"), (0.1, "missed")])
def test_predictions_can_be_missed(off, outcome):
    figures = figures_of({cell: invented(off) for cell in RELAYS})
    assert {name: each["outcome"] for name, each in figures.items()} == dict.fromkeys(figures, outcome)
    assert len(figures) == 2 * 12 + 2
    assert {each.held for each in experiment.judge(figures)} == {outcome == "held"}


def test_spindles_with_an_awake_nucleus_miss_the_prediction():
    rows = invented(0.0)
    for row in rows["rhythms"]:
        row["power"] = 300.0
    assert figures_of({"fire_or_burst": rows})["spindles_fire_or_burst"]["outcome"] == "missed"


def test_the_command_writes_its_result(tmp_path, monkeypatch):
    """With invented rows of ramps and rhythms, whose simulations take too long for a test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "RELAYS", {"fire_or_burst": RELAYS["fire_or_burst"]})
    small = [designs.Condition("broad", strength) for strength in (0.0, designs.GATED)]
    monkeypatch.setattr(designs, "selective", lambda cell: small)
    monkeypatch.setattr(designs, "N_QUERY", 1)
    monkeypatch.setattr("cortical_attention.trials.reticular.COPIES", 2)
    monkeypatch.setattr(designs, "ramp", lambda *_, **__: invented(0.0)["ramps"])
    monkeypatch.setattr(designs, "rhythm", lambda *_, **__: [row | {"rate": 1.0} for row in invented(0.0)["rhythms"]])
    done = command("reticular", "--quick", "--seeds", 2, "--target", "numpy", "--out", "result")
    assert done.exit_code == 0, done.output
    result = json.loads(Path("result/reticular.json").read_text())
    assert {path.name for path in Path("result").iterdir()} == {"reticular.json", "reticular.png", "run.json"}
    assert result["figures"]["sparsemax_fire_or_burst"]["value"] < 0.1
    assert len(result["rows"]) == 4


@pytest.mark.parametrize(("option", "value"), [("--seeds", 1), ("--seed", -1), ("--target", "gpu")])
@pytest.mark.parametrize("name", ["reticular", "relays", "drivers", "layer_6"])
def test_what_is_refused(name, option, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = command(name, option, value)
    assert refused.exit_code == 2
    assert option in refused.stderr
    assert not list(tmp_path.iterdir())
