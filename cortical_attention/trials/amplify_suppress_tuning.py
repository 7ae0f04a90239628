"""Tuning and testing of circuits of `circuits.amplify_suppress`: which have the four signs found in mice."""

from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from cortical_attention.circuits.amplify_suppress import LARGEST, Parameters
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.reference.amplify_suppress import growth
from cortical_attention.trials.amplify_suppress import (
    ARMS,
    BOTH,
    SIGNS,
    TASKS,
    accuracy,
    changes,
    early_over_late,
    trials,
)
from cortical_attention.trials.amplify_suppress_mechanisms import (
    OWN,
    OWN_LOW,
    SHUFFLED,
    SHUFFLED_LOW,
    around,
    circuits,
    draw,
)
from cortical_attention.trials.amplify_suppress_spikes import accuracy_in_spikes
from cortical_attention.trials.batch import part_of
from cortical_attention.trials.protocol import PROTOCOL

ASKED = PROTOCOL["amplify_suppress"]
N_CELL = 20  # of each population that spikes; chosen: so that a run takes seconds
SPREAD, IN_RANGE, CANDIDATES = 0.2, (0.6, 0.95), 5  # accuracy of an intact circuit; chosen: neither floor nor ceiling
SILENCED = tuple(ARMS)[:3]  # what circuits are tuned on
SWAPPED = {OWN: SHUFFLED, OWN_LOW: SHUFFLED_LOW}
POINTS, SEARCH, CONFIRM, AROUND, NEAR, TEST, SHOWN, SPIKES = range(8)  # children of the seed


class Design(NamedTuple):
    """Numbers: points of the range; trials of each task in search, confirmation and test; points around the best one;
    trials of each task of a circuit that spikes, and mechanisms."""

    points: int
    search: int
    confirm: int
    test: int
    near: int
    spikes: int
    mechanisms: tuple


def child(seed, *key):
    """A seed of its own (numpy.random.SeedSequence)."""
    return np.random.SeedSequence(seed, spawn_key=key)


# Tuning
def tune(mechanism, design, seed, report=None):
    """Search the range for the four signs, and keep the point where the smallest change is largest.

    Parameters
    ----------
    mechanism : str
    design : Design
    seed : int
    report : callable, optional
        Progress report of Brian2.

    Returns
    -------
    dict
        `point`, and a row: numbers of points that pass the search, that do so again with other trials (`confirmed`), of
        these where silencing both populations hurts in both tasks as it does in mice (`both`), and where early pulses count
        as much as late ones (`even`); the share of the range that passes.
    """
    drawn = draw(design.points, child(seed, POINTS))
    given = trials(design.search, child(seed, SEARCH))
    found = accuracy(circuits(mechanism, drawn), given, SILENCED, part_of(report, 0, 2))
    passed, best = passing(found), smallest(found)
    asked = np.union1d(np.flatnonzero(passed), np.argsort(-best)[:CANDIDATES])
    points = {name: each[asked] for name, each in drawn.items()}
    again = trials(design.confirm, child(seed, CONFIRM))
    found = accuracy(circuits(mechanism, points), again, report=part_of(report, 1, 2))
    kept = {name: float(each[np.argmax(smallest(found))]) for name, each in points.items()}
    confirmed = passing(found) & passed[asked]
    even = np.abs([early_over_late(again.pulses[1], each[0, 1]) for each in found]) <= ASKED["even"]
    counts = {
        "passed": passed, "confirmed": confirmed,
        "both": confirmed & passing(found, BOTH), "even": confirmed & even,
    }  # fmt: skip
    row = {"mechanism": mechanism, "points": design.points, **{name: int(each.sum()) for name, each in counts.items()}}
    return {"point": kept, "row": row | share_of("share", passed)}


def nearby(mechanism, point, design, seed):
    """Shares of points within 20 per cent of a point that have four signs (`near`), and all six (`near_both`) (dict)."""
    points = around(point, design.near, SPREAD, child(seed, AROUND))
    found = accuracy(circuits(mechanism, points), trials(design.search, child(seed, NEAR)))
    return share_of("near", passing(found)) | share_of("near_both", passing(found) & passing(found, BOTH))


def passing(right, names=tuple(SIGNS)):
    """Whether circuits have the four signs, or others, each with enough points (ndarray of bool, (n_circuit,))."""
    found = changes(right)
    return np.all([found[name] >= ASKED["points"] for name in names], axis=0)


def smallest(right):
    """The smallest of the four changes; minus one where the intact circuit is at the floor or the ceiling ((n_circuit,))."""
    intact, found = right[:, 0].mean(axis=-1), changes(right)
    inside = np.all((intact >= IN_RANGE[0]) & (intact <= IN_RANGE[1]), axis=1)
    return np.where(inside, np.min([found[name] for name in SIGNS], axis=0), -1)


def share_of(name, passed):
    """Share of points, and its interval (dict)."""
    test = binomtest(int(passed.sum()), len(passed))
    ends = test.proportion_ci(confidence_level=PROTOCOL["intervals"]["confidence"])
    return {name: float(passed.mean()), f"{name}_interval": [float(ends.low), float(ends.high)]}


# Test
class Asked(NamedTuple):
    """A circuit to test: its label, its mechanism, and its point of the range (dict of str to float)."""

    label: str
    mechanism: str
    point: dict


def asked_of(points, also=""):
    """Circuits of points by mechanism, and with the signals of both populations swapped where each hears its own."""
    found = [Asked(f"{name}{also}", name, point) for name, point in points.items()]
    swapped = [Asked(f"{name}{also}, swapped", SWAPPED[name], points[name]) for name in points if name in SWAPPED]
    return found + swapped


def examine(asked, design, seeds, seed, report=None):
    """Changes of accuracy of circuits in trials on which none was tuned.

    Parameters
    ----------
    asked : sequence of Asked
    design : Design
    seeds, seed : int
        Number of seeds, and the seed that they come from.
    report : callable, optional
        Progress report of Brian2.

    Returns
    -------
    list of dict
        For each circuit: `accuracy` of every task and arm, `changes` by name with value and interval, how many of the four
        `signs` and of `all_signs` hold, `early_over_late`, and `growth` of the difference of the pools with D2 cells at
        rest and without them (1/s).
    """
    made = [circuits(each.mechanism, {k: np.array([v]) for k, v in each.point.items()}) for each in asked]
    together = Parameters(*(np.concatenate([np.broadcast_to(e, 1) for e in each]) for each in zip(*made, strict=True)))
    found, early = [], []
    for k in range(seeds):
        given = trials(design.test, child(seed, TEST, k))
        right = accuracy(together, given, report=part_of(report, k, seeds))
        found.append(right.mean(axis=-1))
        early.append([early_over_late(given.pulses[1], each[0, 1]) for each in right])
    found, early = np.array(found), np.array(early)  # (n_seed, n_circuit, n_arm, n_task), (n_seed, n_circuit)
    return [
        row_of(each.label, found[:, k], early[:, k], {n: float(v[k]) for n, v in together._asdict().items()})
        for k, each in enumerate(asked)
    ]


def examine_spikes(asked, design, seeds, seed, report=None):
    """Changes of accuracy of one circuit whose cells spike; arguments as for `examine`, and a row as there (dict)."""
    point = {name: np.array([each]) for name, each in asked.point.items()}
    given = circuits(asked.mechanism, point)._asdict()
    parameters = Parameters(**{name: float(np.ravel(each)[0]) for name, each in given.items()})
    found, early = [], []
    for k in range(seeds):
        shown = trials(design.spikes, child(seed, SPIKES, k))
        phases = child(seed, SPIKES, k, 0)
        right = accuracy_in_spikes(parameters, shown, N_CELL, phases, report=part_of(report, k, seeds))[0]
        found.append(right.mean(axis=-1))
        early.append(early_over_late(shown.pulses[1], right[0, 1]))
    return row_of(asked.label, np.array(found), np.array(early), parameters._asdict())


def row_of(label, means, early, parameters):
    """What was found of one circuit, from means (n_seed, n_arm, n_task) (dict)."""
    each = {name: measured(values) for name, values in changes(means[..., None]).items()}
    held = {name for name in each if outcome(**each[name], threshold=ASKED["points"], rule="at least") == "held"}
    mean = means.mean(axis=0)
    rest = 1 + parameters["a"] * min(parameters["d2"], LARGEST)
    rates = [float(growth(gain, parameters["w"], parameters["m"], parameters["tau"] / 1000)) for gain in (rest, 1)]
    return {
        "circuit": label, "changes": each, "signs": len(held & set(SIGNS)), "all_signs": len(held),
        "early_over_late": measured(early), "growth": rates,
        "accuracy": {task: dict(zip(ARMS, map(float, mean[:, k]), strict=True)) for k, task in enumerate(TASKS)},
        "parameters": {name: value if np.isfinite(value) else None for name, value in parameters.items()},
    }  # fmt: skip


def outcome(value, interval, threshold, rule):
    """Whether a figure is as asked (str): "held", "missed", or "undecided" where the interval does not tell it from zero.

    "at least" asks for a value of the threshold and an interval above zero; "at most" and "within" for the value itself.
    What is not a finite number is undecided.
    """
    if not np.isfinite([value, *(interval or ())]).all():
        return "undecided"
    if rule == "at least":
        if value < threshold:
            return "missed"
        return "held" if interval is None or interval[0] > 0 else "undecided"
    return "held" if (abs(value) if rule == "within" else value) <= threshold else "missed"


def measured(values):
    """Mean over seeds and its interval (dict)."""
    return {
        "value": float(np.mean(values)), "interval": cluster_interval(values, range(len(values)), **PROTOCOL["intervals"]),
    }  # fmt: skip
