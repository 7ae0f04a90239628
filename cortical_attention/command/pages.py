"""The command `report`, and the option --report: the page of a result, and of a folder of several results."""

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from cortical_attention.circuits.protocol import RunError
from cortical_attention.command import options as o
from cortical_attention.command.status import DONE, FAILED, say
from cortical_attention.readout.files import FolderError, check_file, exists
from cortical_attention.trials.description import description
from cortical_attention.trials.options import restored
from cortical_attention.trials.result import load
from cortical_attention.wiring.expressions import WiringError

PAGE, INDEX = "report.html", "index.html"
NEEDED = "comparison.json"  # a folder with it is a result
LACKING = "{} needs the package bokeh; pip install 'cortical-attention[report]'"


def main(
    folder: Annotated[
        Path, typer.Argument(help="Result folder of `compare`, or of `Result.save`; or a folder with several of them.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="HTML file.", show_default=f"{PAGE}, or {INDEX} of several, in the folder itself")
    ] = None,
    overwrite: o.Overwrite = False,
):  # fmt: skip
    """Make the page of a result: one HTML file that needs no other file, and no network."""
    check_bokeh("report")
    several = results_below(folder)
    result = None if several else load(folder)
    path = folder / (INDEX if several else PAGE) if out is None else out
    if exists(path) and not overwrite:
        raise o.OptionError(f"{path} exists already; choose another with --out, or add --overwrite")
    check_file(path)
    if several:
        return index(folder, several, path, overwrite)
    write(result, path)
    print(path)
    return DONE


def results_below(folder):
    """Folders of results below one that is none itself (list of Path)."""
    if not folder.is_dir() or exists(folder / NEEDED):
        return []
    return sorted(each.parent for each in folder.rglob(NEEDED))


def index(folder, several, path, overwrite):
    """Write the page of several results, and that of each which has none, or one that is older than it.

    Returns
    -------
    int
        Exit status: `FAILED` where a result could not be read.
    """
    from cortical_attention.report.index import write_index

    rows, failed = [], []
    for place in several:
        page = place / PAGE
        try:
            result = load(place)
        except FolderError as error:
            failed.append(str(error))
            continue
        if overwrite or not exists(page) or page.stat().st_mtime < (place / NEEDED).stat().st_mtime:
            write(result, page)
        link = quote(Path(os.path.relpath(page.resolve(), path.resolve().parent)).as_posix())
        rows.append((place.relative_to(folder).as_posix(), link, result.report))
    if not rows:
        raise FolderError(failed[0])
    write_index(folder.resolve().name, rows, failed, path)
    for sentence in failed:
        say(sentence, FAILED)
    print(path)
    return FAILED if failed else DONE


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


def make_page(folder, console):
    """Write the page of a result that was just written into its folder, and say so."""
    write(load(folder), folder / PAGE)
    console.print(f"page in {folder / PAGE}", highlight=False, markup=False, soft_wrap=True)


def described(result):
    """What the circuit of a result is made of (dict), or a sentence (str) on why its folder does not tell."""
    try:
        return description(result.case, restored(result.provenance["options"]))
    except (RunError, WiringError) as error:
        return str(error)
