"""The sweep: what is asked of it, what it refuses, its table, and one of real circuits."""

import io
import json
import os
import re
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from cortical_attention.command import progress
from cortical_attention.command.options import OptionError
from cortical_attention.sweep import folder as sweep_folder
from tests.command import BRIEF, case, check_refused, python, run, saved
from tests.sweeping import planned


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# The grid
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


BLOCKED = """
import json, logging, os, sys

class Blocker:
    absent = {"sklearn", "pandas", "pyarrow", "distributed", "dask", "dask_jobqueue", "statsmodels"}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.absent:
            raise ImportError(f"No module named {name!r}")

sys.meta_path.insert(0, Blocker())
logging.disable()  # Brian2 tells where its cache is large
import brian2, neo, matplotlib.figure, scipy.stats, typer  # once for all commands; none of ours
brian2.Network.run = lambda *_, **__: sys.exit("was simulated")

def begin(folder, absent, words):
    Blocker.absent = set(absent)
    os.chdir(folder)
    os.dup2(os.open("../error", os.O_WRONLY | os.O_CREAT), 2)
    sys.argv = ["cortical-attention", *words, "--out", "result"]
    from cortical_attention.command.line import main
    main()

ended = []
for asked in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        begin(*asked)
    ended.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(ended))
"""
OPTIONAL = ("sklearn", "pandas", "pyarrow", "distributed", "dask", "dask_jobqueue")
WITHOUT = [
    ("ladder --suite random --rungs rate", ["sklearn", "distributed", "dask"], "was simulated"),
    ("compare case.npz", OPTIONAL, "was simulated"),
    ("compare case.npz --workers 1", OPTIONAL, "distributed, .*cortical-attention[sweep]"),
    ("digits", OPTIONAL, "scikit-learn, .*cortical-attention[digits]"),
    ("ladder --suite digits", OPTIONAL[:1], "scikit-learn, .*cortical-attention[digits]"),
    ("ladder", [*OPTIONAL, "statsmodels"], "statsmodels: .*cortical-attention[statistics]"),
    ("barrel_cortex --size 4", OPTIONAL, "scikit-learn: .*cortical-attention[digits]"),
    ("sweep multihead", ["pandas"], "pandas, .*cortical-attention[sweep]"),
    ("sweep multihead", ["dask"], "distributed, .*cortical-attention[sweep]"),
    ("sweep multihead --slurm queue=long", ["dask_jobqueue"], "dask-jobqueue, .*cortical-attention[sweep]"),
    ("sweep multihead --print-job-script", OPTIONAL, "dask-jobqueue, .*cortical-attention[sweep]"),
]


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Exit status, standard error and folder of each command, in forks of a process that has imported Brian2."""
    folders = [tmp_path_factory.mktemp("without") / "here" for _ in WITHOUT]
    for folder in folders:
        folder.mkdir()
        np.savez(folder / "case.npz", **case())
    asked = [(str(folder), list(each[1]), each[0].split()) for folder, each in zip(folders, WITHOUT, strict=True)]
    done = python("-c", BLOCKED, json.dumps(asked))
    assert done.returncode == 0, done.stderr
    errors = [(folder.parent / "error").read_text() for folder in folders]
    return list(zip(json.loads(done.stdout.splitlines()[-1]), errors, folders, strict=True))


@pytest.mark.parametrize("place", range(len(WITHOUT)), ids=[f"{words}, {absent}" for words, absent, _ in WITHOUT])
def test_what_is_optional_is_imported_where_it_is_used(place, ended):
    """And named, with what to install, where it is not there; nothing is written then."""
    said, (status, error, folder) = WITHOUT[place][2], ended[place]
    assert re.search(said.replace("[", r"\[").replace("]", r"\]"), error), error
    lines = [line for line in error.splitlines() if not line.endswith(": started")]  # where the machine is slow
    assert len(lines) == 1
    if said != "was simulated":
        assert (status, [path.name for path in folder.iterdir()]) == (2, ["case.npz"])


# Slurm
def test_slurm_without_slurm(monkeypatch):
    monkeypatch.setenv("PATH", "")
    check_refused("sweep", "multihead", "--slurm", "queue=long", names="sbatch")


@pytest.mark.skipif(find_spec("dask_jobqueue") is None, reason="needs dask-jobqueue")
def test_the_job_script():
    before = signal.getsignal(signal.SIGINT)
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
    for word in ("--nthreads 1", "--preload brian2", "--preload cortical_attention.sweep.runs"):
        assert word in result.stdout
    assert list(Path().iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is before


def test_slurm_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    check_refused("sweep", "multihead", "--print-job-script", names="dask-jobqueue")


# Real circuits
def test_a_sweep_of_compare():
    """A run on a worker is that of the command alone, one that fails says why; asked again, what is done stays."""
    words = ["compare", saved(), "--over", "kernel=elu+1,nonsense", "--workers", "1", "--out", "result", "--json"]
    words += ["--", *BRIEF]
    first = python("-m", "cortical_attention.experiments.sweep", *words)
    assert (first.returncode, "Traceback" in first.stderr) == (1, False), first.stderr
    right, wrong = json.loads(first.stdout)["rows"]
    assert (right["status"], right["error"]) == ("not settled", None)  # so short a run does not
    assert wrong["status"] == "failed"
    assert "--kernel is 'nonsense'" in wrong["error"]
    alone, folder = run("compare", "case.npz", *BRIEF, "--out", "alone"), Path("result/runs", right["run"])
    assert alone.exit_code == 1
    names = {path.name for path in Path("alone").iterdir()} | {"log.txt", "outcome.json"}
    assert {path.name for path in folder.iterdir()} == names
    np.testing.assert_array_equal(np.load(folder / "output.npy"), np.load("alone/output.npy"))
    assert right["relative_l2"] == json.loads(Path("alone/comparison.json").read_text())["relative_l2"]
    assert "not settled" in (folder / "log.txt").read_text()
    command = json.loads((folder / "run.json").read_text())["command"]
    assert command == ["cortical-attention", "compare", "case.npz", *BRIEF, "--kernel=elu+1", "--seed=0"]
    written = (folder / "outcome.json").stat().st_mtime_ns
    for outcome_of in Path("result/runs").glob("kernel=nonsense*/outcome.json"):  # as if it had been done
        outcome_of.write_text(outcome_of.read_text().replace('"failed"', '"done"'))
    again = run("sweep", *words)
    assert (again.exit_code, json.loads(again.stdout)["rows"][0]) == (1, right)
    assert (folder / "outcome.json").stat().st_mtime_ns == written


def test_the_progress_bar_counts_runs_and_says_what_is_left(monkeypatch):
    shown = Console(file=io.StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr(progress, "Console", lambda stderr: shown)
    with progress.counted("runs", 3) as told:
        told()
        told()
    assert "2/3" in shown.file.getvalue()
    assert "left:" in shown.file.getvalue()
    with progress.counted("runs", 3, quiet=True) as told:
        told()
