"""The command `transformer`: circuits in the place of heads, with a tiny made-up model."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from cortical_attention.experiments import transformer
from cortical_attention.inputs.transformer import load_model
from tests.command import check_refused, run
from tests.tiny_transformer import Words, tiny_weights, write

WORDS = ("transformer", "one two three", "--target", "numpy", "--out", "result", "--json")


@pytest.fixture(autouse=True)
def tiny(tmp_path, monkeypatch):
    """A model of three layers of two heads, and other sentences that it knows."""
    monkeypatch.setitem(sys.modules, "tokenizers", SimpleNamespace(Tokenizer=Words))
    (tmp_path / "model").mkdir()
    small = {name: each if "Norm" in name else 0.5 * each for name, each in tiny_weights().items()}
    model = load_model(write(tmp_path / "model", weights=small))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(transformer.model_of, "load_model", lambda: model)
    pairs = [("one four", "two two"), ("three one", "four four"), ("one", "two"), ("three", "four one two")] * 2
    monkeypatch.setattr(transformer, "SENTENCE_PAIRS", pairs)


def test_every_head_in_rates():
    done = run(*WORDS)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert np.shape(found["head_relative_l2"]) == np.shape(found["linear_relative_l2"]) == (3, 2)
    assert np.max(found["head_relative_l2"]) <= 1e-5
    assert np.all(found["settled"])
    assert found["n_token"] == 5
    assert found["sentence_cosine"] == [pytest.approx(1, abs=1e-9)]


def test_some_heads_of_a_layer_in_spikes():
    found = json.loads(run(*WORDS, "--form", "spiking", "--layers", "1", "--heads", "1", "--cells", "4").stdout)
    shown = np.array(found["head_relative_l2"], dtype=float)
    assert np.isfinite(shown).tolist() == [[False, False], [False, True], [False, False]]
    assert shown[1, 1] < 0.05
    assert found["settled"][1][1] is not None


def test_two_sentences():
    done = run("transformer", "one two", "three", "--layers", "0", "--target", "numpy", "--out", "result", "--json")
    found = json.loads(done.stdout)
    assert len(found["sentence_cosine"]) == len(found["rows"]) == 2
    assert found["n_token"] == 4


def test_circuits_are_calibrated_on_other_sentences(monkeypatch):
    asked = []

    def keep(cases, *more):
        asked.append(cases[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(transformer, "ask", keep)
    assert run(*WORDS).exit_code == 130
    assert asked[0].calibration.shape == (transformer.N_CALIBRATION, 5, 8)
    assert not any(np.allclose(each, asked[0].tokens) for each in asked[0].calibration)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("",), "which has no word"),
        (("one one one one one one one",), "tokens, with the marks of its ends, but needs at most"),
        (("one", "--layers", "7"), "--layers is '7' but needs numbers from 0 to 2"),
        (("one", "--heads", "a"), "--heads is 'a' but needs numbers from 0 to 1"),
    ],
)
def test_what_cannot_be_answered_is_refused(words, said):
    check_refused("transformer", *words, names=said)


def test_a_form_without_such_cells_is_refused():
    check_refused("transformer", "one", "--form", "biophysical", names="tufted intratelencephalic", status=2)


def test_calibration_goes_on_when_the_other_sentences_are_used_up(monkeypatch):
    monkeypatch.setattr(transformer, "SENTENCE_PAIRS", [("one", "two")])
    streams = transformer.calibration_streams(transformer.model_of.load_model(), ["three"], 6)
    assert streams.shape == (4, transformer.N_CALIBRATION, 6, 8)


def test_predictions_can_be_missed():
    row = {"head_relative_l2": [[1e-9, 1e-8]], "linear_relative_l2": [[0.9, 0.8]], "cosine": 1.0}
    assert all(each.held for each in transformer.judge([row], "rate"))
    missed = row | {"head_relative_l2": [[1e-3]], "linear_relative_l2": [[0.1]], "cosine": 0.9}
    assert not any(each.held for each in transformer.judge([missed], "rate"))
    assert transformer.judge([row | {"head_relative_l2": [[1e-9, None]]}], "rate") == []  # a part of the heads
    assert transformer.judge([row], "spiking") == []
