"""Phases, windows and the schedule of the memory wiring."""

import numpy as np
import pytest
from brian2 import ms, second
from hypothesis import given
from hypothesis import strategies as st

from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.memory import memory_wiring
from cortical_attention.circuits.protocol import QUARTERS, Times, phase_of

SMALLEST = 1e-6  # of a phase: times closer than that to a whole number of phases are whole


def in_ms(t):
    """A time as a value."""
    return float(t / ms)


def plan_of(make, times, n_token=2, n_context=3, **more):
    """A wiring of one head with small random weights."""
    rng = np.random.default_rng(0)
    weights = (
        rng.normal(size=(1, 2, 4)),
        rng.normal(size=(1, 2, 4)),
        rng.normal(size=(1, 3, 4)),
        rng.normal(size=(1, 4, 3)),
    )
    tokens, context = rng.normal(size=(1, n_token, 4)), rng.normal(size=(1, n_context, 4))
    return make(times, tokens, *weights, context=context, **more), tokens, context


@given(
    settle=st.floats(0, 3000),
    window=st.floats(1, 3000),
    write=st.floats(5, 500),
    dt=st.sampled_from([0.1, 0.25, 0.5, 1.0, 2.0]),
)
def test_phases_are_whole_steps_and_cover_what_is_asked(settle, window, write, dt):
    phase, n_window, n_settle, n_write = phase_of(Times(settle * ms, window * ms, write * ms, dt * ms))
    length = in_ms(phase)
    steps = round(length / dt)
    assert steps >= 1
    assert length == pytest.approx(steps * dt)
    assert n_window % QUARTERS == 0
    # the window is rounded to the next whole step of each of its phases, and never to nothing
    assert abs(n_window * length - window) <= n_window * dt / 2 + SMALLEST or steps == 1
    # settling and writing are rounded up to whole phases, and by less than one
    for n, asked in ((n_settle, settle), (n_write, write)):
        assert -SMALLEST * length <= n * length - asked < (1 + SMALLEST) * length
    # a phase is not longer than a write, up to the rounding of the steps
    assert length <= write + dt / 2 + SMALLEST


@pytest.mark.parametrize(
    ("settle", "window", "write", "dt", "expected"),
    [
        (2000, 500, 250, 1, (125, 4, 16, 2)),  # the rate form's defaults
        (1500, 2000, 250, 1, (250, 8, 6, 1)),  # the spiking form's defaults
        (1500, 4000, 250, 0.5, (250, 16, 6, 1)),
        (0, 100, 250, 1, (25, 4, 0, 10)),
        (30, 100, 250, 1, (25, 4, 2, 10)),  # settling is rounded up
        (25, 100, 26, 1, (25, 4, 1, 2)),  # so is writing
        (100, 1, 250, 1, (1, 4, 100, 250)),  # a window shorter than its four quarters is lengthened to four steps
    ],
)
def test_phases_by_hand(settle, window, write, dt, expected):
    phase, *counts = phase_of(Times(settle * ms, window * ms, write * ms, dt * ms))
    assert (in_ms(phase), *counts) == pytest.approx(expected)


def test_the_mask_wiring_has_one_window_after_settling():
    protocol = plan_of(mask_wiring, Times(2 * second, 1 * second, 250 * ms, 1 * ms))[0].protocol
    assert in_ms(protocol.phase) == pytest.approx(250)
    assert protocol.windows.tolist() == [[8, 9, 10, 11]]
    assert protocol.n_phase == 12
    assert protocol.duration / second == pytest.approx(3)


TIMES = Times(300 * ms, 400 * ms, 200 * ms, 1 * ms)  # phase 100 ms: windows of 4, settling 3, writing 2
N_TOKEN, N_CONTEXT = 2, 3
WRITING, QUERY = 2 * 2 * N_CONTEXT, 1 + 3 + 4  # no token in the first phase of a query


def inputs(plan, population, port):
    """What reaches a port from outside, (n_phase, ...)."""
    return plan.circuit.populations[population].inputs[port]


def test_the_memory_wiring_reads_one_window_a_token_after_its_settling():
    protocol = plan_of(memory_wiring, TIMES)[0].protocol
    assert protocol.n_phase == WRITING + N_TOKEN * QUERY
    assert protocol.windows.tolist() == [[16, 17, 18, 19], [24, 25, 26, 27]]
    # the last phase of the run is the last of the last window: nothing is simulated for nothing
    assert protocol.windows[-1, -1] == protocol.n_phase - 1


def test_each_context_token_is_shown_and_then_written_for_tau_write():
    plan, _, context = plan_of(memory_wiring, TIMES)
    shown, gate = inputs(plan, "matrix", "soma")[:, 0], inputs(plan, "memory", "gate").ravel()
    for j in range(N_CONTEXT):
        part = slice(4 * j, 4 * (j + 1))
        assert np.array_equal(shown[part], np.broadcast_to(context[0, j], (4, 4)))
        assert gate[part].tolist() == [0, 0, 1, 1]
        open_for = gate[part].sum() * plan.protocol.phase
        assert open_for / plan.circuit.populations["memory"].parameters["tau_write"] == pytest.approx(1)
    assert not gate[WRITING:].any()
    assert not shown[WRITING:].any()
    assert np.array_equal(inputs(plan, "key_memory", "gate").ravel(), gate)


def test_a_write_that_is_no_whole_number_of_phases_still_counts_once():
    """The gate is open for a little longer than asked, and tau_write with it."""
    plan, *_ = plan_of(memory_wiring, TIMES._replace(write=250 * ms))
    gate, tau = inputs(plan, "memory", "gate").ravel(), plan.circuit.populations["memory"].parameters["tau_write"]
    assert in_ms(tau) == pytest.approx(300)
    assert gate.sum() * plan.protocol.phase / tau == pytest.approx(N_CONTEXT)


def test_each_token_asks_in_its_own_window_and_finds_inhibition_at_its_start():
    plan, tokens, _ = plan_of(memory_wiring, TIMES)
    asked, working = inputs(plan, "core", "soma")[:, 0], inputs(plan, "interneuron", "gate").ravel()
    assert not asked[:WRITING].any()
    for i in range(N_TOKEN):
        part = slice(WRITING + QUERY * i, WRITING + QUERY * (i + 1))
        assert not asked[part][0].any()
        assert np.array_equal(asked[part][1:], np.broadcast_to(tokens[0, i], (QUERY - 1, 4)))
    assert working.tolist() == [0] * WRITING + ([0] + [1] * (QUERY - 1)) * N_TOKEN


def test_nuclei_may_change_places():
    plan, tokens, context = plan_of(memory_wiring, TIMES, writes="core")
    assert np.array_equal(inputs(plan, "core", "soma")[0, 0], context[0, 0])
    assert np.array_equal(inputs(plan, "matrix", "soma")[-1, 0], tokens[0, -1])


def test_a_mask_makes_one_memory_a_distinct_row():
    """Rows 0 and 2 are the same: two memories on the batch axis, each with its own tokens, asked by its own rows."""
    mask = np.array([[True, False, True], [False, False, False], [True, False, True]])
    plan, tokens, _ = plan_of(memory_wiring, TIMES, n_token=3, mask=mask)
    assert plan.batch == 2
    gate = inputs(plan, "memory", "gate").reshape(plan.protocol.n_phase, 2)
    written = gate[:WRITING].reshape(N_CONTEXT, 4, 2).sum(axis=1) / 2
    assert sorted(written.T.tolist()) == [[0, 0, 0], [1, 0, 1]]
    # row i of the answer is read in part i, in the memory of its own row of the mask
    memory = np.where(written.any(axis=0))[0][0]
    values = {"higher_order": np.arange(3 * 2 * 4.0).reshape(3, 2, 4)}
    answer = plan.read(plan.output, values)
    assert answer.shape == (1, 3, 4)
    for i, row in enumerate(mask):
        assert np.array_equal(answer[0, i], values["higher_order"][i, memory if row.any() else 1 - memory])
