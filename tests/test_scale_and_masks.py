"""Tokens that a mask closes to everybody are not there, and small answers are as right as large ones."""

import numpy as np
import pytest
from brian2 import second

from cortical_attention.cells.forms import FORMS
from cortical_attention.circuits.plan import shown
from cortical_attention.inputs.suite import random_case
from cortical_attention.reference.attention import linear_attention
from cortical_attention.simulation.attend import Settings, attend
from cortical_attention.trials.systems import LINEAR, SYSTEMS

OPEN = np.array([[1, 1, 1, 0], [0, 1, 1, 0], [1, 0, 1, 0]], dtype=bool)
CASE = random_case(0, 3, 4, scale=1.0)


def drawn(size):
    """The case, with a last context token of that size, which nobody may attend to."""
    context = CASE.context.copy()
    context[-1] *= size
    return CASE._replace(context=context)


def ask(wiring, case, form, brief=True, **block):
    short = dict.fromkeys(("settle", "window", "write"), 0.1 * second)
    times = short if brief and FORMS[form].spikes else {}
    return attend(
        wiring, case.tokens[None], Settings(FORMS[form], target="numpy", **times), context=case.context[None], mask=OPEN,
        **case.block._asdict(), **block,
    )  # fmt: skip


@pytest.mark.parametrize("wiring", LINEAR)
def test_a_kernel_that_overflows_there_has_no_effect(wiring):
    reference = linear_attention(CASE.tokens, CASE.block, context=CASE.context, mask=OPEN, kernel="exp").output
    found = ask(wiring, drawn(1e4), "rate", kernel="exp").output[0]
    assert np.linalg.norm(found - reference) <= 1e-6 * np.linalg.norm(reference)


@pytest.mark.parametrize("wiring", SYSTEMS)
def test_it_sets_no_unit_rate(wiring):
    large, small = (ask(wiring, drawn(size), "spiking") for size in (1e3, 0.0))
    for name, units in small.run.unit_rates.items():
        assert np.array_equal(large.run.unit_rates[name], units), name
    assert small.output.any()
    assert np.array_equal(large.output, small.output)


def test_negative_control_a_token_that_one_may_attend_to_does():
    context = np.ones((1, 4, 2))
    opened = OPEN.copy()
    opened[0, -1] = True
    assert shown(np.ones((1, 3, 2)), context, OPEN)[1][0, -1].tolist() == [0, 0]
    assert shown(np.ones((1, 3, 2)), context, opened)[1][0, -1].tolist() == [1, 1]
    opened[1] = False
    assert shown(np.ones((1, 3, 2)), context, opened)[0][0, 1].tolist() == [0, 0]


LARGE = CASE.block._replace(W_O=CASE.block.W_O / 3)


@pytest.fixture(scope="module")
def large():
    """What the circuit answers to large weights."""
    return ask("mask", CASE._replace(block=LARGE), "spiking", brief=False)


@pytest.mark.parametrize(("name", "factor"), [("W_O", 1e-3), ("W_O", 1e-6), ("W_V", 1e-4)])
def test_a_small_answer_is_as_right_as_a_large_one(name, factor, large):
    """Attention is linear in both; small answers were carried by rates of a few Hz, and then by none."""
    block = LARGE._replace(**{name: factor * getattr(LARGE, name)})
    small = ask("mask", CASE._replace(block=block), "spiking", brief=False)
    assert [each.settled.settled.all() for each in (large, small)] == [True, True]
    # each is within 2.5 % of the algebra
    found, right = small.output[0] / factor, large.output[0]
    assert np.linalg.norm(found - right) <= 2 * 0.025 * np.linalg.norm(right)
