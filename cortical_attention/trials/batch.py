"""Inputs, runs and result files of experiments that run several circuits one after another."""

import sys
from concurrent.futures import as_completed
from functools import partial
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from brian2 import second

from cortical_attention.circuits.protocol import RunError
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.files import write_json
from cortical_attention.readout.style import save
from cortical_attention.simulation import engine
from cortical_attention.simulation.attend import attend
from cortical_attention.trials.calibration import calibration_for, sequences_of
from cortical_attention.trials.provenance import provenance
from cortical_attention.trials.systems import blaming

SCHEMA_VERSION = 1


class Prediction(NamedTuple):
    """What was predicted and what was measured, in words; whether that held, and if it did not, whether it is undecided."""

    predicted: str
    measured: str
    held: bool
    undecided: bool = False


def prediction_of(figure, predicted, measured):
    """Prediction of a figure with an outcome, as `readout.judged.judged` gives it (Prediction)."""
    return Prediction(predicted, measured, figure["outcome"] == "held", figure["outcome"] == "undecided")


class Swept(NamedTuple):
    """What came of asking circuits one after another.

    Attributes
    ----------
    done : dict of str
        The answers by label.
    failed : dict of str to str
        Why a simulation failed, by label.
    interrupted : bool
        Whether the rest was not asked.
    """

    done: dict
    failed: dict
    interrupted: bool

    def result(self, rows, **more):
        """Content of the experiment's JSON file."""
        return {**more, "rows": rows, "failed": self.failed, "interrupted": self.interrupted}


def side_by_side(seed, n_input, n_token, n_context=None, **sizes):
    """Random cases with one block and the same calibration sequences, so that one network can answer them all.

    Parameters
    ----------
    seed : int
        Block and calibration sequences are those of `random_case(seed)`; each input draws from a child of it.
    n_input, n_token : int
    n_context : int, optional
        None: self-attention.
    **sizes
        As in `inputs.suite.random_case`.

    Returns
    -------
    list of Case
    """
    first = random_case(seed, n_token, n_context, **sizes)
    shared = {name: getattr(first, name) for name in ("block", "calibration", "calibration_context")}
    children = np.random.SeedSequence(seed, spawn_key=(1,)).spawn(n_input)
    drawn = [random_case(child, n_token, n_context, **sizes, name=f"input {k}") for k, child in enumerate(children)]
    return [case._replace(**shared) for case in drawn]


def ask(cases, options, report=None, calibration=None):
    """Answer of a circuit to several cases, side by side in one network.

    Parameters
    ----------
    cases : sequence of Case
        Of equal sizes. The block, the mask and the calibration sequences of the first are used for all, so that they need
        to share them; either all of them have a context, or none.
    options : Options
    report : callable, optional
        Brian2's progress report.
    calibration : Calibration, optional
        None: as for `trials.comparison.present`.

    Returns
    -------
    Answer
        One input of the batch per case, in their order, each followed by its replicas.

    Raises
    ------
    ValueError
        If tokens or contexts differ in shape.
    WiringError, RunError, KeyboardInterrupt
        As `simulation.attend.attend`; other exceptions in a wiring or form of the user's own become a WiringError.
    """
    tokens, context = stacked(cases)
    block = {"kernel": options.kernel, "normaliser": options.normaliser, **cases[0].block._asdict()}
    block |= {"mask": cases[0].mask}
    with blaming(options.system, options.settings.form):
        if calibration is None:
            calibration = calibration_for(tokens, context, block, options, sequences_of(cases[0]))
        tokens, context = (options.replicated(each) for each in (tokens, context))
        return attend(options.system, tokens, options.settings, report, calibration, context=context, **block)


def stacked(cases):
    """Tokens and context of cases, (batch, n, d_model); the context None in self-attention."""
    tokens = np.stack([case.tokens for case in cases])
    context = None if cases[0].context is None else np.stack([case.context for case in cases])
    return tokens, context


def ask_in_turn(jobs, report=None):
    """Ask circuits one after another, until one is interrupted.

    Parameters
    ----------
    jobs : dict of str to callable
        By label: from a progress report to something with a finished or interrupted `run`.
    report : callable, optional
        Brian2's progress report.

    Returns
    -------
    Swept
    """
    done, failed = {}, {}
    for k, (label, ask_one) in enumerate(jobs.items()):
        try:
            answer = ask_one(part_of(report, k, len(jobs)))
        except RunError as error:
            failed[label] = str(error)
            continue
        except KeyboardInterrupt:  # between two runs, or in a pilot
            return Swept(done, failed, True)
        if answer.run.interrupted:
            return Swept(done, failed, True)
        done[label] = answer
    return Swept(done, failed, False)


def as_done(asked, report=None, executor=None):
    """Jobs in the order in which they are done, each with a function that gives its result, or raises what went wrong.

    Parameters
    ----------
    asked : sequence of (object, callable)
        A job, and a function of a progress report that does it.
    report : callable, optional
        Brian2's progress report.
    executor : concurrent.futures.Executor, optional
        Does jobs side by side; without it they are done one after another in this process.

    Yields
    ------
    object, callable
    """
    if executor is None:
        yield from ((job, partial(ask, part_of(report, k, len(asked)))) for k, (job, ask) in enumerate(asked))
        return
    futures = {executor.submit(ask): job for job, ask in asked}
    for k, future in enumerate(as_completed(futures)):
        yield futures[future], future.result
        if report:
            report(0 * second, (k + 1) / len(futures), 0 * second, 0 * second)


def collected(asked, report=None, executor=None, name=attrgetter("name")):
    """What jobs give, as far as they come.

    Parameters
    ----------
    asked, report, executor
        As for `as_done`.
    name : callable
        Name of a job, by which its failure is told.

    Returns
    -------
    Swept
        Results by job, and what failed by the name of its job.
    """
    done, failed = {}, {}
    try:
        for job, get in as_done(asked, report, executor):
            try:
                done[job] = get()
            except RunError as error:
                failed[name(job)] = str(error)
    except KeyboardInterrupt:
        return Swept(done, failed, True)
    return Swept(done, failed, False)


def part_of(report, k, n):
    """Progress report of one run, rescaled to the progress of all runs.

    Parameters
    ----------
    report : callable or None
        Brian2's progress report, ``report(elapsed, completed, start, duration)``.
    k, n : int
        Index of the run, from zero, and number of runs.

    Returns
    -------
    callable or None
        With the same arguments; it reports (k + completed) / n as completed. None without a report.
    """
    if report is None:
        return None
    return lambda elapsed, completed, start, duration: report(elapsed, (k + completed) / n, start, duration)


def write(name, folder, result, figure, content):
    """Write the files of an experiment: NAME.json, NAME.png and run.json.

    Parameters
    ----------
    name : str
        Name of the experiment.
    folder : pathlib.Path
        An existing folder.
    result : dict
        Content of NAME.json, to which the version of the schema is added.
    figure : matplotlib.figure.Figure or None
        None: an earlier NAME.png is removed.
    content : dict
        Content of run.json, such as that of `run_json`.

    Raises
    ------
    FolderError
        If a file cannot be written.
    TypeError
        For content that JSON cannot represent.
    """
    write_json(folder / f"{name}.json", {"schema_version": SCHEMA_VERSION, **result})
    (folder / f"{name}.png").unlink(missing_ok=True)
    if figure is not None:
        save(figure, folder / f"{name}.png")
    write_json(folder / "run.json", content)


def run_json(options, swept, **parameters):
    """Content of run.json for an experiment.

    Parameters
    ----------
    options : Options
        Their seed is stated as the seed of the inputs and of the starting phases.
    swept : Swept
        The finished runs: their unit rates by label, their targets, and the sum of their wall times (s) are stated.
    **parameters
        Further parameters of the experiment.

    Returns
    -------
    dict
        As returned by `trials.provenance.provenance`.

    Raises
    ------
    TypeError
        For a parameter that JSON cannot represent.
    """
    settings, runs = options.settings, {label: answer.run for label, answer in swept.done.items()}
    held = {**options.named, **settings._asdict(), **settings.times()._asdict(), "form": settings.form._asdict()}
    targets = {run.target: {"reason": run.target_reason, "flags": engine.flags(run.target)} for run in runs.values()}
    return provenance(
        sys.argv, held | parameters, {"inputs": settings.seed, "phases": settings.seed},
        {label: run.unit_rates for label, run in runs.items()}, targets, sum(run.wall for run in runs.values()),
    )  # fmt: skip
