"""A sweep of an experiment that takes no time, in processes of its own; shared by the tests of the sweep."""

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

from cortical_attention.command.line import EXPERIMENTS
from cortical_attention.sweep.grid import grid
from tests.command import PATIENCE, ROOT

TINY = '''
"""Registers `tiny` as an experiment; workers preload this file."""

import errno
import json
import os
import signal
import sys
import time
import types
from pathlib import Path


def main(value: float = 1.0, seed: int = 0, gated: bool = False, kilobytes: int = 0, quota: int = 0, out: Path = None):
    out.mkdir(parents=True)
    while gated and value > 1 and not Path("gate").exists():
        time.sleep(0.02)
    if value == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    (out / "data").write_bytes(1000 * kilobytes * b"x")
    if quota and sum(path.stat().st_size for path in out.parents[1].rglob("data")) > 1000 * quota:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    (out / "tiny.json").write_text(json.dumps({"rows": [{"square": value**2, "seed": seed + 1, "many": [1]}]}))


module = types.ModuleType("cortical_attention.experiments.tiny")
module.main = main
sys.modules["cortical_attention.experiments.tiny"] = module
'''
DRIVER = """
import runpy, sys
runpy.run_path("tiny.py")
from cortical_attention.command import line
from cortical_attention.experiments import sweep
from cortical_attention.sweep import workers
sweep.EXPERIMENTS = (*line.EXPERIMENTS, "tiny")
workers.PRELOAD = ["./tiny.py", "cortical_attention.sweep.runs"]  # Brian2 is not needed here, and takes seconds
line.main()
"""


def planned(*words, experiment="multihead", over=(), seeds=1, seed=0):
    """The grid of a sweep."""
    return grid(experiment, words, over, seeds, seed, [name for name in EXPERIMENTS if name != "sweep"])


class Sweeps:
    """Sweeps of `tiny` in the working directory; ended, all of them, with the block."""

    def __init__(self):
        self.processes = []

    def start(self, *words, root=ROOT):
        """A sweep, running, of the code below a folder."""
        Path("tiny.py").write_text(TINY, encoding="utf-8")
        quiet = "--quiet"  # a slow machine prints what a fast one does
        command = [sys.executable, "-c", DRIVER, "sweep", "tiny", quiet, *map(str, words)]
        environment = os.environ | {"PYTHONPATH": str(root)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.processes.append(subprocess.Popen(command, env=environment, **pipes))
        return self.processes[-1]

    def run(self, *words, root=ROOT):
        """Exit status, standard output and standard error of a sweep."""
        return finish(self.start(*words, root=root))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.communicate()


def finish(process):
    """Exit status, standard output and standard error of a sweep, without traceback."""
    out, error = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in error, error
    return process.returncode, out, error


def attempts(folder):
    """Process ids of the workers by the name of the run that each is at."""
    found = (path.name[1:].partition("@")[0].rpartition(".") for path in Path(folder, "runs").glob(".*"))
    return {name: int(pid) for name, _, pid in found}


def until(condition):
    """What a condition gives, once it is something; fails when patience ends."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited for {PATIENCE} s")


def alive(pid):
    """Whether a process runs; one that has ended may still be listed, where nobody asks how it ended."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def done(folder):
    """Names of the runs that have a folder."""
    return {path.name for path in Path(folder, "runs").glob("[!.]*")}


def table(folder):
    """Rows of sweep.csv."""
    with Path(folder, "sweep.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def whole(folder, values, seeds):
    """Assert that nothing is lost, doubled or half done: each value and seed has one row, with the right figure."""
    rows = table(folder)
    assert [(float(row["value"]), int(row["seed"])) for row in rows] == [(x, k) for x in values for k in range(seeds)]
    assert all(row["status"] == "done" and float(row["square"]) == float(row["value"]) ** 2 for row in rows)
    assert {row["run"] for row in rows} == done(folder)
    assert not list(Path(folder).rglob(".*.*"))
