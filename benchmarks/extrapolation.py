"""From the measured cost of a head to a cortex and to a transformer: cells, memory, hours, traffic, and what breaks first.

`python -m benchmarks.extrapolation SCALING.json` fits what `benchmarks.scaling` measured in spikes by a constant and shares
of cells and of synapses, with no share below zero, and multiplies. Nothing is simulated. Cells are one a number, with shared
dendrites and without on/off pairs, as there; no mask, since the memory wiring needs a memory for each of its rows. Heads are
streamed through so many workers of so much memory (`WORKERS`, `WORKER_GB`), the layers of a transformer one after another.
Traffic is that of the heads that run at once, were all cells of nuclei and L5 PT to fire at the ceiling.
"""

import json
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.optimize import nnls

CEILING = 300  # Hz; of a cell in spikes
ANSWER, TOKEN = 4.0, 4.75  # s: settling and window of the spiking form; a token's turn to be written and to ask
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
    System("transformer of the size of GPT-3 (Brown et al. 2020)", 96, 96, 2048, 128, 12288),
)


def counts(wiring, n, d, d_model, heads=1):
    """Cells and synapses of so many heads with their nuclei, and cells times the tokens that are shown one by one."""
    if wiring == "mask":
        cells = 3 * n * d_model + heads * (2 * n * n * d + n * d + n)
        return cells, heads * (4 * n * d * d_model + 3 * n * n * d + n), 0
    cells = 3 * d_model + heads * (2 * d * d + 3 * d + 1)
    return cells, heads * (6 * d * d_model + 2 * d * d + 2 * d + 2), cells * n


def fit(features, values):
    """Shares (each >= 0) of the features in what was measured, in relative error."""
    features, values = np.array(features, dtype=float), np.array(values)
    scale = np.linalg.norm(features / values[:, None], axis=0)
    scale[scale == 0] = 1
    return nnls(features / values[:, None] / scale, np.ones(len(values)))[0] / scale


def shares(points, wiring):
    """What a second of biological time takes (s), and memory (MB), as shares of one, cells, synapses, and cells times tokens
    (memory alone)."""
    own = [point for point in points if point["wiring"] == wiring and point["form"] == "spiking"]
    tokens = [point["n_cell"] * point["n"] * (wiring == "memory") for point in own]
    features = [[1, point["n_cell"], point["n_synapse"], more] for point, more in zip(own, tokens, strict=True)]
    paces = [point["wall_s"] / point["biological_s"] for point in own]
    return fit([each[:3] for each in features], paces), fit(features, [point["above_start_mb"] for point in own])


def project(system, wiring, points):
    """What a system takes (dict); a head has its part of the nuclei, which the heads of a layer share."""
    layer = counts(wiring, system.n, system.d, system.d_model, system.heads)
    cells, synapses, shown = (each / system.heads for each in layer)
    pace, memory = shares(points, wiring)
    seconds = ANSWER if wiring == "mask" else TOKEN * system.n
    hours = float(pace @ [1, cells, synapses]) * seconds / 3600
    head_gb = float(memory @ [1, cells, synapses, shown]) / 1e3
    at_once = min(WORKERS, system.heads)
    sending = (system.n if wiring == "mask" else 1) * (2 * system.d_model + system.d)
    traffic_mb = at_once * sending * CEILING * SPIKE_BYTES * seconds / (3600 * hours) / 1e6
    wall = system.layers * -(-system.heads // at_once) * hours
    strains = {"memory of a head": head_gb / WORKER_GB, "time": wall / DAY, "traffic": traffic_mb / LINK_MB}
    total = system.layers * system.heads
    return {
        "system": system.name, "wiring": wiring, "cells": cells * total, "synapses": synapses * total,
        "biological_s": seconds * system.layers, "head_gb": head_gb, "worker_hours": hours * total, "wall_hours": wall,
        "traffic_mb_per_s": traffic_mb, "breaks_first": max(strains, key=strains.get), "strain": max(strains.values()),
    }  # fmt: skip


def main(
    scaling: Annotated[Path, typer.Argument(help="What benchmarks.scaling wrote.")],
    out: Annotated[Path | None, typer.Option(help="JSON file.")] = None,
):
    """Print what larger systems would take."""
    content = json.loads(scaling.read_text())
    points = [{**content["base"], **each, each["axis"]: each["size"]} for each in content["points"]]
    table = Table(
        "system", "wiring", "cells", "synapses", "biological (s)", "a head (GB)", "worker hours",
        f"hours on {WORKERS} workers", "traffic (MB/s)", "breaks first (x of what there is)",
    )  # fmt: skip
    rows = [project(system, wiring, points) for system in SYSTEMS for wiring in ("mask", "memory")]
    for row in rows:
        shown = [f"{row[name]:.2g}" for name in list(row)[2:9]]
        table.add_row(row["system"], row["wiring"], *shown, f"{row['breaks_first']} ({row['strain']:.2g} x)")
    Console(width=150).print(table)
    if out is not None:
        out.write_text(json.dumps({"scaling": scaling.name, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
