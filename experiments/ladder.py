"""The ladder of realism: the same wirings on the same inputs, through cells that are less and less ideal.

Question: at which rung does the circuit cease to agree with attention, and by how much?

Prediction: `trials/protocol.toml`, written before the runs. Rates agree to 1e-6, rates under Dale's law to 1e-5, idealised
spikes to 2.5 per cent on each input (median 0.6), adaptive cells to 10 per cent at scales 1 and 2 (median 5). For the
biophysical pathway a median of 9 per cent, and an error below that of each null on nine inputs of ten; for its stages, see
`bursts`.

Reference: Granier & Senn (2025), Algorithm 1; `reference.linear_attention` and its nulls. Inputs are a design of ten weight
sets at each of two sizes and three scales, with ten held-out sequences each (`trials.design`); or the twelve inputs of
`inputs.suite`, or handwritten digits. Each is answered twice, side by side in one network with independent noise, which
separates the error by design from noise. Intervals are of the median over weight sets and sequences (`readout.mixed`).

Run time: 2 hours 42 minutes for five rungs over the design, on two cores; most of it is of biophysical cells, and
`ladder.csv` has it for each answer. A stopped ladder resumes; results of other settings are kept, results of other code are
computed again.
"""

import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

from cortical_attention.cells.forms import FORMS
from cortical_attention.circuits.protocol import RunError
from cortical_attention.command import options as o
from cortical_attention.command.heads import executor_of
from cortical_attention.command.pages import check_bokeh, make_page
from cortical_attention.command.printed import printed
from cortical_attention.command.progress import progress
from cortical_attention.command.status import script, status_by
from cortical_attention.command.tables import console_for, say, write_csv
from cortical_attention.inputs.digits import digit_cases, predict
from cortical_attention.inputs.suite import cases as suite_cases
from cortical_attention.readout import mixed
from cortical_attention.readout.agreement import relative_l2_by_design
from cortical_attention.readout.files import check_folder, forget, others
from cortical_attention.readout.formats import per_cent
from cortical_attention.simulation.attend import prepare, read
from cortical_attention.simulation.attend import run as run_prepared
from cortical_attention.trials.batch import Prediction, as_done, write
from cortical_attention.trials.calibration import calibration_for
from cortical_attention.trials.comparison import figures_of, reference_for
from cortical_attention.trials.design import DESIGN, design
from cortical_attention.trials.ladder_figure import draw, say_more, table_of
from cortical_attention.trials.ladder_folder import file_of, has_ladder, keep, of_other_code, stored
from cortical_attention.trials.ladder_summary import COLUMNS, N_DIGIT, summarise
from cortical_attention.trials.protocol import PROTOCOL
from cortical_attention.trials.provenance import provenance
from cortical_attention.trials.systems import SYSTEMS, blaming, system_of

RUNGS = tuple(
    name for name in FORMS if any(name in each.claims for each in SYSTEMS.values())
)  # from the most ideal cells to the least
CLIMBED = "rate,dale,spiking,adaptive,biophysical"  # unless others are named
SUITES = ("design", "random", "digits")
LARGEST = 16  # tokens of the suite


class Job(NamedTuple):
    """One cached job: all seeds of the cases that share an attention block, simulated in one network for one cell model."""

    rung: str
    wiring: str
    suite: str
    cases: tuple
    setting: str | None = None
    weights: int | None = None

    @property
    def name(self):
        """Name in files and messages."""
        return "-".join((self.rung, self.wiring, self.suite, self.cases[0].name.replace(" ", "_")))


# Protocol
def jobs(rungs=RUNGS, wirings=None, suites=SUITES, tokens=LARGEST, images=N_DIGIT, **size):
    """All jobs, from the most ideal rung on: cases with at most `tokens` tokens, `images` digits, and a design of a `size`.

    Default wirings are those with claims. Each runs at the rungs of its claims; a wiring without claims has to be named,
    and runs at all rungs.
    """
    named = claiming() if wirings is None else wirings
    chosen = [case for case in suite_cases() if max(len(each) for each in sequences(case)) <= tokens]
    groups = {"random": [((case,),) for case in chosen]}
    if "design" in suites:
        groups["design"] = [(each.cases, each.setting, each.weights) for each in design(**size, tokens=tokens)]
    groups |= {"digits": [(digit_cases(images),)]} if "digits" in suites else {}  # they need scikit-learn
    return [
        Job(rung, wiring, suite, *group)
        for rung in rungs for wiring in named if rung in (system_of(wiring).claims or RUNGS)
        for suite in suites for group in groups[suite]
    ]  # fmt: skip


def claiming():
    """Names of the registered wirings that claim something (list of str)."""
    return [name for name, system in SYSTEMS.items() if system.claims]


def sequences(case):
    """Tokens and context."""
    return case.tokens, case.tokens if case.context is None else case.context


def cells_of(form):
    """Cells per value of a form in the protocol."""
    return PROTOCOL.get(form.name, {}).get("cells", 1)


def repeats(job, n_seed):
    """Answers to each case of a job: one in the design where the form has no noise, `n_seed` otherwise."""
    return n_seed if job.suite != "design" or FORMS[job.rung].spikes else 1


def options_of(job, given):
    """Options of a job; cells per value and window default to those of the protocol for its rung."""
    cells = given["cells"] if given["cells"] is not None else cells_of(FORMS[job.rung])
    duration = PROTOCOL.get(job.rung, {}).get("duration")
    given = given | {"form": job.rung, "wiring": job.wiring, "cells": cells, "duration": duration}
    return o.check(**given, record="sample")


def present(job, options, n_seed, report=None):
    """Let a circuit answer all cases of a job, `n_seed` times side by side.

    Where tokens would ask one after another (memory wiring), each asks a copy of the circuit of its own, beside the others:
    the same cells, and the same answer, in a fraction of the biological time.

    Returns
    -------
    answer : Answer
    output : ndarray, shape (n_seed, n_case, n_token, d_model)
    kappa : ndarray, shape (n_seed, n_case, n_head, n_token, n_context), or None
    settled : ndarray of bool, shape (n_seed, n_case)
    """
    tokens, context = (np.stack(each) for each in zip(*map(sequences, job.cases), strict=True))
    tokens, context = (np.tile(each, (n_seed, 1, 1)) for each in (tokens, context))
    n_token, block = tokens.shape[1], job.cases[0].block._asdict()
    block |= {"kernel": options.kernel, "normaliser": options.normaliser}
    with blaming(options.system, options.settings.form):
        others = job.cases[0].calibration, job.cases[0].calibration_context
        others = others[0], others[0] if others[1] is None else others[1]
        if _in_turn(tokens, context, block, options):
            (tokens, context), others = _side_by_side(tokens, context), _side_by_side(*others)
        calibration = calibration_for(tokens, context, block, options, others)
        prepared = prepare(options.system, tokens, options.settings, calibration, context=context, **block)
        answer = read(prepared, run_prepared(prepared, report))
    if answer.output is None:
        raise KeyboardInterrupt
    many = n_seed, len(job.cases)
    kappa = None if answer.attention is None else answer.attention.reshape(*many, *answer.attention.shape[1:])
    settled = answer.settled.settled.reshape(*many, -1).all(axis=-1)
    return answer, answer.output.reshape(*many, n_token, -1), kappa, settled


def _side_by_side(tokens, context):
    """Sequences of one token each, with the whole context."""
    return tokens.reshape(-1, 1, tokens.shape[2]), np.repeat(context, tokens.shape[1], axis=0)


def _in_turn(tokens, context, block, options):
    """Whether a wiring answers one token after another: by its protocol for the first sequence."""
    plan = options.system.wiring(options.settings.times(), tokens[:1], context=context[:1], **block)
    return len(plan.protocol.windows) > 1


# Reference
def rows_of(job, options, n_seed, report=None):
    """Run a job and hold every answer against the algebra (list of dict, one a case and seed)."""
    n_seed = repeats(job, n_seed)
    answer, output, kappa, settled = present(job, options, n_seed, report)
    references = [reference_for(case, options) for case in job.cases]
    by_design = [_by_design(output[:, k], right.attention.output) for k, right in enumerate(references)]
    rows = []
    for seed, k in np.ndindex(n_seed, len(job.cases)):
        weights = None if kappa is None else kappa[seed, k]
        figures = figures_of(output[seed, k], weights, references[k])
        same = predict(output[seed, k][None]) == predict(references[k].attention.output[None])
        row = {
            "rung": job.rung, "wiring": job.wiring, "suite": job.suite, "setting": job.setting, "weights": job.weights,
            "case": job.cases[k].name, "seed": options.settings.seed + seed, **figures,
            "relative_l2_by_design": by_design[k], "agreement": int(same[0]) if job.suite == "digits" else None,
            "settled": bool(settled[seed, k]), "cells": options.settings.cells,
            "dt_ms": 1e3 * float(options.settings.times().dt),
            "peak_rate_hz": max(float(rate) for rate in answer.run.peak_rates.values()),
            "wall_s": answer.run.wall / n_seed / len(job.cases),
        }  # fmt: skip
        rows.append({name: row.get(name) for name in COLUMNS})
    return rows


def _by_design(outputs, right):
    """Relative L2 by design from repeated answers to one case; None from a single one, or of a form without noise."""
    return relative_l2_by_design(outputs, right) if len(outputs) > 1 else None


def answers(missing, given, n_seed, report=None, executor=None):
    """Jobs, in the order in which they are done, each with a function that gives its rows, or raises what went wrong."""
    asked = [(job, partial(rows_of, job, options_of(job, given), n_seed)) for job in missing]
    if executor is not None:
        asked.sort(key=lambda each: _size(each[0]), reverse=True)  # or else the longest run goes on alone at the end
    yield from as_done(asked, report, executor)


def _size(job):
    """Rung, and number of microcolumns: the order of jobs by what they cost."""
    return RUNGS.index(job.rung), np.prod([len(each) for each in sequences(job.cases[0])])


def climb(every, given, n_seed, folder, report=None, executor=None):
    """Run the jobs that the folder does not have yet; each is on disk as soon as it is done.

    Parameters
    ----------
    every : sequence of Job
    given : dict
        Options of all jobs.
    n_seed : int
    folder : pathlib.Path
    report : callable, optional
        Progress report of Brian2.
    executor : concurrent.futures.Executor, optional
        Runs jobs side by side; without it they run one after another in this process.

    Returns
    -------
    rows : list of dict
    failed : dict of str to str
        Why a simulation failed, by the name of its job; it is tried again when the ladder goes on.
    interrupted : bool
    """
    failed, interrupted = {}, False
    (folder / "jobs").mkdir(parents=True, exist_ok=True)
    files = {job.name: file_of(job, options_of(job, given), n_seed, folder) for job in every}

    def of(job):
        """Rows of a job that are on disk."""
        return stored(files[job.name], repeats(job, n_seed) * len(job.cases), COLUMNS)

    try:
        for job, ask in answers([job for job in every if not of(job)], given, n_seed, report, executor):
            try:
                keep(files[job.name], ask())
            except RunError as error:
                failed[job.name] = str(error)
    except KeyboardInterrupt:
        interrupted = True
    return [row for job in every for row in of(job)], failed, interrupted


def judge(rows):
    """Claims of the systems at each rung (`trials.systems`), and thresholds of medians, on random inputs."""
    asked = [row for row in rows if row["suite"] != "digits" and not _beyond(row)]
    found, errors = [], {}
    for row in asked:
        if (bound := system_of(row["wiring"]).claims.get(row["rung"])) is not None:
            errors.setdefault((row["rung"], bound), []).append(row["relative_l2"])
    for (rung, bound), each in errors.items():
        said = f"{rung}: a relative L2 of at most {per_cent(bound)} on each"
        found.append(Prediction(said, per_cent(max(each)), max(each) <= bound))
    kinds = dict.fromkeys((row["rung"], row["wiring"], row["suite"]) for row in asked)
    for kind in kinds:
        found += _medians(kind, [row for row in asked if (row["rung"], row["wiring"], row["suite"]) == kind])
    return found


def _beyond(row):
    """Whether thresholds do not speak of a row: adaptive cells at scale 3."""
    return row["rung"] == "adaptive" and "scale3" in row["case"].replace(" ", "")


def _medians(kind, rows):
    """Thresholds of the median, and of the share of answers that are nearer than each null."""
    name, targets = " ".join(kind), PROTOCOL.get(kind[0], {})
    if "median" in targets:
        said, median = f"{name}: a median of at most {per_cent(targets['median'])}", _median_of(rows)
        yield Prediction(said, per_cent(median), median <= targets["median"])
    if "better" in targets:
        share = np.mean([(row["skill"] or 0) > 0 for row in rows])
        said = f"{name}: nearer than each null on at least {per_cent(targets['better'])} of answers"
        yield Prediction(said, per_cent(share), bool(share >= targets["better"]))


def _median_of(rows):
    return float(np.median([row["relative_l2"] for row in rows]))


def main(
    rungs: Annotated[str, typer.Option(help=f"Rungs, comma-separated: {','.join(RUNGS)}.")] = CLIMBED,
    wirings: Annotated[
        str | None,
        typer.Option(
            help=f"Wirings, comma-separated: {','.join(SYSTEMS)}, {o.OWN}.",
            show_default=f"those with a claim: {','.join(claiming())}",
        ),
    ] = None,
    suite: Annotated[
        str,
        typer.Option(help="Inputs, comma-separated: design (weight sets and sequences), random (the suite), digits."),
    ] = SUITES[0],
    weights: Annotated[int, typer.Option(help="Weight sets of the design, at each size and scale.")] = DESIGN[
        "weights"
    ],
    sequences: Annotated[int, typer.Option(help="Held-out sequences of each weight set.")] = DESIGN["sequences"],
    tokens: Annotated[int, typer.Option(help="Largest number of tokens of random inputs.")] = LARGEST,
    images: Annotated[int, typer.Option(help="Number of digits.")] = N_DIGIT,
    seeds: Annotated[
        int, typer.Option(help="Number of answers to each input, with independent noise and initial states.")
    ] = DESIGN["noises"],
    cells: Annotated[int | None, typer.Option(help="Cells per value.", show_default=o.by_form(cells_of))] = None,
    workers: Annotated[
        int, typer.Option(help="Number of local processes that run circuits side by side; 0: this one alone.")
    ] = 0,
    normaliser: o.Normaliser = "pi",
    synapses: o.Synapses = o.DEFAULT,
    target: o.Target = "auto",
    precision: o.Precision = "double",
    seed: o.Seed = 0,
    out: Annotated[Path, typer.Option(help=o.OUT)] = Path("results/ladder"),
    quiet: o.Quiet = False,
    json: o.Json = False,
    report: o.Report = False,
):
    """Climb the ladder of realism."""
    start = time.perf_counter()
    if report:
        check_bokeh("--report")
    chosen = [
        o.some_of("--rungs", rungs, RUNGS),
        o.some_wirings("--wirings", wirings),
        o.some_of("--suite", suite, SUITES),
    ]
    counted = {"seeds": seeds, "weights": weights, "sequences": sequences}
    for name, value in counted.items():
        o.within(f"--{name}", value, 1, 1000)
    o.within("--tokens", tokens, 4, LARGEST)
    o.within("--images", images, 1, 360)
    mixed.check()
    given = {"cells": cells, "normaliser": normaliser, "synapses": synapses, "target": target}
    given |= {"precision": precision, "seed": seed}
    console = console_for(json)
    every = jobs(*chosen, tokens, images, weights=weights, sequences=sequences)
    if not every:
        raise o.OptionError(f"--wirings is '{wirings}' but needs one that claims something of the rungs {rungs}")
    with executor_of(workers) as executor, progress(f"{len(every)} circuits", quiet) as told:
        _make_ready(every, given, seeds, out, console)
        rows, failed, interrupted = climb(every, given, seeds, out, told, executor)
    summaries = summarise(rows)
    result = {"rows": summaries, "failed": failed, "interrupted": interrupted}
    names = list(dict.fromkeys(job.wiring for job in every))
    parameters = {
        "rungs": chosen[0],
        "wirings": names,
        "suites": chosen[2],
        **counted,
        "tokens": tokens,
        "images": images,
    }
    content = provenance(sys.argv, parameters | given, {"first": seed}, wall_time_s=time.perf_counter() - start)
    table, judged = table_of(summaries), judge(rows)
    content |= {"printed": printed(table, judged)}
    write("ladder", out, result, draw(rows, summaries) if rows else None, content)
    write_csv(rows, COLUMNS, out / "ladder.csv")
    say("ladder", result, table, judged, out, console, json)
    say_more(summaries, console)
    if report:
        make_page(out, console)
    return status_by([row["settled"] for row in rows] or [False], interrupted, failed)


def _make_ready(every, given, n_seed, out, console):
    """Check the folder, say what other code left there, and take away tables that the jobs to come make wrong."""
    check_folder(out, overwrite=True)
    files = [file_of(job, options_of(job, given), n_seed, out) for job in every]
    if out.is_dir() and others(out) and not has_ladder(out):
        raise o.OptionError(f"{out} has other files than those of a ladder; choose another folder with --out")
    if other := sum(map(of_other_code, files)):
        said = f"notice: {other} of {len(every)} circuits were asked by other code and are asked again"
        console.print(said, highlight=False)
    many = [repeats(job, n_seed) * len(job.cases) for job in every]
    if not all(stored(file, each, COLUMNS) for file, each in zip(files, many, strict=True)):
        forget("ladder", out)


if __name__ == "__main__":
    script(main)
