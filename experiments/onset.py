"""How soon a frozen circuit answers: its error in windows of 50 ms, after tokens appear and after they change.

Question: how does the error of a circuit that is calibrated once, on other sequences, fall with the time since its tokens
appeared after rest, and since they changed without a pause; which normaliser, which synapses, and how many cells per value
does that take?

Prediction: the thresholds of `trials/protocol.toml`, [[onset]], set before the runs. In idealised spikes with 32 cells per
value and fast synapses the error 50 to 100 ms after onset is at most 6 % at scale 2, and from 100 ms on 3.5 %, after onset
and after a change; with a summing, leaky interneuron at most 7 %. Adaptive cells, 100 a value, are within 15 % at 200 to
250 ms and identify nine queries of ten.

Reference: `reference.linear_attention`; beside the circuit the best null, and a circuit whose L2/3 cells are divided by
the Z of the algebra (`ideal`): in the steady state the floor that dendrites and spikes leave. Intervals (95 %) are over
weight sets, or over the sequences of the trained block. A query is identified if the
answer is nearest to the algebra's answer to that query (chance: one in n).

Run time: half a minute for each setting of idealised spikes; ten minutes for 100 biophysical cells per value.
"""

from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
import typer
from brian2 import ms
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Column, Table

from cortical_attention.cells.synapses import SYNAPSES
from cortical_attention.circuits.normalisers import NORMALISERS
from cortical_attention.command import options as o
from cortical_attention.command.heads import executor_of
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_by
from cortical_attention.inputs.match import answered, match_cases
from cortical_attention.readout.formats import per_cent
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.batch import Prediction, collected, side_by_side
from cortical_attention.trials.onset import HALVES, IDEAL, SLOTS, WINDOW, figures_of, measure
from cortical_attention.trials.protocol import PROTOCOL

# Parameters
N_TOKEN, UNIT_RATE = 4, 300.0  # Hz: spikes of nuclei ripple least at their ceiling
MATCH = "match"
FIRST_SEED = 21  # of the weights
LARGEST_SCALE = 100.0  # chosen: attention is a single token long before
FRAME = 0.004, 2.5  # of the picture: rates go on falling below it
TICKS = 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0
CELLS = 32  # of the thresholds, unless they say otherwise
FIGURES = ("relative_l2", "query_identification", "same_answer", "accuracy")
LENGTH = round(float(WINDOW / ms))
STARTS = list(range(0, round(float(SLOTS.shown / ms)), LENGTH))


class Job(NamedTuple):
    """One network: a setting, and weights with their sequences."""

    form: str
    normaliser: str
    synapses: str
    cells: int
    task: str
    weights: int

    @property
    def name(self):
        """All of it in words."""
        return (
            f"{self.form}, {self.normaliser}, {self.synapses}, {self.cells} cells, {self.task}, weights {self.weights}"
        )

    @property
    def setting(self):
        """Without the weights."""
        return self[:5]


# Protocol
def jobs(forms, normalisers, synapses, cells, tasks, n_weights):
    """Every network; the match task has one set of weights."""
    return [
        Job(form, normaliser, synapse, count, task, FIRST_SEED + k)
        for form in forms
        for synapse in synapses
        for task in tasks
        for normaliser in normalisers
        for count in cells
        for k in range(1 if task == MATCH else n_weights)
    ]


def inputs_of(job, n_sequence, seed):
    """Cases of a network, and the right tags of a match (None elsewhere)."""
    if job.task == MATCH:
        cases, drawn = match_cases(n_sequence, seed)
        return cases, drawn.labels
    return side_by_side(job.weights, n_sequence, N_TOKEN, scale=float(job.task.split()[1])), None


def rows_of(job, options, n_sequence, report=None):
    """Figures of one network (list of dict, one a half)."""
    cases, labels = inputs_of(job, n_sequence, options.settings.seed)
    answers, references, saturated = measure(cases, options, job.normaliser == IDEAL, report)
    rows = []
    for k, half in enumerate(HALVES):
        outputs, attention = answers[half]
        figures = figures_of(outputs, attention, references[half])
        if labels is not None:
            figures |= _answers(outputs, references[half], np.roll(labels, k, axis=0))
        rows.append({**job._asdict(), "half": half, **figures, "saturated_share": saturated})
    return rows


def _answers(outputs, references, labels):
    """Shares of the algebra's answers and of right ones, by window and case."""
    said, right = answered(outputs), answered(np.array([each.attention.output for each in references]))
    return {
        name: np.mean(said == truth, axis=-1).tolist() for name, truth in (("same_answer", right), ("accuracy", labels))
    }


def run(every, given, n_sequence, report=None, executor=None):
    """Let the networks answer.

    Returns
    -------
    rows : list of dict
    failed : dict of str to str
        Why a simulation failed, by the name of its job.
    interrupted : bool
    """
    asked = [(job, partial(rows_of, job, options_of(job, given), n_sequence)) for job in every]
    done, failed, interrupted = collected(asked, report, executor)
    return [row for job in every for row in done.get(job, [])], failed, interrupted


def options_of(job, given):
    """Options of a network; that of the ideal divider is calibrated with recurrent inhibition."""
    normaliser = "pi" if job.normaliser == IDEAL else job.normaliser
    return o.check(
        form=job.form, normaliser=normaliser, synapses=job.synapses, cells=job.cells, unit_rate=UNIT_RATE, record="sample",
        **given,
    )  # fmt: skip


# Reference
def summarise(rows):
    """Medians of each setting and half over weights and inputs, by window, with the tenth and ninetieth percentile (list of
    dict); means of what is a share."""
    found = {}
    for row in rows:
        found.setdefault((*(row[name] for name in Job._fields[:5]), row["half"]), []).append(row)
    return [_summary(dict(zip((*Job._fields[:5], "half"), key, strict=True)), each) for key, each in found.items()]


def _summary(setting, rows):
    """Summary of one setting and half."""
    errors = np.concatenate([row["relative_l2"] for row in rows], axis=1)
    shares = {
        name: np.concatenate([row[name] for row in rows], axis=1).mean(axis=1).tolist()
        for name in FIGURES[1:] if name in rows[0]
    }  # fmt: skip
    kappa = np.median(np.concatenate([row["attention_relative_l2"] for row in rows], axis=1), axis=1).tolist()
    low, median, high = np.quantile(errors, (0.1, 0.5, 0.9), axis=1).tolist()
    spread = {
        "attention_relative_l2": kappa,
        "relative_l2_p10": low,
        "relative_l2_p90": high,
        "inputs": errors.shape[1],
        "weights": len(rows),
        "intervals": {name: intervals_of(rows, name) for name in ("relative_l2", *shares)},
    }
    null = float(np.median(np.concatenate([row["best_null"] for row in rows])))
    saturated = max(row["saturated_share"] for row in rows)
    return {
        **setting,
        "from_ms": STARTS,
        "relative_l2": median,
        **spread,
        **shares,
        "best_null": null,
        "saturated_share": saturated,
    }


def intervals_of(rows, name):
    """Confidence interval in each window, of the geometric mean of errors or the mean of a share: over weight sets, or over
    the sequences of a single one (list of (low, high), or of None)."""
    values, weights = np.concatenate([row[name] for row in rows], axis=1), [row["weights"] for row in rows]
    clusters = np.repeat(weights, values.shape[1] // len(rows)) if len(rows) > 1 else range(values.shape[1])
    if name == "relative_l2":
        found = [cluster_interval(each, clusters, **PROTOCOL["intervals"]) for each in np.log(values)]
        return [each and tuple(np.exp(each).tolist()) for each in found]
    found = [cluster_interval(each, clusters, **PROTOCOL["intervals"]) for each in values]
    return [each and tuple(np.clip(each, 0, 1).tolist()) for each in found]


def judge(summaries):
    """Thresholds of the protocol that these settings bear on."""
    return [
        prediction
        for asked in PROTOCOL["onset"]
        for each in summaries
        if _bears_on(asked, each)
        for prediction in _predictions(asked, each)
    ]


def _bears_on(asked, summary):
    """Whether a threshold is about a setting."""
    same = all(asked.get(name, summary[name]) == summary[name] for name in ("form", "synapses", "task"))
    return (
        same
        and asked.get("cells", CELLS) == summary["cells"]
        and summary["normaliser"] in asked["normaliser"]
        and summary["half"] in asked["half"]
    )


def _predictions(asked, summary):
    window = STARTS.index(asked["from"])
    where = f"{summary['form']}, {summary['normaliser']}, {summary['synapses']}, {summary['cells']} cells, {summary['task']}"
    when = f"{asked['from']} to {asked['from'] + LENGTH} ms after {summary['half']}"
    bounds = {
        "relative_l2": "a relative L2 of at most",
        "identified": "queries identified, at least",
        "same_answer": "the algebra's answers, at least",
    }
    for name, words in bounds.items():
        if name in asked:
            figure = "query_identification" if name == "identified" else name
            measured, interval = summary[figure][window], summary["intervals"][figure][window]
            held = measured <= asked[name] if name == "relative_l2" else measured >= asked[name]
            over = "weight sets" if summary["weights"] > 1 else "sequences"
            said = f" ({' to '.join(map(per_cent, interval))} over {over})" if interval else ""
            yield Prediction(f"{where}, {when}: {words} {per_cent(asked[name])}", per_cent(measured) + said, held)


# Figure
def _group(summary):
    """Form, synapses and task."""
    return summary["form"], summary["synapses"], summary["task"]


def _groups(summaries):
    return list(dict.fromkeys(map(_group, summaries)))


def draw(summaries):
    """Error against time, after onset and after a change: a row of panels for each form, synapses and task."""
    groups = _groups(summaries)
    lines = list(dict.fromkeys((each["normaliser"], each["cells"]) for each in summaries))
    with style():
        figure = new_figure(0.8 + 2.6 * len(groups), width=9.0)
        panels = figure.subplots(len(groups), 2, sharex=True, sharey=True, squeeze=False)
        for group, pair in zip(groups, panels, strict=True):
            for half, panel in zip(HALVES, pair, strict=True):
                own = [
                    each
                    for each in summaries
                    if (each["form"], each["synapses"], each["task"], each["half"]) == (*group, half)
                ]
                _draw_half(panel, own, lines)
            pair[0].set_title(f"{group[0]} cells, {group[1]} synapses, {group[2]}", loc="left")
            pair[0].set_ylabel("relative L2 error")
        for half, panel in zip(HALVES, panels[-1], strict=True):
            panel.set_xlabel(
                f"time after {'onset of the tokens' if half == 'onset' else 'a change of the tokens'} (ms)"
            )
        named = dict(zip(*reversed(_legend(panels)), strict=True))
        figure.legend(named.values(), named.keys(), loc="outside upper center", ncols=4)
    return figure


def _legend(panels):
    """Handles and labels of all panels."""
    every = [panel.get_legend_handles_labels() for panel in panels.ravel()]
    return [handle for handles, _ in every for handle in handles], [label for _, labels in every for label in labels]


def _draw_half(panel, own, lines):
    """Curves of one form, its best null, and the range of inputs."""
    for each in own:
        line, middle = (each["normaliser"], each["cells"]), np.array(each["from_ms"]) + LENGTH / 2
        look = _look(line, lines)
        label = f"{line[0]}, {line[1]} {'cell' if line[1] == 1 else 'cells'} per value"
        panel.plot(middle, each["relative_l2"], label=label, **look)
        if line[0] != IDEAL:
            band = each["relative_l2_p10"], each["relative_l2_p90"]
            panel.fill_between(middle, *band, color=look["color"], alpha=0.12, linewidth=0)
    if own:
        panel.axhline(own[0]["best_null"], color="#777777", linestyle="--", label="best null")
    panel.set(yscale="log", ylim=FRAME)
    panel.set_yticks(TICKS, [f"{100 * each:g} %" for each in TICKS])
    panel.minorticks_off()


def _look(line, lines):
    """Colour, marker and style of a curve; the ideal divider is dotted, in the colour of the one normaliser beside it."""
    solid = [each for each in lines if each[0] != IDEAL]
    if line[0] != IDEAL:
        k = solid.index(line)
        return {"color": CYCLE[k % len(CYCLE)], "marker": MARKERS[k % len(MARKERS)]}
    beside = [k for k, each in enumerate(solid) if each[1] == line[1]]
    return {"color": CYCLE[beside[0]] if len(beside) == 1 else "#000000", "linestyle": ":"}


def _tables(summaries):
    """A table for each form, synapses and task."""
    return Group(
        *(_table(group, [each for each in summaries if _group(each) == group]) for group in _groups(summaries))
    )


def _table(group, summaries):
    table = Table(
        Column("normaliser", no_wrap=True), "cells", Column("after", no_wrap=True), *map(str, STARTS), "kappa", "query",
        "beyond",
        title=f"{group[0]} cells, {group[1]} synapses, {group[2]}: median relative L2 (%) in windows of {LENGTH} ms, from "
        f"(ms); best null {100 * summaries[0]['best_null']:.1f}; in the last window relative L2 of the attention and "
        "queries identified (%); spikes beyond a limit (%)",
        box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True,
    )  # fmt: skip
    for each in summaries:
        errors = (f"{100 * error:.1f}" for error in each["relative_l2"])
        identified = f"{100 * each['query_identification'][-1]:.0f}"
        kappa = f"{100 * each['attention_relative_l2'][-1]:.1f}"
        beyond = f"{100 * each['saturated_share']:.1f}"
        table.add_row(each["normaliser"], str(each["cells"]), each["half"], *errors, kappa, identified, beyond)
    return table


@with_output
def main(
    form: Annotated[str, typer.Option(help="Forms of the cells, comma-separated.")] = "spiking",
    normaliser: Annotated[
        str, typer.Option(help=f"Normalisers, comma-separated: {','.join((*NORMALISERS, IDEAL))}.")
    ] = f"pi,{IDEAL}",
    synapses: Annotated[str, typer.Option(help=f"Sets of synapses, comma-separated: {','.join(SYNAPSES)}.")] = "fast",
    cells: Annotated[str, typer.Option(help="Cells per value, comma-separated.")] = str(CELLS),
    task: Annotated[
        str, typer.Option(help="Tasks, comma-separated: match, and random blocks as 'scale 2'.")
    ] = "scale 2",
    weights: Annotated[int, typer.Option(help="Number of random blocks.")] = 2,
    sequences: Annotated[int, typer.Option(help="Sequences that each block is shown.")] = 6,
    workers: Annotated[
        int, typer.Option(help="Number of local processes that run circuits side by side; 0: this one alone.")
    ] = 0,
    target: o.Target = "auto",
    seed: Annotated[int, typer.Option(help="Seed of initial membrane states and of noise.")] = 0,
    *,
    output: Output,
):
    """Time the answer of a frozen circuit from the onset of its tokens."""
    every = _checked(form, normaliser, synapses, cells, task, weights, sequences)
    given = {"target": target, "seed": seed}
    for job in every:
        options_of(job, given)
    output.check()
    with executor_of(workers) as executor, output.progress(f"{len(every)} circuits") as report:
        rows, failed, interrupted = run(every, given, sequences, report, executor)
    summaries = summarise(rows)
    parameters = {"form": form, "normaliser": normaliser, "synapses": synapses, "cells": cells, "task": task}
    parameters |= {"weights": weights, "sequences": sequences, **given}
    folder, content = output.folder("onset", parameters), output.provenance(parameters, {"first": seed})
    result = {"summaries": summaries, "rows": rows, "failed": failed, "interrupted": interrupted}
    figure = draw(summaries) if summaries else None
    output.report("onset", folder, result, figure, content, _tables(summaries), judge(summaries))
    return status_by([True], interrupted, failed)


def _task(text):
    """A task of the command line by its one name: 'scale 2' for 'scale 2.0'."""
    kind, _, scale = text.partition(" ")
    if text == MATCH:
        return text
    if kind != "scale" or not scale.replace(".", "", 1).isdecimal() or not 0 < float(scale) <= LARGEST_SCALE:
        raise o.OptionError(
            f"--task is '{text}' but needs to be {MATCH}, or "
            f"a scale above zero and of at most {LARGEST_SCALE:g}, as 'scale 2'"
        )
    return f"scale {float(scale):g}"


def _checked(form, normaliser, synapses, cells, task, weights, sequences):
    """Jobs of the options of the command line."""
    o.within("--weights", weights, 1, 1000)
    o.within("--sequences", sequences, 2, 1000)
    tasks = tuple(dict.fromkeys(map(_task, task.split(","))))
    counts = tuple(dict.fromkeys(cells.split(",")))
    for each in counts:
        if not each.isdecimal() or len(each) > 9:
            raise o.OptionError(f"--cells is '{each}' but needs to be a whole number")
    forms = tuple(dict.fromkeys(form.split(",")))
    normalisers = o.some_of("--normaliser", normaliser, (*NORMALISERS, IDEAL))
    return jobs(
        forms,
        normalisers,
        o.some_of("--synapses", synapses, SYNAPSES),
        tuple(dict.fromkeys(map(int, counts))),
        tasks,
        weights,
    )


if __name__ == "__main__":
    script(main)
