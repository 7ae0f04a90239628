"""The two-compartment cell with a moving threshold: where it differs from the other set of constants, and that alone."""

import numpy as np
import pytest
from brian2 import Network, StateMonitor, ms, mV, nS, pA, second

from cortical_attention.cells.forms.biophysical import two_compartment
from cortical_attention.cells.membranes.moving_threshold import OWN, MovingThreshold
from cortical_attention.cells.membranes.two_compartment import TwoCompartment, cells_under, counts
from cortical_attention.simulation.engine import device

QUIET = MovingThreshold(sigma=0 * pA)


@pytest.fixture(autouse=True)
def on_numpy():
    """Nothing is compiled."""
    with device("numpy"):
        yield


def traced(cell, variable, basal, silent=False):
    """A variable of one cell before each step of 200 ms, its spikes in the step before, and the step (s)."""
    group = cells_under(np.array([basal]) * pA, np.zeros(1) * pA, cell, 0)
    monitor = StateMonitor(group, (variable, "total"), record=True, when="start")
    network = Network(group, monitor)
    network.run(20 * ms)
    if silent:
        group.I_s = -3000 * pA
    network.run(180 * ms)
    return np.asarray(getattr(monitor, variable)[0]), np.diff(monitor.total[0], prepend=0), float(group.clock.dt)


def test_a_spike_raises_the_threshold_by_two_millivolts_which_decay_with_27_ms():
    """Euler's steps of the closed form jump exp(-t / tau_T), whose relative error after t is t dt / (2 tau_T^2)."""
    raised, spikes, dt = traced(QUIET, "raised", 2000, silent=True)
    last = np.flatnonzero(spikes)[-1]
    after = raised[last:]
    before = raised[last - 1]
    assert after[0] == pytest.approx(before * (1 - dt / 0.027) + 2e-3, rel=1e-9)
    elapsed = np.arange(after.size) * dt
    assert elapsed[-1] > 0.1
    closed = after[0] * np.exp(-elapsed / 0.027)
    assert np.all(np.abs(after / closed - 1) < 1.1 * elapsed * dt / (2 * 0.027**2) + 1e-9)
    slower = after[0] * np.exp(-elapsed / 0.030)  # negative control: another time constant
    assert abs(after[-1] / slower[-1] - 1) > 0.2


def test_no_refractory_time_is_left():
    """Driven hard, it fires sooner after a spike than the 3 ms of the other set."""
    shortest = []
    for cell in (QUIET, TwoCompartment(sigma=0 * pA)):
        _, spikes, dt = traced(cell, "V_s", 8000)
        shortest.append(np.diff(np.flatnonzero(spikes)).min() * dt)
    assert shortest[0] < 3e-3 <= shortest[1]


@pytest.mark.parametrize(("step", "alike"), [(0.5, True), (0.25, False)])
def test_a_spike_comes_back_for_two_milliseconds_from_its_time_on(step, alike):
    """The box K has four steps of 0.5 ms after the spike in both sets; in finer steps that of the other set comes later."""
    boxes = []
    for base in (MovingThreshold, TwoCompartment):
        kind = type("Stepped", (base,), {"dynamics": base.dynamics._replace(step=step * ms)})
        K, spikes, _ = traced(kind(sigma=0 * pA), "K", 1000)
        first = np.flatnonzero(spikes)[0]
        boxes.append(np.flatnonzero(K[first : first + round(3 / step)]))
    assert boxes[0].tolist() == list(range(round(2 / step)))
    assert (boxes[0].tolist() == boxes[1].tolist()) == alike


def test_without_jump_and_with_the_refractory_time_it_is_the_other_set():
    """In steps of 0.5 ms, spike for spike; with its own constants (control) not."""
    currents = np.linspace(200, 1200, 30) * pA, np.linspace(-200, 600, 30) * pA
    other = counts(*currents, TwoCompartment(), 0.5 * second)
    alike = MovingThreshold(jump=0 * mV, **{name: getattr(TwoCompartment(), name) for name in ("refractory", "E_I")})
    found = counts(*currents, alike, 0.5 * second)
    assert all(np.array_equal(found[name], other[name]) for name in other)
    assert not np.array_equal(counts(*currents, MovingThreshold(), 0.5 * second)["total"], other["total"])


def test_it_differs_from_the_other_set_in_its_own_constants_alone():
    other, own = TwoCompartment()._asdict(), MovingThreshold()._asdict()
    assert {name for name in own if own[name] != other.get(name)} == set(OWN)
    assert set(MovingThreshold.sources) == set(own)
    assert own["E_I"] == -80 * mV
    assert MovingThreshold(g_shunt_s=20 * nS).g_shunt_s == 20 * nS


def test_the_biophysical_form_takes_its_threshold():
    assert two_compartment("facilitated", MovingThreshold()).threshold == "V_s > V_T + raised"
    assert two_compartment("facilitated", TwoCompartment()).threshold == "V_s > V_T"
