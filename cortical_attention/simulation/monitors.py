"""Recordings of a run: readings of every cell at the phases, and rates and spikes of selected cells of the first input."""

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
    """Monitors of one population.

    Parameters
    ----------
    wired : Wired
    name : str
        Name of a simulated population.
    clocks : tuple of (Brian2 Clock, Brian2 Clock)
        Of the phases, and of the samples of rates.
    form : Form
    recorded : ndarray of int, shape (n_recorded,)
        Flat indices of the cells whose rates are sampled.
    whole : bool
        Whether spikes are recorded from every cell, or from those of `Construction.recorded` only.

    Returns
    -------
    reading : StateMonitor
        Output of every cell at each phase: rate (Hz), or running counts.
    rate : StateMonitor
        Rates (Hz) of the recorded cells over time.
    spikes : SpikeMonitor, EventMonitor or None
        None in a form without spikes.
    """
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
    """Record of one population, from its monitors.

    Parameters
    ----------
    wired : Wired
    name : str
        Name of the population.
    monitors : tuple of (StateMonitor, StateMonitor, SpikeMonitor or EventMonitor or None)
        As returned by `monitors_of`.
    unit_rates : dict of str to Quantity (Hz), shape (batch,) or (batch, *sizes)

    Returns
    -------
    Record
        Spikes of other cells than the recorded ones are left out; the unit rate is the mean over the first input.
    """
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
    """Readings of one variable of every cell, at time zero and at the end of each phase.

    Parameters
    ----------
    monitors : dict of str to tuple
        By population, as returned by `monitors_of`.
    name : str
        Name of the population.
    variable : str
        A variable of its reading, such as `rate` (Hz) or `count` (spikes so far).

    Returns
    -------
    ndarray, shape (n_phase + 1, n_cell)
        Without unit, in Hz or counts; fewer rows if the run was interrupted.

    Raises
    ------
    AttributeError
        For a variable that is not sampled.
    """
    return np.array(getattr(monitors[name][0], variable)).T
