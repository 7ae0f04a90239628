"""Tables that the commands print."""

import csv
import json

from rich.console import Console
from rich.table import Table

from circuits.engine import COSTS
from readout.files import replacing


def console_for(as_json):
    """Where people read: standard output, or standard error when that carries JSON."""
    return Console(stderr=as_json)


def write_csv(rows, columns, path):
    """Rows (dict) as CSV; a number that does not apply is empty."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def number(value, digits=3):
    """A number as text; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}g}"


def per_cent(value):
    """A share as text; small ones in powers of ten."""
    if value is None:
        return "-"
    return f"{100 * value:.2f} %" if value >= 1e-4 else f"{value:.1e}"


def shares(values):
    """Shares in one cell of a table: 25/5.6/19 %."""
    return "/".join(f"{100 * value:.2g}" if value < 1 else f"{100 * value:.0f}" for value in values) + " %"


def print_comparison(compared, folder, console, as_json):
    """The figures of one comparison, and what they do not say."""
    report = compared.report
    if as_json:
        print(json.dumps(report))
    table = Table("circuit against algebra", "", title=f"{report['wiring']} wiring, {report['form']} form")
    table.add_row("relative L2 error", per_cent(report["relative_l2"]))
    for null in ("uniform", "key_only", "additive"):
        table.add_row(f"  of the null: {null.replace('_', ' ')}", per_cent(report[f"{null}_relative_l2"]))
    table.add_row("skill over the best null", number(report["skill"]))
    table.add_row("cosine", number(report["cosine"], 6))
    table.add_row("correlation of kappa", number(report["kappa_correlation"], 6))
    table.add_row("linear from softmax attention", per_cent(report["softmax_relative_l2"]))
    table.add_row("cells, synapses", f"{report['n_cell']}, {report['n_synapse']}")
    table.add_row("biological time, wall time", f"{report['biological_s']:.2f} s, {report['wall_s']:.1f} s")
    console.print(table)
    for sentence in judgement(report):
        console.print(sentence, highlight=False)
    console.print(f"written to {folder}", highlight=False, soft_wrap=True)


def print_plans(plans, console, as_json):
    """What each circuit is expected to take on each target, by name; nothing was run."""
    if as_json:
        print(json.dumps(plans))
    table = Table("circuit", "cells and dendrites, steps", *(f"{name} (s)" for name in COSTS), "choice")
    for name, plan in plans.items():
        seconds = [number(each, 2) for each in plan["expected_s"].values()]
        table.add_row(name, f"{plan['n_cell']:.1e}, {plan['n_step']:.1e}", *seconds, plan["target"])
    console.print(table)


def judgement(report):
    """Sentences on whether the circuit settled."""
    if report["interrupted"]:
        return [f"interrupted after {report['biological_s']:.2f} s of biological time; what was recorded is written"]
    sentences = []
    if report["silent"]:
        sentences.append(f"{report['silent']} macrocolumns are silent: Z is zero there, and so is their output")
    drift = report["drift"], report["drift_tolerance"], "the output drifts by"
    missing = report["sum_error"], report["sum_tolerance"], "attention misses a sum of one by"
    for error, tolerance, what in (drift, missing):
        if error is None or (tolerance is not None and error > tolerance):
            sentences.append(f"not settled: {what} {number(error, 2)}, tolerance {number(tolerance, 2)}")
    return sentences or ["settled"]
