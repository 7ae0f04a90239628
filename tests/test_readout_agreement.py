"""Known values, invariants and refusals of the measures of agreement, and of the little statistics."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cortical_attention.readout.agreement import (
    attention_max_abs,
    cosine,
    kappa_correlation,
    max_abs,
    query_identification,
    relative_l2,
    relative_l2_by_design,
    relative_size,
    shared_error,
    skill,
)
from cortical_attention.readout.statistics import (
    Summary,
    cluster_interval,
    slope_of_log_log,
    summary,
    summary_of_known,
)

RNG = np.random.default_rng(0)
MEASURES = [relative_l2, cosine, max_abs]
values = st.floats(-1e3, 1e3, allow_subnormal=False)
matrices = arrays(float, (3, 4), elements=values)


def attention(*shape):
    weights = np.exp(RNG.normal(size=shape))
    return weights / weights.sum(axis=-1, keepdims=True)


def test_known_values():
    reference, output = np.array([[3.0, 4.0]]), np.array([[3.0, 3.0]])
    assert relative_l2(output, reference) == pytest.approx(1 / 5)
    assert cosine(output, reference) == pytest.approx(21 / (5 * np.sqrt(18)))
    assert max_abs(output, reference) == 1.0
    assert cosine([1, 0], [0, 1]) == 0.0
    assert cosine([1, 2], [-1, -2]) == pytest.approx(-1.0)


@given(matrices, matrices, st.floats(1e-3, 1e3))
def test_scaling_both_leaves_the_relative_error_and_scaling_one_the_cosine(output, reference, factor):
    assume(np.abs(output).max() > 1e-6 and np.abs(reference).max() > 1e-6)
    rounding = 64 * np.finfo(float).eps
    assert relative_l2(factor * output, factor * reference) == pytest.approx(
        relative_l2(output, reference), rel=rounding * 1e3, abs=rounding
    )
    assert cosine(factor * output, reference) == pytest.approx(cosine(output, reference), abs=rounding)
    assert -1 <= cosine(output, reference) <= 1


@given(matrices)
def test_the_relative_error_of_a_stretched_reference_is_the_stretch(reference):
    assume(np.abs(reference).max() > 1e-6)
    assert relative_l2(1.5 * reference, reference) == pytest.approx(0.5)
    assert relative_l2(reference, reference) == 0.0


def test_sizes_near_the_ends_of_the_floating_point_numbers():
    for scale in (1e-200, 1e200):  # squares would vanish or overflow
        assert relative_l2(scale * np.array([3.0, 3.0]), scale * np.array([3.0, 4.0])) == pytest.approx(0.2)
        assert cosine(scale * np.ones(3), np.ones(3)) == pytest.approx(1.0)


def test_a_zero_reference_has_no_relative_error():
    assert relative_l2([1.0, 2.0], [0.0, 0.0]) is None
    assert cosine([1.0, 2.0], [0.0, 0.0]) is None
    assert cosine([0.0, 0.0], [1.0, 2.0]) is None
    assert relative_l2([0.0, 0.0], [1.0, 2.0]) == 1.0


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("output", "reference", "sentence"),
    [
        (np.ones((2, 3)), np.ones((3, 2)), r"shape \(2, 3\), but the reference has \(3, 2\)"),
        (np.ones(1), np.ones(3), "shape"),  # numpy would broadcast
        (np.array([1.0, np.nan]), np.ones(2), "output has 1 entries of 2 that are not finite"),
        (np.ones(2), np.array([np.inf, np.inf]), "reference has 2"),
        (np.ones((0, 3)), np.ones((0, 3)), "nothing to compare"),
    ],
)
def test_refusals(measure, output, reference, sentence):
    with pytest.raises(ValueError, match=sentence):
        measure(output, reference)


def test_skill():
    assert skill(0.1, [0.5, 0.2]) == pytest.approx(0.5)
    assert skill(0.1, {"uniform": 0.4, "additive": None}) == pytest.approx(0.75)
    assert skill(0.4, [0.2]) == pytest.approx(-1.0)
    assert skill(0.0, [0.2]) == 1.0
    for undefined in (skill(None, [0.2]), skill(0.1, [None]), skill(0.1, []), skill(0.1, [0.0]), skill(0.0, [0.0])):
        assert undefined is None
    for wrong in ([np.nan], [-0.1], [np.inf]):
        with pytest.raises(ValueError, match="finite and not negative"):
            skill(0.1, wrong)
    with pytest.raises(ValueError, match="finite"):
        skill(np.nan, [0.2])


def test_a_null_that_rounding_makes_exact_leaves_no_skill():
    assert skill(0.1, [0.2, 3e-16], rounding=4e-16) is None
    assert skill(0.1, [0.2, 5e-16], rounding=4e-16) < -1e14
    assert skill(0.1, [0.2], rounding=np.inf) is None
    assert relative_size(1e-200 * np.array([3.0, 4.0]), 1e-200 * np.array([0.0, 10.0])) == pytest.approx(0.5)
    assert relative_size(np.ones(2), np.zeros(2)) is None


def test_attention_a_head():
    reference = attention(3, 4, 5)
    kappa = reference.copy()
    kappa[1, 2, 3] += 0.25
    assert attention_max_abs(kappa, reference) == pytest.approx([0.0, 0.25, 0.0])
    assert attention_max_abs(None, reference) is None
    with pytest.raises(ValueError, match="n_head, n_token, n_context"):
        attention_max_abs(kappa[0], reference[0])


def test_kappa_correlation_is_pearsons_where_attention_sums_to_one():
    kappa, reference = attention(3, 4, 5), attention(3, 4, 5)
    pearson = np.corrcoef(kappa.ravel(), reference.ravel())[0, 1]
    assert kappa_correlation(kappa, reference) == pytest.approx(pearson, abs=1e-12)
    assert kappa_correlation(reference, reference) == pytest.approx(1.0)
    assert kappa_correlation(2 / 5 - reference, reference) == pytest.approx(-1.0)
    halved = kappa_correlation(reference / 2, reference)
    assert halved < 0.95  # a wrong sum is an error, to which Pearson's correlation is blind
    assert np.corrcoef(reference.ravel() / 2, reference.ravel())[0, 1] == pytest.approx(1.0)


def test_a_head_given_the_attention_of_another_loses_the_correlation():
    reference = attention(4, 16, 16)
    right = kappa_correlation(reference + 1e-3 * RNG.normal(size=reference.shape), reference)
    wrong = kappa_correlation(np.roll(reference, 1, axis=0), reference)
    assert right > 0.99
    assert wrong < 0.3  # independent weights: zero within 1/sqrt(1024), ten times less


def test_uniform_attention_has_no_direction():
    reference, uniform = attention(2, 3, 5), np.full((2, 3, 5), 0.2)
    rounded = uniform + np.finfo(float).eps * RNG.choice([-1, 1], size=uniform.shape)
    assert kappa_correlation(uniform, reference) is None
    assert kappa_correlation(reference, rounded) is None
    assert kappa_correlation(np.ones((2, 3, 1)) * 1.001, np.ones((2, 3, 1))) is None
    assert kappa_correlation(None, reference) is None


def test_uniform_attention_over_open_microcolumns_has_no_correlation():
    """Closed microcolumns are closed in every answer: they must not make two answers alike."""
    mask = np.tri(4, dtype=bool)
    uniform = np.broadcast_to(mask / mask.sum(axis=1, keepdims=True), (2, 4, 4))
    drawn = RNG.random((2, 4, 4)) * mask
    reference = drawn / drawn.sum(axis=2, keepdims=True)
    assert kappa_correlation(uniform, reference, mask) is None
    assert kappa_correlation(reference, reference, mask) == pytest.approx(1.0)
    assert kappa_correlation(uniform, reference) > 0.5  # negative control: with 1/n_context it would score


def test_slope_of_a_power_law():
    x = np.array([0.5, 1, 2, 4, 8])
    assert slope_of_log_log(x, 3 * x**-0.5) == pytest.approx(-0.5)
    noisy = 3 * x**-1 * np.exp([0.1, -0.2, 0.05, 0.1, -0.1])
    assert slope_of_log_log(x, noisy) == pytest.approx(np.polyfit(np.log(x), np.log(noisy), 1)[0])
    assert slope_of_log_log([1, 2], [1, 4]) == pytest.approx(2.0)


# By least squares and Student's t as they were written out here until commit 6f55b9f; scipy must not move them.
SLOPES = [
    ([0.25, 0.5, 1, 2, 4], [0.081, 0.037, 0.0212, 0.0097, 0.0051], -0.9910174129930167),
    ([1, 4, 16], [0.31, 0.17, 0.071], -0.5315943214423889),
    ([1, 2], [0.03, 0.017], -0.8194277543581785),
]
VALUES = [0.021, 0.034, 0.027, 0.031, 0.019, 0.04]
INTERVALS = [
    (VALUES, [0, 0, 1, 1, 2, 2], 0.95, (0.02608109416039554, 0.03125223917293779)),
    (VALUES, range(6), 0.99, (0.015552728135503372, 0.041780605197829966)),
    (VALUES, [4, 1, 4, 1, 4, 1], 0.95, (-0.05180596332910641, 0.10913929666243974)),
    ([0.1] * 4, range(4), 0.95, (0.1, 0.1)),  # as in a form without noise: all clusters alike
    ([0.0, 0.0], range(2), 0.95, (0.0, 0.0)),
]


@pytest.mark.parametrize(("x", "y", "slope"), SLOPES)
def test_slopes_are_what_they_were(x, y, slope):
    assert slope_of_log_log(x, y) == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize(("values", "clusters", "confidence", "interval"), INTERVALS)
def test_intervals_are_what_they_were(values, clusters, confidence, interval):
    assert cluster_interval(values, clusters, confidence) == pytest.approx(interval, rel=1e-12)


@pytest.mark.parametrize(("x", "y"), [([1, 2], [1, 0]), ([1, 1], [1, 2]), ([1, 2], [1]), ([-1, 2], [1, 2])])
def test_slopes_refused(x, y):
    with pytest.raises(ValueError, match="slope"):
        slope_of_log_log(x, y)


def test_summary_is_median_and_range():
    assert summary([3.0, 1.0, 10.0]) == (3.0, 1.0, 10.0)
    for wrong in ([], [1.0, np.nan]):
        with pytest.raises(ValueError, match="finite"):
            summary(wrong)


def test_a_summary_of_what_is_known():
    assert summary_of_known([0.5, None, 0.25, 1.0]) == summary([0.5, 0.25, 1.0])
    assert summary_of_known([None, None]) == summary_of_known([]) == Summary(None, None, None)


# Query identification
def test_each_token_is_identified_by_its_own_answer():
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(6, 4))
    assert query_identification(reference + 0.01 * rng.normal(size=(6, 4)), reference) == 1
    assert query_identification(np.roll(reference, 1, axis=0), reference) == 0
    assert query_identification(reference[[1, 0, 2, 3, 4, 5]], reference) == pytest.approx(4 / 6)


def test_an_answer_that_ignores_the_query_identifies_one_token_in_n():
    reference = np.random.default_rng(1).normal(size=(5, 3))
    assert query_identification(np.tile(reference.mean(axis=0), (5, 1)), reference) == pytest.approx(1 / 5)
    alike = np.ones((4, 3))
    assert query_identification(alike, alike) == pytest.approx(1 / 4)  # no token can be told from another
    assert query_identification(1e-200 * reference, 1e-200 * reference) == 1
    assert query_identification(np.ones((1, 3)), np.zeros((1, 3))) is None  # one token cannot be mistaken for another


@pytest.mark.parametrize("scale", [1e-160, 1.0, 1e160])
def test_noise_does_not_count_as_an_error_by_design(scale):
    """Answers that are 7 % off with 30 % of noise: the shared error is 7 %, to four standard errors of its product; and of
    noise alone it is nothing beside the noise. Without a second replica nothing of this can be told."""
    rng, n = np.random.default_rng(4), 100_000
    right = rng.normal(size=n)
    off = right + 0.07 * rng.normal(size=n)
    noisy = [scale * (off + 0.3 * rng.normal(size=n)) for _ in range(2)]
    spread = 0.09 / np.sqrt(n) * 1.1  # of the squared error: noise times noise, and a little of noise times error
    assert relative_l2_by_design(noisy, scale * right) ** 2 == pytest.approx(0.07**2, abs=4 * spread)
    assert relative_l2(noisy[0], scale * right) > 0.3
    white = [scale * (right + 0.3 * rng.normal(size=n)) for _ in range(2)]
    assert relative_l2_by_design(white, scale * right) <= np.sqrt(4 * spread)
    errors = [each - scale * right for each in noisy]
    assert shared_error(errors, noisy) == pytest.approx(0.07**2 / 1.0049, abs=4 * spread)


def test_two_equal_replicas_have_all_their_error_by_design():
    """Without noise the figure by design is the raw one."""
    right, answer = np.array([3.0, 4.0]), np.array([3.0, 4.5])
    assert relative_l2_by_design([answer, answer], right) == pytest.approx(0.1, rel=1e-12)
    assert relative_l2_by_design([[3.0, 4.5], [3.0, 3.5]], right) == 0.0
    assert relative_l2_by_design([answer, answer], 0 * right) is None
