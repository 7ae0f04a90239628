"""Figure, table and printed summary of the ladder of realism."""

import numpy as np
from rich.table import Column, Table

from cortical_attention.cells.forms import FORMS
from cortical_attention.readout.formats import number, per_cent, shares
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.pictures import NULLS_TITLE, nulls_of
from cortical_attention.trials.systems import NULLS

KEYS = "rung", "wiring", "suite"


SUITES = {"random": "random inputs", "digits": "handwritten digits"}  # titles of the panels


def draw(rows):
    """Error against rung, a panel for each suite: every answer a dot, the median a line, and the medians of the nulls on
    the inputs of that suite as levels."""
    suites = list(dict.fromkeys(row["suite"] for row in rows))
    wirings = list(dict.fromkeys(row["wiring"] for row in rows))
    rungs = [rung for rung in FORMS if any(row["rung"] == rung for row in rows)]  # from the most ideal on
    with style():
        figure = new_figure(5.2, width=5.0 + 4.0 * len(suites))
        for panel, suite in zip(figure.subplots(1, len(suites), sharey=True, squeeze=False)[0], suites, strict=True):
            own = [row for row in rows if row["suite"] == suite]
            for k, wiring in enumerate(wirings):
                _draw_wiring(panel, own, wiring, rungs, k, (k - (len(wirings) - 1) / 2) * 0.16)
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
        panel.plot(np.full(len(values), x + shift), values, linestyle="", markersize=4, alpha=0.5, **look)
    medians = [np.median(values) if values else np.nan for values in errors]
    panel.plot(np.arange(len(rungs)) + shift, medians, markersize=7, label=f"{wiring} wiring", **look)


def _level(rows, null):
    """Median error of a null over rows that have it."""
    errors = [row[f"{null}_relative_l2"] for row in rows]
    return np.median([error for error in errors if error is not None] or [np.nan])


def table_of(summaries):
    """Rich table of `trials.ladder_summary.summarise`."""
    fixed = {"no_wrap": True}
    table = Table(
        Column("rung", **fixed), Column("median", **fixed), Column("largest", **fixed),
        Column(f"{NULLS_TITLE} (%)", min_width=8), "least skill", Column("settled", **fixed),
        title="relative L2 error at each rung",
    )  # fmt: skip
    for each in summaries:
        table.add_row(
            " ".join((each["rung"], each["wiring"], each["suite"])), per_cent(each["median_relative_l2"]),
            per_cent(each["largest_relative_l2"]), shares(nulls_of(each))[:-2], number(each["least_skill"]),
            f"{each['settled']}/{each['answers']}",
        )  # fmt: skip
    return table


def say_more(summaries, console):
    """Print the mean of each row and its interval over seeds, where there are two at least; and what digits are read as."""
    for each in summaries:
        if each["agreement"] is not None:
            name, null = " ".join(each[x] for x in KEYS), each["key_only_agreement"]
            said = f"{name}: {each['agreement']} of {each['answers']} read as the algebra reads them"
            console.print(f"{said}; {null} by the null that ignores the query", highlight=False)
        if each["interval"] is not None:
            between, name = " to ".join(map(per_cent, each["interval"])), " ".join(each[x] for x in KEYS)
            ahead = " to ".join(number(bound) for bound in each["ahead"]["key_only"] or (None, None))
            said = f"{name}: mean error {between}; {ahead} below the null that ignores the query (95 % over seeds)"
            said += f"; better than each null in {each['better']} of {each['answers']} answers"
            console.print(said, highlight=False, soft_wrap=True)
