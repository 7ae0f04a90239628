"""The package as a user imports it: six lines to a raster, results from their folders, sentences for wrong calls."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from brian2 import ms, second

import cortical_attention as ca
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.protocol import RunError
from cortical_attention.inputs.cases import CaseError
from cortical_attention.inputs.cases import save as save_case
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.files import FolderError
from cortical_attention.simulation.engine import compiler
from cortical_attention.simulation.settings import SettingError
from cortical_attention.simulation.traces import RecordError, Request
from cortical_attention.wiring.expressions import WiringError

pytestmark = pytest.mark.filterwarnings("ignore:the circuit has not settled")  # runs are brief

ROOT = Path(__file__).parents[1]
CASE = random_case(3, 3, None, n_head=2, scale=2.0)._replace(name="mine")
BRIEF = {"target": "numpy", "settle": 1 * second, "window": 0.2 * second}
SHORTEST = {"target": "numpy", "settle": 0.1 * second, "window": 0.1 * second}
TRACED = {"superficial": {"variables": ["v", "apical"], "head": 1, "token": 2, "count": 3}}


@pytest.fixture(scope="module")
def answer():
    return ca.attend(CASE, "mask", "spiking", record=TRACED, **BRIEF)


@pytest.fixture(scope="module")
def folder(answer, tmp_path_factory):
    return answer.save(tmp_path_factory.mktemp("face") / "result")


def readme_block(n_block):
    """Python blocks of the README."""
    return (ROOT / "README.md").read_text().split("```python\n")[1 + n_block].split("```")[0]


def test_six_lines_of_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_case(CASE, tmp_path / "mine.npz")
    lines = [line for line in readme_block(0).splitlines() if line.strip()]
    assert len(lines) <= 6
    exec("\n".join(lines), {})
    assert (tmp_path / "raster.png").stat().st_size > 10_000


def test_the_package_is_imported_at_once_and_brian2_only_when_it_is_needed():
    """Of what a name needs, nothing is imported before it is used."""
    code = "import sys, cortical_attention as ca; dir(ca); print(sorted({'brian2', 'numpy', 'neo'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout.strip() == "[]"


def test_every_public_name_is_there():
    for name in ca.__all__:
        assert getattr(ca, name) is not None
        assert name in dir(ca)
    with pytest.raises(AttributeError, match="has no attribute 'atend'"):
        ca.atend  # noqa: B018


def test_the_answer_is_that_of_the_circuit(answer):
    error = np.linalg.norm(answer.output - answer.reference) / np.linalg.norm(answer.reference)
    assert answer.report["relative_l2"] == pytest.approx(error)
    assert 0 < error < 0.3  # a fifth of a second of spikes
    assert answer.attention.shape == answer.reference_attention.shape == (2, 3, 3)
    assert answer.report["error_over_time"]["relative_l2"][-1] == pytest.approx(error)
    assert len(answer.spikes.segments[0].spiketrains) > 100


def test_objects_serve_as_well_as_words(answer):
    same = ca.attend(CASE, mask_wiring, SPIKING, **BRIEF)
    assert np.array_equal(same.output, answer.output)
    assert same.reference is None  # a bare function has no algebra
    with pytest.raises(ValueError, match="there is no algebra to compare with"):
        same.comparison()


def test_variables_of_chosen_cells(answer):
    (record,) = [each for each in answer.recording.records if each.name == "superficial"]
    for trace in record.traces:
        place = np.unravel_index(trace.cells, [size for _, size in record.axes])
        assert set(place[1]) == {1}  # head
        assert set(place[2]) == {2}  # token
        assert trace.values.shape == (len(trace.time), 3)
        assert set(trace.cells) <= set(record.cells)
    v = answer.trace("superficial", "v")
    assert v.array_annotations["token"].tolist() == [2, 2, 2]
    crossings = (np.diff(v.magnitude[:, 0]) < -0.5).sum()  # resets of an integrate-and-fire cell
    train = next(
        each
        for each in answer.spikes.segments[0].spiketrains
        if each.name == f"superficial {v.array_annotations['cell'][0]}"
    )
    assert crossings == pytest.approx(train.size, abs=1)
    with pytest.raises(
        ValueError, match="'basal' of population 'core' was not recorded; what was recorded is superficial"
    ):
        answer.trace("core", "basal")


@pytest.mark.parametrize("form", ["rate", "dale", "adaptive"])
def test_variables_in_every_form(form):
    answer = ca.attend(CASE, form=form, cells=4, record={"superficial": ["apical"], "interneuron": "rate"}, **SHORTEST)
    assert answer.trace("superficial", "apical").magnitude.std() > 0
    assert answer.trace("interneuron", "rate").dimensionality.string in ("Hz", "1/s")


@pytest.mark.slow
def test_the_membrane_potential_of_a_pyramidal_cell(tmp_path, monkeypatch):
    """The second example of the README, after two lines of the first: from nothing in at most eight lines."""
    monkeypatch.chdir(tmp_path)
    save_case(CASE, tmp_path / "mine.npz")
    lines = [line for line in (*readme_block(0).splitlines()[:3], *readme_block(1).splitlines()) if line.strip()]
    assert len(lines) <= 8
    names = {}
    exec("\n".join(lines), names)
    potential = names["v"]
    assert (potential.dimensionality.string, potential.shape[1]) == ("mV", 1)
    assert -120 < potential.magnitude.min() < potential.magnitude.max() < 60
    assert (tmp_path / "membrane.png").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "target"), [("rate", "numpy"), ("rate", "cpp"), ("spiking", "numpy"), ("spiking", "cpp")]
)
def test_single_precision_is_said_kept_and_told_apart(form, target, tmp_path):
    """Floats of 32 bits know a rate to 1e-7; the loop of the interneurons, which integrates, to a hundred times as much."""
    if target == "cpp" and compiler() is None:
        pytest.skip("no C++ compiler")
    asked = {"settle": 2 * second, "window": 0.5 * second, "target": target}
    single, double = (ca.attend(CASE, "mask", form, precision=each, **asked) for each in ("single", "double"))
    assert single.report["settled"]
    assert single.provenance["options"]["precision"] == "single"
    difference = np.linalg.norm(single.output - double.output) / np.linalg.norm(double.output)
    assert (1e-9 if form == "rate" else 0) <= difference < {"rate": 1e-4, "spiking": 0.05}[form]
    single.save(tmp_path / "single")
    assert np.array_equal(ca.load(tmp_path / "single").repeat().output, single.output)


def test_compiled_code_gives_the_same_traces(answer):
    compiled = ca.attend(CASE, "mask", "spiking", record=TRACED, **BRIEF | {"target": "cpp"})
    for name in ("v", "apical"):
        one, other = (each.trace("superficial", name) for each in (answer, compiled))
        assert one.magnitude == pytest.approx(other.magnitude, abs=1e-9)


def test_a_result_comes_back_whole_from_its_folder(answer, folder):
    back = ca.load(folder)
    for name in ("output", "attention", "reference", "reference_attention"):
        assert np.array_equal(getattr(back, name), getattr(answer, name))
    assert (back.report, back.about) == (answer.report, answer.about)
    assert np.array_equal(back.case.tokens, CASE.tokens)
    assert back.calibration.unit_rates.keys() == answer.calibration.unit_rates.keys()
    one, other = (each.spikes.segments[0].spiketrains for each in (answer, back))
    assert all(np.array_equal(a.magnitude, b.magnitude) for a, b in zip(one, other, strict=True))
    again = back.save(folder.parent / "copy")
    assert {path.name for path in again.iterdir()} == {path.name for path in folder.iterdir()}


def test_a_run_is_repeated_bit_for_bit_from_its_folder(answer, folder):
    again = ca.load(folder).repeat()
    assert np.array_equal(again.output, answer.output)
    for one, other in zip(answer.recording.records, again.recording.records, strict=True):
        assert np.array_equal(one.spike_index, other.spike_index)
        assert np.array_equal(np.asarray(one.spike_time), np.asarray(other.spike_time))


def test_a_request_is_restored_from_a_folder(tmp_path):
    request = {"superficial": Request(("v",), {"head": 1}, 2), "cells": "sample"}
    back = ca.load(ca.attend(CASE, form="spiking", record=request, **SHORTEST).save(tmp_path / "result"))
    plain = {"cells": "sample", "superficial": {"variables": ["v"], "count": 2, "head": 1}}
    assert back.provenance["options"]["record"] == plain
    assert back.repeat().trace("superficial", "v").shape == back.trace("superficial", "v").shape
    back.provenance["options"].pop("kernel")
    with pytest.raises(RunError, match="run.json has no option 'kernel'"):
        back.repeat()


def test_what_a_folder_cannot_repeat_is_said(tmp_path):
    own = ca.attend(CASE, form=SPIKING._replace(name="mine"), **SHORTEST).save(tmp_path / "own")
    with pytest.raises(RunError, match="the form was given as an object of Python, which the folder does not hold"):
        ca.load(own).repeat()


def test_pictures_from_a_folder(folder):
    back = ca.load(folder)
    figure = back.raster(head=1, token=0, t_start=0.5 * second)
    assert "head 1, token 0" in figure.get_suptitle()
    assert len(back.comparison([1]).subfigs) == 2


WRONG = {
    "a wiring that is not there": (
        {"wiring": "mosk"},
        WiringError,
        "wiring is 'mosk' but needs to be one of mask, memory",
    ),
    "no wiring": ({"wiring": 3}, WiringError, "needs to be callable, or a System"),
    "a form that is not there": (
        {"form": "spikng"},
        SettingError,
        "form is 'spikng' but needs to be a Form or one of rate",
    ),
    "no form": ({"form": 3}, SettingError, "form is of type int but needs to be a Form or the name of one"),
    "a window without a unit": (
        {"window": 0.5},
        SettingError,
        r"window is 0.5 but needs a unit, for example 0.5 \* second",
    ),
    "a unit rate without a unit": (
        {"unit_rate": 100},
        SettingError,
        r"unit_rate is 100 but needs a unit, for example 100 \* Hz",
    ),
    "a step without a unit": ({"dt": 0.1}, SettingError, r"dt is 0.1 but needs a unit, for example 0.1 \* ms"),
    "another unit": ({"settle": 100 * ms / second}, SettingError, "settle is .* but needs a unit"),
    "no time": ({"window": 0 * ms}, SettingError, r"window is 0 \(SI units\) but needs to be finite and above 0"),
    "a word that is not there": (
        {"record": "foo"},
        RecordError,
        "record is 'foo' but needs to be one of default, sample, all",
    ),
    "no record": ({"record": 3}, RecordError, "record is of type int but needs to be one of"),
    "a variable that is not there": (
        {"record": {"superficial": ["vm"]}},
        RecordError,
        "no variable 'vm'; it has apical",
    ),
    "a population that is not there": (
        {"record": {"layer4": ["v"]}},
        RecordError,
        "there is no population 'layer4'; there are core",
    ),
    "an axis that is not there": (
        {"record": {"core": {"variables": ["v"], "head": 0}}},
        RecordError,
        "no axis 'head'; it has token",
    ),
    "a head that is not there": (
        {"record": {"superficial": {"variables": ["v"], "head": 5}}},
        RecordError,
        "head of .* is 5 but needs to lie below 2",
    ),
    "no variables": ({"record": {"superficial": []}}, RecordError, "needs names of variables"),
    "a word for an index": (
        {"record": {"superficial": {"variables": ["v"], "head": "0"}}},
        RecordError,
        "head of population 'superficial' needs to be a whole number",
    ),
    "a kernel that is not there": ({"kernel": "tanh"}, SettingError, "kernel is 'tanh' but needs to be one of elu"),
    "a normalisation that is not there": (
        {"normaliser": "both"},
        SettingError,
        "normaliser is 'both' but needs to be None or one of",
    ),
    "a precision that is not there": (
        {"precision": "half"},
        SettingError,
        "precision is 'half' but needs to be one of double, single",
    ),
    "a target that is not there": ({"target": "gpu"}, SettingError, "target is 'gpu' but needs to be one of auto"),
    "no cells": ({"cells": 0}, SettingError, "cells is 0 but needs to be a whole number from 1 to 1000000"),
    "a word for shared dendrites": (
        {"shared": "explicit"},
        SettingError,
        "shared is 'explicit' but needs to be True or False",
    ),
    "another unit than a time": ({"window": 2 * second**2}, SettingError, "window is 2. s.2 but needs a quantity in s"),
    "too long a window": (
        {"window": 1e9 * second},
        SettingError,
        "needs to be longer: a run would take more than 1e.09 steps",
    ),
    "too short a window": (
        {"window": 1 * ms},
        SettingError,
        "dt is 1. ms but needs to be at most an eighth of the window",
    ),
    "half a seed": ({"seed": 0.5}, SettingError, "seed is 0.5 but needs to be a whole number"),
    "cells that the form lacks": (
        {"wiring": "memory", "form": "biophysical"},
        WiringError,
        "form 'biophysical' has no membrane for memory cells",
    ),
    "too long a step": ({"dt": 6 * ms}, RunError, "dt is 6 ms but needs to be at most 5 ms, tau_slow of form rate"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_calls_get_one_sentence(wrong):
    given, kind, sentence = WRONG[wrong]
    with pytest.raises(kind, match=sentence) as caught:
        ca.attend(CASE, **given)
    assert "\n" not in str(caught.value)


def test_what_the_command_prints_is_warned_of():
    """Notices of a case, and a circuit that has not settled."""
    notice = "mask: closes the whole row of token 0"
    masked = CASE._replace(mask=np.arange(9).reshape(3, 3) > 2, notices=(notice,))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ca.attend(masked, target="numpy", settle=20 * ms, window=40 * ms)
    said = [str(each.message) for each in caught if each.category is UserWarning]
    assert said[0] == notice
    assert said[1].startswith("the circuit has not settled: ")
    assert "the output drifts by" in said[1]


def test_a_case_that_was_changed_is_checked_again():
    with pytest.raises(CaseError, match="tokens: has 1 entry that is not finite"):
        ca.attend(
            CASE._replace(tokens=np.where(np.arange(CASE.tokens.size).reshape(CASE.tokens.shape), CASE.tokens, np.nan))
        )


def test_a_short_text_of_a_result(answer):
    error, state = answer.report["relative_l2"], "settled" if answer.report["settled"] else "not settled"
    assert repr(answer) == f"<Result: mask wiring, spiking form, mine; relative L2 {error:.2g}; {state}>"


def test_what_is_no_case_is_refused():
    with pytest.raises(CaseError, match="case is of type ndarray but needs to be a Case, of load_case or from_torch"):
        ca.attend(CASE.tokens)
    with pytest.raises(CaseError, match="does not exist"):
        ca.load_case("nowhere.npz")


def test_tokens_without_a_batch_are_refused():
    from cortical_attention.simulation.attend import Settings, attend

    with pytest.raises(SettingError, match=r"tokens has shape \(3, \d+\) but needs \(batch, n_token, d_model\)"):
        attend("mask", CASE.tokens, Settings(), **CASE.block._asdict())


def test_folders_that_are_no_result(tmp_path, folder):
    with pytest.raises(FolderError, match="has no case.npz but needs to be the folder of a result of compare"):
        ca.load(tmp_path)
    with pytest.raises(FolderError, match="holds files already"):
        ca.load(folder).save(folder)
    for name in ("case.npz", "output.npy", "run.json", "recording.h5", "calibration.json"):
        other = ca.load(folder).save(tmp_path / f"without {name}")
        for content in (b"damaged", b"", (folder / name).read_bytes()[:40]):
            (other / name).write_bytes(content)
            with pytest.raises(FolderError, match="cannot be read"):
                ca.load(other)
    other = ca.load(folder).save(tmp_path / "other")
    np.save(other / "output.npy", np.zeros((2, 2)))
    with pytest.raises(FolderError, match=r"output.npy has shape \(2, 2\) but needs \(3, "):
        ca.load(other)
    (other / "run.json").write_text("[]")
    with pytest.raises(FolderError, match="run.json has no 'case' but needs to be that of a result of compare"):
        ca.load(other)
    for wrong in (None, 3, "a\0b"):
        with pytest.raises(FolderError, match="needs to be a path"):
            ca.load(wrong)
