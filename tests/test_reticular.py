"""Lateral inhibition by a reticular nucleus in every form, against its closed form: a loop of somata, GABAergic."""

import json
from pathlib import Path

import numpy as np
import pytest
from brian2 import ms, second

from cortical_attention.cells.forms import FORMS
from cortical_attention.circuits.protocol import RunError
from cortical_attention.simulation.attend import Settings, attend
from tests.command import case, run, saved
from tests.reticular import STRENGTH, closed_form, wiring

TOKENS = np.random.default_rng(3).uniform(0.5, 1.5, size=(2, 4))
BOUNDS = {"rate": 1e-9, "dale": 1e-9, "spiking": 0.01, "adaptive": 0.05}


def ask(form, **settings):
    return attend(wiring, TOKENS[None], Settings(FORMS[form], target="numpy", **settings), W_Q=None)


@pytest.mark.parametrize("form", BOUNDS)
def test_lateral_inhibition_is_the_closed_form(form):
    answer = ask(form, cells=8 if form == "adaptive" else 1, settle=1 * second)
    expected = closed_form(TOKENS).output
    assert np.linalg.norm(answer.output[0] - expected) <= BOUNDS[form] * np.linalg.norm(expected)
    assert answer.settled.settled.all(), answer.settled.reason


def test_negative_control_inhibition_matters():
    """Without it the answer is the tokens, further off than any form is."""
    expected = closed_form(TOKENS).output
    assert STRENGTH > 0
    assert np.linalg.norm(TOKENS - expected) > 4 * max(BOUNDS.values()) * np.linalg.norm(expected)


def test_the_command_takes_it_with_its_algebra(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = saved(**{"tokens": np.abs(case()["tokens"]) + 1})
    done = run("compare", name, "--wiring", "tests.reticular:SYSTEM", "--target", "numpy", "--out", "result", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(Path("result/comparison.json").read_text())
    assert report["relative_l2"] < 1e-9
    assert report["softmax_relative_l2"] is None  # its algebra is not linear attention
    assert "softmax" not in done.stderr


def test_rates_below_zero_of_cells_without_a_sign_are_not_settled():
    """Rates of either sign have a steady state there; the cells of other forms do not reach it."""
    answer = attend(wiring, -TOKENS[None], Settings(FORMS["rate"], target="numpy"), W_Q=None)
    assert not answer.settled.settled.any()
    assert "core, reticular stands for values below zero" in answer.settled.reason[0]
    silent = attend(wiring, -TOKENS[None], Settings(FORMS["dale"], target="numpy"), W_Q=None)
    assert not silent.output.any()


@pytest.mark.parametrize(("form", "tau"), [("rate", 5), ("dale", 5), ("adaptive", 10)])
def test_a_step_that_aliases_is_refused_from_python_too(form, tau):
    """At twice a time constant a step of Euler turns a decay into an undamped oscillation, which a window averages out."""
    for step in (tau + 1, 2 * tau):
        with pytest.raises(
            RunError, match=f"dt is {step} ms but needs to be at most {tau} ms, tau_[a-z]+ of form {form}"
        ):
            ask(form, dt=step * ms)
