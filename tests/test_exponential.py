"""Exponential integrate-and-fire cells: a membrane in one file, measured by itself."""

import numpy as np
import pytest
from brian2 import second

from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.exponential import EXPONENTIAL
from cortical_attention.cells.membranes.f_i import BY_CURRENT, Table, inverse
from cortical_attention.cells.membranes.membrane import MembraneError
from tests.asking import algebra, ask, draw, relative

TIMES = {"cells": 8, "settle": 1.5 * second, "window": 2 * second}


def error(form):
    """Relative L2 of a form on one input of scale 1."""
    drawn = draw(0, n_token=3, n_head=1, scale=1.0)
    return relative(ask("mask", drawn, form, TIMES).output, algebra(drawn).output)[0]


def test_it_answers_as_adaptive_cells_do():
    """Asked of adaptive cells are 10 %."""
    assert error(EXPONENTIAL) <= 0.1


def test_negative_control_on_the_table_of_another_membrane_it_does_not():
    """Rates that its f-I curve does not have: it needs other currents than a leaky cell."""
    borrowed = BY_CURRENT._replace(measure=lambda membrane, dt: BY_CURRENT.measure(ADAPTIVE.membrane, dt))
    assert error(EXPONENTIAL.with_membranes(lambda membrane: membrane._replace(drive=borrowed))) > 0.3


def test_a_membrane_that_cannot_fire_fast_enough_is_refused():
    with pytest.raises(MembraneError, match="the f-I table of the membrane ends at 120 Hz but needs to reach 300 Hz"):
        inverse(Table(np.linspace(0, 9, 50), np.linspace(0, 120, 50)))
