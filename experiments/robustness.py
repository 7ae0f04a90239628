"""How much disorder does the circuit tolerate: unequal copies, missing synapses, few cells, missing cells?

Question: how does the error grow when the weights of the paper's microcolumns, which are exact copies with all-to-all
connections, differ, when only a part of the synapses exists, and when cells are lost?

Prediction: the error is proportional to the jitter of the weights (slope 1 of the logarithms), falls as one over the cells
per value if a tenth of the synapses exists (slope -1), and with the measured probabilities of Campagnola et al. (2022) and
40 cells per value stays below 25 per cent in the median. Without disorder it is that of the rate form. Missing cells cost
less than missing synapses of the same share, since normalisation rescales the remainder. (Written before any run except for
the slope of -1: in a pilot one cell represented all P of the target, and the slope was -1/2.) Added after prototypes of
other code, before the run: with a jitter of 5 per cent in one projection at a time, each of the three that carry values and
their sum (matrix to L5 IT, L5 IT to L5 PT, L5 PT to the higher-order nucleus) costs more than each of the other five, and
the root of the sum of squares of all eight is that of jitter everywhere, within a fifth.

Softmax attention (`--attention linear,softmax`), added before its first run in this circuit. Copies of queries, keys and
values that differ (jitter in the three projections from the nuclei alone) cost softmax attention 1.2 to 3 times what they
cost linear attention at each level, as an independent error of every q, k and v did in the algebra (1.2 to 1.8 times on the
suite, 3 times in a trained transformer). Jitter everywhere costs it more than 3 times as much, since an error of a few per
cent in a subtraction of several nats is an error of tenths of a nat: of single projections, that from the interneuron to
the tufts of L5 IT costs most.

Reference: `reference.linear_attention` and `reference.softmax_attention`, on the inputs with 4 and 8 tokens at scale 2 of
`inputs.suite`. Rates are ideal, so that disorder is the only source of error. P cells per value, each of whose P x P
synapses onto another value exists with probability p, multiply a weight by Binomial(P^2, p) / (P^2 p), to first order in the
missing synapses; existing synapses are scaled up, as by homeostasis. A shunt keeps at least a tenth of its strength.

Run time: three minutes; seven with softmax attention beside it.
"""

from typing import Annotated

import numpy as np
import typer
from brian2 import second
from rich.table import Column, Table

from cortical_attention.cells.forms.rate import RATE
from cortical_attention.circuits.protocol import Times
from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_of
from cortical_attention.inputs.suite import cases as suite_cases
from cortical_attention.readout.agreement import query_identification, relative_l2
from cortical_attention.readout.formats import number, per_cent, whole_per_cent
from cortical_attention.readout.statistics import slope_of_log_log
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.simulation.calibrate import rate_units
from cortical_attention.simulation.run import simulate
from cortical_attention.simulation.settle import window_values
from cortical_attention.trials.batch import Prediction, Swept, part_of
from cortical_attention.trials.comparison import reference_of
from cortical_attention.trials.disorder import CELLS
from cortical_attention.trials.disorder_kinds import (
    JITTER,
    KINDS,
    OTHERS,
    PROJECTIONS,
    SUBTRACTION,
    VALUES,
    disordered,
    levels_of,
)
from cortical_attention.trials.systems import SYSTEMS

# Parameters
WIRINGS = {"linear": "mask", "softmax": "softmax"}
CASES = "self_n4_scale2", "self_n8_scale2"
TIMES = Times(1 * second, 0.5 * second, 0.25 * second, RATE.dt)
AXES = {
    "copies": "jitter of queries, keys and values alone",
    "jitter": "jitter of the weights of copies (SD over mean)",
    "probability": f"probability of a synapse ({CELLS} cells per value)",
    "cells": "cells per value (a tenth of the synapses)",
    "missing": f"share of cells missing (of {CELLS} per value)",
}


# Protocol
def measures_of(case, kind, level, seed, target="numpy", report=None, attention="linear"):
    """Relative L2 of the answer of a disordered circuit, and the share of queries that it identifies (dict)."""
    system = SYSTEMS[WIRINGS[attention]]
    plan = system.wiring(TIMES, case.tokens[None], **case.block._asdict())
    place = PROJECTIONS[attention].index(level) if kind == "projection" else int(1e6 * level)
    plan = disordered(plan, kind, level, np.random.default_rng([seed, place]))
    run = simulate(plan, RATE, rate_units(plan), dt=TIMES.dt, target=target, record="sample", report=report)
    if run.interrupted:
        raise KeyboardInterrupt
    output = plan.read(plan.output, window_values(run, RATE, plan.protocol.windows))[0]
    reference = reference_of(case, "elu+1", system=system).attention.output
    return {
        "relative_l2": relative_l2(output, reference),
        "query_identification": query_identification(output, reference),
    }


def run(attentions, seeds, target, report=None):
    """A row for each attention, kind, level, case and seed; and whether it was interrupted."""
    cases = [case for case in suite_cases() if case.name in CASES]
    jobs = [
        (attention, kind, level, case, seed)
        for attention in attentions
        for kind, levels in levels_of(attention).items()
        for level in levels
        for case in cases
        for seed in seeds
    ]
    rows = []
    try:
        for k, (attention, kind, level, case, seed) in enumerate(jobs):
            measures = measures_of(case, kind, level, seed, target, part_of(report, k, len(jobs)), attention)
            row = {"attention": attention, "kind": kind, "level": level, "case": case.name, "seed": seed}
            rows.append(row | measures)
    except KeyboardInterrupt:
        return rows, True
    return rows, False


def medians(rows, kind, attention="linear"):
    """Median error by level."""
    own = [row for row in rows if (row["kind"], row["attention"]) == (kind, attention)]
    return {
        level: float(np.median([row["relative_l2"] for row in own if row["level"] == level]))
        for level in dict.fromkeys(row["level"] for row in own)
    }


# Reference
def judge(rows):
    """The predictions about the attentions that were asked."""
    by_attention = {each: [row for row in rows if row["attention"] == each] for each in PROJECTIONS}
    whole = [each for each, own in by_attention.items() if {row["kind"] for row in own} == set(levels_of(each))]
    found = _linear(by_attention["linear"]) if "linear" in whole else []
    return found + (_softmax(rows) if len(whole) == len(PROJECTIONS) else [])


def _softmax(rows):
    """The predictions about softmax attention beside linear attention."""
    linear, soft = ({kind: medians(rows, kind, each) for kind in ("copies", "jitter")} for each in PROJECTIONS)
    ratios = {kind: [soft[kind][level] / error for level, error in own.items()] for kind, own in linear.items()}
    single = medians(rows, "projection", "softmax")
    none = max(row["relative_l2"] for row in rows if (row["kind"], row["attention"]) == ("none", "softmax"))
    shown = {kind: " to ".join(f"{end(each):.2f}" for end in (min, max)) for kind, each in ratios.items()}
    copies = min(ratios["copies"]) >= 1.2 and max(ratios["copies"]) <= 3
    costliest = max(single, key=single.get)
    return [
        Prediction("softmax, no disorder: below 1e-6", number(none), none < 1e-6),
        Prediction("softmax, unequal copies: 1.2 to 3 times the error of linear attention", shown["copies"], copies),
        Prediction("softmax, jitter everywhere: more than 3 times", shown["jitter"], min(ratios["jitter"]) > 3),
        Prediction(f"softmax: {SUBTRACTION} costs most", costliest, costliest == SUBTRACTION),
    ]


def _linear(rows):
    """The predictions about linear attention."""
    found = {kind: medians(rows, kind) for kind in KINDS}
    jitter, cells = (slope_of_log_log(list(found[kind]), list(found[kind].values())) for kind in ("jitter", "cells"))
    measured, none = found["measured"][CELLS], max(row["relative_l2"] for row in rows if row["kind"] == "none")
    missing, absent = found["missing"][0.8], found["probability"][0.2]
    single = found["projection"]
    least, most = min(single[name] for name in VALUES), max(single[name] for name in OTHERS)
    together = float(np.linalg.norm(list(single.values()))) / found["jitter"][JITTER]
    return [
        Prediction("no disorder: below 1e-6", number(none), none < 1e-6),
        Prediction("slope of the error against jitter: 1, within 0.2", number(jitter), abs(jitter - 1) < 0.2),
        Prediction("slope against cells: -1, within 0.2", number(cells), abs(cells + 1) < 0.2),
        Prediction("measured probabilities: a median below 25 %", per_cent(measured), measured < 0.25),
        Prediction(
            "80 % of cells missing cost less than 80 % of synapses", f"{per_cent(missing)}, {per_cent(absent)}",
            missing < absent,
        ),
        Prediction(
            "jitter where values and their sum are sent costs more than elsewhere", f"{per_cent(least)}, {per_cent(most)}",
            least > most,
        ),
        Prediction(
            "single projections add in quadrature to jitter everywhere, within a fifth", f"{together:.2f} times",
            abs(together - 1) < 0.2,
        ),
    ]  # fmt: skip


# Figure
def draw(rows):
    """Error against the strength of each kind of disorder."""
    attentions = list(dict.fromkeys(row["attention"] for row in rows))
    with style():
        figure = new_figure(3.6, width=14.0)
        for panel, (kind, label) in zip(figure.subplots(1, len(AXES), sharey=True), AXES.items(), strict=True):
            for attention in attentions:
                _draw_points(panel, [row for row in rows if (row["kind"], row["attention"]) == (kind, attention)])
                found = medians(rows, kind, attention)
                line = "--" if attention == "softmax" else "-"
                label_of = {"color": "#555555", "linestyle": line, "label": f"{attention}, median"}
                panel.plot(list(found), list(found.values()), **label_of)
            panel.set(xscale="log", yscale="log", xlabel=label)
            panel.set_xticks(KINDS[kind], [f"{level:g}" for level in KINDS[kind]])
            panel.set_xticks([], minor=True)
            panel.xaxis.label.set_fontsize(8)
        figure.axes[0].set_ylabel("relative L2 error")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return figure


def _draw_points(panel, rows):
    """Errors of one attention, a colour and a marker for each input."""
    for k, case in enumerate(CASES):
        own = [row for row in rows if row["case"] == case]
        if own:
            place = k + len(CASES) * list(PROJECTIONS).index(own[0]["attention"])
            levels, errors = [row["level"] for row in own], [row["relative_l2"] for row in own]
            look = {"color": CYCLE[place], "marker": MARKERS[place], "linestyle": "", "alpha": 0.7}
            panel.plot(levels, errors, label=f"{own[0]['attention']}, {case}", **look)


def _table(rows):
    table = Table(
        "attention", Column("disorder", no_wrap=True), "level", "median error", "largest", "queries identified",
        title="disorder in ideal rates",
    )  # fmt: skip
    for attention, kind in dict.fromkeys((row["attention"], row["kind"]) for row in rows):
        for level, median in medians(rows, kind, attention).items():
            own = [row for row in rows if (row["attention"], row["kind"], row["level"]) == (attention, kind, level)]
            largest = max(row["relative_l2"] for row in own)
            identified = float(np.mean([row["query_identification"] for row in own]))
            shown = level if isinstance(level, str) else f"{level:g}"
            table.add_row(attention, kind, shown, per_cent(median), per_cent(largest), whole_per_cent(identified))
    return table


@with_output
def main(
    attention: Annotated[str, typer.Option(help=f"Attentions, comma-separated: {','.join(PROJECTIONS)}.")] = "linear",
    seeds: Annotated[int, typer.Option(help="Number of random samples of each kind and level of disorder.")] = 3,
    target: o.Target = "numpy",
    seed: o.InputSeed = 0,
    *,
    output: Output,
):
    """Disturb the circuit."""
    o.within("--seeds", seeds, 1, 1000)
    o.check(target=target, seed=seed)
    attentions = o.some_of("--attention", attention, tuple(PROJECTIONS))
    output.check()
    with output.progress("disordered circuits") as report:
        rows, interrupted = run(attentions, range(seed, seed + seeds), target, report)
    given = {"attention": attention, "seeds": seeds, "target": target, "seed": seed}
    folder, swept = output.folder("robustness", given), Swept({}, {}, interrupted)
    content = output.provenance(given, {"first": seed})
    figure = draw(rows) if any(row["kind"] in AXES for row in rows) else None
    output.report("robustness", folder, swept.result(rows), figure, content, _table(rows), judge(rows))
    return status_of(swept, [])


if __name__ == "__main__":
    script(main)
