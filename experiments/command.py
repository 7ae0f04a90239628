"""The command line: every experiment is a subcommand and a script.

Only the experiment that is named is imported; of the others the help shows the first line of their docstring.
"""

import ast
import functools
import importlib
import sys
from pathlib import Path

import typer

EXPERIMENTS = (
    "digits",
    "compare",
    "one_head",
    "multihead",
    "normalisation",
    "error_over_time",
    "gradients",
    "ladder",
    "attribution",
    "averaging",
    "bursts",
    "best_attention",
    "division",
    "robustness",
    "barrel_cortex",
    "physiology",
    "calibration",
    "sweep",
)
DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main():
    """Run the command line."""
    try:
        application = build(sys.argv[1:])
    except KeyboardInterrupt:  # while the experiment is imported
        sys.exit(_say("interrupted", INTERRUPTED))
    application()


def build(arguments):
    """Typer application in which the experiment that the arguments name is real, and the others are shown only."""
    app = typer.Typer(
        help="Does a cortico-thalamic circuit compute multihead self-attention?",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    named = next((word for word in arguments if not word.startswith("-")), None)
    for name in EXPERIMENTS:
        main_of = importlib.import_module(f"experiments.{name}").main if name == named else _not_imported
        app.command(name, help=docstring(name).splitlines()[0])(guarded(main_of))
    app.command("list", help="Every experiment, with its question and its run time.")(list_experiments)
    return app


def _not_imported():
    """Place of an experiment that the command line does not name."""


def docstring(name):
    """Docstring of an experiment, read without importing it."""
    source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source))


def list_experiments():
    """Print every experiment with its question and its run time."""
    from rich.console import Console
    from rich.table import Table

    table = Table("experiment", "question", "run time", show_lines=True)
    for name in EXPERIMENTS:
        table.add_row(name, _part(name, "Question"), _part(name, "Run time"))
    Console().print(table)


def _part(name, title):
    """What stands behind `title:` in the docstring of an experiment, up to the next empty line."""
    paragraphs = docstring(name).split("\n\n")
    found = next(each for each in paragraphs if each.startswith(f"{title}:"))
    return " ".join(found.removeprefix(f"{title}:").split())


def script(function):
    """Run an experiment as a script."""
    typer.run(guarded(function))


def guarded(function):
    """The same command, with exit statuses: 1 the simulation failed, 2 bad input, 130 interrupted."""

    @functools.wraps(function)
    def command(**options):
        """The function, with its errors as sentences and exit statuses."""
        status, sentence, _ = finished(function, options)
        raise typer.Exit(status if sentence is None else _say(sentence, status))

    return command


def finished(function, options):
    """Call an experiment: its exit status, and the sentence and the error that ended it, or None and None."""
    import numpy as np

    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is looked for where it matters
            return function(**options) or DONE, None, None
    except (Exception, KeyboardInterrupt) as error:
        known = _ending(error)
        if known is None:
            raise
        return *known, error


def _ending(error):
    """Exit status and sentence of an error that a user can do something about; None of any other."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted"
    if isinstance(error, MemoryError):
        return FAILED, f"there is not enough memory: {str(error).lower() or 'a smaller case may fit'}"
    if isinstance(error, ImportError):
        return BAD_INPUT, str(error)
    return _ending_of_ours(error) if isinstance(error, ValueError | RuntimeError) else None


def _ending_of_ours(error):
    from circuits.protocol import RunError
    from experiments.cases import CaseError
    from experiments.options import OptionError
    from readout.files import FolderError
    from wiring.expressions import WiringError

    if isinstance(error, CaseError | OptionError | FolderError | WiringError):
        return BAD_INPUT, str(error)
    return (FAILED, str(error)) if isinstance(error, RunError) else None


def _say(sentence, status):
    print(f"cortical-attention: {sentence}", file=sys.stderr)
    return status
