"""Multihead attention, one cortical area per head; with --suite, the fixed suite of twelve inputs.

Question: do several areas between two thalamic nuclei compute multihead attention, in rates and in spikes, and how large
is the error if the attention of one head weighs the values of another?

Prediction: rate form: a relative L2 of at most 1e-6 on each input. Spiking form, unit rate 100 Hz, one cell per value,
two seconds: at most 1 per cent on each (the thresholds were 2.5, and 1 in the median), skill at least 0.8 on each and 0.9
in the median. Negative control, W_Q and W_K moved to the next head: the error of the same mistake in the algebra, to the
tolerances above.

Reference: Granier & Senn (2025), Algorithm 1; `reference.linear_attention` and its nulls, on `inputs.suite`.

Run time: twenty seconds; the suite one minute in the rate form, three in spikes.
"""

from typing import Annotated, NamedTuple

import numpy as np
import typer
from brian2 import second
from rich.table import Column, Table

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_of
from cortical_attention.inputs.suite import cases as suite_cases
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.readout.formats import number, per_cent, shares, whole_per_cent
from cortical_attention.readout.statistics import summary_of_known
from cortical_attention.trials.batch import Prediction, ask, ask_in_turn, run_json
from cortical_attention.trials.comparison import describe, reference_for
from cortical_attention.trials.pictures import NULLS_TITLE, dots, null_series, nulls_of
from cortical_attention.trials.results import content_of, open_folder

# Parameters
N_TOKEN, SCALE = 6, 2.0  # scale 2: attention far from uniform
HEADS = (1, 2, 3, 4)
IN_SPIKES = 0.01  # largest relative L2 in regular spikes, in the median
SHORT = 2 * second  # the shortest window from which it is asked of each
SKILL, MEDIAN_SKILL = 0.8, 0.9  # at least


class Bounds(NamedTuple):
    """Largest relative L2 of any input, and in the median; None where nothing is claimed."""

    each: float | None
    median: float | None


def bounds(options):
    """Threshold for a form and a window: the claim of the system, stricter for regular spikes; None without a claim."""
    form = options.settings.form
    claim = options.system.claims.get(form.name)
    if claim is None or not (form.spikes and form.regular):
        return Bounds(claim, claim)
    return Bounds(min(IN_SPIKES, claim) if options.settings.times().window >= SHORT else claim, min(IN_SPIKES, claim))


# Circuit
def handed_on(case):
    """The case with queries and keys of each head moved to the next head; values and outputs stay."""
    block = case.block
    return case._replace(block=block._replace(W_Q=np.roll(block.W_Q, 1, axis=0), W_K=np.roll(block.W_K, 1, axis=0)))


# Protocol
def inputs(seed, suite=False, heads=HEADS):
    """The suite, or one random case for each number of heads."""
    if suite:
        return list(suite_cases())
    return [random_case(seed, N_TOKEN, n_head=n, scale=SCALE, name=f"{n} head{'s' if n > 1 else ''}") for n in heads]


def run(cases, options, report=None, control=True):
    """Rows and Swept of circuits that answer the cases and, as a control, the cases with queries and keys handed on."""
    jobs = {}
    for case in cases:
        jobs[case.name] = _asker(case, options)
        if control and len(case.block.W_Q) > 1:
            jobs[_control(case)] = _asker(handed_on(case), options)
    swept = ask_in_turn(jobs, report)
    rows = [row(case, swept.done, options) for case in cases if case.name in swept.done]
    return rows, swept


def _control(case):
    return f"{case.name}, handed on"


def _asker(case, options):
    return lambda report: ask([case], options, report)


# Reference
def row(case, answers, options):
    """Answer to a case beside the algebra; the error of the control beside that of the same wrong algebra."""
    reference = reference_for(case, options)
    wrong = reference_for(handed_on(case), options).attention.output
    control = answers.get(_control(case))
    right = reference.attention.output
    return {
        "case": case.name,
        "handed_on_predicted_relative_l2": relative_l2(wrong, right) if len(case.block.W_Q) > 1 else None,
        "handed_on_relative_l2": None if control is None else relative_l2(control.output[0], right),
        **describe(answers[case.name], reference, options, case),
    }


def judge(rows, options):
    """Predictions for the form over all cases: claims of the system, if any, and skill over its nulls."""
    if not rows:
        return []
    found, bound = [], bounds(options)
    if bound.each is not None:
        error = summary_of_known([each["relative_l2"] for each in rows])
        found.append(_at_most("relative L2 on each", bound.each, error.highest))
        found.append(_at_most("median relative L2", bound.median, error.median))
    if options.system.nulls:
        skill = summary_of_known([each["skill"] for each in rows])
        if skill.median is not None:  # beside an exact null, an agreement has none
            found.append(_at_least("skill on each", SKILL, skill.lowest))
            found.append(_at_least("median skill", MEDIAN_SKILL, skill.median))
    pairs = [(each["handed_on_predicted_relative_l2"], each["handed_on_relative_l2"]) for each in rows]
    off = [abs(measured - predicted) for predicted, measured in pairs if measured is not None]
    if off and bound.each is not None:
        found.append(_at_most("control from the same wrong algebra", bound.each, max(off)))
    return found


def _at_most(what, bound, found):
    return Prediction(f"{what}: at most {per_cent(bound)}", per_cent(found), found <= bound)


def _at_least(what, bound, found):
    return Prediction(f"{what}: at least {bound}", number(found), found >= bound)


# Figure
def draw(rows, options):
    """Errors of the cases beside those of their nulls and of the control."""
    series = {"circuit": [each["relative_l2"] for each in rows], **null_series(rows)}
    series["kappa of another head"] = [each["handed_on_relative_l2"] for each in rows]
    return dots([each["case"] for each in rows], series, "relative L2 error", bounds(options).each)


def _table(rows, options):
    times = options.settings.times()
    table = Table(
        Column("case", no_wrap=True), "error", Column(NULLS_TITLE, min_width=11), "skill", "queries identified",
        "kappa of another head: algebra, circuit", "settled",
        title=f"{options.wiring} wiring, {options.settings.form.name} form: relative L2 after {float(times.window):g} s",
    )  # fmt: skip
    for each in rows:
        control = [each["handed_on_predicted_relative_l2"], each["handed_on_relative_l2"]]
        table.add_row(
            each["case"], per_cent(each["relative_l2"]), shares(nulls_of(each)), number(each["skill"]),
            whole_per_cent(each["query_identification"]),
            "-" if None in control else shares(control), "yes" if each["settled"] else "no",
        )  # fmt: skip
    return table


@with_output
def main(
    suite: Annotated[bool, typer.Option("--suite", help="Run the twelve inputs of inputs.suite.")] = False,
    control: Annotated[bool, typer.Option(help="Also simulate the negative control.")] = True,
    wiring: o.Wiring = "mask",
    form: o.Form = "rate",
    duration: o.Duration = None,
    settle: o.Settle = None,
    dt: o.Dt = None,
    cells: o.Cells = 1,
    unit_rate: o.UnitRate = 100.0,
    target: o.Target = "auto",
    seed: o.InputSeed = 0,
    *,
    output: Output,
):
    """Let several areas compute multihead attention."""
    options = o.check(**locals(), record="sample")
    cases = inputs(seed, suite)
    output.check()
    with output.progress(f"{len(cases)} inputs, {form} form") as report:
        rows, swept = run(cases, options, report, control)
    folder = open_folder(
        "multihead", options, [content_of(case) for case in cases], output.out, output.overwrite, output.about
    )
    result = swept.result(rows, form=form, suite=suite)
    figure, content = draw(rows, options) if rows else None, run_json(options, swept, suite=suite, control=control)
    output.report("multihead", folder, result, figure, content, _table(rows, options), judge(rows, options))
    return status_of(swept, [each["settled"] for each in rows])


if __name__ == "__main__":
    script(main)
