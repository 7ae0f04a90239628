"""Measures of agreement between an output and its reference, for `comparison.json`; None replaces values not finite."""

import numpy as np


def relative_l2(output, reference):
    """Relative error, |output - reference| / |reference| in the Euclidean norm over all entries.

    Parameters
    ----------
    output, reference : array_like (...)
        Of equal, arbitrary shape; finite.

    Returns
    -------
    float or None
        None if the reference is zero everywhere, or so small that the ratio is not finite.

    Raises
    ------
    ValueError
        For unequal shapes, an empty array, or an entry that is not finite.
    """
    output, reference = _pair(output, reference)
    scale = max(np.abs(output).max(), np.abs(reference).max()) or 1.0  # so that no square overflows
    error, size = np.linalg.norm(output / scale - reference / scale), np.linalg.norm(reference / scale)
    return _ratio(error, size)


def shared_error(errors, sizes):
    """Part of a squared error that replicas with independent noise share, relative to a squared size.

    The mean of e_1.e_2 over all pairs of replicas, divided by that of s_1.s_2. Noise of one replica is independent of that
    of another, so its products average to zero, and what is left is the error of the mean answer: the error by design. With
    the answers themselves as sizes the denominator is without noise too.

    Parameters
    ----------
    errors, sizes : array_like, shape (n_replica, ...)
        Of equal shapes, with two replicas at least; finite.

    Returns
    -------
    float or None
        Negative values are possible, and mean that no error by design was found. None if it is not finite.

    Raises
    ------
    ValueError
        For unequal shapes, an empty array, a single replica, or an entry that is not finite.
    """
    errors, sizes = _pair(errors, sizes)
    if len(errors) < 2:
        raise ValueError(f"a shared error needs two replicas at least, got {len(errors)}.")
    scales = [np.abs(each).max() or 1.0 for each in (errors, sizes)]  # so that no square overflows
    products = [_mean_product(each / scale) for each, scale in zip((errors, sizes), scales, strict=True)]
    return _ratio(products[0] * (scales[0] / scales[1]) ** 2, products[1])


def _mean_product(replicas):
    """Mean over all pairs of replicas of the sum of the products of their entries."""
    n, flat = len(replicas), replicas.reshape(len(replicas), -1)
    return (np.sum(flat.sum(axis=0) ** 2) - np.sum(flat**2)) / (n * (n - 1))


def relative_l2_by_design(outputs, reference):
    """Relative L2 error of the mean answer, from replicas: what is left of `relative_l2` without noise.

    sqrt((o_1 - f).(o_2 - f) / f.f), averaged over the pairs of replicas, or 0 where the product is negative.

    Parameters
    ----------
    outputs : array_like, shape (n_replica, ...)
        Answers of replicas with independent noise, two at least.
    reference : array_like, shape (...)

    Returns
    -------
    float or None
        None as for `relative_l2`.

    Raises
    ------
    ValueError
        As `shared_error`.
    """
    outputs, references = _pair(outputs, np.broadcast_to(reference, np.shape(outputs)))
    squared = shared_error(outputs - references, references)
    return None if squared is None else float(np.sqrt(max(squared, 0.0)))


def relative_size(part, whole):
    """Ratio of two Euclidean norms, |part| / |whole|.

    Parameters
    ----------
    part, whole : array_like
        Any shapes; not empty.

    Returns
    -------
    float or None
        None if it is not finite.
    """
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    scale = np.abs(whole).max() or 1.0  # so that no square overflows or vanishes
    return _ratio(np.linalg.norm(part / scale), np.linalg.norm(whole / scale))


def cosine(output, reference):
    """Cosine of the angle between the two arrays, as vectors (float); None if one of them is zero everywhere.

    Shapes and errors as in `relative_l2`. It does not depend on scale: 2 x has cosine 1 with x.
    """
    return _cosine(*_pair(output, reference))


def max_abs(output, reference):
    """Largest absolute difference of any entry (float), in the units of the case; shapes and errors as in `relative_l2`."""
    output, reference = _pair(output, reference)
    return float(np.abs(output - reference).max())


def query_identification(output, reference):
    """Share of tokens whose answer is nearest to the reference of the same token, among those of all tokens.

    It needs neither a scale nor a null: an answer that does not depend on the query is right for one token in n.

    Parameters
    ----------
    output, reference : array_like, shape (n_token, d_model)

    Returns
    -------
    float or None
        A token whose own reference is one of k that are equally near, to rounding, counts 1 / k. None for one token.

    Raises
    ------
    ValueError
        As `relative_l2`.
    """
    output, reference = _pair(output, reference)
    if len(reference) == 1:
        return None
    scale = max(np.abs(output).max(), np.abs(reference).max()) or 1.0
    away = np.array([np.linalg.norm(each / scale - reference / scale, axis=-1) for each in output])
    near = away <= away.min(axis=1, keepdims=True) * (1 + 1e-9) + 1e-15
    return float((near.diagonal() / near.sum(axis=1)).mean())


def skill(error, null_errors, rounding=0.0):
    """Skill over the best null model: 1 - error / min(null_errors).

    Parameters
    ----------
    error : float or None
        Relative L2 of the circuit.
    null_errors : iterable of (float or None), or dict of them
        Relative L2 of the nulls, such as uniform attention; entries of None are ignored.
    rounding : float
        Relative L2 up to which a null counts as exact, because rounding alone can cause it.

    Returns
    -------
    float or None
        1 is perfect, 0 equals the best null. None if the error is None, no null has an error, or the best null is
        exact.

    Raises
    ------
    ValueError
        For an error that is negative or not finite.
    """
    nulls = null_errors.values() if hasattr(null_errors, "values") else null_errors
    nulls = [null for null in nulls if null is not None]
    if any(not 0 <= x < np.inf for x in [*nulls, error or 0.0]):
        raise ValueError("skill: errors have to be finite and not negative.")
    if not nulls or not min(nulls) > rounding:  # nor where that overflowed
        return None
    ratio = None if error is None else _ratio(error, min(nulls))
    return None if ratio is None else 1.0 - ratio


def attention_max_abs(kappa, reference_kappa):
    """Largest absolute difference of the attention weights, per head.

    Parameters
    ----------
    kappa : array_like or None
        (n_head, n_token, n_context), decoded from the circuit; None if no cell represents it (memory wiring).
    reference_kappa : array_like
        (n_head, n_token, n_context), of the algebra.

    Returns
    -------
    list of float, or None
        One entry per head; None if `kappa` is None.
    """
    if kappa is None:
        return None
    kappa, reference_kappa = _heads(kappa, reference_kappa)
    return np.abs(kappa - reference_kappa).max(axis=(1, 2)).tolist()


def kappa_correlation(kappa, reference_kappa, mask=None):
    """Correlation of the attention weights with those of the algebra, as deviations from uniform attention.

    The cosine of kappa - u and reference_kappa - u, over all heads, tokens and context; u is 1/n_context, or with a mask
    one over the number of open microcolumns of a token, and zero in closed ones. There is no further centring: if the
    weights of a token sum to one, the deviations have mean zero and this is Pearson's correlation; otherwise the wrong
    sum counts as an error.

    Parameters
    ----------
    kappa, reference_kappa
        As in `attention_max_abs`; the reference normalised.
    mask : ndarray of bool, shape (n_token, n_context), optional

    Returns
    -------
    float or None
        None if `kappa` is None, or if either is uniform to within rounding.
    """
    if kappa is None:
        return None
    pair = _heads(kappa, reference_kappa)
    n_context = pair[0].shape[2]
    uniform = 1.0 / n_context
    if mask is not None:
        uniform = mask / np.maximum(np.sum(mask, axis=1, keepdims=True), 1)
    deviations = [weights - uniform for weights in pair]
    rounding = 4 * n_context * np.finfo(float).eps  # a normalised weight is off by about n_context roundings
    if any(np.abs(deviation).max() <= rounding for deviation in deviations):
        return None
    return _cosine(*deviations)


def _pair(output, reference):
    output, reference = np.asarray(output, dtype=float), np.asarray(reference, dtype=float)
    if output.shape != reference.shape:
        raise ValueError(f"output has shape {output.shape}, but the reference has {reference.shape}.")
    if output.size == 0:
        raise ValueError(f"nothing to compare: output has shape {output.shape}.")
    for name, array in (("output", output), ("reference", reference)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has {np.sum(~np.isfinite(array))} entries of {array.size} that are not finite.")
    return output, reference


def _heads(kappa, reference_kappa):
    kappa, reference_kappa = _pair(kappa, reference_kappa)
    if kappa.ndim != 3:
        raise ValueError(f"kappa has shape {kappa.shape}, but needs (n_head, n_token, n_context).")
    return kappa, reference_kappa


def _cosine(a, b):
    lengths = [np.abs(x).max() for x in (a, b)]
    if min(lengths) == 0:
        return None
    a, b = a / lengths[0], b / lengths[1]
    return float(np.clip(np.vdot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)), -1.0, 1.0))


def _ratio(numerator, denominator):
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ratio = float(np.float64(numerator) / np.float64(denominator))
    return ratio if np.isfinite(ratio) else None
