"""What a person sees while a simulation runs: a bar on a terminal, elsewhere (a file, a batch system) lines.

Both go to standard error.
"""

import os
import sys
import threading
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

A_DAY = 86400.0  # s; over which the speed of counted things is averaged
FIRST = 2.0  # s before the first line; chosen: short runs print none
PERIOD = 10.0  # s from line to line; chosen
TICK = 0.5  # s from one look at the clock to the next; chosen: that late a line may be


@contextmanager
def progress(label, quiet=False):
    """Progress of a simulation; gives the report that Brian2 calls, or None if quiet.

    Parameters
    ----------
    label : str
    quiet : bool
    """
    console = Console(stderr=True)
    if quiet:
        yield None
    elif console.is_terminal:
        with Progress(*_columns(), TimeElapsedColumn(), console=console, transient=True) as bar:
            task = bar.add_task(label, total=None)
            yield lambda elapsed, completed, start, duration: bar.update(task, total=1.0, completed=completed)
    else:
        with _printed(label) as lines:
            yield lambda elapsed, completed, start, duration: lines.reach(f"{100 * completed:.0f} %")


@contextmanager
def counted(label, total, quiet=False):
    """Progress of things that are counted, on a terminal with the time left; gives a function to call after each of them.

    Parameters
    ----------
    label : str
    total : int
    quiet : bool
    """
    console = Console(stderr=True)
    if quiet:
        yield lambda: None
    elif console.is_terminal:
        columns = *_columns(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn()
        with Progress(*columns, console=console, transient=True, speed_estimate_period=A_DAY) as bar:
            task = bar.add_task(label, total=total)
            yield lambda: bar.advance(task)
    else:
        with _printed(label) as lines:
            numbers = iter(range(1, total + 1))
            yield lambda: lines.reach(f"{next(numbers, total)} of {total}")


def _columns():
    """First columns of every bar."""
    return SpinnerColumn(), TextColumn("{task.description}"), BarColumn()


class Lines:
    """Lines of progress: the first `FIRST` seconds after the start, then at most one each `PERIOD`, and one at the end.

    Parameters
    ----------
    label : str
        First words of each line.
    write : callable
        Takes a line.
    clock : callable
        Gives the time, s.
    """

    def __init__(self, label, write, clock=time.monotonic):
        self.label, self.write, self.clock = label, write, clock
        self.start, self.due, self.reached, self.begun = clock(), FIRST, "running", False

    def reach(self, reached):
        """Take in how far it is, in words; prints nothing."""
        self.reached = reached

    def tick(self):
        """Print a line, if one is due."""
        elapsed = self.clock() - self.start
        if elapsed < self.due:
            return
        self._print(f"{self.reached}, {_in_words(elapsed)}" if self.begun else "started")
        self.due, self.begun = elapsed + PERIOD, True

    def end(self):
        """Print the last line, if there was a first."""
        if self.begun:
            self._print(f"ended after {_in_words(self.clock() - self.start)}")

    def _print(self, words):
        self.write(f"{self.label}: {words}")


def _in_words(elapsed):
    """Seconds as h:mm:ss."""
    return str(timedelta(seconds=round(elapsed)))


@contextmanager
def _standard_error():
    """Function that prints a line on what is standard error now, if anybody can still read it: Brian2 sends descriptor 2
    elsewhere while it compiles."""
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # none, closed, or no file of the system
        yield partial(_print, sys.stderr)
        return
    try:
        yield partial(_write, descriptor)
    finally:
        os.close(descriptor)


def _print(file, line):
    if file is not None:
        with suppress(OSError, ValueError):
            print(line, file=file, flush=True)


def _write(descriptor, line):
    with suppress(OSError):
        os.write(descriptor, f"{line}\n".encode(errors="backslashreplace"))


@contextmanager
def _printed(label):
    """Lines, due by a clock that a thread looks at until the block ends: a compiled program does not report how far it is.
    A block that ends with an error has no last line, since the error says more."""
    with _standard_error() as write:
        lines, ended = Lines(label, write), threading.Event()
        thread = threading.Thread(target=_tick, args=(lines, ended), daemon=True)
        thread.start()
        try:
            yield lines
        finally:
            ended.set()
            thread.join()
        lines.end()


def _tick(lines, ended):
    while not ended.wait(TICK):
        lines.tick()
