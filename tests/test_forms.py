"""The forms between rates and biophysics: Dale's law, and adaptive cells with noise and conductances."""

import numpy as np
import pytest
from brian2 import Hz, ms, second

from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.dale import DALE
from cortical_attention.cells.membranes.f_i import TOP, f_i_table, inverse
from cortical_attention.cells.membranes.leaky import FAST_SPIKING, PYRAMIDAL
from cortical_attention.cells.relay import FIRST_ORDER
from cortical_attention.circuits.plan import Plan, named
from cortical_attention.circuits.protocol import Protocol, RunError
from cortical_attention.simulation.run import simulate
from cortical_attention.wiring.circuit import Circuit, Population, Projection
from tests.asking import algebra, ask, draw, relative

UNIT = 100 * Hz
SETTLE = {"settle": 1.5 * second}


@pytest.mark.parametrize("wiring", ["mask", "memory"])
def test_dales_law_leaves_the_answer_of_the_rate_form(wiring):
    drawn = draw(0, n_token=2, n_head=2)
    answer = ask(wiring, drawn, DALE, SETTLE)
    assert relative(answer.output, algebra(drawn).output) <= 1e-6
    assert answer.settled.settled.all()
    assert all((np.asarray(record.rate) >= 0).all() for record in answer.run.records)


def test_without_inhibition_dales_law_gives_another_answer():
    """Negative control: synapses that add what they should subtract."""
    drawn = draw(0, n_token=3, n_head=2)
    wrong = dict(DALE.synapses.effect, inhibition="inhibition_post = -weight * rate_pre : 1 (summed)")
    answer = ask("mask", drawn, DALE.with_synapses(effect=wrong), SETTLE)
    assert relative(answer.output, algebra(drawn).output) > 0.1


@pytest.mark.parametrize("membrane", [PYRAMIDAL, FAST_SPIKING])
def test_the_table_is_monotone_and_reaches_its_top(membrane):
    table = f_i_table(membrane, 1 * ms)
    assert table.rate[0] == 0
    assert (np.diff(table.rate) >= 0).all()
    assert table.rate[-1] > TOP / Hz
    currents = inverse(table)
    assert (np.diff(currents) >= 0).all()


def chain(values, cells=40):
    """Counts of two populations in a row, in values (n_phase, n), of which the first is driven with `values`."""
    axes = (("model", len(values)),)
    populations = named(
        Population("first", FIRST_ORDER, axes, inputs={"soma": np.array(values)[None]}),
        Population("second", FIRST_ORDER, axes),
    )
    circuit = Circuit("chain", populations, (Projection("first", "second.soma", "m -> m"),))
    plan = Plan(circuit, Protocol(500 * ms, 8, np.arange(2, 8)[None]), 1)
    units = {name: np.ones(1) * UNIT for name in populations}
    run = simulate(plan, ADAPTIVE.with_synapses(conductance=0.0), units, dt=1 * ms, cells=cells, target="numpy")
    return {name: each[2:, 0] for name, each in run.values.items()}


def test_a_calibrated_cell_fires_as_often_as_it_is_asked():
    """To five standard errors of a Poisson count (they are more regular), and 1 % of the table and of its noise."""
    asked = np.array([0.0, 0.05, 0.2, 0.5, 1.0, 1.5])
    for found in chain(asked).values():
        error = 5 * np.sqrt(asked / (float(UNIT / Hz) * 3 * 40)) + 0.01 * asked + 1e-3
        assert (np.abs(found.mean(axis=0) - asked) <= error).all()


def test_a_drive_beyond_the_table_fails():
    with pytest.raises(RunError, match="first was asked for a rate beyond its measured f-I table"):
        chain([3.5], cells=1)


def test_adaptive_cells_answer_nearly_as_attention_and_saturate_with_conductance():
    """8 cells per value, asked for 10 %; with fifty times the conductance the answer is more than 10 % off."""
    drawn = draw(0, n_token=3, n_head=1, scale=1.0)
    reference = algebra(drawn).output
    times = {"cells": 8, "settle": 1.5 * second, "window": 2 * second}
    answer = ask("mask", drawn, ADAPTIVE, times)
    assert relative(answer.output, reference) <= 0.1
    assert (np.abs(answer.attention_sum - 1) <= 0.03).all()
    saturated = ask("mask", drawn, ADAPTIVE.with_synapses(conductance=0.05), times)
    assert relative(saturated.output, reference) > 0.1
