"""Exports: spikes exact, read by the tools of each format, and clean for its inspectors."""

import hashlib
import json
import sys
from configparser import ConfigParser
from pathlib import Path

import numpy as np
import pytest
from brian2 import second

import cortical_attention as ca
from cortical_attention.export.nix import read_nix, write_nix
from cortical_attention.export.nwb import write_nwb
from cortical_attention.export.ro_crate import LICENCE, METADATA, PROFILE, write_ro_crate
from cortical_attention.export.sonata import write_sonata
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.files import FolderError
from cortical_attention.readout.names import BATCHES, SHOWN
from cortical_attention.readout.recording import spikes_by_cell

pytestmark = pytest.mark.filterwarnings("ignore:the circuit has not settled")  # runs are brief

CASE = random_case(3, 3, None, n_head=2, scale=2.0)._replace(name="mine")
TIMES = {"target": "numpy", "settle": 0.3 * second, "window": 0.2 * second}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of a spiking result with traces."""
    answer = ca.attend(CASE, "mask", "spiking", record={"superficial": ["v"]}, **TIMES)
    return answer.save(tmp_path_factory.mktemp("export") / "result")


@pytest.fixture(scope="module")
def result(folder):
    """The same, read back from its folder."""
    return ca.load(folder)


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


def packed(folder, place):
    """An RO-Crate of a folder, written, and its metadata."""
    result = ca.load(folder)
    write_ro_crate(folder, place, result.provenance, result.report, result.about)
    return json.loads((place / METADATA).read_text())


def test_ro_crate_is_read_by_its_library(folder, result, tmp_path):
    """The run and its settings are found from the root, and every file is there, whole, and described once."""
    rocrate = pytest.importorskip("rocrate.rocrate")
    (folder / "notes of mine.txt").write_text("private")
    (folder / SHOWN).write_text('{"tokens": [{"name": "hen"}]}')
    np.save(folder / BATCHES[0], result.output[None])
    packed(folder, tmp_path / "crate")
    crate = rocrate.ROCrate(tmp_path / "crate")
    assert crate.root_dataset["conformsTo"].id == PROFILE
    assert crate.root_dataset["datePublished"] == result.provenance["written"]
    (run,) = crate.root_dataset["mentions"]
    assert run.type == "CreateAction"
    assert run["instrument"]["softwareVersion"] == result.provenance["versions"]["cortical-attention"]
    assert run["instrument"]["license"].id == LICENCE[0]
    versions = {each["name"]: each["softwareVersion"] for each in run["instrument"]["softwareRequirements"]}
    assert versions["brian2"] == result.provenance["versions"]["brian2"]
    files = {each.id: each for each in crate.data_entities}
    assert {*files} == {path.name for path in folder.iterdir()} - {"notes of mine.txt"}
    assert {*files, METADATA} == {path.name for path in (tmp_path / "crate").iterdir()}
    for name, each in files.items():
        content = (tmp_path / "crate" / name).read_bytes()
        assert content == (folder / name).read_bytes()
        assert (each["contentSize"], each["sha256"]) == (str(len(content)), hashlib.sha256(content).hexdigest())
    used, made = ([each.id for each in run[side] if each.type == "File"] for side in ("object", "result"))
    assert used == ["case.npz", "calibration.json"]
    assert {*used, *made} == {*files}
    settings = {each["name"]: each["value"] for each in run["object"] if each.type == "PropertyValue"}
    assert (settings["wiring"], settings["window"], settings["seed"]) == ("mask", 0.2, 0)
    figures = {each["name"]: each["value"] for each in run["result"] if each.type == "PropertyValue"}
    assert figures["relative_l2"] == result.report["relative_l2"]
    assert figures["settled"] is False
    again = ca.load(tmp_path / "crate")  # the crate is a result folder still
    assert np.array_equal(again.output, result.output)


def test_ro_crate_is_linked_data(folder, tmp_path):
    """JSON-LD: a context that gives every term its address, entities with identifier and type, and no loose end."""
    rocrate = pytest.importorskip("rocrate")
    content = packed(folder, tmp_path / "crate")
    assert {*content} == {"@context", "@graph"}
    standard, own = content["@context"]
    assert standard == "https://w3id.org/ro/crate/1.1/context"
    terms = json.loads((Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_text())["@context"] | own
    entities = {each["@id"]: each for each in content["@graph"]}
    assert len(entities) == len(content["@graph"])
    for each in entities.values():
        assert each["@type"] in terms
        for name in each.keys() - {"@id", "@type"}:
            assert name in terms, name
            values = each[name] if isinstance(each[name], list) else [each[name]]
            for value in values:
                if isinstance(value, dict):
                    assert {*value} == {"@id"}
                    assert value["@id"] in entities or value["@id"].startswith("http"), value


def test_ro_crate_of_an_interrupted_run_says_so(folder, result, tmp_path):
    pytest.importorskip("rocrate")
    report = result.report | {"interrupted": True, "settled": False, "relative_l2": None}
    write_ro_crate(folder, tmp_path / "crate", result.provenance | {"commit": None}, report)
    graph = json.loads((tmp_path / "crate" / METADATA).read_text())["@graph"]
    (run,) = [each for each in graph if each["@type"] == "CreateAction"]
    assert run["actionStatus"] == {"@id": "http://schema.org/FailedActionStatus"}
    assert run["error"] == "the run was interrupted"
    assert "#figure-relative_l2" not in {each["@id"] for each in graph}


def test_where_an_ro_crate_may_not_be_written(folder, tmp_path, monkeypatch):
    pytest.importorskip("rocrate")
    for place in (folder, folder.parent):
        with pytest.raises(FolderError, match="holds the result itself"):
            packed(folder, place)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all of it")
    with pytest.raises(FolderError, match="mine is there and is no RO-Crate"):
        packed(folder, tmp_path / "mine")
    packed(folder, tmp_path / "crate")
    (tmp_path / "crate" / "case.npz").write_text("older")
    monkeypatch.setattr(
        "rocrate.rocrate.ROCrate.write", lambda crate, place: (_ for _ in ()).throw(OSError(28, "Full"))
    )
    with pytest.raises(FolderError, match="crate cannot be written: full"):
        packed(folder, tmp_path / "crate")
    assert (tmp_path / "crate" / "case.npz").read_text() == "older"
    monkeypatch.undo()
    packed(folder, tmp_path / "crate")
    assert (tmp_path / "crate" / "case.npz").read_bytes() == (folder / "case.npz").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "crate"}  # and no halves


def test_an_ro_crate_beside_a_result_goes_with_it(result, tmp_path):
    """As other exports do, so that a folder never holds two runs."""
    pytest.importorskip("rocrate")
    folder = result.save(tmp_path / "result")
    packed(folder, folder / "ro-crate")
    packed(folder, folder / "ro-crate")  # the same again; the first is not packed into the second
    assert not (folder / "ro-crate" / "ro-crate").exists()
    result.save(folder, overwrite=True)
    assert not (folder / "ro-crate").exists()


def test_without_rocrate_one_sentence_says_what_to_install(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    with pytest.raises(ImportError, match=r"rocrate.*pip install 'cortical-attention\[ro-crate\]'$"):
        packed(folder, tmp_path / "crate")
    assert not (tmp_path / "crate").exists()


def test_the_licence_of_the_crate_is_that_of_the_software():
    options = ConfigParser()
    options.read(Path(__file__).parents[1] / "setup.cfg", encoding="utf-8")
    assert (f"https://spdx.org/licenses/{options['metadata']['license_expression']}", "MIT License") == LICENCE


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
