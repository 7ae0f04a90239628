"""Do relay cells have a tonic and a burst mode, as physiology has them?

Question: do two models of a relay cell, one that fires or bursts by a switch and one with a graded T-current, and a
cell of the reticular nucleus follow sines, steps, inhibition and driver spikes as recorded cells do, and is it the
T-current that makes the difference? That bursts have no counterpart in attention can only be tested with cells that
burst.

Prediction: written before the run, after pilot runs with other noise in which working points were chosen; thresholds are
those of `trials/protocol.toml`, [relays]. In tonic mode, with a baseline that fires, harmonics 2 to 7 of the response of
both relay cells to a sine of 2 Hz are at most 0.2 of the fundamental, a line explains at least 98 % of the f-I curve, and
each driver spike brings one spike (to 0.1). Hyperpolarised, both answer each cycle with one burst (to 0.05), with a Fano
factor of spikes in a cycle of at most 0.1, and harmonics at least twice those of the tonic response. After inhibition of
100 ms a rebound has two spikes at least. Without the T-current there is no burst and no rebound (at most 0.05). Before a
second run was added: where the depolarised cell is silent without input, harmonics are above 0.2, since a rectifier has
them too.

Reference: Smith, Cox, Sherman & Rinzel 2000 (abstract read: tonic responses of relay cells in slices are in general more
linear at low frequencies than burst responses, and lock to sines from near 3 Hz on); Alitto, Weyand & Usrey 2005
(abstract read: bursts depend on transitions from suppressive to preferred stimuli). What counts as a burst:
`readout.bursts`. Cells: `cells.membranes.fire_or_burst`, `low_threshold`, `reticular`; decision 0029.

Run time: half a minute, most of it compiling; with --quick a little less.
"""

from typing import Annotated

import numpy as np
import typer
from rich.table import Column, Table

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import DONE, script
from cortical_attention.readout.judged import judged
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.batch import Swept, prediction_of
from cortical_attention.trials.protocol import PROTOCOL
from cortical_attention.trials.relays import CELLS, FREQUENCY, OTHERS, WITHOUT, measure, slope

# Parameters
WANTED, RELAYS = PROTOCOL["relays"], ("fire_or_burst", "low_threshold")
FULL, QUICK = (8, 20), (8, 5)  # draws, and cells of each stimulus in a draw


# Reference
def values_of(rows, cell):
    """What is asked of a cell, by name: one value for each draw (dict of ndarray)."""
    draws = sorted({row["draw"] for row in rows})
    by = {(row["cell"], row["kind"], row["mode"], row["level"], row["draw"]): row for row in rows}

    def read(name, kind, mode, what, level=None):
        levels = [key[3] for key in by if key[:3] == (name, kind, mode)]
        return np.array(
            [by[name, kind, mode, levels[0] if level is None else level, draw][what] for draw in draws], dtype=float
        )

    def line(kind):
        return [slope(rows, cell, kind, "tonic", draw) for draw in draws]

    harmonics = {mode: read(cell, "sine", mode, "harmonics") for mode in ("tonic", "silent", "burst")}
    rebound, control = (read(name, "rebound", "burst", "rebound", 100) for name in (cell, cell + WITHOUT))
    return {
        "harmonics_tonic": harmonics["tonic"],
        "linear_f_I": np.array([each.rvalue**2 for each in line("step")]),
        "spikes_per_driver_spike": np.array([each.slope for each in line("driver")]),
        "bursts_per_cycle": read(cell, "sine", "burst", "bursts_per_cycle"),
        "fano_burst": read(cell, "sine", "burst", "fano"),
        "harmonics_from_silence": harmonics["silent"],
        "harmonics_burst_over_tonic": harmonics["burst"] / harmonics["tonic"],
        "rebound_spikes": rebound,
        "bursts_per_cycle_without_T": read(cell + WITHOUT, "sine", "burst", "bursts_per_cycle"),
        "rebound_without_T": control / rebound,
    }


RULES = {  # rule and threshold of what is asked
    "harmonics_tonic": ("at most", WANTED["harmonics"]),
    "linear_f_I": ("at least", WANTED["linear"]),
    "spikes_per_driver_spike": ("between", [1 - WANTED["one_to_one"], 1 + WANTED["one_to_one"]]),
    "bursts_per_cycle": ("between", [WANTED["bursts_per_cycle"] - 0.05, WANTED["bursts_per_cycle"] + 0.05]),
    "fano_burst": ("at most", WANTED["fano"]),
    "harmonics_from_silence": ("at least", WANTED["harmonics"]),
    "harmonics_burst_over_tonic": ("at least", WANTED["burst_over_tonic"]),
    "rebound_spikes": ("at least", WANTED["rebound"]),
    "bursts_per_cycle_without_T": ("at most", WANTED["control"]),
    "rebound_without_T": ("at most", WANTED["control"]),
}


def figures_of(rows):
    """Figures of both relay cells, named NAME_CELL after `RULES` and `RELAYS` (dict of dict)."""
    return {
        f"{name}_{cell}": _figure(values, *RULES[name])
        for cell in RELAYS
        for name, values in values_of(rows, cell).items()
    }


def _figure(values, rule, threshold):
    interval = cluster_interval(values, range(len(values)), **PROTOCOL["intervals"])
    return judged(values.mean(), threshold, rule, interval)


def judge(figures):
    """The predictions."""
    found = []
    for name, each in figures.items():
        ends = each["threshold"] if isinstance(each["threshold"], list) else [each["threshold"]]
        said = f"{name}: {each['rule']} {' and '.join(f'{end:g}' for end in ends)}"
        interval = " to ".join(f"{end:.3f}" for end in each["interval"])
        found.append(prediction_of(each, said, f"{each['value']:.3f} ({interval})"))
    return found


# Figure
def draw(rows):
    """Cycle histograms, f-I curves, rebounds and driver spikes of every cell, with and without its T-current."""
    with style():
        figure = new_figure(7.6, width=10.5)
        panels = figure.subplots(len(CELLS), 4)
        for k, (cell, line) in enumerate(zip(CELLS, panels, strict=True)):
            _draw_cycle(line[0], rows, cell)
            for column, (kind, label) in enumerate(
                (("step", "current (uA/cm2)"), ("rebound", "inhibition (ms)"), ("driver", "driver spikes (Hz)")),
                start=1,
            ):
                _draw_levels(line[column], rows, cell, kind)
                line[column].set_xlabel(label if k == len(CELLS) - 1 else "")
            line[0].set(
                ylabel=f"{cell.replace('_', ' ')}\nrate (Hz)", xlabel="phase of the sine" if k == len(CELLS) - 1 else ""
            )
            for panel, unit in zip(line[1:], ("rate (Hz)", "spikes after inhibition", "rate (Hz)"), strict=True):
                panel.set_ylabel(unit)
            line[3].axline((0, 0), slope=1, color="#777777", linestyle=":")
        for panel, title in zip(
            panels[0], ("sine of 2 Hz", "tonic f-I curve", "rebound", "driver spikes"), strict=True
        ):
            panel.set_title(title)
        figure.legend(*panels[0, 3].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


LOOKS = {("tonic", ""): 0, ("burst", ""): 1, ("tonic", WITHOUT): 2, ("burst", WITHOUT): 3}


def _draw_cycle(panel, rows, cell):
    for (mode, control), k in LOOKS.items():
        own = [
            row["histogram"]
            for row in rows
            if (row["cell"], row["kind"], row["mode"]) == (cell + control, "sine", mode)
        ]
        phases = (np.arange(len(own[0])) + 0.5) / len(own[0])
        panel.plot(phases, np.mean(own, axis=0), color=CYCLE[k], linestyle="--" if control else "-")


def _draw_levels(panel, rows, cell, kind):
    for (mode, control), k in LOOKS.items():
        own = [row for row in rows if (row["cell"], row["kind"], row["mode"]) == (cell + control, kind, mode)]
        levels = sorted({row["level"] for row in own})
        shown = [np.mean([row["rebound" if kind == "rebound" else "rate"] for row in own if row["level"] == each])
                 for each in levels]  # fmt: skip
        if levels:
            panel.plot(levels, shown, color=CYCLE[k], marker=MARKERS[k], markersize=4, linestyle="--" if control else "-",
                       label=f"{mode} mode{', no T-current' if control else ''}")  # fmt: skip


def _table(rows, cells):
    """What every cell does, means over draws."""
    table = Table(
        Column("cell", no_wrap=True), Column("tonic: harmonics", min_width=9), "f-I,\nHz cm2/uA", "spikes a driver spike",
        "burst: bursts a cycle", "spikes a burst", "Fano factor", Column("rebound\n25, 400 ms", no_wrap=True),
        Column("Hz at\n5 20 80 Hz", no_wrap=True), title=f"means over draws; sines of {FREQUENCY:g} Hz",
    )  # fmt: skip

    def mean(cell, kind, mode, what, level=None, digits=2):
        own = [
            row[what] for row in rows
            if (row["cell"], row["kind"], row["mode"]) == (cell, kind, mode) and level in (None, row["level"])
        ]  # fmt: skip
        return "-" if None in own else f"{np.mean(own):.{digits}f}"

    draws = sorted({row["draw"] for row in rows})
    for cell in cells:
        lines = (np.mean([slope(rows, cell, kind, "tonic", k).slope for k in draws]) for kind in ("step", "driver"))
        table.add_row(
            cell.replace("_", " "), mean(cell, "sine", "tonic", "harmonics"), *(f"{each:.2f}" for each in lines),
            *(mean(cell, "sine", "burst", what) for what in ("bursts_per_cycle", "spikes_per_burst", "fano")),
            " ".join(mean(cell, "rebound", "burst", "rebound", each, 1) for each in (25, 400)),
            " ".join(mean(cell, "driver", "burst", "rate", each, 0) for each in (5, 20, 80)),
        )  # fmt: skip
    return table


@with_output
def main(
    seeds: Annotated[
        int | None,
        typer.Option(help="Draws of noise and of a holding current, over which intervals are taken.", show_default="8"),
    ] = None,
    cells: Annotated[
        int | None,
        typer.Option(
            help="Cells of each stimulus in a draw; four times as many for sines.", show_default="20, or 5 with --quick"
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Short version: five cells.")] = False,
    target: o.Target = "auto",
    seed: Annotated[int, typer.Option(help="Seed of noise, driver spikes and holding currents.")] = 0,
    *,
    output: Output,
):
    """Fire tonically and in bursts."""
    seeds, cells = o.given_or(QUICK if quick else FULL, seeds, cells)
    o.within("--seeds", seeds, 2, 100)
    o.within("--cells", cells, 1, 1000)
    o.within("--seed", seed, 0, 2**32 - 1)
    o.check_target(target)
    output.check()
    parameters = {"seeds": seeds, "cells": cells, "quick": quick, "target": target, "seed": seed}
    every = CELLS | OTHERS
    rows = measure(every, seeds, cells, seed, target)
    figures = figures_of(rows)
    folder, content = output.folder("relays", parameters), output.provenance(parameters, {"first": seed})
    result = Swept({}, {}, False).result(rows, figures=figures)
    output.report("relays", folder, result, draw(rows), content, _table(rows, every), judge(figures))
    return DONE


if __name__ == "__main__":
    script(main)
