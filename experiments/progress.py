"""What a person sees while a simulation runs."""

from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


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
