"""Compiled code between runs: damaged files, users without a home, and folders in which no program runs."""

import os
import pwd
import shutil
from pathlib import Path

import brian2
import numpy as np
import pytest
from brian2 import Network, NeuronGroup, ms, second

from cortical_attention.circuits.protocol import RunError
from cortical_attention.simulation import compile, engine, kept

needs_compiler = pytest.mark.skipif(compile.compiler() is None, reason="no C++ compiler")


@pytest.fixture
def homeless(monkeypatch):
    """A user id that no list of users has, as in a container."""

    def unknown(user):
        raise KeyError(user)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        kept.extension_manager, "base_cython_cache_dir", lambda: "~/.cython"
    )  # looked up once a process


def ramp():
    """What a cell holds after a run of 1 ms in which it grows by one a second, compiled."""
    with engine.device("cpp"):
        group = NeuronGroup(2, "dv/dt = 1 / second : 1", method="euler", namespace={"second": second}, name="group")
        Network(group, name="circuit").run(1 * ms, namespace={})
        return np.array(group.v)


def forbid(monkeypatch, *folders):
    """Let file systems say that no program can run in folders."""
    real = os.access
    refused = lambda path, mode: Path(path).parent not in folders and real(path, mode)  # noqa: E731
    monkeypatch.setattr(kept.os, "access", refused)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-1],
        lambda whole: whole[:-1] + bytes([whole[-1] ^ 1]),
        lambda whole: bytes(len(whole)),
        lambda whole: whole + b"more",
    ],
    ids=["empty", "half", "a byte short", "a bit off", "zeros", "too long"],
)
def test_what_is_damaged_is_not_there(damage, tmp_path):
    path = tmp_path / "kept" / "name"
    kept.keep({path: b"a compiled object"})
    assert kept.load(path) == b"a compiled object"
    path.write_bytes(damage(path.read_bytes()))
    assert kept.load(path) is None
    kept.keep({path: b"a compiled object"})
    assert kept.load(path) == b"a compiled object"


def test_what_was_kept_under_another_name_is_not_there(tmp_path):
    kept.keep({tmp_path / "one": b"1", tmp_path / "other": b"2"})
    shutil.copy(tmp_path / "one", tmp_path / "other")
    assert kept.load(tmp_path / "one") == b"1"
    assert kept.load(tmp_path / "other") is None
    (tmp_path / "folder").mkdir()
    assert kept.load(tmp_path / "folder") is None


@needs_compiler
def test_damaged_objects_are_compiled_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before, objects = ramp(), sorted(kept.cache().iterdir())
    assert len(objects) >= 5
    whole = {path: path.read_bytes() for path in objects}
    objects[0].write_bytes(b"")
    objects[1].write_bytes(whole[objects[1]][:-8] + bytes(8))
    assert np.array_equal(ramp(), before)
    assert {path: kept.load(path) is not None for path in objects} == dict.fromkeys(objects, True)
    kept.keep({objects[2]: b"whole, but no object"})  # only the linker can tell
    assert np.array_equal(ramp(), before)
    assert kept.load(objects[2]) != b"whole, but no object"


def test_a_damaged_module_is_compiled_anew(tmp_path, monkeypatch):
    """Of Brian2's Cython modules, by a stand-in for what compiles and loads them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path, made = tmp_path / "module.so", []

    def load_module(module_path, code):
        if not path.is_file():
            made.append(code)
            path.write_text(code)
        if path.read_text() != code:
            raise ImportError("file too short")
        return code

    load = kept._checked(load_module)
    for damage in (None, "", "whole for the loader, but not what was compiled"):
        if damage is not None:
            path.write_text(damage)
        assert [load(str(path), code="code"), load(str(path), code="code")] == ["code", "code"]
    assert len(made) == 3
    monkeypatch.setattr(kept, "cache", lambda: None)  # no seals: the loader alone can tell
    path.write_text("")
    assert load(str(path), code="code") == "code"
    assert len(made) == 4


@needs_compiler
def test_a_user_without_a_home_keeps_nothing(homeless, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert kept.cache() is None
    assert np.allclose(ramp(), 1e-3)
    assert list(tmp_path.iterdir()) == []


def test_cython_has_a_home_for_a_user_without_one(homeless, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with engine.device("cython"):
        home = Path.home()
        assert home.is_dir()
        assert (home / ".cython" / "brian_extensions").is_dir()
    assert "HOME" not in os.environ
    assert not home.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_is_no_whole_path_is_ignored(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    for said in ("", "cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", said)
        assert kept.cache() == Path("/home/somebody/.cache/cortical-attention/objects")


def test_programs_run_where_they_can(tmp_path, monkeypatch):
    temporary, cache = tmp_path / "temporary", tmp_path / "cache"
    temporary.mkdir()
    monkeypatch.setattr(kept.tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    assert kept.place() == temporary
    forbid(monkeypatch, temporary)
    with kept.workshop("cpp") as folder:
        assert Path(folder).parent == cache / "cortical-attention"
    assert not Path(folder).exists()
    assert list(temporary.iterdir()) == []


def test_a_machine_on_which_no_program_can_be_run_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(kept.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kept.extension_manager, "base_cython_cache_dir", lambda: str(tmp_path))
    forbid(monkeypatch, tmp_path, tmp_path / "cortical-attention", tmp_path / "brian_extensions")
    for target in ("cpp", "cython"):
        refusal = pytest.raises(RunError, match=f"the target {target} needs a folder in which .* set TMPDIR")
        with refusal, engine.device(target):
            pass
    monkeypatch.setattr(engine, "compiler", lambda: "g++")
    assert engine.choose("auto", engine.Work(50, 300_000, 8000))[0] == "numpy"
    assert brian2.prefs.codegen.runtime.cython.cache_dir is None
