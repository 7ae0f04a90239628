"""Command line: every experiment is a subcommand and a script.

Only the named experiment is imported; the help shows the first line of the docstrings of all others.
"""

import ast
import importlib
import re
import sys
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from cortical_attention import __version__, experiments
from cortical_attention.command.status import BAD_INPUT, INTERRUPTED, guarded, say
from cortical_attention.command.terminal import silence

EXPERIMENTS = (
    "match",
    "digits",
    "compare",
    "one_head",
    "multihead",
    "normalisation",
    "error_over_time",
    "onset",
    "shunt_noise",
    "gradients",
    "ladder",
    "attribution",
    "shared_calibration",
    "crutches",
    "averaging",
    "bursts",
    "multipliers",
    "forecast",
    "best_attention",
    "division",
    "softmax",
    "softmax_forms",
    "softmax_biophysical",
    "which_curve",
    "random_features",
    "transformer",
    "systems",
    "hopfield",
    "potentiation",
    "layer_6b",
    "hippocampus",
    "areas",
    "block",
    "waves",
    "memory_rules",
    "recurrent_attention",
    "context_inference",
    "relays",
    "amplify_suppress",
    "precision",
    "match_and_control",
    "burst_attention",
    "reticular",
    "modulation",
    "drivers",
    "layer_6",
    "credit",
    "teach",
    "learn",
    "memory_learning",
    "learn_match",
    "robustness",
    "barrel_cortex",
    "physiology",
    "calibration",
    "verdict",
    "sweep",
)


COMMANDS = {
    "calibrate": ("calibrate.main", "Set the cells of a circuit on calibration sequences, once, for all inputs."),
    "describe": ("describe.main", "What a circuit is made of, without running it."),
    "show": (
        "folders.show",
        "Draw the pictures of a result again, of some cells and some time, from its folder alone.",
    ),
    "diff": ("folders.diff", "Say what differs between two results: settings, inputs, and figures."),
    "export": ("folders.export", "Convert a result: its recording as NIX, NWB or SONATA, or all of it as an RO-Crate."),
    "report": ("pages.main", "Make the page of a result: one HTML file that needs no other file, and no network."),
    "watch": ("watch.main", "Compare a circuit with its algebra on a page that shows the run while it is computed."),
    "repeat": ("folders.repeat", "Run the circuit of a result again, and say whether the answer is the same."),
}
"""Commands that are no experiments: their module and function here, and what the help says."""


def _print_version(asked):
    """Print the version and end, where it is asked for."""
    if asked:
        print(f"cortical-attention {__version__}")
        raise typer.Exit


_VERSION = typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")


def main():
    """Run the command line."""
    silence()
    try:
        app = build(sys.argv[1:])
    except KeyboardInterrupt:  # while the experiment is imported
        sys.exit(say("interrupted", INTERRUPTED))
    except ValueError as error:
        if type(error).__name__ != "ProtocolError":
            raise
        sys.exit(say(str(error), BAD_INPUT))
    app()


def build(arguments):
    """Typer application; only the experiment named in the arguments is imported, the others appear in the help."""
    return application({next((word for word in arguments if not word.startswith("-")), None)})


def application(names):
    """Typer application whose commands of these names are imported, and therefore have their options."""
    app = typer.Typer(
        help="Does a cortico-thalamic circuit compute multihead self-attention?",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(_options_of_all)
    for name in EXPERIMENTS:
        main_of = (
            importlib.import_module(f"cortical_attention.experiments.{name}").main if name in names else _not_imported
        )
        app.command(name, help=_on_one_line(docstring(name).split("\n\n")[0]))(guarded(main_of))
    app.command("list", help="Every experiment, with its question and its run time.")(list_experiments)
    for name, (place, sentence) in COMMANDS.items():
        module, function = place.split(".")
        own = importlib.import_module(f"cortical_attention.command.{module}") if name in names else None
        app.command(name, help=sentence)(guarded(getattr(own, function) if own else _not_imported))
    return app


def _options_of_all(version: Annotated[bool, _VERSION] = False):
    """Options before the name of a command."""


def _not_imported():
    """Placeholder for an experiment that is not named on the command line."""


@cache
def docstring(name):
    """Docstring of an experiment, read without importing it."""
    return ast.get_docstring(_parsed(name))


def figure_of(name):
    """What the figure of an experiment shows (str): the docstring of its function `draw`, or else its own title."""
    functions = {each.name: each for each in _parsed(name).body if isinstance(each, ast.FunctionDef)}
    found = ast.get_docstring(functions["draw"]) if "draw" in functions else docstring(name)
    return _on_one_line(found.split("\n\n")[0]).removeprefix("Figure: ")


def _parsed(name):
    """Source of an experiment, parsed."""
    source = (Path(experiments.__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return ast.parse(source)


def list_experiments():
    """Print the first sentence of the question and of the run time of every experiment."""
    from rich.console import Console
    from rich.table import Table

    table = Table("experiment", "question and run time", box=None)
    for name in EXPERIMENTS:
        table.add_row(name, "\n".join(f"{title}: {_first_sentence(name, title)}" for title in ("Question", "Run time")))
    Console().print(table)


def _first_sentence(name, title):
    """First sentence of the paragraph `title:` of the docstring of an experiment."""
    paragraphs = map(_on_one_line, docstring(name).split("\n\n"))
    found = next(each for each in paragraphs if each.startswith(f"{title}: "))
    return re.match(r".*?[.?](?=\s|$)", found.removeprefix(f"{title}: "))[0]


def _on_one_line(paragraph):
    return " ".join(paragraph.split())


if __name__ == "__main__":
    main()
