"""What a circuit does by rule, taken away one at a time and all together, and what refitting its read-out brings back.

Question: what does a frozen circuit lose without each thing that it does by rule, and how much comes back if W_O is refitted
through its cells? By rule are, in adaptive and biophysical circuits, inhibition that divides what terminals release, an
interneuron that integrates without leak, an inverse f-I table, a facilitating synapse with constants of this project, and
equal copies with all their synapses.

Prediction: written before the runs. *Adaptive* (8 cells per value): affine currents at least double the median error, and
so does the leaky, noisy interneuron. Disorder of 30 % averages as one over the root of the cells (slope -0.5, within 0.2)
and at 40 cells adds at most 9 % in quadrature; measured probabilities of synapses, at 40 cells, leave a median below 25 %.
Refitting brings back at least half of the squared error by design of affine currents, while the null that ignores the query
keeps two thirds of its error or more; all together, refitted, the circuit is nearer to attention than that null.
*Biophysical* (40 cells, 4 s): a conductance of the soma, and of the dendrite, each have at least 1.5 times the error of
division at the terminals, and so has the published synapse. Refitting brings back at least half of the squared error by
design of the intact circuit. Written later, after 1.4 times on three inputs of the suite and before a run of this
experiment: point cells without dendrites in L2/3 and L5 IT have at least 1.2 times the median error; in L5 IT alone they
have a smaller one. Later still, and before their run, of the opposite of a crutch, adaptive cells that multiply by rule in
place of two compartments: in L2/3 alone they have at most 0.8 times the median error of the intact circuit, in L5 IT alone
at most 0.95 times, since point cells there left as much. All of these have been seen on two weight sets, before the run
with five that stands in the documents. Written before any run: with currents of L2/3 cells that are fitted to products, as
they are where a conductance or a leaky interneuron divides, the intact circuit has at least 1.15 times its median error.

Reference: `reference.linear_attention`, on weight sets and held-out sequences of the design of the ladder, 4 tokens, scale 2
(`trials.design`), each answered twice with independent noise. Every circuit is calibrated on calibration sequences alone.
Refitting uses the algebra as a teacher of weights: W_O and a bias are regressed (ridge, towards the wired W_O) on what L5 PT
cells held while the frozen circuit saw those same calibration sequences, with the penalty chosen among them
(`trials.refit`); applied to what L5 PT cells hold of the held-out sequences, they give the refitted answer, without
the cells of the higher-order nucleus. What refitting brings back is measured against the wired weights, applied in the same
place ("outside"). Disorder is drawn anew for every weight set; intervals are over weight sets. The row "together" has all
that go together: division stays at the terminals there, since a leaky interneuron is fitted to Z, which a conductance is
not; adaptive cells have no conductance that divides.

Run time: an hour for both forms on two cores.
"""

from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Column, Table

from cortical_attention.command import options as o
from cortical_attention.command.heads import executor_of
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_by
from cortical_attention.readout.formats import number, per_cent
from cortical_attention.readout.statistics import cluster_interval, slope_of_log_log
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.batch import Prediction, collected
from cortical_attention.trials.crutches import (
    AFFINE,
    AVERAGED,
    DENDRITE,
    INTACT,
    LEAKY,
    MISSING,
    NULL,
    POINT_CELLS,
    POINT_IT,
    PRODUCTS,
    RULE_IT,
    RULE_SUPERFICIAL,
    SOMA,
    SYNAPSE,
    TOGETHER,
    VARIANTS,
    WORST,
    figures_of,
    hold,
    name_of,
    null_of,
)
from cortical_attention.trials.design import drawn
from cortical_attention.trials.protocol import PROTOCOL

# Parameters
N_TOKEN, SCALE, N_NOISE = 4, 2, 2
TICKS = 2, 5, 10, 20, 50, 100  # per cent
CELLS = {form: PROTOCOL[form]["cells"] for form in VARIANTS}
DURATION = {form: PROTOCOL[form].get("duration", 2.0) for form in VARIANTS}  # s
AT_LEAST = dict.fromkeys((SOMA, DENDRITE, SYNAPSE), 1.5) | {POINT_CELLS: 1.2, PRODUCTS: 1.15}
READINGS = "wired", "outside", "refitted"
DRAWN = {"wired": "as wired", "refitted": "W_O refitted on calibration sequences"}


class Job(NamedTuple):
    """One network: a row of a form, and a weight set; without cells, the null."""

    form: str
    row: str
    weights: int

    @property
    def name(self):
        """All of it in words."""
        return f"{self.form}, {self.row}, weights {self.weights}"


# Protocol
def jobs(forms, n_weights, rows=None):
    """Every network, and the null of every weight set; `rows` chooses some (None: all)."""
    names = {form: [NULL, *VARIANTS[form]] for form in forms}
    return [
        Job(form, row, k) for form in forms for row in names[form] if rows is None or row in rows for k in range(n_weights)
    ]  # fmt: skip


def options_of(job, given):
    """Options of a network; the null has those of the intact circuit."""
    variant = VARIANTS[job.form][INTACT if job.row == NULL else job.row]
    size = {"cells": CELLS[job.form], "duration": DURATION[job.form]}
    options = o.check(form=job.form, normaliser=variant.normaliser, record="sample", **size, **given)
    return options._replace(settings=options.settings._replace(form=variant.form))


def row_of(job, given, n_sequence, report=None):
    """Figures of one network (dict)."""
    cases, options = drawn(N_TOKEN, SCALE, job.weights, n_sequence).cases, options_of(job, given)
    if job.row == NULL:
        return {**job._asdict(), **null_of(cases, options)}
    seed = options.settings.seed, job.weights
    held = hold(cases, VARIANTS[job.form][job.row], options, N_NOISE, seed, report)
    return {**job._asdict(), **figures_of(cases, held, options)}


def run(every, given, n_sequence, report=None, executor=None):
    """Let the networks answer.

    Returns
    -------
    rows : list of dict
    failed : dict of str to str
        Why a simulation failed, by the name of its job.
    interrupted : bool
    """
    asked = [(job, partial(row_of, job, given, n_sequence)) for job in every]
    done, failed, interrupted = collected(asked, report, executor)
    return [done[job] for job in every if job in done], failed, interrupted


# Reference
def summarise(rows):
    """Summary of each row of a form over weight sets, sequences and noises (list of dict)."""
    found = {}
    for row in rows:
        found.setdefault((row["form"], row["row"]), []).append(row)
    return [_summary(*key, own, found.get((key[0], INTACT))) for key, own in found.items()]


def _summary(form, name, rows, intact):
    """Summary of one row of a form."""
    return {
        "form": form,
        "row": name,
        **{reading: _figures([row[reading] for row in rows]) for reading in READINGS},
        **_times(rows, intact),
        "penalties": [row["penalty"] for row in rows],
        **{each: sum(row[each] for row in rows) for each in ("settled", "answers")},
        "beyond": max(row["beyond"] for row in rows),
    }


def _figures(rows):
    """Figures of a reading over weight sets."""
    by_design = np.concatenate([row["by_design"] for row in rows])
    return {
        "relative_l2": float(np.median([row["relative_l2"] for row in rows])),
        "by_design": float(np.median(by_design)),
        "squared_by_design": float(np.mean(by_design**2)),
        "query_identification": float(np.mean([row["query_identification"] for row in rows])),
        "by_sequence": _by_sequence(rows).tolist(),
    }


def _by_sequence(rows):
    """Root mean square over noises of the error of every sequence of every weight set (n_sequence,)."""
    return np.concatenate([np.sqrt(np.mean(np.square(row["relative_l2"]), axis=0)) for row in rows])


def _times(rows, intact):
    """Error relative to the intact circuit on the same sequence: geometric means with intervals over weight sets.

    None without the intact circuit on the same weight sets.
    """
    if intact is None or [row["weights"] for row in rows] != [row["weights"] for row in intact]:
        return dict.fromkeys(("times", "times_interval"))
    ratio = np.log(_by_sequence([row["wired"] for row in rows]) / _by_sequence([row["wired"] for row in intact]))
    weights = np.repeat([row["weights"] for row in rows], ratio.size // len(rows))
    between = cluster_interval(ratio, weights, **PROTOCOL["intervals"])
    return {
        "times": float(np.exp(ratio.mean())), "times_interval": None if between is None else np.exp(between).tolist()
    }  # fmt: skip


def brought_back(summary):
    """Share of the squared error by design that refitting removes from what the wired weights make of L5 PT cells."""
    return 1 - summary["refitted"]["squared_by_design"] / summary["outside"]["squared_by_design"]


def added(summary, intact):
    """What a row adds to the median error of the intact circuit, in quadrature."""
    squares = [each["wired"]["relative_l2"] ** 2 for each in (summary, intact)]
    return float(np.sqrt(max(squares[0] - squares[1], 0.0)))


def judge(summaries):
    """The predictions, of those rows that are there."""
    adaptive, biophysical = (
        {each["row"]: each for each in summaries if each["form"] == form} for form in ("adaptive", "biophysical")
    )
    return [
        *_at_least(adaptive, "adaptive", dict.fromkeys((AFFINE, LEAKY), 2.0)),
        *_of_disorder(adaptive),
        *_of_refitting(adaptive),
        *_at_least(biophysical, "biophysical", AT_LEAST),
        *_nearer(biophysical, "biophysical", POINT_IT),
        *_at_most(biophysical, "biophysical", {RULE_SUPERFICIAL: 0.8, RULE_IT: 0.95}),
        *_half_back(biophysical, "biophysical", INTACT),
    ]


def _at_least(found, form, bounds):
    """That a row has so many times the median error of the intact circuit."""
    for name, bound, times in _ratios(found, bounds):
        said = f"{form}, {name}: at least {number(bound)} times the median error"
        yield Prediction(said, f"{times:.2f} times", times >= bound)


def _at_most(found, form, bounds):
    """That a row has no more than so many times the median error of the intact circuit."""
    for name, bound, times in _ratios(found, bounds):
        said = f"{form}, {name}: at most {number(bound)} times the median error"
        yield Prediction(said, f"{times:.2f} times", times <= bound)


def _ratios(found, bounds):
    """Rows that are there: name, bound, and median error over that of the intact circuit."""
    for name, bound in bounds.items():
        if {name, INTACT} <= found.keys():
            yield name, bound, found[name]["wired"]["relative_l2"] / found[INTACT]["wired"]["relative_l2"]


def _nearer(found, form, name):
    """That a row has a smaller median error than the intact circuit."""
    if {name, INTACT} <= found.keys():
        median, intact = (found[each]["wired"]["relative_l2"] for each in (name, INTACT))
        yield Prediction(
            f"{form}, {name}: a smaller median error", f"{per_cent(median)}, {per_cent(intact)}", median < intact
        )


def _of_disorder(found):
    """Averaging over cells, what is left at 40 cells, and measured probabilities."""
    names = [name_of(WORST[0], cells) for cells in AVERAGED]
    if {INTACT, *names} <= found.keys():
        more = [added(found[name], found[INTACT]) for name in names]
        slope = slope_of_log_log(AVERAGED, np.maximum(more, 1e-6))
        said = "adaptive, 30 % disorder: slope against cells -0.5, within 0.2"
        yield Prediction(said, number(slope), abs(slope + 0.5) < 0.2)
        said = f"adaptive, disorder of {names[-1]}: adds at most 9 % in quadrature"
        yield Prediction(said, per_cent(more[-1]), more[-1] <= 0.09)
    if MISSING in found:
        median = found[MISSING]["wired"]["relative_l2"]
        yield Prediction(f"adaptive, {MISSING}: a median below 25 %", per_cent(median), median < 0.25)


def _of_refitting(found):
    """What refitting brings back, and that it does not do so for a null."""
    yield from _half_back(found, "adaptive", AFFINE)
    if NULL not in found:
        return
    null = found[NULL]["refitted"]["relative_l2"]
    kept = null / found[NULL]["wired"]["relative_l2"]
    yield Prediction("the null keeps at least two thirds of its error", per_cent(kept), kept >= 2 / 3)
    if TOGETHER in found:
        median = found[TOGETHER]["refitted"]["relative_l2"]
        said = f"adaptive, {TOGETHER}, refitted: nearer than the refitted null"
        yield Prediction(said, f"{per_cent(median)}, {per_cent(null)}", median < null)


def _half_back(found, form, name):
    """That refitting brings back at least half of the squared error by design."""
    if name in found:
        share = brought_back(found[name])
        said = f"{form}, {name}: refitting brings back at least half of the squared error by design"
        yield Prediction(said, f"{100 * share:.1f} %", share >= 0.5)


# Figure
def draw(summaries):
    """Error of each row before and after refitting, a panel a form: medians, and every sequence as a dot."""
    forms = list(dict.fromkeys(each["form"] for each in summaries))
    longest = max(sum(each["form"] == form for each in summaries) for form in forms)
    with style():
        figure = new_figure(1.6 + 0.34 * longest, width=6.0 * len(forms) + 0.5)
        for panel, form in zip(figure.subplots(1, len(forms), squeeze=False)[0], forms, strict=True):
            own = [each for each in summaries if each["form"] == form]
            for k, reading in enumerate(DRAWN):
                _draw_reading(panel, own, reading, k)
            panel.set_yticks(range(len(own)), [each["row"] for each in own])
            panel.invert_yaxis()
            panel.set(xscale="log", xlabel="relative L2 error (%)", title=f"{form} cells, {CELLS[form]} per value")
            panel.set_xticks(TICKS, map(str, TICKS))
            panel.minorticks_off()
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _draw_reading(panel, own, reading, k):
    """Medians of one reading, their sequences, and the error by design."""
    look, rows = {"color": CYCLE[k]}, np.arange(len(own)) + 0.24 * k - 0.12
    for row, each in zip(rows, own, strict=True):
        errors = 100 * np.array(each[reading]["by_sequence"])
        panel.plot(errors, np.full(errors.size, row), linestyle="", marker=".", alpha=0.35, **look)
    medians = [100 * each[reading]["relative_l2"] for each in own]
    panel.plot(medians, rows, linestyle="", marker=MARKERS[k], label=f"{DRAWN[reading]}: median", **look)


def _tables(summaries, failed):
    """A table for each form, and a line for each network that failed."""
    forms = list(dict.fromkeys(each["form"] for each in summaries))
    lines = [f"failed: {name}: {reason}" for name, reason in failed.items()]
    return Group(*(_table(form, [each for each in summaries if each["form"] == form]) for form in forms), *lines)


def _table(form, summaries):
    """A line for each row of a form."""
    how = f"{form} cells, {CELLS[form]} per value, {DURATION[form]:g} s, frozen"
    heads = ("without", "wired", "times intact", "outside", "refitted", "settled", "beyond")
    table = Table(
        *(Column(each, no_wrap=True) for each in heads),
        title=f"{how}: median relative L2 / that by design / queries identified (%); spikes beyond a limit (%)",
        box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True,
    )  # fmt: skip
    for each in summaries:
        wired, outside, refitted = (_shown(each[reading]) for reading in READINGS)
        settled = f"{each['settled']}/{each['answers']}"
        table.add_row(each["row"], wired, _shown_times(each), outside, refitted, settled, f"{100 * each['beyond']:.1f}")
    return table


def _shown(figures):
    """Error, error by design, and queries identified, per cent."""
    errors = (number(100 * figures[name], 2) for name in ("relative_l2", "by_design"))
    return "/".join([*errors, f"{100 * figures['query_identification']:.0f}"])


def _shown_times(summary):
    """Times the error of the intact circuit, with the interval."""
    if summary["times"] is None:
        return "-"
    between = summary["times_interval"]
    return number(summary["times"], 2) + (f" ({' to '.join(number(each, 2) for each in between)})" if between else "")


@with_output
def main(
    form: Annotated[str, typer.Option(help=f"Forms of the cells, comma-separated: {','.join(VARIANTS)}.")] = "adaptive",
    weights: Annotated[int, typer.Option(help="Weight sets of the design, the first ones.")] = 5,
    sequences: Annotated[int, typer.Option(help="Held-out sequences of each weight set.")] = 4,
    workers: Annotated[
        int, typer.Option(help="Number of local processes that run circuits side by side; 0: this one alone.")
    ] = 0,
    target: o.Target = "auto",
    seed: Annotated[int, typer.Option(help="Seed of disorder, initial membrane states and noise.")] = 0,
    *,
    output: Output,
):
    """Take the crutches of a frozen circuit away, and refit its read-out."""
    given, forms = {"target": target, "seed": seed}, o.some_of("--form", form, tuple(VARIANTS))
    o.within("--weights", weights, 1, 1000)
    o.within("--sequences", sequences, 1, 1000)
    o.check(**given)
    output.check()
    every = jobs(forms, weights)
    with executor_of(workers) as executor, output.progress(f"{len(every)} circuits") as report:
        rows, failed, interrupted = run(every, given, sequences, report, executor)
    parameters = given | {"form": forms, "weights": weights, "sequences": sequences}
    summaries = summarise(rows)
    folder, content = output.folder("crutches", parameters), output.provenance(parameters, {"first": seed})
    result = {"summaries": summaries, "rows": rows, "failed": failed, "interrupted": interrupted}
    figure = draw(summaries) if summaries else None
    output.report("crutches", folder, result, figure, content, _tables(summaries, failed), judge(summaries))
    return status_by([each["settled"] == each["answers"] for each in summaries], interrupted, failed)


if __name__ == "__main__":
    script(main)
