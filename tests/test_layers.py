"""Who may import whom: the table of docs and DESIGN, read from the imports of every file; and the guard of conftest."""

import ast
import os
import subprocess
import sys
from configparser import ConfigParser
from itertools import product
from pathlib import Path

import pytest

from tests.command import PATIENCE

ROOT = Path(__file__).parents[1]
PACKAGE = "cortical_attention"
TOP = {"cells", "wiring", "circuits", "experiments"}  # mapped into the package; all other rooms lie in its folder
BELOW = {"reference", "readout", "inputs", "cells", "wiring", "circuits", "simulation", "trials"}
MAY_IMPORT = {
    "reference": set(),
    "readout": set(),
    "cells": set(),
    "inputs": {"reference"},
    "wiring": {"cells"},
    "circuits": {"cells", "wiring"},  # never the reference: the thing measured does not import its yardstick
    "simulation": {"cells", "wiring", "circuits"},  # nor does what runs it
    "trials": BELOW - {"trials"},
    "command": BELOW
    | {"sweep", "experiments", "export", "report"},  # experiments by name only, to list and to run them
    "sweep": BELOW | {"command", "experiments"},
    "export": {"readout"},
    "report": {"readout"},
    "experiments": BELOW | {"command", "sweep"},
    "tests": BELOW | {"command", "sweep", "experiments", "benchmarks", "export", "report"},
    "benchmarks": BELOW | {"command", "experiments"},
}
FORBIDDEN = [
    (room, other) for room, other in product(MAY_IMPORT, repeat=2) if room != other and other not in MAY_IMPORT[room]
]


def imported(source):
    """Rooms that a source text imports, at any depth of its code; a relative import is `.`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (room_of(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == PACKAGE else [node.module]
            yield from ["."] if node.level else map(room_of, names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            yield from (room_of(each.value) for each in node.args if isinstance(each, ast.Constant))


def room_of(module):
    """Room of a module: the folder in the package, or the top-level name."""
    parts = module.split(".")
    return parts[1] if parts[0] == PACKAGE and len(parts) > 1 else parts[0]


def folder_of(room, root):
    """Where the files of a room lie."""
    return root / room if room in TOP | {"tests", "benchmarks"} else root / PACKAGE / room


def wrong_arrows(root):
    """Every import of one room by another that the table does not allow."""
    arrows = []
    for room, allowed in MAY_IMPORT.items():
        for path in sorted(folder_of(room, root).rglob("*.py")):
            wrong = (set(imported(path.read_text())) & {".", *MAY_IMPORT}) - {room} - allowed
            arrows += [f"{path.relative_to(root)} imports {other}" for other in sorted(wrong)]
    return arrows


def test_no_arrow_outside_the_table():
    assert wrong_arrows(ROOT) == []


def test_the_table_names_every_room():
    rooms = {path.parent.name for path in [*ROOT.glob("*/__init__.py"), *ROOT.glob(f"{PACKAGE}/*/__init__.py")]}
    assert rooms - {PACKAGE} <= set(MAY_IMPORT)
    assert set(MAY_IMPORT) - {"tests"} <= rooms


def test_no_experiment_imports_another():
    names = [path.stem for path in (ROOT / "experiments").glob("*.py") if path.stem != "__init__"]
    for name in names:
        source = (ROOT / "experiments" / f"{name}.py").read_text()
        assert f"{PACKAGE}.experiments" not in source.replace(f"python -m {PACKAGE}.experiments.", ""), name


def test_every_folder_is_in_the_wheel():
    """The list of packages in setup.cfg names each folder that holds code, where it lies."""
    options = ConfigParser()
    options.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = set(options["options"]["packages"].split())
    folders = {
        path.parent.relative_to(ROOT) for path in ROOT.glob("*/**/*.py") if path.relative_to(ROOT).parts[0] in TOP
    }
    folders |= {path.parent.relative_to(ROOT / PACKAGE) for path in (ROOT / PACKAGE).rglob("*.py")}
    assert listed == {".".join((PACKAGE, *folder.parts)) for folder in folders}
    lines = options["options"]["package_dir"].strip().splitlines()
    assert {tuple(line.split(" = ")) for line in lines} == {(f"{PACKAGE}.{room}", room) for room in TOP}


def test_the_reference_is_numpy_only():
    known = {*sys.stdlib_module_names, "numpy", "reference"}
    for path in folder_of("reference", ROOT).rglob("*.py"):
        assert set(imported(path.read_text())) <= known, path


@pytest.mark.parametrize(
    "line",
    [
        "import {}",
        "from {}.thing import x",
        "def inside():\n    import {}.thing as y",
        "import importlib\nimportlib.import_module('{}.thing')",
    ],
)
def test_negative_control_a_forbidden_import_is_caught(line, tmp_path):
    for room, other in FORBIDDEN:
        path = folder_of(room, tmp_path / f"{room}-{other}") / "deep" / "made_up.py"
        path.parent.mkdir(parents=True)
        package = other if other in ("tests", "benchmarks") else f"{PACKAGE}.{other}"
        path.write_text(line.format(package))
        where = path.relative_to(tmp_path / f"{room}-{other}")
        assert wrong_arrows(tmp_path / f"{room}-{other}") == [f"{where} imports {other}"]


def test_negative_control_a_module_of_the_package_is_its_room(tmp_path):
    path = folder_of("circuits", tmp_path) / "made_up.py"
    path.parent.mkdir()
    path.write_text(f"from {PACKAGE} import reference")
    assert wrong_arrows(tmp_path) == ["circuits/made_up.py imports reference"]


def test_negative_control_a_relative_import_is_caught(tmp_path):
    (tmp_path / "circuits").mkdir()
    (tmp_path / "circuits" / "made_up.py").write_text("from ..reference import attention")
    assert wrong_arrows(tmp_path) == ["circuits/made_up.py imports ."]


LEAKS = """
import os
import signal
import sys
import brian2
from cortical_attention.simulation import engine
import pytest

ON_INTERRUPTION = signal.getsignal(signal.SIGINT)


@pytest.fixture(scope="module", autouse=True)
def put_back():
    yield
    brian2.set_device("runtime")


def test_target():
    brian2.prefs.codegen.target = "cython"


def test_clock():
    brian2.defaultclock.dt = 1 * brian2.ms


def test_device():
    brian2.set_device("cpp_standalone", build_on_run=False)


def test_hook():
    sys.excepthook = print


def test_surroundings():
    sys.excepthook = sys.__excepthook__
    os.environ["LEFT"] = "here"
    os.chdir("/")
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def test_clean():
    assert "LEFT" not in os.environ
    assert os.getcwd() != "/"
    assert signal.getsignal(signal.SIGINT) is ON_INTERRUPTION
    with engine.device("cython"):
        pass
"""


def test_negative_control_the_guard_of_conftest_catches_each_leak(tmp_path):
    """Four leave something behind: they pass and their teardown fails. What a fifth leaves is put back. The clean one passes
    whole."""
    (tmp_path / "test_leaks.py").write_text(LEAKS)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    plugins = (
        "-p",
        "conftest",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:nengo",
    )  # of Nengo's, pytest 9 says that it is broken
    command = [sys.executable, "-m", "pytest", "-q", *plugins, "--rootdir", ".", "."]
    answer = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=PATIENCE
    )
    assert "6 passed" in answer.stdout, answer.stdout
    assert "4 errors" in answer.stdout, answer.stdout
    for name, left in [
        ("target", "code generation target: cython, not numpy"),
        ("clock", "default clock (ms): 1.0, not 0.1"),
        ("device", "device: CPPStandaloneDevice, not RuntimeDevice"),
        ("hook", "hook of uncaught errors: <built-in function print>"),
    ]:
        assert f"ERROR at teardown of test_{name}" in answer.stdout
        assert left in answer.stdout
