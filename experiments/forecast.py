"""Can the error of biophysical cells be predicted before a network runs, from the block and the fit of its cells alone?

Question: is the relative L2 of a network of biophysical cells about c_rss sqrt(loss1 + loss2)? c_rss is the root of the sum
of squares of all terms W_O kappa v over the norm of the answer, and grows where the terms cancel; loss1 and loss2 are what
the fits of L2/3 and of L5 IT cells to products leave on calibration sequences (`trials.forecast`).

Prediction: written before the run. The logarithms of predicted and measured error correlate at 0.8 at least. Digits, on
which the networks failed, are predicted above 25 %. Every input that is predicted below 10 % is measured below 15 %.

Reference: `reference.linear_attention` and its nulls on inputs of four kinds: those of the suite; weight sets and sequences
of the ladder's design; sequences of the match task, with learnt weights of one head; test images of handwritten digits,
with learnt weights of four heads. Cells per value and window are those of `trials/protocol.toml`, with a single noise. All
forecasts are made before the first network runs, and no constant is fitted to an error. They are made once with c_rss of
the tested tokens, of which the predictions speak, and once with that of the calibration sequences.

Controls, added after a first run: what correlates without a forecast, on all inputs and without digits: the losses alone,
c_rss alone, and the error of the best null, which is large where attention is sharp, as is that of the cells.

Intervals: Fisher's, over inputs. Inputs that share a block are not independent; so the same is also stated over blocks, each
with the mean logarithm of its inputs.

Run time: a quarter of an hour on two cores, of which three digits take a third.
"""

from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
import typer
from rich.table import Table
from scipy.stats import pearsonr

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_by
from cortical_attention.inputs.digits import digit_cases
from cortical_attention.inputs.match import match_cases
from cortical_attention.inputs.suite import cases as suite_cases
from cortical_attention.readout.formats import number, per_cent
from cortical_attention.readout.statistics import slope_of_log_log
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.batch import Prediction, ask, ask_in_turn, run_json
from cortical_attention.trials.comparison import best_null, figures_of, reference_for
from cortical_attention.trials.design import design
from cortical_attention.trials.forecast import Forecast, calibration_sequences, cancellation, losses
from cortical_attention.trials.protocol import PROTOCOL

# Parameters
KINDS = "suite", "design", "match", "digits"
CORRELATION, OF_DIGITS, LITTLE, AT_MOST = 0.8, 0.25, 0.10, 0.15  # the predictions
PREDICTORS = {
    "predicted": "forecast",
    "predicted_from_calibration": "forecast without the tokens",
    "losses": "control: sqrt(loss1 + loss2)",
    "c_rss": "control: c_rss",
    "best_null": "control: best null",
}
BIOPHYSICAL = PROTOCOL["biophysical"]


class Job(NamedTuple):
    """Inputs with one block, mask and calibration sequences, which one network answers side by side."""

    kind: str
    cases: tuple

    @property
    def name(self):
        """Name in messages, and of the block in the rows."""
        return f"{self.kind}: {self.cases[0].name}"


# Protocol
def jobs(kinds, tokens, weights, sequences, matches, images):
    """Inputs of some kinds, in the order of `KINDS` (list of Job)."""
    small = [case for case in suite_cases() if _largest(case) <= tokens]
    found = {
        "suite": lambda: [(case,) for case in small],
        "design": lambda: [each.cases for each in design(weights, sequences, tokens)],
        "match": lambda: [tuple(match_cases(matches)[0])],
        "digits": lambda: [digit_cases(images)],
    }
    return [Job(kind, cases) for kind in KINDS if kind in kinds for cases in found[kind]()]


def _largest(case):
    """Tokens of the longer of both sequences."""
    return max(len(case.tokens), 0 if case.context is None else len(case.context))


def forecasts_of(job, options):
    """What is known of each input of a job before it runs (list of dict)."""
    settings = options.settings
    how = {"kernel": options.kernel, "normalised": options.normaliser is not None}
    first, counted = job.cases[0], settings.cells * settings.times().window
    lost = losses(first, settings.form, counted, options.kernel, options.normaliser)
    others, contexts = calibration_sequences(first)
    without = Forecast(cancellation(others, first.block, context=contexts, mask=first.mask, **how), lost)
    return [
        _forecast_of(job, case, lost, how) | {"predicted_from_calibration": without.relative_l2} for case in job.cases
    ]


def _forecast_of(job, case, lost, how):
    found = Forecast(cancellation(case.tokens, case.block, context=case.context, mask=case.mask, **how), lost)
    return {
        "kind": job.kind, "block": job.name, "case": case.name, "c_rss": found.cancellation,
        "loss_superficial": lost.superficial, "loss_intratelencephalic": lost.intratelencephalic,
        "losses": float(np.sqrt(sum(lost))), "predicted": found.relative_l2,
    }  # fmt: skip


# Reference
def measured(job, answer, forecasts, options):
    """Rows of a job: forecast, error of the network, and error of the best null (list of dict)."""
    rows = []
    for k, (case, forecast) in enumerate(zip(job.cases, forecasts, strict=True)):
        reference = reference_for(case, options)
        error = figures_of(answer.output[k], None, reference)["relative_l2"]
        more = {"measured": error, "best_null": best_null(reference), "settled": bool(answer.settled.settled[k])}
        rows.append(forecast | more)
    return rows


def agreement_of(rows, name):
    """How far a predictor and the measured error go together.

    Parameters
    ----------
    rows : list of dict
    name : str
        Key of the predictor.

    Returns
    -------
    dict
        `inputs`, `blocks`: correlation of logarithms and its interval, (r, lowest, highest), or None for fewer than four;
        `slope` of the logarithm of the error; `median_ratio`, measured over predicted; `largest_ratio` of the two, either
        way, and the input `at` which it is.
    """
    x, y = (np.log([row[key] for row in rows]) for key in (name, "measured"))
    blocks = np.array([row["block"] for row in rows])
    means = [[each[blocks == block].mean() for block in dict.fromkeys(blocks)] for each in (x, y)]
    worst = int(np.abs(y - x).argmax())
    return {
        "inputs": correlation(x, y),
        "blocks": correlation(*means),
        "slope": slope_of_log_log(np.exp(x), np.exp(y)) if len(set(x)) > 1 else None,
        "median_ratio": float(np.exp(np.median(y - x))),
        "largest_ratio": float(np.exp(np.abs(y - x)[worst])),
        "at": rows[worst]["case"],
    }


def agreements_of(rows):
    """What `agreement_of` says of every predictor and control, on all inputs and on those without digits (dict of dict)."""
    scopes = {"all": rows, "without digits": [row for row in rows if row["kind"] != "digits"]}
    return {scope: {name: agreement_of(each, name) for name in PREDICTORS} for scope, each in scopes.items() if each}


def warned(rows):
    """How often `compare` would have warned (dict): inputs on which the best null is nearer than the circuit (`worse`), of
    those how many were predicted so (`said`), and how many of the others were (`in_vain`)."""
    worse, said = (
        np.array([row[key] > row["best_null"] for row in rows], dtype=bool) for key in ("measured", "predicted")
    )
    counts = {"inputs": len(rows), "worse": worse.sum(), "said": (worse & said).sum(), "in_vain": (said & ~worse).sum()}
    return {name: int(count) for name, count in counts.items()}


def correlation(x, y):
    """Pearson's correlation and its interval (r, lowest, highest); None for fewer than four points, or a single x."""
    if len(x) < 4 or not np.ptp(x):
        return None
    found = pearsonr(x, y)
    return float(found.statistic), *map(float, found.confidence_interval(PROTOCOL["intervals"]["confidence"]))


def judge(rows):
    """The predictions, on what there is."""
    found = []
    if rows and (r := agreement_of(rows, "predicted")["inputs"]) is not None:
        said = f"a correlation of logarithms of at least {CORRELATION}"
        found.append(Prediction(said, _interval(r), r[0] >= CORRELATION))
    if digits := [row["predicted"] for row in rows if row["kind"] == "digits"]:
        said = f"digits predicted above {per_cent(OF_DIGITS)}"
        found.append(Prediction(said, f"{per_cent(min(digits))} or more", min(digits) > OF_DIGITS))
    return [*found, _judge_little([row["measured"] for row in rows if row["predicted"] < LITTLE])] if rows else found


def _judge_little(errors):
    """The prediction on inputs with a small forecast, from the errors that were measured on them."""
    said = f"what is predicted below {per_cent(LITTLE)} is measured below {per_cent(AT_MOST)}"
    if not errors:
        return Prediction(said, "no input is predicted so low", True)
    return Prediction(said, f"at most {per_cent(max(errors))} on {len(errors)} inputs", max(errors) < AT_MOST)


def _interval(r):
    return "-" if r is None else f"{r[0]:.2f} ({r[1]:.2f} to {r[2]:.2f})"


# Figure
def draw(rows):
    """Measured against predicted error, with the best null of each input, about the line on which the two are equal."""
    with style():
        figure = new_figure(5.6, width=6.4)
        panel = figure.subplots()
        every = [row[key] for row in rows for key in ("predicted", "measured", "best_null")]
        panel.plot([min(every), max(every)], [min(every), max(every)], color="#777777", zorder=1, label="equal")
        for kind in dict.fromkeys(row["kind"] for row in rows):
            _scatter(panel, kind, [row for row in rows if row["kind"] == kind])
        panel.scatter([], [], marker="o", facecolors="none", edgecolors="#777777", label="best null")
        panel.set(xscale="log", yscale="log", xlabel="predicted relative L2", ylabel="measured relative L2")
        panel.legend()
    return figure


def _scatter(panel, kind, rows):
    """Marks of one kind of input: errors full, nulls open."""
    k = KINDS.index(kind)
    x, errors, nulls = ([row[key] for row in rows] for key in ("predicted", "measured", "best_null"))
    panel.scatter(x, nulls, s=34, marker=MARKERS[k], facecolors="none", edgecolors=CYCLE[k], alpha=0.5, zorder=2)
    panel.scatter(x, errors, s=34, marker=MARKERS[k], color=CYCLE[k], linewidths=0, alpha=0.85, zorder=3, label=kind)


def _table(rows, cells, duration):
    table = Table(
        "input", "c_rss", "loss L2/3", "loss L5 IT", "predicted", "from calibration", "measured", "best null",
        title=f"predicted and measured relative L2 of biophysical cells, {cells} per value, {duration:g} s",
    )  # fmt: skip
    for row in rows:
        errors = (row[key] for key in ("predicted", "predicted_from_calibration", "measured", "best_null"))
        lost = (per_cent(row[key]) for key in ("loss_superficial", "loss_intratelencephalic"))
        table.add_row(row["case"], number(row["c_rss"]), *lost, *map(per_cent, errors))
    return table


def _agreement_table(found):
    table = Table(
        "inputs",
        "predictor",
        "r over inputs",
        "r over blocks",
        "slope",
        title="logarithms of predictor and measured error",
    )
    for scope, predictors in found.items():
        for name, each in predictors.items():
            table.add_row(
                scope, PREDICTORS[name], _interval(each["inputs"]), _interval(each["blocks"]), number(each["slope"])
            )
        table.add_section()
    return table


def say_agreement(found, warnings, console):
    """Print how far predictors and error go together, and how often a warning was right."""
    console.print(_agreement_table(found))
    forecast = found["all"]["predicted"]
    ratios = (number(forecast[name]) for name in ("median_ratio", "largest_ratio"))
    console.print(
        "measured over predicted: {} in the median; largest ratio, either way, {} ({})".format(*ratios, forecast["at"]),
        highlight=False,
    )
    n_other = warnings["inputs"] - warnings["worse"]
    console.print(
        f"an error above that of the best null was predicted on {warnings['said']} of {warnings['worse']} inputs where it "
        f"is so, and on {warnings['in_vain']} of {n_other} others",
        highlight=False,
    )


@with_output
def main(
    kinds: Annotated[str, typer.Option(help=f"Kinds of input, comma-separated: {','.join(KINDS)}.")] = ",".join(KINDS),
    tokens: Annotated[int, typer.Option(help="Largest number of tokens of random inputs.")] = 8,
    weights: Annotated[int, typer.Option(help="Weight sets of the design, at each size and scale.")] = 1,
    sequences: Annotated[int, typer.Option(help="Sequences of each weight set.")] = 2,
    matches: Annotated[int, typer.Option(help="Sequences of the match task.")] = 4,
    images: Annotated[int, typer.Option(help="Images of handwritten digits.")] = 3,
    cells: o.Cells = BIOPHYSICAL["cells"],
    duration: Annotated[float, typer.Option(help="Measured time (s).")] = BIOPHYSICAL["duration"],
    target: o.Target = "auto",
    seed: o.Seed = 0,
    *,
    output: Output,
):
    """Predict the error of biophysical cells, and measure it."""
    asked = {"weights": weights, "sequences": sequences, "matches": matches, "images": images}
    for name, value in asked.items():
        o.within(f"--{name}", value, 1, 360)
    o.within("--tokens", tokens, 4, 16)
    given = {"kinds": o.some_of("--kinds", kinds, KINDS), "tokens": tokens, **asked}
    how = {"cells": cells, "duration": duration, "target": target, "seed": seed}
    options = o.check(form="biophysical", record="sample", **how)
    output.check()
    every = {job.name: job for job in jobs(**given)}
    before = {name: forecasts_of(job, options) for name, job in every.items()}
    with output.progress(f"{len(every)} circuits") as report:
        swept = ask_in_turn({name: partial(ask, job.cases, options) for name, job in every.items()}, report)
    rows = [row for name, answer in swept.done.items() for row in measured(every[name], answer, before[name], options)]
    found, warnings = agreements_of(rows), warned(rows)
    folder, content = output.folder("forecast", given | how), run_json(options, swept, **given)
    figure, table = draw(rows) if rows else None, _table(rows, cells, duration)
    result = swept.result(rows, agreement=found, warnings=warnings)
    output.report("forecast", folder, result, figure, content, table, judge(rows))
    if rows:
        say_agreement(found, warnings, output.console)
    return status_by([row["settled"] for row in rows] or [False], swept.interrupted, swept.failed)


if __name__ == "__main__":
    script(main)
