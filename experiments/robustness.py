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

Reference: `reference.linear_attention`, on the inputs with 4 and 8 tokens at scale 2 of `inputs.suite`. Rates are ideal, so
that disorder is the only source of error. P cells per value, each of whose P x P synapses onto another value exists with
probability p, multiply a weight by Binomial(P^2, p) / (P^2 p), to first order in the missing synapses; existing synapses
are scaled up, as by homeostasis. A shunt keeps at least a tenth of its strength.

Run time: three minutes.
"""

from typing import Annotated

import numpy as np
import typer
from brian2 import second
from rich.table import Column, Table

from cortical_attention.cells.forms.rate import RATE
from cortical_attention.circuits.mask import mask_wiring
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
from cortical_attention.trials.disorder import CELLS, existing, jittered, measured
from cortical_attention.trials.disorder import disordered as disorder

# Parameters
CASES = "self_n4_scale2", "self_n8_scale2"
TIMES = Times(1 * second, 0.5 * second, 0.25 * second, RATE.dt)
VALUES = (
    "matrix -> intratelencephalic.basal", "intratelencephalic -> pyramidal_tract.soma",
    "pyramidal_tract -> higher_order.soma",
)  # fmt: skip
OTHERS = (
    "core -> superficial.basal", "matrix -> superficial.apical", "superficial -> intratelencephalic.apical",
    "superficial -> interneuron.pool", "interneuron -> superficial.shunt",
)  # fmt: skip
JITTER = 0.05  # of a single projection
KINDS = {
    "projection": (*VALUES, *OTHERS),
    "jitter": (0.02, 0.05, 0.1, 0.2, 0.4),
    "probability": (0.8, 0.4, 0.2, 0.1, 0.05),
    "cells": (5, 20, 80, 320),
    "missing": (0.1, 0.2, 0.4, 0.8),
    "measured": (CELLS,),
    "none": (0,),
}
AXES = {
    "jitter": "jitter of the weights of copies (SD over mean)",
    "probability": f"probability of a synapse ({CELLS} cells per value)",
    "cells": "cells per value (a tenth of the synapses)",
    "missing": f"share of cells missing (of {CELLS} per value)",
}


# Circuit
def disordered(plan, kind, level, draw):
    """Plan with disorder of a kind."""
    if kind == "missing":
        return _with_missing(plan, level, draw)
    factor = {
        "projection": lambda name, size: jittered(draw, JITTER * (name == level), 1, size),
        "jitter": lambda name, size: jittered(draw, level, 1, size),
        "probability": lambda name, size: existing(draw, CELLS, level, size),
        "cells": lambda name, size: existing(draw, level, 0.1, size),
        "measured": lambda name, size: measured(draw, level, name, size),
        "none": lambda name, size: np.ones(size),
    }[kind]
    return disorder(plan, factor)


def _with_missing(plan, share, draw):
    """Plan in which a share of the L2/3 and L5 IT cells is gone, by the gate of each number."""
    populations = dict(plan.circuit.populations)
    for name in ("superficial", "intratelencephalic"):
        left = draw.binomial(CELLS, 1 - share, populations[name].shape) / CELLS
        populations[name] = populations[name]._replace(inputs={**populations[name].inputs, "gate": left[None]})
    return plan._replace(circuit=plan.circuit._replace(populations=populations))


# Protocol
def measures_of(case, kind, level, seed, target="numpy", report=None):
    """Relative L2 of the answer of a disordered circuit, and the share of queries that it identifies (dict)."""
    plan = mask_wiring(TIMES, case.tokens[None], **case.block._asdict())
    place = KINDS[kind].index(level) if kind == "projection" else int(1e6 * level)
    plan = disordered(plan, kind, level, np.random.default_rng([seed, place]))
    run = simulate(plan, RATE, rate_units(plan), dt=TIMES.dt, target=target, record="sample", report=report)
    if run.interrupted:
        raise KeyboardInterrupt
    output = plan.read(plan.output, window_values(run, RATE, plan.protocol.windows))[0]
    reference = reference_of(case, "elu+1").attention.output
    return {
        "relative_l2": relative_l2(output, reference),
        "query_identification": query_identification(output, reference),
    }


def run(seeds, target, report=None):
    """A row for each kind, level, case and seed; and whether it was interrupted."""
    cases = [case for case in suite_cases() if case.name in CASES]
    jobs = [(kind, level, case, seed) for kind in KINDS for level in KINDS[kind] for case in cases for seed in seeds]
    rows = []
    try:
        for k, (kind, level, case, seed) in enumerate(jobs):
            measures = measures_of(case, kind, level, seed, target, part_of(report, k, len(jobs)))
            rows.append({"kind": kind, "level": level, "case": case.name, "seed": seed, **measures})
    except KeyboardInterrupt:
        return rows, True
    return rows, False


def medians(rows, kind):
    """Median error by level."""
    own = [row for row in rows if row["kind"] == kind]
    return {
        level: float(np.median([row["relative_l2"] for row in own if row["level"] == level]))
        for level in dict.fromkeys(row["level"] for row in own)
    }


# Reference
def judge(rows):
    """The predictions."""
    if {row["kind"] for row in rows} != set(KINDS):
        return []
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
    with style():
        figure = new_figure(3.6, width=12.0)
        for panel, (kind, label) in zip(figure.subplots(1, 4, sharey=True), AXES.items(), strict=True):
            for k, case in enumerate(CASES):
                own = [row for row in rows if (row["kind"], row["case"]) == (kind, case)]
                levels, errors = [row["level"] for row in own], [row["relative_l2"] for row in own]
                panel.plot(levels, errors, color=CYCLE[k], marker=MARKERS[k], linestyle="", alpha=0.7, label=case)
            found = medians(rows, kind)
            panel.plot(list(found), list(found.values()), color="#555555", label="median")
            panel.set(xscale="log", yscale="log", xlabel=label)
            panel.set_xticks(KINDS[kind], [f"{level:g}" for level in KINDS[kind]])
            panel.set_xticks([], minor=True)
            panel.xaxis.label.set_fontsize(8)
        figure.axes[0].set_ylabel("relative L2 error")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _table(rows):
    table = Table(
        Column("disorder", no_wrap=True), "level", "median error", "largest", "queries identified",
        title="disorder in ideal rates",
    )  # fmt: skip
    for kind in KINDS:
        for level, median in medians(rows, kind).items():
            own = [row for row in rows if (row["kind"], row["level"]) == (kind, level)]
            largest = max(row["relative_l2"] for row in own)
            identified = float(np.mean([row["query_identification"] for row in own]))
            table.add_row(
                kind,
                level if isinstance(level, str) else f"{level:g}",
                per_cent(median),
                per_cent(largest),
                whole_per_cent(identified),
            )
    return table


@with_output
def main(
    seeds: Annotated[int, typer.Option(help="Number of random samples of each kind and level of disorder.")] = 3,
    target: o.Target = "numpy",
    seed: o.InputSeed = 0,
    *,
    output: Output,
):
    """Disturb the circuit."""
    o.within("--seeds", seeds, 1, 1000)
    o.check(target=target, seed=seed)
    output.check()
    with output.progress("disordered circuits") as report:
        rows, interrupted = run(range(seed, seed + seeds), target, report)
    given = {"seeds": seeds, "target": target, "seed": seed}
    folder, swept = output.folder("robustness", given), Swept({}, {}, interrupted)
    content = output.provenance(given, {"first": seed})
    figure = draw(rows) if any(row["kind"] in AXES for row in rows) else None
    output.report("robustness", folder, swept.result(rows), figure, content, _table(rows), judge(rows))
    return status_of(swept, [])


if __name__ == "__main__":
    script(main)
