"""What acetylcholine and noradrenaline do to attention whose tokens have passed the relays of two nuclei.

Attention is computed by its algebra, from what relays sent in two replicas (`trials.modulated_nuclei`). The error of an
answer is what is left of it by the paper's attention to the tokens themselves, with queries, keys and values multiplied by
factors that are fitted on the other half of the inputs; noise is taken out by the replicas.
"""

import numpy as np
from scipy.optimize import least_squares

from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.agreement import shared_error
from cortical_attention.readout.judged import judged
from cortical_attention.readout.statistics import cluster_interval, ratio_bounds
from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.modulation import attention_of_nuclei, entropy, scaled
from cortical_attention.trials.modulated_nuclei import (
    BURST,
    CHANGE,
    CORE,
    MATRIX,
    MEASURED,
    N_LEVEL,
    ONSET,
    SETTLE,
    STEADY,
    SWITCHES,
    TONIC,
    WINDOWS,
    measure,
    slope,
    switch,
)
from cortical_attention.trials.protocol import PROTOCOL
from cortical_attention.trials.relay_bank import RELAYS

WANTED, CELLS = PROTOCOL["modulation"], tuple(RELAYS)
N_TOKEN, D_MODEL, SCALE = 4, 16, 2.0  # with two heads: four columns each, 8 of 16 dimensions
FACTOR = 20.0  # chosen: beyond it, keys of elu+1 are all but homogeneous, and a larger factor does nothing
ACETYLCHOLINE, NORADRENALINE = "acetylcholine", "noradrenaline"
LEVELS = {  # potentials of core and matrix at each level, as places in `modulated_nuclei.potentials`
    ACETYLCHOLINE: [(k, N_LEVEL - 1 - k) for k in range(N_LEVEL)],
    NORADRENALINE: [(k, k) for k in range(N_LEVEL)],
}
MODES = BURST, TONIC
TONIC_BOTH, IN_QUERIES, IN_BOTH = "no bursts", "bursts in queries", "bursts in keys and values"
IN_KEYS, IN_VALUES = "bursts in keys alone", "bursts in values alone"
A_FIFTH, SHARE = "bursts in a fifth of keys and values", 0.2  # of higher-order cells (Varela & Sherman 2007, abstract)
NO_T_QUERIES, NO_T_KEYS = (f"{each} hyperpolarised, no T-current" for each in ("queries", "keys and values"))


def draw(seed, k, n_input):
    """Block and tokens (n_input, n_token, d_model) of the k-th cluster."""
    block = random_case(np.random.SeedSequence([seed, 18, k]), N_TOKEN, d_model=D_MODEL, scale=SCALE).block
    return block, np.random.default_rng([seed, 19, k]).standard_normal((n_input, N_TOKEN, D_MODEL))


# Algebra
def fit(tokens, block, answer, start=(1.0, 1.0, 1.0)):
    """Factors of query, key and value, from 1 / `FACTOR` to `FACTOR`, with which attention to the tokens comes nearest to an
    answer (ndarray, (3,))."""
    most = np.log(FACTOR)

    def factors(logarithms):
        return np.exp(np.clip(logarithms, -most, most))

    def error(logarithms):
        return (linear_attention(tokens, scaled(block, *factors(logarithms))).output - answer).ravel()

    return factors(least_squares(error, np.log(np.clip(start, 1 / FACTOR, FACTOR)), method="lm").x)


def left(tokens, block, answers):
    """Squared share of the answers (2, n_input, ...) that the paper's attention with fitted factors leaves (float).

    Factors are fitted on every other input, and asked on the rest, and the other way round. NaN if no relay fired.
    """
    errors = np.empty_like(answers)
    for part in (slice(0, None, 2), slice(1, None, 2)):
        rest = np.delete(np.arange(len(tokens)), part)
        factors = fit(tokens[rest], block, answers[:, rest].mean(axis=0))
        errors[:, part] = answers[:, part] - linear_attention(tokens[part], scaled(block, *factors)).output
    found = shared_error(errors, answers)
    return np.nan if found is None else found


# Rows
def measured(cell, blocks, cells, seed, report):
    """What the relays of a cell sent for each block (list of Bank); `report` is called with the share that is done."""
    banks = []
    for k, (_, tokens) in enumerate(blocks):
        noise = np.random.SeedSequence([seed, 20, CELLS.index(cell), k]).generate_state(1)[0]
        banks.append(measure(RELAYS[cell], tokens, cells, int(noise)))
        report((k + 1) / (len(blocks) + 1))
    return banks


def units(banks, blocks):
    """Unit rate of each block: steady slope (Hz) of tonic relays, of the other blocks (ndarray)."""
    slopes = np.array([
        slope(bank.rates[STEADY][TONIC], tokens).mean() for bank, (_, tokens) in zip(banks, blocks, strict=True)
    ])  # fmt: skip
    return (slopes.sum() - slopes) / (len(slopes) - 1)


def rows_of(cell, banks, blocks):
    """Rows of levels and of arms of a cell, for each block (two lists of dict)."""
    levels, arms = [], []
    for k, (bank, (block, tokens), unit) in enumerate(zip(banks, blocks, units(banks, blocks), strict=True)):
        about = {"cell": cell, "block": k}
        for window in WINDOWS:
            numbers = bank.rates[window] / unit
            levels += [{**about, "window": window, **each} for each in _levels(numbers, bank.in_bursts, block, tokens)]
            arms += [
                {**about, "window": window, "arm": arm, "left": left(tokens, block, answers)}
                for arm, answers in _answers(numbers, bank.without[window] / unit, block).items()
            ]
    return levels, arms


def _levels(numbers, in_bursts, block, tokens):
    """Gains of both nuclei and attention at each level of both modulators."""
    paper = linear_attention(tokens, block).output
    for modulator, places in LEVELS.items():
        for k, (core, matrix) in enumerate(places):
            c, m = numbers[core, CORE], numbers[matrix, MATRIX]
            answers, kappa = _attend(c, m, block), linear_attention(c.mean(axis=0), block, context=m.mean(axis=0)).kappa
            gains = [float(slope(each, tokens).mean()) for each in (c, m)]
            factors = fit(tokens, block, answers.mean(axis=0), (gains[0], gains[1], gains[1]))
            yield {
                "modulator": modulator, "level": (k - BURST) / (TONIC - BURST), "core": core, "matrix": matrix,
                "gain_core": gains[0], "gain_matrix": gains[1], "product": gains[0] * gains[1],
                "query": factors[0], "key": factors[1], "value": factors[2], "fitted_product": factors[0] * factors[1],
                "left": left(tokens, block, answers), "entropy": entropy(kappa),
                "size": float(np.sqrt(max(np.sum(answers[0] * answers[1]), 0) / np.sum(paper**2))),
                "bursts_core": in_bursts[core, CORE], "bursts_matrix": in_bursts[matrix, MATRIX],
            }  # fmt: skip


def _attend(core, matrix, block):
    return linear_attention(core, block, context=matrix).output


def _answers(numbers, without, block):
    """Answers (2, n_input, n_token, d_model) with bursts in either nucleus, or in a part of it (dict of ndarray)."""
    core, matrix = numbers[TONIC, CORE], numbers[TONIC, MATRIX]
    bursts = numbers[BURST, MATRIX]
    return {
        TONIC_BOTH: _attend(core, matrix, block),
        IN_QUERIES: _attend(numbers[BURST, CORE], matrix, block),
        IN_BOTH: _attend(core, bursts, block),
        IN_KEYS: attention_of_nuclei(core, bursts, matrix, block).output,
        IN_VALUES: attention_of_nuclei(core, matrix, bursts, block).output,
        A_FIFTH: _attend(core, SHARE * bursts + (1 - SHARE) * matrix, block),
        NO_T_QUERIES: _attend(without[CORE], matrix, block),
        NO_T_KEYS: _attend(core, without[MATRIX], block),
    }


def courses(cell, blocks, cells, seed):
    """Product of both gains over time, of its value before the switch: one row for each arm and block (list of dict).

    In each: for how long the product is off by more than 20 % ("outside", s), what it is in the last second ("end"), and the
    gain of queries in the first window after the switch, of that in the last second ("first").
    """
    noise = np.random.SeedSequence([seed, 21, CELLS.index(cell)]).generate_state(1)[0]
    slopes = switch(RELAYS[cell], np.stack([tokens[0] for _, tokens in blocks]), cells, int(noise))
    first = round((CHANGE - SETTLE) / MEASURED)
    before = slopes[..., :first].mean(axis=-1).prod(axis=1)
    relative = slopes.prod(axis=1) / before[..., None]
    return [
        {
            "cell": cell, "arm": arm, "block": k, "product": relative[n, k].tolist(), "slopes": slopes[n, :, k].tolist(),
            "outside": float(MEASURED * np.sum(np.abs(relative[n, k, first:] - 1) > WANTED["inverse_temperature"])),
            "first": float(slopes[n, CORE, k, first] / slopes[n, CORE, k, -10:].mean()),
            "end": float(slopes[n, :, k, -10:].mean(axis=-1).prod() / before[n, k]),
        }
        for n, arm in enumerate(SWITCHES) for k in range(len(blocks))
    ]  # fmt: skip


# Figures
def modes(levels, cell):
    """Mode of a nucleus at each potential, from the means over blocks: "burst", "tonic" or "between" (list of str).

    Burst mode: at least half of the share of spikes in bursts at the potential `BURST`. Tonic mode: less than that, and a
    steady gain of at least 0.9 of that at the potential `TONIC`.
    """
    own = [row for row in levels if (row["cell"], row["window"], row["modulator"]) == (cell, STEADY, NORADRENALINE)]
    gains, bursts = (
        np.array([
            np.mean([[row[f"{what}_{nucleus}"] for nucleus in ("core", "matrix")] for row in own if row["core"] == k])
            for k in range(N_LEVEL)
        ])
        for what in ("gain", "bursts")
    )  # fmt: skip
    bursting, relaying = bursts >= WANTED["in_bursts"] * bursts[BURST], gains >= WANTED["relaying"] * gains[TONIC]
    return ["burst" if one else "tonic" if other else "between" for one, other in zip(bursting, relaying, strict=True)]


def in_modes(levels, cell):
    """Levels of acetylcholine at which neither nucleus is between its modes (list of float)."""
    found = modes(levels, cell)
    return [(core - BURST) / (TONIC - BURST) for core, matrix in LEVELS[ACETYLCHOLINE]
            if "between" not in (found[core], found[matrix])]  # fmt: skip


def read(rows, what, **where):
    """Values of the rows that agree with `where`, by block (ndarray)."""
    return np.array([row[what] for row in rows if all(row[name] == each for name, each in where.items())])


def figures_of(levels, arms, over_time, cell):
    """Figures of a cell (dict of dict), named as in `experiments.modulation.main`."""
    every = sorted({row["level"] for row in levels})
    low, high = 0.0, 1.0

    def steady(what, level, modulator=ACETYLCHOLINE, window=STEADY):
        return read(levels, what, cell=cell, window=window, modulator=modulator, level=level)

    def range_of(what, chosen):
        values = np.array([steady(what, level) for level in chosen])
        return np.ptp(values, axis=0) / values.mean(axis=0)

    def error(arm, window=STEADY):
        return read(arms, "left", cell=cell, window=window, arm=arm)

    def novelty(level, modulator):
        return steady("gain_matrix", level, modulator, ONSET) / steady("gain_matrix", level, modulator)

    kept = in_modes(levels, cell)
    moved = [steady("gain_core", level) / steady("gain_matrix", level) for level in (low, high)]
    dissociated = np.minimum(
        _ratio(steady("bursts_core", low), steady("bursts_core", high)),
        _ratio(steady("bursts_matrix", high), steady("bursts_matrix", low)),
    )
    change = {each: steady("entropy", high, each) - steady("entropy", low, each) for each in LEVELS}
    ends = read(over_time, "end", cell=cell, arm="stays between")
    found = {
        "moves": _of(moved[1] / moved[0], "at least", "moves"),
        "inverse_temperature": _of(range_of("product", kept), "at most", "inverse_temperature"),
        "inverse_temperature_with_dead_zone": _of(range_of("product", every), "at most", "inverse_temperature"),
        "asymmetry": _root_of_ratio(error(IN_BOTH), error(IN_QUERIES), "asymmetry"),
        "asymmetry_at_onset": _root_of_ratio(error(IN_BOTH, ONSET), error(IN_QUERIES, ONSET), "asymmetry"),
        "dissociation": _of(dissociated, "at least", "dissociation"),
        "stays_between": _of(np.abs(ends - 1), "at least", "inverse_temperature"),
        "step": _of(read(over_time, "outside", cell=cell, arm="step"), "at most", "step"),
        "entropy": _of_ratio(change[ACETYLCHOLINE], change[NORADRENALINE], "entropy"),
        "answer": _of(steady("size", high) / steady("size", low), "at most", "answer"),
        "novelty": _of(novelty(high, ACETYLCHOLINE) / novelty(high, NORADRENALINE), "at least", "novelty"),
    }
    return {f"{name}_{cell}": each for name, each in found.items()}


def _ratio(part, whole):
    return part / np.maximum(whole, 1e-3)  # chosen: one spike in a thousand


def _of(values, rule, name):
    """Figure of one value for each block."""
    interval = cluster_interval(values, range(len(values)), **PROTOCOL["intervals"])
    return judged(values.mean(), WANTED[name], rule, interval)


def _of_ratio(parts, wholes, name):
    """Figure of a ratio of two means over blocks, whatever the sign of the second."""
    parts, wholes = np.sign(wholes.sum()) * parts, np.sign(wholes.sum()) * wholes
    interval = ratio_bounds(parts, wholes, confidence=(1 + PROTOCOL["intervals"]["confidence"]) / 2)
    return judged(parts.sum() / wholes.sum(), [-WANTED[name], WANTED[name]], "between", interval)


def _root_of_ratio(parts, wholes, name):
    """Figure of the ratio of two errors, the root of that of their squares summed over blocks."""
    if wholes.sum() <= 0:  # no error of bursts in queries was found beyond the noise
        return judged(np.inf, WANTED[name], "at least", (0.0, np.inf))
    interval = ratio_bounds(parts, wholes, confidence=(1 + PROTOCOL["intervals"]["confidence"]) / 2)
    root = [float(np.sqrt(max(each, 0.0))) for each in (parts.sum() / wholes.sum(), *interval)]
    return judged(root[0], WANTED[name], "at least", root[1:])
