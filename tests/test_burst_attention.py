"""Families of attention on relays: made-up relays of each family, what is left of noise, and the bank of Brian2 relays."""

from itertools import pairwise

import numpy as np
import pytest

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
