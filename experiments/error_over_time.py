"""The spiking error over the measured window, and what it is made of.

Question: how does the error of the spiking circuit fall with the window in which spikes are counted, how does it depend on
unit rate, synapses, time step and cells a number, and which of its causes remains?

Prediction: a slope of log error over log window of -1, to 0.1, since each count is right to one spike (independent noise
would give -1/2), and a size within a factor of two of what one spike a cell makes. With synapses of 10 ms a floor: the
ripple of thalamic traces, bent by phi. It falls as the square of the time constant (a ratio of 4 between 10 and 20 ms, to
1), does not average out over starting phases (0.8 of it stays, at least), and goes with the spikes of the nuclei: with
exact drive instead, the error after two seconds is at most 1.5 times that of 100 ms.

Reference: `reference.linear_attention`; the rate form answers the same to 1e-6. Counting: `circuits.settled.spike_variance`.

Run time: four minutes; with --quick half a minute.
"""

from typing import Annotated, NamedTuple

import numpy as np
import typer
from brian2 import second
from rich.table import Column, Table

from cells.forms.rate import RATE
from cells.forms.spiking import SPIKING
from circuits.attend import Settings
from circuits.mask import mask_wiring
from circuits.pilot import rate_units, unit_rates
from circuits.run import Run, simulate
from circuits.settled import judge, slots, spike_variance
from experiments import options as o
from experiments.causes import ALL, READ, RIPPLE, SHORT, idealised, settings, synapses, without
from experiments.command import script
from experiments.comparison import content_of, open_folder
from experiments.progress import progress
from experiments.sweep import Prediction, Seed, say, side_by_side, stacked, status_of, sweep, write
from experiments.tables import console_for, number, per_cent
from readout.agreement import relative_l2
from readout.figures import curve
from readout.statistics import slope_of_log_log
from reference.attention import linear_attention

# Parameters. One block, so that all inputs, each from several starting phases, lie side by side in one network.
SIZES = {"n_token": 4, "n_head": 2, "d_model": 8, "d_key": 4, "d_value": 4, "scale": 2.0}
N_INPUT, N_PHASE = 5, 8
QUICK = 2, 4  # inputs and phases of --quick


# Protocol
def run(cases, n_phase, every, options, report=None):
    """Compare networks.

    Parameters
    ----------
    cases : list of Case
        With one block.
    n_phase : int
        Starting phases of each.
    every : list of Setting
    options : Options
    report : callable, optional

    Returns
    -------
    rows : dict of str to dict
    runs : dict of str to Run
    interrupted : bool
    rate_relative_l2 : float
        Of the rate form.
    """
    asked = prepare(cases, n_phase, options)
    done, interrupted = sweep({each.name: _asker(each, asked) for each in every}, report)
    rows = {each.name: row(each, done[each.name], asked, n_phase) for each in every if each.name in done}
    return rows, {name: measured.run for name, measured in done.items()}, interrupted, asked.rate_relative_l2


def _asker(setting, asked):
    return lambda report: measure(setting, asked, report)


def judge(rows, rate_relative_l2):
    """The predictions that can be judged by the networks that were run."""
    long, short, shorter = (rows.get(synapses(tau, 0).name) for tau in (LONG, 20 * ms, SHORT))
    exact = rows.get(without(RIPPLE, SHORT).name)
    found = [
        Prediction("the rate form from the algebra: at most 1e-6", f"{rate_relative_l2:.1e}", rate_relative_l2 <= 1e-6)
    ]
    if long:
        slope = slope_of(long)
        found.append(Prediction("a slope of -1, to 0.1", f"{slope.slope:.3f}", abs(slope.slope + 1) <= 0.1))
        ratio = at(long) / at(long, "counting")
        found.append(_between("error over what one spike a cell makes", 0.5, 2, ratio))
    if short and shorter:
        window = min(short["windows"][-1], shorter["windows"][-1])
        ratio = at(shorter, AVERAGED, window) / at(short, AVERAGED, window)
        found.append(_between("floor with 10 ms over floor with 20 ms", 3, 5, ratio))
        stays = at(shorter, AVERAGED, window) / at(shorter, "answer", window)
        found.append(_between("share of the floor that starting phases leave", 0.8, 1.2, stays))
    if long and exact:
        ratio = at(exact) / at(long)
        found.append(_between("error with 10 ms and exact drive over that with 100 ms", 0.5, 1.5, ratio))
    return found


def slope_of(row):
    """Slope of log error over log window."""
    return slope_of_log_log(row["windows"], row["median_relative_l2"]["answer"])


def _between(what, low, high, found):
    return Prediction(f"{what}: {low} to {high}", number(found), low <= found <= high)


# Figure
def draw(rows):
    """Error over window, with synapses of several time constants and with exact drive."""
    whole = max(len(each["windows"]) for each in rows.values())
    shown = {name: each for name, each in rows.items() if len(each["windows"]) == whole}
    windows = next(iter(shown.values()))["windows"]
    curves = {name: each["relative_l2"].T for name, each in shown.items()}
    guides = {"slope -1: counts right to one spike": -1, "slope -1/2: independent noise": -0.5}
    return curve(windows, curves, "window (s)", "relative L2 error: median and range", guides)


def _tables(rows):
    """Error over the window; and at `READ` of every network, by what distinguishes it."""
    windows = Table(
        Column("network", no_wrap=True), *(f"{window:g} s" for window in WINDOWS), title="median relative L2"
    )
    for name, each in rows.items():
        if len(each["windows"]) > 4:
            windows.add_row(name, *(per_cent(error) for error in each["median_relative_l2"]["answer"]))
    table = Table(
        "varied", "value", "error", "averaged over phases", "read at L5 PT", "counting", title=f"window {READ:g} s"
    )
    for each in rows.values():
        table.add_row(each["varied"], each["value"], *(per_cent(at(each, place)) for place in PLACES))
    return windows, table
