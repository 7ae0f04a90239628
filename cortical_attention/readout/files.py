"""Result folders and their files. Each file is written completely or not at all."""

import contextlib
import datetime
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from contextvars import ContextVar
from pathlib import Path

import numpy as np

from cortical_attention.readout.names import EXPORTED_FOLDERS, EXPORTS, NAMED, RESULT_FILES, names_of, word_of
from cortical_attention.readout.provenance import jsonable

try:
    import fcntl
except ImportError:  # Windows: no folder is reserved there
    fcntl = None

LOCK = ".cortical-attention-lock"  # in a folder that a run writes to
NEW = "all files here are of one run\n"  # in the lock of a folder that was empty
_RESERVED = ContextVar("reserved", default=None)
HALF_WRITTEN = re.compile(r"\.\w+\.\d+\.\w+")  # as `replacing` calls a file


class FolderError(ValueError):
    """A folder or file that cannot be written to; the message is one sentence that names it."""


def settings_hash(settings):
    """Eight hexadecimal digits of the SHA-256 of `settings` as JSON, independent of the order of names.

    A field `sources` of a NamedTuple is left out: it says where constants come from, and no result depends on it.
    """
    text = json.dumps(jsonable(_without_sources(settings)), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _without_sources(x):
    """Settings without the fields `sources` of NamedTuples, at any depth."""
    if hasattr(x, "_asdict"):
        x = {name: value for name, value in x._asdict().items() if name != "sources"}
    if isinstance(x, dict):
        return {name: _without_sources(value) for name, value in x.items()}
    return [_without_sources(each) for each in x] if isinstance(x, list | tuple) else x


@contextlib.contextmanager
def reservations():
    """Context in which `check_folder` reserves folders; each command runs in one (`command.line`)."""
    with contextlib.ExitStack() as stack:
        token = _RESERVED.set((stack, set()))
        try:
            yield
        finally:
            _RESERVED.reset(token)


def check_folder(out=None, overwrite=False):
    """Refuse a folder that cannot be written to, before a long simulation.

    Within `reservations` the folder is reserved for this command, and refused to others. Elsewhere nothing is created.

    Parameters
    ----------
    out, overwrite
        As in `check_writable`. A default folder has a unique name and is not reserved.

    Raises
    ------
    FolderError
        As in `check_writable`, and if another run is writing to `out`.
    """
    check_writable(out, overwrite)
    if out is None or _RESERVED.get() is None or _is_reserved(out):
        return
    stack, held = _RESERVED.get()
    if stack.enter_context(locked(Path(out))):
        check_writable(out, overwrite)  # again: now nobody else changes it
        held.add(Path(out).resolve())


def _is_reserved(out):
    """Whether this command has reserved a folder."""
    return _RESERVED.get() is not None and Path(out).resolve() in _RESERVED.get()[1]


def check_writable(out=None, overwrite=False):
    """Refuse a folder that cannot be written to. Creates nothing.

    Parameters
    ----------
    out : path, optional
        Result folder; default: `results` in the working directory.
    overwrite : bool
        Whether to accept a folder that is not empty.

    Raises
    ------
    FolderError
        If `out` or a folder above it is a file, is not empty, or cannot be written to.
    """
    folder = Path("results") if out is None else Path(out)
    with _refusing(f"{folder} cannot be written to"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            folder.lstat()  # a name too long, or a folder that may not be entered
        existing = next((path for path in (folder, *folder.parents) if os.path.lexists(path)), Path())
        if not existing.is_dir():
            raise FolderError(f"{folder} cannot be a result folder: {existing} is not a folder.")
        if out is not None and existing == folder and not overwrite and others(folder) and not _unfinished(folder):
            raise FolderError(f"{folder} holds files already; choose another folder, or add --overwrite.")
        with tempfile.TemporaryFile(dir=existing):
            pass


def others(folder):
    """Contents of a folder without the lock."""
    return [path.name for path in folder.iterdir() if path.name != LOCK]


def _unfinished(folder):
    """Whether all contents of a folder are from one run that was killed, failed, or is still running."""
    try:
        new = (folder / LOCK).read_text(encoding="utf-8") == NEW
    except (OSError, ValueError):
        return False
    known = {name.partition("/")[0] for name in (*RESULT_FILES, *names_of(NAMED))}
    return new and all(name in known or HALF_WRITTEN.fullmatch(name) for name in others(folder))


def result_folder(experiment, settings, out=None, overwrite=False, about=()):
    """Create the folder of one result.

    Parameters
    ----------
    experiment : str
        Name of the experiment.
    settings : dict
        All settings that determine the result, including the content of the case (`jsonable`); hashed into the default
        name.
    out : path, optional
        Default: `results/<experiment>/<about>-<UTC time>-<hash of the settings>`, with a number appended if another run
        took that name in the same second.
    overwrite : bool
        Whether to accept a folder that is not empty. Files of an earlier result are then removed, so that a folder
        never mixes two runs; other files stay.
    about : sequence of str
        Words with which the default name begins, such as case, wiring and form; see `readout.names.word_of`.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    FolderError
        As in `check_folder`.
    """
    if out is None:
        check_folder()
        return _default_folder(experiment, settings, about)
    folder = Path(out)
    if not _is_reserved(folder):
        check_folder(folder, overwrite)
    with _refusing(f"{folder} cannot be written to"):
        folder.mkdir(parents=True, exist_ok=True)
        forget(experiment, folder)
    return folder


def forget(experiment, folder):
    """Remove the files of an earlier result of this experiment, of `compare`, or of another that left its NAME.json."""
    names = [name for name in NAMED if name == experiment or (folder / f"{name}.json").exists()]
    halves = [path.name for path in folder.iterdir() if HALF_WRITTEN.fullmatch(path.name)]
    for name in (*halves, *RESULT_FILES, *EXPORTS, *names_of(names)):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            (folder / name).unlink()
    for name, file in EXPORTED_FOLDERS.items():
        if (folder / name / file).is_file():  # as `export` wrote it
            shutil.rmtree(folder / name)


def made(folder):
    """A folder, created with those above it where it is not there (Path); FolderError where that is impossible."""
    with _refusing(f"{folder} cannot be made"):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def exists(path):
    """Whether there is a file or folder (bool); FolderError where that cannot be told."""
    with _refusing(f"{path} cannot be looked up"):
        return path.exists()


def check_file(path):
    """Refuse a file that cannot be written, before what it is to hold is computed; the folder is made if it is not there.

    Raises
    ------
    FolderError
    """
    if exists(path) and not path.is_file():
        raise FolderError(f"{path} is no file but needs to be one, or not to be there yet.")
    made(path.parent)
    part = _beside(path)
    with _refusing(f"{path} cannot be written"):
        part.touch()
        part.unlink()


@contextlib.contextmanager
def locked(folder, writer="run"):
    """Create a folder and exclude other runs from it until the block ends.

    The system releases the lock when the process ends, for whatever reason. Folders that are still empty are removed at the
    end. The lock file remains if a run was killed, or failed after writing: it marks the contents as no result.

    Parameters
    ----------
    folder : pathlib.Path
    writer : str
        Name of another writer in the message.

    Yields
    ------
    bool
        Whether the lock is held; some disks and systems have no locks.

    Raises
    ------
    FolderError
        If another process holds the lock, or the folder cannot be written to.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with _refusing(f"{folder} cannot be written to"):
            file, held = _lock(folder)
        if file is None:
            raise FolderError(
                f"{folder} is being written to by another {writer}; wait for it, or choose another folder"
            )
        with file:
            done = False
            try:
                yield held
                done = True
            finally:
                with contextlib.suppress(OSError):
                    if done or not (others(folder) and _unfinished(folder)):
                        (folder / LOCK).unlink()  # before the lock is let go of
    finally:
        with contextlib.suppress(OSError):  # as soon as one is not empty
            for path in missing:
                path.rmdir()


def _lock(folder):
    """Open lock file of a folder, and whether it is locked; None if another process has locked it."""
    path = folder / LOCK
    for _ in range(100):  # others may be removing what they made
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError), contextlib.ExitStack() as stack:
            file = stack.enter_context(path.open("a"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None, False
            except (OSError, AttributeError):  # a disk, or a system, without locks
                stack.pop_all()
                return file, False
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                stack.pop_all()
                with contextlib.suppress(OSError):  # of a full disk results say more
                    if not others(folder):
                        path.write_text(NEW, encoding="utf-8")
                return file, True
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _default_folder(experiment, settings, about):
    time = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    words = [*filter(None, map(word_of, about)), time, settings_hash(settings)]
    first = Path("results", experiment, "-".join(words))
    with _refusing(f"{first} cannot be written to"):
        first.parent.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1000):
            folder = first if number == 1 else first.with_name(f"{first.name}-{number}")
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                return folder
    raise FolderError(f"{first} is taken, and 998 numbered after it.")


def write_json(path, content):
    """Write `content` (see `jsonable`) as indented JSON in UTF-8; numbers that are not finite become null.

    Raises
    ------
    FolderError
        If the file cannot be written.
    TypeError
        For content that JSON cannot represent.
    """
    text = json.dumps(jsonable(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_array(path, array):
    """Write `array` (any shape) as `.npy`.

    Raises
    ------
    FolderError
        If the file cannot be written.
    ValueError
        For an array of objects.
    """
    with replacing(path) as part, part.open("wb") as file:
        np.save(file, np.asarray(array), allow_pickle=False)


@contextlib.contextmanager
def replacing(path):
    """Yield a temporary path that replaces `path` when the block ends without error.

    Raises
    ------
    FolderError
        If the file cannot be written; an earlier file at `path` is then unchanged.
    """
    path = Path(path)
    part = _beside(path)
    with _refusing(f"{path} cannot be written"):
        try:
            yield part
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path):
    """Yield a new temporary folder that takes the place of the folder `path` when the block ends without error.

    Raises
    ------
    FolderError
        If the folder cannot be written; an earlier folder at `path` is then unchanged.
    """
    path = Path(path)
    with _refusing(f"{path} cannot be written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            new = part / "new"
            new.mkdir()
            yield new
            if os.path.lexists(path):
                path.replace(part / "old")
            new.replace(path)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _beside(path):
    """Temporary file beside another (Path)."""
    return path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")  # HALF_WRITTEN


@contextlib.contextmanager
def _refusing(sentence):
    """Convert an error of the file system into a FolderError of one sentence."""
    try:
        yield
    except OSError as error:
        raise FolderError(f"{sentence}: {(error.strerror or str(error)).lower()}.") from error
