"""Designs of `experiments.reticular`: selection among scores, a ramp of one score, rhythms, and a gate by key."""

from typing import NamedTuple

import numpy as np
from brian2 import ms, mV

from cortical_attention.cells.membranes.reticular import RETICULAR
from cortical_attention.cells.membranes.thalamic import CONDUCTANCE, DENSITY, holding
from cortical_attention.circuits.nucleus import GABA_A
from cortical_attention.circuits.reticular import N_RETICULAR, PATTERNS
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.sparsemax import sparsemax
from cortical_attention.trials.families import nearest
from cortical_attention.trials.normalisations import FAMILIES, fitted, hysteresis, shares, spectral_peak
from cortical_attention.trials.reticular import AWAKE, RELAYS, RESTING, WINDOW, Loops, channel_rates, gains, run

N_CHANNEL, N_QUERY = 8, 4  # four inputs a seed
OTHER_STRENGTHS = (0.02, 0.12)  # mS/cm2, of inhibition that is not broad
RAMPED, STEP, LOW, HIGH, RIVAL = (0.05, 0.1, 0.2, 0.3), 0.25, -1.0, 3.0, 1.0  # mS/cm2; the others in scores
STAY, BEFORE = 300 * ms, 3  # at a score of the ramp, counted in its last two thirds; steps before it
RHYTHMIC, HELD = (0.05, 0.1, 0.2), (-78, -74, -70, -66, -62)  # mS/cm2; mV
LASTS, BIN, AT_REST, N_COPY = (
    4000 * ms,
    5 * ms,
    0.1,
    3,
)  # AT_REST: part of the current of a score that a relay at rest gets
GATED = 0.04  # mS/cm2: strength of the inhibition whose rates gate tokens


class Condition(NamedTuple):
    """A circuit of the selection: whom channels inhibit, how strongly (mS/cm2), and whether scores have a mean of zero."""

    pattern: str
    strength: float
    centred: bool = False


def selective(cell):
    """Conditions of `selection` (list of Condition)."""
    strengths = (0.0, *RELAYS[cell].strengths)
    return [
        *(Condition("broad", strength, centred) for centred in (False, True) for strength in strengths),
        *(Condition(pattern, strength) for pattern in PATTERNS if pattern != "broad" for strength in OTHER_STRENGTHS),
    ]


def scores_of(seeds):
    """Scores of each seed, standard normal (ndarray, (n_seed, N_QUERY, N_CHANNEL))."""
    return np.stack([np.random.default_rng([seed, 18]).standard_normal((N_QUERY, N_CHANNEL)) for seed in seeds])


# Selection
def selection(cell, seeds, noise, conditions, target="auto", T_current=True):
    """Rates of relays that are given scores, and what families of normalisation leave of them.

    Parameters
    ----------
    cell : str
        Of `RELAYS`.
    seeds : sequence of int
        Of scores.
    noise : int
        Seed of the noise of cells.
    conditions : sequence of Condition
    target : str
    T_current : bool
        Whether relays have theirs.

    Returns
    -------
    rows : list of dict
        One for each condition and seed.
    shares : dict of Condition to ndarray, shape (n_seed, N_QUERY, N_CHANNEL)
    """
    drawn, relay = scores_of(seeds), RELAYS[cell]
    if not T_current:
        relay = relay._replace(membrane=relay.membrane.changed(g_T=0 * CONDUCTANCE))
    given = np.stack([drawn - drawn.mean(axis=-1, keepdims=True) * each.centred for each in conditions])
    per_condition = given[0, ..., 0].size
    loops = Loops(
        tuple(each.pattern for each in conditions for _ in range(per_condition)),
        np.repeat([each.strength for each in conditions], per_condition),
        relay.current(given).reshape(1, -1, N_CHANNEL),
        np.full(len(conditions) * per_condition, AWAKE / mV) * mV,
    )
    spikes = run(relay, loops, 3 * WINDOW, noise, target=target)
    halves = channel_rates(spikes["relay"], N_CHANNEL, WINDOW)[1:].reshape(2, *given.shape)
    inhibiting = (
        channel_rates(spikes["reticular"], N_CHANNEL, WINDOW, N_RETICULAR)[1:].mean(axis=0).reshape(given.shape)
    )
    strengths = np.array([each.strength for each in conditions])
    tones = strengths * inhibiting.mean(axis=(1, 2, 3)) * float(GABA_A.tau)
    gain, rows, found = gains(relay, tones, noise, target), [], {}
    alone = {each.centred: halves[:, k].mean(axis=0) for k, each in enumerate(conditions) if each.strength == 0}
    for k, each in enumerate(conditions):
        found[each] = shares(halves[:, k].mean(axis=0))
        for s, seed in enumerate(seeds):
            row = {"cell": cell, "T_current": T_current, **each._asdict(), "seed": seed, "gain": gain[k]}
            row |= _read(given[k, s], halves[:, k, s], alone[each.centred][s], gain[k])
            rows.append(row | {"reticular_rate": float(inhibiting[k, s].mean())})
    return rows, found


def _read(scores, halves, alone, gain):
    """What families leave of the rates of a seed, halves (2, N_QUERY, N_CHANNEL) of the time (dict)."""
    rates = halves.mean(axis=0)
    found, total = shares(rates), rates.sum(axis=-1, keepdims=True)
    own = gain * scores / np.maximum(total, 1e-3)  # scores over the temperature R / G of each input
    read = {
        "relay_rate": float(rates.mean()), "total": float(total.mean()), "active": float((found > 0.01).sum(axis=-1).mean()),
        "without_fit": relative_l2(sparsemax(own), found), "uniform": relative_l2(np.full_like(found, 1 / N_CHANNEL), found),
        "other_scores": relative_l2(sparsemax(np.roll(own, 1, axis=0)), found),
        "drift": relative_l2(*shares(halves)),
        "share_of_lowest": float(np.take_along_axis(found, scores.argmin(axis=-1)[:, None], axis=-1).max()),
    }  # fmt: skip
    for name in FAMILIES:
        read[f"{name}, one temperature"], read[f"{name}, one parameter"] = fitted(name, scores, alone, found)
    for name in ("sparsemax", "softmax"):
        read[name], read[f"{name}, factor"] = fitted(name, own, alone, found)
    return read


# Hysteresis
def ramp(cell, seeds, noise, patterns=("lateral", "broad"), strengths=RAMPED, target="auto"):
    """Hysteresis of one channel whose score rises and falls beside a rival of a score of one (list of dict).

    The six other channels have scores about minus one, which differ between seeds.
    """
    rising = np.arange(LOW, HIGH + STEP / 2, STEP)
    course = np.concatenate([np.full(BEFORE, LOW), rising, rising[::-1]])
    conditions = [(pattern, strength) for pattern in patterns for strength in strengths]
    scores = np.tile(scores_of(seeds)[:, 0] * 0.3 - 1, (len(course), len(conditions), 1))
    scores[..., 0], scores[..., 1] = course[:, None], RIVAL
    loops = Loops(
        tuple(pattern for pattern, _ in conditions for _ in seeds), np.repeat([w for _, w in conditions], len(seeds)),
        RELAYS[cell].current(scores), np.full(scores.shape[1], AWAKE / mV) * mV,
    )  # fmt: skip
    spikes = run(RELAYS[cell], loops, STAY, noise, target=target)["relay"]
    rates = channel_rates(spikes, N_CHANNEL, STAY / 3).reshape(len(course), 3, -1, N_CHANNEL)[BEFORE:, 1:].mean(axis=1)
    up, down = np.split(shares(rates[..., :2])[..., 0], 2)
    width = hysteresis(up, down, rising).reshape(len(conditions), len(seeds))
    return [
        {"cell": cell, "pattern": pattern, "strength": strength, "seed": seed, "hysteresis": float(width[k, s])}
        for k, (pattern, strength) in enumerate(conditions) for s, seed in enumerate(seeds)
    ]  # fmt: skip


# Rhythms
def rhythm(cell, seeds, noise, band, target="auto", conditions=None, reticular=RETICULAR):
    """Rhythm of relays beside reticular cells that are held at several potentials (list of dict).

    `conditions` are tuples of a pattern, a strength (mS/cm2), the potential of reticular cells (mV), and whether relays are
    awake; None: all of them.
    """
    conditions, relay = conditions or rhythmic(), RELAYS[cell]
    drawn = np.repeat(scores_of(seeds)[:, 0], N_COPY, axis=0)
    resting = holding(relay.membrane, relay.resting) + AT_REST * drawn * relay.per_score
    current = np.concatenate([np.asarray((relay.current(drawn) if c[3] else resting) / DENSITY) for c in conditions])
    loops = Loops(
        tuple(c[0] for c in conditions for _ in drawn), np.repeat([c[1] for c in conditions], len(drawn)),
        current[None] * DENSITY, np.repeat([c[2] for c in conditions], len(drawn)) * mV,
    )  # fmt: skip
    spikes = run(relay, loops, LASTS, noise, reticular=reticular, target=target)["relay"]
    rates = channel_rates(spikes, N_CHANNEL, BIN)[round(float(1000 * ms / BIN)) :].mean(axis=-1)
    rates = rates.reshape(len(rates), len(conditions), len(seeds), N_COPY)
    rows = []
    for k, (pattern, strength, held, awake) in enumerate(conditions):
        for s, seed in enumerate(seeds):
            frequency, power = spectral_peak(rates[:, k, s], BIN, band)
            rows.append({
                "cell": cell, "pattern": pattern, "strength": strength, "held": held,
                "relays": "awake" if awake else "resting", "T_current": bool(reticular.constants["g_T"] / CONDUCTANCE),
                "seed": seed, "frequency": frequency, "power": power, "rate": float(rates[:, k, s].mean()),
            })  # fmt: skip
    return rows


def rhythmic():
    """Conditions of `rhythm`: the sweep over potentials, closed loops, and relays that are awake."""
    resting, awake = (float(each / mV) for each in (RESTING, AWAKE))
    sweep = [("broad", strength, float(held), False) for strength in RHYTHMIC for held in HELD]
    closed = [("closed", strength, resting, False) for strength in RHYTHMIC]
    return [*sweep, *closed, *(("broad", strength, held, True) for strength in RHYTHMIC for held in (resting, awake))]


def without_T(cell, seeds, noise, band, target="auto"):
    """Rhythms of resting nuclei whose reticular cells have no T-current (list of dict)."""
    conditions = [("broad", strength, float(RESTING / mV), False) for strength in RHYTHMIC]
    return rhythm(cell, seeds, noise, band, target, conditions, RETICULAR.changed(g_T=0 * CONDUCTANCE))


# Query
def key_gate(cell, seeds, found):
    """Attention whose keys and values come through relays with one reticular channel a token (list of dict).

    Tokens x_j are scaled by a_j = n r_j / R, of rates that inhibition has normalised (`found`, (n_seed, N_QUERY,
    N_CHANNEL)). Whatever the scores are, the answer is a sum over the original values with weights that are not negative:
    kappa_ij(a) a_j. Beside it: what the best gate by key alone leaves of shares that differ between queries.
    """
    rows = []
    for s, seed in enumerate(seeds):
        case = random_case(seed + 1800, N_CHANNEL, d_model=32, scale=2.0)
        gate = N_CHANNEL * found[s, 0]
        answered = linear_attention(case.tokens, case.block, context=gate[:, None] * case.tokens).output
        left = {family: relative_l2(nearest(family, case, answered), answered) for family in ("weighing", "gain")}
        paper = relative_l2(linear_attention(case.tokens, case.block).output, answered)
        by_key = relative_l2(np.broadcast_to(found[s].mean(axis=0), found[s].shape), found[s])
        rows.append({"cell": cell, "seed": seed, **left, "paper": paper, "selection_by_key": by_key})
    return rows
