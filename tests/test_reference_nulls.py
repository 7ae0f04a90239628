"""The null models: what each keeps, what it drops, and that none of them is linear attention."""

import numpy as np
import pytest

from cortical_attention.reference import (
    KERNELS,
    Block,
    additive_attention,
    key_only_attention,
    linear_attention,
    uniform_attention,
)
from cortical_attention.reference.nulls import rounding

NULLS = [uniform_attention, key_only_attention, additive_attention]
# Exact statements; sums of at most 60 terms of size below 10 (see `draw`), each term known to a few eps.
ATOL = 4 * 60 * 10 * np.finfo(float).eps


def draw(seed=0, n_token=5, n_context=7, n_head=3, d_model=6, d_key=3, d_value=4, scale=1.0):
    """Tokens, context, a biased block and a mask; `scale` is that of queries and keys."""
    rng = np.random.default_rng(seed)
    sizes = [(n_head, d_key, d_model), (n_head, d_key, d_model), (n_head, d_value, d_model), (n_head, d_model, d_value)]
    gains = np.array([scale, scale, 1, 1]) / np.sqrt(d_model)
    weights = [gain * rng.normal(size=size) for gain, size in zip(gains, sizes, strict=True)]
    biases = [rng.normal(size=(n_head, size)) for size in (d_key, d_key, d_value)]
    mask = rng.random((n_token, n_context)) < 0.7
    return rng.normal(size=(n_token, d_model)), rng.normal(size=(n_context, d_model)), Block(*weights, *biases), mask


def assert_close(a, b):
    np.testing.assert_allclose(a, b, rtol=0, atol=ATOL * max(1, np.abs(b).max()))


def features(tokens, context, block, kernel):
    """phi(q), phi(k) and v of one sequence, by einsum over letters of its own."""
    phi = KERNELS[kernel].phi
    query = phi(np.einsum("hkm,im->hik", block.W_Q, tokens) + block.b_Q[:, None])
    key = phi(np.einsum("hkm,jm->hjk", block.W_K, context) + block.b_K[:, None])
    return query, key, np.einsum("hvm,jm->hjv", block.W_V, context) + block.b_V[:, None]


def expected_weight(null, query, key, mask):
    """The weights of a null before division, one value at a time."""
    n_head, n_token, d_key = query.shape
    weight = np.zeros((n_head, n_token, key.shape[1]))
    for h, i, j in zip(*np.nonzero(np.broadcast_to(mask, weight.shape)), strict=True):
        q = sum(query[h]) / n_token if null is key_only_attention else query[h, i]
        weight[h, i, j] = sum(
            key[h, j, a] + q[a] if null is additive_attention else key[h, j, a] * q[a] for a in range(d_key)
        )
    if null is uniform_attention:
        weight = mask * (weight.sum(axis=(1, 2), keepdims=True) / mask.sum())
    return weight


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("kernel", ["elu+1", "exp"])
@pytest.mark.parametrize("null", NULLS)
def test_each_null_is_what_it_says(null, kernel, normalised):
    tokens, context, block, mask = draw()
    query, key, value = features(tokens, context, block, kernel)
    weight = expected_weight(null, query, key, mask)
    kappa = weight / weight.sum(-1, keepdims=True) if normalised else weight
    answer = null(tokens, block, context=context, mask=mask, kernel=kernel, normalised=normalised)
    assert_close(answer.kappa, kappa)
    assert_close(answer.output, np.einsum("hij,hjv,hmv->im", kappa, value, block.W_O))
    if null is uniform_attention and normalised:
        assert_close(answer.normaliser, np.broadcast_to(mask.sum(1), (3, 5)))
    else:
        assert_close(answer.normaliser, weight.sum(-1))


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("null", NULLS)
def test_no_null_is_linear_attention(null, normalised):
    """At scale 2 each null misses the output by 8 % or more, here over 8 blocks of 10 tokens."""
    for seed in range(8):
        tokens, _, block, _ = draw(seed, n_token=10, scale=2.0)
        block = Block(*block[:4])
        right = linear_attention(tokens, block, normalised=normalised).output
        wrong = null(tokens, block, normalised=normalised).output
        assert np.linalg.norm(wrong - right) > 0.08 * np.linalg.norm(right)


def test_where_a_null_must_coincide_with_linear_attention():
    tokens, context, block, _ = draw()
    alike = np.repeat(context[:1], 7, axis=0)
    for normalised in (True, False):
        right = linear_attention(tokens[:1], block, context=context, normalised=normalised)
        assert_close(key_only_attention(tokens[:1], block, context=context, normalised=normalised).output, right.output)
    right = linear_attention(tokens, block, context=alike)
    for null in NULLS:
        assert_close(null(tokens, block, context=alike).kappa, right.kappa)


def test_only_the_query_blind_nulls_give_every_token_the_same():
    tokens, context, block, _ = draw(scale=2.0)
    for null in (uniform_attention, key_only_attention):
        assert_close(np.ptp(null(tokens, block, context=context).output, axis=0), np.zeros(6))
    assert np.ptp(additive_attention(tokens, block, context=context).output, axis=0).max() > 0.01
    assert np.ptp(linear_attention(tokens, block, context=context).output, axis=0).max() > 0.1


@pytest.mark.parametrize("null", NULLS)
def test_nulls_take_batches_masks_and_empty_rows(null):
    tokens, context, block, mask = draw(n_token=10)
    mask = mask[:5]
    mask[2] = False
    for normalised in (True, False):
        batch = null(tokens.reshape(2, 5, 6), block, context=context, mask=mask, normalised=normalised)
        assert batch.kappa.shape == (2, 3, 5, 7)
        np.testing.assert_array_equal(batch.kappa[:, :, 2], 0)
        np.testing.assert_array_equal(batch.output[:, 2], 0)
        assert_close(batch.output[1], null(tokens[5:], block, context=context, mask=mask, normalised=normalised).output)
        shut = null(tokens, block, mask=np.zeros((10, 10), bool), normalised=normalised)
        np.testing.assert_array_equal(shut.output, 0)


@pytest.mark.parametrize("null", NULLS)
def test_nulls_refuse_an_unknown_kernel(null):
    tokens, _, block, _ = draw()
    with pytest.raises(ValueError, match="kernel 'tanh' is not known"):
        null(tokens, block, kernel="tanh")


def one_key(block):
    """Of all keys the first: what the query does to it cancels."""
    return block._replace(W_Q=block.W_Q[:, :1], W_K=block.W_K[:, :1], b_Q=block.b_Q[:, :1], b_K=block.b_K[:, :1])


def far_off(block):
    """Values a million away from zero, which cancel between the first two heads."""
    W_O, b_V = block.W_O.copy(), block.b_V.copy()
    W_O[1], b_V[:2] = -W_O[0], 1e6
    return block._replace(W_O=W_O, b_V=b_V)


@pytest.mark.parametrize("kernel", ["elu+1", "softplus", "exp"])  # relu closes rows
@pytest.mark.parametrize("change", [one_key, lambda block: far_off(one_key(block))], ids=["plain", "cancelling"])
@pytest.mark.parametrize("size", [3, 40, 400])
def test_an_exact_null_is_exact_to_rounding(size, change, kernel):
    tokens, context, block, mask = draw(1, n_token=5, n_context=size, d_model=8)
    block, given = change(block), {"context": np.abs(context), "mask": mask | True, "kernel": kernel}
    right, null = (each(tokens, block, **given).output for each in (linear_attention, key_only_attention))
    assert np.all(np.abs(null - right) <= rounding(tokens, block, **given))


@pytest.mark.parametrize("null", NULLS)
def test_context_tokens_that_are_all_the_same_leave_nothing_to_weigh(null):
    tokens, context, block, _ = draw(2)
    given = {"context": np.repeat(context[:1], 7, axis=0)}
    off = null(tokens, block, **given).output - linear_attention(tokens, block, **given).output
    assert np.all(np.abs(off) <= rounding(tokens, block, **given))


@pytest.mark.parametrize("null", NULLS)
def test_a_null_that_is_nearly_exact_is_not(null):
    """Negative control: keys that hardly differ, beyond what rounding does to them."""
    tokens, context, block, mask = draw(3)
    block = block._replace(W_K=1e-4 * block.W_K, W_Q=1e-4 * block.W_Q, b_K=0 * block.b_K, b_Q=0 * block.b_Q)
    given = {"context": context, "mask": mask}
    right = linear_attention(tokens, block, **given).output
    off = null(tokens, block, **given).output - right
    assert np.linalg.norm(off) > 10 * np.linalg.norm(rounding(tokens, block, **given))
    assert np.linalg.norm(rounding(tokens, block, **given)) < 1e-11 * np.linalg.norm(right)
