"""Figures of many circuits at once: their errors beside those of the null models, and scatter plots about equality."""

import numpy as np

from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.systems import NULLS

NULLS_TITLE = "nulls: " + ", ".join(NULLS).replace("_", " ")


def nulls_of(row):
    """Relative L2 of the nulls, in the order of `NULLS_TITLE`."""
    return [row[f"{null}_relative_l2"] for null in NULLS]


def null_series(rows):
    """Relative L2 of each null over the rows, by its name."""
    return {f"null: {null.replace('_', ' ')}": [each[f"{null}_relative_l2"] for each in rows] for null in NULLS}


def dots(labels, series, x_label, bound=None):
    """Draw one line of dots a label, on a logarithmic axis.

    Parameters
    ----------
    labels : list of str
        From top to bottom.
    series : dict of str to list
        By name, one number a label; what is None or not positive is left out.
    x_label : str
    bound : float, optional
        What the first of the series was predicted to stay below.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with style():
        figure = new_figure(1.6 + 0.28 * len(labels), width=9.0)
        panel = figure.subplots()
        places = np.arange(len(labels))
        for number, (name, values) in enumerate(series.items()):
            shown = np.array([np.nan if value is None or value <= 0 else value for value in values])
            look = {"color": CYCLE[number % len(CYCLE)], "marker": MARKERS[number % len(MARKERS)]}
            panel.plot(shown, places, linestyle="", markersize=6, alpha=0.8, label=name, **look)
        if bound is not None:
            panel.axvline(bound, color="#777777", linestyle="--", label="predicted at most")
        panel.set(xscale="log", xlabel=x_label, ylim=(len(labels) - 0.5, -0.5))
        panel.set_yticks(places, labels)
        panel.grid(color="#DDDDDD", linewidth=0.8)
        panel.set_axisbelow(True)
        figure.legend(loc="outside upper center", ncols=len(series) + 1)
    return figure


def against(series, x_label, y_label):
    """Scatter `series`, by name (x, y), about the line on which the two are equal."""
    with style():
        figure = new_figure(5.6, width=6.4)
        panel = figure.subplots()
        every = np.concatenate([np.ravel(values) for pair in series.values() for values in pair])
        limits = every.min(), every.max()
        panel.plot(limits, limits, color="#777777", linewidth=1, zorder=1, label="equal")
        for number, (name, (x, y)) in enumerate(series.items()):
            look = {"color": CYCLE[number % len(CYCLE)], "marker": MARKERS[number % len(MARKERS)]}
            panel.scatter(
                np.ravel(x), np.ravel(y), s=70 / (1 + number), alpha=0.7, linewidths=0, zorder=2, label=name, **look
            )
        panel.set(xlabel=x_label, ylabel=y_label)
        panel.legend()
    return figure
