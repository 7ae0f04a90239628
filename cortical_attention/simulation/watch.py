"""A run that is watched: at fixed intervals of biological time it hands out what is new, and may be ended.

The network has one object more, which only reads; cells, synapses and monitors are those of a run that nobody watches.
"""

from typing import NamedTuple

import brian2
import numpy as np
from brian2 import Clock, NetworkOperation, Quantity, second

from cortical_attention.circuits.protocol import Protocol
from cortical_attention.simulation.monitors import read, record_of
from cortical_attention.simulation.signals import decoded, signals_of
from cortical_attention.wiring.soma import each_cell

EARLY = 1e-6  # of a phase: closer times are the same


class Watch(NamedTuple):
    """Who watches a run.

    Attributes
    ----------
    every : Quantity (s)
        Biological time between two looks, rounded to whole time steps.
    see : callable
        Takes a `Seen`, and gives whether the run goes on (bool).
    """

    every: Quantity
    see: object


class Seen(NamedTuple):
    """A run at some time.

    Attributes
    ----------
    t, dt : float
        Biological time so far, and the time step (s).
    protocol : Protocol
    records : tuple of Record
        Spikes, or sampled rates, since the look before; neither mean rates nor traces.
    output : ndarray, shape (batch, n_token, d_model)
        The answer that is read up to now, by the rule for the whole window; before the only window, since the beginning of
        the phase before this one. Not a number where a token was not presented yet, and at time zero.
    attention : ndarray, shape (batch, n_head, n_token, n_context), or None
        Attention weights, read in the same way; None where no cell carries them.
    """

    t: float
    dt: float
    protocol: Protocol
    records: tuple
    output: np.ndarray
    attention: np.ndarray | None


def watching(watch, plan, wired, monitors, settings, given):
    """Object of a network that looks at it.

    Parameters
    ----------
    watch : Watch
    plan : Plan
    wired : Wired
    monitors : dict of str to Monitors
    settings : wiring.network.Construction
    given : Initial

    Returns
    -------
    NetworkOperation
    """
    dt = settings.clock.dt
    every = max(1, round(float(watch.every / dt))) * dt
    empty = {
        name: record_of(wired, name, monitors[name], settings.unit_rates, given.recorded[name], None)._replace(
            traces=()
        )
        for name in wired.groups
    }
    taken = dict.fromkeys(empty, 0)

    def look(t):
        """Hand out what is new; at the start of a step, after the monitors."""
        t, records = float(Quantity(t)), []
        for name, record in empty.items():
            new, taken[name] = _since(taken[name], monitors[name], record)
            records.append(new)
        values = {
            each.population: _values(each.population, t, plan.protocol, wired, monitors, settings)
            for each in (plan.output, plan.attention) if each
        }  # fmt: skip
        output, attention = (plan.read(each, values) for each in (plan.output, plan.attention))
        if not watch.see(Seen(t, float(dt), plan.protocol, tuple(records), output, attention)):
            brian2.stop()

    return NetworkOperation(look, clock=Clock(every, name="watch_clock"), when="start", order=1, name="watch")


def _since(n, monitors, record):
    """Record with what came after the first `n` spikes or samples, and how many there are now."""
    monitor = monitors.rate if monitors.spikes is None else monitors.spikes
    known = monitor.variables
    times = np.array(known["t"].get_value()[n:])
    if monitors.spikes is None:
        return record._replace(sample_time=times * second, rate=_with_unit(known["rate"], n)), n + len(times)
    index = np.array(known["i"].get_value()[n:])
    kept = np.isin(index, record.cells)
    return record._replace(spike_index=index[kept], spike_time=times[kept] * second), n + len(times)


def _with_unit(variable, n):
    """Samples of a variable after the first `n`, shape (n_sample, n_recorded)."""
    return Quantity(np.array(variable.get_value()[n:]), dim=variable.dim)


def _values(name, t, protocol, wired, monitors, settings):
    """Values of a population in each window as far as it has come, (n_window, batch, *sizes)."""
    group, concrete, form = wired.groups[name], wired.concrete[name], settings.form
    variable = form.of(concrete.population.cell).reading
    before, now = read(monitors, name, variable), np.array(getattr(group, f"{variable}_"))
    unit_rate = each_cell(settings.unit_rates[name], concrete.n_cell)
    found = np.full((len(protocol.windows), concrete.n_cell), np.nan)
    for k, (first, end, stop) in enumerate(_parts(t, protocol)):
        if stop > first:
            rows = before[first : end + 1] if stop == end < len(before) else np.array([*before[first:end], now])
            span = (stop - first) * protocol.phase
            found[k] = signals_of(form).so_far(rows, unit_rate, span, protocol.cycle)
    return decoded(found, concrete)


def _parts(t, protocol):
    """For each window, in phases: where its part that has passed begins, how many phases have begun by its end, and its end
    (float), which is at the beginning of a window that is still to come."""
    phases = t / float(protocol.phase)
    for row in protocol.windows:
        first, stop = int(row[0]), min(phases, float(row[-1] + 1))
        if stop < first + EARLY and protocol.token_of is None:  # its only window
            first = max(0, int(phases + EARLY) - 1)
        end = int(np.ceil(stop - EARLY))
        yield first, end, float(end) if abs(stop - end) < EARLY else stop
