"""Rates and regularity of cells in the measured windows, as tables; and spike trains of chosen cells.

What is counted lies in the windows in which the answer is read; intervals that reach out of a window are left out.
"""

import numpy as np
from scipy.stats import variation

from cortical_attention.readout.recording import cell_positions, spike_trains, spikes_by_cell
from cortical_attention.readout.units import magnitude, to_quantities

FEWEST = 3  # spikes in a window of which a coefficient of variation is given: two intervals

FLOATS = ("rate_hz", "cv", "mean_rate_hz")
FIGURES = ("n_spikes", *FLOATS)  # last columns of a table


def chosen_trains(run, population, at, t_start=None, t_stop=None):
    """Spike trains of the recorded cells at some places of a population.

    Parameters
    ----------
    run
        As in `readout.recording.to_block`.
    population : str
    at : dict of str to int
        Index along an axis, by its kind; `sign` is "on" or "off".
    t_start, t_stop : Quantity (s), optional
        Default: from the beginning of the first measured window to the end of the last.

    Returns
    -------
    list of neo.SpikeTrain
        In seconds, annotated.

    Raises
    ------
    ValueError
        For a population, an axis or a place that is not there, a population without spikes, or no time at all.
    """
    record = _record(run, population)
    if record.spike_index is None:
        raise ValueError(f"population {population!r} has no spikes, for its form has rates; see its rates in .spikes")
    keeps = _keeps(record, at)
    start, stop = _times(run, t_start, t_stop)
    return [train.time_slice(start, stop) for train, keep in zip(spike_trains(record, run), keeps, strict=True) if keep]


def _record(run, population):
    names = [record.name for record in run.records]
    if population not in names:
        raise ValueError(f"there is no population {population!r}; there are {', '.join(names)}")
    return run.records[names.index(population)]


def _keeps(record, at):
    """Which recorded cells lie at some places (ndarray of bool)."""
    positions = cell_positions(record)
    keeps = np.ones(len(record.cells), dtype=bool)
    for kind, place in at.items():
        if kind not in positions:
            raise ValueError(f"population {record.name!r} has no axis {kind!r}; it has {', '.join(positions)}")
        here = positions[kind] == place
        if not np.any(here):
            found = ", ".join(map(str, np.unique(positions[kind]).tolist()[:12]))
            raise ValueError(f"no recorded cell of population {record.name!r} has {kind} {place!r}; there are {found}")
        keeps &= here
    return keeps


def _times(run, t_start, t_stop):
    """Beginning and end (quantities) of what is asked for, within the run, each half a time step early: spikes come at whole
    steps, so none lies on an edge, where rounding would decide about it."""
    end, half = to_quantities(run.t_stop, "s"), to_quantities(run.dt, "s") / 2
    windows = [(each.start, each.stop) for each in run.epochs if each.name == "window"] or [(0.0, float(end))]
    start = windows[0][0] * end.units if t_start is None else _time("t_start", t_start)
    stop = windows[-1][1] * end.units if t_stop is None else _time("t_stop", t_stop)
    if not 0 * end.units <= start < min(stop, end):
        raise ValueError(f"there is no time from {float(start):g} s to {float(stop):g} s in a run of {float(end):g} s")
    return max(start - half, 0 * end.units), end if stop >= end else stop - half


def _time(name, given):
    """A time of a caller in seconds (quantity)."""
    try:
        return to_quantities(given, "s")
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{name} is {given!r} but needs a quantity in s, such as 0.5 * second") from error


def cell_rows(run):
    """A row (dict) for each recorded cell, population by population.

    Parameters
    ----------
    run
        As in `readout.recording.to_block`.

    Returns
    -------
    list of dict
        `population`, `cell_type`, `layer`, `cell`, the index along each axis, `n_spikes`, `rate_hz` and `cv`, the
        coefficient of variation of the intervals. None where there is none: spikes in a form with rates, and the variation
        of less than two intervals.
    """
    return [row for record in run.records for row in _rows_of(record, run)]


def population_rows(run):
    """A row (dict) for each population: means over its recorded cells.

    Returns
    -------
    list of dict
        `population`, `cell_type`, `layer`, `n_cell`, `n_recorded`, `n_spikes` (sum), `rate_hz`, `cv` (of cells that have
        one), and `mean_rate_hz`, over all cells, recorded or not.
    """
    return [_summary(record, _rows_of(record, run)) for record in run.records]


def _rows_of(record, run):
    positions = {name: each.tolist() for name, each in cell_positions(record).items()}
    shared = {"population": record.name, "cell_type": record.cell_type, "layer": record.layer}
    return [
        shared | {name: each[place] for name, each in positions.items()} | counted
        for place, counted in enumerate(_counted(record, run))
    ]


def _counted(record, run):
    """Number of spikes, rate and variation of each recorded cell."""
    windows = [(each.start, each.stop) for each in run.epochs if each.name == "window"]
    if record.spike_index is None:
        yield from ({"n_spikes": None, "rate_hz": rate, "cv": None} for rate in _mean_rates(record, windows))
        return
    total, half = sum(stop - start for start, stop in windows), float(magnitude(run.dt, "s")) / 2
    for times in spikes_by_cell(record):
        parts = [times[(times >= start - half) & (times < stop - half)] for start, stop in windows]  # whole time steps
        n_spikes = sum(map(len, parts))
        yield {"n_spikes": n_spikes, "rate_hz": n_spikes / total if total else None, "cv": _variation(parts)}


def _variation(parts):
    """Coefficient of variation of the intervals in all windows, or None."""
    intervals = np.concatenate([np.diff(each) for each in parts]) if parts else np.zeros(0)
    return float(variation(intervals)) if len(intervals) >= FEWEST - 1 else None


def _mean_rates(record, windows):
    """Mean of the sampled rates in the windows (list, in Hz) of each recorded cell; None where nothing was sampled."""
    times, rate = magnitude(record.sample_time, "s"), np.asarray(magnitude(record.rate, "Hz"))
    inside = np.any([(times >= start) & (times <= stop) for start, stop in windows], axis=0) if windows else times < 0
    return rate[inside].mean(axis=0).tolist() if np.any(inside) else [None] * len(record.cells)


def _summary(record, rows):
    mean = record.mean_rate
    found = {name: [row[name] for row in rows if row[name] is not None] for name in ("n_spikes", "rate_hz", "cv")}
    return {
        "population": record.name, "cell_type": record.cell_type, "layer": record.layer,
        "n_cell": int(np.prod([size for _, size in record.axes])), "n_recorded": len(rows),
        "n_spikes": sum(found["n_spikes"]) if record.spike_index is not None else None,
        "rate_hz": float(np.mean(found["rate_hz"])) if found["rate_hz"] else None,
        "cv": float(np.mean(found["cv"])) if found["cv"] else None,
        "mean_rate_hz": None if mean is None or not np.size(mean) else float(np.ravel(magnitude(mean, "Hz"))[0]),
    }  # fmt: skip


def frame(rows):
    """Rows as a pandas.DataFrame with counts and indices as whole numbers, missing ones (`<NA>`) included.

    Raises
    ------
    ImportError
        Without pandas.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("a table needs pandas; install it with pip install 'cortical-attention[analysis]'") from error
    table = pd.DataFrame(rows)
    texts = ("population", "cell_type", "layer", "sign")
    table = table.astype({name: float if name in FLOATS else "Int64" for name in table if name not in texts})
    return table[[*(name for name in table if name not in FIGURES), *(name for name in FIGURES if name in table)]]
