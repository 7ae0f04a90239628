"""Provenance of a result: the content of `run.json`."""

import datetime
import functools
import hashlib
import importlib.metadata
import math
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from cortical_attention.readout.units import value_and_unit

SCHEMA_VERSION = 1
NO_CLONE = "not a git repository"  # what git says where there is none
PACKAGES = ("cortical-attention", "brian2", "numpy", "matplotlib", "neo", "nixio", "quantities", "safetensors")

PACKAGE = Path(__file__).parents[1]
AT_THE_TOP = ("cells", "circuits", "experiments", "wiring")  # of a clone; installed, they lie in the package
CODE = (".py", ".h", ".npz", ".toml")  # endings of what decides a result


def provenance(command, parameters, seeds, unit_rates=None, code_generation=None, wall_time_s=None):
    """Provenance of a run, ready for JSON.

    Parameters
    ----------
    command : sequence of str
        The command line, such as `sys.argv`.
    parameters : dict or NamedTuple
        Every parameter by name; Brian2 quantities keep their units.
    seeds : dict of str to int
        Seeds by name.
    unit_rates : dict of str to Quantity, optional
        Rate (Hz) that represents the value one, by population.
    code_generation : dict, optional
        Target, flags, and the reason for the target.
    wall_time_s : float, optional
        Wall time of the run (s).

    Returns
    -------
    dict
        Plain numbers, strings, lists and dicts. `commit` is that of the clone, or the one that a wheel was built from
        (abbreviated), else None. `changed` states whether the tree differs from it; None if unknown. `code` is the hash of
        the source files, in a clone or not.
    """
    return jsonable(
        {
            "schema_version": SCHEMA_VERSION,
            "command": list(command),
            "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "versions": versions(),
            **tree(),
            "parameters": parameters,
            "unit_rates": unit_rates or {},
            "seeds": seeds,
            "code_generation": code_generation or {},
            "processor": processor(),
            "operating_system": f"{platform.system()} {platform.release()}",
            "wall_time_s": wall_time_s,
        }
    )


@functools.cache
def tree():
    """`commit`, `changed` and `code` of the running code (dict), cached at the first call: before a run, not after it."""
    found = git_state(PACKAGE)
    if not found["commit"]:
        found |= built_from(PACKAGE)
    return {**found, "code": code_hash(PACKAGE)}


def built_from(package):
    """`commit` and `changed`, as in `git_state`, of the tree that an installed package was built from; empty if unknown.

    A wheel holds them in `commit.txt`: the commit as git describes it, such as `g71f5d18`, and the version, whose local part
    ends in a date if the tree differed from the commit. In a clone such a file may be left of an earlier build.
    """
    if not (package / AT_THE_TOP[0]).is_dir():
        return {}
    try:
        commit, version = (package / "commit.txt").read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return {}
    if not re.fullmatch(r"g[0-9a-f]{4,}", commit):  # "None" where the version came from no repository
        return {}
    return {"commit": commit[1:], "changed": bool(re.search(r"\.d\d{8}$", version))}


def code_hash(package):
    """Sixteen hexadecimal digits of the SHA-256 of all source files that affect a result, in a clone or installed."""
    found, files = hashlib.sha256(), {}
    for top in (package, *(package.parent / name for name in AT_THE_TOP if not (package / name).exists())):
        root = package if top == package else package.parent
        known = (path for path in top.rglob("*") if path.suffix in CODE and path.is_file())
        files |= {path.relative_to(root).as_posix(): path for path in known}
    for name, path in sorted(files.items()):
        found.update(f"{name}\n{path.stat().st_size}\n".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def versions(packages=PACKAGES):
    """Versions (dict of str to str) of Python and of packages by distribution name; None if not installed."""
    return {"python": platform.python_version()} | {name: _version(name) for name in packages}


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def git_state(folder):
    """`{"commit": str, "changed": bool}` of the clone that contains `folder`; both None outside a clone.

    Git refuses to read the clone of another user, whose settings could make it run programs. Its commit is read
    nevertheless, which runs none; `changed` is then None, and `git_refused` gives the reason.

    The clone has to track files of the folder, so that an environment inside a clone does not count. `changed` means that
    a tracked file differs from the commit, or that there is an untracked Python file.
    """
    _, refused = _asked_git(folder, "rev-parse", "--show-toplevel")
    trusting = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false") if refused else ()
    tracked = _git(folder, *trusting, "ls-files")
    commit = _git(folder, *trusting, "rev-parse", "--verify", "--quiet", "HEAD") if tracked else None
    if refused and (commit or tracked is None):
        return {"commit": commit and commit.strip(), "changed": None, "git_refused": refused}
    if not commit:
        return {"commit": None, "changed": None}
    status = _git(folder, "status", "--porcelain", "--untracked-files=all", ":/") or ""
    changed = any(not line.startswith("??") or line.rstrip('"').endswith(".py") for line in status.splitlines())
    return {"commit": commit.strip(), "changed": changed}


def _git(folder, *arguments):
    """Answer of git in `folder`, or None."""
    return _asked_git(folder, *arguments)[0]


def _asked_git(folder, *arguments):
    """Answer of git in `folder` and why it refuses the clone there, each None where there is none; without the GIT_
    variables with which a hook points git elsewhere."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"LC_ALL": "C"}  # its answers in English
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None, None
    if done.returncode == 0:
        return done.stdout, None
    said = next((line for line in done.stderr.splitlines() if line.startswith("fatal: ")), "")
    absent = NO_CLONE in said and not any(os.path.exists(each / ".git") for each in (folder, *folder.parents))
    return None, None if absent else said.removeprefix("fatal: ") or None


def processor():
    """Model name of the processor and its number of threads (str)."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass  # not Linux
    return {"model": model, "threads": os.cpu_count()}


def jsonable(x):
    """Convert `x` to a type that JSON can represent.

    Quantities become `{"value", "unit"}`, arrays and tuples lists, a NamedTuple a dict of its fields; a number
    that is not finite becomes None, which JSON can represent.

    Raises
    ------
    TypeError
        For any other type.
    """
    if x is None or isinstance(x, bool | int | str):
        return x
    if _is_brian_quantity(x):
        return jsonable(value_and_unit(x))
    if hasattr(x, "dimensionality"):  # of the package quantities, which neo uses
        return {"value": jsonable(x.magnitude), "unit": x.dimensionality.string}
    if isinstance(x, float):
        return float(x) if math.isfinite(x) else None
    if isinstance(x, np.ndarray | np.generic):
        return jsonable(x.tolist())
    if hasattr(x, "_asdict"):
        x = x._asdict()
    if isinstance(x, dict):
        return {str(key): jsonable(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return [jsonable(value) for value in x]
    if isinstance(x, Path):
        return str(x)
    if callable(x):
        return f"{x.__module__}.{getattr(x, '__qualname__', type(x).__qualname__)}"
    raise TypeError(f"a {type(x).__name__} cannot be written as JSON.")


def _is_brian_quantity(x):
    """Told without importing Brian2 (2 s): where it was not imported, nothing can be its quantity."""
    brian2 = sys.modules.get("brian2")
    return brian2 is not None and isinstance(x, brian2.Quantity)
