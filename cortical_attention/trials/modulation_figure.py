"""Tables and figure of `experiments.modulation`."""

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Column, Table

from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.modulated_nuclei import CHANGE, MEASURED, ONSET, SETTLE, STEADY, SWITCHES, potentials
from cortical_attention.trials.modulation import ACETYLCHOLINE, LEVELS, in_modes, modes, read
from cortical_attention.trials.relay_bank import RELAYS


def draw(levels, arms, over_time):
    """Gains over the level of acetylcholine, errors of bursts, and the product over time: a row for each cell."""
    cells = list(dict.fromkeys(row["cell"] for row in levels))
    with style():
        figure = new_figure(1.0 + 3.2 * len(cells), width=10.5)
        panels = figure.subplots(len(cells), 3, squeeze=False, width_ratios=(1.0, 1.0, 1.3))
        for cell, (gains, errors, time) in zip(cells, panels, strict=True):
            _draw_gains(gains, levels, cell)
            _draw_errors(errors, arms, cell)
            _draw_time(time, over_time, cell)
            gains.set_ylabel(f"{cell.replace('_', ' ')}\ngain, of tonic relays")
        panels[0, 0].set_title("acetylcholine, steady")
        panels[0, 1].set_title("error from attention")
        panels[0, 2].set_title("product of gains, of that before")
        panels[0, 0].legend(fontsize="small")
        panels[0, 2].legend(fontsize="small")
    return figure


def _draw_gains(panel, levels, cell):
    every = sorted({row["level"] for row in levels})
    names = {"gain_core": "queries", "gain_matrix": "keys and values", "product": "product"}
    for k, (what, label) in enumerate(names.items()):
        shown = [
            read(levels, what, cell=cell, window=STEADY, modulator=ACETYLCHOLINE, level=each).mean() for each in every
        ]
        panel.plot(every, shown, color=CYCLE[k], marker=MARKERS[k], markersize=4, label=label)
    outside = [each for each in every if each not in in_modes(levels, cell)]
    if outside:
        half = (every[1] - every[0]) / 2
        panel.axvspan(
            min(outside) - half, max(outside) + half, color="#DDDDDD", zorder=0, linewidth=0, label="dead zone"
        )
    panel.set(xlabel="level of acetylcholine", ylim=(0, None))


def _draw_errors(panel, arms, cell):
    names = list(dict.fromkeys(row["arm"] for row in arms))
    for k, window in enumerate((STEADY, ONSET)):
        errors = [np.sqrt(np.clip(read(arms, "left", cell=cell, window=window, arm=arm), 0, None)) for arm in names]
        places = np.arange(len(names)) + 0.2 * (k - 0.5)
        for place, each in zip(places, errors, strict=True):
            panel.plot(each, [place] * len(each), ".", color=CYCLE[k], alpha=0.4)
        means = [root(read(arms, "left", cell=cell, window=window, arm=arm)) for arm in names]
        panel.plot(means, places, linestyle="", color=CYCLE[k], marker=MARKERS[k], label=window)
    panel.set_yticks(range(len(names)), [name.replace(", ", ",\n") for name in names], fontsize=7)
    panel.set(xlim=(0, None), xlabel="relative L2 error", ylim=(len(names) - 0.5, -0.5))
    panel.legend(fontsize="small")


def _draw_time(panel, over_time, cell):
    for k, arm in enumerate(SWITCHES):
        product = np.mean(read(over_time, "product", cell=cell, arm=arm), axis=0)
        panel.plot(times(len(product)), product, color=CYCLE[k], label=arm)
    panel.axhspan(0.8, 1.2, color="#DDDDDD", zorder=0, linewidth=0)
    panel.axhline(0, color="#777777", linewidth=0.8)
    panel.set(xlabel="time since acetylcholine comes (s)")


def times(n):
    """Middles of the windows of a run with a switch, in seconds since the switch (ndarray)."""
    return SETTLE - CHANGE + MEASURED * (np.arange(n) + 0.5)


def root(squares):
    """Root of the mean of squared errors over blocks; zero where noise makes it negative (float)."""
    return float(np.sqrt(max(np.mean(squares), 0.0)))


def tables(levels, arms, over_time):
    """Tables of all cells (rich Group)."""
    cells = list(dict.fromkeys(row["cell"] for row in levels))
    of_levels = [_of_levels(levels, cell, modulator) for cell in cells for modulator in LEVELS]
    return Group(*of_levels, _of_arms(arms, cells), _of_time(over_time, cells))


MEANS = ("gain_core", "gain_matrix", "product", "entropy", "size", "bursts_core", "bursts_matrix")


def _of_levels(levels, cell, modulator):
    """Means over blocks at every level of a modulator; medians of fitted factors."""
    names = (
        "level", "core\nmV", "matrix\nmV", "gain\ncore", "gain\nmatrix", "product", "entropy", "size", "bursts\ncore",
        "bursts\nmatrix", "onset\ncore", "onset\nmatrix", "fitted\nq k v", "error",
    )  # fmt: skip
    table = Table(
        *(Column(name, no_wrap=True) for name in names), box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True,
        title=f"{cell}: {modulator}, steady (potentials between the modes in brackets)",
    )  # fmt: skip
    found, held = modes(levels, cell), potentials(RELAYS[cell])
    held = [f"({v:.1f})" if mode == "between" else f"{v:.1f}" for v, mode in zip(held, found, strict=True)]
    for k, level in enumerate(sorted({row["level"] for row in levels})):
        where = {"cell": cell, "modulator": modulator, "level": level}
        means = (read(levels, what, window=STEADY, **where).mean() for what in MEANS)
        onset = (read(levels, what, window=ONSET, **where).mean() for what in MEANS[:2])
        fitted = (np.median(read(levels, what, window=STEADY, **where)) for what in ("query", "key", "value"))
        table.add_row(
            f"{level:.2f}", *(held[place] for place in LEVELS[modulator][k]), *(f"{each:.2f}" for each in (*means, *onset)),
            " ".join(f"{each:.2f}" for each in fitted), f"{root(read(levels, 'left', window=STEADY, **where)):.2f}",
        )  # fmt: skip
    return table


def _of_arms(arms, cells):
    table = Table(
        Column("relays", no_wrap=True), *(f"{cell}, {window}" for cell in cells for window in (STEADY, ONSET)),
        title="relative L2 error from attention with fitted factors; the other nucleus is tonic",
        box=SIMPLE_HEAD,
    )  # fmt: skip
    for arm in dict.fromkeys(row["arm"] for row in arms):
        shown = (
            root(read(arms, "left", cell=cell, window=window, arm=arm)) for cell in cells for window in (STEADY, ONSET)
        )
        table.add_row(arm, *(f"{each:.3f}" for each in shown))
    return table


def _of_time(over_time, cells):
    columns = ("off by\n20 % (s)", "at the\nend", "queries, first\n0.1 s")
    table = Table(
        Column("switch", no_wrap=True), *(f"{cell}:\n{each}" for cell in cells for each in columns),
        title="a switch: product of gains, of that before, and gain of queries, of that at the end", box=SIMPLE_HEAD,
    )  # fmt: skip
    for arm in SWITCHES:
        shown = [
            f"{read(over_time, what, cell=cell, arm=arm).mean():.2f}"
            for cell in cells
            for what in ("outside", "end", "first")
        ]
        table.add_row(arm, *shown)
    return table
