"""Spike trains and tables of a result: held against counts by hand, against Elephant, and read back from a folder."""

import sys

import numpy as np
import pytest
import quantities as pq
from brian2 import second

import cortical_attention as ca
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.recording import spikes_by_cell

pytestmark = pytest.mark.filterwarnings("ignore:the circuit has not settled")  # runs are brief

CASE = random_case(3, 3, None, n_head=2, scale=2.0)._replace(name="mine")
TIMES = {"target": "numpy", "settle": 0.3 * second, "window": 0.2 * second}


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    """A spiking result, read back from its folder."""
    return ca.load(ca.attend(CASE, "mask", "spiking", **TIMES).save(tmp_path_factory.mktemp("rates") / "result"))


@pytest.fixture(scope="module")
def presented():
    """A spiking result with a window for each token."""
    return ca.attend(CASE, "memory", "spiking", target="numpy", settle=0.1 * second, window=0.1 * second)


@pytest.fixture(scope="module")
def rates():
    return ca.attend(CASE, "memory", "rate", target="numpy", settle=0.1 * second, window=0.1 * second)


def record_of(result, name):
    return next(record for record in result.recording.records if record.name == name)


def test_trains_of_chosen_cells_are_those_of_the_recording(answer):
    trains = answer.spiketrains("superficial", head=1, token=2, t_start=0 * second, t_stop=1 * second)
    whole = [each for each in answer.spikes.segments[0].spiketrains if each.annotations["population"] == "superficial"]
    same = [each for each in whole if (each.annotations["head"], each.annotations["token"]) == (1, 2)]
    assert 0 < len(trains) == len(same) < len(whole)
    for one, other in zip(trains, same, strict=True):
        assert np.array_equal(one.magnitude, other.magnitude)
        assert one.annotations == other.annotations
    assert len(answer.spiketrains("superficial")) == len(whole)
    signs = {each.annotations["sign"] for each in answer.spiketrains("core", sign="off")}
    assert signs == {"off"}


def test_trains_are_cut_to_the_measured_window_or_to_what_is_asked(answer):
    for times, start, stop in [
        ({}, 0.2995, 0.4995),
        ({"t_start": 0.1 * second, "t_stop": 0.2 * second}, 0.0995, 0.1995),
        ({"t_start": 100 * pq.ms, "t_stop": 9 * pq.s}, 0.0995, 0.501),
    ]:
        for train, all_times in zip(
            answer.spiketrains("core", **times), spikes_by_cell(record_of(answer, "core")), strict=True
        ):
            assert (float(train.t_start), float(train.t_stop)) == (pytest.approx(start), pytest.approx(stop))
            assert np.array_equal(train.magnitude, all_times[(all_times > start) & (all_times < stop)])


def test_the_table_of_populations_counts_what_the_circuit_counted(answer, presented):
    """Where every cell is recorded, the rates are those by which the run itself was judged."""
    pytest.importorskip("pandas")
    for result in (answer, presented):
        table = result.to_dataframe().set_index("population")
        assert table.index.tolist() == [record.name for record in result.recording.records]
        whole = table[table.n_cell == table.n_recorded]
        assert len(whole) >= 5
        assert whole.rate_hz.to_numpy() == pytest.approx(whole.mean_rate_hz.to_numpy(), rel=1e-12)
        windows = sum(each.stop - each.start for each in result.recording.epochs if each.name == "window")
        assert table.n_spikes.to_numpy(float) / windows / table.n_recorded.to_numpy(float) == pytest.approx(
            table.rate_hz.to_numpy()
        )
        assert (table.n_recorded < table.n_cell).any()


@pytest.mark.filterwarnings("default")  # elephant's own
def test_the_table_of_cells_is_that_of_elephant(answer):
    pytest.importorskip("pandas")
    statistics = pytest.importorskip("elephant.statistics")
    table = answer.to_dataframe(per="cell").set_index(["population", "cell"])
    assert len(table) == sum(len(record.cells) for record in answer.recording.records)
    compared = 0
    for train in answer.spiketrains("core"):
        row = table.loc[("core", train.annotations["cell"])]
        assert row.n_spikes == train.size
        if train.size:  # elephant refuses empty trains
            assert row.rate_hz == pytest.approx(float(statistics.mean_firing_rate(train).rescale("Hz")))
        assert [row[axis] for axis in ("token", "model", "sign")] == [
            train.annotations[axis] for axis in ("token", "model", "sign")
        ]
        if train.size > 2:
            assert row.cv == pytest.approx(float(statistics.cv(statistics.isi(train))), abs=1e-12)
            compared += 1
        else:
            assert np.isnan(row.cv)
    assert compared > 20


def test_intervals_that_reach_out_of_a_window_are_left_out(presented):
    """Between the windows of two tokens lies time that is not measured."""
    pytest.importorskip("pandas")
    table = presented.to_dataframe(per="cell").set_index(["population", "cell"])
    windows = [(each.start, each.stop) for each in presented.recording.epochs if each.name == "window"]
    assert len(windows) == 3
    found = 0
    for cell, times in zip(
        record_of(presented, "core").cells, spikes_by_cell(record_of(presented, "core")), strict=True
    ):
        parts = [times[(times > start - 1e-4) & (times < stop - 1e-4)] for start, stop in windows]
        intervals = np.concatenate([np.diff(each) for each in parts])
        if len(intervals) > 1:
            assert table.loc[("core", cell)].cv == pytest.approx(np.std(intervals) / np.mean(intervals), abs=1e-12)
            found += 1
    assert found > 5


def test_a_form_of_rates_has_a_table_without_spikes(rates):
    pytest.importorskip("pandas")
    table = rates.to_dataframe()
    assert table.n_spikes.isna().all()
    assert table.cv.isna().all()
    assert table.rate_hz.notna().all()
    cells = rates.to_dataframe(per="cell")
    assert {str(cells[name].dtype) for name in ("cell", "n_spikes", "model")} == {"Int64"}
    assert {str(cells[name].dtype) for name in ("rate_hz", "cv")} == {"float64"}
    with pytest.raises(ValueError, match="population 'core' has no spikes, for its form has rates"):
        rates.spiketrains("core")


@pytest.mark.parametrize(
    ("population", "asked", "sentence"),
    [
        ("layer4", {}, "there is no population 'layer4'; there are core, matrix"),
        ("core", {"head": 0}, "population 'core' has no axis 'head'; it has cell, batch, token"),
        ("superficial", {"head": 7}, "no recorded cell of population 'superficial' has head 7; there are 0, 1"),
        ("core", {"sign": "up"}, "has sign 'up'; there are off, on"),
        ("core", {"t_start": 3 * second}, "there is no time from 3 s to 0.5 s in a run of 0.501 s"),
        ("core", {"t_start": -1 * second}, "there is no time from -1 s"),
    ],
)
def test_what_is_not_there_gets_one_sentence(population, asked, sentence, answer):
    with pytest.raises(ValueError, match=sentence):
        answer.spiketrains(population, **asked)


def test_wrong_words_and_a_missing_library(answer, monkeypatch):
    with pytest.raises(ValueError, match="per is 'head' but needs to be 'population' or 'cell'"):
        answer.to_dataframe(per="head")
    for wrong in (0.3, "soon", 3 * pq.m):
        with pytest.raises(ValueError, match="t_start is .* but needs a quantity in s, such as 0.5"):
            answer.spiketrains("core", t_start=wrong)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pandas.*pip install 'cortical-attention\[analysis\]'$"):
        answer.to_dataframe()
