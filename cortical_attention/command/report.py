"""The command `report`: the page of a result, and of a folder of several results."""

from pathlib import Path
from typing import Annotated

import typer

from cortical_attention.circuits.protocol import RunError
from cortical_attention.command import options as o
from cortical_attention.readout.files import check_file, exists
from cortical_attention.trials.description import description
from cortical_attention.trials.options import restored
from cortical_attention.trials.result import load
from cortical_attention.wiring.expressions import WiringError

PAGE = "report.html"
LACKING = "{} needs the package bokeh; pip install 'cortical-attention[report]'"


def main(
    folder: Annotated[Path, typer.Argument(help="Result folder of `compare`, or of `Result.save`.")],
    out: Annotated[
        Path | None, typer.Option(help="HTML file.", show_default=f"{PAGE} in the result folder")
    ] = None,
    overwrite: o.Overwrite = False,
):  # fmt: skip
    """Make the page of a result: one HTML file that needs no other file, and no network."""
    check_bokeh("report")
    result, path = load(folder), folder / PAGE if out is None else out
    if exists(path) and not overwrite:
        raise o.OptionError(f"{path} exists already; choose another with --out, or add --overwrite")
    check_file(path)
    write(result, path)
    print(path)


def check_bokeh(asked):
    """Refuse a page where Bokeh is not installed (OptionError).

    Parameters
    ----------
    asked : str
        What needs it: a command or an option.
    """
    from importlib.util import find_spec

    if find_spec("bokeh") is None:
        raise o.OptionError(LACKING.format(asked))


def write(result, path):
    """Write the page of a result.

    Parameters
    ----------
    result : Result
    path : pathlib.Path

    Raises
    ------
    FolderError
        If the file cannot be written.
    """
    from cortical_attention.report.page import write_page

    write_page(result, path, described(result))


def described(result):
    """What the circuit of a result is made of (dict), or a sentence (str) on why its folder does not tell."""
    try:
        return description(result.case, restored(result.provenance["options"]))
    except (RunError, WiringError) as error:
        return str(error)
