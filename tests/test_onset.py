"""Slots, and the experiment that times the answer of a frozen circuit from the onset of its tokens."""

import json

import numpy as np
import pytest
from brian2 import ms

from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.memory import memory_wiring
from cortical_attention.circuits.slots import Slots, in_slots
from cortical_attention.command import options as o
from cortical_attention.experiments import onset
from cortical_attention.simulation.settings import Settings
from cortical_attention.trials.batch import side_by_side
from cortical_attention.trials.onset import HALVES, IDEAL, figures_of, measure
from cortical_attention.wiring.expressions import WiringError
from tests.command import run as command

SLOTS = Slots(rest=50 * ms, shown=100 * ms, phase=25 * ms)
CASES = side_by_side(3, 3, 3, scale=2.0, n_head=2, d_model=6, d_key=3, d_value=3)


def plan_of(tokens, wiring=mask_wiring, **more):
    """Plan that shows tokens."""
    return wiring(Settings().times(), tokens, **CASES[0].block._asdict(), **more)


def test_slots_show_one_input_after_another():
    tokens = np.stack([case.tokens for case in CASES])
    plan = in_slots([plan_of(0 * tokens), plan_of(tokens), plan_of(2 * tokens)], SLOTS)
    shown = plan.circuit.populations["core"].inputs["soma"]
    assert plan.protocol.n_phase == len(shown) == 2 + 4 + 4
    for phases, factor in ((slice(0, 2), 0), (slice(2, 6), 1), (slice(6, 10), 2)):
        assert all(np.array_equal(each, factor * tokens) for each in shown[phases])
    assert SLOTS.windows(1, 50 * ms).tolist() == [[2, 3], [4, 5]]
    assert SLOTS.windows(2, 50 * ms).tolist() == [[6, 7], [8, 9]]
    assert plan.protocol.windows.tolist() == [list(range(2, 10))]


def test_a_gate_is_closed_in_the_first_slot_alone():
    tokens = CASES[0].tokens[None]
    plan = in_slots([plan_of(each * tokens, normaliser="slow") for each in (0, 1, 2)], SLOTS)
    assert plan.circuit.populations["interneuron"].inputs["gate"].ravel().tolist() == [0] * 2 + [1] * 8


def test_a_wiring_that_presents_tokens_in_turn_has_no_slots():
    with pytest.raises(
        WiringError, match="circuit 'memory' presents its tokens one after another; slots need them at once"
    ):
        in_slots([plan_of(CASES[0].tokens[None], memory_wiring)] * 3, SLOTS)


@pytest.mark.parametrize("normaliser", ["pi", "factorised", IDEAL])
def test_rates_end_at_the_answer_to_the_tokens_that_are_shown(normaliser):
    options = o.check(form="rate", normaliser="pi" if normaliser == IDEAL else normaliser, target="numpy")
    answers, references, saturated = measure(CASES, options, normaliser == IDEAL)
    assert saturated == 0
    for half in HALVES:
        found = figures_of(*answers[half], references[half])
        first, *_, last = found["relative_l2"]
        assert max(found["attention_relative_l2"][-1]) < 1e-2
        assert max(last) < 1e-2
        assert min(first) > 5 * max(last)
        assert found["query_identification"][-1] == [1.0] * len(CASES)
    # negative control: after the change the answers are no longer those to the tokens before
    stale = figures_of(*answers["change"], references["onset"])
    assert min(stale["relative_l2"][-1]) > 0.1


def test_a_proportional_term_is_sooner_there_than_the_integrator_alone():
    errors = {}
    for normaliser in ("pi", "slow"):
        answers, references, _ = measure(CASES, o.check(form="rate", normaliser=normaliser, target="numpy"))
        errors[normaliser] = np.median(figures_of(*answers["change"], references["change"])["relative_l2"], axis=1)
    assert errors["pi"][2] < errors["slow"][2] / 3


def summary(**more):
    """Summary of a setting that meets every threshold of the protocol."""
    good = {"relative_l2": [0.01] * 5, "query_identification": [1.0] * 5, "same_answer": [1.0] * 5}
    setting = {
        "form": "spiking",
        "normaliser": "pi",
        "synapses": "fast",
        "cells": 32,
        "task": "scale 2",
        "half": "onset",
        "weights": 5,
        "intervals": {name: [(0.005, 1.0)] * 5 for name in good},
    }
    return {**setting, **good, **more}


def test_thresholds_bear_on_their_settings_alone_and_can_be_missed():
    assert [each.held for each in onset.judge([summary()])] == [True, True]
    late = [0.5, 0.5, 0.01, 0.01, 0.01]
    assert [each.held for each in onset.judge([summary(relative_l2=late)])] == [False, True]
    assert not onset.judge([summary(cells=8)]) + onset.judge([summary(normaliser="slow")])
    adaptive = summary(form="adaptive", cells=100, query_identification=[0.5] * 5)
    assert [each.held for each in onset.judge([adaptive])] == [True, False]
    assert [each.held for each in onset.judge([summary(task="match", same_answer=[0.9] * 5)])] == [False]


def test_intervals_are_over_weight_sets_or_over_the_sequences_of_a_single_one():
    """Errors that differ between sequences alone leave no width over weight sets."""
    errors = [[0.01, 0.04]]
    rows = [{"weights": k, "relative_l2": errors, "query_identification": [[0.5, 1.0]]} for k in range(3)]
    assert onset.intervals_of(rows, "relative_l2") == [pytest.approx((0.02, 0.02))]
    assert onset.intervals_of(rows, "query_identification") == [pytest.approx((0.75, 0.75))]
    ((low, high),) = onset.intervals_of(rows[:1], "relative_l2")
    assert low < 0.01 < 0.04 < high
    assert onset.intervals_of(rows[:1], "query_identification") == [(0.0, 1.0)]  # a share has bounds
    rows[0] = {**rows[0], "relative_l2": [[0.02, 0.08]]}
    ((low, high),) = onset.intervals_of(rows, "relative_l2")
    assert low < 0.02 < high
    (said, _) = (each.measured for each in onset.judge([summary()]))
    (one, _) = (each.measured for each in onset.judge([summary(weights=1)]))
    assert one.endswith("over sequences)")
    assert said == "1.00 % (0.50 % to 100.00 % over weight sets)"


def test_the_command_writes_its_result(tmp_path):
    words = ("--form", "rate", "--weights", "1", "--sequences", "2", "--target", "numpy", "--normaliser", "pi")
    result = command("onset", *words, "--task", "scale 1,match", "--json", "--out", str(tmp_path / "out"))
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert {(each["task"], each["half"]) for each in found["summaries"]} == {
        (task, half) for task in ("scale 1", "match") for half in HALVES
    }
    for each in found["summaries"]:
        assert each["relative_l2"][-1] < 0.01 < each["best_null"]
        assert ("same_answer" in each) == (each["task"] == "match")
    assert {"onset.json", "onset.png", "run.json"} <= {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--task", "scale"), "--task is 'scale' but needs to be match, or a scale above zero"),
        (
            ("--task", "scale 1000"),
            "--task is 'scale 1000' but needs to be match, or a scale above zero and of at most 100",
        ),
        (("--task", "scale 0"), "--task is 'scale 0' but needs"),
        (("--cells", "many"), "--cells is 'many' but needs to be a whole number"),
        (("--cells", "0"), "--cells is 0 but needs to lie between 1"),
        (("--normaliser", "best"), "--normaliser is 'best' but needs to be one of pi, factorised"),
        (("--form", "wet"), "--form is 'wet' but needs"),
        (("--sequences", "1"), "--sequences is 1 but needs to lie between 2"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_sentence(words, sentence):
    result = command("onset", *words)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())


def test_a_task_has_one_name():
    found = onset._checked("rate", "pi", "fast", "1", "scale 2,scale 2.0,match,scale 0.5", 1, 2)
    assert [job.task for job in found] == ["scale 2", "match", "scale 0.5"]
