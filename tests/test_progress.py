"""Lines of progress where standard error is no terminal: when they are printed, what they say, and where they go."""

import json
import time

import pytest
from brian2 import std_silent

from cortical_attention.command import progress
from cortical_attention.command.progress import FIRST, PERIOD, Lines
from tests.command import BRIEF, python, run, saved


class Clock:
    """A clock that is set by hand (s)."""

    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def printed():
    return []


@pytest.fixture
def lines(clock, printed, monkeypatch):
    monkeypatch.setattr(progress, "FIRST", FIRST)
    return Lines("mask wiring", printed.append, clock)


def advance(lines, clock, seconds, step=0.5):
    """Let time pass, with a look at the clock each step."""
    for _ in range(round(seconds / step)):
        clock.time += step
        lines.tick()


def test_short_runs_print_nothing(lines, clock, printed):
    advance(lines, clock, FIRST - 0.5)
    lines.reach("100 %")
    lines.end()
    assert printed == []


def test_lines_of_a_long_run(lines, clock, printed):
    advance(lines, clock, FIRST)
    assert printed == ["mask wiring: started"]
    advance(lines, clock, PERIOD)
    lines.reach("43 %")
    lines.reach("44 %")
    advance(lines, clock, PERIOD)
    advance(lines, clock, 3)
    lines.end()
    more = ["mask wiring: running, 0:00:12", "mask wiring: 44 %, 0:00:22", "mask wiring: ended after 0:00:25"]
    assert printed[1:] == more


def test_one_line_each_period_at_most(lines, clock, printed):
    """However often it is told how far it is, and however late it looks."""
    for k in range(1000):
        lines.reach(f"{k / 10:.0f} %")
        advance(lines, clock, 0.5)
    assert len(printed) == 1 + int((500 - FIRST) / PERIOD)
    advance(lines, clock, 600, step=600)
    advance(lines, clock, PERIOD - 0.5)
    assert len(printed) == 2 + int((500 - FIRST) / PERIOD)


@pytest.fixture
def at_once(monkeypatch):
    """Lines are due at once, and looked for all the time."""
    for name in ("FIRST", "PERIOD"):
        monkeypatch.setattr(progress, name, 0.02)
    monkeypatch.setattr(progress, "TICK", 0.001)


def test_a_thread_prints_while_a_block_runs(at_once, capsys):
    with progress.progress("mask wiring, spiking form") as report:
        time.sleep(0.1)
        report(1.0, 0.25, 0.0, 4.0)
        time.sleep(0.1)
    said = capsys.readouterr()
    shown = said.err.splitlines()
    assert said.out == ""
    assert shown[0] == "mask wiring, spiking form: started"
    assert "mask wiring, spiking form: running, 0:00:00" in shown
    assert shown[-2:] == [
        "mask wiring, spiking form: 25 %, 0:00:00",
        "mask wiring, spiking form: ended after 0:00:00",
    ]
    time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_counts(at_once, capsys):
    with progress.counted("runs", 3) as told:
        told()
        told()
        time.sleep(0.2)
    assert "runs: 2 of 3, 0:00:00" in capsys.readouterr().err.splitlines()


def interrupted(opened, *quiet):
    """A block that is interrupted after some lines."""
    with opened("runs", *quiet):
        time.sleep(0.1)
        raise KeyboardInterrupt


@pytest.mark.parametrize("opened", [progress.progress, lambda label, *quiet: progress.counted(label, 3, *quiet)])
def test_an_error_is_the_last_that_is_said(opened, at_once, capsys):
    with pytest.raises(KeyboardInterrupt):
        interrupted(opened)
    said = capsys.readouterr().err
    assert said.startswith("runs: started\n")
    assert "ended" not in said
    with pytest.raises(KeyboardInterrupt):
        interrupted(opened, True)
    assert capsys.readouterr().err == ""


def test_a_library_that_takes_standard_error_away(at_once, capfd):
    """As Brian2 does while it compiles."""
    with progress.progress("circuit"), std_silent():
        time.sleep(0.1)
    assert capfd.readouterr().err.startswith("circuit: started\ncircuit: running, 0:00:00\n")


NOBODY = {
    "none": "sys.stderr = None",
    "closed": "sys.stderr.close()",
    "full": "sys.stderr = open('/dev/full', 'w')",
    "left": "reader, writer = os.pipe(); os.close(reader); sys.stderr = open(writer, 'w')",
    "no descriptor": "sys.stderr = io.StringIO()",
}


@pytest.mark.parametrize("made", NOBODY.values(), ids=NOBODY)
def test_nobody_to_read(made):
    """A standard error that takes no line ends no run."""
    code = (
        "import io, os, sys, time\n"
        "from cortical_attention.command import progress\n"
        "progress.FIRST, progress.PERIOD, progress.TICK = 0.02, 0.02, 0.001\n"
        f"{made}\n"
        "with progress.progress('circuit'): time.sleep(0.1)\n"
        "print('done')"
    )
    done = python("-c", code)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_json_stays_alone_on_standard_output(at_once, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("compare", saved(), *BRIEF, "--json", "--out", "result")
    assert json.loads(result.stdout)["wiring"] == "mask"
    assert "mask wiring, rate form: started" in result.stderr.splitlines()
    result = run("compare", "case.npz", *BRIEF, "--json", "--quiet", "--out", "quiet")
    assert json.loads(result.stdout)["wiring"] == "mask"
    assert "started" not in result.stderr
