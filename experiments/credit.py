"""The gradient of attention read from cells, in rates and in spikes, while the weights are learnt.

Question: is the product of what cells carry the gradient of attention? The paper derives gradients of attention
(equations 2 to 5) and leaves open what circuit could follow them. In a circuit with cells for its errors
(`circuits.learning`) each synapse has two rates of its own, and one number that comes to it. Is the product of what
these cells carry the gradient, for each of the four weights, in rates and in spikes?

Prediction: written before the run, after development runs on seeds from 100 on. In rates the relative L2 of each weight is
at most 1e-5 (measured: 1e-9 and less). In spikes the cosine of each weight is at least 0.998 at each point of the training,
with four cells a value, a window of 2 s and 3 s of settling; after 0.6 s of settling the smallest is at most 0.98. A cosine
alone is cheap: at the start errors that are shuffled over the tokens leave that of W_O above 0.9. After the start they leave
W_Q a mean cosine of at most 0.6, as do errors that are shuffled over sequences. That more cells bring what longer windows
bring is shown, as is a calibration that is the same for the whole training.

Found (commit 3d58d08): held, but for two of softmax attention that are undecided. After 0.6 s of settling one training of
four asks its credit cells for more spikes than they can send, so that the interval of the control is that of three; and
the interval of the cosine of W_O at the start, under shuffled errors, reaches below 0.9. One of 128 sequences in spikes
is judged to drift, by 0.057 where 0.054 is tolerated, so that the status is 1.

Reference: `reference.gradients` for linear attention; `reference.local_terms` for softmax attention. The task is associative
recall (`inputs.recall`), four pairs of eight symbols. Weights are those of a training by the algebra, at its start and when
the energy has fallen to three shares of it. Each gradient is summed over four sequences, which the calibration has not
shown; the training, whose draws come back to most of the 1680 that there are, may have. The cells of each point are
calibrated on sixteen other sequences, with their targets. Slopes of dendrites are those at the drive that the rates or
counts of the cells reaching them make with the weights. Intervals are Student's t over seeds, of weights and sequences.

Run time: seven minutes.
"""

from functools import cache, partial
from itertools import product
from typing import Annotated

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from cortical_attention.cells.forms import FORMS
from cortical_attention.circuits.learning import ATTENTIONS
from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_of
from cortical_attention.readout.agreement import cosine, relative_l2
from cortical_attention.readout.judged import judged
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.reference.local_terms import Terms
from cortical_attention.simulation.calibrate import digests
from cortical_attention.trials.batch import ask_in_turn, prediction_of
from cortical_attention.trials.credit import OVER, Reading, answer, asked, energy, formal, terms_within, trained
from cortical_attention.trials.protocol import PROTOCOL

# Parameters
LEVELS = 1.0, 0.6, 0.1, 0.01  # points of a training: shares of the energy at its start
N_TESTED, N_CALIBRATION = 4, 16
RATES, SPIKES, EARLY, TOGETHER = "rates", "spikes", "spikes, after 0.6 s", "spikes, one calibration"
READINGS = {
    RATES: Reading("rate", 1, 1.2, 0.1),
    SPIKES: Reading("spiking", 4, 3.0, 2.0),
    EARLY: Reading("spiking", 4, 0.6, 2.0),
    TOGETHER: Reading("spiking", 4, 3.0, 2.0, together=True),
}  # chosen on seeds from 100 on: 3 s, since eight dendrites of up to 100 ms follow one another; 4 cells
HARDER, CELLS, WINDOWS = (
    "softmax",
    (1, 4, 16),
    (0.5, 1.0, 2.0, 4.0),
)  # the attention, cells and windows (s) of the growth
WRITTEN_OUT = 1e-3  # larger numbers are written with five decimals
NULLS_A_SEED = 4  # trainings whose errors are shuffled, in the algebra alone, for each that is simulated
ASKED, INTERVALS = PROTOCOL["credit"], PROTOCOL["intervals"]
SHUFFLED = {over: f"shuffled over {over}" for over in OVER}
CHEAP = "cheap at the start"
THRESHOLDS = {RATES: "rates", SPIKES: "spikes", EARLY: "early", CHEAP: "cheap"} | dict.fromkeys(
    SHUFFLED.values(), "shuffled"
)
SAID = {
    RATES: "largest relative L2 of any weight at any point",
    SPIKES: "smallest cosine of any weight at any point",
    EARLY: "smallest cosine of any weight at the last point",
    CHEAP: "cosine of W_O with errors shuffled over tokens",
} | dict.fromkeys(SHUFFLED.values(), "cosine of W_Q, mean over the points after the start")


# Protocol
@cache
def points(attention, seed, n_level):
    """Weights of a training at its first levels (dict of float to (int, Block))."""
    return trained(attention, seed, LEVELS[:n_level])


@cache
def shown(seed, level):
    """Sequences that are tested at a level of the energy, and those that the cells are calibrated on."""
    others = asked(np.random.default_rng([seed, 3]), N_CALIBRATION)
    known = frozenset(digests(others.tokens, others.context))
    return asked(np.random.default_rng([seed, 2, LEVELS.index(level)]), N_TESTED, known), others


def jobs(seeds, n_level, spikes, growth, given):
    """Circuits to run by label (attention, seed, level, name of the reading): functions of a progress report (dict)."""
    found = {}
    for attention in ATTENTIONS:
        for seed in seeds:
            levels = list(points(attention, seed, n_level))
            asks = [(level, name) for level in levels for name in (RATES, *([SPIKES] if spikes else []))]
            asks += [(levels[-1], name) for name in (EARLY, TOGETHER) if spikes]
            for level, name in asks:
                found[attention, seed, level, name] = _job(READINGS[name], attention, seed, level, n_level, given)
        if growth and attention == HARDER:
            for cells in CELLS:
                reading = READINGS[SPIKES]._replace(cells=cells, window=WINDOWS[-1])
                level = list(points(attention, seeds[0], n_level))[-1]
                label = attention, seeds[0], level, cells
                found[label] = _job(reading, attention, seeds[0], level, n_level, given)
    return found


def _job(reading, attention, seed, level, n_level, given):
    """A circuit at a point of a training, as a function of a progress report."""
    every, (drawn, others) = points(attention, seed, n_level), shown(seed, level)
    blocks = [block for _, block in every.values()] if reading.together else [every[level][1]]
    return partial(answer, reading, attention, drawn, every[level][1], (others, blocks), given)


def rows_of(label, found, n_level):
    """Figures of a circuit (list of dict): one of each window that is asked for."""
    attention, seed, level, name = label
    presentations, block = points(attention, seed, n_level)[level]
    drawn, _ = shown(seed, level)
    wanted, of_growth = formal(attention, drawn, block), not isinstance(name, str)
    reading = READINGS[SPIKES]._replace(cells=name) if of_growth else READINGS[name]
    about = {
        "attention": attention, "seed": seed, "level": level, "presentations": presentations,
        "energy": energy(attention, drawn, block), "reading": "growth" if of_growth else name, "cells": reading.cells,
        "settled": bool(found.settled.settled.all()),
    }  # fmt: skip
    form = FORMS[reading.form]
    return [
        about | {"window": window, **compared(terms_within(found, form, window), wanted)}
        for window in (WINDOWS if of_growth else [reading.window])
    ]


def nulls(seeds, n_level):
    """The same of errors that are shuffled, in the algebra (list of dict)."""
    rows = []
    for attention, seed in product(ATTENTIONS, seeds):
        for level, (_, block) in points(attention, seed, n_level).items():
            drawn, _ = shown(seed, level)
            wanted = formal(attention, drawn, block)
            about = {"attention": attention, "seed": seed, "level": level}
            rows += [
                {**about, "reading": name, **compared(formal(attention, drawn, block, over), wanted)}
                for over, name in SHUFFLED.items()
            ]
    return rows


def compared(found, wanted):
    """Cosine and relative L2 of each weight (dict of dict)."""
    pairs = dict(zip(Terms._fields, zip(found, wanted, strict=True), strict=True))
    return {
        measure.__name__: {name: measure(*each) for name, each in pairs.items()} for measure in (cosine, relative_l2)
    }


# Reference
def figures_of(rows):
    """What the protocol asks for (dict): each a mean over seeds, with its interval."""
    found = {}
    for attention in ATTENTIONS:
        own = [row for row in rows if row["attention"] == attention]
        start, later = [row for row in own if row["level"] == 1.0], [row for row in own if row["level"] < 1.0]
        asks = {
            RATES: (own, lambda row: max(row["relative_l2"].values()), max, "at most"),
            SPIKES: (own, lambda row: min(row["cosine"].values()), min, "at least"),
            EARLY: (own, lambda row: min(row["cosine"].values()), min, "at most"),
        }
        asks |= {SHUFFLED[over]: (later, _of("W_Q"), np.mean, "at most") for over in OVER}
        for name, (among, value, over_points, rule) in asks.items():
            _add(
                found,
                f"{name}, {attention}",
                [row for row in among if row["reading"] == name],
                value,
                over_points,
                rule,
            )
        cheap = [row for row in start if row["reading"] == SHUFFLED["tokens"]]
        _add(found, f"{CHEAP}, {attention}", cheap, _of("W_O"), np.mean, "at least")
    return found


def _of(weight):
    return lambda row: row["cosine"][weight]


def _add(found, name, rows, value, over_points, rule):
    """Add a figure, if there are rows: the value of each row, put together over the points of a seed, in the mean."""
    seeds = sorted({row["seed"] for row in rows})
    if not seeds:
        return
    by_seed = [over_points([value(row) for row in rows if row["seed"] == seed]) for seed in seeds]
    threshold = ASKED[THRESHOLDS[name.rpartition(", ")[0]]]
    found[name] = judged(np.mean(by_seed), threshold, rule, cluster_interval(by_seed, seeds, **INTERVALS))


def judge(figures):
    """The predictions."""
    return [
        prediction_of(
            each,
            f"{name}, {SAID[name.rpartition(', ')[0]]}: {each['rule']} {each['threshold']:g}",
            _with_ends(each["value"], each["interval"]),
        )
        for name, each in figures.items()
    ]


def _with_ends(value, interval):
    """A value with its interval, if it has one, as text; of what is near one, the distance from it has two digits."""
    places = ".5f" if abs(value) > WRITTEN_OUT else ".1e"
    ends = "" if interval is None else f" ({' to '.join(format(end, places) for end in interval)})"
    return format(value, places) + ends


# Figure
def draw(rows):
    """Distance of the cosine from one at the points of a training, and the relative error over windows."""
    with style():
        grown = [row for row in rows if row["reading"] == "growth"]
        figure = new_figure(4.4)
        for attention, panel in zip(ATTENTIONS, (panels := figure.subplots(1, 2 + bool(grown))), strict=False):
            _draw_points(panel, [row for row in rows if row["attention"] == attention])
            panel.set(title=f"{attention} attention", xlabel="energy, as a share of its start")
        panels[0].set_ylabel("1 - cosine with the formal gradient, median")
        if grown:
            _draw_growth(panels[2], grown)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _draw_points(panel, rows):
    """One minus the cosine of each weight by level, in spikes and of the nulls; the median of all seeds."""
    levels = sorted({row["level"] for row in rows}, reverse=True)
    for name, line in ((SPIKES, "-"), (SHUFFLED["tokens"], ":"), (SHUFFLED["sequences"], "--")):
        own = [row for row in rows if row["reading"] == name]
        for k, weight in enumerate(Terms._fields if own else ()):
            look = {"color": CYCLE[k], "marker": MARKERS[k], "markersize": 4, "linestyle": line}
            apart = [[1 - row["cosine"][weight] for row in own if row["level"] == level] for level in levels]
            panel.plot(range(len(levels)), [np.median(each) for each in apart], label=f"{weight}, {name}", **look)
    panel.axhline(1 - ASKED["spikes"], color="#777777", linewidth=0.8)
    panel.set(yscale="log", ylim=(1e-7, 3))
    panel.set_xticks(range(len(levels)), [f"{each:g}" for each in levels])


def _draw_growth(panel, rows):
    """Relative error of each weight over the window, for numbers of cells."""
    for cells, line in zip(CELLS, (":", "--", "-"), strict=True):
        own = [row for row in rows if row["cells"] == cells]
        for k, weight in enumerate(Terms._fields):
            look = {"color": CYCLE[k], "marker": MARKERS[k], "markersize": 4, "linestyle": line}
            errors = [row["relative_l2"][weight] for row in own]
            panel.plot(
                [row["window"] for row in own], errors, label=None if k else f"{cells} cell{'s' * (cells > 1)}", **look
            )
    panel.set(xscale="log", yscale="log", xlabel="window (s)", ylabel="relative L2")
    panel.set_title(f"{HARDER} attention, last point")
    panel.set_xticks(WINDOWS, [f"{each:g}" for each in WINDOWS])
    panel.minorticks_off()
    panel.legend()


def _table(rows):
    columns = "attention", "energy", "read from", "cells", "window", *Terms._fields, "error", "settled"
    table = Table(
        *(Column(name, no_wrap=True) for name in columns),
        title="cosine with the formal gradient and largest relative L2, the worst of all seeds; of shuffled errors the mean",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    groups = {}
    for row in rows:
        key = tuple(row.get(name) for name in ("attention", "level", "reading", "cells", "window"))
        groups.setdefault(key, []).append(row)
    for (attention, level, reading, cells, window), own in groups.items():
        put_together, places = (np.mean, ".2f") if reading in SHUFFLED.values() else (min, ".5f")
        cosines = (put_together([row["cosine"][name] for row in own]) for name in Terms._fields)
        error = max(max(row["relative_l2"].values()) for row in own)
        settled = "-" if "settled" not in own[0] else f"{sum(row['settled'] for row in own)} of {len(own)}"
        about = "-" if cells is None else str(cells), "-" if window is None else f"{window:g} s"
        shown = (format(each, places) for each in cosines)
        table.add_row(attention, f"{level:g}", reading, *about, *shown, f"{error:.1e}", settled)
    return table


@with_output
def main(
    seeds: Annotated[int, typer.Option(help="Trainings, each with weights and sequences of its own.")] = 4,
    levels: Annotated[int, typer.Option(help=f"Points of a training, of {len(LEVELS)}.")] = len(LEVELS),
    spikes: Annotated[bool, typer.Option(help="Spikes as well as rates.")] = True,
    growth: Annotated[bool, typer.Option(help="Spikes with more and fewer cells, over longer windows.")] = True,
    target: o.Target = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the first training.")] = 0,
    *,
    output: Output,
):
    """Read the gradient of attention from cells."""
    o.within("--seeds", seeds, 1, 100)
    o.within("--levels", levels, 1, len(LEVELS))
    o.check(target=target, seed=seed)
    output.check()
    of_seeds, given = range(seed, seed + seeds), {"target": target, "seed": seed}
    with output.progress("credit") as report:
        swept = ask_in_turn(jobs(of_seeds, levels, spikes, growth, given), report)
    rows = [row for label, found in swept.done.items() for row in rows_of(label, found, levels)]
    settled = [row["settled"] for row in rows if row["reading"] != EARLY]
    rows += nulls(range(seed, seed + NULLS_A_SEED * seeds), levels)
    figures, parameters = (
        figures_of(rows),
        {"seeds": seeds, "levels": levels, "spikes": spikes, "growth": growth, **given},
    )
    folder, content = output.folder("credit", parameters), output.provenance(parameters, {"first": seed})
    swept = swept._replace(failed={", ".join(map(str, label)): why for label, why in swept.failed.items()})
    result = swept.result(rows, figures=figures)
    output.report("credit", folder, result, draw(rows), content, _table(rows), judge(figures))
    failed = {label: why for label, why in swept.failed.items() if EARLY not in label}  # a control may fail
    return status_of(swept._replace(failed=failed), settled)


if __name__ == "__main__":
    script(main)
