"""Result folders and the files in them. Every file is written whole or not at all."""

import contextlib
import datetime
import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np

from cortical_attention.readout.provenance import jsonable

RESULT_FILES = (
    "output.npy",
    "reference.npy",
    "comparison.json",
    "recording.nix",
    "raster.png",
    "comparison.png",
    "run.json",
)


class FolderError(ValueError):
    """A folder or file that results cannot be written to; one sentence that names it."""


def settings_hash(settings):
    """Eight hexadecimal digits of the SHA-256 of `settings` as JSON, whatever the order of its names."""
    text = json.dumps(jsonable(settings), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def check_folder(out=None, overwrite=False):
    """Refuse a folder that results cannot be written to; to be called before a long simulation. Creates nothing.

    Parameters
    ----------
    out : path, optional
        The folder asked for; `results` in the working directory by default.
    overwrite : bool
        Whether a folder that holds something is welcome.

    Raises
    ------
    FolderError
        Where `out` or a folder above it is a file, holds something already, or cannot be written to.
    """
    folder = Path("results") if out is None else Path(out)
    with _refusing(f"{folder} cannot be written to"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            folder.lstat()  # a name too long, or a folder that may not be entered
        existing = next((path for path in (folder, *folder.parents) if os.path.lexists(path)), Path())
        if not existing.is_dir():
            raise FolderError(f"{folder} cannot be a result folder: {existing} is not a folder.")
        if out is not None and existing == folder and any(folder.iterdir()) and not overwrite:
            raise FolderError(f"{folder} holds files already; choose another folder, or add --overwrite.")
        with tempfile.TemporaryFile(dir=existing):
            pass


def result_folder(experiment, settings, out=None, overwrite=False):
    """Create the folder of one result.

    Parameters
    ----------
    experiment : str
        Name of the experiment.
    settings : dict
        All that decides the result, the content of the case too (`jsonable`); hashed into the default name.
    out : path, optional
        By default `results/<experiment>/<UTC time>-<hash of the settings>`, with a number behind it where another run
        has taken that name in the same second.
    overwrite : bool
        Whether a folder that holds something is welcome. The files of an earlier result are then removed, so that a
        folder never shows two runs; files of another name stay.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    FolderError
        As `check_folder` does.
    """
    check_folder(out, overwrite)
    if out is None:
        return _default_folder(experiment, settings)
    folder = Path(out)
    with _refusing(f"{folder} cannot be written to"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in RESULT_FILES:
            (folder / name).unlink(missing_ok=True)
    return folder


def _default_folder(experiment, settings):
    time = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    first = Path("results", experiment, f"{time}-{settings_hash(settings)}")
    with _refusing(f"{first} cannot be written to"):
        first.parent.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1000):
            folder = first if number == 1 else first.with_name(f"{first.name}-{number}")
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                return folder
    raise FolderError(f"{first} is taken, and 998 numbered after it.")


def write_json(path, content):
    """Write `content` (see `jsonable`) as indented JSON in UTF-8, names in their order, not-finite numbers as null."""
    text = json.dumps(jsonable(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_array(path, array):
    """Write `array` as `.npy`; ValueError for arrays of objects."""
    with replacing(path) as part, part.open("wb") as file:
        np.save(file, np.asarray(array), allow_pickle=False)


@contextlib.contextmanager
def replacing(path):
    """Give a path beside `path` to write to; it takes the place of `path` once the block has ended without error.

    Raises FolderError where the file cannot be written; what stood at `path` is then untouched.
    """
    path = Path(path)
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    with _refusing(f"{path} cannot be written"):
        try:
            yield part
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def _refusing(sentence):
    """Turn an error of the file system into one sentence."""
    try:
        yield
    except OSError as error:
        raise FolderError(f"{sentence}: {(error.strerror or str(error)).lower()}.") from error
