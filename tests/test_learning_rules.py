"""Rules of learning by name, and weights of which every microcolumn has its own copy."""

import numpy as np
import pytest

from cortical_attention.readout.statistics import slope_of_log_log
from cortical_attention.reference import KERNELS, Block, gradients
from cortical_attention.reference.copies import (
    COPIED,
    Copies,
    copied,
    copies_output,
    copies_terms,
    n_copies,
    pulled,
    spread,
)
from cortical_attention.reference.learning_rules import BETA, RULES, contrast, noisy, rule_named, rule_terms
from cortical_attention.reference.local_terms import credit, local_terms, signals

ROUNDINGS = 1e-12
STEP = np.cbrt(np.finfo(float).eps)  # of a central difference
BENT = 1e-5  # as in tests/test_gradients.py
N_SIGMA = 5


def draw(seed=0, n_batch=3):
    """Tokens, targets, context (batch, 5 or 4, 6) and a block of two heads."""
    rng = np.random.default_rng(seed)
    shapes = (2, 3, 6), (2, 3, 6), (2, 4, 6), (2, 6, 4)
    block = Block(*(1.5 * rng.normal(size=shape) / np.sqrt(6) for shape in shapes))
    return rng.normal(size=(n_batch, 5, 6)), rng.normal(size=(n_batch, 5, 6)), rng.normal(size=(n_batch, 4, 6)), block


def found_of(seed=0, n_batch=3):
    tokens, targets, context, block = draw(seed, n_batch)
    return signals(tokens, targets, block, context=context), block


def off(ours, theirs):
    """Largest difference over the largest entry, of each weight."""
    return np.array([np.abs(a - b).max() / np.abs(b).max() for a, b in zip(ours, theirs, strict=True)])


def test_the_exact_rule_is_the_gradient_and_no_other_is():
    tokens, targets, context, block = draw()
    found, exact = found_of()[0], [-g for g in gradients(tokens, targets, block, context=context)[1:]]
    feedback = np.random.default_rng(1).normal(size=block.W_O.shape)
    for name in RULES:
        terms = rule_terms(name, found, block.W_O, np.random.default_rng(2), feedback=feedback)
        assert (off(terms, exact)[:2].max() <= ROUNDINGS) == (name == "exact"), name


@pytest.mark.parametrize(("name", "axis"), [("shuffled_tokens", 2), ("shuffled_sequences", 0)])
def test_what_shuffling_keeps(name, axis):
    """Where pooled values are alike for all that exchange their errors, the term of W_O is that of the exact rule."""
    found, block = found_of()
    alike = found._replace(pooled=np.repeat(found.pooled.mean(axis, keepdims=True), found.pooled.shape[axis], axis))
    for each, same in ((alike, True), (found, False)):
        pair = [rule_terms(which, each, block.W_O, np.random.default_rng(2)).W_O for which in (name, "exact")]
        assert (off(pair[:1], pair[1:]).max() <= ROUNDINGS) == same


def test_contrast_is_the_change_of_the_settled_rates():
    """Rates s_ijk written out, with gains and without, each macrocolumn divided by its own sum."""
    found, block = found_of()
    found = found._replace(error=found.error / 10)  # small enough that no gain falls to zero
    phi = KERNELS["elu+1"].phi
    s = phi(found.query)[..., :, None, :] * phi(found.key)[..., None, :, :]
    gain = 1 + BETA * credit(found, block.W_O, baseline=False)[1]
    assert gain.min() > 0
    nudged, free = (each / each.sum(axis=(-1, -2), keepdims=True) for each in (s * gain[..., None], s))
    change = (nudged - free) / BETA
    terms = rule_terms("contrast", found, block.W_O, None)
    slope = KERNELS["elu+1"].derivative(found.query) / phi(found.query)
    W_Q = np.einsum("bhijk,bhik,bim->hkm", change, slope, found.tokens)
    assert off([terms.W_Q], [W_Q]) <= ROUNDINGS / BETA


def test_contrast_tends_to_the_gradient():
    found, block = found_of()
    right = credit(found, block.W_O)[1]
    betas = np.array([0.1, 0.03, 0.01, 0.003])
    errors = [np.linalg.norm(contrast(found, block.W_O, beta) - right) / np.linalg.norm(right) for beta in betas]
    assert slope_of_log_log(betas, errors) == pytest.approx(1, abs=0.1)
    assert np.isfinite(contrast(found, block.W_O, 100.0)).all()  # where gains fall to zero


def test_frozen_and_hebbian():
    found, block = found_of()
    frozen = rule_terms("frozen_query_key", found, block.W_O, None)
    assert not frozen.W_Q.any()
    assert not frozen.W_K.any()
    wrong = found._replace(error=-found.error)
    hebbian = [rule_terms("hebbian", each, block.W_O, None) for each in (found, wrong)]
    np.testing.assert_array_equal(hebbian[0].W_Q, hebbian[1].W_Q)  # hears no error
    np.testing.assert_array_equal(hebbian[0].W_V, -hebbian[1].W_V)


def test_noise_has_its_size_and_none_is_none():
    found, _ = found_of(n_batch=300)
    assert noisy(found, 0.0, None) is found
    read = noisy(found, 0.1, np.random.default_rng(0))
    for name in ("query", "key", "value", "kappa", "pooled", "error"):
        size = getattr(found, "output" if name == "error" else name)
        added = (getattr(read, name) - getattr(found, name)) / np.sqrt(np.mean(size**2))
        assert np.std(added) == pytest.approx(0.1, rel=N_SIGMA / np.sqrt(2 * added.size)), name
    np.testing.assert_array_equal(read.normaliser, found.normaliser)


def test_rules_that_are_not_known_or_lack_feedback():
    found, block = found_of()
    with pytest.raises(ValueError, match="rule is 'magic', but needs to be one of exact, no_baseline"):
        rule_named("magic")
    with pytest.raises(
        ValueError, match=r"feedback is missing, but rule 'kolen_pollack' needs weights of shape \(2, 6, 4\)"
    ):
        rule_terms("kolen_pollack", found, block.W_O, None)


# Copies
def test_terms_of_equal_copies_sum_to_the_local_terms():
    tokens, targets, context, block = draw()
    terms = copies_terms(tokens, targets, copied(block, 5, 4), context=context)
    summed = [each.sum(axis=axes) for each, axes in zip(terms, COPIED, strict=True)]
    assert off(summed, local_terms(tokens, targets, block, context=context)).max() <= ROUNDINGS
    assert n_copies(terms) == [20, 20, 20, 5]


def test_every_copy_against_central_differences():
    """Of copies that differ: the term of a copy is minus the derivative in its own weights."""
    tokens, targets, context, block = draw(1, n_batch=2)
    rng = np.random.default_rng(3)
    copies = Copies(*(W * (1 + 0.3 * rng.normal(size=W.shape)) for W in copied(block, 5, 4)))
    terms = copies_terms(tokens, targets, copies, context=context)

    def E():
        return 0.5 * np.sum((targets - copies_output(tokens, copies, context=context)) ** 2)

    for W, term in zip(copies, terms, strict=True):
        for entry in rng.choice(W.size, 30, replace=False):
            at, energies = np.unravel_index(entry, W.shape), []
            kept = W[at]
            for shift in (STEP, -STEP):
                W[at] = kept + shift
                energies.append(E())
            W[at] = kept
            assert abs((energies[1] - energies[0]) / (2 * STEP) - term[at]) <= BENT * np.abs(term).max()


def test_pulling_makes_copies_alike():
    rng = np.random.default_rng(0)
    copies = Copies(*(W + rng.normal(size=W.shape) for W in copied(draw()[3], 5, 4)))
    assert max(spread(pulled(copies, 1.0))) <= ROUNDINGS
    np.testing.assert_allclose(spread(pulled(copies, 0.1)), 0.9 * np.array(spread(copies)))
    for kept, W in zip(pulled(copies, 0.0), copies, strict=True):
        np.testing.assert_array_equal(kept, W)
