"""An experiment on many cases in several forms: one folder for each form, written as soon as the form is done."""

from cortical_attention.command.status import DONE, INTERRUPTED, status_by
from cortical_attention.readout.files import result_folder
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
