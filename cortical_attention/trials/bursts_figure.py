"""Tables and figure of `experiments.bursts`."""

import numpy as np
from rich.table import Column, Table

from cortical_attention.cells.membranes.two_compartment import READOUTS
from cortical_attention.readout.factors import factors
from cortical_attention.readout.formats import number, per_cent, shares, whole_per_cent
from cortical_attention.readout.style import CYCLE, MARKERS, SEQUENTIAL, new_figure, style
from cortical_attention.trials.pictures import NULLS_TITLE, nulls_of
from cortical_attention.trials.systems import NULLS

STAGES = "L2/3", "L2/3 and IT"
WORDS = {"burst": "bursts", "total": "all spikes", "facilitated": "facilitating synapses"}
CONTROLS = {"sum": "a cell that sums", "point": "point cells"}
LABELS = WORDS | CONTROLS


def median(rows, name):
    """Median over rows."""
    return float(np.median([row[name] for row in rows]))


def draw(surface, rows):
    """Surfaces of the cell, and the error of both stages beside the nulls of every case."""
    names, readouts = (list(dict.fromkeys(row[name] for row in rows)) for name in ("case", "readout"))
    with style():
        figure = new_figure(4.6, width=12.0)
        panels = figure.subplots(1, 4, width_ratios=(1, 1, 1.1, 1.1))
        for panel, name in zip(panels, ("burst", "total"), strict=False):
            _draw_surface(figure, panel, surface, name)
        for panel, stage in zip(panels[2:], STAGES, strict=True):
            for k, readout in enumerate(readouts):
                own = [row for row in rows if (row["readout"], row["stage"]) == (readout, stage)]
                places = [names.index(row["case"]) for row in own]
                errors, look = [row["relative_l2"] for row in own], {"color": CYCLE[k], "marker": MARKERS[k]}
                panel.plot(errors, places, linestyle="", alpha=0.8, label=LABELS[readout], **look)
            _draw_nulls(panel, names, rows)
            panel.set(xscale="log", xlabel="relative L2 error", xlim=(0.01, 1), title=f"{stage} in spikes")
            panel.set_yticks(range(len(names)), names if panel is panels[2] else [])
            panel.invert_yaxis()
        figure.legend(*panels[2].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return figure


def _draw_surface(figure, panel, surface, name):
    drawn = {"cmap": SEQUENTIAL, "shading": "nearest", "rasterized": True}
    image = panel.pcolormesh(surface.apical, surface.basal, surface.rates[name], **drawn)
    panel.set(xlabel="apical current (pA)", ylabel="basal current (pA)", title=f"{name} rate (Hz)")
    figure.colorbar(image, ax=panel)


def _draw_nulls(panel, names, rows):
    for null, look in zip(NULLS, ("+", "x", "1"), strict=True):
        first = [next(row for row in rows if row["case"] == name) for name in names]
        values = [row[f"{null}_relative_l2"] for row in first]
        panel.plot(values, range(len(names)), look, color="#777777", label=f"null: {null.replace('_', ' ')}")


def tables_of(surface, rows, title):
    """What a product and a sum leave of each read-out of the surface, and the errors of every case."""
    one = Table("read-out", "interaction", "product leaves", "sum leaves", title=title)
    for name in READOUTS:
        one.add_row(name, *(per_cent(each) for each in factors(surface.rates[name])))
    two = Table(
        Column("case", no_wrap=True), Column("read-out", no_wrap=True), STAGES[0], "both",
        Column(NULLS_TITLE, min_width=11), "attention weights", "queries identified",
        title="relative L2 with L2/3, and both stages, in two compartments: median over seeds",
    )  # fmt: skip
    for case, readout in dict.fromkeys((row["case"], row["readout"]) for row in rows):
        own = [row for row in rows if (row["case"], row["readout"]) == (case, readout)]
        errors = [median([row for row in own if row["stage"] == stage], "relative_l2") for stage in STAGES]
        kappa = number(median(own, "kappa_correlation"))
        last = [row["query_identification"] for row in own if row["stage"] == STAGES[1]]
        identified = whole_per_cent(float(np.mean(last)))
        two.add_row(case, readout, *map(per_cent, errors), shares(nulls_of(own[0])), kappa, identified)
    return one, two
