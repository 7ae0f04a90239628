"""Pyramidal cells with an apical calcium plateau, stage by stage: do their bursts multiply a key by a query, and attention
by a value?

Question: if only the L2/3 stage is biophysical (two-compartment cells; queries to the soma, keys to the apical dendrite,
thresholds of the cell in place of phi), and the rest ideal (Z exact, L5 and thalamus algebra), what is the error with
bursts, with all spikes, and with facilitating synapses as the read-out? And with a biophysical L5 IT stage as well
(attention to the apical dendrite, values to the soma, an on cell and an off cell for each)?

Prediction: `trials/protocol.toml`. By bursts, 40 cells per value and 4 s. L2/3 alone: a median relative L2 of at most
0.12, a median correlation of attention weights of at least 0.93, and an error below that of the best null (uniform,
query ignored, additive) with its 95 per cent interval over seeds (noises; the inputs are fixed). Both stages: a median
of at most 0.25, and below uniform attention with the interval; whether it is below the null that ignores the query is
the result. For the other read-outs: reported, no prediction.

Controls, with all their spikes as the read-out, calibrated in the same way: the same cell without its dendrite, whose soma
receives both currents and so only sums them before its threshold; and noisy point cells without adaptation, whose expansive
f-I curve multiplies in part (`cells.membranes.point`). Medians that they meet too do not show that a dendrite multiplies.
Prediction, written before each was run in spikes, and after it had been tried on surfaces alone: bursts are nearer to
attention with L2/3 alone, by the interval of the difference; with both stages, either sign is the result.

For the cell of Larkum, Senn & Luescher (2004; `--cell larkum`): its medians are larger, since its spikes depolarise the
dendrite for any drive; written before any run, and to be judged from both tables.

Reference: `reference.linear_attention` and its nulls on `inputs.suite`; cells of Naud & Sprekeler (2018),
`cells.membranes.two_compartment`, or `cells.membranes.calcium_spike`. The map from drives to currents is fitted on a
surface of the cell measured beforehand (`cells.membranes.product`); it uses the distributions of queries, keys, values and
attention in the calibration sequences of each case.

Run time: about ten minutes for one seed of the cases up to 8 tokens.
"""

import json
from typing import Annotated

import typer
from brian2 import pA, second

from cortical_attention.cells.membranes.calcium_spike import CalciumSpike
from cortical_attention.cells.membranes.point import Point
from cortical_attention.cells.membranes.two_compartment import READOUTS, Summing, TwoCompartment
from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.printed import printed
from cortical_attention.command.status import DONE, INTERRUPTED, script
from cortical_attention.command.tables import say_predictions, say_written
from cortical_attention.inputs.suite import cases as suite_cases
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.factors import factors
from cortical_attention.readout.files import write_json
from cortical_attention.readout.formats import number
from cortical_attention.readout.provenance import jsonable
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.readout.style import save
from cortical_attention.trials.batch import Prediction, part_of
from cortical_attention.trials.bursts_figure import CONTROLS, LABELS, STAGES, WORDS, draw, median, tables_of
from cortical_attention.trials.comparison import figures_of, reference_of
from cortical_attention.trials.families import answer
from cortical_attention.trials.pictures import nulls_of
from cortical_attention.trials.protocol import PROTOCOL
from cortical_attention.trials.stages import Stage, attention, ideal, maps, modulated

# Parameters
CELLS = {"naud": TwoCompartment(), "larkum": CalciumSpike()}
WITHOUT_DENDRITE = {"sum": Summing, "point": Point}
INPUTS = "suite", "development"
READ = "burst,total,sum,point"  # unless others are named
LARGEST = 16  # tokens
SECOND = 2**31  # added to a seed for the noise of the second stage


# Protocol
def development():
    """Inputs on which a constant may be chosen, since nothing else is measured on them."""
    return [
        random_case(2000 + k, 4, scale=scale, name=f"development {k}") for k, scale in enumerate((1, 2, 3, 1, 2, 3))
    ]


def run(cases, stages, seeds, report=None):
    """Two rows, one per stage, for each case, read-out and seed; what was done before an interruption, and whether there
    was one."""
    rows, jobs = [], [(case, stage, seed) for case in cases for stage in stages for seed in seeds]
    try:
        for place, (case, stage, seed) in enumerate(jobs):
            parts = [part_of(report, 2 * place + half, 2 * len(jobs)) for half in range(2)]
            first, second_map = maps(case, stage, stage)
            kappa = attention(case, stage, first, seed, parts[0])
            both = modulated(case, kappa, stage, second_map, seed + SECOND, parts[1])
            for name, sums in zip(STAGES, (ideal(case, kappa), both), strict=True):
                figures = figures_of(answer(case, sums), kappa, reference_of(case, "elu+1"))
                rows.append({"case": case.name, "readout": stage.name, "stage": name, "seed": seed, **figures})
    except KeyboardInterrupt:
        return rows, True
    return rows, False


# Reference
def judge(rows):
    """The predictions, on the bursts."""
    bursts = [row for row in rows if row["readout"] == "burst"]
    beside = [prediction for name in CONTROLS for prediction in _judge_control(bursts, rows, name)]
    return [] if not bursts else [*_judge_first(bursts), *_judge_both(bursts), *beside]


def _judge_control(bursts, rows, name):
    """Whether bursts are nearer than a control, with L2/3 alone."""
    errors, own = _beside(bursts, rows, name, STAGES[0])
    said = f"{STAGES[0]}: an error below that of {CONTROLS[name]}"
    return [_ahead(said, own, lambda row: errors[_key(row)])] if own else []


def differences(rows):
    """Sentences on how much nearer bursts are than each control with both stages, where either sign is the result."""
    bursts = [row for row in rows if row["readout"] == "burst"]
    for name, words in CONTROLS.items():
        errors, own = _beside(bursts, rows, name, STAGES[1])
        interval = _interval(own, lambda row, errors=errors: errors[_key(row)]) if own else None
        if interval is not None:
            yield f"{STAGES[1]}: the error is below that of {words} by {_words(interval)} (interval over seeds)"


def _beside(bursts, rows, name, stage):
    """Errors of a control by `_key`, and the rows of bursts that stand beside one; an interrupted run may lack some."""
    errors = {_key(row): row["relative_l2"] for row in rows if row["readout"] == name}
    return errors, [row for row in bursts if row["stage"] == stage and _key(row) in errors]


def _key(row):
    return row["case"], row["seed"], row["stage"]


def _judge_first(rows):
    targets, own = PROTOCOL["biophysical_L23"], [row for row in rows if row["stage"] == STAGES[0]]
    error, kappa = (median(own, name) for name in ("relative_l2", "kappa_correlation"))
    return [
        Prediction(
            f"L2/3: a median error of at most {targets['relative_l2']}", number(error), error <= targets["relative_l2"]
        ),
        Prediction(
            f"L2/3: a median correlation of attention weights of at least {targets['kappa_correlation']}",
            number(kappa),
            kappa >= targets["kappa_correlation"],
        ),
        _ahead("L2/3: an error below that of the best null", own, lambda row: min(nulls_of(row))),
    ]


def _judge_both(rows):
    targets, own = PROTOCOL["biophysical_both"], [row for row in rows if row["stage"] == STAGES[1]]
    error = median(own, "relative_l2")
    return [
        Prediction(
            f"both: a median error of at most {targets['relative_l2']}", number(error), error <= targets["relative_l2"]
        ),
        _ahead("both: an error below that of uniform attention", own, lambda row: row["uniform_relative_l2"]),
        _ahead(
            "both: an error below that of the null that ignores the query", own, lambda row: row["key_only_relative_l2"]
        ),
    ]


def _ahead(said, rows, null):
    """Whether the error is below that of a null, by an interval over seeds above 0."""
    interval = _interval(rows, null)
    found = "needs two seeds" if interval is None else _words(interval)
    return Prediction(f"{said}, by an interval over seeds above 0", found, interval is not None and interval[0] > 0)


def _interval(rows, null):
    """Interval over seeds of how much the error is below that of a null; None with one seed."""
    ahead = [null(row) - row["relative_l2"] for row in rows]
    return cluster_interval(ahead, [row["seed"] for row in rows], **PROTOCOL["intervals"])


def _words(interval):
    return " to ".join(number(each) for each in interval)


@with_output
def main(
    readouts: Annotated[str, typer.Option(help=f"Read-outs, comma-separated: {','.join(LABELS)}.")] = READ,
    inputs: Annotated[str, typer.Option(help="Inputs: suite, or development (for the choice of constants).")] = INPUTS[
        0
    ],
    cell: Annotated[
        str, typer.Option(help="Cell model: naud (Naud & Sprekeler 2018) or larkum (Larkum, Senn & Luescher 2004).")
    ] = "naud",
    sigma: Annotated[
        float | None,
        typer.Option(
            help="Standard deviation of the noise (pA).",
            show_default=", ".join(f"{kind.sigma / pA:g} for {name}" for name, kind in CELLS.items()),
        ),
    ] = None,
    tokens: Annotated[int, typer.Option(help="Largest number of tokens of the inputs.")] = 8,
    cells: o.Cells = 40,
    duration: Annotated[float, typer.Option(help="Measured time (s).")] = 4.0,
    seeds: Annotated[int, typer.Option(help="Number of noise seeds per input.")] = 1,
    seed: o.InputSeed = 0,
    *,
    output: Output,
):
    """Read attention from the bursts of two-compartment cells."""
    o.one_of("--cell", cell, CELLS)
    o.one_of("--inputs", inputs, INPUTS)
    sigma = float(CELLS[cell].sigma / pA) if sigma is None else sigma
    given = {"readouts": o.some_of("--readouts", readouts, tuple(LABELS)), "cell": cell, "inputs": inputs, "sigma": sigma,
             "tokens": tokens,             "cells": cells, "duration": duration, "seeds": seeds, "seed": seed}  # fmt: skip
    o.check(cells=cells, duration=duration, seed=seed)
    for limits in (("--sigma", sigma, 0, 5000), ("--tokens", tokens, 4, LARGEST), ("--seeds", seeds, 1, 1000)):
        o.within(*limits)
    output.check()
    kind, console = CELLS[cell]._replace(sigma=sigma * pA), output.console
    read = {name: (kind, name) for name in WORDS}
    read |= {name: (without(sigma=sigma * pA), "total") for name, without in WITHOUT_DENDRITE.items()}
    stages = [Stage(name, *read[name], cells, duration * second) for name in given["readouts"]]
    every = suite_cases() if inputs == INPUTS[0] else development()
    chosen = [case for case in every if max(reference_of(case, "elu+1").attention.kappa.shape) <= tokens]
    with output.progress("two-compartment cells") as report:
        surface = Stage("", kind, "burst", 1, second).surface
        rows, interrupted = run(chosen, stages, range(seed, seed + seeds), report)
    if not rows:
        raise KeyboardInterrupt
    folder = output.folder("bursts", given)
    parts = {name: factors(surface.rates[name]) for name in READOUTS}
    result = jsonable({"schema_version": 1, "cell": parts, "rows": rows, "interrupted": interrupted})
    write_json(folder / "bursts.json", result)
    tables = list(tables_of(surface, rows, f"{cell}, noise of {sigma:g} pA"))
    predictions = judge(rows) if cell == "naud" else []
    content = output.provenance(given, {"first": seed})
    write_json(folder / "run.json", content | {"printed": printed(tables, predictions)})
    save(draw(surface, rows), folder / "bursts.png")
    if output.json:
        print(json.dumps(result))
    for table in tables:
        console.print(table)
    if cell == "naud":
        say_predictions("bursts", predictions, console, interrupted)
        for sentence in differences(rows):
            console.print(sentence, highlight=False)
    say_written(folder, console, interrupted)
    output.finish(folder)
    return INTERRUPTED if interrupted else DONE


if __name__ == "__main__":
    script(main)
