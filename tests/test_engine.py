"""The code-generation target: how it is chosen, set, and put back."""

import json
import os
import subprocess
import sys
from contextlib import suppress

import brian2
import numpy as np
import pytest
from brian2 import Network, NeuronGroup, ms, second

from cortical_attention.cells.forms import FORMS
from cortical_attention.circuits.protocol import RunError
from cortical_attention.simulation import engine
from cortical_attention.simulation.calibrate import rate_units
from cortical_attention.simulation.engine import Work, choose, estimate
from cortical_attention.simulation.run import simulate
from tests.command import BRIEF, run, saved
from tests.test_build import plan_of


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


OTHERS = {
    "core.default_float_dtype": np.float32,
    "core.network.default_schedule": ["start", "end", "resets", "synapses", "thresholds", "groups"],
    "codegen.loop_invariant_optimisations": False,
    "legacy.refractory_timing": True,
    "codegen.cpp.extra_compile_args": ["-Ofast"],
}


@pytest.mark.parametrize("form", ["rate", "adaptive"])
def test_preferences_for_other_models_change_nothing(form, monkeypatch):
    """Adaptive cells have a refractory time and constants of their own."""
    plan, of = plan_of(), FORMS[form]
    units = {name: unit / 10 for name, unit in rate_units(plan).items()}  # far below the ceiling
    units["interneuron"] = units["interneuron"] / 10
    asked = {"dt": of.dt, "target": "numpy", "seed": 2}
    before = simulate(plan, of, units, **asked)
    for name, value in OTHERS.items():
        monkeypatch.setitem(brian2.prefs, name, value)
    after = simulate(plan, of, units, **asked)
    assert {name: brian2.prefs[name] for name in OTHERS} == OTHERS
    for name, values in before.values.items():
        assert np.array_equal(values, after.values[name])


def test_preferences_are_put_back_after_an_error(monkeypatch):
    monkeypatch.setitem(brian2.prefs, "core.default_float_dtype", np.float32)
    found = []
    with suppress(ZeroDivisionError), engine.device("numpy"):
        found.append(brian2.prefs.core.default_float_dtype)
        found.append(1 / 0)
    assert found == [np.float64]
    assert brian2.prefs.core.default_float_dtype is np.float32


def test_preferences_that_differ_are_written_down(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert engine.preferences() == {}
    monkeypatch.setitem(brian2.prefs, "core.default_float_dtype", np.float32)
    monkeypatch.setitem(brian2.prefs, "codegen.cpp.define_macros", [("N", "3")])
    run("compare", saved(), *BRIEF, "--out", "result", "--quiet")
    written = json.loads((tmp_path / "result" / "run.json").read_text())
    assert written["brian2_preferences"] == {
        "codegen.cpp.define_macros": {"found": "[('N', '3')]", "used": "[('N', '3')]"},
        "core.default_float_dtype": {"found": "float32", "used": "float64"},
    }


@pytest.mark.skipif(engine.compiler() is None, reason="no C++ compiler")
def test_a_module_that_does_not_compile_fails_in_a_sentence(monkeypatch):
    """Brian2 wraps what happens while it prepares an object."""
    for name in ("CC", "CXX"):
        monkeypatch.setenv(name, "false")
    unknown = float(np.random.default_rng().random())  # compiled by nobody yet
    equations = f"dv/dt = {unknown} / second : 1"

    def fail():
        """Ask for what cannot be compiled."""
        with engine.device("cython"):
            Network(NeuronGroup(1, equations, method="euler", namespace={"second": second})).run(1 * ms, namespace={})

    with pytest.raises(RunError, match="the target cython failed: its code does not compile"):
        fail()


def test_importing_leaves_the_warnings_of_others_alone():
    code = "import warnings; import cortical_attention.simulation.engine; warnings.warn('of a user')"
    own = os.environ | {"PYTHONWARNINGS": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=own)
    assert "UserWarning: of a user" in done.stderr
