"""A whole pathway of barrel-size heads, streamed through workers: cells, wall time, memory, and distance from the algebra.

    python -m benchmarks.pathway --heads 8 --n 33 --workers 2 --out pathway.json

A head has n x n microcolumns, n for each of n tokens; d_model, d_key and d_value are n, too. The memory of workers that a
dask cluster started is not seen.
"""

import threading
import time
from pathlib import Path
from typing import Annotated

import psutil
import typer
from brian2 import second

from cortical_attention.cells.forms import FORMS
from cortical_attention.command.heads import executor_of
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.readout.files import write_json
from cortical_attention.readout.provenance import git_state, processor, versions
from cortical_attention.reference.attention import linear_attention
from cortical_attention.simulation.attend import Settings, attend

PERIOD = 0.2  # s, between two looks at the memory


class Memory(threading.Thread):
    """Most memory (bytes) of this process and of all below it, and of those below it, at any look.

    Pages that processes share count once: the proportional set size, where the system knows it.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.most, self.most_below, self.done = 0, 0, threading.Event()

    def run(self):
        """Look until the block is left."""
        this = psutil.Process()
        while not self.done.wait(PERIOD):
            below = sum(_bytes(each) for each in this.children(recursive=True))
            self.most, self.most_below = max(self.most, _bytes(this) + below), max(self.most_below, below)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()


def _bytes(process):
    """Memory of a process, 0 if it is gone."""
    try:
        found = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
    return getattr(found, "pss", found.rss)


def measure(n_head, n, settings, workers, scheduler=None, report=None):
    """Figures of one run.

    Parameters
    ----------
    n_head, n : int
        Heads; tokens, and all sizes of a head.
    settings : simulation.attend.Settings
    workers : int
        0: the whole in this process.
    scheduler : str, optional
    report : callable, optional

    Returns
    -------
    dict
    """
    case = random_case(0, n, n_head=n_head, d_model=n, d_key=n, d_value=n)
    with Memory() as memory:
        start = time.perf_counter()
        with executor_of(workers, scheduler) as executor:
            answer = attend("mask", case.tokens[None], settings, report, executor=executor, **case.block._asdict())
        wall = time.perf_counter() - start
    reference = linear_attention(case.tokens, case.block)
    run = answer.run
    return {
        "n_head": n_head,
        "n": n,
        "form": settings.form.name,
        "workers": workers,
        "n_cell": run.n_cell,
        "n_synapse": run.n_synapse,
        "biological_s": float(run.t_stop),
        "target": run.target,
        "wall_s": wall,
        "wall_of_run_s": run.wall,
        "memory_bytes": memory.most,
        "memory_of_workers_bytes": memory.most_below,
        "relative_l2": relative_l2(answer.output[0], reference.output),
        "attention_relative_l2": relative_l2(answer.attention[0], reference.kappa),
        "settled": bool(answer.settled.settled[0]),
        "peak_rate_hz": {name: float(rate) for name, rate in run.peak_rates.items()},
    }


def main(
    heads: Annotated[int, typer.Option(help="Heads.")] = 8,
    n: Annotated[int, typer.Option(help="Tokens, and all sizes of a head.")] = 33,
    workers: Annotated[int, typer.Option(help="Local processes; 0: the whole in this one.")] = 2,
    scheduler: Annotated[str | None, typer.Option(help="Address of a dask scheduler.")] = None,
    form: Annotated[str, typer.Option(help="rate or spiking.")] = "spiking",
    target: Annotated[str, typer.Option(help="Code generation: auto, numpy, cython or cpp.")] = "auto",
    settle: Annotated[float, typer.Option(help="Time thrown away, s.")] = 2.0,
    duration: Annotated[float, typer.Option(help="Measured window, s.")] = 1.0,
    out: Annotated[Path | None, typer.Option(help="File of the figures.")] = None,
):
    """Measure one run and print its figures."""
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    settings = Settings(FORMS[form], window=duration * second, settle=settle * second, target=target)
    start = time.perf_counter()

    def report(elapsed, completed, start_time, duration):
        """A line for each stage and head."""
        print(f"{time.perf_counter() - start:7.1f} s: {completed:4.0%}", flush=True)

    found = measure(heads, n, settings, workers, scheduler, report)
    for name, value in found.items():
        print(f"{name:26}{f'{value:.4g}' if isinstance(value, float) else value}")
    if out is not None:
        more = {"machine": processor(), "versions": versions(), **git_state(Path(__file__).parent)}
        write_json(out, found | more)


if __name__ == "__main__":
    typer.run(main)
