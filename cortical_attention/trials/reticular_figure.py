"""Picture and tables of `experiments.reticular`."""

import numpy as np
from rich.console import Group
from rich.table import Column, Table

from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.reticular_verdict import ASKED, INTERVALS, of, values, worst

DRIFT = (
    0.15  # largest relative L2 between the shares of both halves of the time; chosen: three times that of spike counts
)


TICKS = 1, 2, 4, 8, 16


def draw(results):
    """What families leave, the temperature, hysteresis, and power in the band of spindles, for both cells."""
    with style():
        figure = new_figure(7.0, width=10.5)
        panels = figure.subplots(2, 2)
        for cell, line in zip(results, ("-", "--"), strict=False):
            _draw_cell(panels.ravel(), results[cell], cell.replace("_", " "), line)
        (left, temperature), (width, power) = panels
        left.set(xscale="log", xlabel="temperature R / G", ylabel="relative L2 of what is left", ylim=(0, 0.42))
        temperature.axline((1, 1), (16, 16), color="#777777", linestyle=":", label="equal")
        temperature.set(
            xscale="log", yscale="log", xlabel="temperature R / G, not fitted", ylabel="temperature, fitted"
        )
        width.set(xlabel="strength of inhibition (mS/cm2)", ylabel="hysteresis (scores)")
        power.set(
            yscale="log",
            xlabel="reticular cells held at (mV)",
            ylabel="power, 7 to 16 Hz, over median",
            ylim=(0.4, 4e3),
        )
        for panel, name in ((left, "sparsemax"), (width, "hysteresis"), (power, "power")):
            panel.axhline(ASKED[name], color="#777777", linestyle=":")
        for axis in (left.xaxis, temperature.xaxis, temperature.yaxis):
            axis.set_ticks(TICKS, [f"{tick}" for tick in TICKS])
            axis.set_ticks([], minor=True)
        for panel in panels.ravel():
            panel.legend(fontsize=7, handlelength=3.5, ncols=2 if panel in (left, power) else 1)
    return figure


def _draw_cell(panels, each, name, line):
    broad = of(each["selection"], pattern="broad", centred=False)
    own, without = (of(broad, T_current=T) for T in (True, False))
    strengths = sorted({row["strength"] for row in own} - {0.0})

    def over(rows, read):
        return np.array([values(rows, read, strength=strength).mean() for strength in strengths])

    def plot(panel, x, y, k, label):
        panel.plot(x, y, line, color=CYCLE[k], marker=MARKERS[k], markersize=4, label=f"{label}{name}")

    predicted = over(own, lambda row: row["total"] / row["gain"])
    for k, (read, label) in enumerate((("sparsemax",) * 2, ("softmax",) * 2, ("power, one temperature", "power"))):
        plot(panels[0], predicted, over(own, read), k, f"{label}, ")
    if without:
        x = over(without, lambda row: row["total"] / row["gain"])
        plot(panels[0], x, over(without, "sparsemax"), 3, "sparsemax, no T, ")
    plot(panels[1], predicted, over(own, lambda row: row["total"] / row["gain"] / row["sparsemax, factor"]), 0, "")
    for k, pattern in enumerate(("lateral", "broad")):
        ramps = of(each["ramps"], pattern=pattern)
        at = sorted({row["strength"] for row in ramps})
        plot(panels[2], at, [values(ramps, "hysteresis", strength=w).mean() for w in at], k, f"{pattern}, ")
    for k, (relays, label) in enumerate((("resting", "relays at rest, "), ("awake", "relays awake, "))):
        rhythms = of(each["rhythms"], pattern="broad", T_current=True, relays=relays)
        held = sorted({row["held"] for row in rhythms})
        plot(panels[3], held, [worst(rhythms, "power", held=v).mean() for v in held], k, label)


def tables(results):
    """Tables of selection, ramps and rhythms of each cell (a rich renderable)."""
    shown = []
    for cell, each in results.items():
        name = cell.replace("_", " ")
        shown += [
            _of_selection(each["selection"], name),
            _of_ramps(each["ramps"], name),
            _of_rhythms(each["rhythms"], name),
        ]
    return Group(*shown)


LEFT = {
    "sparse-\nmax": "sparsemax", "soft-\nmax": "softmax", "power": "power, one temperature", "no fit": "without_fit",
    "one T,\nsparse-\nmax": "sparsemax, one temperature", "one T,\nsoft-\nmax": "softmax, one temperature",
    "other\ninput": "other_scores",
}  # fmt: skip


def _of_selection(rows, name):
    columns = "inhibition", "mS/cm2", "Hz", "R / G", "T", *LEFT, "set-\ntled"
    table = Table(
        *(Column(each, no_wrap=each == "inhibition") for each in columns), title=f"{name}: what is left of shares"
    )
    keys = "pattern", "strength", "centred", "T_current"
    for key in dict.fromkeys(tuple(row[each] for each in keys) for row in rows):
        own = of(rows, **dict(zip(keys, key, strict=True)))
        mean = {key: np.mean([row[key] for row in own]) for key in ("total", "gain", "sparsemax, factor", "relay_rate")}
        predicted = mean["total"] / mean["gain"]
        table.add_row(
            f"{key[0]}{', mean 0' * key[2]}{', no T' * (not key[3])}", f"{key[1]:g}",
            f"{mean['relay_rate']:.1f}", f"{predicted:.2f}",
            f"{predicted / mean['sparsemax, factor']:.2f}",
            *(f"{np.mean([row[key] for row in own]):.3f}" for key in LEFT.values()),
            f"{sum(row['drift'] <= DRIFT for row in own)}/{len(own)}",
        )  # fmt: skip
    return table


def _of_ramps(rows, name):
    table = Table("inhibition", "mS/cm2", "hysteresis", "95 %", title=f"{name}: one score rises and falls (scores)")
    for pattern, strength in dict.fromkeys((row["pattern"], row["strength"]) for row in rows):
        width = values(rows, "hysteresis", pattern=pattern, strength=strength)
        ends = "{:.2f} to {:.2f}".format(*cluster_interval(width, range(len(width)), **INTERVALS))
        table.add_row(pattern, f"{strength:g}", f"{width.mean():.2f}", ends)
    return table


def _of_rhythms(rows, name):
    columns = "inhibition", "mS/cm2", "relays", "reticular cells", "peak, Hz", "power over median", "relays, Hz"
    table, keys = Table(*columns, title=f"{name}: rhythms"), ("pattern", "strength", "relays", "held", "T_current")
    for key in dict.fromkeys(tuple(row[each] for each in keys) for row in rows):
        own = of(rows, **dict(zip(keys, key, strict=True)))
        frequency, power, rate = (np.mean([row[each] for row in own]) for each in ("frequency", "power", "rate"))
        held = f"{key[3]:g} mV{'' if key[4] else ', no T-current'}"
        table.add_row(key[0], f"{key[1]:g}", key[2], held, f"{frequency:.1f}", f"{power:.0f}", f"{rate:.1f}")
    return table


def judgement(figures):
    """Table of the figures of a verdict (Table)."""
    table = Table("figure", "value", "95 %", "threshold", "outcome", title="figures, over seeds of scores")
    for name, each in figures.items():
        ends = "-" if each["interval"] is None else "{:.3g} to {:.3g}".format(*each["interval"])
        limits = each["threshold"] if isinstance(each["threshold"], list) else [each["threshold"]]
        asked = f"{each['rule']} {' and '.join(f'{end:g}' for end in limits)}"
        table.add_row(name, f"{each['value']:.3g}", ends, asked, each["outcome"])
    return table
