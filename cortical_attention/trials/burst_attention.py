"""Relays of one cell that are shown tokens, in each mode: what every family leaves of attention to them, and of a circuit.

The matrix nucleus, whence keys and values come, is in the mode that an arm is named after; the core, whence queries come, is
tonic, but for the arm in which both are in burst mode. Cortex is the algebra of attention, or a circuit in rates.
"""

from functools import partial

import numpy as np
from brian2 import mV

from cortical_attention.cells.membranes.thalamic import CONDUCTANCE
from cortical_attention.inputs.suite import random_case
from cortical_attention.reference.token_families import TOKEN_FAMILIES
from cortical_attention.trials.left_by_families import EVERY, cross_fitted, ends, left, place
from cortical_attention.trials.played_relays import PER_SLOT, WIDTH, terms
from cortical_attention.trials.protocol import PROTOCOL
from cortical_attention.trials.relay_bank import (
    BEFORE,
    EARLY,
    LATE,
    RELAYS,
    SLOTS,
    WINDOWS,
    Point,
    draw_tokens,
    measure,
    novelty,
)
from cortical_attention.trials.spiking_relays import relay_trains, spiking_terms

TARGETS = PROTOCOL["burst_attention"]
CELLS = tuple(TARGETS["cells"])
N_TOKEN, D_MODEL, SCALE = 4, 16, 2.0  # with two heads: 8 values of which free weights make 8 of 16 dimensions
TONIC, BURST, BOTH, WITHOUT = ARMS = "tonic", "burst", "both in burst", "no T-current"
LESS = "burst less tonic"
F_X, BIT, GATE = "elementwise", "mode bit", "self-gate"
IN_SPIKES = F_X, GATE  # families of the circuit in spikes
HEARD, HEARD_IN = ("paper", F_X, BIT, GATE), (TONIC, BURST)  # families and arms of the circuit
OTHER_WEIGHT = 0.12 * CONDUCTANCE  # of the prototypes, in which tonic cells pass on six spikes in ten
DEPTHS = {  # other points of burst mode
    "fire_or_burst": [Point(held * mV, RELAYS["fire_or_burst"].burst.weight) for held in (-65, -70, -80)],
    "low_threshold": [Point(held * mV, RELAYS["low_threshold"].burst.weight) for held in (-76, -80, -88)]
    + [Point(-80 * mV, OTHER_WEIGHT)],
}
DEEP_CELLS = 64  # of a component, sign and replica at those points


def cases_of(seed, n):
    """Weights of attention, each with sequences to calibrate a circuit on (list of Case)."""
    return [random_case(np.random.SeedSequence([seed, 1, k]), N_TOKEN, d_model=D_MODEL, scale=SCALE) for k in range(n)]


def nuclei(cell, shown, cells, seed, report=None):
    """Core and matrix relays of every arm, and the rate of each without a driver.

    Returns
    -------
    dict of str to (ndarray, ndarray), shape (n_step, 2, n_input, n_token, d_model)
        Rates of core and matrix in steps of `WIDTH`, Hz.
    dict of str to float
        Hz.
    """
    relay, kind = RELAYS[cell], CELLS.index(cell)
    points = [relay.tonic, relay.tonic, relay.burst, relay.burst]
    with_it = measure(relay, points, shown, cells, [seed, 2, kind], report, WIDTH)
    without = measure(relay.without_t_current(), [relay.burst], shown, cells, [seed, 3, kind], report, WIDTH)
    core, matrix, bursting, core_bursting = with_it.rates
    quiet = dict(zip((TONIC, BURST, WITHOUT), (*with_it.quiet[1:3], *without.quiet), strict=True))
    arms = {TONIC: matrix, BURST: bursting, BOTH: bursting, WITHOUT: without.rates[0]}
    return {arm: (core_bursting if arm == BOTH else core, each) for arm, each in arms.items()}, quiet


def deeper(cell, core, shown, blocks, n_input, seed, report=None):
    """Rows of burst mode at other points, for the first inputs (list of dict)."""
    few, rows = shown.first(n_input), []
    found = measure(RELAYS[cell], DEPTHS[cell], few, DEEP_CELLS, [seed, 4, CELLS.index(cell)], report, WIDTH)
    for point, matrix, quiet in zip(DEPTHS[cell], *found, strict=True):
        about = {
            "held_mV": float(point.held / mV),
            "weight_mS_cm2": float(point.weight / CONDUCTANCE),
            "quiet_Hz": quiet,
        }
        own = rows_of(cell, BURST, (core[:, :, :n_input], matrix), few, blocks, (EARLY,))
        rows += [{**each, **about, "part": "other points"} for each in own if each["family"] in TOKEN_FAMILIES]
    return rows


def in_window(rates, window):
    """Mean rates in a window."""
    return rates.reshape(-1, PER_SLOT, *rates.shape[1:])[SLOTS[window]].mean(axis=(0, 1))


def rows_of(cell, arm, both, shown, blocks, windows=WINDOWS):
    """What every family leaves of attention to relays of an arm in each window (list of dict)."""
    steady, rows = [in_window(each, BEFORE) for each in both], []
    for window in windows:
        found = cross_fitted([in_window(each, window) for each in both], steady, shown, window, blocks)
        rows += [_row("algebra", cell, arm, window, each, *left(found[each], found["answer"])) for each in EVERY]
    return rows


def circuit_rows(cell, arms, shown, blocks, n_heard, report=None):
    """The same of a circuit in rates that hears the relays, and of burst less tonic (list of dict)."""
    train, test = np.arange(n_heard, len(shown.tokens)), np.arange(n_heard)
    found, jobs = {}, [(arm, block) for arm in HEARD_IN for block in blocks]
    for n, (arm, block) in enumerate(jobs):
        found.setdefault(arm, []).append(terms(block, *arms[arm], shown, train, test, HEARD))
        if report:
            report((n + 1) / len(jobs))
    return _heard_rows("circuit", cell, found, HEARD)


def _heard_rows(part, cell, found, families):
    """Rows from the terms of each arm, a list over blocks."""
    rows = []
    for window in (EARLY, LATE):
        for family in families:
            both = {
                arm: left([each[window][family] for each in every], [each[window]["answer"] for each in every])
                for arm, every in found.items()
            }
            (more, of_more), (less, of_less) = both[BURST], both[TONIC]
            every = {**both, LESS: (more - less, of_more - of_less)}
            rows += [_row(part, cell, arm, window, family, *each) for arm, each in every.items()]
    return rows


def spike_rows(cell, arms, shown, cases, n_heard, cells, seed, report=None):
    """The same of a circuit in spikes, with so many cells for a value (list of dict)."""
    relay, found = RELAYS[cell], {}
    train, test = np.arange(n_heard, len(shown.tokens)), np.arange(n_heard)
    points = [relay.tonic, relay.tonic, relay.burst]
    for n, case in enumerate(cases):
        one = int(np.random.SeedSequence([seed, 5, CELLS.index(cell), n]).generate_state(1)[0])
        core, *modes = relay_trains(relay, points, shown.first(n_heard), cells, one)
        for k, (arm, matrix) in enumerate(zip(HEARD_IN, modes, strict=True)):
            heard = arms[arm], (core, matrix)
            found.setdefault(arm, []).append(spiking_terms(case, *heard, shown, train, test, IN_SPIKES, cells, one + k))
            if report:
                report((n + (k + 1) / len(HEARD_IN)) / len(cases))
    return _heard_rows("spikes", cell, found, IN_SPIKES)


def _row(part, cell, arm, window, family, value, drawn):
    interval = ends(drawn, **PROTOCOL["intervals"])
    placed = place(interval, TARGETS["tonic"], TARGETS["elementwise"])
    return {"part": part, "cell": cell, "arm": arm, "window": window, "family": family, "value": value,
            "interval": interval, "place": placed}  # fmt: skip


def gains_of(cell, arms, shown):
    """Novelty gain of each arm in the first 50 ms (list of dict)."""
    rows = []
    for arm in (TONIC, BURST, WITHOUT):
        gains, drawn = novelty(in_window(arms[arm][1], EARLY).mean(axis=0), shown)
        interval = ends(drawn[1:], **PROTOCOL["intervals"])
        rows.append({"cell": cell, "arm": arm, **gains, "value": float(drawn[0]), "interval": interval})
    return rows


def run_cell(cell, sizes, seeds, seed, report):
    """Everything about one relay cell: rows, and gains with rates without a driver (two lists of dict)."""
    shown, cases = draw_tokens([seed, 0], sizes["inputs"], N_TOKEN, D_MODEL), cases_of(seed, seeds)
    blocks = [case.block for case in cases]
    arms, quiet = nuclei(cell, shown, sizes["cells"], seed, partial(report, 0))
    rows = [row for arm, both in arms.items() for row in rows_of(cell, arm, both, shown, blocks)]
    if sizes["deep"]:
        rows += deeper(cell, arms[TONIC][0], shown, blocks, sizes["deep"], seed, partial(report, 1))
    rows += circuit_rows(cell, arms, shown, blocks[: sizes["circuits"]], sizes["heard"], partial(report, 2))
    if sizes["spiking"]:
        given = cases[: sizes["spiking"]], sizes["heard_in_spikes"], sizes["cells_in_spikes"]
        rows += spike_rows(cell, arms, shown, *given, seed, partial(report, 3))
    return rows, [{**each, "quiet_Hz": quiet[each["arm"]]} for each in gains_of(cell, arms, shown)]
