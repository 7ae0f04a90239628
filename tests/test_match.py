"""Matching by example: the task, its weights, its proof that the nulls are at chance, and the experiment."""

import json

import numpy as np
import pytest

from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.experiments import train_match
from cortical_attention.inputs.digits import load_digits_tokens
from cortical_attention.inputs.match import (
    D_MODEL,
    HEADS,
    N_COMPONENT,
    N_TAG,
    answered,
    components,
    load_block,
    match_cases,
    parts,
    sequences,
)
from cortical_attention.readout.looking import looking
from cortical_attention.reference.attention import Block, linear_attention
from cortical_attention.reference.nulls import key_only_attention, uniform_attention
from cortical_attention.trials.systems import System
from tests.command import run

pytest.importorskip("sklearn")
PROMISED = {1: 0.94, 2: 0.95}
BARE = System("bare", mask_wiring, linear_attention)


@pytest.fixture(scope="module")
def drawn():
    return sequences(np.random.default_rng(0), 200, "test")


# Task
def test_a_token_is_the_image_and_its_tag(drawn):
    for tokens, images in ((drawn.tokens, drawn.questions), (drawn.context, drawn.examples)):
        np.testing.assert_array_equal(tokens[..., :N_COMPONENT], components()[images])
    assert not drawn.tokens[..., N_COMPONENT:].any()
    np.testing.assert_array_equal(drawn.context[..., N_COMPONENT:], np.eye(N_TAG)[drawn.tags])
    np.testing.assert_array_equal(drawn.targets, np.eye(N_TAG, D_MODEL)[drawn.labels])


def test_questions_and_examples_of_one_class_share_a_tag_and_no_image(drawn):
    _, labels, _ = load_digits_tokens()
    for k in range(200):
        tag_of = dict(zip(labels[drawn.examples[k]], drawn.tags[k], strict=True))
        assert len(tag_of) == N_TAG
        assert [tag_of[label] for label in labels[drawn.questions[k]]] == drawn.labels[k].tolist()
        assert len({*drawn.examples[k], *drawn.questions[k]}) == 16
    pairs = np.unique(np.stack([labels[drawn.examples], drawn.tags]).reshape(2, -1), axis=1)
    assert pairs.shape[1] == 40  # every class has had every tag: it cannot be learnt


def test_tags_are_balanced(drawn):
    for each in (drawn.tags, drawn.labels):
        assert (np.sort(each, axis=1) == np.repeat(np.arange(N_TAG), 2)).all()


def test_any_answer_that_is_the_same_for_all_questions_is_right_on_one_in_four(drawn):
    """The proof, on random blocks: attention that ignores the query gives all questions of a sequence one answer."""
    rng = np.random.default_rng(1)
    for _ in range(5):
        block = Block(*(rng.normal(size=shape) for shape in ((2, 5, 16), (2, 5, 16), (2, 3, 16), (2, 16, 3))))
        for null in (uniform_attention, key_only_attention):
            output = null(drawn.tokens, block, context=drawn.context).output
            assert np.mean(answered(output) == drawn.labels) == 0.25
    output = linear_attention(drawn.tokens, load_block(), context=drawn.context).output
    assert np.mean(answered(output) == drawn.labels) > 0.9  # negative control: it needs the query


def test_parts_do_not_overlap():
    every = parts()
    assert not set(every["training"]) & set(every["test"])
    assert not set(every["fitting"]) & set(every["validation"])
    assert set(every["fitting"]) | set(every["validation"]) == set(every["training"])


# Weights
@pytest.mark.parametrize("n_head", HEADS)
def test_the_weights_keep_what_was_promised(drawn, n_head):
    """On 200 test sequences: accuracy, attention on the right examples, and values that copy the tag."""
    found = train_match.figures(load_block(n_head), drawn)
    assert found["algebra"] >= PROMISED[n_head]
    assert (found["uniform"], found["key_only"]) == (0.25, 0.25)
    assert min(found["attention on the right examples"]) >= 0.5
    assert min(found["W_O W_V of a tag"]) > 0


@pytest.mark.slow
def test_the_weights_are_those_of_the_training():
    found, stored = train_match.fit(1, "training"), load_block(1)
    for one, other in zip(found[:4], stored[:4], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def test_the_nearest_example_is_that_of_the_image_alone():
    """An example that is the very image of the question is nearest, whatever stands in the places of the tag."""
    drawn = sequences(np.random.default_rng(0), 5, "validation")
    copied = drawn.context.copy()
    copied[..., :12] = drawn.tokens[..., :12]
    assert train_match.nearest_example(drawn._replace(context=copied, tags=drawn.labels)) == 1
    assert train_match.nearest_example(drawn._replace(context=copied, tags=(drawn.labels + 1) % 4)) == 0


def test_training_starts_where_it_says_and_learns():
    drawn = sequences(np.random.default_rng(2), 100, "validation")
    start, short = Block(*train_match.initial(1, 0)), train_match.fit(1, "fitting", n_step=100)
    right = [train_match.figures(block, drawn)["algebra"] for block in (start, short)]
    assert right[1] > right[0] + 0.1


# Cases and experiment
def test_cases_are_calibrated_on_training_images():
    cases, drawn = match_cases(3, seed=4)
    assert all(np.array_equal(case.tokens, tokens) for case, tokens in zip(cases, drawn.tokens, strict=True))
    known = {tuple(row) for row in components()[parts()["training"]].round(9)}
    for sequence in (*cases[0].calibration, *cases[0].calibration_context):
        assert {tuple(row) for row in sequence[:, :N_COMPONENT].round(9)} <= known
    again = match_cases(3, seed=5)[0]
    assert not np.array_equal(again[0].tokens, cases[0].tokens)
    assert np.array_equal(again[0].calibration, cases[0].calibration)


def test_the_command_prints_what_scripts_rely_on(tmp_path):
    words = ("--sequences", 2, "--form", "rate,spiking", "--duration", 0.5, "--seed", 3, "--json", "--quiet")
    result = run("match", *words, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found == json.loads((tmp_path / "out/match.json").read_text())
    assert set(found) == {"rate", "spiking"}
    for each in found.values():
        assert set(each["accuracy_nulls"]) == {"uniform", "key_only", "additive"}
        assert each["sequences"] == each["settled"] == 2
        assert each["same_answer"] == 1
        assert 0.4 < each["attention_on_match"] < 0.8
        assert each["query_identification"] > 0.9
    assert found["rate"]["relative_l2"] < 1e-6 < found["spiking"]["relative_l2"] < 0.05
    assert found["spiking"]["skill"] > 0.9
    for name in ("over_time.png", "spiking/attention.png", "spiking/raster.png", "spiking/calibration.json"):
        assert (tmp_path / "out" / name).is_file()
    assert run("match", "--heads", 3).exit_code == 2
    assert run("match", "--sequences", 0).exit_code == 2
    bare = run("match", "--wiring", "tests.test_match:BARE")
    assert bare.exit_code == 2
    assert "needs one that is compared with the nulls uniform, key_only, additive" in bare.output


def test_wrong_answers_are_shown_beside_the_right_ones():
    images, tags, kappa = np.zeros((2, 8, 8)), np.array([0, 1]), np.full((1, 2, 2), 0.5)
    figure = looking(images, images, tags, tags, (tags, tags[::-1]), kappa, kappa)
    said = [[text.get_text() for text in panel.texts] for panel in figure.axes]
    assert said == [["A", "B", "A", "B"], ["B not A", "A not B", "A", "B"]]
    with pytest.raises(ValueError, match="there is no head 1 among 1"):
        looking(images, images, tags, tags, (tags, tags), kappa, kappa, head=1)
