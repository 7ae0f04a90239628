"""What each code-generation target costs: a fit of what `simulation.engine.COSTS` has constants for.

Circuits of several sizes and durations run on each target with nothing compiled before; the wall time of each is fitted by

    start + objects (compile + steps call) + steps (cells cell + synapses that send synapse)

with non-negative constants, in relative error. `python -m benchmarks.targets --out FILE.json` prints them.
Cython keeps its modules in the process, so that it cannot be asked twice, and is left out.
"""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from brian2 import ms, second
from rich.console import Console
from rich.table import Table
from scipy.optimize import nnls

from cortical_attention.cells.forms import FORMS
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.protocol import Times
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.files import write_json
from cortical_attention.readout.provenance import git_state, processor
from cortical_attention.simulation.calibrate import rate_units
from cortical_attention.simulation.engine import Cost, Work
from cortical_attention.simulation.run import simulate, work

POINTS = (  # form, tokens, seconds, shared dendrites
    ("rate", 4, 1.0, True),
    ("rate", 24, 1.0, True),
    ("rate", 24, 8.0, True),
    ("rate", 12, 2.0, False),
    ("spiking", 4, 2.0, True),
    ("spiking", 24, 1.0, True),
    ("spiking", 24, 4.0, True),
    ("spiking", 24, 2.0, False),
    ("spiking", 48, 16.0, True),  # long enough for what a step costs once compiled
    ("dale", 12, 1.0, True),
    ("adaptive", 12, 1.0, True),
)


def measure(target, form, n, duration, shared):
    """Work of a run, and its wall time (s), with nothing compiled before."""
    case = random_case(0, n, n_head=1, d_model=n, d_key=n, d_value=n)
    times = Times(0.75 * duration * second, 0.25 * duration * second, 250 * ms, 1 * ms)
    plan, how = mask_wiring(times, case.tokens[None], **case.block._asdict()), FORMS[form]
    units = {name: 0.1 * unit for name, unit in rate_units(plan).items()}  # low enough for every cell
    units["interneuron"] /= n**2
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        start = time.perf_counter()
        simulate(plan, how, units, dt=1 * ms, shared=shared, target=target, record="sample")
        return work(plan, how, 1 * ms, shared=shared), time.perf_counter() - start


def fit(points):
    """Cost from pairs of Work and seconds."""
    rows = np.array([(1, each.n_object, *(each.n_step * np.array(each)[[0, 1, 3]])) for each, _ in points])
    seconds = np.array([seconds for _, seconds in points])
    scale = np.linalg.norm(rows / seconds[:, None], axis=0)
    found, _ = nnls(rows / seconds[:, None] / scale, np.ones(len(points)))
    return Cost(*(float(each) for each in found / scale))


def quicker(found):
    """On how many circuits the target that is chosen by the fitted costs was the quicker one."""
    targets = [*found]
    walls = np.array([[point[-1] for point in found[name]["points"]] for name in targets])
    works = [Work(*point[:-1]) for point in found[targets[0]]["points"]]
    costs = np.array([[Cost(**found[name]["cost"]).of(work) for work in works] for name in targets])
    return int((costs.argmin(axis=0) == walls.argmin(axis=0)).sum())


def main(
    out: Annotated[Path, typer.Option(help="JSON file of the measurements.")],
    only: Annotated[str, typer.Option(help="Some of numpy,cpp.")] = "numpy,cpp",
):
    """Measure what the targets cost."""
    out.parent.mkdir(parents=True, exist_ok=True)
    found, console = {}, Console()
    table = Table(
        "target", "start (s)", "compile an object (s)", "call (us)", "cell and step (ns)", "synapse (ns)", "worst ratio"
    )
    measure("numpy", "adaptive", 4, 0.1, shared=True)  # measures the f-I tables, which are then known
    for target in only.split(","):
        points = [measure(target, *point) for point in POINTS]
        cost = fit(points)
        expected = [cost.of(each) for each, _ in points]
        ratio = max(max(e / s, s / e) for e, (_, s) in zip(expected, points, strict=True))
        found[target] = {"cost": cost._asdict(), "worst_ratio": ratio, "points": [[*w, s] for w, s in points]}
        shown = cost.start, cost.compile, 1e6 * cost.call, 1e9 * cost.cell, 1e9 * cost.synapse, ratio
        table.add_row(target, *(f"{each:.2g}" for each in shown))
        write_json(
            out,
            {"schema_version": 1, "processor": processor(), "git": git_state(Path(__file__).parent), "targets": found},
        )
    console.print(table)
    if len(found) > 1:
        console.print(f"the cheaper target by these costs is the quicker on {quicker(found)} of {len(POINTS)} circuits")
    console.print(json.dumps({target: each["cost"] for target, each in found.items()}))


if __name__ == "__main__":
    typer.run(main)
