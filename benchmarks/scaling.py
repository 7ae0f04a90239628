"""Cost of the project's own circuits against their size: tokens, components, heads, inputs side by side.

Each point is the time loop of one whole answer, and the memory of its process above that of one that only imports the
package. In the mask wiring all tokens are answered at once; in the memory wiring they are written and ask one after
another, so that time simulated grows with their number. Exponents are slopes of log cost against log size, by least
squares over the sizes from `FIT_FROM` on, below which a step costs its overhead; with 95 % intervals.

`python -m benchmarks.scaling --out FILE.json` writes FILE.json and FILE.png.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.stats import linregress, t

from benchmarks.figures import QUANTITIES, curves
from benchmarks.point import FORMS, Size
from cortical_attention.readout.files import replacing
from cortical_attention.readout.provenance import git_state, processor, versions
from cortical_attention.trials.systems import LINEAR

BASE = Size(n=33, d=16, head=1, batch=1)
SIZES = {"n": (8, 16, 33, 66, 132), "d": (8, 16, 32, 64), "head": (1, 2, 4), "batch": (1, 2, 4)}
FIT_FROM = {"n": 16, "d": 16, "head": 1, "batch": 1}
CONFIDENCE = 0.95
TIMEOUT = 900  # s, of one point
HIGHEST = 132  # tokens


def sizes_along(axis, largest=HIGHEST):
    """The base size, with each value of one axis (list of (value, Size))."""
    return [(value, BASE._replace(**{axis: value})) for value in SIZES[axis] if axis != "n" or value <= largest]


def fit(sizes, costs):
    """Exponent of costs (sizes ** exponent) with its interval.

    Parameters
    ----------
    sizes, costs : array_like, shape (n,)

    Returns
    -------
    dict or None
        `exponent`, `low` and `high`; None for fewer than three points.
    """
    if len(sizes) < 3:
        return None
    line = linregress(np.log(sizes), np.log(costs))
    half = t.ppf((1 + CONFIDENCE) / 2, len(sizes) - 2) * line.stderr
    return {"exponent": line.slope, "low": line.slope - half, "high": line.slope + half}


def fits(points):
    """Exponents of every wiring, form, axis and quantity that has enough points."""
    found = []
    for axis, wiring, form in dict.fromkeys((p["axis"], p["wiring"], p["form"]) for p in points):
        along = [p for p in points if (p["axis"], p["wiring"], p["form"]) == (axis, wiring, form)]
        along = [p for p in along if p["size"] >= FIT_FROM[axis]]
        for quantity in QUANTITIES:
            usable = [p for p in along if p[quantity] > 0]
            line = fit([p["size"] for p in usable], [p[quantity] for p in usable])
            if line:
                found.append({"axis": axis, "wiring": wiring, "form": form, "quantity": quantity, **line})
    return found


def measure(wiring, form, size, cache):
    """What `benchmarks.point` prints of one size, or None where it failed."""
    options = [f"--{name}={value}" for name, value in size._asdict().items()]
    command = [sys.executable, "-m", "benchmarks.point", wiring, form, *options]
    environment = os.environ | {"XDG_CACHE_HOME": cache}
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=TIMEOUT, env=environment
        )
    except subprocess.TimeoutExpired:
        return None
    return None if done.returncode else json.loads(done.stdout.strip().splitlines()[-1])


def best(answers):
    """The fastest of the answers that are not None; None where all are."""
    return min((each for each in answers if each), key=lambda each: each["wall_s"], default=None)


def points(axes, wirings, forms, largest, rounds, cache, console):
    """Every point, one after another, the best of its rounds; a size that two axes share is run once."""
    known = {}
    for axis in axes:
        for wiring in wirings:
            for form in forms:
                for value, size in sizes_along(axis, largest):
                    key = wiring, form, size
                    if key not in known:
                        known[key] = best(measure(wiring, form, size, cache) for _ in range(rounds))
                        console.print(f"{wiring}, {form}, {size}: {_shown(known[key])}", highlight=False)
                    if known[key]:
                        yield {"axis": axis, "size": value, "wiring": wiring, "form": form, **known[key]}


def _shown(point):
    return f"{point['wall_s']:.3g} s, {point['above_start_mb']:.3g} MB" if point else "failed"


def write(path, found, more):
    """Write what is known so far, whole or not at all."""
    content = {"points": found, "fits": fits(found), "base": BASE._asdict(), "machine": processor()}
    with replacing(path) as part:
        Path(part).write_text(json.dumps(content | {"versions": versions()} | more, indent=2) + "\n")


def table_of(lines):
    """Rich table of the exponents."""
    table = Table("against", "wiring", "form", "quantity", "exponent", "95 %", title="fitted exponents")
    for line in lines:
        interval = f"{line['low']:.2f} to {line['high']:.2f}"
        names = (line[name] for name in ("axis", "wiring", "form", "quantity"))
        table.add_row(*names, f"{line['exponent']:.2f}", interval)
    return table


def main(
    out: Annotated[Path, typer.Option(help="JSON file; the figure lies beside it.")],
    axes: Annotated[str, typer.Option(help="Sizes that are varied, with commas between.")] = ",".join(SIZES),
    wirings: Annotated[str, typer.Option(help="mask, memory.")] = ",".join(LINEAR),
    forms: Annotated[str, typer.Option(help="rate, spiking.")] = ",".join(FORMS),
    largest: Annotated[int, typer.Option(help="Largest number of tokens.")] = HIGHEST,
    rounds: Annotated[int, typer.Option(help="Runs of each size, of which the fastest is kept.")] = 1,
):
    """Measure every size and fit the exponents."""
    out.parent.mkdir(parents=True, exist_ok=True)
    console, found, more = Console(), [], git_state(Path(__file__).parent)
    asked = axes.split(","), wirings.split(","), forms.split(",")
    for names, known in zip(asked, (SIZES, LINEAR, FORMS), strict=True):
        if not set(names) <= set(known):
            raise typer.BadParameter(f"choose from {', '.join(known)}")
    with tempfile.TemporaryDirectory() as cache:
        for point in points(*asked, largest, rounds, cache, console):
            found.append(point)
            write(out, found, more)
    console.print(table_of(fits(found)))
    curves(found, fits(found), out.with_suffix(".png"))


if __name__ == "__main__":
    typer.run(main)
