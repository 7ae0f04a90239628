"""Attribution: the parts add up, and each network is the whole one with one thing put back."""

import numpy as np
import pytest

from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.experiments import attribution, averaging
from cortical_attention.experiments.attribution import INTERACTION, judge, row
from cortical_attention.trials.ablations import BELOW, ON_INPUT, OTHER_CELLS, RUNGS, WHOLE, Idealised


def errors(rung, whole, below, **less):
    """Squared errors by network, those of the parts being that of the whole unless given."""
    found = {name: less.get(name.replace(" ", "_"), whole) for name in RUNGS[rung]} | {WHOLE: whole, BELOW: below}
    return {name: np.full(2, each) for name, each in found.items()}


def rows(rung, *given, **less):
    """One row of a rung."""
    return [{"rung": rung, **row("scale1", errors(rung, *given, **less))}]


def test_parts_and_interaction_are_the_whole():
    (found,) = rows("adaptive", 9.0, 1.0, noise=4.0, saturation=7.0)
    assert found["parts"]["noise"] == 5.0
    assert found["parts"]["saturation"] == 2.0
    assert found["parts"]["adaptation"] == 0
    assert found["parts"][INTERACTION] == 1.0
    assert sum(found["parts"].values()) == pytest.approx(found["squared_error"], rel=1e-12)


ON = ON_INPUT.replace(" ", "_")


@pytest.mark.parametrize(
    ("rung", "held", "missed"),
    [
        ("adaptive", {"noise": 4.0, "saturation": 7.0, ON: 6.0}, {"adaptation": 2.0, ON: 4.0}),
        ("spiking", {"few_cells": 1.0}, {"nuclei": 1.0}),
    ],
)
def test_the_predictions_can_be_missed(rung, held, missed):
    assert all(each.held for each in judge(rows(rung, 9.0, 1.0, **held)))
    assert not any(each.held for each in judge(rows(rung, 9.0, 1.0, **missed)))


def test_what_is_said_of_whole_cells_and_shunt():
    whole = {"L2/3_cell": 6.0, "L5_IT_cell": 7.0}
    assert [each.held for each in judge(rows("biophysical", 9.0, 1.0, **whole))][1:3] == [True, True]
    assert [each.held for each in judge(rows("biophysical", 9.0, 6.0, shunt=1.0))][1:3] == [False, False]


def test_other_cells_are_worse_where_the_error_grows():
    worse = {f"besides:_{name.replace(' ', '_')}": 12.0 for name in OTHER_CELLS}
    assert all(each.held for each in judge(rows("biophysical", 9.0, 1.0, **worse))[3:])
    assert not any(each.held for each in judge(rows("biophysical", 9.0, 1.0))[3:])


def test_a_network_that_fails_besides_leaves_the_row():
    found = {name: each for name, each in errors("adaptive", 9.0, 1.0).items() if name != ON_INPUT}
    shown = attribution._shown(row("scale1", found), ON_INPUT)
    assert (shown, attribution._shown(row("scale1", found), "noise")[:2]) == ("-", "0 ")


@pytest.mark.parametrize(("rung", "part"), [(rung, part) for rung in RUNGS for part in RUNGS[rung]])
def test_a_part_puts_one_thing_back(rung, part):
    """Every other field, and every other constant of the membranes, is that of the whole."""
    network, whole = RUNGS[rung][part], RUNGS[rung][WHOLE]
    if part in (WHOLE, BELOW):
        return
    changed = [name for name in network.form._fields if getattr(network.form, name) != getattr(whole.form, name)]
    if part == "besides: noise, 0.25 ms":
        assert network.form == RUNGS[rung]["noise"].form._replace(dt=network.form.dt)
        return
    if part == "besides: whole soma":  # that of another rung, on the dendrites of this one
        assert network.form.synapses == whole.form.synapses
        return
    if part == ON_INPUT:
        assert network == whole._replace(on_input=True)
        return
    if part in ("besides: calcium spike", "time step") and rung == "biophysical":
        assert set(changed) == {"dt", "of_cell"}
        return
    if rung == "adaptive" and "membrane" in changed:
        pairs = zip(network.form.membranes, whole.form.membranes, strict=True)
        names = [
            {name for name in one.constants if one.constants[name] != other.constants[name]} for one, other in pairs
        ]
        assert len(set.union(*names)) == 1
        changed = ["constant of the membranes"]
    assert len(changed) + (network.cells != whole.cells) + (network.exact != whole.exact) == 1


def test_every_network_is_asked(monkeypatch):
    """One case, with a stand-in for the simulation; a rung whose networks were not all run has no row."""
    asked = []

    def measured(case, rung, network, given, n_seed, report):
        asked.append(network)
        run = type("Run", (), {"interrupted": len(asked) > len(RUNGS["spiking"])})
        return attribution.Measured(run, np.full(2, float(len(asked))), len(asked) != 2)

    monkeypatch.setattr(attribution, "measure", measured)
    case = attribution.suite_cases()[0]
    found, swept = attribution.run([case], ("spiking", "adaptive"), {}, 1)
    assert asked[:-1] == list(RUNGS["spiking"].values())
    assert swept.interrupted
    assert [(each["rung"], each["unsettled"]) for each in found] == [("spiking", [BELOW])]


@pytest.mark.parametrize("exact", [(), ("nuclei",), ("shunt",)])
def test_exact_numbers_in_rates_give_the_answer_of_the_circuit(exact):
    """What is put back at other rungs changes nothing where it is ideal already."""
    case = attribution.suite_cases()[0]
    found = attribution.measure(case, "rate", Idealised(RATE, exact=exact), {"target": "numpy"}, 1)
    assert found.settled
    assert np.sqrt(found.errors.max()) < 1e-6


def test_an_exact_shunt_takes_a_calibration_of_the_circuit_without_interneurons():
    case = attribution.suite_cases()[0]
    found = attribution.measure(case, "spiking", Idealised(SPIKING, exact=("shunt",)), {"target": "numpy"}, 1)
    assert found.settled
    assert np.sqrt(found.errors.max()) < 0.03  # at one cell per value, as with interneurons


@pytest.mark.parametrize("slope", [-0.5, 0.0])
def test_averaging_reads_slopes(slope):
    """Errors that average out hold; those that do not (control) do not."""
    rows = [
        {"case": "self_n4_scale1", "cells": cells, "write": averaging.SHORT, "seconds": seconds,
         "relative_l2": 0.3 * (cells * seconds) ** slope, "by_noise": 0.2 * (cells * seconds) ** -0.5}
        for cells in averaging.CELLS["adaptive"] for seconds in averaging.SECONDS
    ]  # fmt: skip
    held = slope == -0.5
    assert [each.held for each in averaging.judge(rows, "adaptive")] == [held, held, True, True, held]
