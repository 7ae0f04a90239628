"""Recordings on disk: one HDF5 file with the layout of SONATA (Dai et al. 2020), small and quick to write and to read.

``/spikes/POPULATION`` and ``/nodes/POPULATION`` are those of a SONATA spike file and node file. ``/report/POPULATION`` is a
SONATA soma report of rates, in a form without spikes; ``/traces/VARIABLE/POPULATION`` has the same layout for each variable
that was recorded. Integers are stored in the smallest type that holds them, times (ms) in the smallest type that holds them
exactly; HDF5 converts them when they are read. What SONATA has no place for is an attribute.
"""

import json
from typing import NamedTuple

import h5py
import numpy as np

from cortical_attention.readout.files import FolderError, replacing
from cortical_attention.readout.provenance import jsonable
from cortical_attention.readout.units import magnitude, readable

SCHEMA_VERSION = 1
MAGIC, VERSION = 0x0A7A, (0, 1)  # of SONATA
SORTING = h5py.enum_dtype({"none": 0, "by_id": 1, "by_time": 2}, basetype="u1")
BY_TIME = 2
PER_SECOND = 1000.0  # SONATA has milliseconds


class Recording(NamedTuple):
    """A recording that was read; units are those of the package `quantities`.

    Attributes
    ----------
    records : tuple of Record
    t_stop, dt : Quantity (s)
    epochs : tuple of Epoch
    seeds : dict of str to int
    """

    records: tuple
    t_stop: object
    dt: object
    epochs: tuple
    seeds: dict


class Record(NamedTuple):
    """What was recorded of one population, as `simulation.monitors.Record`."""

    name: str
    cell_type: str
    layer: str
    axes: tuple
    unit_rate: object
    cells: np.ndarray
    spike_index: np.ndarray | None
    spike_time: object
    sample_time: object
    rate: object
    mean_rate: object
    traces: tuple


class Trace(NamedTuple):
    """A recorded variable, as `simulation.monitors.Trace`."""

    variable: str
    cells: np.ndarray
    time: object
    values: object


class Epoch(NamedTuple):
    """A part of the run, as `circuits.protocol.Epoch`."""

    name: str
    start: float
    stop: float
    token: int | None


def write_recording(run, path):
    """Write what was recorded of a run.

    Parameters
    ----------
    run
        As `readout.recording.to_block` takes it.
    path : pathlib.Path

    Raises
    ------
    FolderError
        If the file cannot be written.
    """
    dt = float(magnitude(run.dt, "s"))
    with replacing(path) as part, h5py.File(part, "w") as file:
        mark(file)
        file.attrs.update(
            {
                "schema_version": SCHEMA_VERSION, "t_stop_s": float(magnitude(run.t_stop, "s")), "dt_s": dt,
                "seeds": json.dumps(jsonable(dict(run.seeds))),
                "epochs": json.dumps([list(each) for each in run.epochs]),
                "populations": json.dumps([record.name for record in run.records]),
            }
        )  # fmt: skip
        if any(record.traces for record in run.records):
            file.create_group("traces", track_order=True)  # as they were asked for
        for record in run.records:
            write_nodes(file.create_group(f"nodes/{record.name}"), record)
            if record.spike_index is not None:
                write_spikes(file.create_group(f"spikes/{record.name}"), record, dt)
            if len(record.sample_time):
                times = magnitude(record.sample_time, "s")
                rates = magnitude(record.rate, "Hz")
                write_report(file.create_group(f"report/{record.name}"), record.cells, times, rates, "Hz")
            for trace in record.traces:
                values = readable(trace.values)
                group = file.create_group(f"traces/{trace.variable}/{record.name}")
                unit = values.dimensionality.string
                write_report(group, trace.cells, magnitude(trace.time, "s"), values.magnitude, unit)


def mark(file):
    """Write the attributes by which readers know a SONATA file."""
    file.attrs.update({"magic": np.uint32(MAGIC), "version": np.array(VERSION, "u4")})


def write_nodes(group, record):
    """Write all cells of a population, with their index along each axis; and what is common to them.

    Parameters
    ----------
    group : h5py.Group
    record : Record
    """
    sizes = [size for _, size in record.axes]
    n_cell = int(np.prod(sizes))
    group["node_type_id"] = np.zeros(n_cell, "u1")
    for (kind, _), place in zip(record.axes, np.unravel_index(np.arange(n_cell), sizes), strict=True):
        group[f"0/{kind}"] = _small(place)
    for name, text in (("layer", record.layer), ("cell_type", record.cell_type), ("model_type", "point_neuron")):
        group[f"0/@library/{name}"] = np.array([text], h5py.string_dtype())
        group[f"0/{name}"] = np.zeros(n_cell, "u1")
    group["recorded"] = _small(record.cells)
    mean = record.mean_rate
    group["mean_rate_hz"] = np.zeros(0) if mean is None else magnitude(mean, "Hz")
    group.attrs.update(
        {
            "cell_type": record.cell_type, "layer": record.layer, "axes": json.dumps(jsonable(record.axes)),
            "unit_rate_hz": float(magnitude(record.unit_rate, "Hz")),
        }
    )  # fmt: skip


def write_spikes(group, record, dt):
    """Write spikes in the order of time, and of cells where they are at once.

    Parameters
    ----------
    group : h5py.Group
    record : Record
    dt : float
        Time step (s).
    """
    times = magnitude(record.spike_time, "s")
    order = np.lexsort((record.spike_index, times))
    group.attrs.create("sorting", BY_TIME, dtype=SORTING)
    group["timestamps"] = _exact(np.round(times[order] / dt) * (dt * PER_SECOND))
    group["timestamps"].attrs["units"] = "ms"
    group["node_ids"] = _small(np.asarray(record.spike_index)[order])


def write_report(group, cells, times, values, unit):
    """Write samples of some cells at even intervals, in single precision.

    Parameters
    ----------
    group : h5py.Group
    cells : ndarray of int, shape (n_cell,)
    times : ndarray (s), shape (n_sample,)
    values : ndarray, shape (n_sample, n_cell)
    unit : str
    """
    period = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
    group["data"] = values.astype("f4")
    group["data"].attrs["units"] = unit
    mapping = group.create_group("mapping")
    mapping["node_ids"] = _small(cells)
    mapping["node_ids"].attrs.create("sorted", 1, dtype="u1")
    mapping["index_pointers"] = _small(np.arange(len(cells) + 1))
    mapping["element_ids"] = np.zeros(len(cells), "u1")
    start, stop = (float(times[0]), float(times[-1]) + period) if len(times) else (0.0, 0.0)
    mapping["time"] = np.array([start, stop, period]) * PER_SECOND
    mapping["time"].attrs["units"] = "ms"


def _small(integers):
    """Integers in the smallest unsigned type that holds them."""
    integers = np.asarray(integers)
    return integers.astype(np.min_scalar_type(int(integers.max(initial=0))))


def _exact(values):
    """Values in the smallest type that holds them: whole numbers, or floating point of 32 or 64 bits."""
    rounded = np.round(values)
    if np.allclose(values, rounded, rtol=0, atol=1e-9):
        return _small(rounded.astype(np.int64))
    single = values.astype("f4")
    return single if np.array_equal(single, values) else values


def read_recording(path):
    """Read a recording.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Recording
        Spike times are equal bit for bit to those that were written; samples are rounded to single precision.

    Raises
    ------
    FolderError
        If the file is not there, or is no recording.
    """
    import quantities as pq

    try:
        with h5py.File(path, "r") as file:
            attrs = dict(file.attrs)
            records = tuple(_read(file, name, attrs["dt_s"]) for name in json.loads(attrs["populations"]))
    except (OSError, KeyError) as error:
        raise FolderError(f"{path} cannot be read as a recording ({type(error).__name__})") from error
    epochs = tuple(Epoch(*each) for each in json.loads(attrs["epochs"]))
    return Recording(records, attrs["t_stop_s"] * pq.s, attrs["dt_s"] * pq.s, epochs, json.loads(attrs["seeds"]))


def _read(file, name, dt):
    """Record of one population."""
    import quantities as pq

    node = file[f"nodes/{name}"]
    cells, mean = node["recorded"][()].astype(int), node["mean_rate_hz"][()]
    index, spike_time, rate = None, None, (np.zeros(0), np.zeros((0, cells.size)), "Hz")
    if f"spikes/{name}" in file:
        index = file[f"spikes/{name}/node_ids"][()].astype(int)
        spike_time = np.round(file[f"spikes/{name}/timestamps"][()] / (dt * PER_SECOND)) * dt * pq.s
    if f"report/{name}" in file:
        rate = _read_report(file[f"report/{name}"])[1:]
    axes = tuple((kind, size) for kind, size in json.loads(node.attrs["axes"]))
    traces = [variable for variable in file.get("traces", ()) if name in file[f"traces/{variable}"]]
    return Record(
        name, node.attrs["cell_type"], node.attrs["layer"], axes, node.attrs["unit_rate_hz"] * pq.Hz, cells, index,
        spike_time, rate[0] * pq.s, rate[1] * pq.Hz, mean * pq.Hz if mean.size else None,
        tuple(_read_trace(file[f"traces/{variable}/{name}"], variable) for variable in traces),
    )  # fmt: skip


def _read_trace(group, variable):
    import quantities as pq

    cells, times, values, unit = _read_report(group)
    return Trace(variable, cells, times * pq.s, pq.Quantity(values, unit))


def _read_report(group):
    """Cells, times (s), values (n_sample, n_cell) and their unit."""
    values = group["data"][()].astype(float)
    start, _, period = group["mapping/time"][()] / PER_SECOND
    times = start + period * np.arange(len(values))
    return group["mapping/node_ids"][()].astype(int), times, values, group["data"].attrs["units"]
