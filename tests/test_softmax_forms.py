"""Softmax attention in cells with noise, and from the onset of its tokens."""

import json

import numpy as np
import pytest

from cortical_attention.command import options as o
from cortical_attention.experiments import softmax_forms
from cortical_attention.trials.batch import side_by_side
from cortical_attention.trials.onset import HALVES, figures_of, measure
from tests.command import check_refused, run

CASES = side_by_side(3, 3, 3, scale=2.0, n_head=2, d_model=6, d_key=3, d_value=3)


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_rates_end_at_softmax_attention_to_the_tokens_that_are_shown():
    answers, references, _ = measure(CASES, o.check(form="rate", attention="softmax", target="numpy"))
    for half in HALVES:
        found = figures_of(*answers[half], references[half])
        assert np.shape(answers[half][1])[1:] == (3, 2, 3, 3)
        assert max(found["attention_relative_l2"][-1] + found["relative_l2"][-1]) < 0.1
        assert min(found["relative_l2"][0]) > 5 * max(found["relative_l2"][-1])
    stale = figures_of(*answers["change"], references["onset"])
    assert min(stale["relative_l2"][-1]) > 0.1


def judged(off, late, first=0.9, form="adaptive", n_input=None):
    row = {"form": form, "relative_l2": off, "best_null": 0.6}
    summary = {"form": form, "attention": "softmax", "half": "onset", "relative_l2": [first, late], "best_null": 0.6}
    return [each.held for each in softmax_forms.judge([row], [summary, summary | {"attention": "linear"}], n_input)]


def test_predictions_can_be_missed():
    assert judged(0.1, 0.2) == [True] * 4
    assert judged(0.01, 0.4, first=0.1) == [False, True, False, False]
    assert judged(0.4, 0.2) == [True, False, True, True]
    assert judged(0.01, 0.05, form="spiking") == [True] * 3
    assert judged(0.03, 0.05, form="spiking") == [False, True, True]
    assert judged(0.01, 0.05, form="spiking", n_input=2) == [False, True, True]


def test_the_command_writes_its_result(monkeypatch):
    monkeypatch.setattr(softmax_forms, "side_by_side", lambda *given, **more: CASES)
    small = [CASES[0]._replace(name="self_n4_scale1")]
    monkeypatch.setattr(softmax_forms, "suite_cases", lambda: small)
    words = "--weights 1 --sequences 2 --cells 1 --onset-cells 1 --inputs self_n4_scale1 --target numpy"
    done = run("softmax_forms", "--forms", "spiking", *words.split(), "--json", "--out", "result")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert [row["case"] for row in found["rows"]] == ["self_n4_scale1"]
    assert [(each["attention"], each["half"]) for each in found["summaries"]] == [
        (attention, half) for attention in ("softmax", "linear") for half in HALVES
    ]


def test_another_form_is_refused():
    check_refused("softmax_forms", "--forms", "rate", names="--forms is 'rate' but needs")
    check_refused("softmax_forms", "--onset-cells", "0", names="--onset-cells is 0 but needs")
