"""Attribution: the parts add up, and each form is the whole one with one thing put back."""

import pytest

from cells.forms.adaptive import ADAPTIVE
from experiments import attribution, averaging
from experiments.attribution import IDEAL, INTERACTION, PARTS, WHOLE, judge, row


def errors(whole, ideal, **without):
    """Squared errors by form."""
    return {WHOLE: whole, IDEAL: ideal} | {name: without.get(name.split()[0], whole) for name in PARTS}


def test_parts_and_interaction_are_the_whole():
    found = row("case", errors(9.0, 1.0, noise=4.0, saturation=7.0))
    assert found["parts"]["noise"] == 5.0
    assert found["parts"]["saturation"] == 2.0
    assert found["parts"]["adaptation"] == 0
    assert found["parts"][INTERACTION] == 1.0
    assert sum(found["parts"].values()) == pytest.approx(found["squared_error"], rel=1e-12)


def test_the_predictions_can_be_missed():
    held = judge([row("scale1", errors(9.0, 1.0, noise=4.0, saturation=7.0))])
    assert [each.held for each in held] == [True, True]
    missed = judge([row("scale1", errors(9.0, 1.0, adaptation=2.0))])
    assert [each.held for each in missed] == [False, False]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_puts_one_thing_back(part):
    """Every other field, and every other constant of the membranes, is that of the whole form."""
    form = PARTS[part]
    changed = [name for name in form._fields if getattr(form, name) != getattr(ADAPTIVE, name)]
    assert len(changed) == 1
    if changed == ["membranes"]:
        for name, membrane in form.membranes.items():
            pairs = zip(membrane, ADAPTIVE.membranes[name], strict=True)
            assert sum(bool(one != other) for one, other in pairs) <= 1


def test_every_form_is_asked(monkeypatch):
    """One case, with a stand-in for the simulation."""
    asked = []

    def measured(case, form, given, n_seed, report):
        asked.append(form)
        run = type("Run", (), {"interrupted": False})
        return attribution.Measured(run, float(len(asked)))

    monkeypatch.setattr(attribution, "measure", measured)
    case = attribution.suite_cases()[0]
    rows, swept = attribution.run([case], {}, 1)
    assert len(asked) == len(attribution.FORMS)
    assert (len(rows), swept.failed) == (1, {})


@pytest.mark.parametrize("slope", [-0.5, 0.0])
def test_averaging_reads_slopes(slope):
    """Errors that average out hold; those that do not (control) do not."""
    rows = [
        {"case": "self_n4_scale1", "cells": cells, "seconds": seconds, "relative_l2": 0.3 * (cells * seconds) ** slope}
        for cells in averaging.CELLS for seconds in averaging.SECONDS
    ]  # fmt: skip
    assert [each.held for each in averaging.judge(rows)] == [slope == -0.5] * 3
