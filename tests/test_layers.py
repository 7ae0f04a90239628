"""Who may import whom: the table of docs and DESIGN, read from the imports of every file; and the guard of conftest."""

import ast
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "reference": set(),
    "readout": set(),
    "cells": set(),
    "wiring": {"cells"},
    "circuits": {"cells", "wiring"},  # never the reference: the thing measured does not import its yardstick
    "experiments": {"reference", "readout", "cells", "wiring", "circuits"},
    "tests": {"reference", "readout", "cells", "wiring", "circuits", "experiments", "benchmarks"},
    "benchmarks": {"reference", "readout", "cells", "wiring", "circuits", "experiments"},
}
FORBIDDEN = [
    (room, other) for room, other in product(MAY_IMPORT, repeat=2) if room != other and other not in MAY_IMPORT[room]
]


def imported(source):
    """Top-level packages that a source text imports, at any depth of its code; a relative import is `.`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." if node.level else node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            yield from (each.value.partition(".")[0] for each in node.args if isinstance(each, ast.Constant))


def wrong_arrows(root):
    """Every import of one room by another that the table does not allow."""
    arrows = []
    for room, allowed in MAY_IMPORT.items():
        for path in sorted((root / room).rglob("*.py")):
            wrong = (set(imported(path.read_text())) & {".", *MAY_IMPORT}) - {room} - allowed
            arrows += [f"{path.relative_to(root)} imports {other}" for other in sorted(wrong)]
    return arrows


def test_no_arrow_outside_the_table():
    assert wrong_arrows(ROOT) == []


def test_the_table_names_every_package():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages <= set(MAY_IMPORT)
    assert {"reference", "readout", "cells", "wiring", "circuits", "experiments"} <= packages


def test_the_reference_is_numpy_only():
    known = {*sys.stdlib_module_names, "numpy", "reference"}
    for path in (ROOT / "reference").rglob("*.py"):
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
        path = tmp_path / f"{room}-{other}" / room / "deep" / "made_up.py"
        path.parent.mkdir(parents=True)
        path.write_text(line.format(other))
        assert wrong_arrows(tmp_path / f"{room}-{other}") == [f"{room}/deep/made_up.py imports {other}"]


def test_negative_control_a_relative_import_is_caught(tmp_path):
    (tmp_path / "circuits").mkdir()
    (tmp_path / "circuits" / "made_up.py").write_text("from ..reference import attention")
    assert wrong_arrows(tmp_path) == ["circuits/made_up.py imports ."]


LEAKS = """
import sys
import brian2
import circuits.engine
import pytest


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


def test_clean():
    sys.excepthook = sys.__excepthook__
    with circuits.engine.device("cython"):
        pass
"""


def test_negative_control_the_guard_of_conftest_catches_each_leak(tmp_path):
    """Four leave something behind: they pass and their teardown fails. The clean one passes whole."""
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
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=120
    )
    assert "5 passed" in answer.stdout, answer.stdout
    assert "4 errors" in answer.stdout, answer.stdout
    for name, left in [
        ("target", "code generation target: cython, not numpy"),
        ("clock", "default clock (ms): 1.0, not 0.1"),
        ("device", "device: CPPStandaloneDevice, not RuntimeDevice"),
        ("hook", "hook of uncaught errors: <built-in function print>"),
    ]:
        assert f"ERROR at teardown of test_{name}" in answer.stdout
        assert left in answer.stdout
