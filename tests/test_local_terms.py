"""Local three-factor terms against the formal gradients and against automatic differentiation."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from cortical_attention.inputs.suite import cases
from cortical_attention.reference import KERNELS, Block, gradients
from cortical_attention.reference.learned_A import learned_A_output, learned_A_terms
from cortical_attention.reference.local_terms import local_terms, softmax_local_terms

CLAIM = 1e-12  # of the issue: the same derivative in another order of operations, so a few thousand roundings
MARGIN = 0.05  # of every control
PHI = {"elu+1": lambda u: anp.where(u > 0, u + 1, anp.exp(anp.minimum(u, 0))), "exp": anp.exp}
HOW = {
    "self": {},
    "cross, mask": {"crossed": True, "masked": True},
    "cross, biases, unnormalised": {"crossed": True, "biased": True, "normalised": False},
}


def draw(seed=0, crossed=False, masked=False, biased=False, normalised=True):
    """Tokens and targets (2, 5, 6), a block of three heads with four different sizes, A, and the options."""
    rng, (n_head, d_model, d_key, d_value) = np.random.default_rng(seed), (3, 6, 3, 4)
    n_context = 7 if crossed else 5
    sizes = [(n_head, d_key, d_model)] * 2 + [(n_head, d_value, d_model), (n_head, d_model, d_value)]
    weights = [1.5 * rng.normal(size=size) / np.sqrt(d_model) for size in sizes]
    biases = [rng.normal(size=(n_head, size)) for size in (d_key, d_key, d_value)] if biased else []
    tokens, targets = rng.normal(size=(2, 2, 5, d_model))
    how = {"context": rng.normal(size=(2, n_context, d_model)) if crossed else None}
    how["mask"] = rng.random((5, n_context)) < 0.7 if masked else None
    A = 1 + 0.3 * rng.normal(size=(n_head, d_value, d_key))
    return tokens, targets, Block(*weights, *biases), A, how, {"normalised": normalised}


def energy(weights, tokens, targets, block, attention, context=None, mask=None, normalised=True, A=None):
    """Equation 1 as sums over s_ijk, written so that autograd can differentiate it."""
    (W_Q, W_K, W_V, W_O), A = weights[:4], weights[4] if len(weights) > 4 else None
    context = tokens if context is None else context
    b_Q, b_K, b_V = (0 if b is None else b[None, :, None] for b in block[4:])
    q = anp.einsum("bim,hkm->bhik", tokens, W_Q) + b_Q
    k = anp.einsum("bjm,hkm->bhjk", context, W_K) + b_K
    v = anp.einsum("bjm,hvm->bhjv", context, W_V) + b_V
    mask = np.ones((q.shape[2], k.shape[2]), dtype=bool) if mask is None else mask
    if attention == "softmax":
        s = anp.exp(anp.einsum("bhik,bhjk->bhij", q, k) / np.sqrt(q.shape[-1]))[..., None]
    else:
        s = anp.einsum("bhik,bhjk->bhijk", PHI[attention](q), PHI[attention](k))
    s = s * mask[..., None]
    if normalised:
        s = s / anp.sum(s, axis=(-1, -2), keepdims=True)
    A = np.ones((W_V.shape[0], W_V.shape[1], s.shape[-1])) if A is None else A
    output = anp.einsum("hvk,bhijk,bhjv,hmv->bim", A, s, v, W_O)
    return 0.5 * anp.sum((targets - output) ** 2)


def relative(ours, theirs):
    """For each weight, the largest difference of its entries over its largest entry."""
    return np.array([np.abs(a - b).max() / np.abs(b).max() for a, b in zip(ours, theirs, strict=True)])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("case", HOW)
def test_local_terms_are_the_formal_gradients(case, kernel):
    tokens, targets, block, _, how, options = draw(**HOW[case])
    options |= how | {"kernel": kernel}
    formal = [-g for g in gradients(tokens, targets, block, **options)[1:]]
    assert relative(local_terms(tokens, targets, block, **options), formal).max() <= CLAIM
    elsewhere = local_terms(tokens, targets, block, feedback=np.roll(block.W_O, 1, axis=0), **options)
    off = relative(elsewhere, formal)
    assert off[:3].min() > MARGIN
    assert off[3] <= CLAIM  # W_O hears the error itself
    if options["normalised"]:
        off = relative(local_terms(tokens, targets, block, baseline=False, **options), formal)
        assert off[:2].min() > MARGIN
        assert off[2:].max() <= CLAIM


def test_local_terms_on_the_inputs_of_the_suite():
    rng = np.random.default_rng(0)
    for case in cases():
        targets = rng.normal(size=np.shape(case.tokens))
        formal = [-g for g in gradients(case.tokens, targets, case.block, context=case.context)[1:]]
        assert relative(local_terms(case.tokens, targets, case.block, context=case.context), formal).max() <= CLAIM


@pytest.mark.parametrize("attention", ["elu+1", "exp", "softmax"])
@pytest.mark.parametrize("case", HOW)
def test_local_terms_against_automatic_differentiation(case, attention):
    tokens, targets, block, _, how, options = draw(1, **HOW[case])
    if attention == "softmax":
        found, options = softmax_local_terms(tokens, targets, block, **how), {}
        without = softmax_local_terms(tokens, targets, block, baseline=False, **how)
    else:
        found = local_terms(tokens, targets, block, kernel=attention, **how, **options)
        without = local_terms(tokens, targets, block, kernel=attention, baseline=False, **how, **options)
    theirs = [-g for g in grad(energy)(block[:4], tokens, targets, block, attention, **how, **options)]
    assert relative(found, theirs).max() <= CLAIM
    assert (relative(without, theirs)[:2].min() > MARGIN) == options.get("normalised", True)


@pytest.mark.parametrize("case", HOW)
def test_learned_A_against_automatic_differentiation(case):
    tokens, targets, block, A, how, options = draw(2, **HOW[case])
    found = learned_A_terms(tokens, targets, block, A, **how, **options)
    theirs = [-g for g in grad(energy)((*block[:4], A), tokens, targets, block, "elu+1", **how, **options)]
    assert relative(found, theirs).max() <= CLAIM
    output = learned_A_output(tokens, block, A, **how, **options)
    assert 0.5 * np.sum((targets - output) ** 2) == pytest.approx(
        energy((*block[:4], A), tokens, targets, block, "elu+1", **how, **options), rel=CLAIM
    )
    of_ones = learned_A_terms(tokens, targets, block, np.ones_like(A), **how, **options)
    assert relative(of_ones[:4], local_terms(tokens, targets, block, **how, **options)).max() <= CLAIM
    assert relative(of_ones, theirs).min() > MARGIN


def test_local_terms_are_those_of_torch():
    torch = pytest.importorskip("torch")
    tokens, targets, block, _, how, _ = draw(3, crossed=True, masked=True)
    W = [torch.from_numpy(each).requires_grad_() for each in block[:4]]
    x, context, y = (torch.from_numpy(each) for each in (tokens, how["context"], targets))
    query, key, value = (
        torch.einsum("bim,hkm->bhik", at, each) for at, each in zip((x, context, context), W[:3], strict=True)
    )
    found = torch.nn.functional.scaled_dot_product_attention(query, key, value, torch.from_numpy(how["mask"]))
    (0.5 * ((y - torch.einsum("bhiv,hmv->bim", found, W[3])) ** 2).sum()).backward()
    theirs = [-each.grad.numpy() for each in W]
    assert relative(softmax_local_terms(tokens, targets, block, **how), theirs).max() <= CLAIM


def test_closed_rows_teach_nothing():
    tokens, targets, block, _, _, _ = draw(4)
    mask = np.ones((5, 5), dtype=bool)
    mask[2] = False
    for terms in (local_terms, softmax_local_terms):
        found = terms(tokens, targets, block, mask=mask)
        kept = [each[:, [0, 1, 3, 4]] for each in (tokens, targets)]
        assert relative(found, terms(*kept, block, context=tokens)).max() <= CLAIM


def test_feedback_of_another_shape_is_refused():
    tokens, targets, block, A, _, _ = draw()
    with pytest.raises(ValueError, match=r"feedback has shape \(3, 4, 6\), but needs"):
        local_terms(tokens, targets, block, feedback=block.W_O.swapaxes(1, 2))
    with pytest.raises(ValueError, match="targets has shape"):
        softmax_local_terms(tokens, targets[:1], block)
    with pytest.raises(ValueError, match="A has shape"):
        learned_A_terms(tokens, targets, block, A[:1])
