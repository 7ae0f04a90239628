"""Readings of rates and of spikes: the sampled variables of a cell, and the values decoded from them. One object each."""

import numpy as np
from brian2 import EventMonitor, Hz, Quantity, SpikeMonitor, StateMonitor

from cortical_attention.wiring.values import values_of_count, values_of_rate

SHARE = 0.1  # of the ceiling, chosen: the rate at which a spiking cell is taken to send when a run's cost is estimated


class Rates:
    """A cell is read by its rate at the end of a phase."""

    n_object = 1  # code objects for each population and projection, in the estimate of a run's cost
    counted = "rate"

    def sending(self, form, dt):
        """Share of the synapses that transmit in a step."""
        return 1.0

    def sampled(self, membrane):
        """Variables of a soma that are read at each phase."""
        return membrane.reading

    def rates(self, group, recorded, clock):
        """Monitor of the rates of recorded cells."""
        return StateMonitor(group, "rate", record=recorded, clock=clock, name=f"rate_of_{group.name}")

    def spikes(self, group, whole):
        """Monitor of the spikes of recorded cells: there are none."""

    def listening(self, spikes, group):
        """Monitor of everything that a population sends."""
        return StateMonitor(group, "rate", record=True, clock=group.clock, name=f"sent_by_{group.name}")

    def values(self, reading, unit_rate, phase):
        """Values (n_phase, n_cell) from readings (n_phase + 1, n_cell)."""
        return values_of_rate(reading[1:] * Hz, unit_rate)

    def so_far(self, rows, unit_rate, span, cycle=0):
        """Values (n_cell,) of a part of a window, from its readings (n_row, n_cell), of which the last is at its end."""
        values = self.values(rows, unit_rate, span)
        return self.within(values, np.arange(len(values))[None], cycle)[0]

    def within(self, values, windows, cycle=0):
        """Values (n_window, ...) at the end of each window, of values (n_phase, ...); means over it, if there is a cycle."""
        return values[windows].mean(axis=1) if cycle else values[windows[:, -1]]

    def mean(self, reading, protocol, n_input):
        """Mean rate (Hz) over all cells of each input (n_input,), at the ends of the windows."""
        return reading[protocol.windows[:, -1] + 1].mean(axis=0).reshape(n_input, -1).mean(axis=1) * Hz

    def peak(self, reading, protocol):
        """Highest rate of any cell at the end of any window (Hz)."""
        return Quantity(np.abs(reading[protocol.windows[:, -1] + 1]).max() * Hz)


class Spikes:
    """A cell is read by the running count of its spikes."""

    n_object = 3
    counted = "count"

    def sending(self, form, dt):
        """Share of the synapses that transmit in a step."""
        return float(SHARE * form.membrane.ceiling * dt)

    def sampled(self, membrane):
        """Variables of a soma that are read at each phase."""
        return sorted({membrane.reading, "count", "saturated"})

    def rates(self, group, recorded, clock):
        """Monitor of the rates of recorded cells: none, since they send spikes."""

    def spikes(self, group, whole):
        """Monitor of the spikes of recorded cells, which are all or raise an event of their own."""
        named = {"name": f"spikes_of_{group.name}"}
        return SpikeMonitor(group, **named) if whole else EventMonitor(group, "recorded", **named)

    def listening(self, spikes, group):
        """Monitor of everything that a population sends."""
        return spikes

    def values(self, reading, unit_rate, phase):
        """Values (n_phase, n_cell) from readings (n_phase + 1, n_cell)."""
        return values_of_count(np.diff(reading, axis=0), unit_rate, phase)

    def so_far(self, rows, unit_rate, span, cycle=0):
        """Values (n_cell,) of a part of a window, by the readings (n_row, n_cell) at its beginning and at its end."""
        return self.values(rows[[0, -1]], unit_rate, span)[0]

    def within(self, values, windows, cycle=0):
        """Mean values (n_window, ...) over each window, of values (n_phase, ...)."""
        return values[windows].mean(axis=1)

    def mean(self, reading, protocol, n_input):
        """Mean rate (Hz) over all cells of each input (n_input,), in the windows."""
        counts = (reading[protocol.windows[:, -1] + 1] - reading[protocol.windows[:, 0]]).sum(axis=0)
        return counts.reshape(n_input, -1).mean(axis=1) / (protocol.windows.size * protocol.phase)

    def peak(self, reading, protocol):
        """Highest rate of any cell over any phase of the run (Hz)."""
        return Quantity(np.diff(reading, axis=0).max() / protocol.phase)


SIGNALS = {False: Rates(), True: Spikes()}


def signals_of(form):
    """Rates or Spikes, as the form codes values."""
    return SIGNALS[form.spikes]


def decoded(values, concrete):
    """Values (n, batch, *sizes) of a population, from those of its cells (n, n_cell): on minus off, mean over the cells that
    share a value."""
    values = values.reshape(-1, *concrete.shape)
    if concrete.axes[-1][0] == "sign":
        values = values[..., 0] - values[..., 1]
    return values.mean(axis=-1)
