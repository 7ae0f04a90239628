"""An experiment on many cases in several forms: one folder for each form, written as soon as the form is done."""

import json

from cortical_attention.command.status import DONE, INTERRUPTED, status_by
from cortical_attention.command.tables import say_predictions
from cortical_attention.readout.files import result_folder, write_json
from cortical_attention.trials.results import open_folder


def in_each_form(experiment, every, output, label, run, write, content):
    """Run an experiment in each form, until one is interrupted.

    Parameters
    ----------
    experiment : str
    every : dict of str to Options
        By form.
    output : Output
    label : str
        Of the progress.
    run : callable
        From options and a progress report to comparisons.
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
    KeyboardInterrupt
        If there is no result yet.
    """
    results, status, folder = {}, DONE, None
    for form, options in every.items():
        try:
            with output.progress(f"{label}, {form} form") as report:
                results[form] = run(options, report)
        except KeyboardInterrupt:  # between two runs, or in a calibration
            if folder is None:
                raise
            return results, INTERRUPTED, folder
        if folder is None:
            last = [*every.values()][-1]
            folder = open_folder(experiment, last, content, output.out, output.overwrite, output.about)
        settled = [each.report["settled"] for each in results[form]]
        status = max(status, status_by(settled, results[form][-1].run.interrupted))
        write(results[form], options, result_folder(experiment, {}, folder / form, True))
        if status == INTERRUPTED:
            break
    return results, status, folder


def conclude(experiment, result, show, predictions, status, folder, output):
    """Write and print the result of all forms.

    Parameters
    ----------
    experiment : str
    result : dict
        Content of EXPERIMENT.json.
    show : callable
        Prints the table to a console.
    predictions : list of Prediction
    status, folder
        As `in_each_form` returns them.
    output : Output

    Returns
    -------
    int
        The exit status.
    """
    write_json(folder / f"{experiment}.json", result)
    if output.json:
        print(json.dumps(result))
    show(output.console)
    say_predictions(experiment, predictions, output.console)
    if status == INTERRUPTED:
        output.console.print("interrupted; what was computed until then is written", highlight=False)
    output.console.print(f"written to {folder}", highlight=False, markup=False, soft_wrap=True)
    return status
