"""Simulation of a plan: its network, its recordings, and the values of its cells."""

import time
from typing import NamedTuple

import numpy as np
from brian2 import Clock, Network, Quantity, ms, second

from cortical_attention.circuits.protocol import RunError
from cortical_attention.simulation import engine
from cortical_attention.simulation.initial import initial_state
from cortical_attention.simulation.learning import learnt_of, refuse_diverged, taught, weighed_of
from cortical_attention.simulation.monitors import (
    SAMPLE_PERIOD,
    every,
    listening_to,
    monitors_of,
    read,
    record_of,
    sampled,
    sent_of,
)
from cortical_attention.simulation.saturation import ADVICE, Saturation, refuse_saturation
from cortical_attention.simulation.signals import decoded, signals_of
from cortical_attention.simulation.watch import watching
from cortical_attention.wiring.network import Construction, wire
from cortical_attention.wiring.soma import each_cell


class Run(NamedTuple):
    """A finished simulation.

    Attributes
    ----------
    records : tuple of Record
    values : dict of str to ndarray, shape (n_phase, batch, *sizes)
        What each population stood for: at the end of each phase (rate form), or by its spikes in it (spiking form).
    peak_rates : dict of str to Quantity
        Highest rate of any cell over any phase of the run (in rates, at the end of any window); empty if interrupted.
    unit_rates : dict of str to Quantity, shape (batch,) or (batch, *sizes)
    t_stop, dt : Quantity
        Biological time simulated, and the time step.
    epochs : tuple of circuits.protocol.Epoch
        Settling times and measured windows, one after another.
    interrupted : bool
        Whether somebody stopped it before its last phase had ended.
    seeds : dict of str to int
    n_cell, n_synapse : int
    target, target_reason : str
    wall : float
        Seconds.
    stepping : float
        Seconds of it that the time steps took, without the preparation where that is known (C++).
    sent : dict of str to Sent
        Of the populations that were asked for: all that their cells sent.
    precision : {"double", "single"}
        Of the state of cells and synapses.
    saturated : dict of str to Saturation
        Of the populations whose cells have a limit; empty if interrupted.
    cycle : int
        As in the protocol (`circuits.protocol.Protocol`).
    learnt : dict of str to Learnt
        Weights that rules changed, by name.
    """

    records: tuple
    values: dict
    peak_rates: dict
    unit_rates: dict
    t_stop: Quantity
    dt: Quantity
    epochs: tuple
    interrupted: bool
    seeds: dict
    n_cell: int
    n_synapse: int
    target: str
    target_reason: str
    wall: float
    stepping: float
    sent: dict = {}
    precision: str = "double"
    saturated: dict = {}
    cycle: int = 0
    learnt: dict = {}


def simulate(
    plan, form, unit_rates, *, dt, cells=1, shared=True, seed=0, target="auto", record="default", report=None,
    given=None, send=(), precision="double", beyond=None, watch=None,
):  # fmt: skip
    """Run a plan.

    Parameters
    ----------
    plan : Plan
    form : Form
    unit_rates : dict of str to Quantity, shape (batch,) or (batch, *sizes)
    dt : Quantity
    cells : int
        Cells that share one value.
    shared : bool
        Shared dendrites, or one synapse a pair.
    seed : int
    target : {"auto", "numpy", "cython", "cpp"}
    record : {"default", "sample", "all"}, or dict
        Cells recorded of the first input: nuclei, interneurons and L5 PT as a whole unless they have more than 1000, and at
        most 200 of another population; at most 32 of every population; or every cell. A dict asks for traces besides
        (`simulation.traces.request_of`).
    report : callable or None
        Brian2's progress report; left out where the target cannot call back.
    given : Initial, optional
        What else the seed and `record` would settle, where the plan is a part of a larger one (`simulation.cut`).
    send : tuple of str
        Populations of which all that is sent is returned.
    precision : {"double", "single"}
        Of the state of cells and synapses. Measured curves of cells are in double precision.

    beyond : float, optional
        Share of the measured spikes of a population that may be beyond the limit of its cells for any input, if that is
        more than the limit itself allows. Without it a run of several inputs goes on as long as one of them is within the
        limits, and `simulation.settle.judge` says which are not.
    watch : simulation.watch.Watch, optional
        Who watches the run, on a target that steps in this process; the answer is that of a run that nobody watches.

    Returns
    -------
    Run

    Raises
    ------
    RecordError
        If a population or variable to record is not there.
    RunError
        If `dt` exceeds the shortest time constant of the form, a value or a learnt weight is not finite, or more of the
        measured spikes of a population than may be are beyond the limit of its cells; of a part (`given`) that is left to
        `refuse_saturation`; also for a run that is to be watched on the target "cpp".
    """
    _refuse_long_steps(form, dt)
    start = time.perf_counter()
    target, reason = engine.choose(target, work(plan, form, dt, cells, shared))
    if watch is not None and target == "cpp":
        raise RunError("a run on the target cpp cannot be watched; try --target numpy")
    whole = given is None
    given = initial_state(plan, form, cells, seed, record) if whole else given
    _measure_cells(plan, form, dt)
    signals = signals_of(form)
    with engine.device(target, precision):
        settings = Construction(
            form, unit_rates, plan.batch, cells, shared, Clock(dt, name="circuit_clock"), plan.protocol.phase, seed,
            target != "cython", sampled(given, send), given.first, taught(plan),
        )  # fmt: skip
        wired, monitors, listening = _prepare(plan, settings, given, send)
        weighed = weighed_of(wired, settings)
        objects = [*wired.objects, *every(monitors, listening), *weighed.values()]
        if watch is not None:
            objects.append(watching(watch, plan, wired, monitors, settings, given))
        t_stop, interrupted, stepping = _step(plan, settings.clock, objects, target, report)
        readings = {name: read(monitors, name, form.of(_cell(wired, name)).reading) for name in monitors}
        sent = {name: sent_of(monitor, dt) for name, monitor in listening.items()}
        counted = {name: read(monitors, name, signals.counted) for name in monitors}
        means = dict.fromkeys(counted)
        if not interrupted:
            means = {name: signals.mean(each, plan.protocol, plan.batch) for name, each in counted.items()}
        records = tuple(
            record_of(wired, name, monitors[name], unit_rates, given.recorded[name], means[name])
            for name in wired.groups
        )
        saturated, learnt = {}, learnt_of(plan, weighed, settings)
        if not interrupted:
            refuse_diverged(learnt)
            _refuse_what_failed(wired, readings, form, dt)
            saturated = _saturated(wired, monitors, plan.protocol, form, beyond or 0)
            if whole:
                refuse_saturation(plan.circuit, saturated, form, dt, beyond is not None)
        n_cell, n_synapse = sum(group.N for group in wired.groups.values()), wired.n_synapse
    values = {
        name: _values(reading, wired.concrete[name], unit_rates[name], plan.protocol, form)
        for name, reading in readings.items()
    }
    peaks = {} if interrupted else {name: signals.peak(each, plan.protocol) for name, each in counted.items()}
    wall = time.perf_counter() - start
    epochs, seeds = _until(plan.protocol.epochs, t_stop), form.seeds(seed)
    return Run(
        records, values, peaks, unit_rates, t_stop, dt, epochs, interrupted, seeds, n_cell, n_synapse, target, reason, wall,
        stepping, sent, precision, saturated, plan.protocol.cycle, learnt,
    )  # fmt: skip


def _until(epochs, t_stop):
    """Epochs up to a time, at which a run was stopped."""
    stop = float(t_stop)
    return tuple(each._replace(stop=min(each.stop, stop)) for each in epochs if each.start < stop)


def _refuse_long_steps(form, dt):
    """Raise RunError for a time step at which the equations of a form are not integrated but alias."""
    name, tau = form.shortest_time_constant()
    if dt > tau:
        raise RunError(f"dt is {dt / ms:g} ms but needs to be at most {tau / ms:g} ms, {name} of form {form.name}")


def _prepare(plan, settings, given, send):
    """Network in its first state (Wired), its monitors by population, and those of all that is sent."""
    form = settings.form
    wired = wire(plan.circuit, settings)
    engine.lay_out(wired.layout)
    _scatter(wired, form, given.phases)
    clocks = Clock(plan.protocol.phase, name="phase_clock"), Clock(SAMPLE_PERIOD, name="sample_clock")
    monitors = {
        name: monitors_of(wired, name, clocks, form, given, name not in settings.recorded) for name in wired.groups
    }
    return wired, monitors, {name: listening_to(monitors[name], wired.groups[name], form) for name in send}


def _step(plan, clock, objects, target, report):
    """Run a network: the time that it came to, whether it was stopped before, and the seconds that its steps took."""
    network, start, dt = Network(*objects, name="circuit"), time.perf_counter(), clock.dt
    asked = plan.protocol.duration + _steps_more(plan.protocol, dt) * dt
    network.run(asked, report=None if target == "cpp" else report, report_period=1 * second, namespace={})
    took = engine.run_time() or time.perf_counter() - start
    # steps are counted: a compiled program that gets the interruption itself stops early, and says nothing
    done, needed = round(float(clock.t / dt)), round(float(plan.protocol.duration / dt)) + 1
    return Quantity(clock.t if done < needed else network.t), done < needed, took


def _steps_more(protocol, dt):
    """Steps beyond the last phase, so that it ends in a sample: one, or, where steps are so short that Brian2 takes it to
    end with the run (`Clock.epsilon_dt` of the period of a clock), as many as make the difference."""
    longest = max(protocol.phase, SAMPLE_PERIOD)
    return 1 + int(1.001 * Clock.epsilon_dt * float(longest / dt))


def _measure_cells(plan, form, dt):
    """Let a form measure its cells before the target is set, since that is a run of its own."""
    membranes = [form.of(population.cell) for population in plan.circuit.populations.values()]
    if any(each.drive.measure for each in membranes):
        with engine.device("numpy"):
            for each in membranes:
                each.measured(dt)


def work(plan, form, dt, cells=1, shared=True):
    """Estimated size of a simulation, for the choice of its target; populations that are played do not count as cells.

    Parameters
    ----------
    plan : Plan
    form : Form
    dt : Quantity (s)
    cells : int
        Cells per value.
    shared : bool
        Shared dendrites (True), whose synapses are not counted, or one synapse a pair.

    Returns
    -------
    simulation.engine.Work
        The number of cells includes their dendrites. A synapse of a spiking form is assumed to transmit at a tenth of the
        highest rate of the form.

    Raises
    ------
    WiringError
        Unless `shared`, if a projection does not fit its populations.
    """
    circuit, signs, signals = plan.circuit, 1 + form.paired, signals_of(form)
    simulated = [each for each in circuit.populations.values() if each.sent is None]
    n_cell = 2 * signs * plan.batch * cells * sum(int(np.prod(each.shape)) for each in simulated)
    n_object = signs * signals.n_object * (len(circuit.populations) + len(circuit.projections))
    n_synapse = 0 if shared else signs * plan.batch * cells**2 * sum(map(circuit.n_pair, circuit.projections))
    n_step = round(float(plan.protocol.duration / dt))
    return engine.Work(n_object, n_cell, n_step, signals.sending(form, dt) * n_synapse)


def _cell(wired, name):
    return wired.concrete[name].population.cell


def _scatter(wired, form, phases):
    """Start the membrane of every cell at a place of its own, so that cells do not fire in step."""
    for name in wired.groups.keys() & phases.keys():
        form.of(_cell(wired, name)).start(wired.groups[name], phases[name])


def _refuse_what_failed(wired, readings, form, dt):
    """Raise RunError for values that are not finite."""
    for name, group in wired.groups.items():
        state = np.array(getattr(group, form.of(_cell(wired, name)).variable))
        if not (np.isfinite(state).all() and np.isfinite(readings[name]).all()):
            advice = ADVICE[dt > form.dt][0]
            raise RunError(f"the simulation diverged: {name} holds values that are not finite; try {advice}")


def _saturated(wired, monitors, protocol, form, most):
    """Saturation of the populations whose cells have a limit, in the measured windows; a share of `most` may be beyond
    it, or more where the limit allows that."""
    first, last = protocol.windows[:, 0], protocol.windows[:, -1] + 1

    def counted(name, variable):
        each, n_input = read(monitors, name, variable), wired.concrete[name].shape[0] // protocol.n_memory
        return (each[last] - each[first]).sum(axis=0).reshape(n_input, -1).sum(axis=1)

    limits = {name: form.of(_cell(wired, name)).limit for name in monitors}
    return {
        name: Saturation(counted(name, "saturated"), counted(name, "count"), max(limit.most, most))
        for name, limit in limits.items() if limit
    }  # fmt: skip


def _values(reading, concrete, unit_rate, protocol, form):
    """Values (n_phase, batch, *sizes), from the readings (n_phase + 1, n_cell)."""
    unit_rate = each_cell(unit_rate, concrete.n_cell)
    return decoded(signals_of(form).values(reading, unit_rate, protocol.phase), concrete)
