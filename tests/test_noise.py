"""Noise: the same on every target, white, and independent between cells, steps, streams and the halves of a word."""

import numpy as np
import pytest
from brian2 import Clock, Network, NeuronGroup, StateMonitor, ms
from scipy import stats

from cortical_attention.cells.noise import MIDDLE, SCALE, noise, stream_of
from cortical_attention.simulation import engine

DRAW = noise.pyfunc
STREAM = stream_of(np.random.SeedSequence(12345))
N_STEP, N_CELL = 1500, 1000
LIMIT = 5  # standard errors; the largest of a million correlations is expected at 4.9
LARGEST = 6.5  # standard errors; a larger one among two million correlations comes once in 6,000 draws


def drawn(stream=STREAM, n_step=N_STEP, n_cell=N_CELL, first=0):
    """Noise (n_step, n_cell)."""
    return np.array([DRAW(np.arange(n_cell), step, stream) for step in range(first, first + n_step)])


@pytest.fixture(scope="module")
def one():
    """One stream."""
    return drawn()


def heard(target, streams, n_cell=50, n_step=40):
    """Noise of some cells (n_step, n_cell) in each of some streams, as one network hears it."""
    names = {"noise": noise} | {f"stream_{k}": stream for k, stream in enumerate(streams)}
    equations = "\n".join(f"x_{k} = noise(i, t_in_timesteps, stream_{k}) : 1" for k in range(len(streams)))
    with engine.device(target):
        clock = Clock(1 * ms)
        group = NeuronGroup(n_cell, equations, clock=clock, namespace=names)
        monitor = StateMonitor(group, [f"x_{k}" for k in range(len(streams))], record=True, clock=clock)
        Network(group, monitor).run(n_step * ms, namespace={})
        return [np.array(getattr(monitor, f"x_{k}")).T for k in range(len(streams))]


STREAMS = [0, STREAM, STREAM + 1, stream_of(np.random.SeedSequence(2), 2**30 - 100) + 1]


@pytest.mark.parametrize("target", ["cpp", "cython"])
def test_every_target_has_the_same_noise(target):
    if engine.compiler() is None:
        pytest.skip("no C++ compiler")
    for stream, found in zip(STREAMS, heard(target, STREAMS), strict=True):
        assert np.array_equal(found, drawn(stream, 40, 50)), stream


def test_steps_and_streams_may_be_as_large_as_their_types():
    """A step beyond 2**31, in Brian2's own loop."""
    with engine.device("numpy"):
        names = {"noise": noise, "stream": STREAM}
        group = NeuronGroup(3, "x = noise(i, t_in_timesteps + 2**31, stream) : 1", namespace=names)
        Network(group).run(1 * ms, namespace={})
        assert np.array_equal(group.x[:], DRAW(np.arange(3), 2**31 + 10, STREAM))


def test_mean_variance_and_distribution_are_those_of_a_uniform_number(one):
    n = one.size
    assert abs(one.mean()) * np.sqrt(n) < LIMIT
    assert abs(one.var() - 1) * np.sqrt(n / 0.8) < LIMIT  # the variance of the square of such a number is 0.8
    counts, _ = np.histogram(one, 256, (-np.sqrt(3), np.sqrt(3)))
    assert stats.chisquare(counts).pvalue > 1e-6


@pytest.mark.parametrize("lag", [1, 2, 7, 100])
def test_no_correlation_over_steps_and_cells(one, lag):
    for a, b in ((one[lag:], one[:-lag]), (one[:, lag:], one[:, :-lag]), (one[lag:, lag:], one[:-lag, :-lag])):
        assert abs((a * b).mean()) * np.sqrt(a.size) < LIMIT
    mixed = one[lag:] + 0.02 * one[:-lag]  # negative control
    assert abs((mixed * one[:-lag]).mean()) * np.sqrt(mixed.size) > LIMIT


@pytest.mark.parametrize("other", [1, 2, 2**33, 2**32], ids=["half", "next", "cell", "far"])
def test_streams_are_independent(one, other):
    """The other half of the word, the next stream, the stream of the next cell (shifted by one), and a distant one."""
    found = drawn(STREAM + other)
    if other == 2**33:
        assert np.array_equal(found[:, :-1], one[:, 1:])
        return
    assert abs((one * found).mean()) * np.sqrt(one.size) < LIMIT
    each = one.T @ found / len(one)  # of every cell with every cell
    assert abs(each).max() * np.sqrt(len(one)) < LARGEST
    assert each.std() * np.sqrt(len(one)) == pytest.approx(1, abs=0.01)


def test_no_two_cells_and_no_two_steps_are_alike(one):
    for rows in (one, one.T):
        each = rows.T @ rows / len(rows)
        off = each[np.triu_indices(len(each), 1)]
        assert abs(off).max() * np.sqrt(len(rows)) < LARGEST
        assert off.std() * np.sqrt(len(rows)) == pytest.approx(1, abs=0.01)


def test_no_series_comes_again_in_another_cell_or_stream():
    """Four steps in a row, to 16 bits each: of two million such series by 20,000 cells in two streams, starting at any of 50
    steps, no two are equal. By chance two would be once in ten million draws."""
    series = []
    for stream in (STREAM, STREAM + 2):
        words = (drawn(stream, 53, 20_000) / SCALE + MIDDLE).round().astype(np.uint64) >> np.uint64(16)
        series += [sum(words[lag + k] << np.uint64(16 * k) for k in range(4)) for lag in range(50)]
    series = np.concatenate(series)
    assert np.unique(series).size == series.size


def test_duplicates_are_as_many_as_chance_gives():
    """Of n numbers of 32 bits, n - 2**32 (1 - exp(-n / 2**32)) repeat an earlier one, with a Poisson spread."""
    found = (drawn(n_step=4000, n_cell=2000) / SCALE + MIDDLE).round().astype(np.int64).ravel()
    expected = found.size + 2**32 * np.expm1(-found.size / 2**32)
    assert abs(found.size - np.unique(found).size - expected) < LIMIT * np.sqrt(expected)
