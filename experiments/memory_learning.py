"""Can the synapses of a key-value memory learn forward in time, and how much is lost if they do not learn at all?

Question: do tags that are laid down while writing carry the gradient to a memory? The paper's version 3, of which we
know the abstract, stores keys and values in cells of L2/3. Their synapses act while the context is written, and the
error comes later. Do tags that are laid down while writing carry the gradient, in the algebra and in cells? And if
memory synapses are frozen at random, and only what comes after the memory learns, one token after another, how many
features (heads times components of a key) does recall need, and matching by example?

Prediction: written after runs on seeds 100 and 101 and on validation images, which set the step sizes. The terms of both
memories, and those of tags, are the formal gradient to 1e-12 on the suite. The gradient read from rates and tags of
simulated cells has a relative L2 of at most 1e-5 for each weight; with the tags of another input, or without the row of
ones, that of W_K is at least 0.1. The same where every token is written and asks in its turn, before the next is known:
circuits that were added after the first run, and before any run of theirs on these seeds. With the present error alone, or
with past errors alone, the cosines of W_K and of W_V with the formal gradient are at most 0.98 in each case of the suite.
With a frozen memory, and changes after every single token, recall of eight pairs reaches 0.95 with 64 features, and
matching 0.85 with 128; in batches, with Adam, matching reaches 0.90. Frozen memories are behind trained ones by at least
0.10 with 16 features and by at most 0.08 with 128. With W_O alone matching stays below 0.40. An answer that ignores the
query is right on exactly one question in four.

Reference: `reference.gradients` (Granier & Senn 2025, equations 1 to 5), `reference.memory_learning`. Formal training of all
weights is the upper bound. Intervals are Student's t over seeds.

Run time: four minutes of a core.
"""

from typing import Annotated

import numpy as np
import typer
from rich.console import Group
from rich.table import Column, Table

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_of
from cortical_attention.readout.formats import number
from cortical_attention.readout.judged import judged
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.batch import collected, prediction_of
from cortical_attention.trials.frozen_memory import jobs_of
from cortical_attention.trials.memory_learning import KINDS, WEIGHTS, circuit_jobs, suite_rows
from cortical_attention.trials.memory_tasks import TASKS
from cortical_attention.trials.protocol import PROTOCOL

# Parameters
WANTED, CHANCE = PROTOCOL["memory_learning"], 0.25
PARTS = {"test": ("test", "training"), "validation": ("validation", "fitting")}  # asked in the end, and trained on
CONTROLS = {"other_tags": "tags of another input", "without_ones": "without the row of ones"}
RULES = {
    ("all", "batches"): "all weights, Adam",
    ("all", "sequence"): "all weights, by sequence",
    ("frozen", "batches"): "frozen memory, Adam",
    ("frozen", "token"): "frozen memory, by token",
    ("output", "batches"): "W_O alone, Adam",
}


# Protocol
def jobs_for(seeds, circuit, asked):
    """Everything that is run, as pairs of a label and a function of a progress report that gives rows."""
    found = circuit_jobs(seeds) if circuit else {}
    for name in TASKS:
        found |= jobs_of(name, seeds, asked)
    return list(found.items())


def rows_of(done):
    """Rows of the circuits, and of what was trained (list of dict, list of dict)."""
    cells = [row for label, rows in done.items() if label[0] == "circuit" for row in rows]
    return cells, [row for label, rows in done.items() if label[0] != "circuit" for row in rows]


# Reference
def figures_of(suite, cells, learnt):
    """Figures for a verdict, by name; what was not run is left out.

    `terms`: largest relative distance of the terms of both memories and of tags from minus the derivatives. `partial`:
    largest cosine of W_K or W_V with part of the errors. `cells_W_Q` and so on: relative L2 of what is read from cells,
    geometric mean. `other_tags`, `without_ones`: the same of W_K in controls. `recall`, `match`: accuracy of a frozen
    memory by token, with 64 and with 128 features; `match_in_batches` by Adam. `few`, `many`: what a frozen memory loses
    with 16 and with 128. `output`: accuracy with W_O alone. `chance`: distance from one quarter where the query is ignored.

    Returns
    -------
    dict of str to dict
        As of `readout.judged.judged`, with intervals over seeds.
    """
    worst = max(max(row["memories"], row["tags"]) for row in suite)
    near = max(value for row in suite for name, value in row.items() if name.startswith(("present", "past")))
    found = {"terms": judged(worst, WANTED["terms"], "at most"), "partial": judged(near, WANTED["partial"], "at most")}
    for name in WEIGHTS if cells else ():
        found[f"cells_{name}"] = _size_over_seeds([(row[name], row["seed"]) for row in cells], "cells", "at most")
    for name in CONTROLS if cells else ():
        off = [(row[name], row["seed"]) for row in cells if name in row]
        found[name] = _size_over_seeds(off, "control", "at least")
    if learnt:
        found |= _figures_of_learning(learnt)
    return found


def _figures_of_learning(rows):
    """Figures of what was trained."""
    asked = {
        "recall": _accuracies(rows, "recall", "frozen", "token", 64),
        "match": _accuracies(rows, "match", "frozen", "token", 128),
        "match_in_batches": _accuracies(rows, "match", "frozen", "batches", 128),
        "few": _lost(rows, 16), "many": _lost(rows, 128),
        "output": _accuracies(rows, "match", "output", "batches", 128),
    }  # fmt: skip
    found = {
        name: _over_seeds(each, name, "at most" if name in ("many", "output") else "at least")
        for name, each in asked.items() if each
    }  # fmt: skip
    off = max(abs(row["null"] - CHANCE) for row in rows)
    return found | {"chance": judged(off, WANTED["chance"], "at most")}


def _accuracies(rows, task, learnt, steps, features):
    """Accuracies with two heads, each with its seed."""
    kind = {"task": task, "learnt": learnt, "steps": steps, "features": features, "n_head": 2}
    return [(row["accuracy"], row["seed"]) for row in rows if kind.items() <= row.items()]


def _lost(rows, features):
    """Accuracy of matching that a frozen memory loses in batches, each with its seed."""
    whole, frozen = (_accuracies(rows, "match", learnt, "batches", features) for learnt in ("all", "frozen"))
    return [(a - b, seed) for (a, seed), (b, _) in zip(whole, frozen, strict=True)]


def _over_seeds(values, threshold, rule):
    """A mean held against a threshold, with an interval over seeds."""
    values, seeds = zip(*values, strict=True)
    return judged(np.mean(values), WANTED[threshold], rule, cluster_interval(values, seeds, **PROTOCOL["intervals"]))


def _size_over_seeds(errors, threshold, rule):
    """The same of an error, by its logarithm: a geometric mean."""
    errors, seeds = zip(*errors, strict=True)
    interval = cluster_interval(np.log(errors), seeds, **PROTOCOL["intervals"])
    ends = None if interval is None else np.exp(interval)
    return judged(np.exp(np.mean(np.log(errors))), WANTED[threshold], rule, ends)


def judge(figures):
    """The predictions."""
    return [
        prediction_of(each, f"{name}: {each['rule']} {each['threshold']:g}", number(each["value"]))
        for name, each in figures.items()
    ]


def summarise(rows):
    """Mean accuracy over seeds and its interval, by task, rule, heads and features (list of dict)."""
    found = {}
    for row in rows:
        key = (row["task"], RULES[row["learnt"], row["steps"]], row["n_head"], row["features"])
        found.setdefault(key, []).append(row["accuracy"])
    names = "task", "rule", "n_head", "features"
    return [
        dict(zip(names, key, strict=True)) | {"accuracy": float(np.mean(each)), "seeds": len(each),
         "interval": cluster_interval(each, range(len(each)), **PROTOCOL["intervals"])}
        for key, each in found.items()
    ]  # fmt: skip


# Figure
def draw(summaries):
    """Accuracy over the number of features, by rule; None if nothing was trained."""
    if not summaries:
        return None
    with style():
        figure = new_figure(4.0, width=9.5)
        panels = figure.subplots(1, len(TASKS), sharey=True)
        for panel, task in zip(panels, TASKS, strict=True):
            for k, rule in enumerate(RULES.values()):
                own = [row for row in summaries if (row["task"], row["rule"], row["n_head"]) == (task, rule, 2)]
                x, y = [row["features"] for row in own], np.array([row["accuracy"] for row in own])
                bars = np.abs(np.array([row["interval"] or 2 * [row["accuracy"]] for row in own]).T - y)
                panel.errorbar(x, y, yerr=bars, color=CYCLE[k], marker=MARKERS[k], label=rule)
            panel.axhline(CHANCE, color="#777777", linestyle=":", label="query ignored")
            panel.set(title=task, xscale="log", xlabel="features (two heads)", ylim=(0, 1.03))
            panel.set_xticks([8, 16, 32, 64, 128], ["8", "16", "32", "64", "128"])
            panel.minorticks_off()
        panels[0].set(ylabel="accuracy")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    return figure


def _tables(suite, cells, summaries, figures):
    """Tables of the suite, of the circuits, of what was trained, and of the figures."""
    algebra = Table("suite", "terms of two memories", "terms of tags", "present error: W_K, W_V", "past errors: W_K, W_V",
                    title="largest relative distance from the gradient; cosines of parts of the errors")  # fmt: skip
    for normalised in (True, False):
        own = [row for row in suite if row["normalised"] == normalised]
        ranges = (", ".join(_range(own, f"{part}_{name}") for name in ("W_K", "W_V")) for part in ("present", "past"))
        worst = (f"{max(row[name] for row in own):.1e}" for name in ("memories", "tags"))
        algebra.add_row("normalised" if normalised else "not normalised", *worst, *ranges)
    learning = Table(*(Column(name, no_wrap=True) for name in ("task", "rule", "heads", "features", "accuracy", "95 %")),
                     title="accuracy, mean over seeds")  # fmt: skip
    for row in summaries:
        ends = "-" if row["interval"] is None else "{:.3f} to {:.3f}".format(*row["interval"])
        learning.add_row(
            row["task"], row["rule"], str(row["n_head"]), str(row["features"]), f"{row['accuracy']:.3f}", ends
        )
    judgement = Table("figure", "value", "95 %", "threshold", "outcome", title="figures")
    for name, each in figures.items():
        ends = "-" if each["interval"] is None else "{:.2g} to {:.2g}".format(*each["interval"])
        judgement.add_row(name, f"{each['value']:.2g}", ends, f"{each['rule']} {each['threshold']:g}", each["outcome"])
    return Group(algebra, *([_circuits(cells)] if cells else []), *([learning] if summaries else []), judgement)


def _range(rows, name):
    """Smallest and largest of the values that are there (str)."""
    values = [row[name] for row in rows if name in row]
    return f"{min(values):.2f} to {max(values):.2f}"


def _circuits(cells):
    """Table of the circuits: the largest over inputs."""
    title = "terms read from cells and tags: largest relative L2 from the gradient, and smallest of the controls"
    table = Table("circuit", *WEIGHTS, *(f"W_K, {each}" for each in CONTROLS.values()), "settled", title=title)
    for kind in KINDS:
        own = [row for row in cells if row["kind"] == kind]
        if not own:
            continue
        worst = (f"{max(row[name] for row in own):.1e}" for name in WEIGHTS)
        least = (f"{min(row[name] for row in own):.2f}" if name in own[0] else "-" for name in CONTROLS)
        settled = f"{sum(row['settled'] for row in own)} of {len(own)}"
        table.add_row(kind, *worst, *least, settled)
    return table


@with_output
def main(
    seeds: Annotated[int, typer.Option(help="Number of seeds.")] = 6,
    seed: Annotated[int, typer.Option(help="The first of them.")] = 0,
    circuit: Annotated[bool, typer.Option(help="The simulated circuits as well.")] = True,
    images: Annotated[
        str, typer.Option(help="Images that are asked: test, or validation, a fifth of the others.")
    ] = "test",
    *,
    output: Output,
):
    """Learn with the synapses of a memory, and without; the result has the figures that `figures_of` names."""
    o.within("--seeds", seeds, 2, 1000)
    o.within("--seed", seed, 0, 2**31 - 1001)
    if images not in PARTS:
        raise o.OptionError(f"--images is '{images}' but needs to be one of {', '.join(PARTS)}")
    output.check()
    chosen = range(seed, seed + seeds)
    suite = suite_rows(seed)
    with output.progress("memory learning") as report:
        swept = collected(jobs_for(chosen, circuit, PARTS[images]), report, name=", ".join)
    cells, learnt = rows_of(swept.done)
    summaries, figures = summarise(learnt), figures_of(suite, cells, learnt)
    parameters = {"seeds": seeds, "seed": seed, "circuit": circuit, "images": images}
    folder, content = output.folder("memory_learning", parameters), output.provenance(parameters, {"all": list(chosen)})
    result = swept.result(learnt, figures=figures, suite=suite, circuits=cells, summaries=summaries)
    output.report(
        "memory_learning", folder, result, draw(summaries), content, _tables(suite, cells, summaries, figures),
        judge(figures),
    )  # fmt: skip
    return status_of(swept, [row["settled"] for row in cells])


if __name__ == "__main__":
    script(main)
