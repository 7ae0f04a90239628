"""Every system of the instrument, on an input of its own, held against its algebra.

Question: does the circuit of each other system that the paper sketches compute its formula? The paper sketches more
than attention: a block with its residual stream, areas that talk back, layer 6b, the hippocampus, travelling waves, a
memory. Does the steady state of each, wired as a circuit, equal the formula that it stands for; how far from it are
null models; and does a circuit that lacks a part miss it?

Prediction: written before the first run of all systems, after scratch runs of some of them. In rates and under Dale's law
every system is within 1e-6 of its algebra, in spikes within 3 per cent, where its example claims nothing else, and all
settle; every null and every control is off by at least ten times as much as its system.

Reference: the algebra of each system, in `reference`; its example says whether it is the paper's (`trials.examples`).

Run time: three minutes in rates, ten in spikes.
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


def examine_all(examples, forms, controls, report, **given):
    """Rows of all systems in every form until interrupted (list of dict), and what failed (Swept)."""
    rows, failed, jobs = [], {}, [(example, form) for form in forms for example in examples]
    for k, (example, form) in enumerate(jobs):
        try:
            rows.append(examine(example, form, controls, part_of(report, k, len(jobs)), **given))
        except RunError as error:
            failed[f"{example.system}, {form}"] = str(error)
        except KeyboardInterrupt:
            return rows, Swept({}, failed, True)
    return rows, Swept({}, failed, False)


# Reference
def judge(rows, failed):
    """The predictions about the systems that ran, or failed to, in each form (list of Prediction)."""
    found = []
    for form in dict.fromkeys(row["form"] for row in rows):
        own = [row for row in rows if row["form"] == form]
        n = len(own) + sum(label.endswith(f", {form}") for label in failed)
        within = sum(row["relative_l2"] <= row["claim"] and row["settled"] for row in own)
        asked = "nulls and controls" if any(row["controls"] for row in own) else "nulls"
        near = ", ".join(each for row in own for each in _too_near(row)) or "none is nearer"
        found += [
            Prediction(f"{form}: each within its claim, and settled", f"{within} of {n}", within == n),
            Prediction(f"{form}: {asked} are off by {FARTHER:g} times as much", near, near == "none is nearer"),
        ]
    return found


def _too_near(row):
    """Null and controls of a system that are not off by so much more than the system, as text."""
    every = {row["null"]: row["null_relative_l2"], **row["controls"]}
    return [
        f"{name} of {row['system']}: {per_cent(off)}"
        for name, off in every.items()
        if off is not None and off < FARTHER * row["relative_l2"]
    ]


# Figure
def by_system(rows):
    """Rows by system and form (dict of dict)."""
    found = {}
    for row in rows:
        found.setdefault(row["system"], {})[row["form"]] = row
    return found


def nearest_control(forms):
    """Name and error of the control of a system that comes nearest in any form; None and None without one that ran."""
    every = [(name, off) for row in forms.values() for name, off in row["controls"].items() if off is not None]
    return min(every, key=lambda each: each[1], default=(None, None))


def draw(rows):
    """Error of every system in each form, of the best null, and of the control that comes nearest."""
    systems = by_system(rows)
    names = dict.fromkeys(row["form"] for row in rows)
    series = {
        form: [forms[form]["relative_l2"] if form in forms else None for forms in systems.values()] for form in names
    }
    series["best null"] = [next(iter(forms.values()))["null_relative_l2"] for forms in systems.values()]
    series["nearest control"] = [nearest_control(forms)[1] for forms in systems.values()]
    return dots(list(systems), series, "relative L2 from the algebra of the system")


def _table(rows, forms):
    table = Table(
        Column("system"), *forms, "best null", "nearest control",
        title="systems: relative L2 from their algebra",
    )  # fmt: skip
    for system, found in by_system(rows).items():
        first = next(iter(found.values()))
        control, off = nearest_control(found)
        table.add_row(
            system, *(_error(found.get(form)) for form in forms), f"{first['null']}: {per_cent(first['null_relative_l2'])}",
            "" if control is None else f"{control}: {per_cent(off)}",
        )  # fmt: skip
    return table


def _error(row):
    """Error of a system in a form, and whether it has not settled, as text."""
    if row is None:
        return "failed"
    return per_cent(row["relative_l2"]) + ("" if row["settled"] else ", not settled")


@with_output
def main(
    form: Annotated[str, typer.Option(help=f"Forms of the cells, comma-separated: {','.join(CLAIMS)}.")] = "rate",
    systems: Annotated[str | None, typer.Option(help="Names of systems, comma-separated.", show_default="all")] = None,
    controls: Annotated[bool, typer.Option(help="Circuits that lack a part as well.")] = True,
    target: o.Target = "auto",
    seed: Annotated[int, typer.Option(help="Seed of initial membrane states.")] = 0,
    *,
    output: Output,
):
    """Hold every system against its algebra."""
    forms, given = o.some_of("--form", form, tuple(CLAIMS)), {"target": target, "seed": seed}
    for each in forms:
        o.check(form=each, **given)
    examples = chosen_examples(systems)
    output.check()
    with output.progress(f"{len(examples)} systems") as report:
        rows, swept = examine_all(examples, forms, controls, report, **given)
    parameters = {"form": form, "systems": systems, "controls": controls, **given}
    folder, content = output.folder("systems", parameters), output.provenance(parameters, {"phases": seed})
    figure = draw(rows) if rows else None
    output.report(
        "systems", folder, swept.result(rows), figure, content, _table(rows, forms), judge(rows, swept.failed), rows
    )
    return status_of(swept, [row["settled"] for row in rows])


if __name__ == "__main__":
    script(main)
