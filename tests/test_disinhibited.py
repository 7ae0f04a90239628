"""Point cells, and cells with two saturating dendrites of which one is released from inhibition."""

import numpy as np
import pytest
from brian2 import Network, mV, nS, pA, second

from cortical_attention.cells.forms import FORMS
from cortical_attention.cells.membranes.disinhibited import CONTROLS, Disinhibited
from cortical_attention.cells.membranes.point import Point
from cortical_attention.cells.membranes.two_compartment import cells_under, counts
from cortical_attention.inputs.suite import random_case
from cortical_attention.simulation.engine import device
from tests.asking import Settings, attend

AT_REST = 70 * mV  # driving force of excitation at rest


def rested(cell, basal, apical):
    """Voltages (V) of soma, basal and apical dendrite after half a second without noise, by conductance (nS)."""
    with device("numpy"):
        group = cells_under(np.array([basal]) * nS * AT_REST, np.array([apical]) * nS * AT_REST, cell, 0)
        Network(group).run(0.5 * second, namespace={})
    return np.array([group.V_s[0], group.V_b[0], group.V_d[0]])


def steady(cell, basal, apical):
    """The same from the linear system that the three equations are at rest."""
    leak = np.array([float(C / tau / nS) for C, tau in ((cell.C_s, cell.tau_s), *2 * [(cell.C_d, cell.tau_d)])])
    r = max(float(cell.g_r / nS) - cell.release * apical, 0.0)
    b, a = float(cell.g_b / nS), float(cell.g_a / nS)
    G = np.diag(leak) + np.array([[b + a, -b, -a], [-b, b + basal + r, 0], [-a, 0, a + apical]])
    drive = leak * float(cell.E_L / mV) + np.array([float(cell.tonic / pA), r * float(cell.E_I / mV), 0.0])
    return np.linalg.solve(G, drive) * 1e-3


@pytest.mark.parametrize(("basal", "apical"), [(0.0, 0.0), (20.0, 0.0), (30.0, 2.0), (0.0, 8.0)])
def test_voltages_below_threshold_are_those_of_the_linear_system(basal, apical):
    """To a part in a million, since Euler's method has the same fixed point and half a second is thirty time constants."""
    cell = Disinhibited(sigma=0 * pA)
    found, right = rested(cell, basal, apical), steady(cell, basal, apical)
    assert right[0] < float(cell.V_T)  # or else the cell fires
    assert found == pytest.approx(right, rel=1e-6)
    without = steady(cell._replace(release=0.0), basal, apical)
    assert (np.abs(without - right).max() > 1e-4) == (apical > 0)


def rate(cell, basal, apical, n=60):
    """Mean rate (Hz) of cells under one pair of currents (pA), and its standard error; of several pairs, arrays."""
    currents = (np.repeat(each, n) * pA for each in np.broadcast_arrays(basal, apical))
    with device("numpy"):
        found = counts(*currents, cell, 2 * second, seed=3)["total"].reshape(*np.shape(basal), n) / 2
    return found.mean(axis=-1), found.std(axis=-1) / np.sqrt(n)


def test_a_point_cell_only_sums():
    """The same sum of currents, the same rate, to four standard errors; another sum, another rate."""
    (one, e_one), (other, e_other) = rate(Point(), 100.0, 300.0), rate(Point(), 300.0, 100.0)
    assert one == pytest.approx(other, abs=4 * np.hypot(e_one, e_other))
    assert rate(Point(), 300.0, 300.0)[0] > 1.5 * one


def test_release_raises_the_gain_of_the_basal_input():
    """With apical input the same increase of basal input adds more spikes, and less so where nothing is released."""
    cell, kept = Disinhibited(), CONTROLS["release removed"]
    basal, apical = np.meshgrid([1500.0, 3000.0], [0.0, 1200.0], indexing="ij")
    rates = [rate(each, basal, apical)[0] for each in (cell, kept)]
    for each in rates:
        without, with_apical = each[1] - each[0]
        assert with_apical > without
    gains = [each[1, 1] / max(each[1, 0], 0.1) for each in rates]
    assert gains[0] > 1.5 * gains[1]


@pytest.mark.parametrize("name", CONTROLS)
def test_each_control_is_another_cell(name):
    with_inputs = rate(CONTROLS[name], 2000.0, 1000.0)[0]
    assert with_inputs != pytest.approx(rate(Disinhibited(), 2000.0, 1000.0)[0], rel=0.05)


@pytest.mark.parametrize("form", [pytest.param("disinhibited", marks=pytest.mark.slow), "point"])
def test_a_closed_microcolumn_is_silent_and_an_open_one_is_not(form):
    """Although the apical dendrite of the closed one is driven as well."""
    sizes = {"n_head": 1, "d_model": 4, "d_key": 4, "d_value": 2, "scale": 2.0}
    case = random_case(3, 2, **sizes)._replace(mask=np.array([[True, True], [False, True]]))
    settings = Settings(FORMS[form], window=1 * second, settle=1 * second, cells=40, target="numpy", record="sample")
    answer = attend("mask", case.tokens[None], settings, mask=case.mask, **case.block._asdict())
    kappa = answer.attention[0, 0]
    assert kappa[1, 0] == 0
    assert kappa[[0, 0, 1], [0, 1, 1]].min() > 0
