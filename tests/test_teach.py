"""Prediction as teacher: streams, the circuit whose error cells hear the next token, training, and the experiment."""

import json

import numpy as np
import pytest
from brian2 import ms, second

from cortical_attention.circuits.prediction import Presentations, prediction_wiring
from cortical_attention.circuits.protocol import RunError
from cortical_attention.inputs.streams import named, right_items, stream, velocities
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference import Block, linear_attention
from cortical_attention.reference.gradients import gradients
from cortical_attention.reference.nulls import key_only_attention
from cortical_attention.simulation.attend import Settings, prepare, read
from cortical_attention.simulation.attend import run as simulated
from cortical_attention.trials import teach, teach_cells
from cortical_attention.trials.teach import FROZEN, NEXT, SHUFFLED, WEIGHTS, fit
from cortical_attention.wiring.expressions import WiringError
from tests.command import run

EXACT = 1e-5  # asked of the gradient that is read from rates
TASKS = ("symbols", pytest.param("digit", id="digit"))


def random_block(rng, d_model, n_head=2, d_key=3, d_value=2):
    """Weights of variance 1 / fan-in."""
    inward = [rng.normal(size=(n_head, size, d_model)) / np.sqrt(d_model) for size in (d_key, d_key, d_value)]
    return Block(*inward, rng.normal(size=(n_head, d_model, d_value)) / np.sqrt(n_head * d_value))


# Streams
@pytest.mark.parametrize("task", TASKS)
def test_what_comes_next_was_seen_a_round_ago(task):
    if task == "digit":
        pytest.importorskip("sklearn")
    drawn = stream(task, np.random.default_rng(0), 5, "test", noise=0.0)
    right, seen = right_items(drawn.n_item), drawn.heard
    np.testing.assert_array_equal(drawn.truth()[..., seen], drawn.context[:, right][..., seen])
    np.testing.assert_array_equal(drawn.context[:, right][..., ~seen], drawn.tokens[..., seen])  # memory: what matches
    assert not drawn.truth()[..., ~seen].any()
    assert (named(drawn.truth(), drawn) == right).all()
    assert (named(drawn.truth(late=1), drawn) == (right + 1) % drawn.n_item).all()
    assert sorted(right) == list(range(drawn.n_item))  # each frame is right once


@pytest.mark.parametrize("task", TASKS)
def test_without_the_query_exactly_one_answer_of_a_sequence_is_right(task):
    if task == "digit":
        pytest.importorskip("sklearn")
    rng = np.random.default_rng(1)
    drawn = stream(task, rng, 20, "test")
    block = random_block(rng, drawn.shown.shape[2])
    block = block._replace(W_Q=5 * block.W_Q, W_K=5 * block.W_K)  # so that queries matter
    blind = key_only_attention(drawn.tokens, block, context=drawn.context).output
    assert ((named(blind, drawn) == right_items(drawn.n_item)).sum(axis=1) == 1).all()
    asking = linear_attention(drawn.tokens, block, context=drawn.context).output
    assert ((named(asking, drawn) == right_items(drawn.n_item)).sum(axis=1) != 1).any()  # negative control


def test_velocities_return_after_four_steps_and_no_sooner():
    steps = np.arange(1, 5)[:, None, None] * velocities() % 4
    assert (steps[:3].any(axis=2)).all()
    assert not steps[3].any()


# Circuit
@pytest.fixture(scope="module")
def streamed():
    """A stream of six tokens in rates: block, tokens, what was prepared, its run, and its answer."""
    rng = np.random.default_rng(2)
    block, tokens = random_block(rng, 4), rng.normal(size=(2, 6, 4))
    settings = Settings("rate", settle=0.6 * second, window=0.4 * second, dt=2 * ms, record="sample", target="numpy")
    weights = {name: getattr(block, name) for name in WEIGHTS}
    prepared = prepare(prediction_wiring, tokens, settings, n_context=3, heard=[1, 1, 1, 0], **weights)
    done = simulated(prepared)
    return block, tokens, prepared, done, read(prepared, done)


def test_nuclei_hold_what_the_stream_brought_and_answer(streamed):
    block, tokens, _, _, answer = streamed
    right = linear_attention(tokens[:, 3:5], block, context=tokens[:, :3]).output
    assert answer.settled.settled.all()
    assert relative_l2(answer.output, right) < 1e-6


def test_errors_are_there_in_the_presentation_after_the_token_alone(streamed):
    block, tokens, prepared, done, answer = streamed
    ends, errors = Presentations(3, 2).ends(prepared.settings.times()), done.values["error"]
    for token, end in enumerate(ends):
        truth = tokens[:, 4 + token] * [1, 1, 1, 0]
        assert relative_l2(errors[end][:, token], truth - answer.output[:, token]) < 1e-6
        assert np.abs(np.delete(errors[end], token, axis=1)).max() < 1e-6
    assert np.abs(errors[ends[0] - 6]).max() < 1e-6  # before the truth of the first came


def test_cells_hold_the_gradient_when_the_truth_comes_later(streamed):
    block, tokens, prepared, done, _ = streamed
    terms = teach_cells.summed(prepared.plan, done.values, Presentations(3, 2).ends(prepared.settings.times()))
    heard = tokens * [1, 1, 1, 0]

    def off(truth):
        formal = gradients(tokens[:, 3:5], truth, block, context=tokens[:, :3])[1:]
        return [relative_l2(found, -each) for found, each in zip(terms, formal, strict=True)]

    assert max(off(heard[:, 4:6])) < EXACT
    assert min(off(heard[:, 3:5])) > 0.1  # negative control: the token itself
    assert min(off(heard[::-1, 4:6])) > 0.1  # negative control: the other sequence


def test_it_is_not_enough_that_the_answer_is_held():
    found = teach_cells.present(
        "symbols", fit("symbols", NEXT, 50, 20).block, 50, 1, held="answer", shown=0.5 * second, target="numpy"
    )
    assert max(found.error, found.answer) < 1e-5
    assert found.relative_l2["W_Q"] > 0.1


def test_a_stream_without_a_truth_is_refused():
    times = Settings("rate").checked().times()
    weights = random_block(np.random.default_rng(0), 4)
    with pytest.raises(WiringError, match=r"stream of 4 tokens with n_context = 3 and late = 0 leaves no token"):
        prediction_wiring(times, np.zeros((1, 4, 4)), *weights[:4], n_context=3, heard=np.ones(4))


# Training
def test_the_next_token_teaches_and_that_of_another_sequence_does_not():
    found = {teacher: fit("symbols", teacher, seed=50, n_step=80) for teacher in (NEXT, SHUFFLED)}
    assert found[NEXT].curve[-1][1] > 0.9
    assert abs(found[SHUFFLED].curve[-1][1] - 1 / 6) < 0.15


def test_frozen_weights_stay():
    found = fit("symbols", FROZEN, seed=50, n_step=20, keep=(0,))
    for name in WEIGHTS:
        assert np.array_equal(getattr(found.kept[0], name), getattr(found.block, name)) == (name in ("W_Q", "W_K"))


def test_a_step_that_diverges_is_told(monkeypatch):
    monkeypatch.setattr(teach, "OPTIMISER", teach.OPTIMISER._replace(learning_rate=1e300))
    with np.errstate(all="ignore"), pytest.raises(RunError, match="not finite after presentation"):
        fit("symbols", NEXT, seed=50, n_step=20)


# Experiment
def test_the_experiment_runs_small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ("--task", "symbols", "--seeds", 2, "--seed", 50, "--steps", 20, "--no-cells", "--out", "found")
    result = run("teach", *given)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "found/teach.json").read_text())
    assert {row["teacher"] for row in found["rows"]} == set(teach.TEACHERS)
    assert found["figures"]["symbols_null_from_chance"]["outcome"] == "held"
    assert found["figures"]["symbols_accuracy"]["outcome"] != "held"  # twenty presentations do not teach it
    assert (tmp_path / "found/teach.png").exists()


def test_an_unknown_task_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("teach", "--task", "words")
    assert result.exit_code == 2
    assert "--task is 'words' but needs to be one of symbols, digit" in result.output
