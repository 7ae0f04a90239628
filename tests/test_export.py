"""Exports: spikes exact, read by the tools of each format, and clean for its inspectors."""

import numpy as np
import pytest
from brian2 import second

import cortical_attention as ca
from cortical_attention.export.nix import read_nix, write_nix
from cortical_attention.export.nwb import write_nwb
from cortical_attention.export.sonata import write_sonata
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.recording import spikes_by_cell

pytestmark = pytest.mark.filterwarnings("ignore:the circuit has not settled")  # runs are brief

CASE = random_case(3, 3, None, n_head=2, scale=2.0)._replace(name="mine")
TIMES = {"target": "numpy", "settle": 0.3 * second, "window": 0.2 * second}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A spiking result with traces, read back from its folder."""
    answer = ca.attend(CASE, "mask", "spiking", record={"superficial": ["v"]}, **TIMES)
    return ca.load(answer.save(tmp_path_factory.mktemp("export") / "result"))


@pytest.fixture(scope="module")
def rates(tmp_path_factory):
    answer = ca.attend(CASE, "memory", "rate", target="numpy", settle=0.1 * second, window=0.1 * second)
    return ca.load(answer.save(tmp_path_factory.mktemp("export") / "rates"))


def trains(recording):
    """Spike times (s) by population and cell."""
    return {
        (record.name, int(cell)): times.tolist()
        for record in recording.records for cell, times in zip(record.cells, spikes_by_cell(record), strict=True)
    }  # fmt: skip


def test_nix_through_neo(result, tmp_path):
    write_nix(result.spikes, tmp_path / "recording.nix")
    segment = read_nix(tmp_path / "recording.nix").segments[0]
    found = {
        (each.annotations["population"], each.annotations["cell"]): each.magnitude.tolist()
        for each in segment.spiketrains
    }
    assert found == trains(result.recording)
    assert [(each.name, [float(time) for time in each.times]) for each in segment.epochs] == [
        ("settle", [0.0]),
        ("window", [pytest.approx(0.3)]),
    ]
    assert [each.name for each in segment.analogsignals] == ["superficial v"]


@pytest.mark.filterwarnings("ignore")  # pynwb's and hdmf's own
@pytest.mark.parametrize("kind", ["result", "rates"])
def test_nwb_is_clean_and_exact(kind, tmp_path, request):
    from nwbinspector import inspect_nwbfile
    from pynwb import NWBHDF5IO, validate

    result, path = request.getfixturevalue(kind), tmp_path / "recording.nwb"
    write_nwb(result.recording, path, result.provenance, result.about)
    assert [(each.check_function_name, each.message) for each in inspect_nwbfile(nwbfile_path=path)] == []
    with NWBHDF5IO(str(path), "r") as file:
        assert not validate(io=file)
        content = file.read()
        if kind == "result":
            table = content.units.to_dataframe()
            found = {(row.population, row.cell): row.spike_times.tolist() for row in table.itertuples()}
            assert found == trains(result.recording)
            assert set(table[table.population == "core"]["head"]) == {-1}
            assert set(table[table.population == "superficial"]["head"]) == {0, 1}
            assert content.acquisition["superficial_v"].data.shape[1] == 8
        measured = content.trials.to_dataframe().query("measured")
        assert measured["token"].tolist() == ([-1] if kind == "result" else [0, 1, 2])


@pytest.mark.parametrize("kind", ["result", "rates"])
def test_sonata_is_read_by_libsonata(kind, tmp_path, request):
    import libsonata

    recording = request.getfixturevalue(kind).recording
    write_sonata(recording, tmp_path)
    config = libsonata.SimulationConfig.from_file(tmp_path / "simulation_config.json")
    circuit = libsonata.CircuitConfig.from_file(config.network)
    assert circuit.node_populations == {record.name for record in recording.records}
    assert config.run.tstop == pytest.approx(float(recording.t_stop) * 1000)
    for record in recording.records:
        nodes = circuit.node_population(record.name)
        assert nodes.size == np.prod([size for _, size in record.axes])
    if kind == "result":
        reader = libsonata.SpikeReader(tmp_path / "spikes.h5")
        for record in recording.records:
            spikes = reader[record.name].get()
            found = {cell: [] for cell in record.cells.tolist()}
            for cell, time in spikes:
                found[cell].append(time / 1000)
            for cell, times in found.items():
                assert times == pytest.approx(trains(recording)[record.name, cell], abs=1e-12)
    for name in config.list_report_names:
        report = libsonata.SomaReportReader(tmp_path / f"{name}.h5")
        (population,) = report.get_population_names()
        assert report[population].get().data.shape[1] > 0


@pytest.mark.filterwarnings("default")  # elephant's own
def test_elephant_computes_rates_variation_and_correlation(result):
    import quantities as pq
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import correlation_coefficient
    from elephant.statistics import cv, isi, mean_firing_rate

    block = result.spikes
    measured = next(each for each in block.segments[0].epochs if each.name == "window")
    start = measured.times[0]
    for record in result.recording.records:
        group = next(each for each in block.groups if each.name == record.name)
        whole = np.prod([size for _, size in record.axes]) == len(record.cells)
        stop = start + measured.durations[0]
        rates = [  # elephant refuses empty trains
            float(mean_firing_rate(each, t_start=start, t_stop=stop).rescale("Hz")) if each.size else 0.0
            for each in group.spiketrains
        ]
        if whole:  # a spike on the edge of the window belongs to one side here and to the other there
            assert np.mean(rates) == pytest.approx(float(record.mean_rate[0]), abs=1.5 / float(measured.durations[0]))
    core = [each for each in block.filter(objects="SpikeTrain", population="core") if each.size > 5]
    assert max(cv(isi(each)) for each in core) < 0.2  # nuclei fire regularly
    matrix = correlation_coefficient(BinnedSpikeTrain(core, bin_size=5 * pq.ms))
    assert np.allclose(np.diag(matrix), 1)
