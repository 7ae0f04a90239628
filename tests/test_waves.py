"""Travelling waves: the algebra, the protocol of a carrier, what is left of it, the circuit, and the experiment."""

import json
from pathlib import Path

import numpy as np
import pytest
from brian2 import Hz, ms, second
from scipy.signal import lfilter
from scipy.special import softmax

from cortical_attention.cells.forms.dale import DALE
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.tuft import AVERAGING, TUFTED
from cortical_attention.circuits.protocol import Times
from cortical_attention.circuits.waves import Lags, kept, lags_of, protocol_of, waves_wiring
from cortical_attention.experiments import waves as experiment
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.waves import wave_attention
from cortical_attention.simulation.attend import Settings, attend, calibrate
from cortical_attention.simulation.signals import SIGNALS
from cortical_attention.trials.constants import constants_of
from cortical_attention.wiring.expressions import WiringError
from tests.command import run

TIMES = Times(2 * second, 0.5 * second, 0.25 * second, 1 * ms)
CASE = random_case(3, 3, n_head=1, d_model=4, d_key=2, d_value=2, scale=2.0)
BLOCK = {name: each for name, each in CASE.block._asdict().items() if each is not None}
THETA, CAUSAL = np.array([0.0, 1.0, 2.0]), np.tril(np.ones((3, 3), dtype=bool))


# Algebra
def test_scores_are_the_mean_of_products_over_a_cycle():
    turns = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    W_Q, W_K, W_V, W_O = (each[0] for each in CASE.block[:4])
    q, k = (np.cos(turns[:, None] + THETA)[..., None] * (CASE.tokens @ W.T) for W in (W_Q, W_K))
    score = np.einsum("tik,tjk->ij", q, k) / len(turns) / np.sqrt(2)
    weight = softmax(np.where(CAUSAL, score, -np.inf), axis=1)
    found = wave_attention(CASE.tokens, CASE.block, THETA, mask=CAUSAL)
    np.testing.assert_allclose(found.kappa[0], weight, atol=1e-12)
    np.testing.assert_allclose(found.output, weight @ CASE.tokens @ W_V.T @ W_O.T, atol=1e-12)
    other = wave_attention(CASE.tokens, CASE.block, THETA, context_phase=-THETA, mask=CAUSAL)
    assert relative_l2(other.output, found.output) > 0.05  # a wave that runs backwards in one nucleus


def test_a_closed_row_is_zero_and_phases_need_to_fit():
    closed = wave_attention(CASE.tokens, CASE.block, THETA, mask=np.diag([False, True, True]))
    assert not closed.output[0].any()
    with pytest.raises(ValueError, match=r"context_phase has shape \(2,\)"):
        wave_attention(CASE.tokens, CASE.block, THETA, context_phase=THETA[:2])


# Protocol and carrier
@pytest.mark.parametrize("frequency", [2, 5, 10, 40])
def test_settling_and_quarters_of_the_window_are_whole_cycles(frequency):
    protocol = protocol_of(TIMES, frequency * Hz)
    quarters = np.array_split(protocol.windows, 4, axis=1)
    assert {each.shape[1] % protocol.cycle for each in quarters} == {0}
    assert protocol.windows[0, 0] % protocol.cycle == 0
    assert protocol.cycle * protocol.phase / second == pytest.approx(1 / frequency)
    assert protocol.phase <= 2 * ms
    assert protocol.duration >= 2.5 * second
    assert len(protocol.instants) == protocol.cycle


@pytest.mark.parametrize("exact", [False, True])
def test_what_is_kept_is_what_filters_leave(exact):
    """Of held cosines at two phases, after a soma and a dendrite, the mean product is kept**2 cos(difference) / 2."""
    lags, n, cycle = Lags(10 * ms, 5 * ms, exact=exact), 4, 25
    t = np.repeat(np.arange(40 * cycle), n)
    decays = 1 - 1 / 10, np.exp(-1 / 5) if exact else 1 - 1 / 5

    def filtered(phase):
        x = np.cos(2 * np.pi * t / cycle + phase)
        for r in decays:
            x = lfilter([1 - r], [1, -r], x)
        return x[-n * cycle :]

    left = kept(lags, cycle, n * ms, 1 * ms)
    assert np.mean(filtered(0.3) * filtered(1.5)) == pytest.approx(left**2 * np.cos(1.2) / 2, rel=2e-3)
    assert left < 0.9


def test_a_relay_takes_half_of_the_drive_under_dales_law():
    with_relay, without = (kept(each, 50, 2 * ms, 1 * ms) for each in (lags_of(DALE), lags_of(RATE)))
    t = np.arange(100 * 20)
    x = np.cos(2 * np.pi * t / 100)
    on, off = np.clip(x, 0, None), np.clip(-x, 0, None)
    drive = on - lfilter([0, 1 / 5], [1, -4 / 5], off)  # a step of Euler is late by one
    amplitude = 2 * abs(np.mean(drive[-100:] * np.exp(-2j * np.pi * t[:100] / 100)))
    assert with_relay / without == pytest.approx(amplitude, rel=1e-3)
    assert amplitude < 0.98


def test_rates_of_a_wave_are_read_as_means():
    values, window = np.arange(8.0)[:, None], np.arange(4, 8)[None]
    assert SIGNALS[False].within(values, window, cycle=4) == 5.5
    assert SIGNALS[False].within(values, window) == 7


def test_a_slow_tuft_is_slow_in_every_form_and_says_why():
    assert {form.synapses.tau(AVERAGING, "apical") / ms for form in (RATE, DALE)} == {100}
    assert RATE.synapses.tau(TUFTED, "apical") == RATE.synapses.tau(AVERAGING, "basal") == 5 * ms
    circuit = waves_wiring(TIMES, CASE.tokens[None], token_phase=THETA, **BLOCK).circuit.check()
    (row,) = (each for each in constants_of(circuit, RATE) if each["name"] == "tau_apical")
    assert row["value"] == pytest.approx(0.1)
    assert row["source"].startswith("chosen: ")


# Circuit
def test_rates_follow_the_wave_and_miss_one_that_runs_backwards():
    given = {"mask": CAUSAL, "carrier": 20 * Hz, **BLOCK}
    settings = Settings("rate", settle=1.5 * second, window=0.2 * second, target="numpy", record="sample")
    calibration = calibrate(waves_wiring, CASE.calibration[:2], settings, token_phase=THETA, **given)
    tokens, context_phase = np.stack([CASE.tokens] * 2), np.stack([THETA, -THETA])
    answer = attend(
        waves_wiring, tokens, settings, None, calibration, token_phase=THETA, context_phase=context_phase, **given
    )
    forward, backward = (
        wave_attention(CASE.tokens, CASE.block, THETA, context_phase=each, mask=CAUSAL) for each in context_phase
    )
    assert answer.settled.settled.all(), answer.settled.reason
    assert relative_l2(answer.output[0], forward.output) <= 0.003
    assert relative_l2(answer.output[1], backward.output) <= 0.003
    assert relative_l2(answer.output[1], forward.output) > 0.05


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"token_phase": THETA[:2]}, r"token_phase has shape \(2,\) but needs \(3,\) or \(1, 3\)"),
        ({"context_phase": THETA[:2]}, "context_phase"),
        ({"carrier": 200 * Hz}, "carrier is 200. Hz but needs to be at most 125. Hz"),
    ],
)
def test_what_is_refused(change, said):
    with pytest.raises(WiringError, match=said):
        waves_wiring(TIMES, CASE.tokens[None], **{"token_phase": THETA} | change, **BLOCK)


# Experiment
def test_the_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "CARRIERS", (20,))
    monkeypatch.setattr(experiment, "ASKED", 20)
    every = experiment.asked
    some = "waves", experiment.QUICK
    monkeypatch.setattr(
        experiment, "asked", lambda *given: {label: ask for label, ask in every(*given).items() if label[0] in some}
    )
    done = run("waves", "--weights", 1, "--sequences", 1, "--out", "result")
    assert done.exit_code == 0, done.output
    assert {path.name for path in Path("result").iterdir()} == {"waves.json", "waves.png", "run.json"}
    rows = {row["wave"]: row for row in json.loads(Path("result/waves.json").read_text())["rows"]}
    assert len(rows) == 5
    assert rows[experiment.FORWARD]["relative_l2"] < 0.01 < rows[experiment.SHUFFLED]["relative_l2"]


def test_predictions_can_be_missed():
    def summary(wave, carrier, value):
        return {"wave": wave, "carrier": carrier, "relative_l2": value, "best_null": 0.5, "settled": value < 1}

    good = [summary(experiment.FORWARD, each, 0.1 / each**2) for each in experiment.CARRIERS[1:]]
    assert all(each.held for each in experiment.judge(good))
    bad = [summary(experiment.FORWARD, each, 0.02) for each in experiment.CARRIERS[1:]]
    assert [each.held for each in experiment.judge(bad)] == [False, False, True, True]
    assert not experiment.judge([summary(experiment.QUICK, 10, 0.01)])[0].held
    assert experiment.judge([]) == []


@pytest.mark.parametrize(("option", "value"), [("--weights", 0), ("--sequences", 13), ("--seed", -1)])
def test_what_the_command_refuses(option, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("waves", option, value).exit_code == 2
    assert not list(tmp_path.iterdir())
