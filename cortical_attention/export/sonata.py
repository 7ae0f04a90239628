"""Recordings as SONATA (Dai et al. 2020): spikes, nodes, reports, and the two configurations that name them.

There is no edge file: dendrites that several synapses share have no counterpart in SONATA. Populations are `virtual`, since
SONATA has no model of their cells.
"""

from contextlib import contextmanager

import h5py
import numpy as np

from cortical_attention.readout.files import replacing, write_json
from cortical_attention.readout.store import mark, write_nodes, write_report, write_spikes

WIDE = {"timestamps": "f8", "node_ids": "u8", "index_pointers": "u8", "element_ids": "u4", "node_type_id": "i8"}


def write_sonata(recording, folder):
    """Write a recording as a SONATA simulation.

    Parameters
    ----------
    recording : readout.store.Recording
    folder : pathlib.Path
        Gets spikes.h5 (in a form with spikes), nodes.h5, a report for each recorded variable of a population,
        circuit_config.json and simulation_config.json.

    Raises
    ------
    FolderError
        If a file cannot be written.
    """
    spiking = [record for record in recording.records if record.spike_index is not None]
    t_stop, dt = (float(each.rescale("ms").magnitude) for each in (recording.t_stop, recording.dt))
    with _sonata(folder / "nodes.h5") as file:
        for record in recording.records:
            write_nodes(file.create_group(f"nodes/{record.name}"), record)
    if spiking:
        with _sonata(folder / "spikes.h5") as file:
            for record in spiking:
                write_spikes(file.create_group(f"spikes/{record.name}"), record, dt / 1000)
    reports = {}
    for record in recording.records:
        for variable, cells, times, values, unit in _reports(record):
            with _sonata(folder / f"{variable}_{record.name}.h5") as file:
                write_report(file.create_group(f"report/{record.name}"), cells, times, values, unit)
            reports[f"{variable}_{record.name}"] = _report(record.name, variable, unit, times, t_stop)
    write_json(folder / "circuit_config.json", _circuit(recording))
    write_json(folder / "simulation_config.json", _simulation(t_stop, dt, bool(spiking), reports))


def _reports(record):
    """Variable, cells, times (s), values and unit of everything that was sampled of a population."""
    if len(record.sample_time) > 1:
        yield "rate", record.cells, record.sample_time.rescale("s").magnitude, record.rate.rescale("Hz").magnitude, "Hz"
    for each in (trace for trace in record.traces if len(trace.time) > 1):
        unit = each.values.dimensionality.string
        yield each.variable, each.cells, each.time.rescale("s").magnitude, each.values.magnitude, unit


@contextmanager
def _sonata(path):
    """A SONATA file to write; its types are widened to those of the specification at the end."""
    with replacing(path) as part, h5py.File(part, "w") as file:
        mark(file)
        yield file
        narrow = []
        file.visititems(lambda name, each: narrow.append(name) if name.rpartition("/")[2] in WIDE else None)
        for name in narrow:
            _widen(file, name)


def _widen(file, name):
    """Replace a dataset by one of the type of the specification."""
    values, attrs = (
        file[name][()],
        {key: (value, file[name].attrs.get_id(key).dtype) for key, value in file[name].attrs.items()},
    )
    del file[name]
    file[name] = values.astype(WIDE[name.rpartition("/")[2]])
    for key, (value, dtype) in attrs.items():
        file[name].attrs.create(key, value, dtype=dtype)


def _report(name, variable, unit, times, t_stop):
    """Entry of a report in simulation_config.json."""
    period = float(np.diff(times[:2]).sum()) * 1000
    return {
        "cells": name, "sections": "soma", "type": "compartment", "variable_name": variable, "unit": unit,
        "dt": period, "start_time": float(times[0]) * 1000, "end_time": t_stop, "file_name": f"{variable}_{name}.h5",
    }  # fmt: skip


def _circuit(recording):
    """Content of circuit_config.json."""
    populations = {record.name: {"type": "virtual"} for record in recording.records}
    nodes = [{"nodes_file": "$NETWORK_DIR/nodes.h5", "populations": populations}]
    return {"version": 2.3, "manifest": {"$NETWORK_DIR": "."}, "networks": {"nodes": nodes, "edges": []}}


def _simulation(t_stop, dt, spiking, reports):
    """Content of simulation_config.json."""
    output = {"output_dir": "$OUTPUT_DIR"} | ({"spikes_file": "spikes.h5"} if spiking else {})
    return {
        "version": 2.4, "manifest": {"$OUTPUT_DIR": "."}, "network": "circuit_config.json",
        "run": {"tstop": t_stop, "dt": dt, "random_seed": 0}, "output": output, "reports": reports,
    }  # fmt: skip
