"""What of apical input and inhibition is read from f-I curves: from made-up ones, for which it is known."""

import numpy as np
import pytest
from brian2 import nS, second

from cortical_attention.cells.membranes.moving_threshold import MovingThreshold
from cortical_attention.cells.membranes.two_compartment import Summing, TwoCompartment
from cortical_attention.experiments import physiology as experiment
from cortical_attention.readout.changes import changed, divided_and_subtracted, nearest, slope_between
from cortical_attention.trials import physiology
from cortical_attention.trials.physiology import CURRENT, DENDRITE, INSIDE, RECRUITED, WITH, WITHOUT, recruited

LINE = 0.042 * np.clip(CURRENT - 300, 0, None)  # Hz: 42 Hz/nA
BENT = 20 * np.log1p(np.exp((CURRENT - 500) / 250))
CELL = TwoCompartment()


@pytest.mark.parametrize(("kind", "value"), [("shift", 353.0), ("constant", 8.0), ("constant", -8.0), ("gain", 1.6)])
def test_a_known_change_is_recovered_and_no_other(kind, value):
    """Also if a curve is clipped at zero; the other changes (controls) leave more."""
    after = changed(kind, CURRENT, BENT, value)
    found = {each: nearest(each, CURRENT, BENT, after, INSIDE) for each in physiology.CHANGES}
    assert found[kind].value == pytest.approx(value, rel=1e-3)
    assert found[kind].left < 1e-5
    assert all(each.left > 0.02 for name, each in found.items() if name != kind)


@pytest.mark.parametrize(
    ("kind", "value", "best"), [("shift", 300, "shift"), ("gain", 1.5, "gain"), ("none", 0, "undecided")]
)
def test_the_nearest_change_wins_only_by_its_interval(kind, value, best):
    """Seeds differ by noise; if curves are the same but for it, nothing is decided."""
    before, noise = np.tile(BENT, (8, 1)), np.random.default_rng(0).normal(0, 0.1, (2, 8, CURRENT.size))
    after = before if kind == "none" else changed(kind, CURRENT, BENT, value)
    curves = {WITHOUT: {"total": before + noise[0]}, WITH: {"total": after + noise[1]}}
    rows, found = physiology.comparisons(curves, "total")
    assert found == best
    if kind != "none":
        low, high = next(each.value for each in rows if each.change == kind)
        assert low - 0.02 * value < value < high + 0.02 * value


def test_factor_and_constant_and_slopes_are_read():
    after = np.clip(0.7 * BENT - 4, 0, None)
    assert divided_and_subtracted(BENT, after) == pytest.approx([0.7, 4], rel=1e-3)
    assert 1e3 * slope_between(CURRENT, LINE, 1, 24) == pytest.approx(42)
    assert np.isnan(slope_between(CURRENT, LINE, 100, 200))


def made_up(more, dendrite, shunted):
    """Judged findings by name, of rates without apical input (LINE), with it, under current into the dendrite, and of what
    a shunt (place, nS) leaves of the rates with apical input."""
    rates = {WITHOUT: LINE, WITH: more, DENDRITE: dendrite}
    rates |= {
        recruited(place, level): shunted(more, place, level) for place in ("soma", "dendrite") for level in RECRUITED
    }
    noise = np.random.default_rng(0).normal(0, 1e-3, (8, CURRENT.size))
    rates = {name: each + noise * (1 + k) for k, (name, each) in enumerate(rates.items())}
    curves = {
        name: {"total": each, "burst": (0.8 if name == WITH else 0.1) * each, "event": each}
        for name, each in rates.items()
    }
    found = physiology.judge(curves, CELL)
    assert {each.source for each in found} == set(physiology.READ)
    return {each.finding: each.same for each in found}


def test_findings_hold_for_a_cell_that_has_them():
    """A cell with Larkum's slope, that apical input multiplies, whose soma divides and whose dendrite subtracts."""
    found = made_up(1.4 * LINE, 2 * LINE, divides_at_the_soma)
    assert found.pop("each both divides and subtracts") is False
    assert len(found) == 10
    assert all(found.values())


def test_findings_fail_for_a_cell_that_adds():
    """Apical input shifts, current into the dendrite does less than into the soma, and shunts of the dendrite do nothing."""
    shifted = 0.03 * np.clip(CURRENT + 100, 0, None)
    found = made_up(shifted, 0.5 * LINE, lambda more, place, level: more if place == "dendrite" else more - 0.2 * level)
    wrong = [
        "current into the dendrite: steeper initial slope", "apical input raises the initial slope",
        "apical input raises the gain", "L2/3 amplifies more the stronger the drive",
        "L2/3 suppresses spontaneous activity, by SOM", "L2/3 suppresses evoked activity, by SOM", "PV divides",
    ]  # fmt: skip
    assert not any(found[name] for name in wrong)


def divides_at_the_soma(more, place, level):
    """What is left of rates: a share, or a difference."""
    return more / (1 + 0.02 * level) if place == "soma" else np.clip(more - 0.8 * level, 0, None)


@pytest.mark.parametrize(("needed", "same"), [(60, True), (76, False)])
def test_suppression_needs_a_conductance_that_cells_have(needed, same):
    """Three times the leak of the dendrite is 73 nS: a shunt that undoes a gain of 1.4 with more than that is refused."""
    found = made_up(1.4 * LINE, LINE, lambda more, place, level: more * (1 - (1 - 1 / 1.4) * level / needed))
    assert found["L2/3 suppresses evoked activity, by SOM"] == same
    assert found["L2/3 suppresses spontaneous activity, by SOM"] == same


def test_a_cell_without_dendrite_is_not_suppressed_through_it(monkeypatch):
    """The curves of two seeds: a shunt of the dendrite does nothing to a cell that only sums."""
    monkeypatch.setattr(experiment, "SEEDS", range(2))
    monkeypatch.setattr(experiment, "N_CELL", 1)
    monkeypatch.setattr(experiment, "WINDOW", 0.25 * second)
    summing = Summing()
    bare, shunted = (experiment.curve(each, apical=400.0) for each in (summing, summing._replace(g_shunt_d=80 * nS)))
    assert bare["total"].shape == (2, CURRENT.size)
    assert np.array_equal(bare["total"], shunted["total"])
    assert bare["total"].max() > 10


def test_both_sets_of_constants_are_asked():
    assert list(map(type, experiment.CELLS.values())) == [TwoCompartment, MovingThreshold]


@pytest.mark.parametrize("agree", [True, False])
def test_predictions_are_judged_in_both_cells(agree):
    names = [*experiment.ASKED, *(f"finding {k}" for k in range(7))]
    same = [experiment.ASKED.get(name, k != 10) for k, name in enumerate(names)]
    rows = [physiology.Finding(name, "", "", "", each) for name, each in zip(names, same, strict=True)]
    other = rows if agree else [row._replace(same=not row.same) for row in rows]
    best = {"adds": "shift", "multiplies": "gain"}
    changes = {name: {each: ([], best[does]) for each, does in experiment.EXPECTED.items()} for name in "ab"}
    found = experiment.predictions({"a": rows, "b": other}, changes)
    assert all(each.held for each in found[:3])
    assert {each.held for each in found[3:]} == {agree}
