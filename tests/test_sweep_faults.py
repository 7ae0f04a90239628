"""A sweep loses nothing and doubles nothing, whatever dies: real processes, real signals, a full disk."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from cortical_attention.readout.provenance import AT_THE_TOP, PACKAGE, code_hash
from tests.command import ROOT
from tests.sweeping import Sweeps, alive, attempts, done, finish, table, until, whole

GRID = ("--over", "value=1,2,3", "--seeds", "2", "--workers", "2", "--out", "result")
GATED = (*GRID, "--", "--gated")  # runs of value 2 and 3 wait for a file called gate


@pytest.fixture
def sweeps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Sweeps() as held:
        yield held


def at_the_gate():
    """Workers by run, once the runs of value 1 are done and two others wait; nothing before."""
    found = attempts("result")
    return found if len(done("result")) == 2 and len(found) == 2 else {}


def test_workers_die(sweeps):
    """A run whose worker is killed is done again by another; one that kills its workers is given up; the rest goes on."""
    sweep = sweeps.start("--over", "value=1,13,2,3", "--workers", "2", "--out", "result", "--", "--gated")
    name, pid = until(lambda: [each for each in attempts("result").items() if each[0].startswith("value=2")])[0]
    os.kill(pid, signal.SIGKILL)
    until(lambda: len(list(Path("result/runs").glob(f".{name}.*"))) == 2)  # the dead one's, and another's
    Path("gate").touch()
    status, out, error = finish(sweep)
    assert [(row["value"], row["status"], row["square"]) for row in table("result")] == [
        ("1.0", "done", "1.0"), ("13.0", "failed", ""), ("2.0", "done", "4.0"), ("3.0", "done", "9.0"),
    ]  # fmt: skip
    assert table("result")[1]["error"] == "the worker died (out of memory?)"
    assert {row["run"] for row in table("result")} == done("result")
    assert (status, error) == (1, "")
    assert "out of memory?" in out


def test_one_sweep_a_folder_until_it_is_killed_and_another_goes_on(sweeps):
    first = sweeps.start(*GATED)
    workers = until(at_the_gate)
    assert sweeps.run(*GATED) == (
        2, "", "cortical-attention: result is being written to by another sweep; wait for it, or choose another folder\n"
    )  # fmt: skip
    kept = {path: path.stat().st_mtime_ns for name in done("result") for path in Path("result/runs", name).iterdir()}
    first.kill()
    until(lambda: not any(map(alive, workers.values())))  # they go with it
    assert not Path("result/sweep.csv").exists()
    Path("gate").touch()
    status, _, error = sweeps.run(*GATED)
    assert (status, error) == (0, "")
    whole("result", (1, 2, 3), 2)
    assert len(kept) > 2
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())  # were not done again


def test_a_sweep_after_a_change_of_the_code(sweeps, tmp_path):
    """Every row is of the new code, and so is run.json; the old table goes before the runs that replace its rows."""
    copy = tmp_path / "copy"
    for name in (PACKAGE.name, *AT_THE_TOP):
        shutil.copytree(ROOT / name, copy / name)
    shutil.copy(ROOT / "setup.cfg", copy)
    Path("gate").touch()
    assert sweeps.run(*GATED, root=copy)[0] == 0
    with (copy / "cells" / "interneuron.py").open("a") as file:
        file.write("# changed\n")
    assert "notice: 6 of 6 runs are of other code and are done again" in sweeps.run(*GATED, root=copy)[1]
    whole("result", (1, 2, 3), 2)
    for path in (Path("result/run.json"), *Path("result/runs").glob("*/outcome.json")):
        assert json.loads(path.read_text())["code"] == code_hash(copy / PACKAGE.name)
    Path("gate").unlink()
    third = sweeps.start(*GATED)  # of the code as it was
    until(lambda: len(attempts("result")) == 2)
    third.kill()
    assert not {"sweep.csv", "sweep.parquet", "run.json"} & {path.name for path in Path("result").iterdir()}


def test_interrupted(sweeps):
    """Ctrl-C reaches the workers too; the table has what is done."""
    sweep = sweeps.start(*GATED)
    for pid in until(at_the_gate).values():
        os.kill(pid, signal.SIGINT)
    sweep.send_signal(signal.SIGINT)
    status, out, error = finish(sweep)
    assert (status, error) == (130, "")
    assert "interrupted" in out
    assert [(row["value"], row["status"]) for row in table("result")] == [
        ("1.0", "done"), ("1.0", "done"), *2 * [("2.0", "missing")], *2 * [("3.0", "missing")],
    ]  # fmt: skip
    assert not list(Path("result/runs").glob(".*"))


@pytest.fixture
def small_disk(tmp_path):
    """A folder `result` on a file system of 700 kB; None where none can be made."""
    folder = tmp_path / "result"
    folder.mkdir()
    try:
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "none", folder], capture_output=True)
    except FileNotFoundError:
        made = None
    if made is None or made.returncode:
        folder.rmdir()
        yield None
        return
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_the_disk_is_full_and_the_sweep_goes_on_when_it_has_room(small_disk, sweeps):
    """One sentence, and whole runs only. Where no small disk can be made, the runs themselves raise its error."""
    ballast, words = Path("result/inputs/ballast"), (*GRID, "--", "--kilobytes", "100")
    if small_disk is None:
        words += ("--quota", "350")
    else:
        ballast.parent.mkdir()
        ballast.write_bytes(250_000 * b"x")
    status, out, error = sweeps.run(*words)
    assert (status, out) == (2, "")
    assert error == f"cortical-attention: {Path('result').resolve()} cannot be written to: no space left on device\n"
    assert 0 < len(done("result")) < 6
    assert not list(Path("result/runs").glob(".*"))
    assert {row["run"] for row in table("result") if row["status"] == "done"} == done("result")
    if small_disk is not None:
        ballast.unlink()
        assert sweeps.run(*words)[0] == 0
        whole("result", (1, 2, 3), 2)
