"""Families of relays: what attention sees in the place of a token, from the token itself to any function of it and its past.

A relay nucleus is given the token x_j after the token p_j and stands for the numbers m_j. A family says which functions of x
and p these numbers may be; attention in the family is attention on such numbers, a nonlinearity before the matrices W. With
ramps r_k(x) = sign(x) max(|x| - knot_k, 0), an odd piecewise linear f is sum_k w_k r_k(x), and

::

    paper           m_ja = x_ja                       nothing is fitted
    one gain        m_ja = c x_ja                     temperature of the scores and gain of the values
    elementwise     m_ja = f(x_ja)                    the same f for every token: an embedding
    mode bit        m_ja = f_s(x_ja), s = n_j         a bit for each token is given: whether it is new
    three gains     m_ja = c_s x_ja, s as below       smallest member of the next family
    self-gate       m_ja = f_s(x_ja), s of {persists, new with the sign of p_ja, new from silence}: each component's own past
    previous token  m_ja = f_s(x_ja), s = n_j and the bin of sign(x_ja) p_ja: any function of a component and its past

`ORDER` lists those that contain each other. The first three are stateless; the bit is given from outside; the last ones are
gated by what a component itself has been, and so are recurrent. Functions are fitted to relays by plain least squares: with
a ridge a large family could leave more than a small one that it contains.
"""

import numpy as np

KNOTS = np.array(
    [0.0, 0.3, 0.6, 1.0, 1.5, 2.2]
)  # chosen: of f, for components ~ N(0, 1); fewer do not hold a burst's f
SILENT = 0.3  # chosen: a component below this left its relay all but silent
BINS = np.array([-1.0, -SILENT, SILENT, 1.0])  # chosen: of the past along the sign of the present
STATELESS = "paper", "one gain", "elementwise"
ORDER = (*STATELESS, "mode bit", "self-gate", "previous token")
TOKEN_FAMILIES = (*ORDER[:4], "three gains", *ORDER[4:])


def ramps(tokens):
    """Odd ramps of every component, ndarray (..., len(KNOTS)); the first is the component itself."""
    tokens = np.asarray(tokens, dtype=float)[..., None]
    return np.sign(tokens) * np.maximum(np.abs(tokens) - KNOTS, 0.0)


def states(family, tokens, before, new):
    """State of every component in a family, and how many states there are.

    Parameters
    ----------
    family : str
        Of `TOKEN_FAMILIES`.
    tokens, before : ndarray, shape (..., n_token, d_model)
        x, and the token p that stood there before.
    new : ndarray of bool, shape (..., n_token)
        False where a token persists, so that its past is itself.

    Returns
    -------
    state : ndarray of int, shape (..., n_token, d_model)
        Zero where a token persists.
    n_state : int
    """
    new, past = np.asarray(new)[..., None], np.sign(tokens) * before
    if family in STATELESS:
        return np.zeros(np.shape(tokens), dtype=int), 1
    if family == "mode bit":
        return np.broadcast_to(new, np.shape(tokens)).astype(int), 2
    if family in ("three gains", "self-gate"):
        return np.where(new, np.where(past >= SILENT, 1, 2), 0), 3
    return np.where(new, 1 + np.digitize(past, BINS), 0), len(BINS) + 2


def design(family, tokens, before, new):
    """Regressors of a family for every component, ndarray (..., n_token, d_model, n_regressor); as for `states`."""
    state, n_state = states(family, tokens, before, new)
    basis = ramps(tokens)
    basis = basis[..., :1] if family in ("paper", "one gain", "three gains") else basis
    columns = basis[..., None, :] * (state[..., None] == np.arange(n_state))[..., None]
    return columns.reshape(*np.shape(tokens), -1)


def fit_relays(family, numbers, tokens, before, new):
    """Weights with which a family comes nearest to the numbers of relays, by least squares.

    Parameters
    ----------
    family : str
        Of `TOKEN_FAMILIES`; of "paper" nothing is fitted.
    numbers : ndarray, shape (..., n_token, d_model)
        What the relays stand for.
    tokens, before, new
        As for `states`.

    Returns
    -------
    ndarray, shape (n_regressor,)
    """
    if family == "paper":
        return np.ones(1)
    regressors = design(family, tokens, before, new)
    return np.linalg.lstsq(regressors.reshape(-1, regressors.shape[-1]), np.ravel(numbers), rcond=None)[0]


def relays(family, weights, tokens, before, new):
    """Numbers of relays of a family with the weights of `fit_relays`, ndarray (..., n_token, d_model); as for `states`."""
    return design(family, tokens, before, new) @ weights
