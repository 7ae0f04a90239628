"""Families of attention on relays: made-up relays of each family, what is left of noise, and the bank of Brian2 relays."""

import json
from itertools import pairwise

import numpy as np
import pytest

from cortical_attention.command.options import OptionError
from cortical_attention.experiments import burst_attention as experiment
from cortical_attention.inputs.suite import random_case
from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.token_families import ORDER, TOKEN_FAMILIES, design, fit_relays, relays
from cortical_attention.trials.families import nearest
from cortical_attention.trials.left_by_families import (
    EVERY,
    FREE,
    INSIDE,
    OUTSIDE,
    UNDECIDED,
    columns,
    ends,
    left,
    nearest_free,
    place,
    predicted,
    products,
)
from cortical_attention.trials.played_relays import answers_of, terms
from cortical_attention.trials.relay_bank import RELAYS, draw_tokens, measure, novelty, slope
from cortical_attention.trials.spiking_relays import poisson_trains, relay_trains

NAMES = (
    "elementwise", "self_gate", "tonic", "no_t_current", "novelty", "novelty_no_t_current", "circuit_elementwise",
    "circuit_tonic",
)  # fmt: skip
N_INPUT, N_TOKEN, D_MODEL, N_BLOCK = 24, 4, 16, 2
TRAIN, TEST = np.arange(16), np.arange(16, N_INPUT)


@pytest.fixture(scope="module")
def blocks():
    return [random_case(300 + k, N_TOKEN, d_model=D_MODEL, scale=2.0).block for k in range(N_BLOCK)]


@pytest.fixture(scope="module")
def shown():
    """Tokens, the tokens before, and which of them are new: half of each input."""
    stream = np.random.default_rng(31)
    before = stream.standard_normal((N_INPUT, N_TOKEN, D_MODEL))
    new = np.argsort(stream.random((N_INPUT, N_TOKEN)), axis=1) < N_TOKEN // 2
    return np.where(new[..., None], stream.standard_normal(before.shape), before), before, new


def member(family, shown, seed=0):
    """Relays of a family with random weights near one."""
    n = design(family, *shown).shape[-1]
    weights = np.ones(1) if family == "paper" else 1 + 0.5 * np.random.default_rng(seed).standard_normal(n)
    return relays(family, weights, *shown)


def figures(core, matrix, shown, blocks):
    """U of every family on the test inputs."""
    numbers = predicted(core, matrix, shown, TRAIN, TEST)
    found = []
    for block in blocks:
        answers = linear_attention(core[:, TEST], block, context=matrix[:, TEST]).output
        found.append(products(answers, shown[0][TEST], block, numbers))
    return {name: left([each[name] for each in found], [each["answer"] for each in found], 200) for name in EVERY}


@pytest.mark.parametrize("family", TOKEN_FAMILIES)
def test_a_family_leaves_nothing_of_its_own_members(family, shown, blocks):
    """Nor does any that contains it; the largest that does not contain it leaves much."""
    matrix = np.stack([member(family, shown)] * 2)
    core = np.stack([shown[0]] * 2)
    found = {name: abs(value) for name, (value, _) in figures(core, matrix, shown, blocks).items()}
    assert found[family] < 1e-7
    within = ORDER[ORDER.index(family) :] if family in ORDER else ("self-gate", "previous token")
    assert max(found[name] for name in within) < 1e-7
    smaller = ORDER[: ORDER.index(family)] if family in ORDER else ORDER[:4]
    assert all(found[name] > 0.03 for name in smaller)


def test_larger_families_leave_less_of_the_relays(shown):
    numbers = shown[0] ** 3 * (1 + shown[2][..., None]) + np.random.default_rng(2).standard_normal(shown[0].shape)
    left_of = [np.square(numbers - relays(each, fit_relays(each, numbers, *shown), *shown)).sum() for each in ORDER]
    assert all(later <= earlier for earlier, later in pairwise(left_of))


def test_tonic_linear_relays_leave_nothing(shown, blocks):
    both = np.stack([shown[0]] * 2)
    found = figures(both, both, shown, blocks)
    assert max(abs(value) for value, _ in found.values()) < 1e-5


def test_noise_cancels_and_a_shared_error_does_not(shown, blocks):
    """An answer with white noise as large as itself in each replica, and one with an error that both share."""
    stream, numbers = np.random.default_rng(5), {"paper": (shown[0], shown[0])}
    parts, wholes, raw, shared = [], [], [], []
    for block in blocks * 20:
        right = linear_attention(shown[0], block).output
        size = np.sqrt(np.mean(right**2))
        answers = right + size * stream.standard_normal((2, *right.shape))
        found = products(answers, shown[0], block, numbers, free=())
        parts.append(found["paper"]), wholes.append(found["answer"])
        raw.append(np.sum((answers[0] - right) ** 2))
        common = answers + 0.5 * size * stream.standard_normal(right.shape)
        shared.append(products(common, shown[0], block, numbers, free=())["paper"])
    assert np.sqrt(np.sum(raw) / np.sum(wholes)) == pytest.approx(1, abs=0.1)
    assert abs(left(parts, wholes)[0]) < 0.15  # 40 x 24 x 64 products of variance one: 0.004 of the square, 0.06 of U
    assert left(shared, wholes)[0] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("family", FREE)
def test_free_families_are_those_of_the_comparison_of_circuits(family, shown):
    case = random_case(8, N_TOKEN, d_model=D_MODEL, scale=2.0)
    answer = np.random.default_rng(1).standard_normal((N_TOKEN, D_MODEL))
    found = nearest_free(family, case.tokens[None], case.block, answer[None])[0]
    np.testing.assert_allclose(found, nearest(family, case, answer), atol=1e-5)


def test_free_families_without_meaning_are_refused():
    case = random_case(8, 8, d_model=16)
    with pytest.raises(ValueError, match="2 heads with free weights on 8 context tokens reach any answer of 16"):
        columns(case.tokens, case.block)


def test_bootstrap_covers_inputs_and_blocks():
    """Noise of inputs that all blocks share needs an interval as wide as that of few inputs, not of many pairs."""
    stream = np.random.default_rng(3)
    parts = np.repeat(stream.random((1, 10)), 50, axis=0)
    value, drawn = left(parts, np.ones_like(parts))
    low, high = ends(drawn)
    assert low < value < high
    wide = 2 * 1.96 * parts[0].std() / np.sqrt(10)
    assert high**2 - low**2 == pytest.approx(wide, rel=0.2)


def test_places():
    assert place([0.0, 0.1], 0.1, 0.2) == INSIDE
    assert place([0.2, 0.5], 0.1, 0.2) == OUTSIDE
    assert place([0.05, 0.25], 0.1, 0.2) == UNDECIDED


# Relays and circuits
def test_bursting_relays_gain_from_novelty_and_leaky_ones_lose():
    few, relay = draw_tokens(5, 2, 2, 16), RELAYS["fire_or_burst"]
    found = measure(relay, [relay.tonic, relay.burst], few, 3, [1])
    (leaky,) = measure(relay.without_t_current(), [relay.burst], few, 3, [1]).rates
    assert found.rates.shape == (2, 8, 2, *few.tokens.shape)
    tonic, bursting, leaky = (novelty(each[6].mean(axis=0), few)[1][0] for each in (*found.rates, leaky))
    assert leaky < tonic < 1.2 < 2 < bursting
    assert slope(found.rates[0, 4:6], few.before) == pytest.approx(20, rel=0.15)  # a spike for each of the driver's
    assert (found.quiet < 1).all()


@pytest.fixture(scope="module")
def small():
    return draw_tokens(6, 8, N_TOKEN, D_MODEL)


def sent(gain, small):
    """Rates (Hz) of two equal replicas of relays, whose components that are new have a gain of their own."""
    after = 20 * np.where(small.new[..., None], gain, 1.0) * small.tokens
    steps = [20 * small.before] * 30 + [after] * 10
    return np.stack([np.stack([each] * 2) for each in steps])


def test_a_circuit_that_hears_numbers_answers_by_the_algebra(small, blocks):
    held = np.repeat(small.tokens[None], 2, axis=0)
    right = linear_attention(small.tokens, blocks[0]).output
    np.testing.assert_allclose(answers_of(blocks[0], held, held)[-1], right, atol=1e-4 * np.abs(right).max())


def test_lags_of_a_circuit_leave_nothing_and_a_given_gain_is_a_mode_bit(small, blocks):
    core, train, test = sent(1.0, small), np.arange(2, 8), np.arange(2)
    families = "paper", "elementwise", "mode bit"
    for gain, leaves in ((1.0, False), (3.0, True)):
        found = terms(blocks[0], core, sent(gain, small), small, train, test, families)["50 to 100 ms"]
        values = {each: left([found[each]], [found["answer"]])[0] for each in families}
        assert abs(values["mode bit"]) < 1e-3
        assert (values["elementwise"] > 0.2 and values["paper"] > 0.2) == leaves
        assert leaves or abs(values["elementwise"]) < 1e-3


def test_trains_lie_where_their_cells_are():
    """Relays of two replicas on the batch axis, and Poisson trains: on cells of positive components, off cells of others."""
    few, relay = draw_tokens(7, 2, 2, 16), RELAYS["fire_or_burst"]
    tonic, _ = relay_trains(relay, [relay.tonic, relay.burst], few, 2, 4)
    shape = 4, 2, 16, 2, 2  # batch, token, model, cell, sign
    counts = np.zeros((800, *shape), dtype=int)
    np.add.at(counts, (tonic.steps, *tonic.places), 1)
    rates = counts[400:600].sum(axis=(0, 4)) / 0.1 / 2  # 200 to 300 ms, of two cells
    assert slope(rates[..., 0] - rates[..., 1], np.tile(few.before, (2, 1, 1))) == pytest.approx(20, rel=0.15)
    wanted = 40 * np.tile(few.before, (20, 2, 1, 1))
    drawn = poisson_trains(wanted, 50, np.random.default_rng(0))
    counts = np.zeros((400, 4, 2, 16, 50, 2), dtype=int)
    np.add.at(counts, (drawn.steps, *drawn.places), 1)
    rates = counts.sum(axis=(0, 4)) / 0.2 / 50
    np.testing.assert_allclose(rates[..., 0] - rates[..., 1], wanted[0], atol=6 * np.sqrt(120 / 0.2 / 50))
    assert (rates.min(axis=-1) == 0).all()


@pytest.mark.parametrize(
    ("interval", "rule", "outcome"),
    [
        ([0.21, 0.3], "at least", "held"),
        ([0.19, 0.3], "at least", "undecided"),
        ([0.1, 0.19], "at least", "missed"),
        ([0.1, 0.19], "at most", "held"),
        ([0.19, 0.3], "at most", "undecided"),
        ([0.21, 0.3], "at most", "missed"),
    ],
)
def test_outcomes(interval, rule, outcome):
    row = {"value": 0.2, "interval": interval}
    assert experiment._figure(row, rule, "elementwise")["outcome"] == outcome  # the threshold is 0.2


def test_command(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "CELLS", ("low_threshold",))
    monkeypatch.setattr(
        experiment, "QUICK", {"inputs": 4, "cells": 2, "circuits": 1, "heard": 2, "deep": 0, "spiking": 0}
    )
    assert experiment.main(seeds=2, quick=True, out=tmp_path / "out", quiet=True) == 0
    found = json.loads((tmp_path / "out" / "burst_attention.json").read_text())
    names = {f"{name}_{cell}" for cell in experiment.CELLS for name in NAMES}
    assert set(found["figures"]) == names
    assert (tmp_path / "out" / "burst_attention.png").exists()
    assert "predicted elementwise low threshold" in capsys.readouterr().out
    with pytest.raises(OptionError, match="--inputs"):
        experiment.main(inputs=3, quick=True, out=tmp_path / "none", quiet=True)
