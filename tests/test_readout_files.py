"""Result folders: what is refused, what is kept, what is written."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from cortical_attention.readout.files import (
    FolderError,
    check_folder,
    replacing,
    result_folder,
    settings_hash,
    write_array,
    write_json,
)


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
