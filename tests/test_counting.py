"""What counting leaves of the values, over chains and loops of projections."""

from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import Hz, second

from cortical_attention.cells.cell import CellType
from cortical_attention.cells.relay import FIRST_ORDER
from cortical_attention.circuits.plan import Plan, Reading, named
from cortical_attention.circuits.protocol import Protocol
from cortical_attention.simulation import counting
from cortical_attention.simulation.counting import spike_variance
from cortical_attention.simulation.rule import gain_of
from cortical_attention.wiring.circuit import Circuit, Population, Projection

RETICULAR = CellType("reticular", "reticular nucleus", {"soma": 0.0}, "soma")
SUBTRACTING = CellType("relay", "thalamus", {"soma": 0.0, "lateral": 0.0}, "soma - lateral")
N, UNIT = 3, 10 * Hz
SPIKE = 0.1  # what one spike stands for in one second


def plan_of(populations, projections):
    """A plan with one window of one second."""
    return Plan(Circuit("loop", populations, projections), Protocol(1 * second, 1, np.array([[0]])), 1, Reading("core"))


def variance_of(plan, values):
    """Variance of every population (by name, flat), of one input."""
    run = SimpleNamespace(
        values={name: np.reshape(each, (1, 1, -1)) for name, each in values.items()},
        unit_rates={name: np.array([float(UNIT)]) * Hz for name in values},
    )
    return {name: each.ravel() for name, each in spike_variance(plan, run, plan.protocol.windows, 1).items()}


def reticular_loop(W, port="soma", cell=FIRST_ORDER, signed="soma"):
    """core -> reticular -> core."""
    axes = (("model", N),)
    populations = named(
        Population("source", FIRST_ORDER, axes, signed="soma"),
        Population("core", cell, axes, signed="soma"),
        Population("reticular", RETICULAR, axes, signed=signed),
    )
    projections = (
        Projection("source", "core.soma", "m, nm -> n", 2 * np.eye(N)),
        Projection("core", "reticular.soma", "m -> m"),
        Projection("reticular", f"core.{port}", "m, nm -> n", W),
    )
    return plan_of(populations, projections)


LATERAL = 3 * np.array([[1.0, 0.3, 0.1], [0.2, 1.0, 0.3], [0.1, 0.4, 1.0]])  # inhibition that settles
BUSY = {"source": np.full(N, 5.0), "core": np.full(N, 4.0), "reticular": np.full(N, 4.0)}


def monte_carlo(matrix, drive, n_draw=200_000):
    """Variance of x = W x + e + drive @ y, for errors e and y of a sixth of a spike squared."""
    rng = np.random.default_rng(1)
    sd = SPIKE * np.sqrt(1 / 6)
    e, y = rng.uniform(-1, 1, (n_draw, len(matrix))), rng.uniform(-1, 1, (n_draw, drive.shape[1]))
    x = np.linalg.solve(np.eye(len(matrix)) - matrix, sd * np.sqrt(3) * (e + y @ drive.T).T)
    return x.var(axis=1)


@pytest.mark.parametrize(("port", "cell", "sign"), [("soma", FIRST_ORDER, 1), ("lateral", SUBTRACTING, -1)])
def test_strong_lateral_inhibition_against_drawn_errors(port, cell, sign):
    """Of a loop whose squared weights have no fixed point; the port is told by the rule of the cell."""
    found = variance_of(reticular_loop(-sign * LATERAL, port, cell), BUSY)
    matrix = np.block([[np.zeros((N, N)), -LATERAL], [np.eye(N), np.zeros((N, N))]])
    drive = np.vstack([2 * np.eye(N), np.zeros((N, N))])
    assert np.abs(np.linalg.eigvals(matrix**2)).max() > 1
    expected = monte_carlo(matrix, drive)
    # a variance from n draws is right to sqrt(2 / n): five of these
    assert np.concatenate([found["core"], found["reticular"]]) == pytest.approx(expected, rel=5 * np.sqrt(2 / 200_000))
    # negative control: errors drawn anew on each pass
    anew = np.linalg.solve(np.eye(2 * N) - matrix**2, np.full(2 * N, SPIKE**2 / 6))
    assert (anew < 0).any()


def test_many_cells_are_settled_by_drawn_errors(monkeypatch):
    exact = variance_of(reticular_loop(-LATERAL), BUSY)
    monkeypatch.setattr(counting, "LARGEST_DENSE", 0)
    monkeypatch.setattr(counting, "N_PROBE", 2000)
    drawn = variance_of(reticular_loop(-LATERAL), BUSY)
    for name in BUSY:
        assert drawn[name] == pytest.approx(exact[name], rel=5 * np.sqrt(2 / 2000))


@pytest.mark.parametrize("dense", [0, 1000])
def test_a_loop_of_gain_one_has_no_fixed_point(monkeypatch, dense):
    monkeypatch.setattr(counting, "LARGEST_DENSE", dense)
    found = variance_of(reticular_loop(np.eye(N)), BUSY)
    assert np.isposinf(found["core"]).all()
    assert np.isfinite(found["source"]).all()


def test_a_silent_rectified_cell_takes_no_part():
    """Without reticular spikes core inherits from its source alone; a silent signed pair passes errors on."""
    silent = BUSY | {"reticular": np.zeros(N)}
    alone = np.full(N, (4 + 1) * SPIKE**2 / 6)
    assert variance_of(reticular_loop(-LATERAL, signed=None), silent)["core"] == pytest.approx(alone)
    assert not np.allclose(variance_of(reticular_loop(-LATERAL), silent)["core"], alone)


def test_a_loop_of_no_weight_is_a_chain():
    found = variance_of(reticular_loop(np.zeros((N, N))), BUSY)
    assert found["core"] == pytest.approx((4 + 1) * SPIKE**2 / 6)
    assert found["reticular"] == pytest.approx((4 + 2) * SPIKE**2 / 6)


def test_a_cell_that_is_expected_to_be_silent_counts_for_less():
    found = variance_of(reticular_loop(np.zeros((N, N))), BUSY | {"source": np.array([0, SPIKE / 12, 5.0])})
    assert found["source"] == pytest.approx(SPIKE**2 * np.array([0, 1 / 12, 1 / 6]))


@pytest.mark.parametrize(
    ("rule", "port", "gain"),
    [
        ("soma", "soma", 1), ("soma - lateral", "lateral", -1), ("soma / 2 + 3", "soma", 0.5), ("M", "basal", None),
        ("gate * basal * apical / shunt", "basal", None), ("clip(soma, 0, inf)", "soma", None),
    ],
)  # fmt: skip
def test_a_rule_passes_a_port_on_where_it_is_linear_in_it(rule, port, gain):
    assert gain_of(rule, port) == gain
