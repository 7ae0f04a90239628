"""What families of attention leave of answers to bursting or tonic relays, without the noise of cells.

Two replicas o_1 and o_2 of the answer have equal inputs and independent noise. Of what a family F leaves of each,

::

    U_F = sign(r) sqrt(|r|),   r = sum (o_1 - F_1).(o_2 - F_2) / sum o_1.o_2

is the share that the family leaves of the mean answer, since products of independent noises average to zero; where nothing
is left it is as often negative as positive. Token families (`reference.token_families`) are fitted to relays, on
other inputs than those they are tested on; F_1 = F_2. Free families (`trials.families`) are fitted to each answer by itself,
with any weights on the values of the original tokens.
"""

import numpy as np
from scipy.optimize import nnls

from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.block import to_heads
from cortical_attention.reference.token_families import TOKEN_FAMILIES, fit_relays, relays
from cortical_attention.trials.families import FREE
from cortical_attention.trials.relay_bank import slope

INSIDE, UNDECIDED, OUTSIDE = "inside", "undecided", "outside"
HEAVY = 1e3  # chosen: weight of the sums of attention, which are held at one to about a part in a million
EVERY = (*TOKEN_FAMILIES, *FREE)
N_FOLD = 4  # chosen: three quarters of the inputs are fitted, and the last is tested


def predicted(core, matrix, shown, train, test):
    """Relay numbers of every token family on test inputs, fitted on training inputs.

    Parameters
    ----------
    core, matrix : ndarray, shape (2, n_input, n_token, d_model)
        Numbers of the relays of both nuclei in two replicas; the family is fitted to their means.
    shown : tuple of ndarray
        Tokens, the tokens before, both (n_input, n_token, d_model), and which are new, (n_input, n_token).
    train, test : ndarray of int
        Inputs.

    Returns
    -------
    dict of str to (ndarray, ndarray)
        Numbers of core and matrix, each (n_test, n_token, d_model).
    """
    seen, asked = ([each[k] for each in shown] for k in (train, test))
    found = {}
    for family in TOKEN_FAMILIES:
        weights = [fit_relays(family, nucleus[:, train].mean(axis=0), *seen) for nucleus in (core, matrix)]
        found[family] = tuple(relays(family, each, *asked) for each in weights)
    return found


def columns(tokens, block):
    """What one of kappa_hij adds to the answer, W_O W_V x_j, ndarray (..., d_model, n_head * n_context).

    Raises
    ------
    ValueError
        With as many heads times context tokens as components of the answer: free weights would reach any answer.
    """
    n_context, d_model = np.shape(tokens)[-2:]
    if len(block.W_V) * n_context >= d_model:
        raise ValueError(
            f"{len(block.W_V)} heads with free weights on {n_context} context tokens reach any answer of {d_model} "
            "components: this test needs n_head * n_context < d_model."
        )
    values = to_heads(np.asarray(tokens, dtype=float), block.W_V.swapaxes(-1, -2))
    parts = np.einsum("hmv, ...hjv -> ...mhj", block.W_O, values)
    return parts.reshape(*parts.shape[:-2], -1)


def nearest_free(family, tokens, block, answers):
    """Answers of the member of a free family that is nearest to each answer.

    Parameters
    ----------
    family : {"weighing", "gain", "matrix"}
        Any weights at least zero that sum to one; at least zero; any.
    tokens : ndarray, shape (n_input, n_context, d_model)
        Original tokens.
    block : Block
    answers : ndarray, shape (n_input, n_token, d_model)

    Returns
    -------
    ndarray, shape (n_input, n_token, d_model)

    Raises
    ------
    ValueError
        As `columns`.
    """
    every = columns(tokens, block)
    if family == "matrix":
        return (every @ (np.linalg.pinv(every) @ answers.swapaxes(-1, -2))).swapaxes(-1, -2)
    solve = _at_least_zero if family == "gain" else _summing_to_one(len(block.W_V))
    return np.array([[A @ solve(A, row) for row in rows] for A, rows in zip(every, answers, strict=True)])


def _at_least_zero(A, row):
    return nnls(A, row)[0]


def _summing_to_one(n_head):
    """Least squares with weights at least zero that sum to one for each head."""

    def solve(A, row):
        heavy = HEAVY * np.linalg.norm(A)
        sums = np.kron(np.eye(n_head), np.ones(A.shape[1] // n_head))
        return nnls(np.vstack([A, heavy * sums]), np.concatenate([row, heavy * np.ones(n_head)]))[0]

    return solve


def products(answers, tokens, block, numbers, free=FREE):
    """Terms of U of every family: inner products of what it leaves of two replicas, by input.

    Parameters
    ----------
    answers : ndarray, shape (2, n_input, n_token, d_model)
    tokens : ndarray, shape (n_input, n_token, d_model)
    block : Block
    numbers : dict of str to (ndarray, ndarray)
        Numbers of core and matrix in each token family (`predicted`).
    free : sequence of str
        Free families to fit.

    Returns
    -------
    dict of str to ndarray, shape (n_input,)
        By family; "answer" has the products of the answers themselves.
    """
    found = {"answer": _products(*answers)}
    for family, (core, matrix) in numbers.items():
        right = linear_attention(core, block, context=matrix).output
        found[family] = _products(*(answers - right))
    for family in free:
        found[family] = _products(*(each - nearest_free(family, tokens, block, each) for each in answers))
    return found


def cross_fitted(rates, steady, shown, window, blocks, free=FREE):
    """Terms of U of every family where cortex is the algebra, each input tested with what was fitted to others.

    Parameters
    ----------
    rates, steady : tuple of ndarray, shape (2, n_input, n_token, d_model)
        Of core and matrix in two replicas (Hz): in the window, and before the change, where they give the unit rate.
    shown : trials.relay_bank.Shown
    window : str
        Of `trials.relay_bank.WINDOWS`.
    blocks : sequence of Block
    free : sequence of str
        Free families to fit.

    Returns
    -------
    dict of str to ndarray, shape (n_block, n_input)
        As `products`.
    """
    n_input, seen, found = rates[0].shape[1], shown.at(window), {}
    for fold in np.array_split(np.arange(n_input), min(N_FOLD, n_input)):
        train = np.setdiff1d(np.arange(n_input), fold)
        core, matrix = (
            each / slope(before[:, train], shown.before[train]) for each, before in zip(rates, steady, strict=True)
        )
        numbers = predicted(core, matrix, seen, train, fold)
        for k, block in enumerate(blocks):
            answers = linear_attention(core[:, fold], block, context=matrix[:, fold]).output
            for name, each in products(answers, seen.tokens[fold], block, numbers, free).items():
                found.setdefault(name, np.zeros((len(blocks), n_input)))[k, fold] = each
    return found


def _products(one, other):
    return np.einsum("nim, nim -> n", one, other)


def signed_root(ratio):
    """sign(r) sqrt(|r|)."""
    return np.sign(ratio) * np.sqrt(np.abs(ratio))


def left(parts, wholes, draws=2000, seed=0):
    """U of a family, and the same of bootstrap samples of inputs and blocks as crossed clusters.

    Parameters
    ----------
    parts, wholes : array_like, shape (n_block, n_input)
        Products of what the family leaves, and of the answers.
    draws, seed : int
        Every draw takes as many inputs, and as many blocks, with replacement; equal seeds take the same.

    Returns
    -------
    value : float
    drawn : ndarray, shape (draws,)
    """
    parts, wholes = np.asarray(parts, dtype=float), np.asarray(wholes, dtype=float)
    stream = np.random.default_rng(seed)
    blocks, inputs = (stream.multinomial(n, np.full(n, 1 / n), size=draws) for n in parts.shape)
    above, below = (np.einsum("db, bi, di -> d", blocks, each, inputs, optimize=True) for each in (parts, wholes))
    return float(signed_root(parts.sum() / wholes.sum())), signed_root(above / below)


def ends(drawn, confidence=0.95):
    """Interval between the percentiles of bootstrap samples (list of float)."""
    return np.percentile(drawn, [50 * (1 - confidence), 50 * (1 + confidence)]).tolist()


def place(interval, inside, outside):
    """Whether an answer is inside a family: the upper end of U at most `inside`; outside: the lower end at least `outside`;
    else undecided."""
    if interval[1] <= inside:
        return INSIDE
    return OUTSIDE if interval[0] >= outside else UNDECIDED
