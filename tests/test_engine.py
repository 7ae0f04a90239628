"""The code-generation target: how it is chosen, set, and put back."""

import json

import brian2
import pytest

from cortical_attention.circuits.protocol import RunError
from cortical_attention.simulation import engine
from cortical_attention.simulation.engine import Work, choose, estimate
from tests.command import run, saved


def test_target_follows_the_work(monkeypatch):
    small, large = Work(50, 1000, 2000), Work(50, 300_000, 8000)
    monkeypatch.setattr(engine, "compiler", lambda: "g++")
    assert choose("auto", small)[0] == "numpy"
    assert choose("auto", large)[0] == "cpp"
    assert choose("numpy", large) == ("numpy", "asked for")
    assert all(estimate(large)[target] > estimate(small)[target] for target in engine.COSTS)
    monkeypatch.setattr(engine, "compiler", lambda: None)
    assert choose("auto", large)[0] == "numpy"


def test_stored_synapses_are_work(tmp_path, monkeypatch):
    """One synapse a pair takes longer than shared dendrites do, on every target."""
    monkeypatch.chdir(tmp_path)
    shared, explicit = (
        json.loads(run("compare", saved(), "--plan", "--json", "--dendrites", kind).stdout)
        for kind in ("shared", "explicit")
    )
    (one,), (other,) = shared.values(), explicit.values()
    assert one["n_sent"] == 0 < other["n_sent"]
    assert all(one["expected_s"][target] < other["expected_s"][target] for target in engine.COSTS)


@pytest.mark.parametrize("target", ["numpy", "cpp"])
def test_the_device_that_was_set_is_put_back(target):
    brian2.set_device("cpp_standalone", build_on_run=False)
    try:
        with engine.device(target):
            used = type(brian2.get_device()).__name__
        assert used == {"numpy": "RuntimeDevice", "cpp": "Compiled"}[target]
        assert type(brian2.get_device()).__name__ == "CPPStandaloneDevice"
    finally:
        brian2.get_device().reinit()
        brian2.set_device("runtime")


def test_threads_that_a_target_does_not_have_are_refused(monkeypatch):
    monkeypatch.setitem(brian2.prefs, "devices.cpp_standalone.openmp_threads", 2)
    with pytest.raises(RunError, match="one thread, but brian2's openmp_threads is 2"), engine.device("cpp"):
        pass
    monkeypatch.setattr(engine, "compiler", lambda: "g++")
    assert choose("auto", Work(50, 300_000, 8000))[0] != "cpp"


def test_plan_of_a_case(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("compare", saved(), "--plan", "--json", "--target", "numpy")
    assert done.exit_code == 0, done.stderr
    (plan,) = json.loads(done.stdout).values()
    assert (plan["target"], plan["reason"]) == ("numpy", "asked for")
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]
