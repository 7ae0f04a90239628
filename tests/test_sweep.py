"""The sweep: what is asked of it, what it refuses, its table, and one of real circuits."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments import one_run, sweep_folder
from experiments.command import EXPERIMENTS
from experiments.grid import grid
from experiments.options import OptionError
from experiments.workers import spread
from readout.files import FolderError
from tests.command import BRIEF, check_refused, python, run, saved

KNOWN = [name for name in EXPERIMENTS if name != "sweep"]


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# The grid
def planned(*words, experiment="multihead", over=(), seeds=1, seed=0):
    """The grid of a sweep."""
    return grid(experiment, words, over, seeds, seed, KNOWN)


def test_every_combination_is_a_run_with_values_of_the_annotated_type():
    asked = planned("--cells", "3", over=["unit-rate=50,1e2", "control=true,false"], seeds=2, seed=5)
    points = [(run.swept["unit_rate"], run.swept["control"], run.swept["seed"]) for run in asked.runs]
    assert points == [(rate, control, seed) for rate in (50.0, 100.0) for control in (True, False) for seed in (5, 6)]
    for run_, point in zip(asked.runs, points, strict=True):
        assert tuple(run_.options[name] for name in ("unit_rate", "control", "seed")) == point
        assert [type(value) for value in point] == [float, bool, int]
        assert (run_.options["cells"], run_.options["form"]) == (3, "rate")
        assert not {"out", "quiet", "json", "overwrite"} & set(run_.options)
    assert len({run_.name for run_ in asked.runs}) == 8


def test_a_value_given_twice_is_one_run():
    assert len(planned(over=["unit_rate=50,50.0,5e1"]).runs) == 1


def test_values_with_commas_are_parted_by_semicolons():
    runs = planned(experiment="ladder", over=["rungs=rate,dale;spiking"]).runs
    assert [run.options["rungs"] for run in runs] == ["rate,dale", "spiking"]


def test_a_run_is_named_after_all_that_decides_its_result():
    saved()
    first = planned("case.npz", experiment="compare")
    same = planned("./case.npz", "--form", "rate", experiment="compare")
    saved(seed=1)
    other = planned("case.npz", experiment="compare")
    longer = planned("case.npz", "--duration", "3", experiment="compare")
    names = [each.runs[0].name for each in (first, same, other, longer)]
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert first.settings == same.settings
    assert first.settings != other.settings


def test_cases_can_be_swept_over():
    for k in range(2):
        os.rename(saved(seed=k), f"case{k}.npz")
    asked = planned(experiment="compare", over=["case=case0.npz,case1.npz"])
    assert [run.swept["case"] for run in asked.runs] == ["case0.npz", "case1.npz"]
    assert {run.inputs["case"]: Path(run.swept["case"]).read_bytes() for run in asked.runs} == asked.files
    assert len(asked.files) == 2


def test_an_experiment_without_a_seed_has_no_such_axis():
    assert [run.swept for run in planned(experiment="division", over=["readout=burst,total"]).runs] == [
        {"readout": "burst"}, {"readout": "total"},
    ]  # fmt: skip
    with pytest.raises(OptionError, match="division has no option --seed"):
        planned(experiment="division", seeds=2)


# What is refused
@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("nonsense", ("EXPERIMENT", "nonsense", "compare")),
        ("sweep", "sweep"),
        ("compare", "case"),
        ("compare missing.npz", "missing.npz"),
        ("compare case.npz --over cels=1,2", ("cels", "compare", "cells")),
        ("compare case.npz --over seed=1,2", "seed"),
        ("compare case.npz --over out=a,b", "out"),
        ("compare case.npz --over cells=", "cells="),
        ("compare case.npz --over cells", "NAME=VALUE"),
        ("compare case.npz --over cells=1,many", "--cells"),
        ("compare case.npz --over cells=1 --over cells=2", "twice"),
        ("compare case.npz --over cells=1,2 -- --cells 3", "--cells"),
        ("compare case.npz --over case=case.npz", "CASE"),
        ("compare case.npz --over unnormalised=yes", ("unnormalised", "yes")),
        ("compare case.npz -- --seed 3", "--seed"),
        ("compare case.npz -- --out there", "--out"),
        ("compare -- --nonsense", "--nonsense"),
        ("compare case.npz --seeds 0", "--seeds"),
        ("compare case.npz --seeds 10 --seed 4294967290", "--seed"),
        ("compare case.npz --seeds 1000 --over dt=" + ",".join(map(str, range(1, 200))), "199000"),
        ("compare case.npz --workers 0", "--workers"),
        ("compare case.npz --slurm queue", "--slurm"),
        ("compare case.npz --slurm nodes=3", ("nodes", "queue")),
        ("compare case.npz --slurm queue=long --scheduler tcp://127.0.0.1:1", "--scheduler"),
        ("compare case.npz --out case.npz", "case.npz"),
        ("compare case.npz --out full", "full"),
    ],
)
def test_bad_input_is_one_sentence(words, names):
    saved()
    Path("full").mkdir()
    Path("full", "notes.txt").write_text("mine")
    check_refused("sweep", *words.split(), names=names)


def test_a_folder_of_another_sweep_is_refused_and_left_alone():
    folder, asked = Path("result"), planned(over=["cells=1,2"], seeds=2)
    with sweep_folder.opened(folder, asked):
        pass
    with sweep_folder.opened(folder, asked):  # the same is welcome
        pass
    same = "sweep multihead --over cells=1,2 --seeds 2 --out result"
    for words, names in {
        same.replace("1,2", "1,3"): ("result", "another", "[1, 3]"),
        "sweep one_head --seeds 2 --out result": "multihead",
        f"{same} -- --form dale": "dale",
    }.items():
        check_refused(*words.split(), names=names)
    (folder / "sweep.json").write_text("{")
    check_refused(*same.split(), names="sweep.json")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pyarrow" else find_spec(name))
    check_refused("sweep", "multihead", names=("pyarrow", "cortical-attention[sweep]"))


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
    assert one_run.rows_of(tmp_path, name) == rows
    assert one_run.rows_of(tmp_path, "nothing") == (rows if name == "comparison" else [])


def publish(asked, folder, status="done", rows=()):
    """Give each run of a grid an outcome."""
    for k, each in enumerate(asked.runs):
        (folder / "runs").mkdir(parents=True, exist_ok=True)
        (folder / "made" / str(k)).mkdir(parents=True, exist_ok=True)
        one_run.publish(each, folder, folder / "made" / str(k), status, None, 1.5, list(rows))


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
        spread(asked.runs, folder, Ends(FolderError("full")), lambda: 0)
    told = []
    spread(asked.runs, folder, Ends(RuntimeError("lost")), lambda: 2, lambda: told.append(1))
    assert [row["error"] for row in sweep_folder.rows(asked.runs, folder)] == 3 * ["RuntimeError: lost"]
    assert len(told) == 3


def test_a_worker_whose_attempt_was_taken_away_publishes_nothing(monkeypatch):
    """One that outlived its sweep on another machine, while the next has begun; it makes its folder anew."""
    asked, folder = planned(), Path("result").resolve()

    def outlives(out, **_):
        sweep_folder.clean(folder)
        out.mkdir(parents=True)
        return 0

    monkeypatch.setattr("experiments.multihead.main", outlives)
    with pytest.raises(FolderError, match="no such file"):
        one_run.perform(asked.runs[0], folder)
    assert list((folder / "runs").iterdir()) == []


def test_a_full_disk_is_told_from_other_errors():
    import errno

    wrapped = RuntimeError("cannot write")
    wrapped.__cause__ = OSError(errno.EDQUOT, "quota")
    assert one_run.is_full(wrapped)
    assert one_run.is_full(ValueError("HDF5: No space left on device"))
    assert not one_run.is_full(OSError(errno.EACCES, "denied"))
    assert not one_run.is_full(None)


@pytest.mark.skipif(find_spec("dask_jobqueue") is None, reason="needs dask-jobqueue")
def test_the_job_script():
    options = ["--slurm", "queue=long", "--slurm", "walltime=02:00:00", "--slurm", "memory=3GB"]
    result = run("sweep", "multihead", *options, "--print-job-script")
    assert result.exit_code == 0, result.output
    for line in (
        "#SBATCH -p long",
        "#SBATCH -t 02:00:00",
        "#SBATCH --mem=3G",
        "#SBATCH -n 1",
        "#SBATCH --cpus-per-task=1",
    ):
        assert line in result.stdout.splitlines()
    assert f"{sys.executable} -m distributed.cli.dask_worker" in result.stdout
    for word in ("--nthreads 1", "--preload brian2", "--preload experiments.one_run"):
        assert word in result.stdout
    assert list(Path().iterdir()) == []


def test_slurm_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    check_refused("sweep", "multihead", "--print-job-script", names="dask-jobqueue")


# Real circuits
def test_a_sweep_of_compare():
    """Runs on a worker are those of the command alone; asked again, nothing is done again."""
    words = ["compare", saved(), "--seeds", "2", "--workers", "1", "--out", "result", "--json", "--", *BRIEF]
    first = python("-m", "experiments.sweep", *words)
    assert (first.returncode, "Traceback" in first.stderr) == (1, False), first.stderr  # so short a run does not settle
    rows = json.loads(first.stdout)["rows"]
    assert [(row["seed"], row["status"]) for row in rows] == [(0, "not settled"), (1, "not settled")]
    alone = run("compare", "case.npz", *BRIEF, "--out", "alone")
    assert alone.exit_code == 1
    for row in rows:
        folder = Path("result/runs", row["run"])
        names = {path.name for path in Path("alone").iterdir()} | {"log.txt", "outcome.json"}
        assert {path.name for path in folder.iterdir()} == names
        np.testing.assert_array_equal(np.load(folder / "output.npy"), np.load("alone/output.npy"))
        assert row["relative_l2"] == json.loads(Path("alone/comparison.json").read_text())["relative_l2"]
        assert "not settled" in (folder / "log.txt").read_text()
        command = json.loads((folder / "run.json").read_text())["command"]
        assert command == ["cortical-attention", "compare", "case.npz", *BRIEF, f"--seed={row['seed']}"]
    again = run("sweep", *words)
    assert (again.exit_code, json.loads(again.stdout)["rows"]) == (1, rows)
