"""Does a circuit learn to attend when its only teacher is what the senses bring next?

Question: can the next token of a stream teach queries and keys what to find? In the paper, and in the other experiments
of learning here, desired answers are given from outside. In a circuit that is shown a stream, one token after another,
they need not be: the truth about an answer is the next token, if the answer is still there when it comes. Do the local
terms of such errors teach queries and keys to find what comes next, and do the rates of cells hold the gradient when
the truth comes a presentation later?

Prediction: written after scratch runs on seeds 100 to 103 in which settings were chosen, and before any run on the seeds
that are reported; no figure was asked for. Thresholds are those of the section [teach] of the protocol. Two streams
(`inputs.streams`): a cycle of six symbols twice round, and a digit that moves on a torus by a hidden constant velocity, on
images that were not trained on. The next frame is named with an accuracy of at least .95, and the attention on the context
token that shows it is at least 1.5 times that of uniform attention. Nulls and controls: an answer that ignores the query is
right on exactly one token in N, after training with queries and after training without; with the truth of another sequence
accuracy is within .1 of 1 / N; with W_Q and W_K frozen it is at most .2 above it; with a truth that comes one token late it
is at most .05, while the frame after the next is named at least twice as often as by chance: the circuit learns whatever
its error cells are told. In simulated cells, rates, before, during and at the end of training: the gradient read from the
cells is within 1e-5 of the formal gradient for the next token, for every weight, and more than 0.1 away for every weight
where the error cells listen one presentation late. Added before the run of these rows: where the higher-order nucleus alone
holds its answer until the truth comes, errors are within 1e-5 all the same, and the gradient in W_Q is more than 0.1 away.

Found (commit 7f41129): as predicted.

Reference: equations 2 to 5 of Granier & Senn (2025) with the next token in the place of their y_i (`reference.gradients`).
Accuracy is the share of tokens of the second round whose answer is nearest to the right frame of the first. Nulls:
attention with the query ignored, uniform, additive, with the learnt weights. Intervals are Student's t over seeds.

Run time: three minutes, one of them for the simulated cells.
"""

from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
import typer
from rich.console import Group
from rich.table import Column, Table

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_of
from cortical_attention.inputs.streams import TASKS
from cortical_attention.readout.formats import number
from cortical_attention.trials.batch import collected, prediction_of
from cortical_attention.trials.teach import NEXT, TEACHERS, WEIGHTS, figures_of, fit, test_of
from cortical_attention.trials.teach_cells import HOW, present
from cortical_attention.trials.teach_figure import draw
from cortical_attention.trials.teach_verdict import interval, over_seeds, verdict

# Parameters
N_STEP = 1000  # presentations of 32 sequences
SHOWN = "query ignored", "additive"  # nulls in the table; a uniform answer ignores the query as well
EARLY = 20  # streams are simulated before training, after a twentieth of it, and at its end


class Job(NamedTuple):
    """A training, or a stream shown to simulated cells with the weights before some step of the first training."""

    task: str
    teacher: str
    seed: int
    step: int | None = None

    @property
    def name(self):
        """How messages call it."""
        return " / ".join(str(each) for each in self if each is not None)


# Protocol
def trainings(tasks, seeds, n_step):
    """Trainings to do (list of (Job, callable))."""
    kept = {0, n_step // EARLY, n_step}
    return [
        (Job(task, teacher, seed), partial(_fitted, task, teacher, seed, n_step, kept))
        for task in tasks for teacher in TEACHERS for seed in seeds
    ]  # fmt: skip


def _fitted(task, teacher, seed, n_step, kept, report=None):
    return fit(task, teacher, seed, n_step, kept, report)


def presentations(trained, target):
    """Streams to simulate, with weights of the first training of each task (list of (Job, callable))."""
    found = []
    for task in dict.fromkeys(job.task for job in trained):
        job = min(each for each in trained if (each.task, each.teacher) == (task, NEXT))
        early = sorted(trained[job].kept)[1]
        for step, block in trained[job].kept.items():
            for teacher in HOW if step == early else (NEXT,):
                how = HOW[teacher] | {"target": target}
                found.append((Job(task, teacher, job.seed, step), partial(_shown, task, block, job.seed, how)))
    return found


def _shown(task, block, seed, how, report=None):
    return present(task, block, seed, report=report, **how)


def rows_of(trained):
    """Figures of every training (list of dict)."""
    found = []
    for job, each in trained.items():
        how = {"task": job.task, "teacher": job.teacher, "seed": job.seed}
        found.append(how | figures_of(each.block, test_of(job.task, job.seed)) | {"curve": each.curve})
    return found


def rows_of_cells(shown):
    """Distances of simulated cells from the algebra (list of dict)."""
    return [
        {"task": job.task, "teacher": job.teacher, "seed": job.seed, "step": job.step, **each.relative_l2,
         "error": each.error, "answer": each.answer, "settled": each.settled, "wall_s": each.wall}
        for job, each in shown.items()
    ]  # fmt: skip


# Reference
def judge(figures):
    """The predictions."""
    found = []
    for name, each in figures.items():
        ends = "" if each["interval"] is None else f" ({' to '.join(number(end) for end in each['interval'])})"
        said = f"{name.replace('_', ' ')}: {each['rule']} {each['threshold']:g}"
        found.append(prediction_of(each, said, f"{number(each['value'])}{ends}"))
    return found


# Figure
def _tables(rows, cells):
    """Tables of the trainings and of the simulated cells."""
    columns = ("task", "teacher", "accuracy (95 %)", "two ahead", "unexplained", "on right", *SHOWN)
    table = Table(
        *(Column(name, no_wrap=True) for name in columns),
        title="after training, means over seeds; nulls: accuracy of the same weights",
    )
    for task, teacher in dict.fromkeys((row["task"], row["teacher"]) for row in rows):
        own = partial(over_seeds, rows, task, teacher)
        low, high = interval(own("accuracy"))
        shown = f"{own('accuracy').mean():.3f} ({low:.3f} to {high:.3f})"
        more = (f"{own(name).mean():.3f}" for name in ("two_ahead", "unexplained", "attention_on_right"))
        nulls = (f"{np.mean([each[name] for each in own('nulls')]):.3f}" for name in SHOWN)
        table.add_row(task, teacher, shown, *more, *nulls)
    second = Table(
        "task", "truth", "before step", *WEIGHTS, "error", "answer", "settled",
        title="relative L2 of the gradient read from cells from the formal one for the next token",
    )  # fmt: skip
    for row in cells:
        off = (f"{row[name]:.1e}" for name in (*WEIGHTS, "error", "answer"))
        second.add_row(row["task"], row["teacher"], str(row["step"]), *off, "yes" if row["settled"] else "no")
    return Group(table, second) if cells else table


@with_output
def main(
    task: Annotated[str, typer.Option(help="Tasks, comma-separated: symbols, digit.")] = "symbols,digit",
    seeds: Annotated[int, typer.Option(help="Seeds, each with weights and sequences of its own.")] = 8,
    seed: Annotated[int, typer.Option(help="The first of them.")] = 0,
    steps: Annotated[int, typer.Option(help="Presentations of 32 sequences in a training.")] = N_STEP,
    cells: Annotated[bool, typer.Option(help="Streams in simulated cells as well.")] = True,
    target: o.Target = "auto",
    *,
    output: Output,
):
    """Learn to attend from what comes next."""
    o.within("--seeds", seeds, 2, 100)
    o.within("--seed", seed, 0, 2**31 - 101)
    o.within("--steps", steps, EARLY, 10**6)
    tasks = o.some_of("--task", task, TASKS)
    o.check(target=target, seed=seed)
    output.check()
    with output.progress("trainings") as report:
        swept = collected(trainings(tasks, range(seed, seed + seeds), steps), report)
    rows, shown = rows_of(swept.done), None
    if cells and not swept.interrupted and not swept.failed:
        with output.progress("streams in cells") as report:
            shown = collected(presentations(swept.done, target), report)
    simulated = {} if shown is None else shown.done
    ran = rows_of_cells(simulated)
    given = {"task": task, "seeds": seeds, "seed": seed, "steps": steps, "cells": cells, "target": target}
    folder, content = output.folder("teach", given), output.provenance(given, {"first": seed})
    complete = rows and not swept.failed and not swept.interrupted
    figures = verdict(rows, ran) if complete else {}
    last = swept if shown is None else shown
    result = last.result(rows, cells=ran, figures=figures)
    picture = draw(rows, simulated, {job: each.block for job, each in swept.done.items()}) if complete else None
    output.report("teach", folder, result, picture, content, _tables(rows, ran) if complete else "", judge(figures))
    return status_of(last, [row["settled"] for row in ran])


if __name__ == "__main__":
    script(main)
