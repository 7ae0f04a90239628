"""From the measured cost of a head to a cortex and to a transformer: cells, memory, hours, traffic, and what breaks first.

`python -m benchmarks.extrapolation SCALING.json` reads what `benchmarks.scaling` measured in spikes, takes the cost a cell
and second, and the memory a cell, of its largest point of each wiring, and multiplies. Nothing is simulated. Workers are as
large and as many as `WORKER_GB` and `WORKERS` say; heads are streamed through them, the layers of a transformer one after
another. Traffic is that of the heads that run at once: nuclei and L5 PT cells at no more than the highest unit rate.
"""

import json
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.model import UNIT_RATE

SETTLE, WINDOW, WRITE = 2.0, 2.0, 0.5  # s: defaults of the spiking form, and a token's turn in the memory wiring
WORKERS, WORKER_GB = 100, 4.0  # chosen: a rack of small machines
SPIKE_BYTES = 12  # an index of four bytes and a time of eight
LINK_MB = 1250.0  # a second: ten gigabits
DAY = 24.0  # hours that one answer may take


class System(NamedTuple):
    """What is to be computed once: every head of every layer, on one input."""

    name: str
    layers: int
    heads: int
    n: int
    d: int
    d_model: int


SYSTEMS = (
    System("mouse cortex: 100 areas of barrel size", 1, 100, 33, 33, 33),
    System("transformer: GPT-3 (Brown et al. 2020)", 96, 96, 2048, 128, 12288),
)


def cells_of(wiring, system):
    """Cells of one head; its share of the nuclei left out."""
    n, d = system.n, system.d
    return n * n * 2 * d + n * d + n if wiring == "mask" else 2 * d * d + 3 * d + 1


def seconds_of(wiring, system):
    """Biological time of one answer (s)."""
    slots = 1 if wiring == "mask" else system.n
    return slots * (SETTLE + WINDOW) + (0 if wiring == "mask" else system.n * WRITE)


def project(system, wiring, point):
    """What a system takes (dict), from the measured cost of one size."""
    cells, seconds = cells_of(wiring, system), seconds_of(wiring, system)
    hours = cells * seconds * point["wall_s"] / point["biological_s"] / point["n_cell"] / 3600
    head_gb = cells * point["above_start_mb"] / point["n_cell"] / 1e3
    at_once = min(WORKERS, system.heads)
    sending = system.n * (2 * system.d_model + system.d) if wiring == "mask" else 2 * system.d_model + system.d
    pace = seconds / (3600 * hours)  # biological seconds a second of wall time
    traffic_mb = at_once * sending * UNIT_RATE * SPIKE_BYTES * pace / 1e6
    rounds = -(-system.heads // at_once)
    strains = {
        "memory of a head": head_gb / WORKER_GB,
        "time": system.layers * rounds * hours / DAY,
        "traffic": traffic_mb / LINK_MB,
    }
    return {
        "system": system.name, "wiring": wiring, "cells": cells * system.heads * system.layers, "biological_s": seconds,
        "head_gb": head_gb, "worker_hours": hours * system.heads * system.layers,
        "wall_hours": system.layers * rounds * hours, "traffic_mb_per_s": traffic_mb,
        "breaks_first": max(strains, key=strains.get), "strain": max(strains.values()),
    }  # fmt: skip


def main(
    scaling: Annotated[Path, typer.Argument(help="What benchmarks.scaling wrote.")],
    out: Annotated[Path | None, typer.Option(help="JSON file.")] = None,
):
    """Print what larger systems would take."""
    measured = [each for each in json.loads(scaling.read_text())["points"] if each["form"] == "spiking"]
    table = Table(
        "system", "wiring", "cells", "biological (s)", "a head (GB)", "worker hours",
        f"hours on {WORKERS} workers", "traffic (MB/s)", "breaks first (x of what there is)",
    )  # fmt: skip
    rows = []
    for system in SYSTEMS:
        for wiring in ("mask", "memory"):
            points = [each for each in measured if each["wiring"] == wiring and each["axis"] == "n"]
            rows.append(project(system, wiring, max(points, key=lambda each: each["n_cell"])))
            shown = [f"{rows[-1][name]:.2g}" for name in list(rows[-1])[2:8]]
            table.add_row(system.name, wiring, *shown, f"{rows[-1]['breaks_first']} ({rows[-1]['strain']:.2g} x)")
    Console(width=150).print(table)
    if out is not None:
        out.write_text(json.dumps({"scaling": scaling.name, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
