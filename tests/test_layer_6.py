"""Layer 6 above relays: its circuit, what light does to relays, temperatures, and the experiment about them."""

import json
from pathlib import Path

import numpy as np
import pytest
from brian2 import ms, mV

from cortical_attention.cells.membranes.fire_or_burst import FIRE_OR_BURST
from cortical_attention.cells.membranes.thalamic import CONDUCTANCE, DENSITY, holding
from cortical_attention.circuits.layer_6 import METABOTROPIC, N_LAYER_6, Strengths, layer_6_circuit
from cortical_attention.circuits.nucleus import POTASSIUM, Held, Nucleus
from cortical_attention.circuits.protocol import RunError
from cortical_attention.experiments import layer_6 as experiment
from cortical_attention.reference.curves import CURVES, subtracted
from cortical_attention.simulation.nuclei import simulate
from cortical_attention.trials import layer_6 as trial
from cortical_attention.trials import temperature
from tests.command import run

LEAK, V = 0.035 * CONDUCTANCE, -58 * mV


def circuit(relay, n_slot=4, n_circuit=1):
    """Nuclei and projections of circuits of two channels of three relays; layer 6 is lit from the second slot on."""
    current = holding(FIRE_OR_BURST, V, [(LEAK, POTASSIUM)])
    nucleus = Nucleus("relay", FIRE_OR_BURST, 6 * n_circuit, current, 0 * mV, (), (Held(LEAK, POTASSIUM),))
    light = np.repeat([[0.0]] + [[2.2]] * (n_slot - 1), n_circuit, axis=1) * DENSITY
    none = np.zeros(n_circuit)
    return layer_6_circuit(nucleus, light, Strengths(relay, none, none, none, none), 2, 3)


# Circuit
def test_layer_6_ends_on_its_own_channel():
    _, projections = circuit(np.array([0.02, 0.0]), n_circuit=2)
    (only,) = projections  # strengths of zero are no synapses
    targets, sources, weights = only.weights
    np.testing.assert_array_equal(targets // 3, sources // N_LAYER_6)
    assert targets.max() < 6  # the first circuit alone
    np.testing.assert_allclose(np.bincount(targets, weights / CONDUCTANCE), -0.02)  # a spike of each cell


def test_relays_depolarise_as_their_leak_closes():
    """Potential of a silent relay: that at which all currents balance, with the leak that layer 6 leaves."""
    nuclei, projections = circuit(np.array([0.002]), n_slot=9)
    traces = {"relay": (("v", f"g_{METABOTROPIC.name}"), [0])}
    found = simulate(nuclei, projections, slot=100 * ms, n_slot=9, seed=3, target="numpy", traces=traces)
    v, g = (found["relay"].traces[name][:, 0] for name in ("v", f"g_{METABOTROPIC.name}"))
    assert v[900] == pytest.approx(float(V), abs=1e-4)
    rate = found["layer_6"].rates(100 * ms)[5:, :N_LAYER_6].mean()  # of the channel of this relay
    closed = 0.002 * rate * float(METABOTROPIC.tau) * float(CONDUCTANCE)
    assert -g[6000:].mean() == pytest.approx(closed, rel=0.05)
    c, left = FIRE_OR_BURST.constants, float(LEAK) - closed
    current = float(holding(FIRE_OR_BURST, V, [(LEAK, POTASSIUM)]))
    balance = (float(c["g_L"] * c["E_L"]) + left * float(POTASSIUM) + current) / (float(c["g_L"]) + left)
    assert v[6500:].mean() == pytest.approx(balance, abs=1e-3)
    assert balance > float(V) + 4e-3


def test_more_leak_than_there_is_cannot_be_closed(monkeypatch):
    monkeypatch.setattr(trial, "SLOT", 10 * ms)
    monkeypatch.setattr(trial, "N_CHANNEL", 2)
    monkeypatch.setattr(trial, "CONDITIONS", {trial.ASKED: trial.Condition(trial.TONIC, 3.0)})
    with pytest.raises(RunError, match="of the potassium leak of 'fire_or_burst' relays, which is more than there is"):
        trial.run_cell("fire_or_burst", 1, 1, 0, "numpy")


# Temperature
def test_the_temperature_of_a_sparsemax_is_found():
    scores = np.random.default_rng(0).standard_normal((6, 8))
    scaled = 0.4 * scores
    shares = CURVES["rectifier"](scaled - subtracted(scaled, CURVES["rectifier"])[..., None])
    b, left = temperature.fitted(scores, 30 * shares)
    assert b == pytest.approx(0.4, rel=1e-3)
    assert left < 1e-3
    assert temperature.fitted(scores, np.exp(2 * scores))[1] > 0.05  # negative control: a softmax


def test_threshold_linear_relays_have_the_temperature_r_over_g():
    """r = G max(s - theta, 0) with one theta: the sparsemax of s / T, T = R / G, so both temperatures agree."""
    scores = np.random.default_rng(1).standard_normal((5, 8))
    rates = 12 * np.maximum(scores + 0.3, 0)  # several fire: a single one is the same at all low temperatures
    found = [temperature.fitted(scores[[k]], rates[[k]])[0] for k in range(5)]
    np.testing.assert_allclose(1 / np.array(found), rates.sum(axis=-1) / 12, rtol=1e-3)
    assert temperature.gain(scores, 20 + 5 * scores) == pytest.approx(5)


# Experiment
FIELD = 2 + 8 * np.exp(2 * np.cos(2 * np.pi * np.arange(12) / 12) - 2)


def measured(lit=2.5, late=5):
    """What a cell does whose fields are multiplied by light, in three draws, of 200 spikes `late` in bursts."""
    rates = np.array([np.roll(FIELD, k) for k in range(12)])  # (stimulus, channel)
    n = len(experiment.CONDITIONS)
    draws = 1 + 0.02 * np.arange(3)[:, None, None, None]
    both = np.array([draws * np.tile(rates, (3, n, 1, 1)), lit * draws * np.tile(rates, (3, n, 1, 1))])
    bursting = np.array([np.full((3, n), 100), np.full((3, n), late)])
    flat = np.ones((trial.N_SLOT, n))
    return {"rates": both, "first": np.full((3, n), 1.0), "bursting": bursting, "spikes": np.full((2, 3, n), 200),
            "course": flat, "layer_6": flat, "reticular": flat, "closed": 0.5}  # fmt: skip


def temperatures(ratio=1.1):
    """Rows of temperatures that fall with light."""
    return [
        {"path": path, "light": light, "layer_6_Hz": 20 * light, "draw": draw, "temperature": 8 - 2 * light + 0.1 * draw,
         "by_rates": ratio * (8 - 2 * light + 0.1 * draw), "left": 0.1, "rate": 5.0}
        for path in temperature.PATHS for light in (0.0, 2.0) for draw in range(3)
    ]  # fmt: skip


def outcomes(each, **given):
    """Outcomes of all figures, if both cells do the same."""
    rows = [row for cell in experiment.RELAYS for row in experiment.rows_of(cell, each)]
    return {name: found["outcome"] for name, found in experiment.figures_of(rows, temperatures(**given)).items()}


def test_predictions_can_be_missed():
    good = outcomes(measured())
    for name in ("gain", "cosine", "doubled", "correlation", "burst_share", "transient"):
        assert good[f"{name}_fire_or_burst"] == "held", name
    assert good["temperature"] == good["cooled"] == "held"
    bad = outcomes(measured(lit=1.5, late=80), ratio=1.4)
    for name in ("gain_low_threshold", "burst_share_low_threshold", "temperature"):
        assert bad[name] == "missed", name
    other = measured()
    other["rates"][1] = np.roll(other["rates"][1], 4, axis=2)
    assert outcomes(other)["cosine_fire_or_burst"] == "missed"


def test_receptive_fields_are_turned_to_their_preferred_stimulus():
    np.testing.assert_allclose(experiment.field_of(measured()["rates"][0, 0, 0]), FIELD)
    assert experiment.cosine(FIELD, np.ones(12)) < 0.95  # negative control: a flat field


def test_the_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "run_cell", lambda *given: measured())
    monkeypatch.setattr(experiment, "temperatures_of", lambda *given: temperatures())
    monkeypatch.setattr(experiment, "measure", lambda *given: ())
    done = run("layer_6", "--quick", "--seeds", 3, "--cells", 2, "--out", "result")
    assert done.exit_code == 0, done.output
    assert {path.name for path in Path("result").iterdir()} == {"layer_6.json", "layer_6.png", "run.json"}
    result = json.loads(Path("result/layer_6.json").read_text())
    assert {"cosine_fire_or_burst", "gain_low_threshold", "burst_share_fire_or_burst"} <= result["figures"].keys()
    assert len(result["rows"]) == 2 * len(experiment.CONDITIONS) * 3
    given = json.loads(Path("result/run.json").read_text())["parameters"]
    assert (given["seeds"], given["cells"]) == (3, 2)  # what is given wins over --quick


@pytest.mark.parametrize(("option", "value"), [("--seeds", 1), ("--cells", 0), ("--seed", -1)])
def test_what_is_refused(option, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = run("layer_6", option, value)
    assert refused.exit_code == 2
    assert option in refused.stderr
    assert not list(tmp_path.iterdir())
