"""Tables that the commands print."""

import csv
import json

from rich.console import Console
from rich.table import Table

from cortical_attention.command.printed import outcome_of
from cortical_attention.readout.files import replacing
from cortical_attention.readout.formats import number, per_cent
from cortical_attention.readout.provenance import jsonable
from cortical_attention.simulation.engine import COSTS
from cortical_attention.trials.batch import SCHEMA_VERSION

DISCUSSION = "docs/decisions/0018-predictions-that-failed.md"
DISCUSSED = (
    "attribution", "averaging", "best_attention", "crutches", "division", "error_over_time", "ladder",
    "multipliers", "onset", "physiology", "random_features", "robustness", "shunt_noise", "softmax", "which_curve",
    "areas", "barrel_cortex", "hippocampus", "softmax_biophysical", "softmax_forms", "systems", "transformer",
    "waves", "recurrent_attention", "context_inference", "amplify_suppress", "match_and_control",
    "burst_attention", "reticular", "modulation", "drivers", "layer_6", "hopfield",
    "memory_rules", "credit", "learn", "learn_match",
)  # fmt: skip
"""Experiments that `DISCUSSION` lists."""
WIDER, CUT = (100, 124, 160, 240), "…"  # columns that are tried, and what rich ends a cut figure with
LARGE = 50.0  # chosen: tokens and weights of the project stay below 10, and some small random cases do not settle from 70 on


def console_for(as_json):
    """Where people read: standard output, or standard error when that carries JSON."""
    return Console(stderr=as_json)


def write_csv(rows, columns, path):
    """Write rows (list of dict) as CSV; inapplicable values are empty."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def print_comparison(compared, folder, console, as_json):
    """Print the measures of one comparison, and their limits."""
    report = compared.report
    if as_json:
        print(json.dumps(report))
    table = Table("circuit against algebra", "", title=f"{report['wiring']} wiring, {report['form']} form")
    table.add_row("relative L2 error", per_cent(report["relative_l2"]))
    if report["replicas"] > 1:
        table.add_row("  by design, without noise", per_cent(report["relative_l2_by_design"]))
    for null in compared.reference.nulls:
        table.add_row(f"  of the null: {null.replace('_', ' ')}", per_cent(report[f"{null}_relative_l2"]))
    table.add_row("skill over the best null", number(report["skill"]))
    table.add_row("queries identified", per_cent(report["query_identification"]))
    table.add_row("cosine", number(report["cosine"], 6))
    table.add_row("correlation of attention weights", number(report["kappa_correlation"], 6))
    if compared.reference.softmax is not None:
        table.add_row("linear from softmax attention", per_cent(report["softmax_relative_l2"]))
    table.add_row("cells, synapses", f"{report['n_cell']}, {report['n_synapse']}")
    table.add_row("biological time, wall time", f"{report['biological_s']:.2f} s, {report['wall_s']:.1f} s")
    console.print(table)
    for sentence in calibrated(report):
        console.print(sentence, highlight=False)
    if compared.reference.attention is None:
        console.print(f"wiring '{report['wiring']}' has no reference: nothing is compared", highlight=False)
    for sentence in (*noticed(report), *judgement(report)):
        console.print(sentence, highlight=False)
    say_written(folder, console)


SOURCES = {
    "given": "calibrated on the sequences that were given",
    "drawn": "calibrated on sequences drawn with the mean and covariance of the tokens",
    "on input": "calibrated on the tested input itself",
}


def calibrated(report):
    """Sentences on the calibration of a circuit with spikes, and on cells that were asked for more than they can give."""
    found = [SOURCES[report["calibration"]]] if report.get("calibration") else []
    beyond = [f"{per_cent(share)} of the spikes of {name}" for name, share in (report.get("saturated") or {}).items()]
    return found + ([f"beyond the limit of their cells: {', '.join(beyond)}"] if beyond else [])


def noticed(report):
    """Sentences on nulls that are nearer to the algebra, and on a wiring that may compute something else than it says."""
    nulls = ", ".join(each.replace("_", " ") for each in report["nearer_nulls"])
    worse = [f"further from the algebra than the null: {nulls}"] if nulls else []
    return [f"notice: {each}" for each in (*report["wiring_notices"], *worse)]


def print_plans(plans, console, as_json):
    """What each circuit is expected to take on each target, by name; nothing was run."""
    if as_json:
        print(json.dumps(plans))
    table = Table("circuit", "cells and dendrites, steps", *(f"{name} (s)" for name in COSTS), "choice")
    for name, plan in plans.items():
        seconds = [number(each, 2) for each in plan["expected_s"].values()]
        table.add_row(name, f"{plan['n_cell']:.1e}, {plan['n_step']:.1e}", *seconds, plan["target"])
    console.print(table)


def say_forecast(forecast, null, console):
    """Print the relative L2 that is expected of biophysical cells before they run, and a warning if it exceeds that of the
    best null (None without one)."""
    console.print(
        f"notice: the fit of these cells to products predicts a relative L2 of {per_cent(forecast)}", highlight=False
    )
    if null is not None and forecast > null:
        console.print(
            f"warning: the best null model leaves {per_cent(null)}, less than is predicted of the circuit",
            highlight=False,
        )


def judgement(report):
    """Sentences on whether the circuit settled, which is what `settled` of comparison.json says, and if not, why."""
    if report["interrupted"]:
        return [f"interrupted after {report['biological_s']:.2f} s of biological time; what was recorded is written"]
    many = "macrocolumn is" if report["silent"] == 1 else "macrocolumns are"
    without = f"{report['silent']} {many} without drive: Z is zero there, and so is the output"
    before = [without] if report["silent"] else []
    if report["settled"]:
        return [*before, "settled"]
    *first, last = (f"not settled: {each}" for each in report["reason"].split("; "))
    return [*before, *first, last + _advice(report)]


def _advice(report):
    """What may help a circuit that has not settled, to be added to a sentence: smaller values, if some are very large."""
    largest = report.get("largest_value") or 0  # null if it is not finite; absent in files of older versions
    if largest <= LARGE:
        return ""
    return f"; the largest value of the case is {largest:.2g}: smaller values may settle"


def say_predictions(experiment, predictions, console, interrupted=False):
    """Print every prediction of an experiment beside its measurement, and where those that are missed are discussed; of an
    interrupted one that they were not judged, since they are about all of its inputs."""
    if interrupted and predictions:
        console.print("predictions are about all inputs and were not judged", highlight=False)
        return
    for each in predictions:
        console.print(f"predicted {each.predicted}; measured {each.measured}: {outcome_of(each)}", highlight=False)
    if experiment in DISCUSSED and not all(each.held for each in predictions):
        console.print(f"missed predictions are discussed in {DISCUSSION}", highlight=False, soft_wrap=True)


def print_whole(table, console):
    """Print a table, or a group of tables; on a screen that is too narrow for its figures in lines that run over: rich would
    cut the figures."""
    screen = console.width
    for width in (screen, *(each for each in WIDER if each > screen)):
        console.width = width
        with console.capture() as shown:
            console.print(table)
        if CUT not in shown.get():
            break
    console.print(table, crop=False)
    console.width = screen


def say(experiment, result, table, predictions, folder, console, as_json, instead=None):
    """Print the result of an experiment as JSON if requested, or `instead` of it; its table, and every prediction beside its
    measurement."""
    if as_json:
        print(json.dumps(jsonable({"schema_version": SCHEMA_VERSION, **result} if instead is None else instead)))
    print_whole(table, console)
    say_predictions(experiment, predictions, console, result["interrupted"])
    for label, sentence in result.get("failed", {}).items():
        console.print(f"failed: {label}: {sentence}", highlight=False)
    say_written(folder, console, result["interrupted"])


def say_written(folder, console, interrupted=False):
    """Print where the result is, and whether it is a part of what was asked."""
    if interrupted:
        console.print("interrupted; what was computed until then is written", highlight=False)
    console.print(f"written to {folder}", highlight=False, markup=False, soft_wrap=True)
