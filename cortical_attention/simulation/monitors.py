"""Recordings of a run: readings of every cell at the phases, and rates and spikes of selected cells of the first input."""

from typing import NamedTuple

import numpy as np
from brian2 import Hz, Quantity, StateMonitor, ms, second

from cortical_attention.simulation.signals import signals_of
from cortical_attention.simulation.traces import RecordError
from cortical_attention.wiring.circuit import Sent

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
        Empty in a form with spikes.
    rate : Quantity (Hz), shape (n_sample, n_recorded)
        Rates of the recorded cells in a form without spikes.
    mean_rate : Quantity (Hz), shape (batch,), or None
        Mean over all cells of each input, on and off cells alike, in the measured windows (in rates: at their ends); None
        if the run was interrupted.
    traces : tuple of Trace
        Variables that were asked for.
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
    mean_rate: Quantity | None = None
    traces: tuple = ()


class Trace(NamedTuple):
    """A variable of some cells, sampled at every time step.

    Attributes
    ----------
    variable : str
    cells : ndarray of int, shape (n_cell,)
        Flat indices.
    time : Quantity (s), shape (n_sample,)
    values : Quantity, shape (n_sample, n_cell)
        In the unit of the variable.
    """

    variable: str
    cells: np.ndarray
    time: Quantity
    values: Quantity


class Monitors(NamedTuple):
    """Monitors of a population.

    Attributes
    ----------
    reading : StateMonitor
        What every cell is read by, at the phases.
    rate : StateMonitor or None
        Rates of the recorded cells; None in a form with spikes.
    spikes : SpikeMonitor, EventMonitor or None
        None in a form without spikes.
    traces : StateMonitor or None
        Variables that were asked for; None without any.
    """

    reading: object
    rate: object
    spikes: object
    traces: object


def sampled(given, send):
    """Indices of recorded cells, for populations that are only partially recorded."""
    return {
        name: given.recorded[name]
        for name, phases in given.phases.items() if phases.size > given.recorded[name].size and name not in send
    }  # fmt: skip


def monitors_of(wired, name, clocks, form, given, whole):
    """Monitors of a population.

    Parameters
    ----------
    wired : Wired
    name : str
    clocks : tuple of Clock
        Of the phases, and of the samples of rates.
    form : Form
    given : Initial
        With the cells to record.
    whole : bool
        Whether the spikes of all cells are kept by one monitor.

    Returns
    -------
    Monitors

    Raises
    ------
    RecordError
        If the population has no variable of a name that was asked for.
    """
    phases, samples = clocks
    group, concrete = wired.groups[name], wired.concrete[name]
    signals = signals_of(form)
    known = signals.sampled(form.of(concrete.population.cell))
    reading = StateMonitor(group, known, record=True, clock=phases, name=f"reading_of_{name}")
    rate = signals.rates(group, given.recorded[name], samples)
    return Monitors(reading, rate, signals.spikes(group, whole), _traces(group, given.traced.get(name)))


def _traces(group, traced):
    """Monitor of the variables that were asked for, at every time step; None if there are none."""
    if traced is None:
        return None
    known = recordable(group)
    for variable in traced.variables:
        if variable not in known:
            raise RecordError(
                f"record: population '{group.name}' has no variable '{variable}'; it has {', '.join(known)}"
            )
    return StateMonitor(
        group, list(traced.variables), record=traced.cells, clock=group.clock, name=f"traces_of_{group.name}"
    )


def recordable(group):
    """Names of the variables of a Brian2 group that a trace can be recorded of, sorted (list of str)."""
    names = (name for name, each in group.variables.items() if not (each.scalar or name.startswith("_")))
    return sorted({*names} - {"i", "lastspike", "not_refractory", "chosen"})


def listening_to(monitors, group, form):
    """Monitor of all that a population sends."""
    return signals_of(form).listening(monitors.spikes, group)


def sent_of(monitor, dt):
    """Sent, of what was listened to."""
    if isinstance(monitor, StateMonitor):
        return Sent(None, None, np.array(monitor.rate).T)
    cells, steps = np.array(monitor.i), np.round(np.asarray(monitor.t / dt)).astype(np.int32)
    order = np.lexsort((cells, steps))
    return Sent(cells[order], steps[order], None)


def record_of(wired, name, monitors, unit_rates, recorded, mean_rate):
    """Record of one population, from its monitors.

    Parameters
    ----------
    wired : Wired
    name : str
    monitors : Monitors
    unit_rates : dict of str to Quantity
    recorded : ndarray of int
        Flat indices of the recorded cells.
    mean_rate : Quantity (Hz), shape (batch,), or None

    Returns
    -------
    Record
    """
    concrete, cell = wired.concrete[name], wired.concrete[name].population.cell
    rate = np.zeros(0) * second, np.zeros((0, recorded.size)) * Hz
    if monitors.rate is not None:
        rate = Quantity(monitors.rate.t), Quantity(monitors.rate.rate).T
    return Record(
        name, cell.name, cell.layer, concrete.axes, np.mean(unit_rates[name][0]), recorded,
        *_spikes_of(monitors.spikes, recorded), *rate, mean_rate, _traces_of(monitors.traces),
    )  # fmt: skip


def _spikes_of(spikes, recorded):
    """Index and time of the spikes of the recorded cells, each None without a monitor."""
    if spikes is None:
        return None, None
    index, times = np.array(spikes.i), Quantity(spikes.t)
    kept = np.isin(index, recorded)
    return index[kept], times[kept]


def _traces_of(monitor):
    """What a monitor of traces holds, in the order that was asked for (tuple of Trace)."""
    if monitor is None:
        return ()
    times, cells = Quantity(monitor.t), np.array(monitor.record)
    return tuple(Trace(name, cells, times, Quantity(getattr(monitor, name)).T) for name in monitor.record_variables)


def every(monitors, listening):
    """Every monitor once."""
    return {each for group in (*monitors.values(), listening.values()) for each in group if each is not None}


def read(monitors, name, variable):
    """Readings of one variable of every cell, at time zero and at the end of each phase.

    Parameters
    ----------
    monitors : dict of str to Monitors
    name : str
        Name of the population.
    variable : str
        A variable of its reading, such as `rate` (Hz) or `count` (spikes so far).

    Returns
    -------
    ndarray, shape (n_phase + 1, n_cell)
        Without unit, in Hz or counts; fewer rows if the run was interrupted.
    """
    return np.array(getattr(monitors[name].reading, variable)).T
