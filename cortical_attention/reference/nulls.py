"""Null models: attention without one of its ingredients, with the signature of `linear_attention`.

On Gaussian inputs the output of linear attention is close to an average of the values, so a small error alone means
little. Each null keeps the values and the output weights and removes the query, the key, or their product from the attention
weights; the relevant measure is the improvement over the best null. All three are ours, not the paper's. Parameters, shapes,
errors and the rule for Z_i = 0 are those of `linear_attention`.
"""

import numpy as np

from cortical_attention.reference.attention import (
    Attention,
    close,
    linear_attention,
    read_out,
    share,
    softmax_of,
)
from cortical_attention.reference.block import Block, check_problem, project
from cortical_attention.reference.kernels import kernel_named


def _features(tokens, block, context, mask, kernel):
    """Checked problem, phi(q), phi(k) and v."""
    phi = kernel_named(kernel).phi
    problem = check_problem(tokens, block, context, mask)
    query, key, value = project(problem)
    return problem, phi(query), phi(key), value


def uniform_attention(
    tokens, block: Block, *, context=None, mask=None, kernel: str = "elu+1", normalised: bool = True
) -> Attention:
    """Neither query nor key: equal weights for all open context tokens.

    Normalised, kappa_ij = 1 / (number of open j), whatever the kernel, and the normaliser is that number. Not
    normalised, every open kappa_ij of a head and a sequence is the mean of phi(k_j).phi(q_i) over the open pairs.
    """
    problem, query, key, value = _features(tokens, block, context, mask, kernel)
    weight = close(query @ key.swapaxes(-1, -2), problem.mask)
    opened = close(np.ones_like(weight), problem.mask)
    if not normalised:
        opened = opened * share(weight.sum(axis=(-2, -1), keepdims=True), opened.sum(axis=(-2, -1), keepdims=True))
    return read_out(opened, value, problem.block.W_O, normalised)


def key_only_attention(
    tokens, block: Block, *, context=None, mask=None, kernel: str = "elu+1", normalised: bool = True
) -> Attention:
    """The key without the query: phi(q_i) is replaced by its mean over the tokens of the sequence.

    The weights are phi(k_j).mean_i phi(q_i), the same for every token but for the mask. A strong null: it
    weighs keys by the average query.
    """
    problem, query, key, value = _features(tokens, block, context, mask, kernel)
    query = np.broadcast_to(query.mean(axis=-2, keepdims=True), query.shape)
    weight = close(query @ key.swapaxes(-1, -2), problem.mask)
    return read_out(weight, value, problem.block.W_O, normalised)


def additive_attention(
    tokens, block: Block, *, context=None, mask=None, kernel: str = "elu+1", normalised: bool = True
) -> Attention:
    """Key and query summed, not multiplied: the weights are sum_a [phi(k_j)_a + phi(q_i)_a] over the d_key components.

    The response of a cell that adds its apical and basal drives.
    """
    problem, query, key, value = _features(tokens, block, context, mask, kernel)
    weight = close(query.sum(axis=-1)[..., :, None] + key.sum(axis=-1)[..., None, :], problem.mask)
    return read_out(weight, value, problem.block.W_O, normalised)


def key_only_softmax(tokens, block: Block, *, context=None, mask=None) -> Attention:
    """The key without the query in softmax attention: q_i is replaced by its mean over the tokens of the sequence."""
    problem = check_problem(tokens, block, context, mask)
    query, key, value = project(problem)
    return softmax_of(problem, np.broadcast_to(query.mean(axis=-2, keepdims=True), query.shape), key, value)


def rounding(
    tokens, block: Block, *, context=None, mask=None, kernel: str = "elu+1", normalised: bool = True
) -> np.ndarray:
    """Bound on the difference of two computations of one output by rounding; a null within it counts as exact.

    A sum of n products is off by at most n eps of the sum of their sizes, whatever cancels in it (Higham 2002, section 3.1);
    to first order such errors add along the way. Queries and keys are sums over d_model, and phi changes by no more than
    its argument does, relative to itself (elu+1, softplus, exp); kappa sums over d_key and, for Z, over the context; the
    output over d_model, the context, heads and d_value.

    Returns
    -------
    array, (..., n_token, d_model)
        2 eps (n_rounding + d_model (|q| + |k|)) sum_h |W_O^h| sum_j kappa^h_ij |v^h_j|, where |q|, |k| and |v| are the
        sums of sizes; |q| and |k| the largest.
    """
    problem = check_problem(tokens, block, context, mask)
    block = Block(*map(np.abs, problem.block))
    sizes = problem._replace(tokens=np.abs(problem.tokens), context=np.abs(problem.context), block=block)
    query, key, value = project(sizes)
    kappa = linear_attention(
        tokens, block=problem.block, context=context, mask=mask, kernel=kernel, normalised=normalised
    ).kappa
    (n_head, d_value, d_model), d_key, n_context = block.W_V.shape, block.W_Q.shape[1], key.shape[-2]
    n_rounding = d_model + 2 * (d_key + n_context) + n_head * d_value + d_model * (query.max() + key.max())
    return 2 * np.finfo(float).eps * n_rounding * read_out(kappa, value, block.W_O, normalised=False).output
