"""One run of a sweep: how it ends, what it publishes, and its rows of the table."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cortical_attention.command.clusters import check_code
from cortical_attention.command.options import OptionError
from cortical_attention.readout.files import FolderError
from cortical_attention.readout.provenance import tree
from cortical_attention.sweep import folder as sweep_folder
from cortical_attention.sweep import runs
from cortical_attention.sweep.workers import distribute
from tests.sweeping import planned


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# The table
@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("comparison", {"schema_version": 1, "a": 1, "b": {"c": None}, "d": [1]}, [{"a": 1, "b.c": None}]),
        ("ladder", {"rows": [{"a": 1}, {"a": 2}], "failed": {}}, [{"a": 1}, {"a": 2}]),
        ("digits", {"rate": {"a": 1}, "dale": {"a": 2}}, [{"part": "rate", "a": 1}, {"part": "dale", "a": 2}]),
    ],
)
def test_rows_of_every_kind_of_result(name, content, rows, tmp_path):
    (tmp_path / f"{name}.json").write_text(json.dumps(content))
    assert runs.rows_of(tmp_path, name) == rows
    assert runs.rows_of(tmp_path, "nothing") == (rows if name == "comparison" else [])


def publish(asked, folder, status="done", rows=()):
    """Give each run of a grid an outcome."""
    for k, each in enumerate(asked.runs):
        (folder / "runs").mkdir(parents=True, exist_ok=True)
        (folder / "made" / str(k)).mkdir(parents=True, exist_ok=True)
        runs.publish(each, folder, folder / "made" / str(k), status, None, 1.5, list(rows))


def test_the_tables_keep_types_and_have_a_row_for_each_row():
    folder, asked = Path("result"), planned(over=["cells=1,2"])
    rows = [{"seed": 9, "relative_l2": 1.0, "held": None, "mixed": 1}]
    rows += [{"relative_l2": None, "held": True, "mixed": "one"}]
    publish(asked, folder, rows=rows)
    table = sweep_folder.rows(asked.runs, folder)
    assert [(row["cells"], row["seed"], row.get("figure.seed"), row["wall_s"]) for row in table] == [
        (1, 0, 9, 1.5), (1, 0, None, 1.5), (2, 0, 9, 1.5), (2, 0, None, 1.5),
    ]  # fmt: skip
    sweep_folder.write_tables(table, folder)
    for frame in (pd.read_csv(folder / "sweep.csv"), pd.read_parquet(folder / "sweep.parquet")):
        assert list(frame.columns[:6]) == ["cells", "seed", "run", "status", "error", "wall_s"]
        assert frame.cells.tolist() == [1, 1, 2, 2]
        np.testing.assert_array_equal(frame.relative_l2.astype(float), [1, np.nan, 1, np.nan])
        assert frame.mixed.tolist() == 2 * ["1", "one"]
    assert pd.read_parquet(folder / "sweep.parquet").relative_l2.dtype == float


@pytest.mark.parametrize("content", ["", "{", "null", "[]", '{"run": "another", "rows": []}'])
def test_only_what_is_missing_failed_or_damaged_is_done_again(content):
    folder, asked = Path("result"), planned(over=["cells=1,2"], seeds=2)
    publish(asked, folder, "not settled")
    assert sweep_folder.missing(asked.runs, folder) == []
    (folder / "runs" / asked.runs[2].name / "outcome.json").write_text(content)
    assert sweep_folder.missing(asked.runs, folder) == [asked.runs[2]]
    publish(asked, folder, "failed")
    assert sweep_folder.missing(asked.runs, folder) == [asked.runs[2]]  # a result is not replaced by a failure
    publish(asked, folder, "done")
    assert sweep_folder.missing(asked.runs, folder) == []


def test_runs_of_other_code_are_done_again(monkeypatch):
    """They are in no table until then."""
    folder, asked = Path("result"), planned(over=["cells=1,2"])
    publish(asked, folder, rows=[{"figure": "old"}])
    publish(planned(over=["cells=2"]), folder, "failed")
    assert sweep_folder.of_other_code(asked.runs, folder) == []
    other = {"commit": None, "changed": None, "code": "other"}
    monkeypatch.setattr(runs, "tree", lambda: other)
    assert sweep_folder.missing(asked.runs, folder) == sweep_folder.of_other_code(asked.runs, folder) == asked.runs
    assert [row["status"] for row in sweep_folder.rows(asked.runs, folder)] == 2 * ["missing"]
    publish(asked, folder, rows=[{"figure": "new"}])
    assert [row["figure"] for row in sweep_folder.rows(asked.runs, folder)] == 2 * ["new"]
    assert sweep_folder.missing(asked.runs, folder) == []


@pytest.mark.parametrize("answers", [["other"], [AttributeError("no such function")], ["ours", "other"]])
def test_workers_of_other_code_are_refused(answers):
    class Client:
        """Answers for its workers."""

        def run(self, *_, **__):
            return dict(enumerate(tree()["code"] if each == "ours" else each for each in answers))

    with pytest.raises(OptionError, match="other code"):
        check_code(Client(), None)
    answers[:] = ["ours", "ours"]
    check_code(Client(), None)


# Workers
class Ends:
    """An executor whose runs end with an error."""

    def __init__(self, error):
        self.error = error

    def submit(self, *_):
        from concurrent.futures import Future

        future = Future()
        future.set_exception(self.error)
        return future


def test_a_worker_that_cannot_write_stops_the_sweep_and_other_errors_do_not():
    asked, folder = planned(seeds=3), Path("result").resolve()
    with pytest.raises(FolderError, match="full"):
        distribute(asked.runs, folder, Ends(FolderError("full")), lambda: 0)
    told = []
    distribute(asked.runs, folder, Ends(RuntimeError("lost")), lambda: 2, lambda: told.append(1))
    assert [row["error"] for row in sweep_folder.rows(asked.runs, folder)] == 3 * ["RuntimeError: lost"]
    assert len(told) == 3


def test_a_worker_whose_attempt_was_taken_away_publishes_nothing(monkeypatch):
    """One that outlived its sweep on another machine, while the next has begun; it makes its folder anew."""
    asked, folder = planned(), Path("result").resolve()

    def outlives(out, **_):
        sweep_folder.clean(folder)
        out.mkdir(parents=True)
        return 0

    monkeypatch.setattr("cortical_attention.experiments.multihead.main", outlives)
    with pytest.raises(FolderError, match="no such file"):
        runs.perform(asked.runs[0], folder)
    assert list((folder / "runs").iterdir()) == []


@pytest.mark.parametrize(
    ("ends", "status", "error"),
    [
        (lambda **_: 0, "done", None),
        (lambda **_: None, "done", None),
        (lambda **_: 1, "not settled", None),
        (lambda **_: 130, "failed", "interrupted"),
        (lambda **_: 1 / 0, "failed", "ZeroDivisionError: division by zero"),
        (lambda **_: [0] * 10**18, "failed", "there is not enough memory: a smaller case may fit"),
        (lambda **_: json.loads("{\n"), "failed", "JSONDecodeError: Expecting property name"),
    ],
)
def test_how_a_run_ends(ends, status, error, monkeypatch):
    (asked,), folder = planned().runs, Path("result").resolve()
    monkeypatch.setattr("cortical_attention.experiments.multihead.main", ends)
    runs.perform(asked, folder)
    (row,) = sweep_folder.rows([asked], folder)
    assert row["status"] == status
    assert row["error"] == error or row["error"].startswith(error)
    assert ("Traceback" in (folder / "runs" / asked.name / "log.txt").read_text()) == (
        ":" in (error or "") and "memory" not in error
    )
    assert sweep_folder.missing([asked], folder) == ([asked] if status == "failed" else [])
    assert [path.name for path in (folder / "runs").iterdir()] == [asked.name]


def fails_to_write(out, **_):
    """Writes nothing, for want of room."""
    try:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise FolderError(f"{out}/comparison.json cannot be written: no space.") from error


@pytest.mark.parametrize("where", ["the run", "its outcome"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(where, monkeypatch):
    (asked,), folder = planned().runs, Path("result").resolve()
    monkeypatch.setattr(
        "cortical_attention.experiments.multihead.main", fails_to_write if where == "the run" else lambda **_: 0
    )
    monkeypatch.setattr(runs, "write_json", lambda path, _: fails_to_write(path))
    with pytest.raises(FolderError, match=rf"^{folder} cannot be written to: no space left on device$"):
        runs.perform(asked, folder)
    assert list((folder / "runs").iterdir()) == []


def test_simulations_that_failed_inside_a_run_make_it_fail(monkeypatch):
    (asked,), folder = planned().runs, Path("result").resolve()

    def one_of_two(out, **_):
        out.mkdir()
        (out / "multihead.json").write_text(json.dumps({"rows": [{"case": "a"}], "failed": {"b": "it diverged"}}))
        return 1

    monkeypatch.setattr("cortical_attention.experiments.multihead.main", one_of_two)
    runs.perform(asked, folder)
    (row,) = sweep_folder.rows([asked], folder)
    assert (row["status"], row["error"], row["case"]) == ("failed", "b: it diverged", "a")


def test_a_full_disk_is_told_from_other_errors():
    wrapped = RuntimeError("cannot write")
    wrapped.__cause__ = OSError(errno.EDQUOT, "quota")
    assert runs.is_full(wrapped)
    assert runs.is_full(ValueError("HDF5: No space left on device"))
    assert not runs.is_full(OSError(errno.EACCES, "denied"))
    assert not runs.is_full(None)
