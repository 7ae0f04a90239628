"""Equations 2 to 5 against central differences and automatic differentiation, on every entry of every weight."""

import tracemalloc

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from cortical_attention.reference import Block, gradients, linear_attention

EPS = np.finfo(float).eps
STEP = np.cbrt(EPS)  # of a central difference: truncation STEP^2 and rounding EPS / STEP are then alike, 4e-11
# elu+1 bends at 0, its second derivative jumping by 1: a difference across the bend is off by STEP in one term.
DIFFERENCES = 1e-5
assert DIFFERENCES > STEP
# The same derivative in another order of operations: a thousand roundings, amplified where c_ij less its mean cancels.
AUTOMATIC = 1e-10
assert AUTOMATIC > 1000 * EPS
MARGIN = 0.1  # how far off, at least, each wrong derivative must be: 1e4 times the coarser tolerance

KERNELS = {
    "elu+1": lambda u: anp.where(u > 0, u + 1, anp.exp(anp.minimum(u, 0))),
    "softplus": lambda u: anp.logaddexp(0, u),
    "exp": anp.exp,
    "relu": lambda u: anp.maximum(u, 0),
}
CASES = {
    "self": {},
    "self, unnormalised": {"normalised": False},
    "cross": {"crossed": True},
    "cross, mask and biases": {"crossed": True, "masked": True, "biased": True},
    "cross, mask and biases, unnormalised": {"crossed": True, "masked": True, "biased": True, "normalised": False},
}


def draw(seed=0, crossed=False, masked=False, biased=False, normalised=True, n_token=5, n_head=3):
    """Tokens, targets, a block with four different sizes, and the options of `gradients`."""
    rng = np.random.default_rng(seed)
    d_model, d_key, d_value, n_context = 6, 3, 4, 7 if crossed else n_token
    sizes = [(n_head, d_key, d_model), (n_head, d_key, d_model), (n_head, d_value, d_model), (n_head, d_model, d_value)]
    weights = [1.5 * rng.normal(size=size) / np.sqrt(d_model) for size in sizes]
    biases = [rng.normal(size=(n_head, size)) for size in (d_key, d_key, d_value)] if biased else []
    tokens, targets = rng.normal(size=(2, n_token, d_model))
    how = {"context": rng.normal(size=(n_context, d_model)) if crossed else None, "normalised": normalised}
    how["mask"] = rng.random((n_token, n_context)) < 0.7 if masked else None
    return tokens, targets, Block(*weights, *biases), how


def energy(weights, tokens, targets, block, kernel, context=None, mask=None, normalised=True):
    """Equation 1, head by head, written so that autograd can differentiate it."""
    context, output = tokens if context is None else context, 0
    for h, (W_Q, W_K, W_V, W_O) in enumerate(zip(*weights, strict=True)):
        b_Q, b_K, b_V = (0 if b is None else b[h] for b in block[4:])
        phi_q, phi_k = KERNELS[kernel](anp.dot(tokens, W_Q.T) + b_Q), KERNELS[kernel](anp.dot(context, W_K.T) + b_K)
        kappa = anp.dot(phi_q, phi_k.T) * (1 if mask is None else mask)
        if normalised:
            kappa = kappa / anp.sum(kappa, axis=1, keepdims=True)
        output = output + anp.dot(anp.dot(kappa, anp.dot(context, W_V.T) + b_V), W_O.T)
    return 0.5 * anp.sum((targets - output) ** 2)


def central_differences(E, weights):
    """dE/dW, from two energies for every entry of every weight; E reads the weights, which are changed in place."""
    slopes = [np.zeros_like(W) for W in weights]
    for W, slope in zip(weights, slopes, strict=True):
        for entry in np.ndindex(W.shape):
            kept, energies = W[entry], []
            for shift in (STEP, -STEP):
                W[entry] = kept + shift
                energies.append(E())
            W[entry] = kept
            slope[entry] = (energies[0] - energies[1]) / (2 * STEP)
    return slopes


def relative(ours, theirs):
    """For each weight, the largest difference of its entries over its largest entry."""
    return np.array([np.abs(a - b).max() / np.abs(b).max() for a, b in zip(ours, theirs, strict=True)])


def wrong_answers(tokens, targets, block, how):
    """Gradients that must not pass: of another head's kappa, of the other sign, without (or with) the terms of the
    normalisation, of queries and keys confused, of heads confused. All are wrong in W_Q and in W_K."""
    heads_exchanged = block._replace(W_Q=np.roll(block.W_Q, 1, axis=0), W_K=np.roll(block.W_K, 1, axis=0))
    right = gradients(tokens, targets, block, **how)[1:]
    wrong = [gradients(tokens, targets, heads_exchanged, **how)[1:], [-g for g in right]]
    wrong.append(gradients(tokens, targets, block, **how | {"normalised": not how["normalised"]})[1:])
    wrong.append([right[1], right[0], *right[2:]])
    wrong.append([np.roll(g, 1, axis=0) for g in right])
    return wrong


@pytest.mark.parametrize("kernel", ["elu+1", "softplus"])
@pytest.mark.parametrize("case", CASES)
def test_every_weight_against_central_differences(case, kernel):
    tokens, targets, block, how = draw(**CASES[case])
    how["kernel"] = kernel
    answer = gradients(tokens, targets, block, **how)

    def E():
        return 0.5 * np.sum((targets - linear_attention(tokens, block, **how).output) ** 2)

    assert abs(answer.energy - E()) <= 4 * EPS * tokens.size * E()
    slopes = central_differences(E, block[:4])
    assert relative(answer[1:], slopes).max() <= DIFFERENCES
    for wrong in wrong_answers(tokens, targets, block, how):
        assert relative(wrong, slopes)[:2].min() > MARGIN


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("case", CASES)
def test_every_weight_against_automatic_differentiation(case, kernel, seed):
    tokens, targets, block, how = draw(seed, **CASES[case])
    if kernel == "relu":  # away from Z = 0, which has a test of its own below
        block = block._replace(b_Q=np.full((3, 3), 2.0), b_K=np.full((3, 3), 2.0))
    how["kernel"] = kernel
    answer = gradients(tokens, targets, block, **how)
    theirs = grad(energy)(block[:4], tokens, targets, block, **how)
    E = energy(block[:4], tokens, targets, block, **how)
    assert abs(answer.energy - E) <= 1000 * EPS * E
    assert relative(answer[1:], theirs).max() <= AUTOMATIC
    for wrong in wrong_answers(tokens, targets, block, how):
        assert relative(wrong, theirs)[:2].min() > MARGIN


def test_the_paper_s_sums_over_gamma_are_minus_the_gradients():
    """Equations 2 to 5 as printed, one term of each sum at a time, for one head."""
    tokens, targets, block, how = draw(n_head=1, n_token=4)
    answer = gradients(tokens, targets, block)
    W_Q, W_K, W_V, W_O = (W[0] for W in block[:4])
    output, kappa, Z = linear_attention(tokens, block)
    kappa, Z, x, e = kappa[0], Z[0], tokens, targets - output
    q, k, v = x @ W_Q.T, x @ W_K.T, x @ W_V.T
    phi, slope = KERNELS["elu+1"], lambda u: np.where(u > 0, 1, np.exp(np.minimum(u, 0)))
    tokens_4 = range(4)
    Delta = [[np.outer(W_O.T @ e[i], x[j]) for j in tokens_4] for i in tokens_4]
    right_side = [np.zeros_like(W) for W in (W_Q, W_K, W_V, W_O)]
    for i in tokens_4:
        right_side[3] += np.outer(e[i], kappa[i] @ v)
        for j in tokens_4:
            Gamma_q = [np.outer(slope(q[i]) * phi(k[m]), v[j] @ Delta[i][i]) for m in tokens_4]
            Gamma_k = [np.outer(phi(q[i]) * slope(k[m]), v[j] @ Delta[i][m]) for m in tokens_4]
            right_side[0] += (Gamma_q[j] - kappa[i, j] * sum(Gamma_q)) / Z[i]
            right_side[1] += (Gamma_k[j] - kappa[i, j] * sum(Gamma_k)) / Z[i]
            right_side[2] += kappa[i, j] * Delta[i][j]
    ours = [-g[0] for g in answer[1:]]
    assert relative(ours, right_side).max() <= AUTOMATIC
    assert relative([-g for g in ours], right_side).min() > MARGIN


def test_a_batch_is_a_sum_over_its_sequences():
    tokens, targets, block, how = draw(crossed=True, masked=True, biased=True, n_token=5)
    rng = np.random.default_rng(1)
    tokens, targets, contexts = (
        rng.normal(size=(2, 3, 5, 6)),
        rng.normal(size=(2, 3, 5, 6)),
        rng.normal(size=(2, 3, 7, 6)),
    )
    whole = gradients(tokens, targets, block, **how | {"context": contexts})
    one_context = gradients(tokens, targets, block, **how)
    for answer, context_of in [(whole, lambda b: contexts[b]), (one_context, lambda b: how["context"])]:
        parts = [gradients(tokens[b], targets[b], block, **how | {"context": context_of(b)}) for b in np.ndindex(2, 3)]
        assert isinstance(answer.energy, float)
        assert abs(answer.energy - sum(p.energy for p in parts)) <= 1000 * EPS * answer.energy
        summed = [sum(p[n] for p in parts) for n in range(1, 5)]
        assert relative(answer[1:], summed).max() <= AUTOMATIC
        assert relative([p / 6 for p in summed], answer[1:]).min() > MARGIN  # a sum, not a mean


def test_a_target_met_leaves_nothing_to_learn():
    tokens, targets, block, how = draw()
    answer = gradients(tokens, linear_attention(tokens, block).output, block)
    assert answer.energy == 0
    for derivative, W in zip(answer[1:], block[:4], strict=True):
        assert derivative.shape == W.shape
        assert not derivative.any()
    downhill = [W - 1e-3 * g for W, g in zip(block[:4], gradients(tokens, targets, block)[1:], strict=True)]
    assert gradients(tokens, targets, Block(*downhill)).energy < gradients(tokens, targets, block).energy


@pytest.mark.parametrize("normalised", [True, False])
def test_relu_obeys_euler_s_theorem(normalised):
    """relu is homogeneous of degree 1: so is the unnormalised output in each weight, and the normalised one is of
    degree 0 in queries and keys. Hence <dE/dW, W> of a head is the same value for each weight, or 0."""
    tokens, targets, block, how = draw(n_token=9)
    answer = gradients(tokens, targets, block, kernel="relu", normalised=normalised)
    along = np.array([np.einsum("hab,hab->h", g, W) for g, W in zip(answer[1:], block[:4], strict=True)])
    size = np.abs(along).max()
    expected = along[3] * np.array([[0], [0], [1], [1]] if normalised else np.ones((4, 1)))
    assert np.abs(along - expected).max() <= AUTOMATIC * size
    assert np.abs(along - expected[::-1]).max() > MARGIN * size or not normalised


def test_rows_without_attention_teach_nothing():
    """A head whose relu keys are all 0, and a token with everything closed: only their error stays, as energy."""
    tokens, targets, block, how = draw(n_head=2)
    tokens = np.abs(tokens)
    dead = block._replace(W_Q=np.abs(block.W_Q), W_K=np.stack([-np.abs(block.W_K[0]), np.abs(block.W_K[1])]))
    for normalised in (True, False):
        answer = gradients(tokens, targets, dead, kernel="relu", normalised=normalised)
        alone = gradients(tokens, targets, Block(*(W[1:] for W in dead[:4])), kernel="relu", normalised=normalised)
        assert abs(answer.energy - alone.energy) <= 1000 * EPS * alone.energy
        assert relative([g[1:] for g in answer[1:]], alone[1:]).max() <= AUTOMATIC
        assert not any(g[0].any() for g in answer[1:])

        mask = np.ones((5, 5), dtype=bool)
        mask[2] = False
        open_rows = np.arange(5) != 2
        how = {"context": tokens, "normalised": normalised}
        answer = gradients(tokens, targets, block, mask=mask, **how)
        without = gradients(tokens[open_rows], targets[open_rows], block, **how)
        assert abs(answer.energy - without.energy - 0.5 * targets[2] @ targets[2]) <= 1000 * EPS * answer.energy
        assert relative(answer[1:], without[1:]).max() <= AUTOMATIC


def test_no_array_over_three_tokens_is_formed():
    tokens, targets, block, how = draw(n_token=200)
    tracemalloc.start()
    gradients(tokens, targets, block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 200**3 / 4  # one head's Gamma alone would take 64 MB


def test_what_is_refused():
    tokens, targets, block, how = draw()
    with pytest.raises(ValueError, match=r"targets has shape \(4, 6\), but needs \(5, 6\), that of the output"):
        gradients(tokens, targets[:4], block)
    with pytest.raises(ValueError, match="kernel 'tanh' is not known"):
        gradients(tokens, targets, block, kernel="tanh")
    with pytest.raises(ValueError, match=r"mask has shape \(5, 4\), but needs \(n_token=5, n_context=5\)"):
        gradients(tokens, targets, block, mask=np.ones((5, 4), bool))
