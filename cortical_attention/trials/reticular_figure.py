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


def draw(results):
    """What families leave, the temperature, hysteresis, and power in the band of spindles, for both cells."""
    with style():
        figure = new_figure(6.6, width=10.5)
        panels = figure.subplots(2, 2)
        for cell, line in zip(results, ("-", "--"), strict=False):
            _draw_cell(panels.ravel(), results[cell], cell.replace("_", " "), line)
        panels[0, 0].axhline(ASKED["sparsemax"], color="#777777", linestyle=":")
        panels[0, 0].set(xscale="log", xlabel="temperature R / G", ylabel="relative L2 of what is left", ylim=(0, None))
        ends = panels[0, 1].get_xlim()
        panels[0, 1].plot(ends, ends, color="#777777", linestyle=":", label="equal")
        panels[0, 1].set(
            xscale="log", yscale="log", xlabel="temperature R / G, not fitted", ylabel="temperature, fitted"
        )
        panels[1, 0].axhline(ASKED["hysteresis"], color="#777777", linestyle=":")
        panels[1, 0].set(xlabel="strength of inhibition (mS/cm2)", ylabel="hysteresis (scores)")
        panels[1, 1].axhline(ASKED["power"], color="#777777", linestyle=":")
        panels[1, 1].set(
            yscale="log",
            xlabel="reticular cells held at (mV)",
            ylabel="power at 7 to 16 Hz over median",
            ylim=(0.5, None),
        )
        for panel in panels.ravel():
            panel.legend(fontsize=7)
    return figure


def _draw_cell(panels, each, name, line):
    own = of(each["selection"], pattern="broad", centred=False)
    strengths = sorted({row["strength"] for row in own} - {0.0})

    def over(read):
        return np.array([values(own, read, strength=strength).mean() for strength in strengths])

    predicted = over(lambda row: row["total"] / row["gain"])
    for k, (read, label) in enumerate(
        (("sparsemax", "sparsemax"), ("softmax", "softmax"), ("power, one temperature", "power"))
    ):
        panels[0].plot(
            predicted, over(read), line, color=CYCLE[k], marker=MARKERS[k], markersize=4, label=f"{label}, {name}"
        )
    fitted = over(lambda row: row["total"] / row["gain"] / row["sparsemax, factor"])
    panels[1].plot(predicted, fitted, line, color=CYCLE[0], marker=MARKERS[0], markersize=4, label=name)
    for k, pattern in enumerate(("lateral", "broad")):
        ramps = of(each["ramps"], pattern=pattern)
        at = sorted({row["strength"] for row in ramps})
        width = [values(ramps, "hysteresis", strength=strength).mean() for strength in at]
        panels[2].plot(at, width, line, color=CYCLE[k], marker=MARKERS[k], markersize=4, label=f"{pattern}, {name}")
    rhythms = of(each["rhythms"], pattern="broad", T_current=True, relays="resting")
    held = sorted({row["held"] for row in rhythms})
    most = [worst(rhythms, "power", held=v).mean() for v in held]
    panels[3].plot(held, most, line, color=CYCLE[0], marker=MARKERS[0], markersize=4, label=f"relays at rest, {name}")
    awake = of(each["rhythms"], pattern="broad", T_current=True, relays="awake")
    held = sorted({row["held"] for row in awake})
    most = [worst(awake, "power", held=v).mean() for v in held]
    panels[3].plot(held, most, line, color=CYCLE[1], marker=MARKERS[1], markersize=4, label=f"relays awake, {name}")


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
    "sparsemax": "sparsemax", "softmax": "softmax", "power": "power, one temperature", "no fit": "without_fit",
    "one T, sparsemax": "sparsemax, one temperature", "one T, softmax": "softmax, one temperature",
    "other input": "other_scores",
}  # fmt: skip


def _of_selection(rows, name):
    columns = "inhibition", "mS/cm2", "Hz", "R / G", "T", *LEFT, "settled"
    table = Table(
        *(Column(each, no_wrap=each == "inhibition") for each in columns), title=f"{name}: what is left of shares"
    )
    for pattern, strength, centred in dict.fromkeys((row["pattern"], row["strength"], row["centred"]) for row in rows):
        own = of(rows, pattern=pattern, strength=strength, centred=centred)
        mean = {key: np.mean([row[key] for row in own]) for key in ("total", "gain", "sparsemax, factor", "relay_rate")}
        predicted = mean["total"] / mean["gain"]
        table.add_row(
            f"{pattern}{', mean zero' * centred}", f"{strength:g}", f"{mean['relay_rate']:.1f}", f"{predicted:.2f}",
            f"{predicted / mean['sparsemax, factor']:.2f}",
            *(f"{np.mean([row[key] for row in own]):.3f}" for key in LEFT.values()),
            f"{sum(row['drift'] <= DRIFT for row in own)} of {len(own)}",
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
