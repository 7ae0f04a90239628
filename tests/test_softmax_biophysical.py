"""Softmax attention in two-compartment cells: the tuft as a current, its calibration, and the experiment."""

import json

import numpy as np
import pytest
from brian2 import Hz, second

from cortical_attention.cells.forms import tufts
from cortical_attention.cells.forms.biophysical import BIOPHYSICAL, CELL
from cortical_attention.cells.membranes.two_compartment import Surface
from cortical_attention.cells.tuft import TONIC, TUFTED, steady_rate
from cortical_attention.circuits.softmax_quadrants import softmax_quadrants_wiring
from cortical_attention.experiments import softmax_biophysical
from cortical_attention.wiring.circuit import Population
from tests.command import check_refused, run


def ideal_surface(exponential=True):
    """A cell whose rate is its somatic current times an exponential of its dendritic one, or times that current."""
    basal, apical = np.linspace(-600, 1400, 31), np.linspace(-600, 900, 31)
    drive = np.exp(apical / 300) if exponential else np.clip(apical, 0, None) / 100
    return Surface(basal, apical, {"facilitated": np.outer(np.clip(basal, 0, None) / 100, drive)})


def fitted(monkeypatch, surface, subtracted):
    """Output of a cell of this surface, over its unit, for scores that inhibition leaves; and that of the rule."""
    monkeypatch.setattr(tufts, "surface_of", lambda cell: surface)
    scores = np.linspace(-4, 0, 40) + subtracted - TONIC
    drives = {"basal": np.ones(1), "apical": scores, "subtracted": np.full(40, subtracted)}
    population = Population("normaliser", TUFTED, (("context", 40),))
    constants, unit = tufts.calibrate(CELL, "facilitated", population, drives, 100 * second)
    soma = float(constants["I_s0"] + constants["I_s1"]) * 1e12
    dendrite = (float(constants["I_d0"]) + float(constants["I_d1"]) * (scores + TONIC - subtracted)) * 1e12
    places = np.clip([np.full(40, soma), dendrite], [[-600], [-600]], [[1400], [900]])
    rates = [np.interp(d, surface.apical, [np.interp(s, surface.basal, row) for row in surface.rates["facilitated"].T])
             for s, d in places.T]  # fmt: skip
    return np.array(rates) / float(unit / Hz), steady_rate(1.0, 1.0, scores, subtracted)


@pytest.mark.parametrize("subtracted", [0.0, 5.0])
def test_a_tuft_is_fitted_to_what_inhibition_leaves(subtracted, monkeypatch):
    found, rule = fitted(monkeypatch, ideal_surface(), subtracted)
    assert np.linalg.norm(found - rule) / np.linalg.norm(rule) < 0.03


def test_a_cell_without_an_expansive_curve_is_no_tuft(monkeypatch):
    found, rule = fitted(monkeypatch, ideal_surface(exponential=False), 0.0)
    assert np.linalg.norm(found - rule) / np.linalg.norm(rule) > 0.1


def test_inhibition_is_a_current_of_the_dendrite_alone():
    plain, tuft = (BIOPHYSICAL.of_cell[name] for name in ("intratelencephalic", "tufted intratelencephalic"))
    assert "I_d1 * (apical + tonic - subtracted)" in tuft.equations
    assert "exp(" not in tuft.equations.partition("dV_s")[0]
    assert "shunt" in plain.at_release
    assert "shunt" not in tuft.at_release
    assert tuft.limit.condition != plain.limit.condition


def test_quadrants_have_no_cell_with_a_sign_in_layer_2_3():
    weights = {name: np.ones((1, 2, 3)) for name in ("W_Q", "W_K", "W_V")} | {"W_O": np.ones((1, 3, 2))}
    plan = softmax_quadrants_wiring(
        BIOPHYSICAL and softmax_biophysical.o.check().settings.times(), np.ones((1, 2, 3)), **weights
    )
    superficial = plan.circuit.populations["superficial"]
    assert superficial.signed is None
    assert superficial.kernels == {"basal": "relu", "apical": "relu"}


def means(cells, scale, off, known=0.9):
    return {"cells": cells, "scale": scale, "relative_l2": off, "best_null": 0.5, "query_identification": known}


def test_predictions_can_be_missed():
    names = softmax_biophysical.BOTH, softmax_biophysical.L2_3, softmax_biophysical.L5, softmax_biophysical.SUM_L5
    good = [means(*each) for each in zip(names, 4 * [1.0], (0.2, 0.1, 0.15, 0.35), strict=True)]
    bad = [means(*each) for each in zip(names, 4 * [1.0], (0.3, 0.2, 0.15, 0.35), 4 * [0.5], strict=True)]
    assert [each.held for each in softmax_biophysical.judge(good)] == [True] * 4
    assert [each.held for each in softmax_biophysical.judge(bad)] == [False] * 4


def test_the_command_writes_its_result(tmp_path, monkeypatch):
    """Of the cells that multiply by rule, which need no measured surface."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(softmax_biophysical, "WIDTHS", {"n_head": 1, "d_model": 3, "d_key": 2, "d_value": 2})
    monkeypatch.setattr(softmax_biophysical, "SCALES", (1.0,))
    words = "--cells 1 --weights 1 --inputs 1 --target numpy --json --out result"
    done = run("softmax_biophysical", "--kinds", "by rule", *words.split())
    assert done.exit_code in (0, 3), done.stderr
    found = json.loads(done.stdout)
    assert [(row["cells"], row["scale"], row["input"]) for row in found["rows"]] == [("by rule", 1.0, 0)]
    assert found["means"][0]["inputs"] == 1


def test_unknown_cells_are_refused():
    check_refused("softmax_biophysical", "--kinds", "by magic", names="--kinds is 'by magic' but needs")
