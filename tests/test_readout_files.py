"""Result folders: what is refused, what is kept, what is written."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortical_attention.cells.forms import FORMS
from cortical_attention.command.line import EXPERIMENTS
from cortical_attention.readout import files, names
from cortical_attention.readout.files import (
    LOCK,
    FolderError,
    check_folder,
    locked,
    replacing,
    reservations,
    result_folder,
    settings_hash,
    write_array,
    write_json,
)
from cortical_attention.readout.names import word_of
from cortical_attention.trials.systems import SYSTEMS
from tests.command import ROOT


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def content(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_the_default_folder_has_experiment_time_and_hash():
    settings = {"wiring": "mask", "seed": 1}
    folder = result_folder("compare", settings)
    assert folder.parent == Path("results/compare")
    assert re.fullmatch(rf"\d{{8}}T\d{{6}}Z-{settings_hash(settings)}", folder.name)
    assert folder.is_dir()


def test_the_default_folder_begins_with_what_the_result_is_about():
    folder = result_folder("compare", {}, about=("case", "mine:SYSTEM", "", "..", "../rate"))
    assert re.fullmatch(rf"case-mine\.SYSTEM-_rate-\d{{8}}T\d{{6}}Z-{settings_hash({})}", folder.name)
    assert folder.parent == Path("results/compare")


@given(st.text())
def test_a_word_of_a_folder_is_plain(text):
    word = word_of(text)
    assert re.fullmatch(r"[A-Za-z0-9._-]{0,40}", word)
    assert word == word.strip(".-")
    assert word_of(word) == word


def test_runs_of_one_second_do_not_share_a_folder():
    folders = {result_folder("compare", {"seed": 1}) for _ in range(5)}
    assert len(folders) == 5


def test_the_hash_follows_the_settings_and_not_their_order():
    one = settings_hash({"a": 1, "W": np.eye(2)})
    assert one == settings_hash({"W": np.eye(2), "a": 1})
    assert one != settings_hash({"a": 1, "W": np.eye(2) * (1 + 1e-15)})
    assert re.fullmatch("[0-9a-f]{8}", one)


def test_an_empty_folder_and_a_new_one_are_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    for out in ("empty", "new/and/deep"):
        assert result_folder("compare", {}, out) == Path(out)
        assert Path(out).is_dir()


def test_checking_creates_nothing():
    check_folder("new/and/deep")
    check_folder()
    assert content(".") == []


@pytest.mark.parametrize("refuse", [check_folder, lambda out: result_folder("compare", {}, out)])
def test_a_folder_with_results_is_refused_and_left_alone(refuse):
    write_array(Path(result_folder("compare", {}, "out")) / "output.npy", np.ones(2))
    with pytest.raises(FolderError, match="out holds files already.*--overwrite"):
        refuse("out")
    assert content("out") == ["output.npy"]


def test_overwriting_removes_the_earlier_result_and_nothing_else():
    Path("out").mkdir()
    for name in ("output.npy", "raster.png", "notes.txt"):
        Path("out", name).write_text("earlier")
    check_folder("out", overwrite=True)
    assert content("out") == ["notes.txt", "output.npy", "raster.png"]
    result_folder("compare", {}, "out", overwrite=True)
    assert content("out") == ["notes.txt"]


def test_a_folder_never_shows_two_results():
    """Whatever experiment wrote the earlier one, its subfolders too; a picture alone may be somebody else's."""
    Path("out", "spiking").mkdir(parents=True)
    for name in (
        "digits.json",
        "multihead.json",
        "multihead.png",
        "spiking/attention.png",
        "ladder.png",
        "spiking/mine",
    ):
        Path("out", name).write_text("earlier")
    result_folder("compare", {}, "out", overwrite=True)
    assert content("out") == ["ladder.png", "spiking"]
    assert content("out/spiking") == ["mine"]
    result_folder("ladder", {}, "out", overwrite=True)
    assert content("out") == ["spiking"]


def test_every_experiment_and_form_is_known():
    assert {*names.NAMED, "compare", "sweep"} == set(EXPERIMENTS)
    assert set(FORMS) == set(names.FORMS)
    assert {part.partition("-")[2] for part in names.PARTS} == set(SYSTEMS)


# One run a folder
@pytest.fixture
def other():
    """Another process that writes to `out`: it has reserved it, and made the files that the test asks for."""
    code = """
import sys
from pathlib import Path
from cortical_attention.readout.files import check_folder, reservations
with reservations():
    check_folder("out", "--overwrite" in sys.argv)
    for name in sys.argv[1:]:
        Path("out", name).touch() if name[:2] != "--" else None
    print(flush=True)
    sys.stdin.read(1)
    raise SystemExit("--fail" in sys.argv)
"""
    started = []

    def start(*words):
        command = [sys.executable, "-c", code, *words]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment))
        assert started[-1].stdout.readline() == b"\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["output.npy", "notes.txt"])
def test_a_folder_that_a_run_writes_to_is_refused(other, overwrite, name):
    other(name)
    before = content("out")
    for out in ("out", Path("out").absolute(), "out/../out"):
        with reservations(), pytest.raises(FolderError, match="out (is being written to by another|holds files)"):
            check_folder(out, overwrite)
    assert content("out") == before


@pytest.mark.parametrize("written", [[], ["output.npy", ".raster.1234.png", "multihead.json"]])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, "--fail"])
def test_a_run_that_did_not_end_well_is_in_nobodys_way(other, written, end):
    process = other("--fail", *written) if end == "--fail" else other(*written)
    process.communicate(b"x") if end == "--fail" else process.send_signal(end)
    process.wait()
    with reservations():
        check_folder("out")
        assert content(result_folder("compare", {}, "out")) == [LOCK]
        write_array("out/output.npy", np.ones(2))
    assert content("out") == ["output.npy"]
    with pytest.raises(FolderError, match="out holds files already"):  # now it is a result
        check_folder("out")


def test_what_a_killed_run_did_not_write_is_not_lost(other):
    """A result that it was to overwrite, and a ladder that can go on."""
    for name, words in (("output.npy", ["--overwrite"]), ("units", [])):
        Path("out").mkdir()
        if words:
            Path("out", name).touch()
        process = other(*(words or [name]))
        process.kill()
        process.wait()
        with reservations(), pytest.raises(FolderError, match="out holds files already"):
            check_folder("out")
        assert name in content("out")
        for path in Path("out").iterdir():
            path.unlink()
        Path("out").rmdir()


def test_a_refused_command_leaves_no_folder():
    with reservations():
        check_folder("new/and/deep")
        assert content("new/and/deep") == [LOCK]
    assert content(".") == []


def test_a_reserved_folder_takes_the_result_whatever_came_into_it():
    with reservations():
        check_folder("out")
        Path("out", "notes.txt").touch()
        assert result_folder("compare", {}, "out") == Path("out")
    assert content("out") == ["notes.txt"]


def test_a_disk_without_locks_is_written_to(monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    with reservations():
        check_folder("out")
        write_array(result_folder("compare", {}, "out") / "output.npy", np.ones(2))
    assert content("out") == ["output.npy"]


def test_a_lock_that_is_removed_while_it_is_taken_is_taken_anew(monkeypatch):
    flock = files.fcntl.flock

    def removed_once(file, how):
        monkeypatch.setattr(files.fcntl, "flock", flock)
        flock(file, how)
        Path("out", LOCK).unlink()

    monkeypatch.setattr(files.fcntl, "flock", removed_once)
    with locked(Path("out")) as held:
        assert held
        with pytest.raises(FolderError, match="being written to"), locked(Path("out")):
            pass
    assert content(".") == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_in_the_way_is_refused_by_name(overwrite):
    Path("case.npz").write_text("a file")
    Path("broken").symlink_to("nowhere")
    for out, culprit in (("case.npz", "case.npz"), ("case.npz/a/b", "case.npz"), ("broken", "broken")):
        for refuse in (check_folder, lambda *given: result_folder("compare", {}, *given)):
            with pytest.raises(FolderError, match=f"{out} cannot be a result folder: {culprit} is not a folder"):
                refuse(out, overwrite)
    assert Path("case.npz").read_text() == "a file"


def test_a_file_called_results_is_refused():
    Path("results").write_text("a file")
    with pytest.raises(FolderError, match="results is not a folder"):
        check_folder()
    with pytest.raises(FolderError, match="results is not a folder"):
        result_folder("compare", {})


def test_a_folder_nobody_can_write_to_is_refused_before_the_run():
    for out in ("/proc/results", "x" * 300):
        with pytest.raises(FolderError, match=f"{out} cannot be written to: [^\n]+\\.$"):
            check_folder(out)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(FolderError, match="permission denied"):
        check_folder(closed / "out")


def test_json_keeps_order_and_words_and_has_no_nan():
    write_json("run.json", {"b": np.nan, "a": [np.float64(0.1), "µ"]})
    text = Path("run.json").read_text(encoding="utf-8")
    assert list(json.loads(text)) == ["b", "a"]
    assert json.loads(text) == {"b": None, "a": [0.1, "µ"]}
    assert "µ" in text
    assert text.endswith("}\n")


def test_what_cannot_be_written_leaves_the_earlier_file():
    write_json("run.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json("run.json", {"a": object()})
    write_array("output.npy", np.arange(3))
    with pytest.raises(ValueError, match="[Oo]bject"):
        write_array("output.npy", np.array([object()]))
    assert json.loads(Path("run.json").read_text()) == {"a": 1}
    assert np.load("output.npy").tolist() == [0, 1, 2]
    assert content(".") == ["output.npy", "run.json"]


def test_an_interrupted_writer_leaves_nothing():
    def interrupted():
        with replacing("raster.png") as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert content(".") == []


def test_a_written_file_is_as_readable_as_any_other():
    Path("any").write_text("")
    write_json("run.json", {})
    assert Path("run.json").stat().st_mode == Path("any").stat().st_mode


def test_a_missing_folder_is_one_sentence():
    with pytest.raises(FolderError, match="nowhere/run.json cannot be written: no such file or directory"):
        write_json("nowhere/run.json", {})
