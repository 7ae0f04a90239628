"""A plan run in parts: the nuclei in this process, and each head by a worker of an executor.

::

    first-order nuclei  --spikes-->  head 1   --spikes of what leaves it (L5 PT)-->  higher-order nucleus
        (here)                       ...                                                 (here)
                                     head n

Spikes (in rates: the rate at every step) are played to the next stage in the step in which they were sent, and each cell
starts as it does in the whole, so that the answer is the one of the whole circuit in one process.
"""

import time
from concurrent.futures import as_completed
from functools import partial
from typing import NamedTuple

import numpy as np
from brian2 import Hz, Quantity, second

from cortical_attention.simulation import engine
from cortical_attention.simulation.cut import HEAD, cut_initial, cut_units, n_head_of, part, refuse_noise, stages, where
from cortical_attention.simulation.initial import Initial, initial_state
from cortical_attention.simulation.run import Run, simulate, work
from cortical_attention.simulation.saturation import Saturation, refuse_saturation
from cortical_attention.simulation.traces import RecordError, request_of
from cortical_attention.wiring.circuit import Sent
from cortical_attention.wiring.expand import expand_population


def spread(
    plan, form, unit_rates, *, executor, dt, cells=1, shared=True, seed=0, target="auto", record="default", report=None,
    precision="double",
):  # fmt: skip
    """Run a plan, head by head.

    Parameters
    ----------
    plan, form, unit_rates, dt, cells, shared, seed, target, record, precision
        As `simulation.run.simulate` takes them.
    executor : concurrent.futures.Executor
        Runs the heads; everything that it is given and gives back can be pickled.
    report : callable or None
        Called as Brian2 calls a progress report, after each stage and each head.

    Returns
    -------
    Run
        That of the whole circuit.

    Raises
    ------
    RecordError
        If traces are asked for.
    WiringError
        If the circuit cannot be cut at its heads (`simulation.cut.stages`, `simulation.cut.refuse_noise`).
    RunError
        If a part failed.
    KeyboardInterrupt
        If a part was interrupted.
    """
    start = time.perf_counter()
    names = stages(plan.circuit)
    if request_of(record)[1]:
        raise RecordError("record: traces need the whole circuit in one process; leave out the workers")
    refuse_noise(plan, form, cells, names.areas)
    chosen, reason = engine.choose(target, work(plan, form, dt, cells, shared))
    options = {"dt": dt, "cells": cells, "shared": shared, "seed": seed, "precision": precision}
    whole = _Whole(plan, form, unit_rates, cells, initial_state(plan, form, cells, seed, record), options)
    told = _Told(report, whole, 2 + n_head_of(plan.circuit))
    first = _nuclei(whole, names.first, {}, chosen, told)
    areas = _areas(whole, names.areas, _sent(whole, first), chosen, executor, told)
    last = _nuclei(whole, names.last, _sent(whole, (*first, *areas)), chosen, told)
    found = _joined(whole, (*first, *areas, *last), chosen, f"{reason}; head by head", time.perf_counter() - start)
    refuse_saturation(plan.circuit, found.saturated, form, dt)
    return found


class _Whole(NamedTuple):
    """What is run in parts."""

    plan: object
    form: object
    unit_rates: dict
    cells: int
    initial: Initial
    options: dict

    def where(self, name, heads):
        """Flat index in the whole of every cell of some heads."""
        return where(self.plan.circuit.populations[name], self.form, self.plan.batch, self.cells, heads)

    def axes(self, name):
        """Axes of a population, hidden ones included."""
        return expand_population(self.plan.circuit.populations[name], self.form, self.plan.batch, self.cells).axes

    def heard_outside(self, names):
        """Those of the populations that reach others than themselves."""
        onwards = [each.source for each in self.plan.circuit.projections if each.target.partition(".")[0] not in names]
        return tuple(name for name in names if name in onwards)

    def task(self, names, sent, target, heads=None, n_recorded=None):
        """A part, as a function without arguments that gives a Run."""
        given = cut_initial(self.plan, self.initial, self.form, self.cells, names, heads, n_recorded)
        units = cut_units(self.plan, self.unit_rates, names, heads)
        more = {"target": target, "given": given, "send": self.heard_outside(names)}
        return partial(simulate, part(self.plan, names, sent, heads), self.form, units, **self.options, **more)


class _Part(NamedTuple):
    """A finished run, and the heads that it is of (None: of nuclei)."""

    run: Run
    heads: slice | None = None


class _Told:
    """Progress, as Brian2 reports it."""

    def __init__(self, report, whole, n_part):
        self.report, self.duration, self.n_part = report, whole.plan.protocol.duration, n_part
        self.start, self.done = time.perf_counter(), 0

    def __call__(self, run):
        """Take note of a part that is done.

        Raises
        ------
        KeyboardInterrupt
            If it was interrupted.
        """
        if run.interrupted:
            raise KeyboardInterrupt
        self.done += 1
        if self.report is not None:
            elapsed = (time.perf_counter() - self.start) * second
            self.report(elapsed, self.done / self.n_part, 0 * second, self.duration)


def _nuclei(whole, names, sent, target, told):
    """Parts: the nuclei of a stage, run here; none, if there are none."""
    if not names:
        return ()
    run = whole.task(names, sent, target)()
    told(run)
    return (_Part(run),)


def _areas(whole, names, sent, target, executor, told):
    """Parts: every head, run by the executor."""
    n_head, n_recorded = n_head_of(whole.plan.circuit), {name: _most_recorded(whole, name) for name in names}
    slices = [slice(head, head + 1) for head in range(n_head)]
    futures = [executor.submit(whole.task(names, sent, target, heads, n_recorded)) for heads in slices]
    try:
        for future in as_completed(futures):
            told(future.result())
    finally:
        for future in futures:
            future.cancel()
    return tuple(_Part(future.result(), heads) for future, heads in zip(futures, slices, strict=True))


def _most_recorded(whole, name):
    """Most recorded cells of any head of a population."""
    axes = whole.axes(name)
    index = np.unravel_index(whole.initial.recorded[name], [size for _, size in axes])
    return int(np.bincount(index[[kind for kind, _ in axes].index(HEAD)]).max())


def _by_population(parts):
    """Names in no order, each with its parts."""
    found = {}
    for each in parts:
        for name in each.run.values:
            found.setdefault(name, []).append(each)
    return found


def _sent(whole, parts):
    """What all parts sent, by population."""
    by_name = _by_population(parts)
    return {name: _joined_sent(whole, name, by_name[name]) for part in parts for name in part.run.sent}


def _joined_sent(whole, name, parts):
    """What a population sent as a whole."""
    sent, places = [each.run.sent[name] for each in parts], [whole.where(name, each.heads) for each in parts]
    if sent[0].rates is not None:
        rates = np.empty((len(sent[0].rates), sum(map(len, places))))
        for each, place in zip(sent, places, strict=True):
            rates[:, place] = each.rates
        return Sent(None, None, rates)
    cells = np.concatenate([place[each.cells] for each, place in zip(sent, places, strict=True)])
    steps = np.concatenate([each.steps for each in sent])
    order = np.lexsort((cells, steps))
    return Sent(cells[order].astype(np.int32), steps[order], None)


def _joined_values(whole, name, parts):
    """Values (n_phase, batch, *sizes) of a population as a whole."""
    kinds = [kind for kind, _ in whole.plan.circuit.populations[name].axes]
    values = [each.run.values[name] for each in parts]
    return np.concatenate(values, axis=2 + kinds.index(HEAD)) if HEAD in kinds else values[0]


def _joined_record(whole, name, parts):
    """Record of a population as a whole."""
    records = [next(each for each in one.run.records if each.name == name) for one in parts]
    places = [whole.where(name, each.heads) for each in parts]
    cells, first = whole.initial.recorded[name], records[0]
    recorded = np.concatenate([place[each.cells] for each, place in zip(records, places, strict=True)])
    order = np.argsort(recorded)
    column = order[np.searchsorted(recorded[order], cells)]
    index, times = None, None
    if first.spike_index is not None:
        index = np.concatenate([place[each.spike_index] for each, place in zip(records, places, strict=True)])
        times = np.concatenate([np.asarray(each.spike_time) for each in records])
        kept = np.lexsort((index, times))
        kept = kept[np.isin(index[kept], cells)]
        index, times = index[kept].astype(first.spike_index.dtype), Quantity(times[kept] * second)
    rate = np.concatenate([np.asarray(each.rate) for each in records], axis=1)[:, column]
    shares = np.array([place.size for place in places]) / sum(place.size for place in places)
    means = np.array([np.asarray(each.mean_rate) for each in records])
    return first._replace(
        axes=whole.axes(name), unit_rate=np.mean(whole.unit_rates[name][0]), cells=cells, spike_index=index,
        spike_time=times, rate=Quantity(rate * Hz), mean_rate=Quantity(shares @ means * Hz),
    )  # fmt: skip


def _joined_saturation(runs):
    """Saturation of each population over all parts."""
    found = {}
    for name, each in (item for run in runs for item in run.saturated.items()):
        before = found.get(name, Saturation(0, 0, each.most))
        found[name] = Saturation(before.beyond + each.beyond, before.spikes + each.spikes, each.most)
    return found


def _joined(whole, parts, target, reason, wall):
    """Run of the whole circuit."""
    by_name, runs = _by_population(parts), [each.run for each in parts]
    ordered = {name: by_name[name] for name in whole.plan.circuit.populations}
    return runs[0]._replace(
        records=tuple(_joined_record(whole, name, each) for name, each in ordered.items()),
        values={name: _joined_values(whole, name, each) for name, each in ordered.items()},
        peak_rates={name: max(one.run.peak_rates[name] for one in each) for name, each in ordered.items()},
        saturated=_joined_saturation(runs),
        unit_rates=whole.unit_rates,
        n_cell=sum(run.n_cell for run in runs),
        n_synapse=sum(run.n_synapse for run in runs),
        stepping=sum(run.stepping for run in runs),
        target=target, target_reason=reason, wall=wall, sent={},
    )  # fmt: skip
