"""One head at the size of barrel cortex: 33 macrocolumns of 33 microcolumns, keys and values of 33 components.

Question: does a whole area compute attention, and does a biological second take seconds?

Prediction: in rates the relative L2 error is below 1e-6, in spikes below 1 per cent after two seconds; every circuit runs
faster than biological time. The first two were written before the first run at this size, the third after the wiring was
made fast.

Softmax attention (`--wirings mask,softmax`), predicted before its first run at this size: in rates below 1e-6, in spikes
below 2 per cent, and at most twice the wall time of linear attention in the mask wiring for each biological second, in
each form of the same run.

Reference: Granier & Senn (2025), section 5, for the size; `reference.linear_attention`, or `reference.softmax_attention`,
on 33 adjacent patches of a photograph in 33 principal components. The weights are random, with the variance of an
initialisation for training.

Run time: three minutes, six with softmax attention beside both linear wirings, plus about three minutes to compile code
that is not in the cache.
"""

import resource
import sys
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_of
from cortical_attention.command.tables import print_plans
from cortical_attention.inputs.cases import Case
from cortical_attention.inputs.photograph import PATCH, photograph_tokens
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.formats import number, per_cent, shares, whole_per_cent
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.simulation.engine import compiler
from cortical_attention.trials.batch import Prediction, ask_in_turn, run_json
from cortical_attention.trials.comparison import compare, plan_of
from cortical_attention.trials.pictures import NULLS_TITLE, null_series, nulls_of
from cortical_attention.trials.results import content_of, open_folder
from cortical_attention.trials.results import write as write_comparison
from cortical_attention.trials.systems import LINEAR, NULLS, SYSTEMS

SIZE = 33  # whiskers, and so barrels, of a mouse: Granier & Senn (2025), section 5
LARGEST = PATCH**2  # components of a patch
FORMS = ("rate", "spiking")
N_OTHER = 4  # other parts of the photograph; chosen: in rates, 300,000 cells side by side
BOUND = {"linear": {"rate": 1e-6, "spiking": 0.01}, "softmax": {"rate": 1e-6, "spiking": 0.02}}
SLOWER = 2.0  # predicted: how many times as long softmax attention takes at most
LINEAR_NULL = "linear"  # null of softmax attention alone
COPIED = "relative_l2", "skill", "query_identification", "kappa_correlation", "settled", "n_cell", "n_synapse"
DT = 0.5  # ms; chosen: that of the benchmarks


# Circuit
def area(seed, size=SIZE):
    """Case of one head: a part of the photograph, random weights, and other parts to calibrate circuits on."""
    drawn = random_case(seed, size, n_head=1, d_model=size, d_key=size, d_value=size)
    others = photograph_tokens(size, size, N_OTHER)
    return Case(photograph_tokens(size, size), drawn.block, calibration=others, name=f"photograph, {size} patches")


# Protocol
def run(case, jobs, report=None):
    """Comparisons by wiring and form (Swept); `jobs` maps their names to options."""
    return ask_in_turn({name: _asker(case, options) for name, options in jobs.items()}, report)


def _asker(case, options):
    return lambda report: compare(case, options, report)


# Reference
def row(name, compared):
    """Measures of one circuit: agreement, size, and wall time per biological second."""
    answer, report = compared.answer, compared.report
    return {
        "circuit": name,
        **{key: report[key] for key in COPIED},
        **{f"{null}_relative_l2": report.get(f"{null}_relative_l2") for null in (*NULLS, LINEAR_NULL)},
        "wiring": report["wiring"],
        "attention": report["attention"],
        "form": report["form"],
        "target": answer.run.target,
        "biological_s": report["biological_s"],
        "wall_s": answer.run.wall,
        "wall_per_biological_s": answer.run.stepping / report["biological_s"],
    }


def judge(rows):
    """The predictions."""
    found = []
    for form, attention in dict.fromkeys((each["form"], each["attention"]) for each in rows):
        error = max(each["relative_l2"] for each in rows if (each["form"], each["attention"]) == (form, attention))
        bound = BOUND[attention][form]
        said = f"{form}, {attention} attention: relative L2 below {per_cent(bound)}"
        found.append(Prediction(said, per_cent(error), error < bound))
    found += [_speed(form, rows) for form in FORMS if {("mask", form), ("softmax", form)} <= _asked(rows)]
    slowest = max((each["wall_per_biological_s"] for each in rows), default=0)
    return [*found, Prediction("faster than life", f"at most {number(slowest)} s a biological second", slowest < 1)]


def _asked(rows):
    """Wirings and forms of the rows (set)."""
    return {(each["wiring"], each["form"]) for each in rows}


def _speed(form, rows):
    """The prediction about the wall time of softmax attention, against that of the mask wiring in the same form."""
    taken = {each["wiring"]: each["wall_per_biological_s"] for each in rows if each["form"] == form}
    ratio = taken["softmax"] / taken["mask"]
    said = f"{form}: softmax attention at most {SLOWER:g} times as slow as the mask wiring"
    return Prediction(said, f"{ratio:.2f} times", ratio <= SLOWER)


# Figure
def draw(rows):
    """Figure: error of each circuit beside its nulls, and wall time per biological second."""
    labels = [f"{each['circuit']}\n{each['n_cell']} cells" for each in rows]
    places = np.arange(len(rows))
    series = {"circuit": [each["relative_l2"] for each in rows], **null_series(rows)}
    linear = [each[f"{LINEAR_NULL}_relative_l2"] for each in rows]
    series |= {"null: linear attention": linear} if any(each is not None for each in linear) else {}
    with style():
        figure = new_figure(4.0, width=10.0)
        left, right = figure.subplots(1, 2, sharey=True)
        for k, (name, values) in enumerate(series.items()):
            left.plot(values, places, linestyle="", markersize=7, color=CYCLE[k], marker=MARKERS[k], label=name)
        left.set(xscale="log", xlabel="relative L2 error", ylim=(len(rows) - 0.5, -0.5))
        left.set_yticks(places, labels)
        bars = right.barh(places, [each["wall_per_biological_s"] for each in rows], height=0.5, color=CYCLE[5])
        right.bar_label(bars, fmt="%.2g", padding=4)
        right.axvline(1, color="#777777", linestyle="--", label="as fast as life")
        right.set(xlabel="wall time a biological second (s)")
        for panel in (left, right):
            panel.grid(axis="x", color="#DDDDDD", linewidth=0.8)
            panel.set_axisbelow(True)
        figure.legend(loc="outside upper center", ncols=5)
    return figure


def _table(rows):
    table = Table(
        "circuit",
        "cells, synapses",
        "error",
        f"{NULLS_TITLE}, linear",
        "queries identified",
        "settled",
        "wall s a biological s",
        title="one head, one area",
    )
    for each in rows:
        table.add_row(
            each["circuit"], f"{each['n_cell']}, {each['n_synapse']}", per_cent(each["relative_l2"]),
            shares([*nulls_of(each), each[f"{LINEAR_NULL}_relative_l2"]]), whole_per_cent(each["query_identification"]),
            "yes" if each["settled"] else "no", number(each["wall_per_biological_s"]),
        )  # fmt: skip
    return table


def memory_mb():
    """Largest memory of this process and of the largest of its children (MB)."""
    scale = 1e6 if sys.platform == "darwin" else 1e3
    used = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return dict(zip(("peak_mb", "peak_of_children_mb"), (size / scale for size in used), strict=True))


@with_output
def main(
    wirings: Annotated[str, typer.Option(help=f"Wirings, comma-separated: {','.join(SYSTEMS)}.")] = ",".join(LINEAR),
    forms: Annotated[str, typer.Option(help="Forms, comma-separated: rate,spiking.")] = ",".join(FORMS),
    size: Annotated[
        int, typer.Option(help="Number of tokens, and of components of a token, a key and a value.")
    ] = SIZE,
    duration: o.Duration = None,
    settle: o.Settle = None,
    dt: Annotated[float, typer.Option(help="Time step (ms).")] = DT,
    unit_rate: o.UnitRate = 100.0,
    target: o.Target = "auto",
    seed: o.InputSeed = 0,
    plan: o.Plan = False,
    *,
    output: Output,
):
    """Simulate an area of barrel cortex."""
    o.within("--size", size, 2, LARGEST)
    chosen = o.some_of("--wirings", wirings, tuple(SYSTEMS)), o.some_of("--forms", forms, FORMS)
    target = "cpp" if target == "auto" and compiler() is not None else target  # in steps alone always the fastest
    given = {"duration": duration, "settle": settle, "dt": dt, "unit_rate": unit_rate, "target": target, "seed": seed}
    given["record"] = "sample"
    jobs = {
        f"{form}, {wiring}": o.check(**given, form=form, wiring=wiring) for wiring in chosen[0] for form in chosen[1]
    }
    case = area(seed, size)
    if plan:
        return print_plans(
            {name: plan_of(case, options) for name, options in jobs.items()}, output.console, output.json
        )
    output.check()
    with output.progress(f"{len(jobs)} circuits") as report:
        swept = run(case, jobs, report)
    first = next(iter(jobs.values()))
    folder = open_folder("barrel_cortex", first, content_of(case) | given, output.out, output.overwrite, output.about)
    for name, compared in swept.done.items():
        own = folder / name.replace(", ", "-")
        own.mkdir(exist_ok=True)
        write_comparison(compared, jobs[name], case, own)
    rows = [row(name, compared) for name, compared in swept.done.items()]
    result = swept.result(rows, size=size, **memory_mb())
    content = run_json(first, swept, wirings=chosen[0], forms=chosen[1], size=size)
    figure = draw(rows) if rows else None
    output.report("barrel_cortex", folder, result, figure, content, _table(rows), judge(rows))
    output.console.print(
        f"peak memory: {result['peak_mb']:.0f} MB, of a program {result['peak_of_children_mb']:.0f} MB"
    )
    return status_of(swept, [each["settled"] for each in rows])


if __name__ == "__main__":
    script(main)
