"""The softmax wiring: the algebra of softmax attention in rates and spikes, its controls, and how it is asked for."""

import json
import re
from functools import cache, partial

import numpy as np
import pytest
from brian2 import second

from cortical_attention.cells.subtractive_interneuron import INTEGRATING, SUBTRACTIVE, lags_from
from cortical_attention.cells.tuft import steady_rate, tufted
from cortical_attention.circuits import softmax
from cortical_attention.circuits.softmax import softmax_wiring
from cortical_attention.circuits.stack import stack
from cortical_attention.command import options as o
from cortical_attention.experiments import robustness
from cortical_attention.inputs.suite import cases, random_case
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import linear_attention, softmax_attention
from cortical_attention.reference.block import Block
from cortical_attention.reference.nulls import key_only_softmax
from cortical_attention.simulation.attend import Settings, attend
from cortical_attention.trials import batch
from cortical_attention.trials.examples.attention import without_signs
from cortical_attention.trials.systems import SYSTEMS
from tests.command import check_refused, run, saved

CASES = {case.name: case for case in cases()}


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def ask(name="self_n4_scale2", form="rate", case=None, normaliser="pi", wiring=softmax_wiring, **settings):
    """Answer to a case of the suite, and its softmax attention."""
    case = case or CASES[name]
    context = None if case.context is None else case.context[None]
    settings = Settings(form, target="numpy", record="sample", **settings)
    block = case.block._asdict() | {"normaliser": normaliser}
    answer = attend(wiring, case.tokens[None], settings, context=context, mask=case.mask, **block)
    return answer, softmax_attention(case.tokens, case.block, context=case.context, mask=case.mask)


def error(answer, reference):
    return relative_l2(answer.output[0], reference.output)


# Rates
@pytest.mark.parametrize("name", CASES)
def test_rates_are_softmax_and_linear_attention_is_not(name):
    answer, reference = ask(name)
    assert answer.settled.settled.all(), answer.settled.reason
    assert error(answer, reference) <= 1e-6
    assert relative_l2(answer.attention[0], reference.kappa) <= 1e-6
    case = CASES[name]
    assert relative_l2(linear_attention(case.tokens, case.block, context=case.context).output, reference.output) >= 0.4


@pytest.mark.parametrize("normaliser", ["slow", "divisive"])
@pytest.mark.parametrize("form", ["rate", "dale"])
def test_the_other_interneurons_and_dales_law(form, normaliser):
    answer, reference = ask("self_n4_scale1", form, normaliser=normaliser)
    assert answer.settled.settled.all(), answer.settled.reason
    assert error(answer, reference) <= 1e-6


def test_masks_biases_and_batches():
    rng = np.random.default_rng(3)
    sizes = {
        "W_Q": (2, 3, 4),
        "W_K": (2, 3, 4),
        "W_V": (2, 2, 4),
        "W_O": (2, 4, 2),
        "b_Q": (2, 3),
        "b_K": (2, 3),
        "b_V": (2, 2),
    }
    block = Block(**{name: rng.normal(size=size) for name, size in sizes.items()})
    tokens, context = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4))
    mask = np.array([[1, 0, 1, 1, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0]], dtype=bool)
    answer = attend(softmax_wiring, tokens, Settings(target="numpy"), context=context, mask=mask, **block._asdict())
    reference = softmax_attention(tokens, block, context=context, mask=mask)
    assert answer.settled.settled.all(), answer.settled.reason
    assert relative_l2(answer.output, reference.output) <= 1e-6
    assert (answer.attention[:, :, ~mask] == 0).all()


@pytest.mark.parametrize(("form", "largest"), [("rate", 1e-6), ("dale", 1e-6), ("spiking", 0.01)])
def test_four_quadrants_are_an_on_off_pair(form, largest):
    case = random_case(2, 4, n_head=1, d_model=4, d_key=3, d_value=2, scale=2)._replace(mask=np.tri(4, dtype=bool))
    rng = np.random.default_rng(1)
    biases = {name: rng.normal(size=getattr(case.block, f"W_{name[2]}").shape[:2]) for name in ("b_Q", "b_K", "b_V")}
    case = case._replace(block=case.block._replace(**biases))
    answer, reference = ask(form=form, case=case, wiring=partial(softmax_wiring, quadrants=True), cells=4)
    assert answer.settled.settled.all(), answer.settled.reason
    assert not answer.plan.circuit.populations["superficial"].signed
    assert error(answer, reference) <= largest


def test_quadrants_without_signs_are_not_a_score():
    case = CASES["self_n4_scale2"]
    answer, reference = ask(case=case, wiring=without_signs)
    assert error(answer, reference) > 0.5


def test_two_layers_are_softmax_twice():
    rng = np.random.default_rng(0)
    blocks = [Block(*(rng.normal(size=(1, 4, 4)) for _ in range(4))) for _ in range(2)]

    def two(times, tokens):
        return stack(*(softmax_wiring(times, tokens, *block[:4]) for block in blocks))

    tokens = rng.normal(size=(1, 4, 4))
    answer = attend(two, tokens, Settings(target="numpy"))
    assert answer.plan.restless
    assert answer.settled.settled.all(), answer.settled.reason
    first = softmax_attention(tokens, blocks[0]).output
    assert relative_l2(answer.output, softmax_attention(first, blocks[1]).output) <= 1e-6


def test_a_closed_row_is_silent():
    case = CASES["self_n4_scale1"]
    mask = np.ones((4, 4), dtype=bool)
    mask[1] = False
    answer, reference = ask(case=case._replace(mask=mask))
    assert answer.settled.settled.all(), answer.settled.reason
    assert not answer.output[0, 1].any()
    assert error(answer, reference) <= 1e-6


@cache
def in_spikes(name):
    """A case of the suite in spikes, which two tests look at."""
    return ask(name, "spiking", cells=4)


def test_a_closed_row_sets_no_unit_rate():
    """Nothing holds the interneuron of a macrocolumn without open microcolumns while the circuit is calibrated."""
    case = CASES["self_n4_scale1"]
    mask = np.ones((4, 4), dtype=bool)
    mask[1] = False
    closed, reference = ask(form="spiking", case=case._replace(mask=mask), cells=4)
    opened, _ = in_spikes("self_n4_scale1")
    units = [float(np.min(each.run.unit_rates["interneuron"])) for each in (closed, opened)]
    assert units[0] == pytest.approx(units[1], rel=0.25)
    assert closed.settled.settled.all(), closed.settled.reason
    assert error(closed, reference) <= 0.01


# Negative controls
def test_without_subtraction_it_is_not_softmax(monkeypatch):
    """Weight zero from the interneuron: the sum of attention is anything."""
    whole = softmax.Projection

    def cut(source, *more, **named):
        return whole(source, *more, *[0.0] * (source == "interneuron"), **named)

    monkeypatch.setattr(softmax, "Projection", cut)
    answer, reference = ask()
    assert not answer.settled.settled.any()
    assert error(answer, reference) > 0.5


def test_a_tuft_that_saturates_at_one_creeps(monkeypatch):
    """One saturated winner makes the sum one but for the others: the loop has nearly no drive from below."""
    monkeypatch.setattr(softmax, "TUFTED", tufted(cap=1.0))
    answer, reference = ask("self_n4_scale3", settle=1 * second)
    assert not answer.settled.settled.any()
    answer, reference = ask("self_n4_scale3", normaliser="slow", settle=1 * second)
    assert error(answer, reference) > 1e-6


# Spikes
@pytest.mark.parametrize(
    ("name", "largest"), [("self_n4_scale1", 0.01), ("self_n4_scale2", 0.01), ("self_n4_scale3", 0.02)]
)
def test_spikes_are_softmax(name, largest):
    answer, reference = in_spikes(name)
    assert answer.settled.settled.all(), answer.settled.reason
    assert error(answer, reference) <= largest


def test_a_slow_interneuron_that_is_still_on_its_way_has_not_settled():
    """log Z up to 14.6: the sum of one macrocolumn is half of what it should be, and its ripple hides no drift."""
    slow = {"form": "spiking", "normaliser": "slow", "cells": 4}
    answer, reference = ask("self_n4_scale3", settle=2 * second, **slow)
    assert error(answer, reference) > 0.1
    assert not answer.settled.settled.any()
    (said,) = answer.settled.reason
    assert re.search(r"need [0-9.]+ s to settle, at least, and had 2\)", said)
    longer, _ = ask("self_n4_scale3", **slow)  # whose time follows from log Z on the calibration sequences
    assert float(longer.plan.protocol.windows[0, 0] * longer.plan.protocol.phase) > 4
    assert "need" not in longer.settled.reason[0]
    assert error(longer, reference) < error(answer, reference) / 5


@pytest.mark.parametrize(("start", "log_z"), [(8.0, 1.0), (0.0, 6.0)])
def test_the_time_to_settle_follows_from_how_far_log_z_is_from_the_start(start, log_z):
    """The loop as an ordinary differential equation, with a pool that follows at once: one tuft, of cap 3."""
    held, lags, step = start, 0.0, 0.01
    while abs(held - log_z) > 1:  # near there it decays exponentially
        pool = min(np.exp(min(log_z - held, 0)) + max(log_z - held, 0), 3.0)
        held, lags = held + step * (pool - 1) / SUBTRACTIVE.parameters["lags"], lags + step
    found = lags_from(start, log_z)
    assert lags <= found <= lags + 1.5
    assert lags_from(start, log_z, INTEGRATING.parameters) == 4 * found


# Disorder
def test_disorder_of_one_projection_disturbs_softmax_and_its_absence_does_not():
    case = random_case(2, 4, n_head=1, d_model=4, d_key=3, d_value=2, scale=2)
    none, some = (
        robustness.measures_of(case, *each, 0, attention="softmax")["relative_l2"]
        for each in (("none", 0), ("projection", robustness.SUBTRACTION))
    )
    assert none < 1e-6 < 1e-2 < some


def test_every_projection_of_the_wiring_can_be_disturbed_alone():
    case = CASES["self_n4_scale1"]
    plan = softmax_wiring(robustness.TIMES, case.tokens[None], **case.block._asdict())
    assert {each.name for each in plan.circuit.projections} == set(robustness.PROJECTIONS["softmax"])


def test_predictions_about_disorder_of_softmax_can_be_missed():
    def judged(copies, jitter, costliest):
        ratio = {"copies": copies, "jitter": jitter}
        rows = [
            {
                "attention": attention, "kind": kind, "level": level, "case": "a", "seed": 0,
                "relative_l2": 1e-9 if kind == "none" else 0.1 * (ratio.get(kind, 1) if attention == "softmax" else 1)
                + (level == costliest),
            }
            for attention in robustness.PROJECTIONS
            for kind, levels in robustness.levels_of(attention).items()
            for level in levels
        ]  # fmt: skip
        return [each.held for each in robustness.judge(rows) if each.predicted.startswith("softmax")]

    assert judged(2, 5, robustness.SUBTRACTION) == [True] * 4
    assert judged(4, 2, "core -> superficial.basal") == [True, False, False, False]


# Cells, nulls and the command
def test_the_tuft():
    below, above = steady_rate(1.0, 2.0, -1.0, 3.5), steady_rate(1.0, 2.0, 9.0, 3.5)
    assert (below, above) == (pytest.approx(2 * np.exp(-1.5)), 6.0)
    assert steady_rate(1.0, 1.0, 0.5, tonic=0.0) == 1.5


def test_the_null_ignores_the_query():
    case = CASES["self_n4_scale2"]
    kappa = key_only_softmax(case.tokens, case.block).kappa
    assert np.allclose(kappa, kappa[:, :1])
    assert np.allclose(kappa.sum(axis=-1), 1)


def test_the_null_of_sequences_side_by_side_is_that_of_each():
    case = CASES["self_n4_scale2"]
    batch = np.stack([case.tokens, 2 * case.tokens[::-1]])
    both = key_only_softmax(batch, case.block)
    alone = [key_only_softmax(tokens, case.block).output for tokens in batch]
    assert both.kappa.shape == (2, *key_only_softmax(case.tokens, case.block).kappa.shape)
    assert np.allclose(both.output, alone)


def test_compare_with_softmax_attention():
    done = run("compare", saved(), "--attention", "softmax", "--target", "numpy", "--out", "result", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["attention"], report["wiring"], report["kernel"]) == ("softmax", "softmax", None)
    assert report["nulls"] == ["uniform", "key_only", "linear"]
    assert report["relative_l2"] <= 1e-6
    assert report["softmax_relative_l2"] is None
    linear = json.loads(run("compare", saved(), "--target", "numpy", "--out", "other", "--json").stdout)
    assert linear["attention"] == "linear"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--attention hard", "--attention is 'hard' but needs to be one of linear, softmax"),
        ("--attention softmax --wiring memory", "but wiring 'memory' is of linear attention"),
        ("--attention linear --wiring softmax", "but wiring 'softmax' is of softmax attention"),
        ("--attention softmax --kernel relu", "--kernel does not go with wiring 'softmax'"),
        ("--attention softmax --unnormalised", "--unnormalised does not go with wiring 'softmax'"),
        ("--attention softmax --normaliser output", "but needs to be one of pi, slow, divisive"),
        ("--normaliser divisive", "--normaliser is 'divisive' but needs to be one of pi"),
    ],
)
def test_what_does_not_go_together_is_refused(words, said):
    check_refused("compare", saved(), *words.split(), names=said)


def test_it_is_registered():
    assert o.check(attention="softmax").system is SYSTEMS["softmax"]
    assert o.check(attention="linear").system is SYSTEMS["mask"]
    assert o.check(attention="softmax", form="biophysical").system is SYSTEMS["softmax_quadrants"]


def test_two_compartment_cells_refuse_products_with_a_sign():
    check_refused(
        "compare", saved(), "--wiring", "softmax", "--form", "biophysical",
        names="the cells of 'superficial' cannot be calibrated: their apical values fall below zero", status=2,
    )  # fmt: skip


@pytest.mark.parametrize(("scale", "cells", "said"), [(30.0, 1, True), (30.0, 4, False), (1.0, 1, False)])
def test_scores_that_spikes_do_not_resolve_are_told(scale, cells, said):
    """A spike of one L2/3 cell moves these scores by 1.9 nats; with four cells per value it moves them by 0.48."""
    case = random_case(3, 3, n_head=1, d_model=4, d_key=4, d_value=4)
    block = case.block._replace(W_Q=scale * case.block.W_Q)
    # what is told follows from the unit rates, so that the run may be brief
    brief = {"target": "numpy", "record": "sample", "settle": 0.3, "duration": 0.3}
    options = o.check(attention="softmax", form="spiking", cells=cells, **brief)
    (reason,) = batch.ask([case._replace(block=block)], options).settled.reason
    assert ("one spike of a superficial cell moves a score by 1.9 nats" in reason) == said
    assert ("4 cells per value would serve" in reason) == said
