"""Statistics that the experiments report."""

import warnings
from typing import NamedTuple

import numpy as np
from scipy.stats import linregress, ttest_1samp


class Summary(NamedTuple):
    """Median and range of values; each None without values."""

    median: float
    lowest: float
    highest: float


def slope_of_log_log(x, y):
    """Exponent a of y = b x^a by least squares on the logarithms.

    Parameters
    ----------
    x, y : array_like
        (n_point,), finite and positive, with at least two different x.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For other shapes, an entry that is not positive and finite, or a single x.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"a slope needs x and y of one length, got shapes {x.shape} and {y.shape}.")
    if not all(np.all((values > 0) & (values < np.inf)) for values in (x, y)):
        raise ValueError("a slope of logarithms needs positive finite values.")
    if np.unique(x).size < 2:
        raise ValueError("a slope needs two different x at least.")
    return float(linregress(np.log(x), np.log(y)).slope)


def summary(values):
    """Median and range of values.

    Parameters
    ----------
    values : array_like
        Finite, any shape.

    Returns
    -------
    Summary

    Raises
    ------
    ValueError
        Without values, or for one that is not finite.
    """
    values = np.asarray(values, dtype=float)
    if values.size == 0 or not np.isfinite(values).all():
        raise ValueError("a summary needs finite values, and one at least.")
    return Summary(float(np.median(values)), float(values.min()), float(values.max()))


def summary_of_known(values):
    """Median and range of the values that are not None.

    Parameters
    ----------
    values : iterable of (float or None)

    Returns
    -------
    Summary
        Of None if no value is known.

    Raises
    ------
    ValueError
        For a value that is not finite.
    """
    known = [value for value in values if value is not None]
    return summary(known) if known else Summary(None, None, None)


def cluster_interval(values, clusters, confidence=0.95):
    """Confidence interval of the mean, by Student's t over the means of few clusters (decision 0013).

    Parameters
    ----------
    values : array_like, shape (n,)
    clusters : array_like, shape (n,)
        Cluster of each value; clusters of equal size.
    confidence : float
        Coverage, between 0 and 1.

    Returns
    -------
    tuple of float, or None
        Lower and upper end; None with fewer than two clusters.
    """
    values, clusters = np.asarray(values, dtype=float), np.asarray(clusters)
    means = np.array([values[clusters == each].mean() for each in np.unique(clusters)])
    if len(means) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means that are all alike: the interval has no width
        low, high = ttest_1samp(means, 0).confidence_interval(confidence)
    return float(low), float(high)


def plus_minus(values, digits, confidence=0.95):
    """Mean of values and half of its interval, each value a cluster, as text (str).

    Parameters
    ----------
    values : sequence of float
        Two at least.
    digits : int
        After the point.
    confidence : float
    """
    low, high = cluster_interval(values, range(len(values)), confidence)
    return f"{np.mean(values):.{digits}f} ± {(high - low) / 2:.{digits}f}"


def ratio_bounds(parts, wholes, confidence=0.95):
    """One-sided confidence bounds, one at each side, of the ratio of two sums over a population of units.

    The estimate r = sum(parts) / sum(wholes) differs from the true ratio R by about the mean of (part - R whole) /
    mean(wholes), a mean of independent terms (the linearisation of a ratio; Cochran 1977, Sampling Techniques, chapter 6).
    Student's t over these terms, with r for R, gives the bounds. With few units of skewed sizes the upper bound is too low
    more often than stated: `tests/test_best_attention.py` measures how often.

    Parameters
    ----------
    parts, wholes : array_like, shape (n,)
        One entry for each unit; parts may be negative, the sum of the wholes is positive.
    confidence : float
        Of each bound, above one half.

    Returns
    -------
    tuple of float, or None
        Lower and upper bound; None with fewer than two units.
    """
    parts, wholes = np.asarray(parts, dtype=float), np.asarray(wholes, dtype=float)
    if len(parts) < 2:
        return None
    ratio = parts.sum() / wholes.sum()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # units that are all alike: the bounds coincide
        terms = ratio + (parts - ratio * wholes) / wholes.mean()
        low, high = ttest_1samp(terms, 0).confidence_interval(2 * confidence - 1)
    return float(low), float(high)
