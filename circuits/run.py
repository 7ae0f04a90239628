"""Running a plan: the network, what was recorded of it, and the numbers its cells stood for."""

import time
from typing import NamedTuple

import numpy as np
from brian2 import Clock, EventMonitor, Hz, Network, Quantity, SpikeMonitor, StateMonitor, ms, second

from circuits import engine
from circuits.drawn import drawn
from circuits.protocol import RunError
from wiring.circuit import Sent
from wiring.network import Settings, each_cell, wire
from wiring.numbers import numbers_of_count, numbers_of_rate

SAMPLE_PERIOD = 5 * ms  # chosen: a tenth of a synaptic time constant


class Record(NamedTuple):
    """What was recorded of one population; units are Brian2's.

    Attributes
    ----------
    name, cell_type, layer : str
    axes : tuple of (kind, size)
        Hidden axes included, in C order of the flat index.
    unit_rate : Quantity (Hz)
        Where each cell has its own, their mean.
    cells : ndarray of int
        Flat indices of the recorded cells.
    spike_index, spike_time : ndarray of int and Quantity (s), or None in a form without spikes
    sample_time : Quantity (s), shape (n_sample,)
    rate : Quantity (Hz), shape (n_sample, n_recorded)
        What drives the cell to fire (spiking form), or its rate (rate form).
    """

    name: str
    cell_type: str
    layer: str
    axes: tuple
    unit_rate: Quantity
    cells: np.ndarray
    spike_index: np.ndarray | None
    spike_time: Quantity | None
    sample_time: Quantity
    rate: Quantity


class Run(NamedTuple):
    """A finished simulation.

    Attributes
    ----------
    records : tuple of Record
    numbers : dict of str to ndarray, shape (n_phase, batch, *sizes)
        What each population stood for: at the end of each phase (rate form), or by its spikes in it (spiking form).
    peak_rates : dict of str to Quantity
        Highest rate of any cell over any phase of the run (in rates, at the end of any window); empty if interrupted.
    unit_rates : dict of str to Quantity, shape (batch,) or (batch, *sizes)
    t_stop : Quantity
        Biological time simulated.
    interrupted : bool
    seeds : dict of str to int
    n_cell, n_synapse : int
    target, target_reason : str
    wall : float
        Seconds.
    stepping : float
        Seconds of it that the time steps took, without the preparation where that is known (C++).
    sent : dict of str to Sent
        Of the populations that were asked for: all that their cells sent.
    """

    records: tuple
    numbers: dict
    peak_rates: dict
    unit_rates: dict
    t_stop: Quantity
    interrupted: bool
    seeds: dict
    n_cell: int
    n_synapse: int
    target: str
    target_reason: str
    wall: float
    stepping: float
    sent: dict = {}


def simulate(
    plan, form, unit_rates, *, dt, cells=1, shared=True, seed=0, target="auto", record="default", report=None,
    given=None, send=(),
):  # fmt: skip
    """Run a plan.

    Parameters
    ----------
    plan : Plan
    form : Form
    unit_rates : dict of str to Quantity, shape (batch,) or (batch, *sizes)
    dt : Quantity
    cells : int
        Cells that share one number.
    shared : bool
        Shared dendrites, or one synapse a pair.
    seed : int
    target : {"auto", "numpy", "cython", "cpp"}
    record : {"default", "sample", "all"}
        Cells recorded of the first input: nuclei, interneurons and L5 PT as a whole unless they have more than 1000, and at
        most 200 of another population; at most 32 of every population; or every cell.
    report : callable or None
        Brian2's progress report; left out where the target cannot call back.
    given : Drawn, optional
        What else the seed and `record` would settle, where the plan is a part of a larger one (`circuits.cut`).
    send : tuple of str
        Populations of which all that is sent is returned.

    Returns
    -------
    Run

    Raises
    ------
    RunError
        If a number is not finite, or a cell was asked for more than it can give while it was measured.
    """
    start = time.perf_counter()
    target, reason = engine.choose(target, work(plan, form, dt, cells, shared))
    given = drawn(plan, form, cells, seed, record) if given is None else given
    seeds = {"phases": seed} | ({} if form.regular else {"noise": seed})
    _measure_cells(plan, form, dt)
    with engine.device(target):
        clock, dense = Clock(dt, name="circuit_clock"), target != "cython"
        part = {
            name: given.recorded[name] for name, each in given.phases.items() if each.size > given.recorded[name].size
        }
        part = {name: recorded for name, recorded in part.items() if name not in send}
        settings = Settings(
            form, unit_rates, plan.batch, cells, shared, clock, plan.protocol.phase, seed, dense, part, given.first
        )
        wired = wire(plan.circuit, settings)
        engine.lay_out(wired.layout)
        if form.spikes:
            _scatter(wired, form, given.phases)
        clocks = Clock(plan.protocol.phase, name="phase_clock"), Clock(SAMPLE_PERIOD, name="sample_clock")
        monitors = {
            name: _monitors(wired, name, clocks, form, given.recorded[name], name not in part) for name in wired.groups
        }
        listening = {name: _listening(monitors[name], wired.groups[name], form) for name in send}
        every = {each for group in (*monitors.values(), listening.values()) for each in group if each is not None}
        network = Network(*wired.objects, *every, name="circuit")
        asked = plan.protocol.duration + dt  # one step more, so that the last phase ends in a sample
        stepping = time.perf_counter()
        network.run(asked, report=None if target == "cpp" else report, report_period=1 * second, namespace={})
        stepping = engine.run_time() or time.perf_counter() - stepping
        interrupted = bool(network.t < asked - dt / 2)
        readings = {name: _read(monitors, name, form.of(_cell(wired, name)).reading) for name in monitors}
        # a compiled program that gets the interruption itself stops early, and says nothing
        interrupted |= any(len(reading) <= plan.protocol.n_phase for reading in readings.values())
        sent = {name: _sent(monitor, dt) for name, monitor in listening.items()}
        records = tuple(_record(wired, name, monitors[name], unit_rates) for name in wired.groups)
        if not interrupted:
            _refuse_what_failed(wired, readings, form)
            if form.spikes:
                counted = {name: _read(monitors, name, "count") for name in monitors}
                crowded = {name: _read(monitors, name, "crowded") for name in monitors}
                _refuse_crowding(crowded, plan.protocol, form)
        n_cell = sum(group.N for group in wired.groups.values())
        n_synapse = wired.n_synapse
        t_stop = Quantity(network.t)
    numbers, peaks = {}, {}
    for name, reading in readings.items():
        numbers[name] = _numbers(reading, wired.concrete[name], unit_rates[name], plan.protocol, form)
        if not interrupted:
            peaks[name] = _peak(counted[name] if form.spikes else reading, plan.protocol, form)
    wall = time.perf_counter() - start
    return Run(
        records, numbers, peaks, unit_rates, t_stop, interrupted, seeds, n_cell, n_synapse, target, reason, wall,
        stepping, sent,
    )  # fmt: skip


def _measure_cells(plan, form, dt):
    """Let a form measure its cells before the target is set, since that is a run of its own."""
    if form.constants_of is None:
        return
    with engine.device("numpy"):
        for population in plan.circuit.populations.values():
            form.of(population.cell).constants_of(form, population.cell, dt)


def work(plan, form, dt, cells=1, shared=True):
    """What a run will have to do, roughly (circuits.engine.Work); what is played is left out.

    Synapses count where each has its own, one a pair; a spiking one sends at a tenth of the ceiling.
    """
    circuit, signs = plan.circuit, 2 if form.paired else 1
    simulated = [each for each in circuit.populations.values() if each.sent is None]
    n_cell = 2 * signs * plan.batch * cells * sum(int(np.prod(each.shape)) for each in simulated)
    n_object = signs * (3 if form.spikes else 1) * (len(circuit.populations) + len(circuit.projections))
    n_synapse = 0 if shared else signs * plan.batch * cells**2 * sum(map(circuit.n_pair, circuit.projections))
    sending = float(0.1 * form.ceiling * dt) if form.spikes else 1.0
    return engine.Work(n_object, n_cell, round(float(plan.protocol.duration / dt)), sending * n_synapse)


def _cell(wired, name):
    return wired.concrete[name].population.cell


def _read(monitors, name, variable):
    """Readings (n_phase + 1, n_cell) of a variable of every cell."""
    return np.array(getattr(monitors[name][0], variable)).T


def _scatter(wired, form, phases):
    """Start the membrane of every cell at a place of its own, so that cells do not fire in step."""
    for name, group in wired.groups.items():
        form.of(_cell(wired, name)).scatter(group, phases[name])


def _monitors(wired, name, clocks, form, recorded, whole):
    """Readings of every cell at the phases; rates over time, and spikes, of the recorded cells."""
    phases, samples = clocks
    group, concrete = wired.groups[name], wired.concrete[name]
    read = sorted({form.of(concrete.population.cell).reading, "count", "crowded"}) if form.spikes else form.reading
    reading = StateMonitor(group, read, record=True, clock=phases, name=f"reading_of_{name}")
    rate = StateMonitor(group, "rate", record=recorded, clock=samples, name=f"rate_of_{name}")
    if not form.spikes:
        return reading, rate, None
    named = {"name": f"spikes_of_{name}"}
    return reading, rate, SpikeMonitor(group, **named) if whole else EventMonitor(group, "recorded", **named)


def _listening(monitors, group, form):
    """Monitor of all that a population sends."""
    if form.spikes:
        return monitors[2]
    return StateMonitor(group, "rate", record=True, clock=group.clock, name=f"sent_by_{group.name}")


def _sent(monitor, dt):
    """Sent, of what was listened to."""
    if isinstance(monitor, StateMonitor):
        return Sent(None, None, np.array(monitor.rate).T)
    cells, steps = np.array(monitor.i), np.round(np.asarray(monitor.t / dt)).astype(np.int32)
    order = np.lexsort((cells, steps))
    return Sent(cells[order], steps[order], None)


def _record(wired, name, monitors, unit_rates):
    """Record of one population."""
    concrete = wired.concrete[name]
    _, rate, spikes = monitors
    index, times = None, None
    if spikes is not None:
        index, times = np.array(spikes.i), Quantity(spikes.t)
        kept = np.isin(index, rate.record)
        index, times = index[kept], times[kept]
    cell = concrete.population.cell
    return Record(
        name, cell.name, cell.layer, concrete.axes, np.mean(unit_rates[name][0]), np.array(rate.record), index, times,
        Quantity(rate.t), Quantity(rate.rate).T,
    )  # fmt: skip


def _refuse_what_failed(wired, readings, form):
    """Raise RunError for numbers that are not finite."""
    for name, group in wired.groups.items():
        state = np.array(getattr(group, form.of(_cell(wired, name)).membrane)) if form.spikes else readings[name]
        if not (np.isfinite(state).all() and np.isfinite(readings[name]).all()):
            raise RunError(f"the simulation diverged: {name} holds numbers that are not finite; try a shorter dt")


def _refuse_crowding(crowded, protocol, form):
    """Raise RunError where a cell was asked, in a measured window, for more than it can give."""
    first, last = protocol.windows[:, 0], protocol.windows[:, -1] + 1
    for name, counts in crowded.items():
        times = int((counts[last] - counts[first]).sum())
        if times:
            raise RunError(f"{name} was asked for {form.crowding}, {times} times; lower the unit rate or the time step")


def _numbers(reading, concrete, unit_rate, protocol, form):
    """Numbers (n_phase, batch, *sizes), from the readings (n_phase + 1, n_cell)."""
    unit_rate = each_cell(unit_rate, concrete.n_cell)
    if form.spikes:
        numbers = numbers_of_count(np.diff(reading, axis=0), unit_rate, protocol.phase)
    else:
        numbers = numbers_of_rate(reading[1:] * Hz, unit_rate)
    numbers = numbers.reshape(-1, *concrete.shape)
    if concrete.axes[-1][0] == "sign":
        numbers = numbers[..., 0] - numbers[..., 1]
    return numbers.mean(axis=-1)


def _peak(reading, protocol, form):
    """Highest rate of any cell over any phase of the run (spikes), or at the end of any window (rates)."""
    if not form.spikes:
        return Quantity(np.abs(reading[protocol.windows[:, -1] + 1]).max() * Hz)
    return Quantity(np.diff(reading, axis=0).max() / protocol.phase)
