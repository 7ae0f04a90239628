"""Attention in this project, in plain Brian2, in other simulators and in C: wall time, memory, error.

In the forms rate and spiking every peer runs the model of `benchmarks.model`, one head. In the forms adaptive and
biophysical this project runs the whole circuit of `benchmarks.case`, and all others as many of its cells without synapses,
so that the ratio to C is that of the costs per cell and step. `c_mixed` has as many cells of either kind as the circuit;
relays are not counted as cells.

A peer has a process of its own, and peers run in rounds of alternating order (A B C, C B A), so that a machine that slows
down or warms up does so for all. The best round of each is reported, since whatever else the machine does can only make a
round slower; compile times are those of the first round. A peer that is not installed is skipped by name.

`python -m benchmarks.side_by_side --out FILE.json` writes FILE.json and FILE.png, after every run what is known so far.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.figures import bars
from benchmarks.peers import FORMS, PEERS
from cortical_attention.readout.files import replacing
from cortical_attention.readout.provenance import git_state, processor, versions

PACKAGES = ("cortical-attention", "brian2", "numpy", "brainpy", "jax", "nest-simulator", "nengo")
SMALL = ("plain_brian2", "c_limit", "shared")  # run too at the size of a peer that has its own
TIMEOUT = 1800  # s, of one peer


class Job(NamedTuple):
    """One peer at one size."""

    name: str
    form: str
    n: int
    d: int


def jobs(names, forms, n):
    """Jobs, and why others are left out.

    Parameters
    ----------
    names, forms : sequence of str
    n : int

    Returns
    -------
    list of Job
    dict of (name, form) to str
    """
    wanted, skipped = [], {}
    for form in forms:
        for name in names:
            why = PEERS[name].missing(form)
            if why:
                skipped[name, form] = why
                continue
            size = PEERS[name].size
            wanted += [Job(name, form, *PEERS[name].sizes(form, n))]
            wanted += [Job(other, form, *size) for other in SMALL if size and other in names]
    return list(dict.fromkeys(wanted)), skipped


def measure(job, cache):
    """Row of a job and its number of cells, from a process of its own that keeps what it compiles in the folder `cache`;
    the reason as text where it failed."""
    command = [sys.executable, "-m", "benchmarks.peers", job.name, "--form", job.form, "--n", job.n, "--d", job.d]
    try:
        done = subprocess.run(
            list(map(str, command)), cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=TIMEOUT,
            env=os.environ | {"XDG_CACHE_HOME": cache},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"not done in {TIMEOUT} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return json.loads(done.stdout.strip().splitlines()[-1])


def best(old, new):
    """The row of the faster round, with the first compile time (later ones may find it compiled) and the most memory."""
    if old is None:
        return new
    fast = min(old, new, key=lambda row: row["wall_per_biological_s"])
    return fast | {"compile_s": old["compile_s"], "peak_mb": max(old["peak_mb"], new["peak_mb"])}


def table_of(rows, cells):
    """Rich table of the rows, with ratios to plain Brian2 and to the C loop of the same form and size."""
    heads = (
        "",
        "form",
        "n",
        "wall s / s",
        "us / cell s",
        "ns / cell step",
        "plain / it",
        "it / C",
        "compile s",
        "MB",
        "error",
        "spikes/s",
    )
    table = Table(*heads, title="wall time a biological second")
    walls = {(row["name"], row["form"], row["n"]): row["wall_per_biological_s"] for row in rows}
    for row in sorted(rows, key=lambda row: (row["form"], -row["n"], row["wall_per_biological_s"])):
        wall, key = row["wall_per_biological_s"], (row["form"], row["n"])
        plain, limit = walls.get(("plain_brian2", *key)), walls.get(("c_limit", *key))
        each = 1e6 * wall / cells[f"{row['name']} {row['form']} {row['n']}"]
        ratios = plain and plain / wall, limit and wall / limit
        rest = (row[name] for name in ("compile_s", "peak_mb", "relative_l2", "spikes_per_s"))
        numbers = (wall, each, row["ns_per_cell_step"], *ratios, *rest)
        table.add_row(row["name"], row["form"], str(row["n"]), *map(_shown, numbers))
    return table


def _shown(value):
    return "-" if value is None else f"{value:.3g}" if value < 1e4 else f"{value:.3e}"


def write(path, rows, cells, more):
    """Write what is known so far, whole or not at all."""
    found = {"rows": rows, "cells": cells, "machine": processor(), "versions": versions(PACKAGES), **more}
    with replacing(path) as part:
        Path(part).write_text(json.dumps(found, indent=2) + "\n")


def main(
    out: Annotated[Path, typer.Option(help="JSON file; the figure lies beside it.")],
    form: Annotated[str | None, typer.Option(help=f"One of {', '.join(FORMS)}; all unless given.")] = None,
    n: Annotated[int, typer.Option(help="Tokens, and components of each, in rate and spiking.")] = 33,
    only: Annotated[str, typer.Option(help="Names of peers, with commas between.")] = ",".join(PEERS),
    rounds: Annotated[int, typer.Option(help="Rounds, of which the best is kept.")] = 3,
):
    """Run every peer side by side."""
    out.parent.mkdir(parents=True, exist_ok=True)
    console, names = Console(width=None if Console().is_terminal else 145), only.split(",")
    if not set(names) <= set(PEERS) or form not in (None, *FORMS):
        raise typer.BadParameter(f"peers are {', '.join(PEERS)}; forms are {', '.join(FORMS)}")
    wanted, skipped = jobs(names, FORMS if form is None else (form,), n)
    for (name, of_form), why in skipped.items():
        console.print(f"{name} ({of_form}) skipped: {why}", highlight=False)
    more = {"rounds": rounds, "skipped": {" ".join(key): why for key, why in skipped.items()}}
    more |= git_state(Path(__file__).parent)
    with tempfile.TemporaryDirectory() as cache:  # so that the first round compiles
        rows, cells = run_rounds(wanted, rounds, cache, console, lambda *known: write(out, *known, more))
    console.print(table_of(rows, cells))
    bars(rows, out.with_suffix(".png"))


def run_rounds(wanted, rounds, cache, console, keep):
    """Rows and cells of all jobs, `keep(rows, cells)` being called after each run."""
    found, cells = {}, {}
    for index in range(rounds):
        for job in wanted if index % 2 == 0 else wanted[::-1]:
            answer, label = measure(job, cache), f"round {index + 1}: {job.name} ({job.form}, n = {job.n})"
            if isinstance(answer, str):
                console.print(f"{label} failed: {answer}", highlight=False)
                continue
            found[job] = best(found.get(job), answer["row"])
            cells[f"{job.name} {job.form} {job.n}"] = answer["cells"]
            console.print(
                f"{label} {answer['row']['wall_per_biological_s']:.3g} s a biological second", highlight=False
            )
            keep(list(found.values()), cells)
    return list(found.values()), cells


if __name__ == "__main__":
    typer.run(main)
