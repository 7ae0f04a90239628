"""The command `transformer`: circuits in the place of heads, with a tiny made-up model."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cortical_attention.circuits.protocol import RunError
from cortical_attention.experiments import transformer
from cortical_attention.inputs.cases import load
from cortical_attention.inputs.transformer import hidden_states, in_own_units, layer_case, load_model, single_heads
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import softmax_attention
from cortical_attention.trials import transformer as heads_of
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
    done = run(
        "transformer",
        "one two",
        "three",
        "--layers",
        "0",
        "--heads",
        "0",
        "--target",
        "numpy",
        "--out",
        "result",
        "--json",
    )
    found = json.loads(done.stdout)
    assert len(found["sentence_cosine"]) == len(found["rows"]) == 2
    assert found["n_token"] == 4


def test_circuits_are_calibrated_on_other_sentences(monkeypatch):
    asked = []

    def keep(cases, *more):
        asked.append(cases[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(heads_of, "ask", keep)
    assert run(*WORDS).exit_code == 130
    assert asked[0].calibration.shape == (heads_of.N_CALIBRATION, 5, 8)
    assert np.abs(asked[0].calibration).max(axis=(0, 1)) == pytest.approx(1)  # each component in a unit of its own
    assert not any(np.allclose(each, asked[0].tokens) for each in asked[0].calibration)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("",), "which has no word"),
        (("one one one one one one one",), "tokens, with the marks of its ends, but needs at most"),
        (("one", "--layers", "7"), "--layers is '7' but needs numbers from 0 to 2"),
        (("one", "--heads", "a"), "--heads is 'a' but needs numbers from 0 to 1"),
        ((), "no sentence is given"),
        (("one", "--pairs", "99"), "--pairs is 99"),
    ],
)
def test_what_cannot_be_answered_is_refused(words, said):
    check_refused("transformer", *words, names=said)


def test_calibration_goes_on_when_the_other_sentences_are_used_up(monkeypatch):
    streams = heads_of.calibration_streams(transformer.model_of.load_model(), ["three"], 6, ["one", "two", "three"])
    assert streams.shape == (4, heads_of.N_CALIBRATION, 6, 8)


def test_predictions_can_be_missed():
    row = {"head_relative_l2": [[1e-9, 1e-8]], "linear_relative_l2": [[0.9, 0.8]], "cosine": 1.0}
    row |= {"settled": [[True, True]]}
    near, far = ({"sentences": 20, "same": same} for same in (19, 18))
    missed = row | {"head_relative_l2": [[1e-1, 1e-1]], "linear_relative_l2": [[0.1]], "cosine": 0.9}
    missed |= {"settled": [[True, False]]}
    for form, n in (("rate", 4), ("spiking", 5)):
        assert [each.held for each in transformer.judge([row], form, near)] == [True] * n
        assert [each.held for each in transformer.judge([missed], form, far)] == [False] * n
    assert transformer.judge([row | {"settled": [[True, None]]}], "rate") == []  # a part of the heads
    assert transformer.judge([row], "adaptive") == []
    failed = row | {"head_relative_l2": [[1e-9, None]], "settled": [[True, False]]}
    assert not transformer.judge([failed], "rate")[0].held


def test_a_component_in_a_unit_of_its_own_is_the_same_attention():
    model = transformer.model_of.load_model()
    case = layer_case(model, 1, hidden_states(model, "one two three")[1])
    other = in_own_units(case._replace(calibration=case.tokens[None]), np.abs(case.tokens).max(axis=0))
    right, found = (softmax_attention(each.tokens, each.block).output for each in (case, other))
    assert relative_l2(found, right) < 1e-12
    assert np.abs(other.calibration).max() == pytest.approx(1)


def test_sentences_of_one_length_share_a_circuit_and_get_the_answers_they_get_alone():
    model, others = transformer.model_of.load_model(), ["four four", "one four"]
    options = transformer.o.check(attention="softmax", target="numpy")
    asked = heads_of.Asked([1], [[0]], options)
    assert heads_of.of_equal_length(model, ["one two", "three", "two one", "three"]) == [
        ["one two", "two one"],
        ["three"],
    ]
    together = heads_of.answer_group(model, ["one two", "two one"], others, asked)
    alone = heads_of.answer_group(model, ["two one"], others, asked)
    assert together[1]["embedding"] == pytest.approx(alone[0]["embedding"], abs=1e-9)
    assert together[0]["cosine"] == pytest.approx(1, abs=1e-9)


def test_a_head_that_fails_has_not_settled_and_the_rest_goes_on(monkeypatch):
    def fails(cases, options, report=None):
        if cases[0].name.endswith("head1"):
            raise RunError("crowded")
        return [heads_of.Head(np.zeros((1, *cases[0].tokens.shape)), np.zeros((1, 4, 4)), [True], [""])]

    monkeypatch.setattr(heads_of, "answer_heads", fails)
    model = transformer.model_of.load_model()
    (row,) = heads_of.answer_group(model, ["one two"], ["three"], heads_of.Asked([1], [[0], [1]], None))
    assert row["settled"][1] == [True, False]
    assert row["reasons"][1] == ["", "crowded"]
    assert row["head_relative_l2"][1] == [1.0, None]
    assert row["settled"][0] == [None, None]


def test_heads_of_a_circuit_are_told_apart():
    rate, spiking = (transformer.o.check(attention="softmax", form=form).settings.form for form in ("rate", "spiking"))
    assert heads_of.circuits_of([0, 1, 2], rate, 0) == [[0, 1, 2]]
    assert heads_of.circuits_of([0, 1, 2], rate, 2) == [[0, 1], [2]]
    assert heads_of.circuits_of([0, 2], spiking, 1) == [[0], [2]]
    case = layer_case(transformer.model_of.load_model(), 1, np.random.default_rng(0).standard_normal((4, 8)))
    options = transformer.o.check(attention="softmax", target="numpy")
    for head, found in enumerate(heads_of.answer_heads([case], options)):
        right = softmax_attention(case.tokens, single_heads(case)[head].block)
        assert relative_l2(found.output[0], right.output) < 1e-9
        assert found.attention[0] == pytest.approx(right.kappa[0], abs=1e-9)


def test_nearest_neighbours_of_pairs():
    done = run(
        *WORDS[:1], "--pairs", "2", "--layers", "0", "--heads", "1", "--target", "numpy", "--out", "result", "--json"
    )
    found = json.loads(done.stdout)
    assert found["neighbours"]["sentences"] == found["neighbours"]["same"] == 4
    assert len(found["sentence_cosine"]) == 4
    embeddings = np.array([[1, 0], [0, 1], [0.8, 0.6]])
    assert heads_of.neighbours(embeddings).tolist() == [2, 2, 0]


def test_noise_costs_more_the_larger_it_is():
    model = transformer.model_of.load_model()
    found = heads_of.cost_of_noise(model, "one two three", (0.0, 0.01, 0.5), 3, 0)
    assert found[0.0] == pytest.approx(1)
    assert found[0.0] > found[0.01] > found[0.5]


def test_compare_takes_a_saved_case(tmp_path):
    done = run(*WORDS, "--layers", "1", "--heads", "1", "--save-cases", "cases")
    assert done.exit_code == 0, done.stderr
    case = load("cases/sentence_1_layer_1.npz")
    model = transformer.model_of.load_model()
    own = single_heads(layer_case(model, 1, hidden_states(model, "one two three")[1]))[1]
    right, found = (softmax_attention(each.tokens, each.block).output for each in (own, case))
    assert relative_l2(found, right) < 1e-12
    assert len(case.calibration) == heads_of.N_CALIBRATION
    check_refused(*WORDS[:2], "--save-cases", "cases", names="is not empty")
    check_refused(*WORDS[:2], "--save-cases", "", names="--save-cases is empty")
    check_refused(*WORDS[:2], "--save-cases", "same", "--out", "same", names="--save-cases and --out are both same")


def test_words_that_the_model_does_not_know_are_told(monkeypatch):
    monkeypatch.setattr(transformer, "UNKNOWN", ("[unknown]",))
    assert "unknown" not in run(*WORDS, "--layers", "0", "--heads", "0, 1").stderr
    told = run("transformer", "one zyx", *WORDS[2:], "--layers", " 0", "--heads", "0", "--overwrite")
    assert "'one zyx' has 1 word that is unknown to the model" in told.stderr + told.stdout


def test_words_that_look_at_words_are_drawn():
    run(*WORDS, "--layers", "1", "--heads", "0")
    assert {"words.png", "transformer.png", "transformer.json"} <= {path.name for path in Path("result").iterdir()}


def test_heads_over_workers():
    pytest.importorskip("distributed")
    words = *WORDS, "--layers", "0", "--heads", "1"
    alone, shared = (json.loads(run(*words, *more).stdout) for more in ((), ("--workers", "1", "--overwrite")))
    assert shared["head_relative_l2"][0][1] == pytest.approx(alone["head_relative_l2"][0][1])
