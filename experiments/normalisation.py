"""Wirings of divisive inhibition: which of them divides attention by its sum.

Question: which inhibitory wiring makes the attention of every head and token sum to one: a recurrent loop, with or without
a proportional term, feed-forward inhibition, factorised or by sister cells, or the literal reading of the paper, a pool of
the divided cells?

Prediction: with recurrent and feed-forward inhibition attention sums to 1, with the pool of the divided cells to sqrt(Z),
each to 1e-6 in the rate form; the last is wrong by that factor and is judged not settled.

Reference: Granier & Senn (2025), Algorithm 1, lines 8 to 13; Heeger & Mackey, and Rawat, Heeger & Martiniani (2024),
for the recurrent loop; Z of `reference.linear_attention`. With s = d / g, g = sum(s) gives g = sqrt(sum(d)).

Run time: ten seconds in the rate form, a minute in spikes.
"""

import numpy as np
from rich.table import Column, Table

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_of
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.readout.formats import number, per_cent, whole_per_cent
from cortical_attention.trials.batch import Prediction, ask, ask_in_turn, run_json
from cortical_attention.trials.comparison import describe, reference_for
from cortical_attention.trials.pictures import against
from cortical_attention.trials.results import content_of, open_folder

# Parameters
N_TOKEN, SCALE = 6, 2.0  # scale 2: Z differs from token to token
AGREE = 1e-6  # relative, of the sums in the rate form
WRONG = "output"
POOLS = {
    "pi": "PI loop",
    "slow": "integrating loop",
    "factorised": "factorised drive",
    "feedforward": "sister cells",
    WRONG: "pool of the divided cells",
}


# Circuit
def circuits(options):
    """Options of each inhibitory wiring."""
    return {name: options._replace(normaliser=name) for name in POOLS}


# Protocol
def run(case, options, report=None):
    """Let the same circuit answer with each of them.

    Parameters
    ----------
    case : Case
    options : Options
    report : callable, optional

    Returns
    -------
    rows : list of dict
    swept : Swept
    """
    jobs = {name: _asker(case, each) for name, each in circuits(options).items()}
    swept = ask_in_turn(jobs, report)
    rows = [row(name, case, answer, circuits(options)[name]) for name, answer in swept.done.items()]
    return rows, swept


def _asker(case, options):
    return lambda report: ask([case], options, report)


# Reference
def predicted_sum(name, normaliser):
    """Predicted sum of attention of each head and token (n_head, n_token)."""
    return np.sqrt(normaliser) if name == WRONG else np.ones_like(normaliser)


def predicted_output(name, case, attention):
    """The algebra's answer to a case without biases, if the attention sums to `predicted_sum`."""
    kappa = predicted_sum(name, attention.normaliser)[..., None] * attention.kappa
    context = case.tokens if case.context is None else case.context
    line = "hmv, hij, hvn, jn -> im"
    return np.einsum(line, case.block.W_O, kappa, case.block.W_V, context, optimize=True)


def row(name, case, answer, options):
    """One inhibitory wiring: sums and output, predicted and measured."""
    reference = reference_for(case, options)
    attention = reference.attention
    predicted, measured = predicted_sum(name, attention.normaliser), answer.attention_sum[0]
    wrong = predicted_output(name, case, attention)
    return {
        "inhibition": POOLS[name],
        "z": attention.normaliser,
        "predicted_sum": predicted,
        "measured_sum": measured,
        "sum_relative_error": float(np.abs(measured / predicted - 1).max()),
        "predicted_relative_l2": relative_l2(wrong, attention.output),
        "from_prediction_relative_l2": relative_l2(answer.output[0], wrong),
        **describe(answer, reference, options, case),
    }


def judge(rows):
    """One prediction per wiring; in spikes the tolerance is the effect of one spike per cell on a sum of one."""
    found = []
    for each in rows:
        tolerance = AGREE if each["form"] == "rate" else rows[0]["sum_tolerance"]
        off, wrong = each["sum_relative_error"], each["normaliser"] == WRONG
        found.append(
            Prediction(
                f"{each['inhibition']}: sum of {'sqrt(Z)' if wrong else '1'} to {tolerance:.1e}",
                f"{off:.1e} from it, {'' if each['settled'] else 'not '}settled",
                off <= tolerance and each["settled"] != wrong,
            )
        )
    return found


# Figure
def draw(rows):
    """Figure: measured sum of attention of every head and token against that for a pool of the divided cells."""
    wrong = np.sqrt(rows[0]["z"])
    series = {each["inhibition"]: (wrong, each["measured_sum"]) for each in rows}
    return against(series, "sqrt(Z)", "sum of attention, measured")


def _table(rows, options):
    table = Table(
        Column("inhibition", no_wrap=True), "sum: algebra", "circuit",
        "error: algebra", "circuit", "queries identified", "settled",
        title=f"{options.wiring} wiring, {options.settings.form.name} form: sum of attention, and relative L2",
    )  # fmt: skip
    for each in rows:
        sums = (_range(each[f"{name}_sum"]) for name in ("predicted", "measured"))
        errors = (per_cent(each[name]) for name in ("predicted_relative_l2", "relative_l2"))
        identified = whole_per_cent(each["query_identification"])
        table.add_row(each["inhibition"], *sums, *errors, identified, "yes" if each["settled"] else "no")
    return table


def _range(values):
    low, high = number(np.min(values), 4), number(np.max(values), 4)
    return low if low == high else f"{low} to {high}"


@with_output
def main(
    wiring: o.Wiring = "mask",
    form: o.Form = "rate",
    kernel: o.Kernel = "elu+1",
    duration: o.Duration = None,
    settle: o.Settle = None,
    dt: o.Dt = None,
    unit_rate: o.UnitRate = 100.0,
    target: o.Target = "auto",
    seed: o.InputSeed = 0,
    *,
    output: Output,
):
    """Wire inhibition in five ways."""
    options = o.check(**locals(), record="sample")
    case = random_case(seed, N_TOKEN, scale=SCALE)
    output.check()
    with output.progress(f"{len(POOLS)} inhibitory wirings, {form} form") as report:
        rows, swept = run(case, options, report)
    folder = open_folder("normalisation", options, content_of(case), output.out, output.overwrite, output.about)
    result = swept.result(rows, form=form, wiring=wiring)
    figure, content = draw(rows) if rows else None, run_json(options, swept)
    output.report("normalisation", folder, result, figure, content, _table(rows, options), judge(rows))
    return status_of(swept, [each["settled"] for each in rows if each["normaliser"] != WRONG])


if __name__ == "__main__":
    script(main)
