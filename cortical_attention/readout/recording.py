"""Recorded populations as neo objects, and neo objects as NIX files."""

import json

import neo
import numpy as np

from cortical_attention.readout.files import replacing
from cortical_attention.readout.provenance import jsonable
from cortical_attention.readout.units import magnitude, to_quantities

SIGNS = ("on", "off")
INT64 = range(-(2**63), 2**63)


def to_block(run, **annotations):
    """Turn a run into one neo Block with one Segment.

    Each recorded cell becomes a SpikeTrain (from 0 s to `t_stop`, times in seconds, bit for bit those of Brian2), each
    population an AnalogSignal of the rates of its recorded cells (Hz), one column per cell. A Group with the name of the
    population holds both. The rate form has no spike trains; a population with fewer than two samples has no signal.

    Annotations of trains are `population`, `index` (position along each axis), and `head` and `sign` ("on" or "off") if
    there is such an axis. Annotations of signals and groups are common to their cells: `population`, `cell_type`, `layer`,
    `axes` (JSON: kinds and sizes), `seed` (JSON: seeds by name) and `unit_rate`; signals have `cell` (flat index), `head`
    and `sign` as array annotations. (Annotations of trains are slow to write.)

    Parameters
    ----------
    run
        With `records` (name, cell_type, layer, axes, unit_rate, cells, spike_index, spike_time, sample_time, rate),
        `t_stop` (s) and `seeds`.
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
    for record in run.records:
        trains, signals = spike_trains(record, run), rate_signals(record, run)
        segment.spiketrains.extend(trains)
        segment.analogsignals.extend(signals)
        block.groups.append(neo.Group([*trains, *signals], name=record.name, **_shared(record, run)))
    return block


def spike_trains(record, run):
    """Annotated neo.SpikeTrain of each recorded cell (list), in the order of `cells`; empty in the rate form."""
    if record.spike_index is None:
        return []
    t_stop = to_quantities(run.t_stop, "s")
    positions = cell_positions(record)
    return [
        neo.SpikeTrain(
            times,
            t_stop,
            units="s",
            t_start=0.0,
            name=f"{record.name} {cell}",
            population=record.name,
            **_of_cell(positions, place),
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
    signal.array_annotate(cell=np.asarray(record.cells), **cell_positions(record, named=True))
    return [signal]


def cell_positions(record, named=False):
    """Positions of the recorded cells along the axes of their population.

    Returns (n_recorded, n_axis) indices as `index`, and along axes of that kind `head` (n_recorded,), an int, and
    `sign`, "on" or "off"; `index` is left out where `named` is true.
    """
    kinds, sizes = [kind for kind, _ in record.axes], [size for _, size in record.axes]
    cells = np.asarray(record.cells)
    if cells.size and (cells.min() < 0 or cells.max() >= np.prod(sizes)):
        raise ValueError(f"population {record.name!r}: a recorded cell lies outside its {np.prod(sizes)} cells.")
    index = np.stack(np.unravel_index(cells, sizes), axis=-1)
    found = {} if named else {"index": index}
    if "head" in kinds:
        found["head"] = index[:, kinds.index("head")]
    if "sign" in kinds:
        found["sign"] = np.array(SIGNS)[index[:, kinds.index("sign")]]
    return found


def _of_cell(positions, place):
    return _annotations(**{name: values[place] for name, values in positions.items()})


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


def write_nix(block, path):
    """Write a neo Block to a NIX file: lossless but slow, tens of milliseconds per train.

    Raises
    ------
    FolderError
        If the file cannot be written.
    """
    with replacing(path) as part, neo.io.NixIO(str(part), mode="ow") as file:
        file.write_block(block)


def read_nix(path):
    """Read the neo Block of a NIX file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    with open(path, "rb"), neo.io.NixIO(str(path), mode="ro") as file:
        return file.read_block()
