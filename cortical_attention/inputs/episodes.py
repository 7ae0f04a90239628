"""Remember by context: items are stored, each with its context, and a noisy context asks for its item."""

from typing import NamedTuple

import numpy as np


class Episode(NamedTuple):
    """Cues and what is stored.

    Attributes
    ----------
    cues : ndarray, shape (n_item, d_context + d_item)
        Noisy contexts, in the order in which their items are stored; no item.
    stored : ndarray, shape (n_item, d_context + d_item)
        Contexts and their items.
    """

    cues: np.ndarray
    stored: np.ndarray


class Formation(NamedTuple):
    """Weights of a hippocampal formation, as `circuits.hippocampus.hippocampus_wiring` takes them."""

    W_pp: np.ndarray
    W_mf: np.ndarray
    W_dg: np.ndarray
    W_ec3: np.ndarray


def episode(rng, n_item=8, d_context=12, d_item=12, noise=0.5, alike=0.0):
    """An episode (Episode).

    Parameters
    ----------
    rng : numpy.random.Generator
    n_item, d_context, d_item : int
    noise : float
        Standard deviation of the noise of each component of a cue.
    alike : float
        Share of the variance of a context that all contexts of the episode have in common, from 0 to 1.

    Returns
    -------
    Episode
        Contexts, those of cues too, have a mean square of one; items are normal.
    """
    common, own = rng.normal(size=d_context), rng.normal(size=(n_item, d_context))
    contexts = _of_unit_size(np.sqrt(alike) * common + np.sqrt(1 - alike) * own)
    cues = _of_unit_size(contexts + noise * rng.normal(size=contexts.shape))
    items = rng.normal(size=(n_item, d_item))
    return Episode(np.hstack([cues, np.zeros_like(items)]), np.hstack([contexts, items]))


def formation(rng, n_granule=64, d_context=12, d_item=12):
    """Weights of a hippocampal formation (Formation).

    Parameters
    ----------
    rng : numpy.random.Generator
    n_granule, d_context, d_item : int

    Returns
    -------
    Formation
        Granule cells see contexts in random directions, with a mean square of about one. Each drives one cell of CA3, to
        which the perforant path brings the same direction: of normal contexts it is what predicts a granule cell best.
        Layer 3 brings items to CA1.
    """
    directions = rng.normal(size=(n_granule, d_context))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    seen = np.hstack([directions, np.zeros((n_granule, d_item))])
    return Formation(seen, np.eye(n_granule), seen, np.hstack([np.zeros((d_item, d_context)), np.eye(d_item)]))


def recognised(recalled, items):
    """Whether what is recalled is nearest, by cosine, to the item of its own cue.

    Parameters
    ----------
    recalled, items : ndarray, shape (n_item, d_item)

    Returns
    -------
    ndarray of bool, shape (n_item,)
        False where nothing is recalled.
    """
    cosine = recalled @ (items / np.linalg.norm(items, axis=-1, keepdims=True)).T
    return (cosine.argmax(axis=-1) == np.arange(len(items))) & recalled.any(axis=-1)


def _of_unit_size(patterns):
    """Patterns with a mean square of one."""
    return patterns / np.sqrt((patterns**2).mean(axis=-1, keepdims=True))
