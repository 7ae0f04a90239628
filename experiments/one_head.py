"""One head of attention in both wirings, with every kernel, on random inputs.

Question: does one head of the circuit compute linear attention with every kernel, in both wirings, in self-attention and
in cross-attention?

Prediction: in the rate form the relative L2 error is at most 1e-6 on every input; with the core nucleus silent (the
query ignored, as with W_Q = 0) it equals the error of the same mistake in the algebra, to 1e-6. In spikes both hold to
1 per cent.

Found: both hold. In spikes one of the inputs (memory wiring, relu, cross-attention) is judged not settled, because its
output drifts by a little more than the tolerance, while its attention sums to one; so the command ends with status 1. The
tolerance was not changed for it.

Reference: Granier & Senn (2025), Algorithm 1 and section 6; `reference.linear_attention`, and its nulls.

Run time: a minute and a half in the rate form; six minutes in spikes, mostly for the memory wiring.
"""

from typing import NamedTuple

import numpy as np
from rich.table import Column, Table

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_of
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.readout.formats import number, per_cent, shares, whole_per_cent
from cortical_attention.readout.statistics import summary_of_known
from cortical_attention.trials.batch import Prediction, ask, ask_in_turn, run_json, side_by_side
from cortical_attention.trials.comparison import describe, reference_of
from cortical_attention.trials.pictures import NULLS_TITLE, dots, null_series, nulls_of
from cortical_attention.trials.results import content_of, open_folder
from cortical_attention.trials.systems import LINEAR, NULLS, kernels

# Parameters. Few tokens: the memory wiring hears them one after another. Scale 2: attention far from uniform.
N_TOKEN, N_CONTEXT = 4, 6
SIZES = {"n_head": 1, "d_model": 8, "d_key": 4, "d_value": 4, "scale": 2.0}
N_INPUT = 3  # side by side in one network, each also with the core nucleus silent
TOLERANCE = {"rate": 1e-6, "dale": 1e-5, "spiking": 0.01, "adaptive": 0.1}  # of the relative L2


class Condition(NamedTuple):
    """A circuit and its kind of attention, 'self' or 'cross'."""

    wiring: str
    kernel: str
    kind: str

    @property
    def name(self):
        """How tables and pictures call it."""
        return " ".join(self)


# Circuits
def circuits(wirings=LINEAR):
    """All circuits of the experiment."""
    return [Condition(wiring, kernel, kind) for wiring in wirings for kernel in kernels() for kind in ("self", "cross")]


def circuit_of(row):
    """The circuit of a row."""
    return Condition(*(row[name] for name in Condition._fields))


# Protocol
def inputs(circuit, seed):
    """Cases for a circuit: `N_INPUT` as they are, then the same with tokens of zero, which silence the core nucleus."""
    cases = side_by_side(seed, N_INPUT, N_TOKEN, N_CONTEXT if circuit.kind == "cross" else None, **SIZES)
    cases = [
        case if case.context is not None else case._replace(context=case.tokens, calibration_context=case.calibration)
        for case in cases
    ]
    return cases + [case._replace(tokens=0 * case.tokens) for case in cases]


def run(options, report=None, every=None):
    """Ask every circuit.

    Parameters
    ----------
    options : Options
        Its wiring and kernel are replaced by those of each circuit.
    report : callable, optional
    every : list of Condition, optional
        All of them, unless given.

    Returns
    -------
    rows : list of dict
    swept : Swept
    """
    seed, every = options.settings.seed, circuits() if every is None else every
    jobs = {each.name: _asker(each, options._replace(**_chosen(each)), seed) for each in every}
    swept = ask_in_turn(jobs, report)
    rows = [row(each, swept.done[each.name], options, seed) for each in every if each.name in swept.done]
    return rows, swept


def _chosen(circuit):
    return {"wiring": circuit.wiring, "kernel": circuit.kernel}


def _asker(circuit, options, seed):
    return lambda report: ask(inputs(circuit, seed), options, report)


# Reference
def row(circuit, answer, options, seed):
    """Answers of one circuit beside the algebra: every input, the worst of them, and the silenced core."""
    options = options._replace(**_chosen(circuit))
    cases = inputs(circuit, seed)
    references = [reference_of(case, circuit.kernel, system=options.system) for case in cases]
    reports = [describe(answer, references[k], options, cases[k], k) for k in range(N_INPUT)]
    silenced = []
    for right, wrong, output in zip(references, references[N_INPUT:], answer.output[N_INPUT:], strict=False):
        predicted = relative_l2(wrong.attention.output, right.attention.output)
        silenced.append((predicted, relative_l2(output, right.attention.output)))
    predicted, measured = np.array(silenced).T
    return {
        **circuit._asdict(),
        "relative_l2": max(report["relative_l2"] for report in reports),
        **{f"{null}_relative_l2": min(report[f"{null}_relative_l2"] for report in reports) for null in NULLS},
        "skill": summary_of_known(report["skill"] for report in reports).lowest,
        "query_identification": summary_of_known(report["query_identification"] for report in reports).lowest,
        "silenced_predicted_relative_l2": predicted.tolist(),
        "silenced_relative_l2": measured.tolist(),
        "settled": all(report["settled"] for report in reports),
        "inputs": reports,
    }


def judge(rows, form):
    """The two predictions."""
    if not rows:
        return []
    tolerance = TOLERANCE[form]
    worst = max(each["relative_l2"] for each in rows)
    missed = max(
        float(np.abs(np.subtract(each["silenced_relative_l2"], each["silenced_predicted_relative_l2"])).max())
        for each in rows
    )
    least = min(min(each["silenced_relative_l2"]) for each in rows)
    return [
        Prediction(f"a relative L2 of at most {tolerance:g} on each input", f"{worst:.1e} at most", worst <= tolerance),
        Prediction(
            f"the error of a silent core nucleus to {tolerance:g}",
            f"{missed:.1e} from it at most, and an error of {per_cent(least)} at least",
            missed <= tolerance < least,
        ),
    ]


# Figure
def draw(rows, form):
    """Errors of the circuits beside those of the nulls and of the silenced core."""
    series = {"circuit": [each["relative_l2"] for each in rows], **null_series(rows)}
    series["core silent"] = [min(each["silenced_relative_l2"]) for each in rows]
    return dots([circuit_of(each).name for each in rows], series, "relative L2 error", TOLERANCE[form])


def _table(rows, form):
    table = Table(
        Column("circuit", no_wrap=True), "error", Column(NULLS_TITLE, min_width=11), "skill", "queries identified",
        "core silent: algebra, circuit", "settled",
        title=f"one head, {form} form: relative L2 of the worst of {N_INPUT} inputs",
    )  # fmt: skip
    for each in rows:
        silent = [min(each["silenced_predicted_relative_l2"]), min(each["silenced_relative_l2"])]
        table.add_row(
            circuit_of(each).name, per_cent(each["relative_l2"]), shares(nulls_of(each)), number(each["skill"]),
            whole_per_cent(each["query_identification"]), shares(silent), "yes" if each["settled"] else "no",
        )  # fmt: skip
    return table


@with_output
def main(
    form: o.Form = "rate",
    duration: o.Duration = None,
    settle: o.Settle = None,
    dt: o.Dt = None,
    unit_rate: o.UnitRate = 100.0,
    target: o.Target = "auto",
    seed: o.InputSeed = 0,
    *,
    output: Output,
):
    """Ask one head, in both wirings and with every kernel."""
    options = o.check(**locals(), record="sample")
    content = content_of(inputs(circuits()[-1], seed)[0])
    output.check()
    with output.progress(f"one head, {form} form") as report:
        rows, swept = run(options, report)
    folder, result = (
        open_folder("one_head", options, content, output.out, output.overwrite, output.about),
        swept.result(rows, form=form),
    )
    figure, content = draw(rows, form) if rows else None, run_json(options, swept)
    output.report("one_head", folder, result, figure, content, _table(rows, form), judge(rows, form))
    return status_of(swept, [each["settled"] for each in rows])


if __name__ == "__main__":
    script(main)
