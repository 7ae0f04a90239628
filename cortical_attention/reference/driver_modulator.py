"""A driver that says what is relayed, and a modulator that says how much: y = f(d) g(m), and what it costs attention.

Sherman & Guillery (1998) name the two kinds of input of relay cells; that they "cannot be approximated by any attention
variant" is a sentence of the dossier that this project is held against. The identities below are ours.

1. One head whose key does not depend on the driver, with a sink, is a gate. Over the context {driver, sink}, with key 1 and
   value d of the driver, key 0 and value 0 of the sink, and query w.m + b::

       softmax:  kappa_driver = exp(w.m + b) / (exp(w.m + b) + 1) = sigma(w.m + b),   y = sigma(w.m + b) d

2. Many gains cost heads. Let y_a = g_a(m) x_a, with gains of D components that the contexts m draw, and x independent of m
   with equal mean squares. H heads with scalar gains and free matrices, sum over h of gamma_h(m) W_h x, leave at least ::

       sqrt(1 - sum over h <= H of lambda_h / sum of lambda_h),   lambda: eigenvalues of E[g g^T], largest first

   of y in relative L2, since sum_h gamma_h W_h is at best the H largest components of the gain field (Eckart & Young 1936).

3. A head that uses the driver's tokens as keys is not homogeneous in the driver: y(2 d, m) differs from 2 y(d, m).
"""

import numpy as np

from cortical_attention.reference.attention import softmax_attention
from cortical_attention.reference.block import Block


def gated(driver, modulator, w, b=0.0) -> np.ndarray:
    """The driver times a gain of the modulator, y = sigma(w.m + b) d.

    Parameters
    ----------
    driver : array, (..., d_driver)
    modulator : array, (..., d_modulator)
    w : array, (d_modulator,)
    b : float

    Returns
    -------
    array, (..., d_driver)

    Raises
    ------
    ValueError
        If a shape does not fit.
    """
    d, m, w = _fitting(driver, modulator, w)
    return d / (1 + np.exp(-(m @ w + b)))[..., None]


def _fitting(driver, modulator, w):
    """The same as arrays (ndarray each); ValueError if a shape does not fit."""
    d, m, w = (np.asarray(each, dtype=float) for each in (driver, modulator, w))
    if m.shape[:-1] != d.shape[:-1] or m.shape[-1:] != w.shape:
        raise ValueError(f"driver, modulator and w have shapes {d.shape}, {m.shape} and {w.shape}, which do not fit")
    return d, m, w


def frozen_key_attention(driver, modulator, w, b=0.0) -> np.ndarray:
    """The same by softmax attention of the modulator's token to two context tokens, the driver and a sink.

    A token is (driver, modulator, mark): the query reads the modulator, the key only the mark, which the driver's token has
    and the sink has not, and the value reads the driver.

    Parameters
    ----------
    driver, modulator, w, b
        As in `gated`.

    Returns
    -------
    array, (..., d_driver)

    Raises
    ------
    ValueError
        If a shape does not fit.
    """
    d, m, w = _fitting(driver, modulator, w)
    n_driver, n_modulator = d.shape[-1], m.shape[-1]
    size = n_driver + n_modulator + 1
    query, mark, value = (np.zeros((1, n, size)) for n in (1, 1, n_driver))
    query[0, 0, n_driver:-1], mark[0, 0, -1], value[0, :, :n_driver] = w, 1.0, np.eye(n_driver)
    block = Block(query, mark, value, value.swapaxes(1, 2), b_Q=np.full((1, 1), float(b)))
    asks, context = np.zeros((*m.shape[:-1], 1, size)), np.zeros((*d.shape[:-1], 2, size))
    asks[..., 0, n_driver:-1], context[..., 0, :n_driver], context[..., 0, -1] = m, d, 1.0
    return softmax_attention(asks, block, context=context).output[..., 0, :n_driver]


def homogeneity(answer, driver) -> float:
    """How far an answer to a driver is from homogeneous, |y(2 d) - 2 y(d)| / |2 y(d)|.

    Parameters
    ----------
    answer : callable
        From a driver to y, arrays of any shape.
    driver : array

    Returns
    -------
    float
        Zero for f(d) g(m) with a linear f.
    """
    once, twice = answer(driver), answer(2 * driver)
    return float(np.linalg.norm(twice - 2 * once) / np.linalg.norm(2 * once))


def left_by_product(surface) -> float:
    """What the best product f(d) g(m) leaves of a surface, in relative L2 (float).

    Parameters
    ----------
    surface : array, (n_driver, n_modulator)
    """
    values = np.linalg.svd(surface, compute_uv=False)
    return float(np.sqrt((values[1:] ** 2).sum() / (values**2).sum()))


def left_by_sum(surface) -> float:
    """What the best sum f(d) + g(m) leaves of a surface, in relative L2 (float); the argument as for `left_by_product`."""
    surface = np.asarray(surface, dtype=float)
    both = surface.mean(axis=0) + surface.mean(axis=1, keepdims=True) - surface.mean()
    return float(np.linalg.norm(surface - both) / np.linalg.norm(surface))


def gain_of(surface) -> np.ndarray:
    """The gain g(m) of the best product, which is one where the modulator is strongest: (n_modulator,).

    Parameters
    ----------
    surface : array, (n_driver, n_modulator)
        Levels of the modulator from the weakest to the strongest.
    """
    gain = np.linalg.svd(surface)[2][0]
    return gain / gain[-1]


def least_error(gains, heads) -> float:
    """What heads with scalar gains leave at least, as said above.

    Parameters
    ----------
    gains : array, (n_context, D)
        g_a(m) in contexts.
    heads : int
        H, at least 0.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For less than no head.
    """
    if heads < 0:
        raise ValueError(f"heads is {heads} but needs to be at least 0")
    values = np.linalg.svd(np.asarray(gains, dtype=float), compute_uv=False) ** 2
    return float(np.sqrt(max(1 - values[:heads].sum() / values.sum(), 0.0)))
