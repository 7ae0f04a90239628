"""Figure, table and printed summary of the ladder of realism."""

import numpy as np
from rich.table import Column, Table

from cortical_attention.cells.forms import FORMS
from cortical_attention.readout.formats import number, per_cent, shares, whole_per_cent
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.pictures import NULLS_TITLE, nulls_of
from cortical_attention.trials.systems import NULLS

KEYS = "rung", "wiring", "suite"


TITLE = f"relative L2 error at each rung\n{NULLS_TITLE}\nnearer: answers nearer than every null; identified: queries"
SUITES = {
    "design": "random weights and inputs",
    "random": "fixed random inputs",
    "digits": "handwritten digits",
}  # titles of the panels


def draw(rows, summaries=()):
    """Error against rung, a panel for each suite: every answer a dot, the median a large one, with its interval where there
    is one, and the medians of the nulls on the inputs of that suite as levels."""
    suites = list(dict.fromkeys(row["suite"] for row in rows))
    wirings = list(dict.fromkeys(row["wiring"] for row in rows))
    rungs = [rung for rung in FORMS if any(row["rung"] == rung for row in rows)]  # from the most ideal on
    with style():
        figure = new_figure(5.2, width=5.0 + 4.0 * len(suites))
        for panel, suite in zip(figure.subplots(1, len(suites), sharey=True, squeeze=False)[0], suites, strict=True):
            own = [row for row in rows if row["suite"] == suite]
            for k, wiring in enumerate(wirings):
                shift = (k - (len(wirings) - 1) / 2) * 0.24
                _draw_wiring(panel, own, wiring, rungs, k, shift)
                _draw_intervals(panel, [each for each in summaries if each["suite"] == suite], wiring, rungs, shift)
            for null, line in zip(NULLS, ("--", ":", "-."), strict=True):
                label = f"null: {null.replace('_', ' ')}"
                panel.axhline(_level(own, null), color="#777777", linestyle=line, linewidth=1, label=label)
            panel.set(yscale="log", xlabel="cells, from ideal to real", title=SUITES.get(suite, suite))
            panel.set_xlim(-0.5, len(rungs) - 0.5)
            panel.set_xticks(range(len(rungs)), rungs)
            panel.grid(axis="y", color="#DDDDDD", linewidth=0.8)
            panel.set_axisbelow(True)
        figure.axes[0].set_ylabel("relative L2 error")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return figure


def _draw_wiring(panel, rows, wiring, rungs, k, shift):
    """Errors of a wiring beside those of the others: it is number `k`, and moved by `shift` rungs."""
    look = {"color": CYCLE[k % len(CYCLE)], "marker": MARKERS[k % len(MARKERS)]}
    own = [row for row in rows if row["wiring"] == wiring]
    errors = [[row["relative_l2"] for row in own if row["rung"] == rung] for rung in rungs]
    for x, values in enumerate(errors):
        aside = x + shift + 0.03 + 0.09 * np.linspace(0, 1, len(values))
        alpha = 0.5 if len(values) < 100 else 0.15
        panel.plot(aside, values, linestyle="", markersize=3, alpha=alpha, markeredgewidth=0, **look)
    medians = [np.median(values) if values else np.nan for values in errors]
    panel.plot(np.arange(len(rungs)) + shift, medians, markersize=7, label=f"{wiring} wiring", **look)


def _draw_intervals(panel, summaries, wiring, rungs, shift):
    """Intervals of the medians of a wiring."""
    for each in summaries:
        if each["wiring"] == wiring and each["interval"] is not None:
            panel.vlines(rungs.index(each["rung"]) + shift, *each["interval"], color="black", linewidth=2, zorder=5)


def _level(rows, null):
    """Median error of a null over rows that have it."""
    errors = [row[f"{null}_relative_l2"] for row in rows]
    return np.median([error for error in errors if error is not None] or [np.nan])


def table_of(summaries):
    """Rich table of `trials.ladder_summary.summarise`."""
    heads = ("median\n95 % interval", "by design\nlargest", "nulls\n(%)", "nearer\nidentified", "settled")
    table = Table("rung", *(Column(head, no_wrap=True) for head in heads), title=TITLE)
    for each in summaries:
        n = each["answers"]
        cells = (
            (f"{each['rung']} {each['wiring']}", each["suite"]),
            (per_cent(each["median_relative_l2"]), between(each["interval"])),
            (per_cent(each["median_relative_l2_by_design"]), per_cent(each["largest_relative_l2"])),
            (shares(nulls_of(each))[:-2],),
            (f"{each['better']}/{n}", whole_per_cent(each["query_identification"])),
            (f"{each['settled']}/{n}",),
        )
        table.add_row(*("\n".join(lines) for lines in cells))
    return table


def between(interval):
    """An interval of fractions as text, such as 4.1 to 5.9 %; a dash for None."""
    if interval is None:
        return "-"
    return (
        "-".join(number(100 * end) for end in interval) + " %"
        if interval[0] >= 1e-4
        else "-".join(map(per_cent, interval))
    )


def say_more(summaries, console):
    """Print, of each row with several settings, the median of each and how far errors vary; and what digits are read as."""
    for each in summaries:
        name = " ".join(each[x] for x in KEYS)
        if each["agreement"] is not None:
            said = f"{name}: {each['agreement']} of {each['answers']} read as the algebra reads them"
            console.print(f"{said}; {each['key_only_agreement']} by the null that ignores the query", highlight=False)
        if len(each["settings"]) > 1:
            medians = "; ".join(f"{setting} {_estimate(*found)}" for setting, found in each["settings"].items())
            console.print(f"{name}: {medians}", highlight=False, soft_wrap=True)
        if any(sd is not None for sd in each["log_sd"].values()):
            spread = ", ".join(f"{what} {number(sd)}" for what, sd in each["log_sd"].items())
            console.print(
                f"{name}: standard deviation of the log error between {spread}", highlight=False, soft_wrap=True
            )


def _estimate(median, low, high):
    """A median with its interval, as text."""
    return per_cent(median) + ("" if low is None else f" ({between((low, high))})")
