"""The suite: the sizes and variances it promises, and cases that depend on nothing but their seed."""

import numpy as np
import pytest

from cortical_attention.inputs import suite
from cortical_attention.inputs.cases import arrays, from_arrays, sizes
from cortical_attention.inputs.suite import cases, random_case, seeds

N_SIGMA = 5  # a Gaussian sample goes beyond once in two million


def same(one, other):
    """Whether two cases hold the same arrays, bit by bit."""
    first, second = arrays(one), arrays(other)
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def test_the_names_are_those_promised():
    own = [f"self_n{n}_scale{scale}" for n in (4, 8, 16) for scale in (1, 2, 3)]
    crossed = ["cross_n4_m8_scale1", "cross_n8_m16_scale2", "cross_n16_m4_scale3"]
    assert [case.name for case in cases()] == own + crossed == list(seeds())


def test_the_sizes_are_those_in_the_names():
    for case in cases():
        n_token, *n_context = (int(part[1:]) for part in case.name.split("_")[1:-1])
        rest = {"n_head": 2, "d_model": 16, "d_key": 8, "d_value": 8}
        assert sizes(case) == {"n_token": n_token, "n_context": [*n_context, n_token][0], **rest}
        assert (case.context is None) == case.name.startswith("self")
        assert case.mask is case.targets is case.block.b_Q is None


def test_every_case_could_stand_in_a_file():
    for case in cases():
        assert same(from_arrays(arrays(case)), case)


def test_the_suite_is_the_same_every_time():
    assert all(same(one, other) for one, other in zip(cases(), cases(), strict=True))


def test_a_case_does_not_depend_on_the_others(monkeypatch):
    whole = {case.name: case for case in cases()}
    monkeypatch.setattr(suite, "SELF", suite.SELF[::-2])
    monkeypatch.setattr(suite, "CROSS", suite.CROSS[1:])
    fewer = cases()
    assert len(fewer) < len(whole)
    assert all(same(case, whole[case.name]) for case in fewer)


def test_no_two_cases_share_numbers():
    drawn = np.concatenate([array.ravel() / 3 for case in cases() for array in arrays(case).values()])
    assert len(np.unique(drawn)) == len(drawn)


def test_a_seed_may_be_a_number_or_a_sequence_and_is_not_used_up():
    seed = np.random.SeedSequence(5)
    assert same(random_case(5, 3), random_case(seed, 3))
    assert same(random_case(seed, 3), random_case(seed, 3))
    assert not same(random_case(seed, 3), random_case(6, 3))
    assert not same(random_case(seed, 3), random_case(seed.spawn(1)[0], 3))


def test_each_array_has_its_own_stream():
    one, other = random_case(5, 3, d_value=8), random_case(5, 3, 7, d_value=2)
    assert np.array_equal(one.tokens, other.tokens)
    assert np.array_equal(one.block.W_Q, other.block.W_Q)
    assert np.array_equal(one.block.W_K, other.block.W_K)


@pytest.mark.parametrize("scale", [1, 3])
def test_variances_are_one_over_the_fan_in(scale):
    wanted = {"W_Q": scale**2 / 50, "W_K": scale**2 / 50, "W_V": 1 / 50, "W_O": 1 / 20}
    wanted |= dict.fromkeys(("tokens", "context", "calibration", "calibration_context"), 1)
    case = random_case(11, 90, 80, n_head=4, d_model=50, d_key=30, d_value=20, scale=scale)
    for name, array in arrays(case).items():
        unit = array / np.sqrt(wanted[name])
        assert abs(unit.mean()) < N_SIGMA / np.sqrt(unit.size)
        assert abs(unit.var() - 1) < N_SIGMA * np.sqrt(2 / unit.size)


def test_scale_changes_queries_and_keys_only():
    one, two = arrays(random_case(5, 3)), arrays(random_case(5, 3, scale=2))
    factors = {name: (two[name] / one[name]).ravel() for name in one}
    for name, factor in factors.items():
        assert np.array_equal(factor, np.full(factor.size, 2 if name in ("W_Q", "W_K") else 1))


def test_the_table_names_every_case_and_seed(capsys):
    suite.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(cases())
    for line, (name, seed) in zip(lines[1:], seeds().items(), strict=True):
        assert line.startswith(name)
        assert line.endswith(f"{suite.SUITE_SEED}, spawn key {seed.spawn_key}")
