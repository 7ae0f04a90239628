"""Figures of the benchmarks: wall times side by side, and cost against size."""

import numpy as np
from matplotlib.ticker import LogLocator

from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, save, style


def bars(rows, path):
    """Draw the wall times of the rows, one panel a form and size, fastest on top.

    Parameters
    ----------
    rows : list of dict
        With the keys of `benchmarks.peers.ROW`.
    path : path
        Of the image.
    """
    panels = sorted({(row["form"], row["n"]) for row in rows}, key=lambda panel: (panel[0], -panel[1]))
    with style():
        figure = new_figure(1.2 + 2.4 * len(panels))
        for axes, panel in zip(np.ravel(figure.subplots(len(panels), 1, squeeze=False)), panels, strict=True):
            _panel(axes, panel, [row for row in rows if (row["form"], row["n"]) == panel])
        save(figure, path)


def _panel(axes, panel, rows):
    """Bars of one form and size."""
    rows = sorted(rows, key=lambda row: -row["wall_per_biological_s"])
    names, walls = [row["name"] for row in rows], [row["wall_per_biological_s"] for row in rows]
    ours = ("shared", "single", "explicit", "on_off")
    bars = axes.barh(names, walls, color=[CYCLE[0] if name in ours else CYCLE[4] for name in names])
    axes.bar_label(bars, [f"{wall:.3g} s" for wall in walls], padding=3, fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_xlabel("wall time of a biological second (s)")
    axes.set_title(f"{panel[0]} form, {panel[1]} tokens; this project in blue", loc="left")


def curves(points, fits, path):
    """Draw time (above) and memory (below) against each size, on logarithmic axes.

    Parameters
    ----------
    points : list of dict
        `axis`, `size`, `wiring`, `form`, `wall_s` and `above_start_mb` each.
    fits : list of dict
        `axis`, `wiring`, `form`, `quantity` and `exponent` each, for the legend.
    path : path
        Of the image.
    """
    names = list(dict.fromkeys(point["axis"] for point in points))
    with style():
        figure = new_figure(6.4)
        panels = figure.subplots(2, len(names), squeeze=False, sharex="col", sharey="row")
        for row, quantity in zip(panels, QUANTITIES, strict=True):
            for axes, name in zip(row, names, strict=True):
                _curves(
                    axes, quantity, [p for p in points if p["axis"] == name], [f for f in fits if f["axis"] == name]
                )
            row[0].set_ylabel(QUANTITIES[quantity])
        for axes, name in zip(row, names, strict=True):
            axes.set_xlabel(SIZES[name])
        save(figure, path)


SIZES = {"n": "tokens", "d": "components of a token", "head": "heads", "batch": "inputs side by side"}
QUANTITIES = {"wall_s": "wall time of an answer (s)", "above_start_mb": "memory above an empty process (MB)"}


def _curves(axes, quantity, points, fits):
    """One line a wiring and form, with its exponent in the legend."""
    for k, kind in enumerate(sorted({(point["wiring"], point["form"]) for point in points})):
        line = sorted((p["size"], p[quantity]) for p in points if (p["wiring"], p["form"]) == kind)
        fit = next((f for f in fits if (f["wiring"], f["form"], f["quantity"]) == (*kind, quantity)), None)
        label = ", ".join(kind) + (f": {fit['exponent']:.2f}" if fit else "")
        axes.plot(*zip(*line, strict=True), color=CYCLE[k], marker=MARKERS[k], markersize=4, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    sizes = sorted({point["size"] for point in points})
    axes.set_xticks(sizes, list(map(str, sizes)))
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(fontsize=7, title="wiring, form: exponent", title_fontsize=7)
