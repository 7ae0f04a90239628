"""The design of the ladder, and the mixed model of its errors."""

import numpy as np
import pytest

from cortical_attention.experiments import ladder
from cortical_attention.readout.mixed import mixed
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.simulation.calibrate import digests
from cortical_attention.trials.design import DESIGN, design, drawn

GIVEN = {"cells": None, "target": "numpy", "seed": 0}


def test_the_design_is_crossed_and_nothing_in_it_is_repeated():
    """Each setting has its weight sets, each weight set its sequences; no two weights, and no two sequences, are equal, and
    none was calibrated on."""
    every = design(weights=3, sequences=2)
    assert [each.setting for each in every[::3]] == [
        f"n{n} scale {k}" for n in DESIGN["tokens"] for k in DESIGN["scales"]
    ]
    assert {len(each.cases) for each in every} == {2}
    assert len({each.cases[0].block.W_O.tobytes() for each in every}) == len(every)
    tested = [digest for each in every for case in each.cases for digest in digests(case.tokens[None], None)]
    calibrated = [digest for each in every for digest in digests(each.cases[0].calibration, None)]
    assert len(set(tested)) == 2 * len(every)
    assert not set(tested) & set(calibrated)
    assert all(case.block is each.cases[0].block for each in every for case in each.cases)
    assert len(design(tokens=DESIGN["tokens"][0])) == len(design()) / 2


def test_a_smaller_design_is_the_beginning_of_a_larger_one():
    few, many = drawn(4, 2, 1, 2), drawn(4, 2, 1, 5)
    assert all(np.array_equal(a.tokens, b.tokens) for a, b in zip(few.cases, many.cases, strict=False))


def test_a_form_without_noise_answers_once():
    """A repeated answer of ideal rates would be the same one."""
    jobs = ladder.jobs(("rate", "spiking"), ["mask"], ("design",), weights=1, sequences=1)
    assert [ladder.repeats(job, 2) for job in jobs] == [1] * 6 + [2] * 6


def test_the_rows_of_a_design_carry_their_setting_and_both_parts_of_the_error():
    job = ladder.jobs(("spiking",), ["mask"], ("design",), tokens=4, weights=1, sequences=2)[0]
    rows = ladder.rows_of(job, ladder.options_of(job, GIVEN), 2)
    assert [(row["setting"], row["weights"], row["seed"]) for row in rows] == [
        ("n4 scale 1", 0, k) for k in (0, 0, 1, 1)
    ]
    assert rows[0]["relative_l2_by_design"] == rows[2]["relative_l2_by_design"]
    assert all(0 <= row["relative_l2_by_design"] < row["uniform_relative_l2"] for row in rows)
    assert all(row["query_identification"] == 1.0 for row in rows)
    alone = ladder.rows_of(job, ladder.options_of(job, GIVEN), 1)
    assert [row["relative_l2_by_design"] for row in alone] == [None, None]
    (found,) = ladder.summarise(rows)
    assert found["estimate"] == pytest.approx(np.exp(np.mean(np.log([row["relative_l2"] for row in rows]))), rel=1e-6)
    assert found["interval"] is None  # of one weight set nothing can be said of others


def made(rng, n_setting=2, n_weights=10, n_sequence=10, n_noise=2, sd=(0.2, 0.45, 0.3)):
    """Errors of a nested design, and their labels; the median of setting k is exp(k - 3)."""
    shape = n_setting, n_weights, n_sequence, n_noise
    log = np.arange(n_setting).reshape(-1, 1, 1, 1) - 3.0
    for level, each in enumerate(sd, start=2):
        log = log + each * rng.normal(size=shape[:level] + (1,) * (4 - level))
    labels = [each.ravel() for each in np.indices(shape)[:3]]
    return np.exp(log).ravel(), *labels


def test_the_model_finds_what_was_put_in():
    """Standard deviations to a fifth; the interval is Student's for means over weight sets, in a balanced design."""
    errors, *labels = made(np.random.default_rng(0), 4, 20, 20, 2)
    found = mixed(errors, *labels)
    assert found.log_sd == pytest.approx({"weights": 0.2, "sequences": 0.45, "noise": 0.3}, rel=0.2)
    means = np.log(errors).reshape(4, 20, -1).mean(axis=2)
    half = 1.9917 * np.sqrt(means.var(axis=1, ddof=1).mean() / 20)  # t table, 76 degrees
    assert np.log(found.settings["2"].low) == pytest.approx(means[2].mean() - half, abs=1e-3)
    assert np.log(found.overall.high) == pytest.approx(means.mean() + half / 2, abs=1e-3)


@pytest.mark.slow
def test_the_interval_covers_the_median_of_new_weights_and_inputs():
    """And one over noise alone does not: of 200 designs 95 % hold the true median, to four standard deviations."""
    rng, held, narrow = np.random.default_rng(1), 0, 0
    for _ in range(200):
        errors, *labels = made(rng, 1, 10, 10, 4)
        found = mixed(errors, *labels).overall
        held += found.low < np.exp(-3) < found.high
        low, high = cluster_interval(np.log(errors), np.arange(errors.size) % 4)
        narrow += low < -3 < high
    assert held / 200 == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 200))
    assert narrow < 0.7 * 200


def test_repeated_answers_without_noise_count_once():
    """Else their number would make the interval narrower."""
    errors, *labels = made(np.random.default_rng(2), 1, 8, 1, 1)
    once, twice = mixed(errors, *labels), mixed(np.repeat(errors, 2), *(np.repeat(each, 2) for each in labels))
    assert once == twice
    assert once.log_sd["noise"] is None


@pytest.mark.parametrize("errors", [[], [0.1, 0.0], [0.1, np.nan], [0.1, -0.1]])
def test_errors_have_to_be_positive(errors):
    with pytest.raises(ValueError, match="positive finite errors"):
        mixed(errors, [0] * len(errors), range(len(errors)), range(len(errors)))
