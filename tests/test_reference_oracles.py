"""The reference against other people's attention: scipy, torch, performer-pytorch."""

import warnings

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from cortical_attention.reference import KERNELS, Block, linear_attention, softmax_attention

N_HEAD, N_TOKEN, N_CONTEXT, D_MODEL, D_KEY = 4, 5, 7, 12, 3
# The same sums in another order: the scores, of size below 20, are known to d_model + d_key eps each; what they lose
# the exponential passes on as relative error, and the sums over context, values and heads add theirs.
RTOL = 4 * np.finfo(float).eps * (20 * (D_MODEL + D_KEY) + N_CONTEXT + D_MODEL + N_HEAD * D_KEY)


def draw(seed):
    """Tokens, context and a biased block with d_value = d_key = d_model / n_head, as torch wants it."""
    rng = np.random.default_rng(seed)
    inward = [rng.normal(size=(N_HEAD, D_KEY, D_MODEL)) * scale / np.sqrt(D_MODEL) for scale in (2, 2, 1)]
    W_O = rng.normal(size=(N_HEAD, D_MODEL, D_KEY)) / np.sqrt(D_MODEL)
    block = Block(*inward, W_O, *rng.normal(size=(3, N_HEAD, D_KEY)))
    mask = rng.random((N_TOKEN, N_CONTEXT)) < 0.7
    mask[:, 0] = True  # torch gives nan for a row with everything closed
    return rng.normal(size=(2, N_TOKEN, D_MODEL)), rng.normal(size=(2, N_CONTEXT, D_MODEL)), block, mask


def project(tokens, context, block):
    query = np.einsum("bim,hkm->bhik", tokens, block.W_Q) + block.b_Q[:, None]
    key = np.einsum("bjm,hkm->bhjk", context, block.W_K) + block.b_K[:, None]
    value = np.einsum("bjm,hvm->bhjv", context, block.W_V) + block.b_V[:, None]
    return query, key, value


def assert_agree(a, b):
    a, b = np.asarray(a), np.asarray(b)
    np.testing.assert_allclose(a, b, rtol=0, atol=RTOL * np.abs(b).max())


def assert_differ(a, b):
    """By a tenth of the size of b or more."""
    assert np.linalg.norm(np.asarray(a) - np.asarray(b)) > 0.1 * np.linalg.norm(b)


def test_kappa_is_scipy_s_softmax():
    tokens, context, block, mask = draw(0)
    query, key, _ = project(tokens, context, block)
    score = np.where(mask, np.einsum("bhik,bhjk->bhij", query, key) / np.sqrt(D_KEY), -np.inf)
    answer = softmax_attention(tokens, block, context=context, mask=mask)
    assert_agree(answer.kappa, softmax(score, axis=-1))
    assert_agree(np.log(answer.normaliser), logsumexp(score, axis=-1))
    assert_differ(answer.kappa, softmax(score * np.sqrt(D_KEY), axis=-1))


def test_large_scores_overflow_only_the_normaliser():
    tokens, context, block, _ = draw(0)
    tokens = 1e3 * tokens
    answer = softmax_attention(tokens, block, context=context)
    assert np.isinf(answer.normaliser).any()
    assert np.abs(answer.kappa.sum(-1) - 1).max() < RTOL
    query, key, _ = project(tokens, context, block)
    winner = np.einsum("bhik,bhjk->bhij", query, key).argmax(-1)
    np.testing.assert_array_equal(answer.kappa.argmax(-1), winner)


@pytest.mark.parametrize("seed", range(3))
def test_softmax_is_torch_s_scaled_dot_product_attention(seed):
    torch = pytest.importorskip("torch")
    tokens, context, block, mask = draw(seed)
    query, key, value = (torch.from_numpy(x) for x in project(tokens, context, block))
    pooled = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=torch.from_numpy(mask))
    theirs = np.einsum("bhiv,hmv->bim", pooled.numpy(), block.W_O)
    assert_agree(softmax_attention(tokens, block, context=context, mask=mask).output, theirs)
    assert_differ(softmax_attention(tokens, block, context=context, mask=~mask).output, theirs)
    assert_differ(linear_attention(tokens, block, context=context, mask=mask).output, theirs)


@pytest.mark.parametrize("seed", range(3))
def test_softmax_is_torch_s_multihead_attention(seed):
    torch = pytest.importorskip("torch")
    tokens, context, block, mask = draw(seed)
    layer = torch.nn.MultiheadAttention(D_MODEL, N_HEAD, batch_first=True, dtype=torch.float64).eval()
    inward = np.concatenate([W.reshape(D_MODEL, D_MODEL) for W in block[:3]])
    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.from_numpy(inward))
        layer.in_proj_bias.copy_(torch.from_numpy(np.concatenate([b.ravel() for b in block[4:]])))
        layer.out_proj.weight.copy_(torch.from_numpy(block.W_O.transpose(1, 0, 2).reshape(D_MODEL, D_MODEL)))
        layer.out_proj.bias.zero_()
        x, y = torch.from_numpy(tokens), torch.from_numpy(context)
        theirs, kappa = layer(x, y, y, attn_mask=torch.from_numpy(~mask), average_attn_weights=False)
    ours = softmax_attention(tokens, block, context=context, mask=mask)
    assert_agree(ours.output, theirs)
    assert_agree(ours.kappa, kappa)
    exchanged = block._replace(W_Q=np.roll(block.W_Q, 1, axis=0), W_K=np.roll(block.W_K, 1, axis=0))
    assert_differ(softmax_attention(tokens, exchanged, context=context, mask=mask).output, theirs)


@pytest.mark.parametrize("kernel", ["elu+1", "softplus", "exp"])  # where relu gives Z = 0, theirs is nan
def test_linear_attention_is_performer_s(kernel):
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn under a new torch
        performer = pytest.importorskip("performer_pytorch.performer_pytorch")
    tokens, context, block, _ = draw(0)
    query, key, value = project(tokens, context, block)
    phi = KERNELS[kernel].phi
    pooled = performer.linear_attention(*(torch.from_numpy(x) for x in (phi(query), phi(key), value)))
    theirs = np.einsum("bhiv,hmv->bim", pooled.numpy(), block.W_O)
    assert_agree(linear_attention(tokens, block, context=context, kernel=kernel).output, theirs)
    assert_differ(linear_attention(tokens, block, context=context, kernel=kernel, normalised=False).output, theirs)
