"""Statistics of the spikes of each population: how often cells fire, how regularly, and how much together."""

import numpy as np

from cortical_attention.readout.formats import number
from cortical_attention.readout.regularity import BIN, SAMPLE, regularity
from cortical_attention.readout.units import magnitude
from cortical_attention.report.markup import Html, element, paragraph, section, table

BARS, WIDTH, HEIGHT = 24, 108, 30  # of a histogram
HEADS = (
    "population", "cells (silent)", "mean rate (Hz)", "CV of the intervals", "CV of each cell", "interval (ms)", "intervals",
    "mean correlation",
)  # fmt: skip
NUMERIC = (1, 2, 3, 5, 7)
ENDS = (5, 95)  # per cent


def statistics_section(recording):
    """The part of the page on statistics of spikes; nothing (str) where no population has spikes in a window.

    Parameters
    ----------
    recording : readout.store.Recording or simulation.run.Run
    """
    found = regularity(recording)
    intervals = np.concatenate([each.intervals for each in found] or [np.zeros(0)])
    if not intervals.size:
        return ""
    shortest = max(intervals.min(), float(magnitude(recording.dt, "s")))
    variations = np.concatenate([each.variations for each in found])
    edges = (
        np.linspace(0, variations.max(initial=0) or 1.0, BARS + 1),
        np.geomspace(shortest, max(intervals.max(), 1.01 * shortest), BARS + 1),
    )
    rows = [_row(each, *edges) for each in found]
    return section("statistics", "Spike statistics", *map(paragraph, _explained(*edges)),
                   table("Spikes in the measured windows", HEADS, rows, NUMERIC, sortable=True))  # fmt: skip


def _explained(variation_edges, interval_edges):
    """What the table holds, in sentences (list of str)."""
    low, high = (number(1e3 * each, 4) for each in interval_edges[[0, -1]])
    return [
        "Of the recorded cells in the measured windows: means of rates and correlations, medians of CV and intervals, and "
        f"in brackets the range from {ENDS[0]} to {ENDS[1]} per cent. Silent cells count as 0 Hz and have no intervals. CV "
        "is the coefficient of variation of the intervals between the spikes of a cell: 0 is a clock, 1 a Poisson process.",
        f"Histograms of all populations have the same axes: CV from 0 to {number(variation_edges[-1])}; intervals from "
        f"{low} to {high} ms, logarithmic. Correlation is Pearson's, of spike counts in bins of {1e3 * BIN:g} ms, over all "
        f"pairs of at most {SAMPLE} cells that fire.",
    ]


def _row(each, variation_edges, interval_edges):
    cells = f"{len(each.rates):,} ({np.sum(each.rates == 0):,})"
    return [
        each.population.replace("_", " "), Html(element("span", cells, data_value=len(each.rates))),
        _spread(each.rates, np.mean), _spread(each.variations, digits=2), _histogram(each.variations, variation_edges, "CV"),
        _spread(1e3 * each.intervals), _histogram(1e3 * each.intervals, 1e3 * interval_edges, "intervals in ms"),
        _spread(each.correlations, np.mean, digits=2),
    ]  # fmt: skip


def _spread(values, middle=np.median, digits=3):
    """Median or mean, and range, as text that sorts by the first; a dash for no values."""
    if not values.size:
        return "-"
    shown = [float(each) for each in (middle(values), *np.percentile(values, ENDS))]
    text = "{} ({} to {})".format(*(number(each, digits) for each in shown))
    return Html(element("span", text, data_value=shown[0]))


def _histogram(values, edges, name):
    """Small histogram (SVG) that says its range to a screen reader; a dash for no values."""
    if not values.size:
        return "-"
    count, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    most, step = int(count.argmax()), WIDTH / BARS
    heights = HEIGHT * count / count.max()
    bars = "".join(
        f"M{k * step:.1f} {HEIGHT}v-{height:.1f}h{step - 1:.1f}v{height:.1f}z"
        for k, height in enumerate(heights)
        if height
    )
    low, high, *peak = map(number, (values.min(), values.max(), edges[most], edges[most + 1]))
    said = f"Histogram of {name}: from {low} to {high}, most between {peak[0]} and {peak[1]}"
    line = element("path", d=f"M0 {HEIGHT}.5H{WIDTH}", stroke="#767676")
    svg = element("svg", element("path", d=bars, fill="#0072B2") + line, viewBox=f"0 0 {WIDTH} {HEIGHT + 1}", width=WIDTH,
                  height=HEIGHT + 1, role="img", aria_label=said)  # fmt: skip
    return Html(element("span", svg, data_value=float(np.median(values))))
