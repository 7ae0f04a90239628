"""Folder of a sweep: its lock, its finished runs, and its tables."""

import json
import shutil
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path

from cortical_attention.readout.files import (
    LOCK,
    FolderError,
    check_writable,
    locked,
    replacing,
    settings_hash,
    write_json,
)
from cortical_attention.sweep.runs import KEPT, outcome, outcome_of_any

FIXED = ("run", "status", "error", "wall_s")
TABLES = ("sweep.csv", "sweep.parquet", "run.json")
OURS = {LOCK, "inputs", "runs"}  # what there may be before sweep.json


def default_folder(settings):
    """Where a sweep goes unless told: the same place each time, so that the same command goes on."""
    return Path("results", "sweep", f"{settings['experiment']}-{settings_hash(settings)}")


def check(folder, settings):
    """Refuse a folder with other files, or with another sweep; creates nothing.

    Raises
    ------
    FolderError
    """
    ours = folder.is_dir() and (_has_sweep(folder) or {path.name for path in folder.iterdir()} <= OURS)
    if folder.is_dir() and not ours:
        raise FolderError(f"{folder} holds files that are not of a sweep; choose another folder")
    check_writable(folder, overwrite=True)
    if not _has_sweep(folder):
        return
    try:
        found = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FolderError(f"{folder} holds a sweep.json that cannot be read; choose another folder") from error
    for name, value in settings.items():
        if found.get(name) != value:
            has, asked = _brief(found.get(name)), _brief(value)
            raise FolderError(f"{folder} holds another sweep, with {name} {has}, not {asked}; choose another folder")


def _has_sweep(folder):
    return (folder / "sweep.json").exists()


def _brief(value):
    """A setting in one line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."


@contextmanager
def opened(folder, grid):
    """The folder, made, and locked against another sweep; without what a killed one left half done.

    Raises
    ------
    FolderError
    """
    with locked(folder, "sweep"):
        check(folder, grid.settings)  # again: now nobody else changes it
        _write(folder, grid)
        try:
            yield
        finally:
            clean(folder)


def _write(folder, grid):
    """sweep.json and copies of the input files, before any run."""
    clean(folder)
    _make(folder / "runs")
    for place, content in grid.files.items():
        path = folder / place
        if not path.exists():
            _make(path.parent)
            with replacing(path) as part:
                part.write_bytes(content)
    if not _has_sweep(folder):
        write_json(
            folder / "sweep.json", {"schema_version": grid.settings["schema_version"], "settings": grid.settings}
        )


def _make(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(f"{folder} cannot be written to: {(error.strerror or str(error)).lower()}") from error


def clean(folder):
    """Remove attempts of an earlier sweep. Each goes at once: a worker of it that still lives can publish all or nothing."""
    for path in (folder / "runs").glob(".*"):
        with suppress(FileNotFoundError):
            gone = path.rename(path.with_name(f".gone.{uuid.uuid4().hex}"))
            shutil.rmtree(gone, ignore_errors=True)


def missing(runs, folder):
    """Runs of a sweep that are still to be done.

    Parameters
    ----------
    runs : list of sweep.runs.Task
    folder : pathlib.Path
        Of the sweep.

    Returns
    -------
    list of sweep.runs.Task
        Those without an outcome that can be read, those that failed, and those done by other code; in the same order.
    """
    return [run for run in runs if outcome(folder, run.name).get("status") not in KEPT]


def of_other_code(runs, folder):
    """The runs that are done, but by code that is not the present one."""
    return [run for run in missing(runs, folder) if outcome_of_any(folder, run.name).get("status") in KEPT]


def forget_tables(folder):
    """Remove what tells of the runs as they were."""
    for name in TABLES:
        with suppress(OSError):
            (folder / name).unlink()


def rows(runs, folder):
    """The tidy table: a row for each row of each run, or one where it has none.

    Parameters
    ----------
    runs : list of sweep.runs.Task
    folder : pathlib.Path

    Returns
    -------
    list of dict
        Swept values and seed, `run`, `status` (done, not settled, failed, missing), `error`, `wall_s` (s, of the run),
        then the figures; one that has the name of such a column is called `figure.NAME`.
    """
    found = []
    for run in runs:
        held = {"run": run.name, "status": "missing"} | outcome(folder, run.name)
        before = run.swept | {name: held.get(name) for name in FIXED}
        for figures in held.get("rows") or [{}]:
            found.append(before | {f"figure.{name}" if name in before else name: x for name, x in figures.items()})
    return found


def write_tables(table, folder):
    """sweep.csv and sweep.parquet; a number that does not apply is empty.

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    frame = pd.DataFrame(table)
    for name, column in frame.items():
        if column.dropna().map(type).nunique() > 1:  # a column has one type
            frame[name] = column.map(str, na_action="ignore")
    with replacing(folder / "sweep.csv") as part:
        frame.to_csv(part, index=False)
    with replacing(folder / "sweep.parquet") as part:
        frame.to_parquet(part, index=False)
    return frame
