"""Another experiment over a grid of its options and over seeds, on many processors or machines.

Question: how do the results of an experiment depend on its options, and how much on the seed?

Prediction: none of its own; those of the experiment that is swept. A sweep that was stopped, killed or ran out of disk or
memory and then resumed has the table of an uninterrupted one: no run lost, none repeated, and all of one code: runs of
other code are repeated.

Reference: that of the experiment that is swept.

Run time: that of the runs divided by the number of workers, and five seconds to start the workers.
"""

import importlib
import importlib.util
import json as json_module
import os
import shutil
import sys
import time
from typing import Annotated

import typer
from rich.table import Table

from cortical_attention.command import options as o
from cortical_attention.command.line import EXPERIMENTS
from cortical_attention.command.pages import check_bokeh, make_page
from cortical_attention.command.printed import printed
from cortical_attention.command.progress import counted
from cortical_attention.command.status import DONE, FAILED, INTERRUPTED, script
from cortical_attention.command.tables import console_for
from cortical_attention.readout.files import write_json
from cortical_attention.readout.formats import number
from cortical_attention.readout.provenance import jsonable, provenance
from cortical_attention.sweep import folder as sweep_folder
from cortical_attention.sweep.grid import grid
from cortical_attention.sweep.workers import (
    INSTALL,
    check_scheduler,
    check_workers,
    client_of,
    distribute,
    slurm_cluster,
    slurm_options,
)

SCHEMA_VERSION = 1
NEEDS = ("distributed", "pandas", "pyarrow")
JOBS = "dask_jobqueue"
SHOWN = ("relative_l2", "median_relative_l2", "relative_l2.median", "skill")  # figures, where a table has them
ENDS = ("done", "not settled", "failed")
MAX_WORKERS = 1000  # chosen
Over = Annotated[
    list[str] | None,
    typer.Option(
        help="Values of an option of the experiment, NAME=VALUE,VALUE; repeatable.",
        show_default="none: one point, with the defaults of the experiment",
    ),
]
Slurm = Annotated[
    list[str] | None,
    typer.Option(
        help="Use Slurm jobs as workers; KEY=VALUE of queue, account, walltime, memory; repeatable.",
        show_default="none: processes of this machine",
    ),
]


# Protocol
def run(planned, folder, workers, scheduler, slurm, quiet):
    """Run the missing runs of the folder; returns whether it was interrupted."""
    todo, place = sweep_folder.missing(planned.runs, folder), folder.resolve()
    if not todo:
        return False
    try:
        with client_of(min(workers, len(todo)), scheduler, slurm) as client, counted("runs", len(todo), quiet) as told:
            check_workers(client, place, planned.settings["experiment"])
            sweep_folder.forget_tables(folder)
            distribute(todo, place, client.get_executor(pure=False), lambda: len(client.nthreads()), told)
    except KeyboardInterrupt:
        return True
    return False


def summarise(frame, over):
    """Runs, those that are done, and medians of figures, at each point of the grid (list of dict)."""
    shown = [name for name in SHOWN if name in frame]
    groups = frame.groupby(over, sort=False, dropna=False) if over else [((), frame)]
    found = []
    for key, rows in groups:
        first = rows.drop_duplicates("run")
        count = {"runs": len(first), **{word: int((first.status == word).sum()) for word in ENDS}}
        middle = {f"median {name}": _median(rows[name]) for name in shown}
        found.append(dict(zip(over, key, strict=True)) | count | middle)
    return found


def _median(column):
    numbers = column.dropna()
    return float(numbers.median()) if len(numbers) else None


def _table(rows, experiment):
    table = Table(*rows[0], title=f"{experiment}, swept")
    for row in rows:
        table.add_row(*(number(each) if isinstance(each, float) else str(each) for each in row.values()))
    return table


def main(
    experiment: Annotated[str, typer.Argument(help="Name of the experiment.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments of the experiment, after --.")] = None,
    over: Over = None,
    seeds: Annotated[int, typer.Option(help="Number of seeds per point of the grid.")] = 1,
    seed: Annotated[int, typer.Option(help="First seed.")] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Number of parallel runs.", show_default="the number of processors")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Address of a dask scheduler, to use its workers.", show_default="none: processes of this machine"
        ),
    ] = None,
    slurm: Slurm = None,
    print_job_script: Annotated[
        bool, typer.Option("--print-job-script", help="Print the script of a Slurm job, without a run.")
    ] = False,
    out: o.out_option("results/sweep/EXPERIMENT-HASH") = None,
    quiet: o.Quiet = False,
    json: o.Json = False,
    report: o.Report = False,
):
    """Run another experiment over a grid of its options and over seeds; go on with one that was stopped."""
    start, console, job = time.perf_counter(), console_for(json), slurm_options(slurm or ())
    workers = (os.cpu_count() or 1) if workers is None else workers
    o.within("--workers", workers, 1, MAX_WORKERS)
    if report:
        check_bokeh("--report")
    if scheduler is not None and job is not None:
        raise o.OptionError("--scheduler and --slurm are both given but a sweep needs one at most")
    planned = grid(
        experiment, arguments or (), over or (), seeds, seed, [name for name in EXPERIMENTS if name != "sweep"]
    )
    _check_installed([JOBS] if print_job_script else [*NEEDS, *([JOBS] if job else [])])
    if print_job_script:
        with slurm_cluster(job or slurm_options(["memory=4GB"])) as cluster:
            print(cluster.job_script())
        return DONE
    if job is not None and shutil.which("sbatch") is None:
        raise o.OptionError("--slurm needs the command sbatch of Slurm, and none was found")
    folder = sweep_folder.default_folder(planned.settings) if out is None else out
    sweep_folder.check(folder, planned.settings)
    if scheduler is not None:
        check_scheduler(scheduler)
    with sweep_folder.opened(folder, planned):
        if other := sweep_folder.of_other_code(planned.runs, folder):
            console.print(
                f"notice: {len(other)} of {len(planned.runs)} runs are of other code and are done again",
                highlight=False,
            )
        try:
            interrupted = run(planned, folder, workers, scheduler, job, quiet)
        finally:  # also where the disk is full, if the table has room
            rows = sweep_folder.rows(planned.runs, folder)
            frame = sweep_folder.write_tables(rows, folder)
        table = _table(summarise(frame, [name for name in planned.settings["over"] if name != "seed"]), experiment)
        _write_run_json(planned, folder, start, workers, table)
    failed = {row["run"]: row["error"] for row in rows if row["status"] == "failed"}
    if json:
        result = {"schema_version": SCHEMA_VERSION, "rows": rows, "failed": failed, "interrupted": interrupted}
        print(json_module.dumps(jsonable(result)))
    _say(table, failed, interrupted, folder, console)
    if report:
        make_page(folder, console)
    if interrupted:
        return INTERRUPTED
    return DONE if all(row["status"] == "done" for row in rows) else FAILED


def _check_installed(names):
    """Refuse a sweep without its packages (OptionError), before anything is run or written."""
    absent = [name for name in names if not _is_there(name)]
    if absent:
        raise o.OptionError(f"sweep needs the package {absent[0].replace('_', '-')}, which is not installed: {INSTALL}")


def _is_there(name):
    """Whether a package is installed and works; dask-jobqueue is not asked, for it takes hold of signals."""
    try:
        return importlib.util.find_spec(name) is not None and (
            name == JOBS or importlib.import_module(name) is not None
        )
    except ImportError:
        return False


def _write_run_json(planned, folder, start, workers, table):
    seeds = {f"run {k}": seed for k, seed in enumerate(planned.settings["over"].get("seed", ()))}
    content = provenance(
        sys.argv, planned.settings | {"workers": workers}, seeds, wall_time_s=time.perf_counter() - start
    )
    write_json(folder / "run.json", content | {"printed": printed(table, [])})


def _say(table, failed, interrupted, folder, console):
    """Print the table, which has a row per point of the grid, and the failed runs."""
    console.print(table)
    for name, sentence in failed.items():
        console.print(f"failed: {name}: {sentence}", highlight=False, soft_wrap=True)
    if interrupted:
        console.print("interrupted; the runs that were done until then are written", highlight=False)
    console.print(
        f"written to {folder}; the same command goes on from there", highlight=False, markup=False, soft_wrap=True
    )


if __name__ == "__main__":
    script(main)
