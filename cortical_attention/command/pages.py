"""The command `report`, and the option --report: the page of a result, and of a folder of several results."""

import json
import os
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import numpy as np
import typer

from cortical_attention.circuits.protocol import RunError
from cortical_attention.command import options as o
from cortical_attention.command.line import docstring, figure_of
from cortical_attention.command.status import DONE, FAILED, say
from cortical_attention.readout.files import FolderError, check_file, exists
from cortical_attention.readout.names import FORMS, NAMED, SHOWN
from cortical_attention.trials.description import description
from cortical_attention.trials.options import restored
from cortical_attention.trials.result import load, reading
from cortical_attention.wiring.expressions import WiringError

PAGE, INDEX = "report.html", "index.html"
NEEDED = "comparison.json"  # a folder with it is a result
LACKING = "{} needs the package bokeh; pip install 'cortical-attention[report]'"


def main(
    folder: Annotated[
        Path, typer.Argument(help="Result folder of an experiment, or of `Result.save`; or a folder with several of them.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="HTML file.", show_default=f"{PAGE}, or {INDEX} of several, in the folder itself")
    ] = None,
    overwrite: o.Overwrite = False,
):  # fmt: skip
    """Make the page of a result: one HTML file that needs no other file, and no network."""
    check_bokeh("report")
    several = not exists(folder / NEEDED) and experiment_in(folder) is None and bool(places_below(folder))
    result = None if several or experiment_in(folder) else load(folder)
    path = folder / (INDEX if several else PAGE) if out is None else out
    if exists(path) and not overwrite:
        raise o.OptionError(f"{path} exists already; choose another with --out, or add --overwrite")
    check_file(path)
    failed = []
    if result is not None:
        write(result, path, folder)
    elif several:
        failed = index(folder, path, overwrite)
    else:
        failed = write_experiment_in(folder, path, overwrite)
    for sentence in failed:
        say(sentence, FAILED)
    print(path)
    return FAILED if failed else DONE


def experiment_in(folder):
    """Name of the experiment, other than `compare`, of which a folder holds the result (str); None if of none."""
    if any(exists(folder / name) for name in (NEEDED, "case.npz")):  # with a calibration.json, which is of `calibrate`
        return None
    return next((name for name in (*NAMED, "sweep") if exists(folder / f"{name}.json")), None)


def places_below(folder):
    """Folders of results below a folder (list of Path)."""
    if not folder.is_dir():
        return []
    files = (NEEDED, *(f"{name}.json" for name in (*NAMED, "sweep")))
    found = {path.parent for path in folder.rglob("*.json") if path.name in files} - {folder}
    return sorted(each for each in found if exists(each / NEEDED) or experiment_in(each))


def pages_below(folder, path, overwrite):
    """Make the page of each result below a folder which has none, or one that is older than it.

    Parameters
    ----------
    folder : pathlib.Path
    path : pathlib.Path
        The page that links to them.
    overwrite : bool
        Whether to make pages that are there again.

    Returns
    -------
    rows, experiments, failed : list
        As `report.index.write_index` takes them.
    """
    rows, experiments, failed = [], [], []
    for place in places_below(folder):
        page, name = place / PAGE, place.relative_to(folder).as_posix()
        link = quote(Path(os.path.relpath(page.resolve(), path.resolve().parent)).as_posix())
        try:
            if (experiment := experiment_in(place)) is not None:
                if _is_due(page, place / f"{experiment}.json", overwrite):
                    failed += write_experiment_in(place, page, overwrite)
                run = _content(place / "run.json") if exists(place / "run.json") else {}
                predictions = run.get("printed", {}).get("predictions", [])
                experiments.append((name, link, experiment, predictions, run.get("written")))
                continue
            result = load(place)
            if _is_due(page, place / NEEDED, overwrite):
                write(result, page, place)
            rows.append((name, link, result.report))
        except FolderError as error:
            failed.append(str(error))
    return rows, experiments, failed


def _is_due(page, result, overwrite):
    return overwrite or not exists(page) or page.stat().st_mtime < result.stat().st_mtime


def index(folder, path, overwrite):
    """Write the page of several results; gives a sentence for each that could not be read (list of str)."""
    from cortical_attention.report.index import write_index

    rows, experiments, failed = pages_below(folder, path, overwrite)
    if not rows and not experiments:
        raise FolderError(failed[0])
    write_index(folder.resolve().name, rows, experiments, failed, path)
    return failed


def write_experiment_in(folder, path, overwrite=False):
    """Write the page of an experiment; gives a sentence for each result below that could not be read (list of str).

    Raises
    ------
    FolderError
        If a file of the experiment cannot be read, or the page not be written.
    """
    from cortical_attention.report.experiment import Experiment, write_experiment

    name, run = experiment_in(folder), folder / "run.json"
    rows, experiments, failed = pages_below(folder, path, overwrite)
    pictures = sorted(folder.glob("*.png"), key=lambda each: (each.stem != name, each.name))
    provenance = _content(run) if exists(run) else None
    found = Experiment(
        name, docstring(name), figure_of(name), _content(folder / f"{name}.json"), provenance, pictures,
        sorted(folder.glob("*.csv")), _shown_in(folder), rows, experiments, failed,
    )  # fmt: skip
    write_experiment(found, path)
    return failed


def _shown_in(folder):
    """What was shown, by the name of the form: of the folder itself (""), and of those of forms in it."""
    places = {"": folder} | {form: folder / form for form in FORMS}
    return {
        form: (_content(place / SHOWN), *_weights(place)) for form, place in places.items() if exists(place / SHOWN)
    }


def _weights(folder):
    """Attention of circuit and algebra; None where there is none."""
    files = (folder / f"{name}.npy" for name in ("attention", "reference_attention"))
    return [reading(file, np.load) if exists(file) else None for file in files]


def _content(path):
    """Content of a JSON file (dict)."""
    return reading(path, lambda path: dict(json.loads(path.read_text(encoding="utf-8"))))


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


def write(result, path, folder):
    """Write the page of a result.

    Parameters
    ----------
    result : Result
    path : pathlib.Path
    folder : pathlib.Path
        Of the result; there may be a file on what its tokens stand for.

    Raises
    ------
    FolderError
        If the file cannot be written.
    """
    from cortical_attention.report.page import write_page

    shown = _content(folder / SHOWN) if exists(folder / SHOWN) else None
    write_page(result, path, described(result), shown)


def make_page(folder, console):
    """Write the page of what was just written into a folder, and say so."""
    if experiment_in(folder) is None:
        write(load(folder), folder / PAGE, folder)
    else:
        for sentence in write_experiment_in(folder, folder / PAGE):
            console.print(f"no page: {sentence}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"page in {folder / PAGE}", highlight=False, markup=False, soft_wrap=True)


def described(result):
    """What the circuit of a result is made of (dict), or a sentence (str) on why its folder does not tell."""
    try:
        return description(result.case, restored(result.provenance["options"]))
    except (RunError, WiringError) as error:
        return str(error)
