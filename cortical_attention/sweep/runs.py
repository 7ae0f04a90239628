"""One run of a sweep, on a worker.

The run is written to a temporary folder, which takes its place among the runs once it is complete.
"""

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
    """Write the outcome of a run, and move its result to its place in the folder of the sweep.

    A run of that name which is "done" or "not settled" by the present code is kept, and `result` stays where it is; a failed
    run, and one of other code, is replaced.

    Parameters
    ----------
    run : Task
    folder : pathlib.Path
        Of the sweep.
    result : pathlib.Path
        Folder of the finished run, on the same file system; it receives outcome.json.
    status : {"done", "not settled", "failed"}
    error : str or None
        Why the run failed, in one sentence.
    wall_s : float or None
        Wall time (s).
    rows : list of dict
        As returned by `rows_of`.

    Raises
    ------
    FolderError
        If outcome.json cannot be written.
    OSError
        If the result cannot be moved, for example because another worker has published the same run in the meantime.
    """
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
    """Outcome of a run by the present code.

    Parameters
    ----------
    folder : pathlib.Path
        Of the sweep.
    name : str
        `Task.name`.

    Returns
    -------
    dict
        Content of outcome.json, as `publish` writes it: `status`, `error`, `wall_s` (s), `rows` and others. Empty if there
        is none, it cannot be read, or it is of other code.
    """
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
    """Figures of a result, one flat row for each of its rows.

    They are read from comparison.json or, in its absence, from NAME.json. A file with a list `rows` has one row per entry. A
    file of nothing but objects (the forms of digits.json) has one row per object, with the name of the object as `part`. Any
    other file has one row.

    Parameters
    ----------
    folder : pathlib.Path
        Of the result.
    experiment : str
        NAME.

    Returns
    -------
    list of dict of str to (float, int, bool, str or None)
        Names inside objects are joined by points, as in ``peak_rate_hz.core``; lists and the version of the schema are left
        out. Empty without either file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not JSON.
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
