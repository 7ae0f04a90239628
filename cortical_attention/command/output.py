"""What every experiment is asked besides: where its result goes and how much is said, four options as one parameter."""

import functools
import inspect
import sys
import time
from typing import NamedTuple

from cortical_attention.command import options as o
from cortical_attention.command.progress import progress
from cortical_attention.command.tables import console_for, say
from cortical_attention.readout.files import check_folder, result_folder
from cortical_attention.trials.batch import write
from cortical_attention.trials.provenance import provenance


class Output(NamedTuple):
    """Where the result of an experiment goes and how much is said.

    Attributes
    ----------
    out : pathlib.Path or None
    overwrite, quiet, json : bool
        The options of these names.
    start : float
        When the experiment began, s (`time.perf_counter`).
    """

    out: o.Out
    overwrite: o.Overwrite
    quiet: o.Quiet
    json: o.Json
    start: float

    @property
    def console(self):
        """Where people read."""
        return console_for(self.json)

    def check(self):
        """Refuse a folder that has results (FolderError), before anything runs."""
        check_folder(self.out, self.overwrite)

    def progress(self, label):
        """Context of a bar or lines of progress; gives the report that Brian2 calls."""
        return progress(label, self.quiet)

    def folder(self, experiment, settings):
        """The folder, by default named after the settings."""
        return result_folder(experiment, settings, self.out, self.overwrite)

    def provenance(self, parameters, seeds):
        """Content of run.json."""
        return provenance(sys.argv, parameters, seeds, wall_time_s=time.perf_counter() - self.start)

    def report(self, experiment, folder, result, figure, content, table, predictions):
        """Write the result, its figure (or None) and run.json of such `content`; print table and predictions."""
        write(experiment, folder, result, figure, content)
        say(result, table, predictions, folder, self.console, self.json)


DEFAULTS = {"out": None, "overwrite": False, "quiet": False, "json": False}
_OPTIONS = [
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Output.__annotations__[name])
    for name, default in DEFAULTS.items()
]


def with_output(main):
    """The experiment as a command with the options --out, --overwrite, --quiet and --json, in the place of `output`."""
    signature, parameters = inspect.signature(main), []
    for each in signature.parameters.values():
        parameters += _OPTIONS if each.name == "output" else [each]

    @functools.wraps(main)
    def command(**given):
        """The experiment."""
        output = Output(*(given.pop(name, default) for name, default in DEFAULTS.items()), time.perf_counter())
        return main(**given, output=output)

    command.__signature__ = signature.replace(parameters=parameters)
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command
