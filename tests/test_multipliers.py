"""Which cell multiplies: fits, and errors of both stages, on surfaces that are known."""

import json
from pathlib import Path

import numpy as np
import pytest
from brian2 import second

from cortical_attention.cells.membranes.two_compartment import Surface, TwoCompartment
from cortical_attention.experiments import multipliers
from cortical_attention.inputs.suite import random_case
from cortical_attention.trials.stages import Stage
from tests.command import run as command

CASE = random_case(5, 3, n_head=1, d_model=6, d_key=3, d_value=3, scale=2.0)
PAIR = ("exact", "exact")


def table(rates):
    """A surface of some rates (Hz) over a grid of currents (pA)."""
    grid = np.linspace(0, 1000, 201)
    return Surface(grid, grid, {"total": rates(grid[:, None], grid[None, :])})


class Known(Stage):
    """A stage whose maps are fitted on the table that it is scored on."""

    @property
    def surface(self):
        return self.tested


def cells_with(rates):
    """Cells of one kind with a table."""
    grid = np.linspace(0, 1000, 201)
    cell = TwoCompartment()
    kind = type("Cell", (TwoCompartment,), {"dynamics": cell.dynamics._replace(basal=grid, apical=grid)})()
    stage = Known("exact", kind, "total", 10**6, 10**6 * second, table(rates))
    return multipliers.Scored({"exact": stage}, {"exact": stage})


def error(rates):
    """Row of the case for cells with a table."""
    rows = []
    multipliers.run([PAIR], cells_with(rates), [("suite", [CASE])], rows)
    (row,) = rows
    return row


def test_cells_that_multiply_leave_next_to_nothing_in_l5_it_and_cells_that_add_do_not():
    """A product of currents is a product of values in a pair of cells: (a + v) k - (a - v) k = 2 v k. A sum of currents has
    no product in it: its pair is 2 v, whatever the attention."""
    product, added = error(lambda x, y: x * y / 1e4), error(lambda x, y: (x + y) / 10)
    assert product["L5 IT"] < 0.01
    assert added["L5 IT"] > 0.1
    assert added["both"] > 0.1
    assert product["span"] > multipliers.FEWEST


def row(inputs, first, second_cell, both, one, other, span=9.0):
    """A summary."""
    errors = dict(zip(multipliers.STAGES, (both, one, other), strict=True))
    return {"inputs": inputs, "superficial": first, "intratelencephalic": second_cell, **errors, "span": span, "n": 1}


def test_predictions_can_be_held_and_missed():
    two, dis, point = multipliers.TWO, multipliers.SECOND, multipliers.POINT
    held = [row("suite", two, two, 0.12, 0.1, 0.07), row("suite", dis, point, 0.1, 0.08, 0.05)]
    held += [row("suite", point, point, 0.15, 0.14, 0.05), row("suite", "release removed", point, 0.1, 0.1, 0.05)]
    assert [each.held for each in multipliers.judge(held, {})] == [True] * 5
    missed = [
        each | {"both": 0.1, "L2/3": 0.1, "L5 IT": 0.05 + 0.1 * (each["superficial"] == point), "span": 2.0}
        for each in held
    ]
    assert [each.held for each in multipliers.judge(missed, {})] == [False] * 5
    ((*_, simulated),) = [multipliers.judge(held, {"cells": [0.1, 0.13]})[-1:]]
    assert not simulated.held


def test_a_summary_has_the_narrowest_fit():
    rows = [row("suite", "a", "b", k / 10, 0.1, 0.1, span=k) | {"case": str(k)} for k in (3.0, 1.0, 2.0)]
    (found,) = multipliers.summarise(rows)
    assert (found["both"], found["span"], found["n"]) == (pytest.approx(0.2), 1.0, 3)


def test_an_interrupt_leaves_the_rows_that_are_done(monkeypatch, tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(multipliers, "ROWS", [PAIR])
    monkeypatch.setattr(multipliers, "groups", lambda *_: [("suite", [CASE])])
    monkeypatch.setattr(multipliers, "measured", lambda *_: cells_with(lambda x, y: x * y / 1e4))
    monkeypatch.setattr(multipliers, "simulated", interrupted)
    found = command("multipliers", "--out", "result")
    assert found.exit_code == 130
    assert "interrupted; what was computed until then is written" in found.output
    result = json.loads(Path("result/multipliers.json").read_text())
    assert (result["interrupted"], len(result["answers"]), result["verified"]) == (True, 1, {})
    monkeypatch.setattr(multipliers, "measured", interrupted)
    assert command("multipliers", "--out", "none").exit_code == 130
    assert not Path("none").exists()
