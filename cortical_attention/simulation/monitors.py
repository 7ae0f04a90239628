"""What is recorded of a run: readings at the phases, and rates and spikes of a sample, of the cells of the first input."""

from typing import NamedTuple

import numpy as np
from brian2 import Quantity, StateMonitor, ms

from cortical_attention.simulation.signals import signals_of
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


def sampled(given, send):
    """Indices of recorded cells, for populations that are only partially recorded."""
    return {
        name: given.recorded[name]
        for name, phases in given.phases.items() if phases.size > given.recorded[name].size and name not in send
    }  # fmt: skip


def monitors_of(wired, name, clocks, form, recorded, whole):
    """Readings of every cell at the phases; rates over time, and spikes, of the recorded cells."""
    phases, samples = clocks
    group, concrete = wired.groups[name], wired.concrete[name]
    signals = signals_of(form)
    known = signals.sampled(form.of(concrete.population.cell))
    reading = StateMonitor(group, known, record=True, clock=phases, name=f"reading_of_{name}")
    rate = StateMonitor(group, "rate", record=recorded, clock=samples, name=f"rate_of_{name}")
    return reading, rate, signals.spikes(group, whole)


def listening_to(monitors, group, form):
    """Monitor of all that a population sends."""
    return signals_of(form).listening(monitors[2], group)


def sent_of(monitor, dt):
    """Sent, of what was listened to."""
    if isinstance(monitor, StateMonitor):
        return Sent(None, None, np.array(monitor.rate).T)
    cells, steps = np.array(monitor.i), np.round(np.asarray(monitor.t / dt)).astype(np.int32)
    order = np.lexsort((cells, steps))
    return Sent(cells[order], steps[order], None)


def record_of(wired, name, monitors, unit_rates):
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


def every(monitors, listening):
    """Every monitor once."""
    return {each for group in (*monitors.values(), listening.values()) for each in group if each is not None}


def read(monitors, name, variable):
    """Readings (n_phase + 1, n_cell) of a variable of every cell."""
    return np.array(getattr(monitors[name][0], variable)).T
