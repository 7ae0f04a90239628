"""Recordings as NWB (Rübel et al. 2022): units with their place in the circuit, rates, variables and epochs."""

import datetime
import json

import numpy as np

from cortical_attention.readout.files import replacing
from cortical_attention.readout.recording import cell_positions, spikes_by_cell

NO_AXIS = -1  # index along an axis that a population has not
IN_SILICO = "simulated circuit; no animal was involved"


def write_nwb(recording, path, provenance, about=""):
    """Write a recording as an NWB file.

    Parameters
    ----------
    recording : readout.store.Recording
    path : pathlib.Path
    provenance : dict
        Content of run.json.
    about : str
        Wiring, form and case.

    Raises
    ------
    FolderError
        If the file cannot be written.
    ImportError
        Without pynwb.
    """
    try:
        from pynwb import NWBHDF5IO
    except ImportError as error:
        raise ImportError("an NWB file needs pynwb; install it with pip install 'cortical-attention[nwb]'") from error
    content = _file(provenance, about)
    _add_units(content, recording)
    _add_trials(content, recording)
    _add_series(content, recording)
    with replacing(path) as part, NWBHDF5IO(str(part), "w") as file:
        file.write(content)


def _file(provenance, about):
    """NWBFile with what is known of the run."""
    from pynwb import NWBFile
    from pynwb.file import Subject

    written = datetime.datetime.fromisoformat(provenance["written"])
    subject = Subject(
        subject_id="in-silico", species="Mus musculus", sex="U", age="P90D", description=IN_SILICO
    )  # the inspector demands a species
    return NWBFile(
        session_description=f"{about or 'a cortico-thalamic circuit'}: {IN_SILICO}",
        identifier=f"{provenance['code']}-{provenance['written']}", session_start_time=written,
        experiment_description="Does a cortico-thalamic circuit compute multihead self-attention?",
        keywords=["simulation", "attention", "thalamus", "cortex"], institution="in silico", lab="in silico",
        experimenter="Simulated, Circuit", source_script=" ".join(provenance["command"]) or "cortical-attention",
        source_script_file_name="cortical-attention", notes=json.dumps(provenance["versions"]), subject=subject,
    )  # fmt: skip


def _add_units(content, recording):
    """A unit for each recorded cell: its spikes, and where it lies in the circuit."""
    spiking = [record for record in recording.records if record.spike_index is not None]
    if not spiking:
        return
    kinds = [*dict.fromkeys(kind for record in spiking for kind, _ in record.axes if kind != "sign")]
    named = {"population": "population of the circuit", "cell_type": "type of cell", "layer": "layer or nucleus"}
    named |= {"cell": "flat index in the population", "sign": "on or off cell of a pair, or none"}
    named |= {kind: f"index along the axis {kind}; {NO_AXIS} where the population has none" for kind in kinds}
    for name, text in named.items():
        content.add_unit_column(name, text)
    t_stop = float(recording.t_stop.rescale("s"))
    for record in spiking:
        positions = {name: each.tolist() for name, each in cell_positions(record).items()}
        for place, times in enumerate(spikes_by_cell(record)):
            at = {kind: positions[kind][place] if kind in positions else NO_AXIS for kind in kinds}
            content.add_unit(
                spike_times=times, obs_intervals=[[0.0, t_stop]], population=record.name, cell_type=record.cell_type,
                layer=record.layer, cell=positions["cell"][place],
                sign=positions["sign"][place] if "sign" in positions else "none", **at,
            )  # fmt: skip
    content.units.resolution = float(recording.dt.rescale("s"))


def _add_trials(content, recording):
    """A trial for each epoch: whether it was measured, and its token."""
    content.add_trial_column("measured", "whether the answer was read in this part of the run")
    content.add_trial_column("token", f"the only token presented; {NO_AXIS} where all are")
    for each in recording.epochs:
        token = NO_AXIS if each.token is None else each.token
        content.add_trial(start_time=each.start, stop_time=each.stop, measured=each.name == "window", token=token)


def _add_series(content, recording):
    """Rates, and recorded variables, a series for each population."""
    from pynwb import TimeSeries

    for record in recording.records:
        sampled = [("rate", record.cells, record.sample_time, record.rate)] if len(record.sample_time) > 1 else []
        sampled += [(each.variable, each.cells, each.time, each.values) for each in record.traces if len(each.time) > 1]
        for variable, cells, times, values in sampled:
            times = times.rescale("s").magnitude
            unit = values.dimensionality.string
            content.add_acquisition(
                TimeSeries(
                    name=f"{record.name}_{variable}", data=np.asarray(values.magnitude, "f4"),
                    unit="a.u." if unit == "dimensionless" else unit, rate=(len(times) - 1) / float(times[-1] - times[0]),
                    starting_time=float(times[0]), description=f"{variable} of cells of {record.name}, a column a cell",
                    comments=f"flat indices of the cells: {' '.join(map(str, np.asarray(cells).tolist()))}",
                )
            )  # fmt: skip
