"""Does the error of adaptive cells average out over cells and time?

Question: how does the error of the adaptive form decrease with the number P of cells per value, and with the measured
time T?

Prediction: written before any run. The error is noise and falls as 1 / sqrt(P T), with a slope of -1/2 in each, until the
part that does not average out (saturation, the effect of noise on products) dominates; with 32 cells and 2 s it is at most
5 per cent on each input of scale 1 and 2. Slopes within 0.15 of -1/2 confirm the prediction.
Added after these slopes had been missed, before the run with several noises: what is left of the error without the part
that four answers with independent noise share (*by design*) falls with these slopes.

Reference: `reference.linear_attention` on the inputs with 4 tokens of `inputs.suite`.

Run time: six minutes.
"""

from typing import Annotated

import numpy as np
import typer
from rich.table import Column, Table

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_of
from cortical_attention.inputs.suite import cases as suite_cases
from cortical_attention.readout.agreement import query_identification, relative_l2, relative_l2_by_design
from cortical_attention.readout.formats import number, per_cent, whole_per_cent
from cortical_attention.readout.statistics import slope_of_log_log
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.simulation.settle import window_values
from cortical_attention.trials.batch import Prediction, ask, ask_in_turn
from cortical_attention.trials.comparison import reference_of

# Parameters
CELLS, SECONDS = (2, 8, 32), (0.5, 1.0, 2.0, 4.0)
TICKS = 0.01, 0.02, 0.05, 0.1, 0.2
N_NOISE = 4  # answers to each input
LARGEST = 0.05  # at 32 cells and 2 s, scales 1 and 2


# Protocol
def options_of(cells, target, seed):
    """Options of the adaptive form with a number of cells per value."""
    return o.check(form="adaptive", cells=cells, duration=SECONDS[-1], target=target, seed=seed, record="sample")


def rows_of(case, cells, answer, form):
    """Error of answers that differ by their noise, read over each time: root mean square, what they share, and the rest."""
    every, reference = answer.plan.protocol.windows, reference_of(case, "elu+1").attention.output
    rows = []
    for seconds in SECONDS:
        first = every[:, : round(every.shape[1] * seconds / SECONDS[-1])]
        outputs = answer.plan.read(answer.plan.output, window_values(answer.run, form, first))
        error = float(np.sqrt(np.mean([relative_l2(each, reference) ** 2 for each in outputs])))
        shared = relative_l2_by_design(outputs, reference)
        identified = float(np.mean([query_identification(each, reference) for each in outputs]))
        measures = {"relative_l2": error, "by_design": shared, "by_noise": float(np.sqrt(max(error**2 - shared**2, 0)))}
        rows.append(
            {"case": case.name, "cells": cells, "seconds": seconds, **measures, "query_identification": identified}
        )
    return rows


# Reference
def medians(rows, name, figure="relative_l2"):
    """Median error, or a part of it, over the cases at the most of the other quantity, by cells or by seconds."""
    other, most = ("seconds", SECONDS[-1]) if name == "cells" else ("cells", CELLS[-1])
    own = [row for row in rows if row[other] == most]
    levels = sorted({row[name] for row in own})
    return {level: float(np.median([row[figure] for row in own if row[name] == level])) for level in levels}


def judge(rows):
    """The predictions."""
    if {row["cells"] for row in rows} != set(CELLS):
        return []
    found = []
    for figure, words in (("relative_l2", "slope"), ("by_noise", "without what is by design, slope")):
        for name in ("cells", "seconds"):
            slope = slope_of_log_log(*zip(*medians(rows, name, figure).items(), strict=True))
            said = f"{words} against {name}: -0.5, within 0.15"
            found.append(Prediction(said, number(slope), abs(slope + 0.5) <= 0.15))
    easy = [
        row["relative_l2"] for row in rows
        if (row["cells"], row["seconds"]) == (32, 2.0) and not row["case"].endswith("scale3")
    ]  # fmt: skip
    said = f"32 cells, 2 s, scales 1 and 2: at most {per_cent(LARGEST)}"
    return [*found, Prediction(said, per_cent(max(easy)), max(easy) <= LARGEST)]


# Figure
def draw(rows):
    """Error against time, a line for each case and number of cells."""
    names = list(dict.fromkeys(row["case"] for row in rows))
    with style():
        figure = new_figure(4.2, width=10.0)
        for panel, case in zip(figure.subplots(1, len(names), sharey=True, squeeze=False)[0], names, strict=True):
            for k, cells in enumerate(CELLS):
                own = [row for row in rows if (row["case"], row["cells"]) == (case, cells)]
                errors, look = [row["relative_l2"] for row in own], {"color": CYCLE[k], "marker": MARKERS[k]}
                panel.plot([row["seconds"] for row in own], errors, label=f"{cells} cells per value", **look)
            falling = 0.06 * (np.array(SECONDS) / SECONDS[0]) ** -0.5
            panel.plot(SECONDS, falling, ":", color="#777777", label="1 / sqrt(T)")
            panel.set(xscale="log", yscale="log", xlabel="measured time (s)", title=case)
            panel.set_xticks(SECONDS, [f"{each:g}" for each in SECONDS], minor=False)
            panel.minorticks_off()
            panel.set_yticks(TICKS, [per_cent(each) for each in TICKS])
        figure.axes[0].set_ylabel("relative L2 error")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _table(rows):
    columns = (f"{each:g} s" for each in SECONDS)
    table = Table(
        Column("case", no_wrap=True),
        "cells",
        *columns,
        title="relative L2 of adaptive cells / by design / queries identified",
    )
    for case, cells in dict.fromkeys((row["case"], row["cells"]) for row in rows):
        own = [row for row in rows if (row["case"], row["cells"]) == (case, cells)]
        parts = (
            (per_cent(row["relative_l2"]), per_cent(row["by_design"]), whole_per_cent(row["query_identification"]))
            for row in own
        )
        table.add_row(case, str(cells), *map(" / ".join, parts))
    return table


@with_output
def main(
    target: Annotated[
        str, typer.Option(help="Code generation of Brian2: auto (by estimated time), numpy, cython or cpp.")
    ] = "auto",
    seed: o.InputSeed = 0,
    *,
    output: Output,
):
    """Average adaptive cells over cells and time."""
    cases = [case for case in suite_cases() if case.name.startswith("self_n4")]
    options = {cells: options_of(cells, target, seed) for cells in CELLS}
    output.check()
    jobs = {(case.name, cells): (case, cells) for case in cases for cells in CELLS}
    runs = {
        f"{name}, {cells} cells": lambda report, case=case, cells=cells: ask([case] * N_NOISE, options[cells], report)
        for (name, cells), (case, _) in jobs.items()
    }
    with output.progress(f"{len(runs)} circuits") as report:
        swept = ask_in_turn(runs, report)
    rows = []
    for label, (case, cells) in zip(runs, jobs.values(), strict=True):
        if label in swept.done:
            rows += rows_of(case, cells, swept.done[label], options[cells].settings.form)
    given = {"target": target, "seed": seed}
    folder, result = output.folder("averaging", given), swept.result(rows)
    content = output.provenance(given, {"phases": seed, "noise": seed})
    figure = draw(rows) if rows else None
    output.report("averaging", folder, result, figure, content, _table(rows), judge(rows))
    return status_of(swept, [])


if __name__ == "__main__":
    script(main)
