"""Interrupted is what somebody stopped, however short the steps are; and whatever somebody stopped, on every target."""

import os
import signal
import subprocess
import threading
import time
from types import SimpleNamespace

import brian2
import numpy as np
import pytest
from brian2 import Clock, Hz, NeuronGroup, StateMonitor, ms, second, us

from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.membranes import f_i
from cortical_attention.cells.membranes.leaky import PYRAMIDAL
from cortical_attention.circuits.nucleus import Source
from cortical_attention.circuits.protocol import Protocol
from cortical_attention.simulation import compile, engine, nuclei
from cortical_attention.simulation.calibrate import rate_units
from cortical_attention.simulation.monitors import SAMPLE_PERIOD
from cortical_attention.simulation.run import _step, simulate
from tests.test_build import plan_of

needs_compiler = pytest.mark.skipif(compile.compiler() is None, reason="no C++ compiler")
compiled = pytest.param("cpp", marks=needs_compiler)
N_PHASE = 2


def step(phase, dt, target, n_cell=1, report=None):
    """Run one population for two phases: whether it was interrupted, time (s), readings, and samples."""
    protocol = Protocol(phase, N_PHASE, np.arange(N_PHASE)[None])
    with engine.device(target):
        clock = Clock(dt, name="circuit_clock")
        group = NeuronGroup(
            n_cell, "dv/dt = second**-1 : 1", method="euler", namespace={"second": second}, clock=clock, name="group"
        )
        reading = StateMonitor(group, "v", record=[0], clock=Clock(phase, name="phase_clock"), name="reading")
        rate = StateMonitor(group, "v", record=[0], clock=Clock(SAMPLE_PERIOD, name="sample_clock"), name="rate")
        t_stop, interrupted, _ = _step(
            SimpleNamespace(protocol=protocol), clock, [group, reading, rate], target, report
        )
        return interrupted, float(t_stop), np.array(reading.v[0]), len(rate.t)


@pytest.mark.parametrize("target", ["numpy", compiled])
@pytest.mark.parametrize(
    ("phase", "dt"),
    [
        (50 * ms, 1 * ms),
        (33 * ms, 0.7 * ms),  # neither divides the other
        (30 * ms, 3 * us),  # Brian2 takes a ten thousandth of a period for nothing
        (30 * ms, 2 * us),
        (3 * ms, 0.4 * us),  # of the period of samples
    ],
    ids=str,
)
def test_nobody_interrupts(phase, dt, target):
    phase = round(float(phase / dt)) * dt
    interrupted, t_stop, readings, _ = step(phase, dt, target)
    assert interrupted is False
    assert readings == pytest.approx(np.arange(N_PHASE + 1) * float(phase), abs=float(dt) * 1e-3)
    assert (
        N_PHASE * float(phase)
        < t_stop
        <= N_PHASE * float(phase) + float(dt) + 1.1e-4 * float(max(phase, SAMPLE_PERIOD))
    )


def test_long_steps_are_one_more_than_the_last_phase():
    """So that the figures of runs with such steps stay what they were."""
    assert step(50 * ms, 1 * ms, "numpy")[1] == pytest.approx(0.101)


def test_a_stop_between_two_steps_is_an_interruption():
    interrupted, t_stop, _, _ = step(50 * ms, 1 * ms, "numpy", report=lambda *told: brian2.stop())
    assert (interrupted, t_stop) == (True, 0)


@needs_compiler
@pytest.mark.parametrize("alone", ["program", "python"])
def test_a_compiled_program_that_is_stopped_was_interrupted(alone, monkeypatch):
    """The signal reaches the program alone, which ends as if it were done, or Python alone, which passes it on."""
    start = subprocess.Popen

    def popen(command, **more):
        program = start(command, **more)
        if command == ["./main", *command[1:]]:
            to = program.pid if alone == "program" else os.getpid()
            threading.Timer(0.5, os.kill, [to, signal.SIGINT]).start()
        return program

    monkeypatch.setattr(subprocess, "Popen", popen)
    interrupted, t_stop, readings, _ = step(1000 * second, 1 * ms, "cpp", n_cell=5000)
    assert interrupted is True
    assert 0 < t_stop < 2000
    assert len(readings) < N_PHASE + 1


@pytest.mark.parametrize("target", ["numpy", compiled])
def test_an_interrupted_run_of_nuclei_gives_no_spikes(target, monkeypatch):
    start = subprocess.Popen

    def popen(command, **more):
        program = start(command, **more)
        if command == ["./main", *command[1:]]:
            threading.Timer(0.5, os.kill, [program.pid, signal.SIGINT]).start()
        return program

    def stop():
        while not brian2.Network._globally_running:
            time.sleep(0.01)
        brian2.stop()

    monkeypatch.setattr(subprocess, "Popen", popen)
    if target == "numpy":
        threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        nuclei.simulate([Source("axons", 2000, 5 * Hz)], slot=1 * second, n_slot=1000, target=target)


def test_an_interrupted_run_has_no_peaks():
    plan = plan_of()
    whole, cut = (
        simulate(plan, RATE, rate_units(plan), dt=1 * ms, target="numpy", report=report)
        for report in (None, lambda *told: brian2.stop())
    )
    assert (whole.interrupted, cut.interrupted) == (False, True)
    assert whole.peak_rates
    assert cut.peak_rates == {}


def test_an_interrupted_measurement_of_cells_is_no_table(monkeypatch):
    """Half a table would serve every later run of the process."""
    real = f_i.Network.run

    def run(network, *given, **more):
        real(network, *given, **more, report=lambda *told: brian2.stop())

    monkeypatch.setattr(f_i.Network, "run", run)
    membrane = PYRAMIDAL.changed(sigma=0.0123)
    with engine.device("numpy"), pytest.raises(KeyboardInterrupt):
        f_i.f_i_table(membrane, 1 * ms)
