"""Recorded populations as neo objects: spike trains, rates, traces, and the epochs of the run."""

import json

import neo
import numpy as np

from cortical_attention.readout.provenance import jsonable
from cortical_attention.readout.units import magnitude, readable, to_quantities

SIGNS = ("on", "off")
INT64 = range(-(2**63), 2**63)


def to_block(run, **annotations):
    """Turn a run into one neo Block with one Segment.

    Each recorded cell becomes a SpikeTrain (from 0 s to `t_stop`, times in seconds, bit for bit those of Brian2), each
    population of the rate form an AnalogSignal of the rates of its recorded cells (Hz), one column per cell, and each
    recorded variable an AnalogSignal in the unit in which people read it (mV, pA, nS). A Group with the name of the
    population holds them. A population with fewer than two samples has no signal of rates. Epochs "settle", "window" and,
    where tokens are presented one after another, "token" (labels: the token) divide the time of the run.

    Annotations of trains are `population`, `cell` (flat index), the index along each axis by its kind (`head`, `token`,
    `context`, `key`, ...), and `sign` ("on" or "off") where cells are paired; signals have the same as array annotations.
    Annotations of signals and groups are common to their cells: `population`, `cell_type`, `layer`, `axes` (JSON: kinds and
    sizes), `seed` (JSON: seeds by name) and `unit_rate`.

    Parameters
    ----------
    run
        With `records` (name, cell_type, layer, axes, unit_rate, cells, spike_index, spike_time, sample_time, rate, traces),
        `t_stop` (s), `epochs` and `seeds`: a `simulation.run.Run`, or what `readout.store.read_recording` gives.
    **annotations
        Of the block; values that NIX cannot store are written as JSON, None is omitted.

    Raises
    ------
    ValueError
        For a wrong unit, shapes that do not fit, samples at unequal intervals, or a spike of a cell that was not
        recorded.
    """
    block = neo.Block(name="cortical attention")
    block.annotate(**_annotations(seed=dict(run.seeds), **annotations))
    segment = neo.Segment(name="run")
    block.segments.append(segment)
    segment.epochs.extend(epochs_of(run))
    for record in run.records:
        trains, signals = spike_trains(record, run), [*rate_signals(record, run), *trace_signals(record, run)]
        segment.spiketrains.extend(trains)
        segment.analogsignals.extend(signals)
        block.groups.append(neo.Group([*trains, *signals], name=record.name, **_shared(record, run)))
    return block


def spike_trains(record, run):
    """Annotated neo.SpikeTrain of each recorded cell (list), in the order of `cells`; empty in the rate form."""
    if record.spike_index is None:
        return []
    t_stop = to_quantities(run.t_stop, "s")
    positions = {name: each.tolist() for name, each in cell_positions(record).items()}
    return [
        neo.SpikeTrain(
            times,
            t_stop,
            units=t_stop.units,  # parsing its name takes longer than all else
            t_start=0.0 * t_stop.units,
            name=f"{record.name} {cell}",
            population=record.name,
            **{name: each[place] for name, each in positions.items()},
        )
        for place, (cell, times) in enumerate(zip(record.cells, spikes_by_cell(record), strict=True))
    ]


def spikes_by_cell(record):
    """Sorted spike times (s) of each recorded cell (list of ndarray), in the order of `cells`."""
    index, time = np.asarray(record.spike_index), magnitude(record.spike_time, "s")
    if index.shape != time.shape:
        raise ValueError(f"population {record.name!r}: {index.size} spike indices, but {time.size} spike times.")
    stray = np.setdiff1d(index, record.cells)
    if stray.size:
        raise ValueError(f"population {record.name!r}: cell {stray[0]} has spikes, but was not recorded.")
    order = np.lexsort((time, index))
    index, time = index[order], time[order]
    first, last = (np.searchsorted(index, record.cells, side=side) for side in ("left", "right"))
    return [time[start:stop] for start, stop in zip(first, last, strict=True)]


def rate_signals(record, run):
    """List of one neo.AnalogSignal (n_sample, n_recorded) in Hz; empty with fewer than two samples."""
    times, rate = magnitude(record.sample_time, "s"), to_quantities(record.rate, "Hz")
    if rate.shape != (times.size, len(record.cells)):
        need = (times.size, len(record.cells))
        raise ValueError(f"population {record.name!r}: rate has shape {rate.shape}, but needs {need}.")
    if times.size < 2:
        return []
    period = (times[-1] - times[0]) / (times.size - 1)
    if not np.allclose(np.diff(times), period, rtol=1e-3, atol=0) or period <= 0:
        raise ValueError(f"population {record.name!r}: sample_time is not evenly spaced.")
    signal = neo.AnalogSignal(rate, t_start=_seconds(times[0]), sampling_period=_seconds(period))
    signal.name = record.name
    signal.annotate(**_shared(record, run))
    signal.array_annotate(**cell_positions(record))
    return [signal]


def trace_signals(record, run):
    """List of a neo.AnalogSignal (n_sample, n_cell) for each recorded variable, named after it."""
    found = []
    for trace in record.traces:
        times, period = magnitude(trace.time, "s"), to_quantities(run.dt, "s")
        start = _seconds(times[0] if times.size else 0.0)
        name = f"{record.name} {trace.variable}"
        signal = neo.AnalogSignal(readable(trace.values), t_start=start, sampling_period=period, name=name)
        signal.annotate(variable=trace.variable, **_shared(record, run))
        signal.array_annotate(**cell_positions(record, trace.cells))
        found.append(signal)
    return found


def epochs_of(run):
    """Epochs of a run (list of neo.Epoch): "settle", "window" and, where windows have tokens of their own, "token"."""
    named = {name: [each for each in run.epochs if each.name == name] for name in ("settle", "window")}
    named["token"] = [each for each in named["window"] if each.token is not None]
    return [
        neo.Epoch(
            _seconds([each.start for each in some]), _seconds([each.stop - each.start for each in some]),
            [name if each.token is None else f"token {each.token}" for each in some], name=name,
        )
        for name, some in named.items() if some
    ]  # fmt: skip


def cell_positions(record, cells=None):
    """Positions of cells, by default the recorded ones, along the axes of their population.

    Returns
    -------
    dict of str to ndarray, shape (n_cell,)
        `cell`, the flat index; the index along each axis, by its kind; and `sign`, "on" or "off".
    """
    kinds, sizes = [kind for kind, _ in record.axes], [size for _, size in record.axes]
    cells = np.asarray(record.cells if cells is None else cells)
    if cells.size and (cells.min() < 0 or cells.max() >= np.prod(sizes)):
        raise ValueError(f"population {record.name!r}: a recorded cell lies outside its {np.prod(sizes)} cells.")
    found = {"cell": cells} | dict(zip(kinds, np.unravel_index(cells, sizes), strict=True))
    if "sign" in kinds:
        found["sign"] = np.array(SIGNS)[found["sign"]]
    return found


def _shared(record, run):
    shared = _annotations(
        population=record.name, cell_type=record.cell_type, layer=record.layer, axes=record.axes, seed=dict(run.seeds)
    )
    return shared | {"unit_rate": to_quantities(record.unit_rate, "Hz")}


def _seconds(value):
    import quantities as pq

    return value * pq.s


def _annotations(**values):
    return {name: annotation(value) for name, value in values.items() if value is not None}


def annotation(value):
    """A value that NIX restores unchanged: text, a number, or a list of two or more of one type; all else as JSON text.

    NIX turns a dict into its first name and a list of one into its entry, drops arrays of two dimensions, and fails on
    lists of mixed types, on integers beyond 64 bits and on the null character.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    entries = list(value) if isinstance(value, list | tuple) and len(value) > 1 else [value]
    kind = type(entries[0])
    if kind in (str, bool, int, float) and all(type(entry) is kind and _fits(entry) for entry in entries):
        return entries if len(entries) > 1 else value
    return json.dumps(jsonable(value))


def _fits(entry):
    if isinstance(entry, str):
        return "\0" not in entry
    return not isinstance(entry, int) or entry in INT64
