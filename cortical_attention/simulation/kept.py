"""Cache of compiled code between runs: its folder, the integrity of its files, and folders in which programs may run.

Each of these can be missing: a user without a home has no cache, a temporary folder may forbid programs, and a full disk may
have cut a file short. Every file holds the hash of its content; a file that does not match it is compiled anew.
"""

import hashlib
import os
import sys
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import brian2
from brian2.codegen.runtime.cython_rt import extension_manager

from cortical_attention.circuits.protocol import RunError

MAX_KEPT = 4000  # chosen: objects of some 20 kB, about 130 a circuit; the ones that were not used for longest go first
PREFIX = "cortical-attention-"  # of temporary folders


def cache():
    """Folder of what was compiled; None for a user without a home."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(home):  # to be ignored, says the XDG specification
        home = os.path.join(os.path.expanduser("~"), ".cache")
    return Path(home) / "cortical-attention" / "objects" if os.path.isabs(home) else None


def load(path):
    """Content of a file that was kept, or None: absent, unreadable, or not what `keep` wrote under this name."""
    try:
        whole = path.read_bytes()
    except OSError:
        return None
    seal = _seal(path.name, content := whole[64:])
    with suppress(OSError):  # of another user
        os.utime(path)
    return content if whole[:64] == seal else None


def keep(contents):
    """Put contents (dict of Path to bytes) of one folder into it, each whole or not at all; what cannot be is left out."""
    with suppress(OSError):
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix="part-", delete=False) as part:
                part.write(_seal(path.name, content) + content)
            Path(part.name).replace(path)
        for folder in {path.parent for path in contents}:
            for old in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)[:-MAX_KEPT]:
                old.unlink(missing_ok=True)


def _seal(name, content):
    return hashlib.sha256(name.encode() + b"\n" + content).hexdigest().encode()


def can_run_programs(folder):
    """Whether a program can be written into a folder and run there: a file system may be mounted so that none can."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=PREFIX) as file:
            os.chmod(file.name, 0o700)
            return os.access(file.name, os.X_OK)
    except OSError:
        return False


def _places():
    """Folders in which programs may be run, the first choice first."""
    with suppress(FileNotFoundError):  # no folder for temporary files at all
        yield Path(tempfile.gettempdir())
    if cache() is not None:
        with suppress(OSError):
            cache().mkdir(parents=True, exist_ok=True)
        yield cache().parent


def place():
    """Folder in which programs can run, or None."""
    return next(filter(can_run_programs, _places()), None)


@contextmanager
def workshop(target):
    """A temporary folder in which programs can run.

    Raises
    ------
    RunError
        If there is none.
    """
    found = place()
    if found is None:
        tried = " or ".join(map(str, _places()))
        raise RunError(
            f"the target {target} needs a folder in which it can write and run programs, but cannot in {tried}: set TMPDIR "
            "to another"
        )
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=found) as folder:
        yield folder


@contextmanager
def modules():
    """Brian2's Cython modules kept where they can be loaded, and made anew where they are not whole.

    Raises
    ------
    RunError
        If there is no folder for them.
    """
    manager, preferences = extension_manager.cython_extension_manager, brian2.prefs.codegen.runtime.cython
    before = preferences.cache_dir
    with ExitStack() as stack:
        if not os.path.isabs(os.path.expanduser("~")):
            stack.enter_context(_home(stack.enter_context(workshop("cython"))))
        folder = os.path.expanduser(extension_manager.get_cython_cache_dir())
        with suppress(OSError):
            os.makedirs(folder, exist_ok=True)
        if not can_run_programs(folder):
            preferences.cache_dir = stack.enter_context(workshop("cython"))
        manager._load_module = _checked(manager._load_module)
        try:
            yield
        finally:
            del manager._load_module  # of this instance
            preferences.cache_dir = before


@contextmanager
def _home(folder):
    """A home for a user without one: distutils, which compiles for Brian2, looks for settings there."""
    before = os.environ.get("HOME")
    os.environ["HOME"] = folder
    try:
        yield
    finally:
        del os.environ["HOME"]
        os.environ.update({} if before is None else {"HOME": before})


def _checked(load_module):
    """`load_module` of Brian2, which takes a module to be whole if it is there."""

    def load_whole(module_path, **how):
        """A module, compiled if its file is absent, or not as it was when it was compiled."""
        path, searched = Path(module_path), list(sys.path)
        there = path.is_file()
        if there and _sealed(path) is False:
            path.unlink()
        try:
            module = load_module(module_path=module_path, **how)
        except ImportError:
            if not there:
                raise
            sys.path[:] = searched
            path.unlink(missing_ok=True)
            module = load_module(module_path=module_path, **how)
        if path.is_file() and not _sealed(path) and cache() is not None:
            keep({_seal_of(path): _digest(path)})
        return module

    return load_whole


def _sealed(path):
    """Whether a module is as it was when it was sealed; None if it never was."""
    known = None if cache() is None else load(_seal_of(path))
    return None if known is None else known == _digest(path)


def _seal_of(path):
    """Where the seal of a module is kept."""
    return cache().with_name("modules") / hashlib.sha256(str(path).encode()).hexdigest()


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest().encode()
