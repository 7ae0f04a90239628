"""What a person sees while a simulation runs."""

from contextlib import contextmanager

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


@contextmanager
def progress(label, quiet=False):
    """Progress bar on a terminal; gives the report that Brian2 calls, or None where nobody looks.

    Parameters
    ----------
    label : str
    quiet : bool
    """
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=None)

        def report(elapsed, completed, start, duration):
            bar.update(task, total=1.0, completed=completed)

        yield report


@contextmanager
def counted(label, total, quiet=False):
    """Progress bar that counts things done, with the time left; gives a function to call after each of them.

    Parameters
    ----------
    label : str
    total : int
    quiet : bool
    """
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda: None
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    columns += TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, speed_estimate_period=A_DAY) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)
