"""One whole area, tried at a small size; what a run is expected to take."""

import json

import numpy as np

from cortical_attention.experiments import barrel_cortex
from cortical_attention.inputs.photograph import photograph_tokens
from cortical_attention.simulation import engine
from tests.command import run


def test_tokens_are_neighbours_in_a_photograph():
    tokens = photograph_tokens(9, 5)
    assert tokens.shape == (9, 5)
    assert np.isfinite(tokens).all()
    assert 0.2 < tokens.std() < 5  # of variance one over the whole image
    assert np.array_equal(tokens, photograph_tokens(9, 5))
    assert np.array_equal(photograph_tokens(8, 5), tokens[:8])


def test_area_answers(tmp_path):
    out = tmp_path / "area"
    words = ["--size", "3", "--wirings", "mask", "--forms", "rate", "--target", "numpy", "--quiet", "--json"]
    done = run("barrel_cortex", *words, "--out", str(out))
    assert done.exit_code == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["circuit"] for row in rows] == ["rate, mask"]
    for row in rows:
        assert row["relative_l2"] < 1e-6
        assert 0 < row["wall_per_biological_s"] < row["wall_s"]
    assert (out / "barrel_cortex.png").stat().st_size > 10_000
    assert np.load(out / "rate-mask" / "output.npy").shape == (3, 3)


def test_softmax_attention_runs_beside_linear_attention(tmp_path):
    words = ["--size", "3", "--wirings", "mask,softmax", "--forms", "rate", "--target", "numpy", "--quiet", "--json"]
    done = run("barrel_cortex", *words, "--out", str(tmp_path / "area"))
    assert done.exit_code == 0, done.stderr
    linear, softmax = json.loads(done.stdout)["rows"]
    assert max(linear["relative_l2"], softmax["relative_l2"]) < 1e-6
    assert linear["linear_relative_l2"] is None
    assert softmax["linear_relative_l2"] > 0.1


def test_a_slow_softmax_misses_its_prediction():
    def judged(taken):
        row = {"form": "spiking", "relative_l2": 0.015, "wall_per_biological_s": 0.1}
        linear = row | {"wiring": "mask", "attention": "linear"}
        softmax = row | {"wiring": "softmax", "attention": "softmax", "wall_per_biological_s": taken}
        return [each.held for each in barrel_cortex.judge([linear, softmax])]

    assert judged(0.19) == [False, True, True, True]
    assert judged(0.21) == [False, True, False, True]


def test_plan_runs_nothing(tmp_path):
    done = run("barrel_cortex", "--plan", "--json", "--out", str(tmp_path / "none"))
    assert done.exit_code == 0, done.stderr
    plans = json.loads(done.stdout)
    assert list(plans["spiking, mask"]["expected_s"]) == list(engine.COSTS)
    assert plans["spiking, mask"]["n_cell"] > plans["rate, mask"]["n_cell"] > 70_000
    assert not (tmp_path / "none").exists()


def test_a_size_that_is_none_is_refused():
    done = run("barrel_cortex", "--size", "1")
    assert done.exit_code == 2
    assert "--size is 1 but needs to lie between 2 and 64" in done.stderr
