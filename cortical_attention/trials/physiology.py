"""Findings in cortex about apical input and inhibition, held against the f-I curves of a cell.

What was read of each source is in `READ`. Curves are a dict: condition, then read-out, then rates (Hz) by seed of the noise
and current. All intervals are over the seeds, of 95 per cent (decision 0013).
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import linregress
from scipy.stats import t as student

from cortical_attention.cells.membranes.calcium_spike import F_I
from cortical_attention.readout.changes import divided_and_subtracted, nearest, slope_between
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.trials.protocol import PROTOCOL

CURRENT = np.arange(-600.0, 1801.0, 50.0)  # pA: of one port, with the other at rest or at `APICAL`
INSIDE = (CURRENT >= 0) & (CURRENT <= 1200)  # of the findings; what lies beyond is only shifted in
EVOKED = INSIDE & (CURRENT >= 600)
APICAL = 400.0  # pA: what L2/3 or the matrix thalamus gives
RECRUITED = 10, 20, 40, 80  # nS: inhibition that L2/3 recruits
SHUNT = 20  # nS, of `RECRUITED`: light-driven interneurons
LINEAR = 0.2, 0.8  # of the highest rate: where the gain is taken
INITIAL = min(F_I.values()), max(F_I.values())  # Hz: where the initial slope is taken, the range of the quoted points
SPONTANEOUS = 0.5, 5.0  # Hz, chosen: rates of a cell without apical input that count as spontaneous
LARGEST = 3.0  # times the leak: the largest increase of the input conductance of a stimulated cell
WITHOUT, WITH, DENDRITE = "no apical input", "apical input", "current into the dendrite"
CHANGES = {"shift": "pA", "constant": "Hz", "gain": "times"}
ADDS = {"shift": "adds", "constant": "adds", "gain": "multiplies"}
READ = {
    "Larkum 2004": "abstract; somatic f-I points as another analysis quotes them (`calcium_spike.F_I`)",
    "Quiquempoix 2018": "abstract",
    "Pluta 2019": "abstract; for the conductance the abstracts of Borg-Graham et al. 1998 and Anderson et al. 2000",
    "Wilson 2012": "abstract",
    "Seybold 2015": "abstract",
}


class Finding(NamedTuple):
    """A finding, its source, what was measured in cortex and in the cell (all text), and whether both agree (bool)."""

    finding: str
    source: str
    measured: str
    cell: str
    same: bool


class Comparison(NamedTuple):
    """What one kind of change leaves between two curves of a read-out: intervals over seeds."""

    readout: str
    change: str
    value: tuple
    left: tuple


def recruited(place, level):
    """Name of the curve with apical input and a shunt."""
    return f"{level} nS of the {place}"


def interval(values):
    """Interval over seeds."""
    return cluster_interval(values, np.arange(len(values)), **PROTOCOL["intervals"])


def words(ends, form=".3g"):
    """Both ends of an interval as text; one number if they do not differ in it."""
    low, high = (f"{each:{form}}" for each in ends)
    return low if low == high else f"{low} to {high}"


# One finding each, of curves of the total rate and a cell
def slope_of_the_soma(curves, cell):
    """The initial slope under current into the soma, held against the interval of the regression of the quoted points."""
    quoted = linregress(list(F_I), list(F_I.values()))
    reach = student.ppf(0.5 + PROTOCOL["intervals"]["confidence"] / 2, len(F_I) - 2) * quoted.stderr
    wanted = 1e3 * (quoted.slope - reach), 1e3 * (quoted.slope + reach)
    found = interval(_initial(curves[WITHOUT]))
    same = found[0] <= wanted[1] and wanted[0] <= found[1]
    return Finding(
        "initial slope, current into the soma", "Larkum 2004", f"{words(wanted)} Hz/nA", f"{words(found)} Hz/nA", same
    )


def slope_of_the_dendrite(curves, cell):
    """The initial slope is steeper if the current enters the dendrite."""
    times = interval(_initial(curves[DENDRITE]) / _initial(curves[WITHOUT]))
    return Finding(
        "current into the dendrite: steeper initial slope",
        "Larkum 2004",
        "steeper",
        f"{words(times)} times",
        times[0] > 1,
    )


def initial_gain(curves, cell):
    """Apical input raises the initial slope."""
    return _raised("apical input raises the initial slope", *(_initial(curves[name]) for name in (WITHOUT, WITH)))


def gain(curves, cell):
    """Apical input raises the slope of the middle of the curve."""
    slopes = [np.array([_gain(rates[INSIDE]) for rates in curves[name]]) for name in (WITHOUT, WITH)]
    return _raised("apical input raises the gain", *slopes)


def _raised(finding, before, after):
    more, ratio = interval(after - before), interval(100 * (after / before - 1))
    cell = f"{before.mean():.3g} Hz/nA, more by {words(more)} ({words(ratio, '.2g')} %)"
    return Finding(finding, "Larkum 2004", "raised", cell, more[0] > 0)


def _initial(curves):
    """Initial slopes (Hz per nA) by seed."""
    return np.array([1e3 * slope_between(CURRENT, rates, *INITIAL) for rates in curves])


def _gain(rates):
    """Slope (Hz per nA) of an f-I curve over `INSIDE` between two shares of its range."""
    low, high = (rates.min() + share * np.ptp(rates) for share in LINEAR)
    return 1e3 * slope_between(CURRENT[INSIDE], rates, low, high)


def amplification(curves, cell):
    """What apical input adds grows with the drive, where the cell fires."""
    more = (curves[WITH] - curves[WITHOUT])[:, EVOKED]
    growth = interval([1e3 * linregress(CURRENT[EVOKED], each).slope for each in more])
    first, last = more.mean(axis=0)[[0, -1]]
    cell = f"{first:.1f} Hz at 600 pA, {last:.1f} at 1200; {words(growth)} Hz/nA"
    return Finding("L2/3 amplifies more the stronger the drive", "Quiquempoix 2018", "more", cell, growth[0] > 0)


def spontaneous(curves, cell):
    """L2/3 suppresses spontaneous activity through inhibition of the dendrite."""
    rates = curves[WITHOUT].mean(axis=0)
    where = INSIDE & (rates >= SPONTANEOUS[0]) & (rates <= SPONTANEOUS[1])
    return _suppression("L2/3 suppresses spontaneous activity, by SOM", curves, cell, where)


def evoked(curves, cell):
    """L2/3 suppresses evoked activity through inhibition of the dendrite."""
    return _suppression("L2/3 suppresses evoked activity, by SOM", curves, cell, EVOKED)


def _suppression(finding, curves, cell, where):
    """Whether a shunt of the dendrite that L2/3 recruits turns its effect, below the largest measured conductance."""
    found, leak = _flip(curves, "dendrite", where), 1e9 * float(cell.C_d / cell.tau_d)
    share = "" if found is None else f", {words([100 * each / leak for each in found], '.0f')} % of the leak"
    least, without = (curves[name][:, where].mean(axis=1) for name in (recruited("dendrite", RECRUITED[-1]), WITHOUT))
    change = f"{words(interval(100 * (least / without - 1)), '.0f')} % at {RECRUITED[-1]} nS"
    cell = f"{_from(found)}{share}; {change}; as a shunt of the soma {_from(_flip(curves, 'soma', where))}"
    measured = f"suppressed; conductances reach {100 * LARGEST:.0f} % of the leak"
    return Finding(finding, "Pluta 2019", measured, cell, found is not None and found[1] < LARGEST * leak)


def _flip(curves, place, where):
    """Conductance (nS) from which the mean rate lies below that without apical input (interval); None if it never does."""
    names = [WITH, *(recruited(place, level) for level in RECRUITED)]
    rates = np.array([curves[name][:, where].mean(axis=1) for name in names])
    target = curves[WITHOUT][:, where].mean(axis=1)
    if not np.all(rates[-1] < target):
        return None
    return interval([np.interp(-low, -each, [0, *RECRUITED]) for low, each in zip(target, rates.T, strict=True)])


def _from(found):
    return "never" if found is None else f"from {words(found)} nS"


def parvalbumin(curves, cell):
    """A shunt of the soma divides more than it subtracts."""
    return _inhibition("PV divides", "divides", curves, "soma", lambda divided, subtracted: divided > subtracted)


def somatostatin(curves, cell):
    """A shunt of the dendrite subtracts more than it divides."""
    return _inhibition(
        "SOM subtracts", "subtracts", curves, "dendrite", lambda divided, subtracted: subtracted > divided
    )


def _inhibition(finding, measured, curves, place, right):
    """Loss of the mean evoked rate by the factor and by the constant of a shunt (Hz), in words and judged."""
    factor, constant = _left_by(place, curves).T
    divided = interval((1 - factor) * curves[WITH][:, EVOKED].mean(axis=1))
    cell = f"times {words(interval(factor), '.2f')}, less {words(interval(constant), '.1f')} Hz"
    return Finding(finding, "Wilson 2012", measured, cell, bool(right(np.mean(divided), constant.mean())))


def _left_by(place, curves):
    """Factor and constant of a shunt for each seed (n_seed, 2)."""
    pairs = zip(curves[WITH], curves[recruited(place, SHUNT)], strict=True)
    return np.array([divided_and_subtracted(*(each[INSIDE] for each in pair)) for pair in pairs])


def mixtures(curves, cell):
    """Each kind of inhibition both divides and subtracts."""
    fits = {place: _left_by(place, curves).T for place in ("soma", "dendrite")}
    both = {place: interval(each[0])[1] < 1 and interval(each[1])[0] > 0 for place, each in fits.items()}
    cell = ", ".join(f"{place}: {'both' if each else 'not both'}" for place, each in both.items())
    return Finding("each both divides and subtracts", "Seybold 2015", "mixtures", cell, all(both.values()))


def bursting(curves):
    """Share of events that are bursts, of curves of every read-out: isolated spikes become bursts."""
    shares = []
    for name in (WITHOUT, WITH):
        bursts, events = (curves[name][each][:, EVOKED].sum(axis=1) for each in ("burst", "event"))
        shares.append(interval(bursts / events))
    cell = " to ".join(f"{100 * np.mean(each):.0f} %" for each in shares) + " of events are bursts"
    same = shares[0][1] < 0.5 < shares[1][0]
    return Finding("apical input turns isolated spikes into bursts", "Larkum 2004", "a change of mode", cell, same)


FINDINGS = (
    slope_of_the_soma, slope_of_the_dendrite, initial_gain, gain, amplification, spontaneous, evoked, parvalbumin,
    somatostatin, mixtures,
)  # fmt: skip


def judge(curves, cell):
    """Every finding, held against the curves of a cell.

    Parameters
    ----------
    curves : dict of str to dict of str to ndarray, shape (n_seed, n_current)
        Rates (Hz) over `CURRENT`, by condition and read-out.
    cell : TwoCompartment or MovingThreshold

    Returns
    -------
    list of Finding
    """
    rates = {name: each["total"] for name, each in curves.items()}
    found = [finding(rates, cell) for finding in FINDINGS]
    return [*found[:4], bursting(curves), *found[4:]]


def comparisons(curves, readout):
    """What a shift, a constant and a gain leave between a read-out without and with apical input.

    Parameters
    ----------
    curves : dict
        As for `judge`.
    readout : str

    Returns
    -------
    list of Comparison
    str
        The change that leaves least, if by the interval it leaves less than each other; else "undecided".
    """
    pairs = list(zip(*(curves[name][readout] for name in (WITHOUT, WITH)), strict=True))
    fits = {kind: np.array([nearest(kind, CURRENT, *pair, INSIDE) for pair in pairs]) for kind in CHANGES}
    rows = [Comparison(readout, kind, *(interval(each) for each in found.T)) for kind, found in fits.items()]
    best = min(fits, key=lambda kind: fits[kind][:, 1].mean())
    sure = all(interval(fits[kind][:, 1] - fits[best][:, 1])[0] > 0 for kind in fits if kind != best)
    return rows, best if sure else "undecided"
