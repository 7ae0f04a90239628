"""Attention in the hippocampal formation: CA3 compares what two pathways bring, CA1 modulates a third by it.

::

    d_j      = max(W_dg x_j - theta, 0)                            dentate gyrus: an expansion, and few active cells
    s_ijk    = phi(W_pp x_i - theta_pp)_k phi(W_mf d_j)_k / Z_i    CA3: perforant path, and mossy fibres
    kappa_ij = sum_k s_ijk,   Z_i with sum_j kappa_ij = 1
    y_i      = sum_j kappa_ij W_ec3 x_j                            CA1: layer 3 of entorhinal cortex, modulated by CA3

The cue is x_i, what is stored x_j. Granier & Senn (2025, section 6) suggest the roles of CA3 and CA1 in words; the
formulas and the thresholds are ours.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.reference.attention import share
from cortical_attention.reference.kernels import kernel_named


class Recalled(NamedTuple):
    """What the hippocampus recalls.

    Attributes
    ----------
    output : array, (..., n_token, d_value)
        y_i.
    kappa : array, (..., n_token, n_context)
        0 in a row with Z_i = 0.
    code : array, (..., n_context, n_granule)
        d_j.
    """

    output: np.ndarray
    kappa: np.ndarray
    code: np.ndarray


def thresholded(drive, theta):
    """Granule cells above a threshold: max(drive - theta, 0) (ndarray, shape of `drive`)."""
    return np.maximum(np.asarray(drive, dtype=float) - theta, 0)


def winners(drive, k):
    """The k most active granule cells of each pattern, as they are, and zeros: a code that is exactly as sparse.

    Parameters
    ----------
    drive : array, (..., n_granule)
    k : int

    Returns
    -------
    array
        Cells with a negative drive are never among them.
    """
    drive = np.asarray(drive, dtype=float)
    least = np.partition(drive, -k, axis=-1)[..., -k, None]
    return np.where(drive >= least, np.maximum(drive, 0), 0.0)


def recall(
    cues, stored, W_pp, W_mf, W_dg, W_ec3, *, theta=0.0, theta_pp=0.0, kernel: str = "relu", sparse=thresholded
) -> Recalled:
    """Attention of cues to what is stored.

    Parameters
    ----------
    cues : array, (..., n_token, d_model)
        x_i of the perforant path.
    stored : array, (..., n_context, d_model)
        x_j.
    W_pp : array, (d_key, d_model)
    W_mf : array, (d_key, n_granule)
    W_dg : array, (n_granule, d_model)
    W_ec3 : array, (d_value, d_model)
    theta : float, or int where `sparse` is `winners`
    theta_pp : float
        Threshold of what the perforant path brings to CA3.
    kernel : str
        A name in `KERNELS`.
    sparse : callable
        From the drives of granule cells and `theta` to their values.

    Returns
    -------
    Recalled

    Raises
    ------
    ValueError
        If the kernel is unknown.
    """
    return _weighed(*_features(cues, stored, W_pp, W_mf, W_dg, theta, theta_pp, kernel, sparse), stored, W_ec3)


def blind_to_the_cue(
    cues, stored, W_pp, W_mf, W_dg, W_ec3, *, theta=0.0, theta_pp=0.0, kernel: str = "relu", sparse=thresholded
) -> Recalled:
    """The null of keys without queries: CA3 hears the mean over all cues of what the perforant path brings.

    Parameters and errors are those of `recall`.
    """
    query, key, code = _features(cues, stored, W_pp, W_mf, W_dg, theta, theta_pp, kernel, sparse)
    query = np.broadcast_to(query.mean(axis=-2, keepdims=True), query.shape)
    return _weighed(query, key, code, stored, W_ec3)


def nearest_stored(cues, stored, W_ec3) -> np.ndarray:
    """How good a memory could be: the item of the stored pattern with the largest overlap with the cue, (..., n_token,
    d_value)."""
    overlap = np.asarray(cues, dtype=float) @ np.swapaxes(np.asarray(stored, dtype=float), -1, -2)
    return np.take_along_axis(_items(stored, W_ec3), overlap.argmax(axis=-1)[..., None], axis=-2)


def softmax_of_drives(cues, stored, W_pp, W_dg, W_ec3) -> np.ndarray:
    """Softmax attention of what the perforant path brings to what granule cells are driven with, (..., n_token, d_value):
    sum_j softmax_j(W_pp x_i . W_dg x_j / sqrt(n_granule)) W_ec3 x_j."""
    query, key = (np.asarray(each, dtype=float) @ W.T for each, W in ((cues, W_pp), (stored, W_dg)))
    score = query @ np.swapaxes(key, -1, -2) / np.sqrt(W_dg.shape[0])
    weight = np.exp(score - score.max(axis=-1, keepdims=True))
    return weight / weight.sum(axis=-1, keepdims=True) @ _items(stored, W_ec3)


def _items(stored, W_ec3):
    """What layer 3 brings to CA1 (ndarray, (..., n_context, d_value))."""
    return np.asarray(stored, dtype=float) @ np.asarray(W_ec3).T


def _features(cues, stored, W_pp, W_mf, W_dg, theta, theta_pp, kernel, sparse):
    """What the two pathways bring to CA3, after its kernel, and the code of the dentate gyrus."""
    phi = kernel_named(kernel).phi
    code = sparse(np.asarray(stored, dtype=float) @ W_dg.T, theta)
    return phi(np.asarray(cues, dtype=float) @ W_pp.T - theta_pp), phi(code @ W_mf.T), code


def _weighed(query, key, code, stored, W_ec3):
    """What CA1 passes on, by the similarity of two patterns in CA3."""
    weight = query @ key.swapaxes(-1, -2)
    kappa = share(weight, weight.sum(axis=-1, keepdims=True))
    return Recalled(kappa @ _items(stored, W_ec3), kappa, code)


def evenly(cues, stored, W_ec3):
    """The null that recalls the mean of all items (ndarray, (..., n_token, d_value))."""
    values = _items(stored, W_ec3)
    shape = (*values.shape[:-2], np.shape(cues)[-2], values.shape[-1])
    return np.broadcast_to(values.mean(axis=-2, keepdims=True), shape)
