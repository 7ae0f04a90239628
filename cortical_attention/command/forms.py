"""An experiment on many cases in several forms: one folder for each form, written as soon as the form is done."""

import json

from cortical_attention.circuits.protocol import RunError
from cortical_attention.command.printed import printed
from cortical_attention.command.status import DONE, INTERRUPTED, status_by
from cortical_attention.command.tables import say_predictions, say_written
from cortical_attention.readout.files import result_folder, write_json
from cortical_attention.trials.results import open_folder
from cortical_attention.wiring.expressions import WiringError


def in_each_form(experiment, every, output, label, run, write, content):
    """Run an experiment in each form, until one is interrupted; a form that fails leaves what the others answered.

    Parameters
    ----------
    experiment : str
    every : dict of str to Options
        By form.
    output : Output
    label : str
        Of the progress.
    run : callable
        Gives comparisons, from options and a progress report, to a list, as they are done.
    write : callable
        Writes the comparisons of a form, with their options, into its folder.
    content : object
        What is run, for the name of the folder.

    Returns
    -------
    results : dict of str to list of Comparison
    status : int
        Exit status.
    folder : pathlib.Path

    Raises
    ------
    KeyboardInterrupt, RunError, WiringError
        If there is no result yet.
    """
    results, status, folder = {}, DONE, None
    for form, options in every.items():
        done, stopped = [], None
        try:
            with output.progress(f"{label}, {form} form") as report:
                run(options, report, done)
        except (KeyboardInterrupt, RunError, WiringError) as error:  # between two runs, or in a calibration
            stopped = error
        if not done and not results:
            raise stopped
        if done:
            if folder is None:
                last = [*every.values()][-1]
                folder = open_folder(experiment, last, content, output.out, output.overwrite, output.about)
            results[form] = done
            write(done, options, result_folder(experiment, {}, folder / form, True))
        status = max(status, _status(form, done, stopped, output))
        if status == INTERRUPTED:
            break
    return results, status, folder


def _status(form, done, stopped, output):
    """Exit status of a form, from its comparisons and what stopped it; a failure is said."""
    interrupted = isinstance(stopped, KeyboardInterrupt) or (bool(done) and done[-1].run.interrupted)
    failed = {form: str(stopped)} if stopped is not None and not interrupted else {}
    for name, reason in failed.items():
        output.console.print(f"failed: {name}: {reason}", highlight=False, markup=False, soft_wrap=True)
    return status_by([each.report["settled"] for each in done], interrupted, failed)


def conclude(experiment, result, table, show, predictions, status, folder, output, parameters):
    """Write and print the result of all forms.

    Parameters
    ----------
    experiment : str
    result : dict
        Content of EXPERIMENT.json.
    table : rich.table.Table
    show : callable
        Prints to a console what is said below the table.
    predictions : list of Prediction
    status, folder
        As `in_each_form` returns them.
    output : Output
    parameters : dict
        Of the experiment, for run.json.

    Returns
    -------
    int
        The exit status.
    """
    write_json(folder / f"{experiment}.json", result)
    content = output.provenance(parameters, {"first": parameters["seed"]})
    judged = [] if status == INTERRUPTED else predictions  # they are about all inputs
    write_json(folder / "run.json", content | {"printed": printed(table, judged)})
    if output.json:
        print(json.dumps(result))
    output.console.print(table)
    show(output.console)
    say_predictions(experiment, predictions, output.console, status == INTERRUPTED)
    say_written(folder, output.console, status == INTERRUPTED)
    output.finish(folder)
    return status
