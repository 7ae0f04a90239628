"""Every system of the instrument, on an input of its own, held against its algebra.

Question: the paper sketches more than attention: a block with its residual stream, areas that talk back, layer 6b, the
hippocampus, travelling waves, a memory. Does the steady state of each, wired as a circuit, equal the formula that it stands
for; how far from it are null models; and does a circuit that lacks a part miss it?

Prediction: written before the first run of all systems, after scratch runs of some of them. In rates and under Dale's law
every system is within 1e-6 of its algebra, in spikes within 3 per cent, where its example claims nothing else, and all
settle; every null and every control is off by at least ten times as much as its system.

Reference: the algebra of each system, in `reference`; its example says whether it is the paper's (`trials.examples`).

Run time: a minute in rates, several in spikes.
"""

import time
from typing import Annotated

import typer
from rich.table import Column, Table

from cortical_attention.circuits.protocol import RunError
from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_of
from cortical_attention.readout.formats import per_cent
from cortical_attention.trials.batch import Prediction, Swept, part_of
from cortical_attention.trials.example import CLAIMS, answer, best_null, error_of
from cortical_attention.trials.examples import every_example
from cortical_attention.trials.pictures import dots

# Parameters
FARTHER = 10.0  # how much farther off than its system a null and a control have to be


# Protocol
def chosen_examples(names):
    """Examples whose systems have these names, or all (list of Example)."""
    every = every_example()
    if names is None:
        return every
    known = [example.system for example in every]
    wanted = o.some_of("--systems", names, known)
    return [example for example in every if example.system in wanted]


def controlled(example, form, report=None, **given):
    """Errors of the controls of an example (dict); None where the control fails to run."""
    found = {}
    for name, wiring in example.controls.items():
        try:
            done = answer(example, form, wiring, report, **given)
        except RunError:
            found[name] = None
            continue
        if done.run.interrupted:
            raise KeyboardInterrupt
        found[name] = error_of(example, done.output)
    return found


def examine(example, form, controls=True, report=None, **given):
    """Figures of one system (dict)."""
    start = time.perf_counter()
    done = answer(example, form, report=report, **given)
    if done.run.interrupted:
        raise KeyboardInterrupt
    null, off = best_null(example)
    return {
        "system": example.system, "about": example.about, "form": form, "relative_l2": error_of(example, done.output),
        "claim": example.claim(form), "null": null, "null_relative_l2": off,
        "controls": controlled(example, form, **given) if controls else {},
        "settled": bool(done.settled.settled.all()), "reason": "; ".join(filter(None, map(str, done.settled.reason))),
        "n_cell": done.run.n_cell, "wall_time_s": time.perf_counter() - start,
    }  # fmt: skip


def examine_all(examples, form, controls, report, **given):
    """Rows of all systems until interrupted (list of dict), and what failed (Swept)."""
    rows, failed = [], {}
    for k, example in enumerate(examples):
        try:
            rows.append(examine(example, form, controls, part_of(report, k, len(examples)), **given))
        except RunError as error:
            failed[example.system] = str(error)
        except KeyboardInterrupt:
            return rows, Swept({}, failed, True)
    return rows, Swept({}, failed, False)


# Reference
def judge(rows, failed):
    """The predictions about the systems that ran, or failed to (list of Prediction)."""
    if not rows:
        return []
    within = [row for row in rows if row["relative_l2"] <= row["claim"] and row["settled"]]
    n = len(rows) + len(failed)
    near = [
        (f"{name} of {row['system']}", off)
        for row in rows
        for name, off in {row["null"]: row["null_relative_l2"], **row["controls"]}.items()
        if off is not None and off < FARTHER * row["relative_l2"]
    ]
    said = ", ".join(f"{name} {per_cent(off)}" for name, off in near) or "none is nearer"
    return [
        Prediction(f"{rows[0]['form']}: each within its claim, and settled", f"{len(within)} of {n}", len(within) == n),
        Prediction(f"nulls and controls are off by {FARTHER:g} times as much", said, not near),
    ]


# Figure
def draw(rows):
    """Error of every system, of the best null, and of the control that comes nearest."""
    controls = [min((off for off in row["controls"].values() if off is not None), default=None) for row in rows]
    series = {
        "circuit": [row["relative_l2"] for row in rows],
        "best null": [row["null_relative_l2"] for row in rows],
        "nearest control": controls,
    }
    return dots([row["system"] for row in rows], series, "relative L2 from the algebra of the system")


def _table(rows, form):
    table = Table(
        Column("system"), "relative L2", "best null", "controls", "settled", "cells",
        title=f"systems in the {form} form: relative L2 from their algebra",
    )  # fmt: skip
    for row in rows:
        controls = ", ".join(
            f"{name}: {'fails' if off is None else per_cent(off)}" for name, off in row["controls"].items()
        )
        table.add_row(
            row["system"], per_cent(row["relative_l2"]), f"{row['null']}: {per_cent(row['null_relative_l2'])}", controls,
            "yes" if row["settled"] else "no", str(row["n_cell"]),
        )  # fmt: skip
    return table


@with_output
def main(
    form: Annotated[str, typer.Option(help=f"Form of the cells: {', '.join(CLAIMS)}.")] = "rate",
    systems: Annotated[str | None, typer.Option(help="Names of systems, comma-separated.", show_default="all")] = None,
    controls: Annotated[bool, typer.Option(help="Circuits that lack a part as well.")] = True,
    target: o.Target = "auto",
    seed: Annotated[int, typer.Option(help="Seed of initial membrane states.")] = 0,
    *,
    output: Output,
):
    """Hold every system against its algebra."""
    o.one_of("--form", form, tuple(CLAIMS))
    given = {"target": target, "seed": seed}
    o.check(form=form, **given)
    examples = chosen_examples(systems)
    output.check()
    with output.progress(f"{len(examples)} systems, {form} form") as report:
        rows, swept = examine_all(examples, form, controls, report, **given)
    parameters = {"form": form, "systems": systems, "controls": controls, **given}
    folder, content = output.folder("systems", parameters), output.provenance(parameters, {"phases": seed})
    figure = draw(rows) if rows else None
    output.report(
        "systems", folder, swept.result(rows), figure, content, _table(rows, form), judge(rows, swept.failed), rows
    )
    return status_of(swept, [row["settled"] for row in rows])


if __name__ == "__main__":
    script(main)
