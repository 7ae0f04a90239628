"""Answers of replicas with independent noise to the same input: what is noise, and what is by design."""

import json

import numpy as np
import pytest

import cortical_attention as ca
from cortical_attention.experiments.match import match_cases
from cortical_attention.inputs.suite import random_case
from cortical_attention.simulation.settings import SettingError, Settings
from cortical_attention.simulation.settle import Settled
from cortical_attention.trials.comparison import _judged
from cortical_attention.trials.many import compare_many
from cortical_attention.trials.options import Options, restored, written

CASE = random_case(3, 3, n_head=1, d_model=4, d_key=2, d_value=2, scale=2.0)
SHORT = {"window": 0.4, "settle": 0.4}


def answer(form, **more):
    """Answer of a short run, whether it has settled or not."""
    from brian2 import second

    times = {name: value * second for name, value in SHORT.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        return ca.attend(CASE, form=form, cells=2, target="numpy", **times, **more)


@pytest.mark.parametrize("form", ["spiking", "adaptive"])
def test_the_first_of_replicas_answers_as_it_would_alone(form):
    """And each has noise of its own, with the same cells."""
    alone, both = answer(form), answer(form, replicas=2)
    assert np.array_equal(alone.output, both.output)
    assert alone.report["relative_l2_by_design"] is None
    assert 0 <= both.report["relative_l2_by_design"] != both.report["relative_l2"]  # equal if both had the same noise


def test_without_noise_all_of_the_error_is_by_design():
    found = answer("rate", replicas=3).report
    assert found["relative_l2_by_design"] == pytest.approx(found["relative_l2"], rel=1e-6)
    assert found["replicas"] == 3


@pytest.mark.parametrize("n", [0, 1.5, 2000, "2"])
def test_a_wrong_number_of_replicas_is_refused(n):
    with pytest.raises(SettingError, match="replicas is .* but needs to be a whole number of 1 to 1000"):
        ca.attend(CASE, replicas=n)


def test_many_cases_keep_their_own_replicas():
    """Case k of several, each answered twice, is held against its own algebra."""
    cases, _ = match_cases(3, 0, 1)
    options = Options("mask", "elu+1", "pi", Settings("rate"), replicas=2).checked()
    found = compare_many(cases, options)
    assert [each.index for each in found] == [0, 2, 4]
    assert all(each.report["relative_l2"] < 1e-6 for each in found)
    assert all(each.output.shape == cases[0].tokens.shape for each in found)


def test_an_answer_has_settled_if_all_of_its_replicas_have():
    columns = [True, False], [0.1, 0.2], [1.0, 1.0], [0.1, 0.3], [1.0, 1.0], [0, 1], ["", "silent"]
    judged = Settled(*map(np.array, columns))
    assert _judged(judged, 0, 1)["settled"] is True
    found = _judged(judged, 0, 2)
    assert (found["settled"], found["drift"], found["reason"]) == (False, 0.2, "replica 1: silent")


def test_the_number_of_replicas_is_kept_with_the_result():
    options = Options("mask", "elu+1", "pi", Settings("rate"), replicas=2).checked()
    text = json.loads(json.dumps(written(options), default=str))
    assert restored(text).replicas == 2
    assert restored({name: each for name, each in text.items() if name != "replicas"}).replicas == 1
