"""Does the error of spiking cells average out over cells and time?

Question: how does the error of the adaptive form, or of idealised spikes, decrease with the number P of cells per value,
and with the measured time T, in the mask or the memory wiring?

Prediction for adaptive cells: written before any run. The error is noise and falls as 1 / sqrt(P T), with a slope of
-1/2 in each, until the part that does not average out (saturation, the effect of noise on products) dominates; with 32
cells and 2 s it is at most 5 per cent on each input of scale 1 and 2. Slopes within 0.15 of -1/2 confirm the prediction.
Added after these slopes had been missed, before the run with several noises: what is left of the error without the part
that four answers with independent noise share (*by design*) falls with these slopes.
Prediction for idealised spikes, written before their first run: four answers start from membranes of their own. What they
do not share is one spike more or less in each count, and falls with a slope of -1 against time and of -1/2 against cells,
to 0.15, in both wirings; with 4 cells and 2 s the error is at most 0.6 per cent at scales 1 and 2. The error of both
together is not said to fall so: the part by design does not.
Added after the slope against time had been missed in the memory wiring (-0.54), before the run with long writing: what is
written of a token is as wrong as the spikes of the quarter of a second in which it is written, however long the memory is
then read. With one cell, and a second of writing for each token, what is not by design after 4 s is at most half of that.

Reference: `reference.linear_attention` on the inputs with 4 tokens of `inputs.suite`.

Run time: one to six minutes.
"""

from typing import Annotated

import numpy as np
import typer
from brian2 import second
from rich.table import Column, Table

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_of
from cortical_attention.inputs.suite import cases as suite_cases
from cortical_attention.readout.agreement import query_identification, relative_l2, relative_l2_by_design
from cortical_attention.readout.formats import number, per_cent, whole_per_cent
from cortical_attention.readout.statistics import slope_of_log_log
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.simulation.settings import WRITE
from cortical_attention.simulation.settle import window_values
from cortical_attention.trials.batch import Prediction, ask, ask_in_turn
from cortical_attention.trials.comparison import reference_of

# Parameters
CELLS, SECONDS = {"adaptive": (2, 8, 32), "spiking": (1, 4, 16)}, (0.5, 1.0, 2.0, 4.0)
TICKS = 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2
WIRINGS = "mask", "memory"
SHORT, LONG = float(WRITE / second), 1.0  # s of writing
N_NOISE = 4  # answers to each input
SLOPES = {"adaptive": {"cells": -0.5, "seconds": -0.5}, "spiking": {"cells": -0.5, "seconds": -1.0}}
WITHIN = 0.15
LARGEST = {"adaptive": (32, 0.05), "spiking": (4, 0.006)}  # cells, and the error with them in 2 s at scales 1 and 2


# Protocol
def options_of(cells, write, **given):
    """Options of a circuit with a number of cells per value and a time of writing (s)."""
    options = o.check(cells=cells, duration=SECONDS[-1], record="sample", **given)
    return options._replace(settings=options.settings._replace(write=write * second))


def circuits(form, wiring):
    """Cells per value and times of writing of the circuits (list of tuple)."""
    long = [(CELLS[form][0], LONG)] if (form, wiring) == ("spiking", "memory") else []
    return [*((cells, SHORT) for cells in CELLS[form]), *long]


def readable(write):
    """Measured times that end with a phase; of long writing phases are as long."""
    return [seconds for seconds in SECONDS if seconds >= write]


def rows_of(case, cells, write, answer, form):
    """Error of answers that differ by their noise, read over each time: root mean square, what they share, and the rest."""
    every, reference = answer.plan.protocol.windows, reference_of(case, "elu+1").attention.output
    rows = []
    for seconds in readable(write):
        first = every[:, : round(every.shape[1] * seconds / SECONDS[-1])]
        outputs = answer.plan.read(answer.plan.output, window_values(answer.run, form, first))
        error = float(np.sqrt(np.mean([relative_l2(each, reference) ** 2 for each in outputs])))
        shared = relative_l2_by_design(outputs, reference)
        identified = float(np.mean([query_identification(each, reference) for each in outputs]))
        measures = {"relative_l2": error, "by_design": shared, "by_noise": float(np.sqrt(max(error**2 - shared**2, 0)))}
        rows.append(
            {
                "case": case.name,
                "cells": cells,
                "write": write,
                "seconds": seconds,
                **measures,
                "query_identification": identified,
            }
        )
    return rows


# Reference
def medians(rows, name, figure="relative_l2"):
    """Median error, or a part of it, over the cases at the most of the other quantity, by cells or by seconds."""
    other, most = ("seconds", SECONDS[-1]) if name == "cells" else ("cells", max(row["cells"] for row in rows))
    own = [row for row in rows if row[other] == most]
    levels = sorted({row[name] for row in own})
    return {level: float(np.median([row[figure] for row in own if row[name] == level])) for level in levels}


def judge(rows, form):
    """The predictions of a form."""
    every, rows = rows, [row for row in rows if row["write"] == SHORT]
    if {row["cells"] for row in rows} != set(CELLS[form]):
        return []
    found = [_slope(rows, "relative_l2", "slope", *each) for each in SLOPES[form].items()] * (form == "adaptive")
    found += [_slope(rows, "by_noise", "without what is by design, slope", *each) for each in SLOPES[form].items()]
    cells, largest = LARGEST[form]
    easy = [
        row["relative_l2"] for row in rows
        if (row["cells"], row["seconds"]) == (cells, 2.0) and not row["case"].endswith("scale3")
    ]  # fmt: skip
    said = f"{cells} cells, 2 s, scales 1 and 2: at most {per_cent(largest)}"
    found.append(Prediction(said, per_cent(max(easy)), max(easy) <= largest))
    return [*found, *_of_writing(every)]


def _of_writing(rows):
    """The prediction of long writing, where there is any: about the median of the ratios of the inputs."""
    last = [row for row in rows if (row["seconds"], row["cells"]) == (SECONDS[-1], CELLS["spiking"][0])]
    short, long = ({row["case"]: row["by_noise"] for row in last if row["write"] == write} for write in (SHORT, LONG))
    ratios = [long[case] / short[case] for case in long if short.get(case)]
    if not ratios:
        return []
    times = f"after {SECONDS[-1]:g} s with {LONG:g} s of writing over that with {SHORT:g} s"
    said = f"not by design {times}: a median of at most 0.5"
    shown = ", ".join(number(each, 2) for each in ratios)
    return [Prediction(said, f"{number(np.median(ratios))} ({shown})", bool(np.median(ratios) <= 0.5))]


def _slope(rows, figure, words, name, expected):
    slope = slope_of_log_log(*zip(*medians(rows, name, figure).items(), strict=True))
    said = f"{words} against {name}: {expected:g}, within {WITHIN:g}"
    return Prediction(said, number(slope), abs(slope - expected) <= WITHIN)


# Figure
def draw(rows, form):
    """Error against time, a line for each case and number of cells."""
    names, expected = list(dict.fromkeys(row["case"] for row in rows)), SLOPES[form]["seconds"]
    every = [row["relative_l2"] for row in rows]
    frame = 0.8 * min(every), 1.3 * max(every)
    inside = [each for each in TICKS if frame[0] <= each <= frame[1]]
    with style():
        figure = new_figure(4.2, width=10.0)
        for panel, case in zip(figure.subplots(1, len(names), sharey=True, squeeze=False)[0], names, strict=True):
            for k, cells in enumerate(CELLS[form]):
                own = [row for row in rows if (row["case"], row["cells"], row["write"]) == (case, cells, SHORT)]
                errors, look = [row["relative_l2"] for row in own], {"color": CYCLE[k], "marker": MARKERS[k]}
                panel.plot(
                    [row["seconds"] for row in own],
                    errors,
                    label=f"{cells} {'cell' if cells == 1 else 'cells'} per value",
                    **look,
                )
            long = [row for row in rows if (row["case"], row["write"]) == (case, LONG)]
            if long:
                shown = [row["seconds"] for row in long], [row["relative_l2"] for row in long]
                label = f"{long[0]['cells']} cell, {LONG:g} s of writing"
                panel.plot(*shown, "--", label=label, color=CYCLE[0], marker=MARKERS[0], fillstyle="none")
            falling = max(errors) * (np.array(SECONDS) / SECONDS[0]) ** expected
            panel.plot(SECONDS, falling, ":", color="#777777", label="1 / T" if expected == -1 else "1 / sqrt(T)")
            panel.set(xscale="log", yscale="log", ylim=frame, xlabel="measured time (s)", title=case)
            panel.set_xticks(SECONDS, [f"{each:g}" for each in SECONDS], minor=False)
            panel.minorticks_off()
            panel.set_yticks(inside, [f"{100 * each:g} %" for each in inside])
        figure.axes[0].set_ylabel("relative L2 error")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return figure


def _table(rows, form, wiring):
    columns = (f"{each:g} s" for each in SECONDS)
    table = Table(
        Column("case", no_wrap=True),
        "cells",
        *["writing"] * (wiring == "memory"),
        *columns,
        title=f"relative L2 of {form} cells, {wiring} wiring / by design / queries identified",
    )
    for case, cells, write in dict.fromkeys((row["case"], row["cells"], row["write"]) for row in rows):
        own = [row for row in rows if (row["case"], row["cells"], row["write"]) == (case, cells, write)]
        parts = [["-"]] * (len(SECONDS) - len(own)) + [
            (per_cent(row["relative_l2"]), per_cent(row["by_design"]), whole_per_cent(row["query_identification"]))
            for row in own
        ]
        table.add_row(case, str(cells), *[f"{write:g} s"] * (wiring == "memory"), *map(" / ".join, parts))
    return table


@with_output
def main(
    form: Annotated[str, typer.Option(help=f"Form of the cells: {', '.join(CELLS)}.")] = "adaptive",
    wiring: Annotated[str, typer.Option(help="Wiring of the circuit: mask or memory.")] = "mask",
    target: Annotated[
        str, typer.Option(help="Code generation of Brian2: auto (by estimated time), numpy, cython or cpp.")
    ] = "auto",
    seed: o.InputSeed = 0,
    *,
    output: Output,
):
    """Average cells with spikes over cells and time."""
    o.one_of("--form", form, tuple(CELLS))
    o.one_of("--wiring", wiring, WIRINGS)
    cases = [case for case in suite_cases() if case.name.startswith("self_n4")]
    given = {"form": form, "wiring": wiring, "target": target, "seed": seed}
    options = {each: options_of(*each, **given) for each in circuits(form, wiring)}
    output.check()
    jobs = {
        f"{case.name}, {each[0]} cells, {each[1]:g} s of writing": (case, each) for case in cases for each in options
    }
    runs = {
        label: lambda report, case=case, each=each: ask([case] * N_NOISE, options[each], report)
        for label, (case, each) in jobs.items()
    }
    with output.progress(f"{len(runs)} circuits") as report:
        swept = ask_in_turn(runs, report)
    rows = []
    for label, answer in swept.done.items():
        case, each = jobs[label]
        rows += rows_of(case, *each, answer, options[each].settings.form)
    folder, result = output.folder("averaging", given), swept.result(rows)
    content = output.provenance(given, {"phases": seed, "noise": seed})
    figure = draw(rows, form) if rows else None
    output.report("averaging", folder, result, figure, content, _table(rows, form, wiring), judge(rows, form))
    return status_of(swept, [])


if __name__ == "__main__":
    script(main)
