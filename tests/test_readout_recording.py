"""Populations as neo objects: exact, annotated, and the same after a NIX file."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import Hz, ms, mV, second
from hypothesis import given, settings
from hypothesis import strategies as st

from cortical_attention.circuits.protocol import Epoch
from cortical_attention.export.nix import read_nix, write_nix
from cortical_attention.readout.files import FolderError
from cortical_attention.readout.recording import annotation, spikes_by_cell, to_block

T_STOP = 2.0
EPOCHS = (Epoch("settle", 0.0, 0.5, None), Epoch("window", 0.5, T_STOP, None))


def record(name="core", layer="thalamus", axes=(("batch", 2), ("head", 3), ("token", 2), ("cells", 1)), **given):
    """A population of which every second cell is recorded, firing at times that no decimal fraction hits."""
    rng = np.random.default_rng(1)
    cells = np.arange(0, int(np.prod([size for _, size in axes])), 2)
    index = rng.choice(cells[1:], 60)  # the first recorded cell is silent
    sample_time = np.arange(0, T_STOP, 0.005)
    default = {
        "name": name,
        "cell_type": "relay",
        "layer": layer,
        "axes": axes,
        "unit_rate": 80 * Hz,
        "cells": cells,
        "spike_index": index,
        "spike_time": np.sort(rng.random(60) * T_STOP) * second,
        "sample_time": sample_time * second,
        "rate": rng.normal(size=(sample_time.size, cells.size)) * 40 * Hz,
        "mean_rate": np.array([5.0, 7.0]) * Hz,
        "traces": (),
    }
    return SimpleNamespace(**default | given)


def paired(**given):
    axes = (("batch", 2), ("head", 3), ("token", 2), ("cells", 1), ("sign", 2))
    return record(name="pyramidal_tract", layer="L5 PT", axes=axes, **given)


def run_of(*records):
    return SimpleNamespace(
        records=records, t_stop=T_STOP * second, dt=1 * ms, seeds={"phases": 3, "entropy": 2**100}, epochs=EPOCHS
    )


def trains_of(block, population):
    return block.filter(objects="SpikeTrain", population=population)


def plain(annotations):
    return {name: value for name, value in annotations.items() if name != "nix_name"}


def test_every_spike_of_every_recorded_cell_bit_for_bit():
    core = record()
    trains = trains_of(to_block(run_of(core)), "core")
    assert len(trains) == len(core.cells) == 6
    for cell, train in zip(core.cells, trains, strict=True):
        assert train.times.dimensionality.string == "s"
        assert train.magnitude.tolist() == np.asarray(core.spike_time)[core.spike_index == cell].tolist()
        assert (float(train.t_start), float(train.t_stop)) == (0.0, T_STOP)
        assert train.name == f"core {cell}"
    assert trains[0].size == 0
    assert sum(train.size for train in trains) == 60


def test_rates_lie_under_their_cells_at_their_times():
    core = record()
    (signal,) = to_block(run_of(core)).segments[0].analogsignals
    assert signal.magnitude.tolist() == np.asarray(core.rate).tolist()
    assert signal.dimensionality.string == "Hz"
    assert signal.array_annotations["cell"].tolist() == core.cells.tolist()
    np.testing.assert_allclose(signal.times.rescale("s").magnitude, np.asarray(core.sample_time), atol=1e-12)


def test_cells_are_annotated_with_what_they_stand_for():
    block = to_block(run_of(paired()), form="spiking", note=None, table={"a": 1})
    train = trains_of(block, "pyramidal_tract")[7]  # flat index 14 of 2 x 3 x 2 x 1 x 2
    assert plain(train.annotations) == {
        "population": "pyramidal_tract",
        "cell": 14,
        "batch": 1,
        "head": 0,
        "token": 1,
        "cells": 0,
        "sign": "on",
    }
    (group,) = block.groups
    assert plain(group.annotations) | {"unit_rate": 80.0} == {
        "population": "pyramidal_tract",
        "cell_type": "relay",
        "layer": "L5 PT",
        "axes": json.dumps([["batch", 2], ["head", 3], ["token", 2], ["cells", 1], ["sign", 2]]),
        "seed": json.dumps({"phases": 3, "entropy": 2**100}),
        "unit_rate": 80.0,
    }
    assert plain(block.annotations) == {"seed": group.annotations["seed"], "form": "spiking", "table": '{"a": 1}'}
    assert (group.name, len(group.spiketrains), len(group.analogsignals)) == ("pyramidal_tract", 12, 1)
    assert float(group.annotations["unit_rate"].rescale("Hz")) == 80.0


def test_off_cells_are_told_from_on_cells_and_unpaired_cells_have_no_sign():
    both = paired(cells=np.array([2, 3]), spike_index=np.array([], int), spike_time=[] * second)
    both.rate = both.rate[:, :2]
    block = to_block(run_of(both, record()))
    assert [train.annotations["sign"] for train in trains_of(block, "pyramidal_tract")] == ["on", "off"]
    (signal,) = block.filter(objects="AnalogSignal", population="pyramidal_tract")
    assert signal.array_annotations["sign"].tolist() == ["on", "off"]
    assert signal.array_annotations["head"].tolist() == [0, 0]
    assert all("sign" not in train.annotations for train in trains_of(block, "core"))


def test_the_rate_form_has_rates_and_no_spikes():
    block = to_block(run_of(record(spike_index=None, spike_time=None)))
    assert len(block.segments[0].spiketrains) == 0
    assert len(block.segments[0].analogsignals) == len(block.groups[0].analogsignals) == 1


def test_a_run_too_short_for_two_samples_has_spikes_and_no_signal():
    short = record(sample_time=[0.0] * second, rate=np.ones((1, 6)) * Hz)
    block = to_block(run_of(short))
    assert len(block.segments[0].analogsignals) == 0
    assert len(block.segments[0].spiketrains) == 6


def test_spikes_of_one_cell_are_sorted_in_time():
    mixed = record(cells=np.array([4, 2]), spike_index=np.array([2, 4, 2]), spike_time=[0.3, 0.2, 0.1] * second)
    assert [times.tolist() for times in spikes_by_cell(mixed)] == [[0.2], [0.1, 0.3]]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"spike_index": np.full(60, 1)}, "cell 1 has spikes, but was not recorded"),
        ({"spike_index": np.array([0])}, "1 spike indices, but 60 spike times"),
        ({"rate": np.ones((3, 2)) * Hz}, r"rate has shape \(3, 2\), but needs \(400, 6\)"),
        ({"rate": np.ones((400, 6)) * mV}, "quantity in Hz is needed"),
        ({"spike_time": np.ones(60)}, "quantity in s is needed"),
        ({"sample_time": np.arange(400) ** 2 * ms}, "not evenly spaced"),
        ({"cells": np.arange(7, 13), "spike_index": None}, "lies outside its 12 cells"),
    ],
)
def test_refusals(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        to_block(run_of(record(**given)))


def test_a_spike_after_the_end_is_refused():
    late = record(spike_time=np.full(60, T_STOP + 0.1) * second)
    with pytest.raises(ValueError, match="t_stop"):
        to_block(run_of(late))


def test_a_nix_file_gives_everything_back(tmp_path):
    rates = record(name="interneuron", layer="L2/3 interneuron", spike_index=None, spike_time=None)
    block = to_block(run_of(record(), paired(), rates), form="spiking", parameters={"tau": 5 * ms})
    write_nix(block, tmp_path / "recording.nix")
    read = read_nix(tmp_path / "recording.nix")
    assert [path.name for path in tmp_path.iterdir()] == ["recording.nix"]
    assert plain(read.annotations) == plain(block.annotations)
    (before,), (after,) = block.segments, read.segments
    assert len(after.spiketrains) == 6 + 12
    for old, new in zip(before.spiketrains, after.spiketrains, strict=True):
        assert new.magnitude.tobytes() == old.magnitude.tobytes()
        assert (new.name, new.t_stop, new.units) == (old.name, old.t_stop, old.units)
        assert plain(new.annotations) == plain(old.annotations)
    assert len(after.analogsignals) == 3
    for old, new in zip(before.analogsignals, after.analogsignals, strict=True):
        assert new.magnitude.tobytes() == old.magnitude.tobytes()
        assert (new.t_start, new.sampling_period, new.units) == (old.t_start, old.sampling_period, old.units)
        assert plain(new.annotations) == plain(old.annotations)
        for name, values in old.array_annotations.items():
            assert new.array_annotations[name].tolist() == values.tolist()
    for old, new in zip(block.groups, read.groups, strict=True):
        assert (new.name, len(new.spiketrains)) == (old.name, len(old.spiketrains))
        assert plain(new.annotations) == plain(old.annotations)


simple = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5)
nested = st.recursive(
    simple, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
)


@settings(max_examples=12, deadline=None)
@given(values=st.lists(nested, max_size=8))
def test_any_annotation_survives_nix(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("nix") / "recording.nix"
    block = to_block(run_of(), **{f"value{number}": value for number, value in enumerate(values)})
    write_nix(block, path)
    assert plain(read_nix(path).annotations) == plain(block.annotations)


def test_annotations_hold_what_was_meant():
    assert annotation({"a": [1, None]}) == '{"a": [1, null]}'
    assert annotation((1, 2)) == [1, 2]
    assert annotation([1]) == "[1]"  # NIX would give back 1
    assert annotation([1, 2.5]) == "[1, 2.5]"  # NIX would fail
    assert annotation(np.eye(2)) == "[[1.0, 0.0], [0.0, 1.0]]"  # NIX would drop it
    assert annotation("a\0") == '"a\\u0000"'  # NIX would fail
    assert annotation(np.int64(3)) == 3
    assert annotation(2**64) == str(2**64)
    assert json.loads(annotation(3 * mV)) == {"value": 0.003, "unit": "V"}


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_nix(tmp_path / "recording.nix")
    with pytest.raises(FolderError, match="nowhere/recording.nix cannot be written"):
        write_nix(to_block(run_of()), tmp_path / "nowhere" / "recording.nix")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("default")  # elephant's own
def test_elephant_reads_the_file(tmp_path):
    statistics = pytest.importorskip("elephant.statistics")
    import quantities as pq
    from elephant.kernels import GaussianKernel

    core = record()
    write_nix(to_block(run_of(core)), tmp_path / "recording.nix")
    trains = trains_of(read_nix(tmp_path / "recording.nix"), "core")
    counts = np.array([np.sum(core.spike_index == cell) for cell in core.cells])
    rates = [float(statistics.mean_firing_rate(train).rescale("Hz")) for train in trains]
    np.testing.assert_allclose(rates, counts / T_STOP, rtol=1e-12)
    smooth = statistics.instantaneous_rate(
        trains[1], 1 * pq.ms, GaussianKernel(50 * pq.ms), border_correction=True
    ).rescale("Hz")
    spikes = float(smooth.magnitude.sum()) * 0.001
    assert spikes == pytest.approx(counts[1], abs=0.5)  # the kernel at the borders costs less than a spike
