"""Softmax attention in cells that neither multiply nor have an exponential.

Question: what is left of softmax attention where the product of key and query in L2/3, and the product of value and
exponential tuft in L5 IT, are spikes of two-compartment cells with a calcium plateau, calibrated on other sequences and then
frozen? Which of the two costs more, and do cells that only sum their inputs serve as well?

Prediction: written after four runs of one block of the suite (19 and 22 per cent at scale 1, 37 per cent at scale 2) and
before any run of this file, whose blocks and inputs are others. With two compartments in L2/3 and L5 IT the mean error is
below half of the mean best null at scale 1 and below two thirds of it at scale 2; more than 70 per cent of the queries are
identified at both. Of the two cell types, L5 IT causes the larger error. In the place of both, cells that sum are off by
more than 1.5 times as much at scale 1, and so are they in the place of L5 IT alone.

Circuits: the wiring `softmax_quadrants`. "By rule" are adaptive cells that multiply, and exponential tufts; "two
compartments" are in the cell types that are named, and all others are adaptive. Cells that sum have one compartment, and are
calibrated in the same way.

Reference: `reference.softmax_attention`; intervals are Student's t over blocks.

Run time: nine minutes.
"""

from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
import typer
from rich.table import Column, Table

from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.biophysical import BIOPHYSICAL, biophysical
from cortical_attention.cells.membranes.two_compartment import Summing
from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_by
from cortical_attention.readout.agreement import query_identification, relative_l2
from cortical_attention.readout.formats import per_cent, whole_per_cent
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.ablations import only
from cortical_attention.trials.batch import Prediction, ask, collected, side_by_side
from cortical_attention.trials.comparison import best_null, reference_for
from cortical_attention.trials.protocol import PROTOCOL

# Parameters
RULE, BOTH, L2_3, L5 = "by rule", "two compartments in both", "two compartments in L2/3", "two compartments in L5 IT"
SUM_BOTH, SUM_L5 = "cells that sum in both", "cells that sum in L5 IT"
FORMS = {
    RULE: ADAPTIVE._replace(dt=BIOPHYSICAL.dt),
    L2_3: only("superficial"),
    L5: only("intratelencephalic", "tufted intratelencephalic"),
    BOTH: BIOPHYSICAL,
    SUM_L5: biophysical(of_values=(Summing(), "total")),
    SUM_BOTH: biophysical("total", Summing()),
}
SCALES, FIRST_SEED = (1.0, 2.0), 71
N_TOKEN, WIDTHS = 4, {"n_head": 2, "d_model": 16, "d_key": 8, "d_value": 8}
SHARE = {1.0: 1 / 2, 2.0: 2 / 3}  # of the best null, at most
IDENTIFIED, WORSE = 0.7, 1.5
CONTRASTS = (L2_3, L5), (SUM_L5, BOTH), (SUM_BOTH, BOTH)


class Job(NamedTuple):
    """One network: its cells, the scale of its weights, and their seed."""

    cells: str
    scale: float
    weights: int

    @property
    def name(self):
        """All of it in words."""
        return f"{self.cells}, scale {self.scale:g}, weights {self.weights}"


# Protocol
def measure(job, n_input, cells, given, report=None):
    """Errors of one network (list of dict, one an input)."""
    cases = side_by_side(job.weights, n_input, N_TOKEN, scale=job.scale, **WIDTHS)
    options = o.check(wiring="softmax_quadrants", form=FORMS[job.cells], cells=cells, record="sample", **given)
    answer = ask(cases, options, report)
    if answer.run.interrupted:
        raise KeyboardInterrupt
    return [_row(job, k, answer, reference_for(case, options)) for k, case in enumerate(cases)]


def _row(job, k, answer, reference):
    right = reference.attention
    return {
        **job._asdict(), "input": k, "relative_l2": relative_l2(answer.output[k], right.output),
        "attention_relative_l2": relative_l2(answer.attention[k], right.kappa), "best_null": best_null(reference),
        "query_identification": query_identification(answer.output[k], right.output),
        "settled": bool(answer.settled.settled[k]), "reason": str(answer.settled.reason[k]),
    }  # fmt: skip


def summaries(rows):
    """Means over blocks and inputs by cells and scale, with an interval of the error (list of dict)."""
    found = []
    for cells, scale in dict.fromkeys((row["cells"], row["scale"]) for row in rows):
        own = [row for row in rows if (row["cells"], row["scale"]) == (cells, scale)]
        errors, blocks = [row["relative_l2"] for row in own], [row["weights"] for row in own]
        names = "relative_l2", "attention_relative_l2", "best_null", "query_identification"
        means = {name: float(np.mean([row[name] for row in own])) for name in names}
        interval = cluster_interval(errors, blocks, **PROTOCOL["intervals"])
        found.append(
            {"cells": cells, "scale": scale, **means, "interval": interval, "settled": sum(row["settled"] for row in own),
             "inputs": len(own)}
        )  # fmt: skip
    return found


def contrasts(rows):
    """Ratios of the errors of two kinds of cells on the same inputs, with an interval over blocks (list of dict)."""
    errors, found = {}, []
    for row in rows:
        errors.setdefault((row["cells"], row["scale"]), {})[row["weights"], row["input"]] = row["relative_l2"]
    for over, under in CONTRASTS:
        for scale in dict.fromkeys(row["scale"] for row in rows):
            above, below = errors.get((over, scale), {}), errors.get((under, scale), {})
            both = sorted(above.keys() & below.keys())
            if both:
                logs = np.log([above[each] / below[each] for each in both])
                interval = cluster_interval(logs, [block for block, _ in both], **PROTOCOL["intervals"])
                ends = None if interval is None else np.exp(interval).tolist()
                found.append({"over": over, "under": under, "scale": scale, "ratio": float(np.exp(logs.mean())),
                              "interval": ends})  # fmt: skip
    return found


# Reference
def judge(means):
    """The predictions, of the networks that ran."""
    found, by = [], {(each["cells"], each["scale"]): each for each in means}
    for scale, most in SHARE.items():
        both = by.get((BOTH, scale))
        if both:
            share, known = both["relative_l2"] / both["best_null"], both["query_identification"]
            said = f"scale {scale:g}, {BOTH}: at most {whole_per_cent(most)} of the best null"
            found.append(Prediction(said, whole_per_cent(share), share <= most))
            said = f"scale {scale:g}, {BOTH}: more than {whole_per_cent(IDENTIFIED)} of the queries identified"
            found.append(Prediction(said, whole_per_cent(known), known > IDENTIFIED))
        if {(L2_3, scale), (L5, scale)} <= by.keys():
            off = [by[cells, scale]["relative_l2"] for cells in (L2_3, L5)]
            said = f"scale {scale:g}: L5 IT causes the larger error"
            found.append(Prediction(said, " and ".join(map(per_cent, off)), off[1] > off[0]))
    for cells in (SUM_BOTH, SUM_L5):
        if {(cells, 1.0), (BOTH, 1.0)} <= by.keys():
            ratio = by[cells, 1.0]["relative_l2"] / by[BOTH, 1.0]["relative_l2"]
            said = f"scale 1, {cells}: off by more than {WORSE:g} times as much as two compartments"
            found.append(Prediction(said, f"{ratio:.2f} times", ratio > WORSE))
    return found


# Figure
def draw(rows):
    """Error of each input as a share of its best null, a row for each kind of cells, a mark for each scale."""
    kinds, scales = ([*dict.fromkeys(row[name] for row in rows)] for name in ("cells", "scale"))
    with style():
        figure = new_figure(1.4 + 0.4 * len(kinds), width=7.0)
        panel = figure.subplots()
        for k, scale in enumerate(scales):
            own = [row for row in rows if row["scale"] == scale]
            places = [kinds.index(row["cells"]) + 0.2 * (k - (len(scales) - 1) / 2) for row in own]
            shares = [100 * row["relative_l2"] / row["best_null"] for row in own]
            panel.plot(
                shares, places, linestyle="", color=CYCLE[k], marker=MARKERS[k], alpha=0.7, label=f"scale {scale:g}"
            )
        panel.axvline(100, color="#777777", linestyle="--", label="best null")
        panel.set(xlabel="relative L2 error / that of the best null (%)", xlim=(0, None))
        panel.set_yticks(range(len(kinds)), kinds)
        panel.invert_yaxis()
        figure.legend(*panel.get_legend_handles_labels(), loc="outside upper center", ncols=len(scales) + 1)
    return figure


def _table(means):
    heads = "cells", "scale", "relative L2", "95 %", "attention", "best null", "queries", "settled"
    table = Table(
        *(Column(name, no_wrap=True) for name in heads), title="softmax attention, means over blocks and inputs"
    )
    for each in means:
        ends = " to ".join(per_cent(end) for end in each["interval"]) if each["interval"] else "-"
        table.add_row(
            each["cells"], f"{each['scale']:g}", per_cent(each["relative_l2"]), ends,
            per_cent(each["attention_relative_l2"]), per_cent(each["best_null"]),
            whole_per_cent(each["query_identification"]), f"{each['settled']}/{each['inputs']}",
        )  # fmt: skip
    return table


def _said(contrast):
    """A ratio in words (str)."""
    ends = "" if contrast["interval"] is None else " ({:.2f} to {:.2f})".format(*contrast["interval"])
    return "scale {scale:g}: {over} over {under}: {ratio:.2f}".format(**contrast) + ends


@with_output
def main(
    kinds: Annotated[
        str, typer.Option("--kinds", help=f"Kinds of cells, comma-separated: {','.join(FORMS)}.", show_default="all")
    ] = ",".join(FORMS),
    cells: Annotated[int, typer.Option(help="Cells per value.")] = 40,
    weights: Annotated[int, typer.Option(help="Number of random blocks at each scale.")] = 4,
    inputs: Annotated[int, typer.Option(help="Sequences that each block is shown.")] = 2,
    target: o.Target = "auto",
    seed: Annotated[int, typer.Option(help="Seed of initial membrane states and of noise.")] = 0,
    *,
    output: Output,
):
    """Measure softmax attention in cells that neither multiply nor have an exponential."""
    o.within("--weights", weights, 1, 1000)
    o.within("--inputs", inputs, 1, 1000)
    chosen, given = o.some_of("--kinds", kinds, tuple(FORMS)), {"target": target, "seed": seed}
    o.check(cells=cells, **given)
    output.check()
    seeds = range(FIRST_SEED, FIRST_SEED + weights)
    jobs = [Job(kind, scale, k) for kind in chosen for scale in SCALES for k in seeds]
    with output.progress(f"{len(jobs)} circuits") as report:
        swept = collected([(job, partial(measure, job, inputs, cells, given)) for job in jobs], report)
    rows = [row for each in swept.done.values() for row in each]
    means = summaries(rows)
    parameters = {"kinds": kinds, "cells": cells, "weights": weights, "inputs": inputs, **given}
    folder, content = output.folder("softmax_biophysical", parameters), output.provenance(parameters, {"first": seed})
    ratios, figure = contrasts(rows), draw(rows) if rows else None
    result = swept.result(rows, means=means, contrasts=ratios)
    for each in ratios:
        output.console.print(_said(each), highlight=False)
    output.report("softmax_biophysical", folder, result, figure, content, _table(means), judge(means))
    return status_by([row["settled"] for row in rows], swept.interrupted, swept.failed)


if __name__ == "__main__":
    script(main)
