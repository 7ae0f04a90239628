"""Inputs, runs and figures of the experiment on precision: keys whose norms spread, and answers against the algebra."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from brian2 import second

from cortical_attention.circuits.precision import precision_wiring
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.precision import of_distance, of_product, robust_mean, settled
from cortical_attention.simulation.attend import Settings, attend, calibrate

D_KEY, D_VALUE, N_TOKEN, N_CONTEXT = 6, 6, 4, 8
CONSTANT = np.sqrt(
    D_KEY
)  # chosen: precisions by distance are then those by product where keys have the norm of queries
# chosen: 80 ms at the largest total precision, 31 in other draws, where the lags of the loop are 30 ms in rates
T = {"product": 2.5 * second, "prior": 2.5 * second, "distance": 2.5 * second, "error": 0.3 * second}
IN_SPIKES = {"error": 2 * second}  # chosen: with less, the noise of spikes moves the representation too much to settle
MEDIAN_TOTAL = (
    12.5  # of the total precision of 1,600 queries in other draws, so that the loop has a time constant of 0.2 s
)
FIFTY = 50 * T["product"] / MEDIAN_TOTAL  # 10 s
SETTLE = 25 * second  # chosen: 50 time constants for queries with a total precision of 5 too
WITHOUT = 0.5 * second  # T of the control without prediction, which settles with T itself
CELLS = {
    "product": 1,
    "distance": 1,
    "error": 8,
}  # cells per value in spikes; chosen: squared errors have low unit rates
PRIOR = {"prior": 0.5, "prior_precision": 5.0}
SPREAD_OF_ERRORS, OUTLIER = 1.5, 3.0  # s, and what the first value of each context is multiplied by
N_CALIBRATION = 10
OTHER = 2**31  # seeds of calibration sequences, which are no seeds of inputs


def drawn(seed, spread, outlier=1.0):
    """Queries of norm sqrt(d_key), keys of norm sqrt(d_key) exp(spread z) with normal z, and normal values.

    Parameters
    ----------
    seed : int
    spread : float
        Standard deviation of the logarithm of a key's norm. Directions, z and values do not depend on it.
    outlier : float
        Factor of the first value.

    Returns
    -------
    queries, keys, values : ndarray, shape (n_token, d_key), (n_context, d_key) and (n_context, d_value)
    """
    stream = np.random.default_rng(seed)
    queries, keys = stream.standard_normal((N_TOKEN, D_KEY)), stream.standard_normal((N_CONTEXT, D_KEY))
    size, values = stream.standard_normal((N_CONTEXT, 1)), stream.standard_normal((N_CONTEXT, D_VALUE))
    queries, keys = (np.sqrt(D_KEY) * each / np.linalg.norm(each, axis=-1, keepdims=True) for each in (queries, keys))
    values[0] *= outlier
    return queries, keys * np.exp(spread * size), values


def asked(precision, form, inputs, report=None, *, spread=0.0, cut=False, settle=SETTLE):
    """Answer of a circuit to inputs side by side, and its error at each phase.

    Parameters
    ----------
    precision : {"product", "prior", "distance", "error"}
        "prior": by product, with a prior.
    form : str
    inputs : list of tuple
        As of `drawn`.
    report : callable, optional
        Progress report of Brian2.
    spread : float
        Of the key norms of the calibration sequences, in spikes.
    cut : bool
        Whether the prediction is kept from the error cells: the control without it, with a prior of precision one.
    settle : Quantity (s)

    Returns
    -------
    Answer
    """
    tokens, context, weights = _tokens(inputs)
    kind = {"prior": "product"}.get(precision, precision)
    block = {
        "precision": kind,
        "T": WITHOUT if cut else time_constant(precision, form),
        "spread": SPREAD_OF_ERRORS,
        **weights,
    }
    block |= {"constant": CONSTANT} if kind == "distance" else {}
    block |= PRIOR if precision == "prior" else {}
    spikes = {"window": 2 * second, "cells": CELLS[precision]} if form == "spiking" else {"window": 0.5 * second}
    settings = Settings(form, settle=settle, record="sample", **spikes)
    wiring, calibration = (_without_prediction if cut else precision_wiring), None
    if form == "spiking":
        others = [drawn(OTHER + k, spread, _outlier(precision)) for k in range(N_CALIBRATION)]
        tokens_of_others, context_of_others, _ = _tokens(others)
        calibration = calibrate(wiring, tokens_of_others, settings, context=context_of_others, **block)
    return attend(wiring, tokens, settings, report, calibration, context=context, **block)


def time_constant(precision, form):
    """T of the representation (Quantity, s)."""
    return IN_SPIKES.get(precision, T[precision]) if form == "spiking" else T[precision]


def _outlier(precision):
    """Factor of the first value of each context."""
    return OUTLIER if precision == "error" else 1.0


def _tokens(inputs):
    """Tokens that hold a query, context tokens that hold a key and a value, and the weights that part them."""
    queries, keys, values = (np.stack(each) for each in zip(*inputs, strict=True))
    tokens = np.concatenate([queries, np.zeros((*queries.shape[:2], D_VALUE))], axis=-1)
    eye = np.eye(D_KEY + D_VALUE)
    weights = {
        "W_Q": eye[None, :D_KEY],
        "W_K": eye[None, :D_KEY],
        "W_V": eye[None, D_KEY:],
        "W_O": eye[None, :, D_KEY:],
    }
    return tokens, np.concatenate([keys, values], axis=-1), weights


def _without_prediction(*given, **block):
    """The wiring without the projection from the representation to the error cells, and with a leak in its place."""
    plan = precision_wiring(*given, **block | {"prior_precision": 1.0})
    kept = tuple(each for each in plan.circuit.projections if each.name != "representation -> error.basal")
    return plan._replace(circuit=plan.circuit._replace(projections=kept))


def algebra(precision, one):
    """Answer of the algebra to one input, (n_token, d_value); precision as for `asked`."""
    queries, keys, values = one
    if precision == "error":
        return np.repeat(robust_mean(values, SPREAD_OF_ERRORS)[None], N_TOKEN, axis=0)
    if precision == "distance":
        return settled(of_distance(queries, keys, CONSTANT), values).output
    return settled(of_product(queries, keys), values, **(PRIOR if precision == "prior" else {})).output


def total(precision, one):
    """Total precision of the queries of one input, (n_token,)."""
    queries, keys, values = one
    if precision == "error":
        squared = ((values - robust_mean(values, SPREAD_OF_ERRORS)) ** 2).sum(axis=-1)
        return np.repeat((1 / (squared + SPREAD_OF_ERRORS**2)).sum(), N_TOKEN)
    score = of_distance(queries, keys, CONSTANT) if precision == "distance" else of_product(queries, keys)
    return settled(score, values, **(PRIOR if precision == "prior" else {})).total


def rows_of(precision, form, labels, inputs, answer, settle=SETTLE):
    """Figures of a run, a row for each input (list of dict).

    Parameters
    ----------
    precision, form : str
    labels : list of dict
        Spread and seed of each input.
    inputs : list of tuple
    answer : Answer
    settle : Quantity (s)

    Returns
    -------
    list of dict
        `error`, relative L2 from the algebra of the same precision; `from_softmax` and `algebra_from_softmax`, that of
        the circuit and that of the algebra from softmax attention; `over_queries`, what differs between the answers to
        the queries of an input, relative to their norm; `cosine` with softmax attention, the mean over queries;
        `plain_mean`, relative L2 of the mean of the values from the algebra; `time_constants` of the slowest query in the
        settling time.
    """
    found, tau = [], time_constant(precision, form)
    for label, one, output, done in zip(
        labels, inputs, answer.output[..., D_KEY:], answer.settled.settled, strict=True
    ):
        right, softmax = algebra(precision, one), algebra("product", one)
        lengths = np.linalg.norm(output, axis=-1) * np.linalg.norm(softmax, axis=-1)
        found.append({
            "precision": precision, "form": form, **label, "error": relative_l2(output, right),
            "from_softmax": relative_l2(output, softmax), "algebra_from_softmax": relative_l2(right, softmax),
            "over_queries": float(np.linalg.norm(output - output.mean(axis=0)) / np.linalg.norm(output)),
            "cosine": float(((output * softmax).sum(axis=-1) / lengths).mean()),
            "plain_mean": relative_l2(np.broadcast_to(one[2].mean(axis=0), right.shape), right),
            "time_constants": float(settle / tau * total(precision, one).min()), "settled": bool(done),
        })  # fmt: skip
    return found


def over_time(inputs, answer):
    """Relative L2 from softmax attention at the end of each phase, means over inputs: times (s) and errors (ndarray)."""
    values = answer.run.values["representation"][:, :, 0]
    right = np.stack([algebra("product", one) for one in inputs])
    errors = [np.mean([relative_l2(*pair) for pair in zip(each, right, strict=True)]) for each in values]
    return float(answer.plan.protocol.phase) * (1 + np.arange(len(errors))), np.array(errors)


class Job(NamedTuple):
    """A circuit to run: what it is called in rows, its inputs with their labels, and a function that asks it."""

    precision: str
    form: str
    labels: list
    inputs: list
    ask: Callable


def job(name, precision, form, spreads, seeds, **given):
    """Job of the inputs of some spreads and seeds; `given` as for `asked`."""
    labels = [{"spread": spread, "seed": seed} for spread in spreads for seed in seeds]
    inputs = [drawn(label["seed"], label["spread"], _outlier(precision)) for label in labels]
    return Job(name, form, labels, inputs, partial(asked, precision, form, inputs, spread=spreads[0], **given))
