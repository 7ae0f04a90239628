"""Figures of the benchmarks: wall times side by side, and cost against size."""

import numpy as np

from readout.style import CYCLE, new_figure, save, style


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
    ours = ("shared", "explicit", "on_off")
    bars = axes.barh(names, walls, color=[CYCLE[0] if name in ours else CYCLE[4] for name in names])
    axes.bar_label(bars, [f"{wall:.3g} s" for wall in walls], padding=3, fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_xlabel("wall time of a biological second (s)")
    axes.set_title(f"{panel[0]} form, {panel[1]} tokens; this project in blue", loc="left")


def curves(series, x_label, path):
    """Draw time and memory against a size, on logarithmic axes.

    Parameters
    ----------
    series : dict of str to list of dict
        By label: points with `size`, `wall_per_biological_s` and `peak_mb`, and the line of the fit, if any.
    x_label : str
    path : path
        Of the image.
    """
