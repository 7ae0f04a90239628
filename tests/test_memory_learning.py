"""Learning in the memory wiring: terms of two memories, tags at synapses, the circuit, and the experiment."""

import numpy as np
import pytest

from cortical_attention.inputs.suite import cases, random_case
from cortical_attention.reference.gradients import gradients
from cortical_attention.reference.kernels import KERNELS
from cortical_attention.reference.memory_learning import eligibility, memory_terms, tagged_terms

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
