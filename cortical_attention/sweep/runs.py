"""One run of a sweep, on a worker: it is done beside its folder, which appears whole or not at all."""

import errno
import importlib
import inspect
import json
import os
import shutil
import socket
import sys
import time
import traceback
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import NamedTuple

from cortical_attention.command.status import DONE, FAILED, finished
from cortical_attention.command.terminal import ignore_interruption
from cortical_attention.readout.files import FolderError, write_json
from cortical_attention.readout.provenance import tree

SCHEMA_VERSION = 1
KEPT = ("done", "not settled")  # a run that failed is run again when the sweep goes on
FULL = (errno.ENOSPC, errno.EDQUOT)


class Task(NamedTuple):
    """One run of an experiment.

    Attributes
    ----------
    name : str
        What its folder is called: the swept values, the seed, and a hash of all that decides the result.
    experiment : str
    words : tuple of str
        As on the command line, without the folder.
    options : dict
        Arguments of the experiment's `main`, but for those that say where and how loud.
    inputs : dict of str to str
        Of these options the files, by their place in the folder of the sweep.
    swept : dict
        Swept values and seed by name, as the table shows them.
    """

    name: str
    experiment: str
    words: tuple
    options: dict
    inputs: dict
    swept: dict


def dask_setup(worker):
    """Called in each worker before its first run: Ctrl-C is for the process that started it, which ends its workers."""
    tree()  # as it is while the worker imports it
    if worker is not None:
        ignore_interruption()


def code_of(experiment):
    """Hash of the code of this worker, which has imported the experiment then."""
    importlib.import_module(f"cortical_attention.experiments.{experiment}")
    return tree()["code"]


def has_brian2():
    """Whether this worker has imported Brian2, as it needs to before the first run."""
    return "brian2" in sys.modules


def perform(run, folder):
    """Do a run of a sweep.

    Parameters
    ----------
    run : Task
    folder : pathlib.Path
        Of the sweep; absolute.

    Raises
    ------
    FolderError
        Where the folder is full or cannot be written to; there is no trace of the run then. A run that fails in any other
        way has a folder that says so.
    """
    start = time.perf_counter()
    with _attempt(folder, run.name) as place:
        result, log = place / "result", place / "log.txt"
        with log.open("w", encoding="utf-8") as file:
            status, error = _call(run, folder, result, file)
        result.mkdir(exist_ok=True)
        log.replace(result / "log.txt")  # fails where the attempt was taken away: what came of it may not be whole
        rows = rows_of(result, run.experiment) if error is None else []
        status, error = _judged(status, error, result / f"{run.experiment}.json")
        publish(run, folder, result, status, error, time.perf_counter() - start, rows)


@contextmanager
def _attempt(folder, name):
    """A folder for this process alone, gone afterwards; a full disk is one sentence."""
    place = folder / "runs" / f".{name}.{os.getpid()}@{socket.gethostname()}"
    try:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        yield place
    except (OSError, FolderError) as error:
        found = error if isinstance(error, OSError) else error.__cause__
        reason = os.strerror(errno.ENOSPC) if is_full(error) else getattr(found, "strerror", None) or str(error)
        raise FolderError(f"{folder} cannot be written to: {reason.lower()}") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _call(run, folder, result, log):
    """Exit status of the experiment, which writes into `result` and prints to `log`, and the sentence of its error."""
    main = importlib.import_module(f"cortical_attention.experiments.{run.experiment}").main
    options = run.options | {name: folder / place for name, place in run.inputs.items()} | {"out": result}
    options |= {"quiet": True} if "quiet" in inspect.signature(main).parameters else {}
    with redirect_stdout(log), redirect_stderr(log), _command_line(run):
        try:
            status, sentence, error = finished(main, options)
        except Exception as found:  # a bug in one run does not stop the others
            traceback.print_exc()
            status, sentence, error = FAILED, f"{type(found).__name__}: {found}", found
    if is_full(error):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
    return status, sentence


@contextmanager
def _command_line(run):
    """The command line that would do this run alone, as run.json keeps it."""
    before, sys.argv = sys.argv, ["cortical-attention", run.experiment, *run.words]
    try:
        yield
    finally:
        sys.argv = before


def is_full(error):
    """Whether an error comes from a full disk, or quota, whatever it was wrapped in."""
    while error is not None:
        if getattr(error, "errno", None) in FULL or os.strerror(errno.ENOSPC) in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _judged(status, error, file):
    """Status in a word, and the sentence of what failed: the experiment itself, or a simulation in it."""
    if error is not None:
        return "failed", " ".join(error.split())
    failed = _read(file).get("failed") if file.is_file() else None
    if failed:
        return "failed", "; ".join(f"{name}: {sentence}" for name, sentence in failed.items())
    return {DONE: ("done", None), FAILED: ("not settled", None)}.get(status, ("failed", "interrupted"))


def publish(run, folder, result, status, error, wall_s, rows):
    """Give a finished run its place among the runs, unless it is there already."""
    content = {"schema_version": SCHEMA_VERSION, "run": run.name, "experiment": run.experiment, "swept": run.swept}
    content |= {"code": tree()["code"], "status": status, "error": error, "wall_s": wall_s, "rows": rows}
    write_json(result / "outcome.json", content)
    target = folder / "runs" / run.name
    if outcome(folder, run.name).get("status") not in KEPT:
        shutil.rmtree(target, ignore_errors=True)
        result.rename(target)


def record_failure(run, folder, sentence):
    """Give a run that no worker could finish its place."""
    with _attempt(folder, run.name) as place:
        result = place / "result"
        result.mkdir()
        publish(run, folder, result, "failed", sentence, None, [])


def outcome(folder, name):
    """What came of a run by the code that runs now; empty where there is none, or one that cannot be read."""
    found = outcome_of_any(folder, name)
    return found if found.get("code") == tree()["code"] else {}


def outcome_of_any(folder, name):
    """The same by whatever code."""
    try:
        content = _read(folder / "runs" / name / "outcome.json")
    except (OSError, ValueError):
        return {}
    whole = isinstance(content, dict) and content.get("run") == name and isinstance(content.get("rows"), list)
    return content if whole else {}


def rows_of(folder, experiment):
    """Figures of a result, a dict of scalars each.

    Of comparison.json, or else of NAME.json: one row for each of its `rows`; or, where it holds nothing but objects (the
    forms of digits.json), for each of these, called its `part`; or one of all of it.
    """
    file = next(
        (folder / f"{name}.json" for name in ("comparison", experiment) if (folder / f"{name}.json").is_file()), None
    )
    if file is None:
        return []
    content = _read(file)
    if isinstance(content.get("rows"), list):
        rows = content["rows"]
    elif content and all(isinstance(each, dict) for each in content.values()):
        rows = [{"part": name, **each} for name, each in content.items()]
    else:
        rows = [content]
    return [dict(_flat(row)) for row in rows]


def _flat(content, before=""):
    """Names and scalars of an object; of those inside it under both names with a point between; no lists."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        elif not isinstance(value, list) and name != "schema_version":
            yield f"{before}{name}", value


def _read(file):
    return json.loads(file.read_text(encoding="utf-8"))
