"""The algebra against a slow loop, and against what must hold for any weights."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cortical_attention.reference import (
    KERNELS,
    Block,
    algorithm_1,
    linear_attention,
    memory_attention,
    softmax_attention,
)

EPS = np.finfo(float).eps
FORMS = [linear_attention, memory_attention]
MARGIN = 0.05  # the relative L2 error, at least, of anything that is not the same attention: `rounding` is below 1e-9


def draw(seed, n_token=5, n_context=7, n_head=3, d_model=6, d_key=3, d_value=4, biased=False, scale=2.0):
    """Tokens, context and a block; queries and keys have about this standard deviation, values 1."""
    rng = np.random.default_rng(seed)
    sizes = [(n_head, d_key, d_model), (n_head, d_key, d_model), (n_head, d_value, d_model), (n_head, d_model, d_value)]
    gains = np.array([scale, scale, 1, 1]) / np.sqrt([d_model, d_model, d_model, d_value * n_head])
    weights = [gain * rng.normal(size=size) for gain, size in zip(gains, sizes, strict=True)]
    biases = [rng.normal(size=(n_head, size)) for size in (d_key, d_key, d_value)] if biased else []
    return rng.normal(size=(n_token, d_model)), rng.normal(size=(n_context, d_model)), Block(*weights, *biases)


def loops(tokens, context, block, mask, kernel, normalised):
    """Output, kappa and Z by plain loops over heads, tokens and open context tokens."""
    phi = KERNELS[kernel].phi
    output, n_head = np.zeros(tokens.shape), len(block.W_Q)
    kappa, Z = np.zeros((n_head, len(tokens), len(context))), np.zeros((n_head, len(tokens)))
    for h in range(n_head):
        b_Q, b_K, b_V = (0 if b is None else b[h] for b in block[4:])
        for i, x in enumerate(tokens):
            opened = [j for j in range(len(context)) if mask is None or mask[i, j]]
            for j in opened:
                kappa[h, i, j] = phi(block.W_K[h] @ context[j] + b_K) @ phi(block.W_Q[h] @ x + b_Q)
            Z[h, i] = kappa[h, i].sum()
            if normalised and Z[h, i] > 0:
                kappa[h, i] /= Z[h, i]
            output[i] += block.W_O[h] @ sum(kappa[h, i, j] * (block.W_V[h] @ context[j] + b_V) for j in opened)
    return output, kappa, Z


def rounding(tokens, context, block, kernel, mask=None):
    """What the order of summation can change: relative to Z for the weights, relative to the scale for the output.

    A sum of m terms is known to m eps of the sum of their absolute values. That is followed, to first order, through
    q and k (m = d_model + 1 with the bias), phi (times its slope), the products (d_key) and the sums after them. Twice
    for the division by Z, and twice again because two computed values are compared.
    """
    phi, derivative = KERNELS[kernel]
    n_head, d_key, d_model = block.W_Q.shape
    values, slips = [], []
    for W, b, x in [(block.W_Q, block.b_Q, tokens), (block.W_K, block.b_K, context)]:
        b = np.zeros((n_head, d_key)) if b is None else b
        u = np.einsum("hkm,im->hik", W, x) + b[:, None]
        size = np.einsum("hkm,im->hik", np.abs(W), np.abs(x)) + np.abs(b)[:, None]
        values.append(phi(u))
        slips.append((d_model + 1) * EPS * size * derivative(u) + EPS * phi(u))
    opened = np.ones((len(tokens), len(context))) if mask is None else mask
    pair = "hik,hjk,ij->hij"
    weight = np.einsum(pair, *values, opened)
    slip = np.einsum(pair, slips[0], values[1], opened) + np.einsum(pair, values[0], slips[1], opened)
    Z = weight.sum(-1)
    lost = np.divide(slip.sum(-1), Z, out=np.zeros_like(Z), where=Z > 0).max()
    bound = 4 * (lost + (d_key + len(context) + d_model + n_head * block.W_V.shape[1]) * EPS)
    assert bound < 1e-9, "this draw is too badly conditioned to test anything"
    return bound


def scale_of(context, block):
    """No normalised output is larger than this: every share at most 1, every term taken as positive."""
    value = np.einsum("hvm,jm->hjv", np.abs(block.W_V), np.abs(context))
    value += 0 if block.b_V is None else np.abs(block.b_V)[:, None]
    return np.einsum("hmv,hv->m", np.abs(block.W_O), value.max(axis=1)).max()


def relative_l2(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def exchange_kappa(block):
    """Each head pays the attention of the next one; values and output weights stay."""
    return block._replace(W_Q=np.roll(block.W_Q, 1, axis=0), W_K=np.roll(block.W_K, 1, axis=0))


@pytest.mark.parametrize("n_head", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_paper_s_loops_are_linear_attention(kernel, n_head):
    for seed in range(3):
        tokens, _, block = draw(seed, n_head=n_head, biased=seed == 2)
        paper = algorithm_1(tokens, block, kernel)
        rtol = rounding(tokens, tokens, block, kernel)
        answer = linear_attention(tokens, block, kernel=kernel)
        np.testing.assert_allclose(answer.kappa, paper.kappa, rtol=0, atol=rtol)
        np.testing.assert_allclose(answer.normaliser, paper.normaliser, rtol=0, atol=rtol * paper.normaliser.max())
        for form in FORMS:
            output = form(tokens, block, kernel=kernel).output
            np.testing.assert_allclose(output, paper.output, rtol=0, atol=rtol * scale_of(tokens, block))
        if n_head > 1:
            wrong = linear_attention(tokens, exchange_kappa(block), kernel=kernel).output
            assert relative_l2(wrong, paper.output) > MARGIN


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("kernel", KERNELS)
def test_both_forms_are_the_loops(kernel, masked, normalised):
    for seed in range(3):
        tokens, context, block = draw(seed, biased=True)
        mask = np.random.default_rng(seed).random((5, 7)) < 0.6 if masked else None
        how = {"context": context, "mask": mask, "kernel": kernel, "normalised": normalised}
        output, kappa, Z = loops(tokens, block=block, **how)
        rtol = rounding(tokens, context, block, kernel, mask)
        unit = 1 if normalised else Z.max()
        for form in FORMS:
            answer = form(tokens, block, **how)
            np.testing.assert_allclose(answer.output, output, rtol=0, atol=rtol * unit * scale_of(context, block))
            np.testing.assert_allclose(answer.normaliser, Z, rtol=0, atol=rtol * Z.max())
        np.testing.assert_allclose(linear_attention(tokens, block, **how).kappa, kappa, rtol=0, atol=rtol * unit)
        assert memory_attention(tokens, block, **how).kappa is None
        # Not the same with the mask forgotten, turned over, or the division left out.
        others = [how | {"normalised": not normalised}]
        others += [how | {"mask": None}, how | {"mask": ~mask}] if masked else []
        for other in others:
            assert relative_l2(linear_attention(tokens, block, **other).output, output) > MARGIN


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    st.tuples(*[st.integers(1, 6)] * 6),
    st.sampled_from(["elu+1", "softplus", "exp"]),
    st.booleans(),
    st.integers(0, 2**16),
)
def test_any_sizes(sizes, kernel, normalised, seed):
    n_token, n_context, n_head, d_model, d_key, d_value = sizes
    tokens, context, block = draw(seed, n_token, n_context, n_head, d_model, d_key, d_value, scale=1.0)
    output, _, Z = loops(tokens, context, block, None, kernel, normalised)
    # Without relu, whose Z may come as near to 0 as the rounding of its own sum.
    atol = rounding(tokens, context, block, kernel) * scale_of(context, block) * (1 if normalised else Z.max())
    for form in FORMS:
        answer = form(tokens, block, context=context, kernel=kernel, normalised=normalised)
        assert answer.output.shape == (n_token, d_model)
        np.testing.assert_allclose(answer.output, output, rtol=0, atol=atol)


def test_batch_axes_are_separate_sequences():
    tokens, context, block = draw(0, n_token=30, n_context=42, biased=True)
    tokens, context = tokens.reshape(2, 3, 5, 6), context.reshape(2, 3, 7, 6)
    mask = np.random.default_rng(1).random((5, 7)) < 0.6
    for form in [*FORMS, softmax_attention]:
        whole = form(tokens, block, context=context, mask=mask)
        one_context = form(tokens, block, context=context[0, 0], mask=mask)
        assert whole.output.shape == (2, 3, 5, 6)
        assert whole.normaliser.shape == (2, 3, 3, 5)
        for b in np.ndindex(2, 3):
            alone = form(tokens[b], block, context=context[b], mask=mask).output
            rtol = rounding(
                tokens[b], context[b], block, "exp", mask
            )  # exp: the steepest, so it serves for softmax too
            np.testing.assert_allclose(whole.output[b], alone, rtol=0, atol=rtol * scale_of(context[b], block))
        alone = form(tokens[1, 2], block, context=context[0, 0], mask=mask).output
        atol = rounding(tokens[1, 2], context[0, 0], block, "exp", mask) * scale_of(context[0, 0], block)
        np.testing.assert_allclose(one_context.output[1, 2], alone, rtol=0, atol=atol)


def test_the_memory_never_forms_all_pairs():
    n_token = 2000
    tokens, _, block = draw(0, n_token=n_token)
    all_pairs = 8 * len(block.W_Q) * n_token**2
    peaks = []
    for form in FORMS:
        tracemalloc.start()
        form(tokens, block)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] > all_pairs
    assert peaks[1] < all_pairs / 20
