"""Traces: variables of chosen cells, recorded at every time step; what a user asks for, and the cells that are meant."""

from typing import NamedTuple

import numpy as np

WORDS = ("default", "sample", "all")
FEW = 8  # chosen: cells of which a trace is recorded


class Traced(NamedTuple):
    """Variables of which traces are recorded, and the flat indices of the cells."""

    variables: tuple
    cells: np.ndarray


class RecordError(ValueError):
    """Something to record that is not there; the message is one sentence that names it."""


class Request(NamedTuple):
    """What is to be recorded of a population besides its spikes or rates.

    Attributes
    ----------
    variables : tuple of str
        Variables of the cells, in Brian2's equations: "v", "basal".
    at : dict of str to int
        Index along some axes: {"head": 0, "token": 2}; all cells that lie there are meant.
    count : int
        At most so many cells, drawn at random.
    """

    variables: tuple
    at: dict = {}
    count: int = FEW


def request_of(record):
    """Which cells are recorded, and the traces that are asked for.

    Parameters
    ----------
    record : str, or dict of str to (list of str, dict or Request)
        "default", "sample" or "all"; or, by population, names of variables, or a dict with `variables`, `count` and the
        index along any axis: ``{"superficial": {"variables": ["v", "apical"], "head": 0, "token": 2}}``. The key "cells"
        takes one of the words.

    Returns
    -------
    word : str
    traces : dict of str to Request

    Raises
    ------
    RecordError
        For an unknown word, or a request that is neither.
    """
    asked = {"cells": record} if isinstance(record, str) else dict(record) if isinstance(record, dict) else None
    if asked is None:
        raise RecordError(
            f"record is of type {type(record).__name__} but needs to be one of {', '.join(WORDS)}, or a dict"
        )
    word = asked.pop("cells", "default")
    if word not in WORDS:
        raise RecordError(f"record is '{word}' but needs to be one of {', '.join(WORDS)}")
    return word, {name: _request(name, each) for name, each in asked.items()}


def _request(name, given):
    """Request of a population (or RecordError)."""
    given = {**given.at, "variables": given.variables, "count": given.count} if isinstance(given, Request) else given
    given = {"variables": given} if not isinstance(given, dict) else dict(given)
    variables, count = given.pop("variables", ()), given.pop("count", FEW)
    variables = (variables,) if isinstance(variables, str) else variables
    variables = tuple(variables) if isinstance(variables, list | tuple) else ()
    if not variables or not all(isinstance(each, str) for each in variables):
        raise RecordError(f"record: population '{name}' needs names of variables, such as [\"v\"]")
    numbers = (*given.items(), ("count", count))
    wrong = [key for key, value in numbers if isinstance(value, bool) or not isinstance(value, int | np.integer)]
    if wrong:
        raise RecordError(f"record: {wrong[0]} of population '{name}' needs to be a whole number")
    if count < 1:
        raise RecordError(f"record: count of population '{name}' is {count} but needs to be at least 1")
    return Request(variables, given, count)


def traced_of(name, request, concrete, recorded):
    """Traced of a population.

    Parameters
    ----------
    name : str
    request : Request
    concrete : dict of str to Concrete
    recorded : dict of str to ndarray of int
        Cells that are recorded anyway: they are preferred.

    Returns
    -------
    Traced

    Raises
    ------
    RecordError
        If there is no such population, or no cell where the request says.
    """
    if name not in concrete:
        raise RecordError(f"record: there is no population '{name}'; there are {', '.join(concrete)}")
    each = concrete[name]
    here = np.arange(each.n_cell).reshape(each.shape)[0]
    kinds = [kind for kind, _ in each.axes][1:]
    for kind, index in request.at.items():
        if kind not in kinds:
            raise RecordError(f"record: population '{name}' has no axis '{kind}'; it has {', '.join(kinds)}")
        if not 0 <= index < each.axes[1 + kinds.index(kind)][1]:
            size = each.axes[1 + kinds.index(kind)][1]
            raise RecordError(f"record: {kind} of population '{name}' is {index} but needs to lie below {size}")
    place = tuple(request.at.get(kind, slice(None)) for kind in kinds)
    cells = here[place].ravel()
    known = np.intersect1d(cells, recorded[name])
    if cells.size > request.count:
        cells = known if known.size >= request.count else cells
        cells = np.random.default_rng(0).choice(cells, request.count, replace=False)
    return Traced(request.variables, np.sort(cells))
