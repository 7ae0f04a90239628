"""What the experiments share that ask one circuit after another: inputs, runs, files and pictures."""

import json
import sys
from typing import Annotated, NamedTuple

import numpy as np
import typer

from circuits import engine
from circuits.attend import attend
from experiments.command import DONE, FAILED, INTERRUPTED
from experiments.suite import random_case
from readout.files import write_json
from readout.provenance import jsonable, provenance
from readout.style import CYCLE, MARKERS, new_figure, save, style

SCHEMA_VERSION = 1
Seed = Annotated[int, typer.Option(help="Seed of the random inputs, and of the membranes' starting phases.")]


class Prediction(NamedTuple):
    """What was predicted, what was measured, and whether the prediction held; each in words but the last."""

    predicted: str
    measured: str
    held: bool


def side_by_side(seed, n_input, n_token, n_context=None, **sizes):
    """Random cases with one block, so that one network can answer them all.

    Parameters
    ----------
    seed : int
        The block is that of `random_case(seed)`; each input draws from a child of it.
    n_input, n_token : int
    n_context : int, optional
        None: self-attention.
    **sizes
        As in `experiments.suite.random_case`.

    Returns
    -------
    list of Case
    """
    block = random_case(seed, n_token, n_context, **sizes).block
    children = np.random.SeedSequence(seed, spawn_key=(1,)).spawn(n_input)
    drawn = [random_case(child, n_token, n_context, **sizes, name=f"input {k}") for k, child in enumerate(children)]
    return [case._replace(block=block) for case in drawn]


def ask(cases, options, report=None):
    """Answer (circuits.attend) to cases with one block and one mask, side by side in one network."""
    tokens, context = stacked(cases)
    return attend(
        options.wiring, tokens, options.settings, report, context=context, mask=cases[0].mask, kernel=options.kernel,
        normalisation=options.normalisation, **cases[0].block._asdict(),
    )  # fmt: skip


def stacked(cases):
    """Tokens and context of cases, (batch, n, d_model); the context None in self-attention."""
    tokens = np.stack([case.tokens for case in cases])
    context = None if cases[0].context is None else np.stack([case.context for case in cases])
    return tokens, context


def sweep(asked, report=None):
    """Ask circuits one after another.

    Parameters
    ----------
    asked : dict of str to callable
        By label: from a progress report to something with a finished or interrupted `run`.
    report : callable, optional
        Brian2's progress report.

    Returns
    -------
    done : dict of str
        The answers by label, up to the interruption.
    interrupted : bool
    """
    done = {}
    for k, (label, ask_one) in enumerate(asked.items()):
        try:
            answer = ask_one(part_of(report, k, len(asked)))
        except KeyboardInterrupt:  # between two runs, or in a pilot
            return done, True
        if answer.run.interrupted:
            return done, True
        done[label] = answer
    return done, False


def part_of(report, k, n):
    """Report of run `k` of `n`, as a share of them all."""
    if report is None:
        return None
    return lambda elapsed, completed, start, duration: report(elapsed, (k + completed) / n, start, duration)


def status_of(interrupted, settled):
    """Exit status of a sweep; `settled` are the judgements of the runs that were to settle."""
    if interrupted:
        return INTERRUPTED
    return DONE if all(settled) else FAILED


def write(name, folder, result, figure, content):
    """Write NAME.json, NAME.png (unless there is nothing to draw) and run.json, of such `content`."""
    write_json(folder / f"{name}.json", {"schema_version": SCHEMA_VERSION, **result})
    (folder / f"{name}.png").unlink(missing_ok=True)
    if figure is not None:
        save(figure, folder / f"{name}.png")
    write_json(folder / "run.json", content)


def run_json(options, runs, **parameters):
    """Content of run.json: the options, and what the runs, by label, were.

    Parameters
    ----------
    options : experiments.options.Options
    runs : dict of str to circuits.run.Run
    **parameters
        What the experiment has besides the options.
    """
    settings = options.settings
    held = {**options._asdict(), **settings._asdict(), **settings.times()._asdict(), "form": settings.form._asdict()}
    del held["settings"]
    targets = {run.target: {"reason": run.target_reason, "flags": engine.flags(run.target)} for run in runs.values()}
    return provenance(
        sys.argv, held | parameters, {"inputs": settings.seed, "phases": settings.seed},
        {label: run.unit_rates for label, run in runs.items()}, targets, sum(run.wall for run in runs.values()),
    )  # fmt: skip


def say(result, table, predictions, folder, console, as_json):
    """Print the result as JSON if asked, its table, and every prediction beside what was measured."""
    if as_json:
        print(json.dumps(jsonable({"schema_version": SCHEMA_VERSION, **result})))
    console.print(table)
    for each in predictions:
        verdict = "held" if each.held else "missed"
        console.print(f"predicted {each.predicted}; measured {each.measured}: {verdict}", highlight=False)
    if result["interrupted"]:
        console.print("interrupted; what was computed until then is written", highlight=False)
    console.print(f"written to {folder}", highlight=False, soft_wrap=True)


def dots(labels, series, x_label, bound=None):
    """Draw one line of dots a label, on a logarithmic axis.

    Parameters
    ----------
    labels : list of str
        From top to bottom.
    series : dict of str to list
        By name, one number a label; what is None or not positive is left out.
    x_label : str
    bound : float, optional
        What the first of the series was predicted to stay below.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with style():
        figure = new_figure(1.6 + 0.28 * len(labels), width=9.0)
        panel = figure.subplots()
        places = np.arange(len(labels))
        for number, (name, values) in enumerate(series.items()):
            shown = np.array([np.nan if value is None or value <= 0 else value for value in values])
            look = {"color": CYCLE[number % len(CYCLE)], "marker": MARKERS[number % len(MARKERS)]}
            panel.plot(shown, places, linestyle="", markersize=6, alpha=0.8, label=name, **look)
        if bound is not None:
            panel.axvline(bound, color="#777777", linestyle="--", label="predicted at most")
        panel.set(xscale="log", xlabel=x_label, ylim=(len(labels) - 0.5, -0.5))
        panel.set_yticks(places, labels)
        panel.grid(color="#DDDDDD", linewidth=0.8)
        panel.set_axisbelow(True)
        figure.legend(loc="outside upper center", ncols=len(series) + 1)
    return figure


def against(series, x_label, y_label):
    """Scatter `series`, by name (x, y), about the line on which the two are equal."""
    with style():
        figure = new_figure(5.6, width=6.4)
        panel = figure.subplots()
        every = np.concatenate([np.ravel(values) for pair in series.values() for values in pair])
        limits = every.min(), every.max()
        panel.plot(limits, limits, color="#777777", linewidth=1, zorder=1, label="equal")
        for number, (name, (x, y)) in enumerate(series.items()):
            look = {"color": CYCLE[number % len(CYCLE)], "marker": MARKERS[number % len(MARKERS)]}
            panel.scatter(
                np.ravel(x), np.ravel(y), s=70 / (1 + number), alpha=0.7, linewidths=0, zorder=2, label=name, **look
            )
        panel.set(xlabel=x_label, ylabel=y_label)
        panel.legend()
    return figure
