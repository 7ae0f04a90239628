"""What `experiments.reticular` measures, read from its rows: the figures of a verdict, with intervals over seeds."""

import numpy as np

from cortical_attention.readout.judged import judged
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.trials.protocol import PROTOCOL
from cortical_attention.trials.reticular import AWAKE, RELAYS, RESTING

ASKED, INTERVALS = PROTOCOL["reticular"], PROTOCOL["intervals"]
HELD_AWAKE, HELD_RESTING = (float(each * 1e3) for each in (AWAKE, RESTING))


def of(rows, **wanted):
    """Rows with these entries."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def values(rows, read, **wanted):
    """A value of each row with these entries, by seed (ndarray); `read` is a name or a function of the row."""
    return np.array([row[read] if isinstance(read, str) else read(row) for row in of(rows, **wanted)])


def worst(rows, read, **wanted):
    """Values, by seed, at the strength at which their mean is largest (ndarray)."""
    strengths = sorted({row["strength"] for row in of(rows, **wanted)} - {0.0})
    return max((values(rows, read, **wanted, strength=each) for each in strengths), key=np.mean)


def _figure(found, threshold, rule):
    return judged(np.mean(found), threshold, rule, cluster_interval(found, range(len(found)), **INTERVALS))


def of_softmax(row):
    """What sparsemax leaves over what softmax leaves, with the temperature at which that is less."""
    return row["sparsemax"] / min(row["softmax"], row["softmax, one temperature"])


def off(row):
    """Relative difference of the fitted temperature from R / G."""
    return abs(1 / row["sparsemax, factor"] - 1)


def spread(rows):
    """Ratio of the temperatures at the weakest and the strongest inhibition, by seed (ndarray)."""
    strengths = sorted({row["strength"] for row in rows} - {0.0})
    ends = (values(rows, lambda row: row["total"] / row["sparsemax, factor"], strength=strengths[k]) for k in (0, -1))
    return np.divide(*ends)


def figures_of(results):
    """Figures for a verdict, by name; CELL is a name of `RELAYS`, intervals are over seeds of scores.

    `sparsemax_CELL`: what sparsemax leaves with T in proportion to R / G, at the strength at which it leaves most.
    `of_softmax_CELL`: that over what softmax leaves, at its worst strength. `temperature_CELL`: relative difference of T
    from R / G, at its worst. `range_CELL`: of T over the strengths. `sparsemax_one_temperature_CELL`: what sparsemax leaves
    with one temperature for all inputs. `sparsemax_without_T_CELL`: what it leaves of relays without a T-current.
    `hysteresis_lateral_CELL`: at the strength at which pilot runs had most (`Relay.latched`). `hysteresis_broad_CELL`: at
    the strength with most. `spindles_CELL`: frequency of the rhythm of a resting nucleus; held only if those of power hold
    as well. `spindle_power_resting_CELL`, `spindle_power_awake_CELL`, `spindle_power_without_T_CELL`: in the band, over the
    median, at the strength with most. `query_dependence`: what the family `gain` leaves. `selection_by_key`: what the best
    gate by key alone leaves of shares that differ between queries.

    Parameters
    ----------
    results : dict of str to dict
        As of `measure`, by cell.

    Returns
    -------
    dict of str to dict
        As of `readout.judged.judged`.
    """
    found = {}
    for cell, each in results.items():
        own = of(each["selection"], pattern="broad", centred=False, T_current=True)
        found[f"sparsemax_{cell}"] = _figure(worst(own, "sparsemax"), ASKED["sparsemax"], "at most")
        found[f"of_softmax_{cell}"] = _figure(worst(own, of_softmax), ASKED["of_softmax"], "at most")
        found[f"temperature_{cell}"] = _figure(worst(own, off), ASKED["temperature"], "at most")
        found[f"range_{cell}"] = _figure(spread(own), ASKED["range"], "at least")
        one = worst(own, "sparsemax, one temperature")
        found[f"sparsemax_one_temperature_{cell}"] = _figure(one, ASKED["sparsemax"], "at most")
        if without := of(each["selection"], T_current=False):
            found[f"sparsemax_without_T_{cell}"] = _figure(worst(without, "sparsemax"), ASKED["sparsemax"], "at most")
        lateral = values(each["ramps"], "hysteresis", pattern="lateral", strength=RELAYS[cell].latched)
        found[f"hysteresis_lateral_{cell}"] = _figure(lateral, ASKED["hysteresis"], "at least")
        broad = worst(each["ramps"], "hysteresis", pattern="broad")
        found[f"hysteresis_broad_{cell}"] = _figure(broad, ASKED["hysteresis"], "at most")
        found |= _spindles(each["rhythms"], cell)
    gates = [row for each in results.values() for row in each["gates"]]
    found["query_dependence"] = judged(max(row["gain"] for row in gates), ASKED["query_dependence"], "at most")
    by_key = [row["selection_by_key"] for row in gates]
    interval = cluster_interval(by_key, [row["seed"] for row in gates], **INTERVALS)
    return found | {"selection_by_key": judged(np.mean(by_key), ASKED["by_key"], "at least", interval)}


def _spindles(rows, cell):
    own = of(rows, pattern="broad", T_current=True)
    resting = worst(own, "power", held=HELD_RESTING, relays="resting")
    awake = max((worst(own, "power", held=HELD_AWAKE, relays=each) for each in ("resting", "awake")), key=np.mean)
    powers = {
        f"spindle_power_resting_{cell}": _figure(resting, ASKED["power"], "at least"),
        f"spindle_power_awake_{cell}": _figure(awake, ASKED["power"], "at most"),
    }
    if without := of(rows, T_current=False):
        powers[f"spindle_power_without_T_{cell}"] = _figure(worst(without, "power"), ASKED["power"], "at most")
    at = {row["strength"] for row in own if row["power"] in resting}
    frequency = values(own, "frequency", held=HELD_RESTING, relays="resting", strength=at.pop())
    figure, outcomes = _figure(frequency, ASKED["spindles"], "between"), {each["outcome"] for each in powers.values()}
    if figure["outcome"] == "held" and outcomes != {"held"}:
        figure["outcome"] = "missed" if "missed" in outcomes else "undecided"
    return {f"spindles_{cell}": figure} | powers
