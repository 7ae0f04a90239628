"""Softmax attention by positive random features: linear attention whose products average to exp(k.q / sqrt(d_key)).

With x = q / d_key^(1/4), y = k / d_key^(1/4) and directions omega_r ~ N(0, 1),

::

    f_r(x) = (1 - 4 A)^(d_key / 4) exp(A |omega_r|^2 + sqrt(1 - 4 A) omega_r.x - |x|^2 / 2)

is positive, and the mean of f_r(x) f_r(y) over omega_r is exp(x.y) for any A < 1/8. A = 0 gives the features of FAVOR+
(Choromanski et al. 2021), A < 0 those of Likhosherstov et al. (2022), whose variance is smaller.

As a circuit, a microcolumn has one L2/3 cell per direction, with weights omega W_Q and omega W_K and phi = exp. The term
|x|^2 / 2 of the query cancels in the division by Z. That of the key does not, and no bias can hold it, since it depends on
the key: it needs cells that square.
"""

import numpy as np

from cortical_attention.reference.attention import Attention, read_out
from cortical_attention.reference.block import Block, check_problem, check_shape, project


def iid(stream: np.random.Generator, n_feature: int, d_key: int) -> np.ndarray:
    """Directions (n_feature, d_key) with independent entries ~ N(0, 1)."""
    return stream.standard_normal((n_feature, d_key))


def orthogonal(stream: np.random.Generator, n_feature: int, d_key: int) -> np.ndarray:
    """Directions (n_feature, d_key) each ~ N(0, 1), at right angles in blocks of d_key; the last block may be incomplete.

    Rows of a uniformly distributed orthogonal matrix, times the norms of other Gaussian vectors (Choromanski et al. 2021).
    """
    n_block = -(-n_feature // d_key)
    Q, R = np.linalg.qr(stream.standard_normal((n_block, d_key, d_key)))
    Q = Q * np.sign(np.einsum("bkk->bk", R))[:, None, :]  # without it, Q is not uniformly distributed
    norms = np.linalg.norm(stream.standard_normal((n_block, d_key, d_key)), axis=-1, keepdims=True)
    return (norms * Q).reshape(-1, d_key)[:n_feature]


def balanced(query: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Queries and keys of which softmax attention is the same, and whose features vary less.

    Keys lose their mean, which adds the same to all scores of a query, and both get equal norms over all tokens.

    Parameters
    ----------
    query : array, (..., n_token, d_key)
    key : array, (..., n_context, d_key)

    Returns
    -------
    query, key : array
        Unchanged in norm where either is zero everywhere.
    """
    key = key - key.mean(axis=-2, keepdims=True)
    sizes = [np.linalg.norm(each, axis=(-2, -1), keepdims=True) for each in (query, key)]
    known = (sizes[0] > 0) & (sizes[1] > 0)
    factor = np.sqrt(np.divide(sizes[1], sizes[0], out=np.ones(known.shape), where=known))
    factor = np.where(known, factor, 1.0)
    return query * factor, key / factor


def best_drive(query: np.ndarray, key: np.ndarray) -> np.ndarray:
    """The A of least variance (Likhosherstov et al. 2022), for pairs of the mean |x + y|^2.

    For a pair, the mean of (f_r(x) f_r(y))^2 is (1 - 4 A)^d (1 - 8 A)^(-d/2) exp(2 (1 - 4 A) / (1 - 8 A) |x + y|^2) times
    what does not depend on A. With rho = 1 / (1 - 8 A) and s the mean of |x + y|^2 over all pairs, the derivative of its
    logarithm is zero where 2 s rho^2 + (d + 2 s) rho = d.

    Parameters
    ----------
    query : array, (..., n_token, d_key)
    key : array, (..., n_context, d_key)

    Returns
    -------
    array, (...)
        Never positive.
    """
    d = query.shape[-1]
    sums = (query[..., :, None, :] + key[..., None, :, :]) / d**0.25
    s = (sums**2).sum(axis=-1).mean(axis=(-2, -1))
    rho = 2 * d / (np.sqrt((d + 2 * s) ** 2 + 8 * d * s) + d + 2 * s)
    return (1 - 1 / rho) / 8


def exponents(vectors: np.ndarray, omega: np.ndarray, A: float | np.ndarray = 0.0) -> np.ndarray:
    """Logarithms of the features of queries or keys.

    Parameters
    ----------
    vectors : array, (..., n, d_key)
    omega : array, (n_feature, d_key)
    A : float or array, (...)
        Constant drive per squared norm of a direction; below 1/8.

    Returns
    -------
    array, (..., n, n_feature)
    """
    d = vectors.shape[-1]
    A, x = np.asarray(A)[..., None, None], vectors / d**0.25
    constant = A * (omega**2).sum(axis=-1) + d / 4 * np.log(1 - 4 * A)
    return np.sqrt(1 - 4 * A) * (x @ omega.T) + constant - (x**2).sum(axis=-1, keepdims=True) / 2


def feature_attention(tokens, block: Block, omega: np.ndarray, *, context=None, optimal: bool = False) -> Attention:
    """Multihead linear attention with random features in place of phi; softmax attention, for many features.

    kappa_ij = sum_r f_r(k_j) f_r(q_i) / Z_i.

    Parameters
    ----------
    tokens : array, (..., n_token, d_model)
    block : Block
    omega : array, (n_feature, d_key)
        Directions, the same for all heads.
    context : array, (..., n_context, d_model), optional
    optimal : bool
        Whether keys are centred, norms balanced and A is that of least variance, for each head; without it A = 0.

    Returns
    -------
    Attention
        Z_i estimates sum_j exp(k_j.q_i / sqrt(d_key)), of centred keys if optimal; infinite beyond the float64 range.

    Raises
    ------
    ValueError
        If a shape does not fit.
    """
    problem = check_problem(tokens, block, context)
    query, key, value = project(problem)
    omega = np.asarray(omega, dtype=float)
    check_shape("omega", omega, n_feature=None, d_key=query.shape[-1])
    A = 0.0
    if optimal:
        query, key = balanced(query, key)
        A = best_drive(query, key)
    products = exponents(query, omega, A)[..., :, None, :] + exponents(key, omega, A)[..., None, :, :]
    top = products.max(axis=(-2, -1), keepdims=True)  # of a row, so that nothing overflows
    answer = read_out(np.exp(products - top).mean(axis=-1), value, problem.block.W_O, normalised=True)
    with np.errstate(over="ignore"):
        return answer._replace(normaliser=answer.normaliser * np.exp(top[..., 0, 0]))
