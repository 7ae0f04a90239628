"""Closed forms of short-term plasticity, against trains taken spike by spike."""

import numpy as np
import pytest
from brian2 import ms

from cortical_attention.cells.short_term import (
    DEPRESSING,
    FACILITATING,
    ShortTerm,
    slope,
    steady_release,
    steady_release_poisson,
)


@pytest.mark.parametrize("plasticity", [FACILITATING, DEPRESSING], ids=["facilitating", "depressing"])
def test_release_of_a_regular_train(plasticity):
    """The formula against the updates of a train, spike by spike, and the rested end."""
    u, x, interval = 0.0, 1.0, 0.02
    for _ in range(1000):
        u = u * np.exp(-interval / float(plasticity.tau_f))
        x = 1 + (x - 1) * np.exp(-interval / float(plasticity.tau_d))
        u += plasticity.U * (1 - u)
        released, x = u * x / plasticity.U, x - u * x
    assert steady_release(plasticity, 1 / interval) == pytest.approx(released, rel=1e-12)
    assert steady_release(plasticity, np.array([0.0])) == pytest.approx([1.0], rel=1e-12)
    rate, step = np.array([3.0, 50.0]), 1e-4
    ends = [each * steady_release(plasticity, each) for each in (rate + step, rate - step)]
    assert slope(plasticity, rate) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6)
    assert slope(plasticity, np.zeros(1)) == pytest.approx([1.0])


def test_release_of_a_poisson_train():
    """Exact without facilitation: a share U is used by each spike."""
    plasticity, rate, n_spike = ShortTerm(0.5, 1e-6 * ms, 200 * ms), 20.0, 200_000
    intervals = np.random.default_rng(0).exponential(1 / rate, n_spike)
    x, released = 1.0, np.empty(n_spike)
    for k, interval in enumerate(intervals):
        x = 1 + (x - 1) * np.exp(-interval / 0.2)
        released[k] = x
        x -= 0.5 * x
    # the sum of what is released forgets within 1 / (1 / tau_d + U rate) = 67 ms, less than two spikes
    error = 4 * released.std() * np.sqrt(3 / n_spike)
    assert released.mean() == pytest.approx(steady_release_poisson(plasticity, rate), abs=error)
    assert abs(steady_release(plasticity, rate) - released.mean()) > 5 * error  # a regular train releases less, or more
