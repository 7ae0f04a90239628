"""Where a result comes from, as JSON."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import quantities as pq
from brian2 import Hz, Quantity, ms, mV, nS

from cortical_attention.readout.provenance import (
    AT_THE_TOP,
    CODE,
    PACKAGE,
    built_from,
    code_hash,
    git_state,
    jsonable,
    provenance,
    tree,
    versions,
)
from tests.command import ROOT


class Parameters(NamedTuple):
    g_L: Quantity = 10 * nS
    name: str = "relay"


@pytest.fixture
def clone(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    package = tmp_path / "clone" / "package"
    package.mkdir(parents=True)
    (package / "module.py").write_text("x = 1\n")
    (package.parent / ".gitignore").write_text("environment/\n")
    git(package.parent, "init", "--quiet")
    commit(package.parent)
    return package


def git(folder, *arguments):
    names = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    return subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(folder):
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "state")


def test_a_clean_clone_names_its_commit(clone):
    assert git_state(clone) == {"commit": git(clone, "rev-parse", "HEAD").strip(), "changed": False}


def test_a_changed_file_is_reported_and_a_commit_makes_it_good(clone):
    (clone / "module.py").write_text("x = 2\n")
    before = git_state(clone)
    commit(clone)
    after = git_state(clone)
    assert (before["changed"], after["changed"]) == (True, False)
    assert before["commit"] != after["commit"]


def test_a_changed_file_that_is_no_module_counts_too(clone):
    (clone.parent / ".gitignore").write_text("")
    assert git_state(clone)["changed"] is True


def test_an_untracked_module_changes_what_runs_and_other_files_do_not(clone):
    (clone.parent / "case.npz").write_bytes(b"")
    assert git_state(clone)["changed"] is False
    (clone.parent / "übung one.py").write_text("")
    assert git_state(clone)["changed"] is True


def test_a_folder_that_git_does_not_track_has_no_commit(clone, tmp_path):
    environment = clone.parent / "environment"
    environment.mkdir()
    for folder in (environment, tmp_path, tmp_path / "not there"):
        assert git_state(folder) == {"commit": None, "changed": None}


def test_a_hook_of_another_clone_does_not_mislead(clone, monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert git_state(clone)["commit"] is not None


def test_a_machine_without_git(clone, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(clone) == {"commit": None, "changed": None}


@pytest.mark.parametrize("installed", [False, True])
def test_the_hash_of_the_code_knows_every_file_that_decides_a_result(installed, tmp_path):
    """Python, headers and data of our packages, by name and content; the same in a clone as installed."""
    package, left_out = tmp_path / PACKAGE.name, shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, package, ignore=left_out)
    for name in AT_THE_TOP:
        shutil.copytree(ROOT / name, (package if installed else tmp_path) / name, ignore=left_out)
    (tmp_path / "readout").mkdir()
    (tmp_path / "readout" / "of_others.py").touch()
    first, files = code_hash(package), [path for path in tmp_path.rglob("*") if path.suffix in CODE]
    files = [path for path in files if path.name != "of_others.py"]
    assert first == code_hash(PACKAGE)
    assert {path.suffix for path in files} == set(CODE)
    for path in files:
        before = path.read_bytes()
        path.write_bytes(before + b"\n")
        assert code_hash(package) != first, path
        path.write_bytes(before)
    files[0].rename(files[0].with_stem("other"))
    assert code_hash(package) != first
    files[0].with_stem("other").rename(files[0])
    (package / "readout" / "__pycache__").mkdir()
    (package / "readout" / "__pycache__" / "cell.pyc").touch()
    (package / "readout" / ".#cell.py").symlink_to("an editor's")
    assert code_hash(package) == first


def test_every_folder_of_ours_at_the_top_is_hashed():
    tops = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks", PACKAGE.name}
    assert tops == set(AT_THE_TOP)


def test_a_tree_that_changes_during_a_run_is_not_taken_for_the_one_that_ran(monkeypatch):
    before = tree()
    monkeypatch.setattr("cortical_attention.readout.provenance.code_hash", lambda _: "changed")
    monkeypatch.setattr(
        "cortical_attention.readout.provenance.git_state", lambda _: {"commit": "new", "changed": False}
    )
    assert {name: provenance([], {}, {})[name] for name in before} == before


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("g71f5d18 0.1.0", {"commit": "71f5d18", "changed": False}),
        ("g71f5d18 0.1.1.dev3+g71f5d18.d20261127", {"commit": "71f5d18", "changed": True}),
        ("None 0.1.0.dev0", {}),
        ("", {}),
    ],
)
def test_a_wheel_names_the_commit_that_it_was_built_from(content, expected, tmp_path, monkeypatch):
    (tmp_path / "commit.txt").write_text(content)
    assert built_from(tmp_path) == {}  # a clone, where it may be old
    (tmp_path / "cells").mkdir()
    assert built_from(tmp_path) == expected
    monkeypatch.setattr("cortical_attention.readout.provenance.PACKAGE", tmp_path)
    found = tree.__wrapped__()
    assert found == {"commit": None, "changed": None, "code": code_hash(tmp_path), **expected}
    (tmp_path / "commit.txt").unlink()
    assert built_from(tmp_path) == {}


@pytest.fixture
def of_another_user(tmp_path, monkeypatch):
    """A git to which every clone is that of another user."""
    real, folder = shutil.which("git"), tmp_path / "programs"
    folder.mkdir()
    (folder / "git").write_text(f'#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec {real} "$@"\n')
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_a_clone_of_another_user_names_its_commit_and_why_git_refused(clone, of_another_user, monkeypatch):
    found = git_state(clone)
    monkeypatch.undo()
    assert found["commit"] == git(clone, "rev-parse", "HEAD").strip()
    assert found["changed"] is None
    assert "dubious ownership" in found["git_refused"]


def test_an_environment_in_a_clone_of_another_user_has_no_commit(clone, of_another_user, tmp_path):
    environment = clone.parent / "environment"
    environment.mkdir()
    assert git_state(environment) == git_state(tmp_path) == {"commit": None, "changed": None}


def test_settings_of_a_clone_of_another_user_run_nothing(clone, of_another_user, tmp_path):
    ran = tmp_path / "ran"
    with (clone.parent / ".git" / "config").open("a") as file:
        file.write(f'[core]\n\tfsmonitor = "touch {ran}; false"\n[filter "x"]\n\tclean = touch {ran}\n')
    (clone.parent / ".gitattributes").write_text("* filter=x\n")
    (clone / "module.py").write_text("x = 3\n")
    assert git_state(clone)["commit"]
    assert not ran.exists()


def test_a_clone_that_git_cannot_read_is_not_taken_for_none(clone):
    (clone.parent / ".git" / "HEAD").write_text("")
    assert git_state(clone)["commit"] is None
    assert git_state(clone)["git_refused"]


def test_the_whole_record_survives_json():
    written = provenance(
        command=["cortical-attention", "compare", "case.npz"],
        parameters={"superficial": Parameters(), "tau": 5 * ms, "sizes": (3, np.int64(4)), "W": np.eye(2)},
        seeds={"phases": np.int64(3)},
        unit_rates={"core": 80 * Hz},
        code_generation={"target": "cython", "reason": "small"},
        wall_time_s=1.5,
    )
    read = json.loads(json.dumps(written, allow_nan=False))
    assert read == written
    assert read["schema_version"] == 1
    assert read["command"] == ["cortical-attention", "compare", "case.npz"]
    assert read["parameters"]["superficial"] == {"g_L": {"value": 10e-9, "unit": "S"}, "name": "relay"}
    assert read["parameters"]["tau"] == {"value": 0.005, "unit": "s"}
    assert read["parameters"]["sizes"] == [3, 4]
    assert read["unit_rates"]["core"] == {"value": 80.0, "unit": "Hz"}
    assert read["seeds"] == {"phases": 3}
    assert read["code_generation"]["target"] == "cython"
    assert read["wall_time_s"] == 1.5
    assert read["processor"]["model"]
    assert read["processor"]["threads"] >= 1
    assert read["code"] == code_hash(PACKAGE)
    assert {"commit", "changed", "written", "operating_system"} <= set(read)


def test_versions_are_those_that_run():
    import brian2

    found = versions(("brian2", "numpy", "no-such-package"))
    assert found["brian2"] == brian2.__version__
    assert found["numpy"] == np.__version__
    assert found["no-such-package"] is None
    assert found["python"].count(".") == 2


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.float64(0.1), 0.1),
        (np.nan, None),
        ([1.0, np.inf], [1.0, None]),
        (np.array([[True], [False]]), [[True], [False]]),
        (np.array([1.0, np.nan]) * mV, {"value": [0.001, None], "unit": "V"}),
        (Quantity(2.0), 2.0),
        (3 * pq.ms, {"value": 3.0, "unit": "ms"}),
        ({1: Path("a") / "b"}, {"1": "a/b"}),
        (None, None),
    ],
    ids=repr,
)
def test_jsonable(x, expected):
    assert jsonable(x) == expected
    assert json.loads(json.dumps(jsonable(x), allow_nan=False)) == expected


def test_what_json_cannot_hold_is_refused():
    for x in (object(), 1j, {"a": [b"bytes"]}):
        with pytest.raises(TypeError, match="cannot be written as JSON"):
            jsonable(x)


def test_a_function_is_written_by_its_name():
    assert jsonable({"f": jsonable}) == {"f": "cortical_attention.readout.provenance.jsonable"}
