"""What every experiment is asked besides: where its result goes, how much is said, and whether it gets a page."""

import functools
import inspect
import sys
import time
from pathlib import Path
from typing import NamedTuple

from cortical_attention.command import options as o
from cortical_attention.command.pages import check_bokeh, make_page
from cortical_attention.command.printed import printed
from cortical_attention.command.progress import progress
from cortical_attention.command.status import INTERRUPTED
from cortical_attention.command.tables import console_for, say
from cortical_attention.readout.files import check_folder, result_folder
from cortical_attention.trials.batch import Swept, write
from cortical_attention.trials.provenance import provenance


class Output(NamedTuple):
    """Where the result of an experiment goes and how much is said.

    Attributes
    ----------
    out : pathlib.Path or None
    overwrite, quiet, json : bool
        The options of these names.
    page : bool
        The option --report.
    start : float
        When the experiment began, s (`time.perf_counter`).
    about : tuple of str
        Values of the options `NAMING`: words with which the name of the default folder begins.
    """

    out: Path | None
    overwrite: o.Overwrite
    quiet: o.Quiet
    json: o.Json
    page: o.Report
    start: float
    about: tuple = ()

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
        return result_folder(experiment, settings, self.out, self.overwrite, self.about)

    def provenance(self, parameters, seeds):
        """Content of run.json."""
        return provenance(sys.argv, parameters, seeds, wall_time_s=time.perf_counter() - self.start)

    def report(self, experiment, folder, result, figure, content, table, predictions, as_json=None):
        """Write the result, its figure (or None) and run.json of such `content`; print table and predictions, and with
        --json the result, or `as_json` in its place; make the page, if one is asked for."""
        write(experiment, folder, result, figure, content | {"printed": printed(table, predictions)})
        say(experiment, result, table, predictions, folder, self.console, self.json, as_json)
        self.finish(folder)

    def stopped(self, experiment, parameters, seeds, **computed):
        """Write what was computed before an interruption, and return the exit status of an interruption.

        `computed` has `rows` and what else the JSON file is to hold; it gets no figures. If all of it is empty, nothing is
        written, and KeyboardInterrupt is raised.
        """
        if not any(computed.values()):
            raise KeyboardInterrupt
        folder, content = self.folder(experiment, parameters), self.provenance(parameters, seeds)
        result = Swept({}, {}, True).result(computed.pop("rows"), figures={}, **computed)
        self.report(experiment, folder, result, None, content, "", ())
        return INTERRUPTED

    def finish(self, folder):
        """Make the page of the result in a folder, if one is asked for."""
        if self.page:
            make_page(folder, self.console)


NAMING = ("case", "wiring", "form")  # options that the default folder is named after, where a command has them
DEFAULTS = {"out": None, "overwrite": False, "quiet": False, "json": False, "report": False}


def with_output(main):
    """The experiment as a command with the options --out, --overwrite, --quiet, --json and --report, in the place of
    `output`."""
    signature, parameters = inspect.signature(main), []
    for each in signature.parameters.values():
        parameters += _options(signature.parameters) if each.name == "output" else [each]
    naming = {name: signature.parameters[name].default for name in NAMING if name in signature.parameters}

    @functools.wraps(main)
    def command(**given):
        """The experiment."""
        about = tuple(_name_of(given.get(name, default)) for name, default in naming.items())
        output = Output(*(given.pop(name, default) for name, default in DEFAULTS.items()), time.perf_counter(), about)
        if output.page:
            check_bokeh("--report")
        return main(**given, output=output)

    command.__signature__ = signature.replace(parameters=parameters)
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def without_output(given):
    """Parameters of an experiment, from its local variables: all but those of `Output`."""
    return {name: value for name, value in given.items() if name != "output"}


def _options(others):
    """Parameters of the options; the help of --out depends on the names of the other parameters."""
    words = [*(name.upper() for name in NAMING if name in others), "TIME", "HASH"]
    types = Output.__annotations__ | {"out": o.out_option(f"results/EXPERIMENT/{'-'.join(words)}"), "report": o.Report}
    kind = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(name, kind, default=default, annotation=types[name]) for name, default in DEFAULTS.items()
    ]


def _name_of(value):
    """Value of an option in a word: of a file its name without suffix; of a System or Form its name."""
    return value.stem if isinstance(value, Path) else getattr(value, "name", str(value))
