"""Learning in the memory wiring: terms of two memories, tags at synapses, the circuit, and the experiment."""

import json
from pathlib import Path

import numpy as np
import pytest
from brian2 import ms, second

from cortical_attention.cells.kernels import phi as phi_of
from cortical_attention.cells.tag import SLOPES, steady_rate
from cortical_attention.circuits.leaky import in_turn
from cortical_attention.circuits.memory_learning import for_targets, memory_learning_wiring
from cortical_attention.circuits.protocol import RunError
from cortical_attention.experiments import memory_learning as experiment
from cortical_attention.inputs.suite import cases, random_case
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import Block
from cortical_attention.reference.gradients import gradients
from cortical_attention.reference.kernels import KERNELS
from cortical_attention.reference.memory_learning import eligibility, memory_terms, tagged_terms
from cortical_attention.simulation.attend import Settings, attend
from cortical_attention.trials import frozen_memory, memory_tasks
from cortical_attention.trials.memory_learning import cells_of, terms_of_cells
from cortical_attention.trials.memory_tasks import TASKS, Condition, accuracy, start
from cortical_attention.wiring.expressions import WiringError
from tests.command import check_refused, run

EXACT = 1e-12  # of the largest entry; some ten thousand roundings
SUITE = cases()


def targets_of(case, batch=()):
    return np.random.default_rng(1).standard_normal((*batch, *case.tokens.shape))


def off(terms, formal):
    """Largest distance of each term from minus the derivative, of its largest entry."""
    return [np.abs(a + b).max() / np.abs(b).max() for a, b in zip(terms, formal[1:], strict=True)]


# Algebra
@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("terms", [memory_terms, tagged_terms])
@pytest.mark.parametrize("case", SUITE, ids=[case.name for case in SUITE])
def test_both_forms_are_the_formal_gradient(case, terms, normalised):
    given = {"context": case.context, "normalised": normalised}
    formal = gradients(case.tokens, targets_of(case), case.block, **given)
    assert max(off(terms(case.tokens, targets_of(case), case.block, **given), formal)) <= EXACT


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("terms", [memory_terms, tagged_terms])
def test_they_are_it_with_other_kernels_biases_and_batches(terms, kernel):
    case, draw = random_case(3, 4, 6, d_model=5, d_key=3, d_value=2), np.random.default_rng(4).standard_normal
    block = case.block._replace(b_Q=draw((2, 3)), b_K=draw((2, 3)), b_V=draw((2, 2)))
    tokens, context, y = draw((7, 4, 5)), draw((7, 6, 5)), draw((7, 4, 5))
    formal = gradients(tokens, y, block, context=context, kernel=kernel)
    assert max(off(terms(tokens, y, block, context=context, kernel=kernel), formal)) <= EXACT


def test_tags_do_not_depend_on_what_is_written_later_and_add_up():
    case = random_case(5, 6, d_model=5, d_key=3, d_value=2)
    first, rest = (eligibility(part, case.block) for part in (case.tokens[:2], case.tokens[2:]))
    for one, other, whole in zip(first, rest, eligibility(case.tokens, case.block), strict=True):
        np.testing.assert_allclose(one + other, whole, atol=1e-14)


@pytest.mark.parametrize("errors", ["present", "past"])
def test_part_of_the_errors_is_not_the_gradient_of_keys_and_values(errors):
    case = SUITE[5]
    formal = gradients(case.tokens, targets_of(case), case.block)
    query, key, value, output = off(memory_terms(case.tokens, targets_of(case), case.block, errors=errors), formal)
    assert max(query, output) <= EXACT  # which do not need B
    assert min(key, value) > 0.1


def test_one_token_meets_all_errors():
    case = random_case(6, 1, d_model=5, d_key=3, d_value=2)
    given = case.tokens, targets_of(case), case.block
    for errors in ("present", "past"):
        for part, whole in zip(memory_terms(*given, errors=errors), memory_terms(*given), strict=True):
            np.testing.assert_allclose(part, whole, atol=1e-14)


def test_other_feedback_moves_all_but_the_output_weights():
    case, feedback = SUITE[0], np.random.default_rng(2).standard_normal(SUITE[0].block.W_O.shape)
    formal = gradients(case.tokens, targets_of(case), case.block)
    for terms in (memory_terms, tagged_terms):
        *others, output = off(terms(case.tokens, targets_of(case), case.block, feedback=feedback), formal)
        assert output <= EXACT
        assert min(others) > 0.1


def test_what_the_algebra_refuses():
    case = SUITE[-1]
    given = case.tokens, targets_of(case), case.block
    with pytest.raises(ValueError, match="errors is 'future', but needs to be one of all, present, past"):
        memory_terms(*given, context=case.context, errors="future")
    with pytest.raises(ValueError, match="one context token for each of 16 tokens, not 4"):
        memory_terms(*given, context=case.context, errors="past")
    with pytest.raises(ValueError, match="targets has shape"):
        tagged_terms(case.tokens, np.zeros((1, 2)), case.block, context=case.context)


# Circuit
SMALL = random_case(2, 3, n_head=2, d_model=3, d_key=2, d_value=2)


def test_cells_and_tags_hold_the_gradient():
    """With biases, cross-attention, and a mask that takes three memories; tags are laid down before any error."""
    draw, y, mask = np.random.default_rng(7).standard_normal, targets_of(SMALL), np.tri(3, 4, 1, dtype=bool)
    context, block = draw((4, 3)), SMALL.block._replace(b_Q=draw((2, 2)), b_K=draw((2, 2)), b_V=draw((2, 2)))
    times = {"settle": 0.3 * second, "window": 0.1 * second, "write": 0.1 * second, "dt": 2 * ms}
    settings = Settings(target="numpy", record="sample", **times).checked()
    found = attend(
        for_targets(y[None]), SMALL.tokens[None], settings, context=context[None], mask=mask, **block._asdict()
    )
    assert found.settled.settled.all(), found.settled.reason
    cells = cells_of(found, settings.form)
    (read,) = terms_of_cells(cells, block.W_Q, b_Q=block.b_Q)
    formal = gradients(SMALL.tokens, y, block, context=context, mask=mask)
    for term, slope in zip(read, formal[1:], strict=True):
        assert relative_l2(term, -slope) <= 1e-5
    forgotten = cells | {"key_tag": np.ones_like(cells["key_tag"])}
    assert relative_l2(terms_of_cells(forgotten, block.W_Q, b_Q=block.b_Q)[0].W_K, -formal.dE_dW_K) > 0.1
    tags = eligibility(context[mask[0]], block)  # what is open to the first token
    for name, right in {"key_tag": tags.keys, "value_tag": tags.values[:, None], "ones_tag": tags.ones}.items():
        np.testing.assert_allclose(cells[name][0, 0], np.broadcast_to(right, cells[name].shape[2:]), atol=1e-6)
    phi_k = phi_of("elu+1")(np.einsum("hkm, jm -> jhk", block.W_K, context[mask[0]]) + block.b_K)[..., None]
    by_hand = steady_rate(1.0, context[mask[0]][:, None, None], phi_k)
    np.testing.assert_allclose(tags.values, by_hand, atol=1e-12)


def test_tags_serve_a_stream_that_is_written_and_asks_in_turn():
    """Each token asks before the next is written: one memory, and the gradient of causal attention."""
    y, times = targets_of(SMALL), {"settle": 0.3 * second, "window": 0.1 * second, "write": 0.1 * second, "dt": 2 * ms}
    settings = Settings(target="numpy", record="sample", **times).checked()
    weights = dict(zip(("W_Q", "W_K", "W_V", "W_O"), SMALL.block, strict=False))
    found = attend(for_targets(y[None]), SMALL.tokens[None], settings, order=in_turn, **weights)
    (read,) = terms_of_cells(cells_of(found, settings.form), SMALL.block.W_Q)
    causal, whole = (gradients(SMALL.tokens, y, SMALL.block, mask=mask) for mask in (np.tri(3, dtype=bool), None))
    for term, slope in zip(read, causal[1:], strict=True):
        assert relative_l2(term, -slope) <= 1e-5
    assert relative_l2(read.W_K, -whole.dE_dW_K) > 0.1


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_slope_of_a_dendrite_is_a_function_of_its_activation(kernel):
    u = np.linspace(-3, 3, 50)
    names = {"basal": phi_of(kernel)(u), "clip": np.clip, "exp": np.exp, "int": lambda x: x.astype(float)}
    np.testing.assert_allclose(eval(SLOPES[kernel], names), KERNELS[kernel].derivative(u), atol=1e-12)  # noqa: S307


@pytest.mark.parametrize(
    ("sentence", "more"),
    [
        ("normaliser is 'slow' but needs to be 'pi' or None", {"normaliser": "slow"}),
        ("kernel is 'tanh' but needs to be one of", {"kernel": "tanh"}),
        ("feedback has shape", {"feedback": np.ones((1, 3, 2))}),
    ],
)
def test_what_the_wiring_refuses(sentence, more):
    with pytest.raises(WiringError, match=sentence):
        memory_learning_wiring(
            Settings().times(), SMALL.tokens[None], targets_of(SMALL)[None], *SMALL.block[:4], **more
        )


# Frozen memory
def test_what_changes_after_a_token_is_the_gradient_of_its_error():
    case = SMALL
    right = memory_terms(case.tokens[:1], targets_of(case)[:1], case.block, context=case.tokens)
    M_and_z = frozen_memory.write(case.tokens, case.block.W_K, case.block.W_V)
    found = frozen_memory.change(case.tokens[0], targets_of(case)[0], case.block.W_Q, case.block.W_O, *M_and_z)
    for own, term in zip(found, (right.W_Q, right.W_O), strict=True):
        np.testing.assert_allclose(own, term, atol=1e-12)


def test_a_frozen_memory_learns_recall_token_by_token_and_keeps_its_keys():
    task, condition = TASKS["recall"]._replace(n_step=60), Condition(2, 16, "frozen")
    (block, _) = frozen_memory.train_by_token(task, condition, (1, 2), "training")
    first = start(task, condition, 1)
    np.testing.assert_array_equal(block.W_K, first["W_K"])
    np.testing.assert_array_equal(block.W_V, first["W_V"])
    learnt, null = accuracy(task, block, 1, "test")
    before, _ = accuracy(task, Block(**first), 1, "test")
    assert learnt > before + 0.1
    assert null == 0.25
    (alone,) = frozen_memory.train_by_token(task, condition, (1,), "training")
    np.testing.assert_allclose(alone.W_Q, block.W_Q)  # seeds do not hear of each other


@pytest.mark.parametrize(
    "train", [lambda task, c: frozen_memory.train_by_token(task, c, (0,), "training"),
              lambda task, c: frozen_memory.train_by_sequence(task, c, 0, "training")],
)  # fmt: skip
def test_a_step_that_is_too_large_says_at_which_sequence(train):
    task = TASKS["recall"]._replace(n_step=20, by_token=1e4, by_sequence=1e4)
    with pytest.raises(RunError, match="weights grew beyond 1000 with a step size of 10000, at sequence 16"):
        train(task, Condition(1, 2, "frozen"))


# Experiment
def test_the_command_writes_its_result(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(memory_tasks, "N_TEST", 20)
    monkeypatch.setattr(memory_tasks, "N_AT_ONCE", 4)
    monkeypatch.setattr(frozen_memory, "D_KEYS", (8, 32, 64))
    for name in TASKS:
        monkeypatch.setitem(TASKS, name, TASKS[name]._replace(n_step=4))
    done = run("memory_learning", "--seeds", 2, "--no-circuit", "--out", "result")
    assert done.exit_code == 0, done.output
    names = {path.name for path in Path("result").iterdir()}
    assert names == {"memory_learning.json", "memory_learning.png", "run.json"}
    result = json.loads(Path("result/memory_learning.json").read_text())
    assert result["figures"]["terms"]["outcome"] == "held"
    assert result["figures"]["recall"]["outcome"] == "missed"  # which four steps do not learn
    assert result["figures"]["chance"]["value"] <= 1e-12
    assert len(result["rows"]) == 2 * 2 * (7 + 1 + 3) + 2 * 2


def test_figures_of_circuits_can_be_missed():
    shared = {"settled": True, "input": 0, "other_tags": 0.5}
    errors = [dict.fromkeys(experiment.WEIGHTS, each) for each in (1e-9, 2e-9)]
    rows = [{"seed": k, "kind": "normalised"} | shared | each for k, each in enumerate(errors)]
    rows[0]["without_ones"] = 0.01
    found = experiment.figures_of(experiment.suite_rows(0), rows, [])
    assert found["cells_W_K"]["outcome"] == "held"
    assert found["without_ones"]["outcome"] == "missed"
    worse = [row | {"W_K": 1e-3} for row in rows]
    assert experiment.figures_of(experiment.suite_rows(0), worse, [])["cells_W_K"]["outcome"] == "missed"


@pytest.mark.parametrize(("option", "value"), [("--seeds", 1), ("--seed", -1), ("--images", "none")])
def test_what_the_command_refuses(option, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_refused("memory_learning", option, value, names=option)
