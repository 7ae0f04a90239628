"""Figure and tables of layer 6b: the knob against temperature, and distances from attention without keys and queries."""

import numpy as np
from rich.console import Group
from rich.table import Column, Table

from cortical_attention.readout.formats import number, per_cent
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.protocol import PROTOCOL

UNIFORM = "uniform attention"


def mean_of(values):
    """Geometric mean of positive values, and its interval over inputs (None with one of them)."""
    logs = np.log(values)
    interval = cluster_interval(logs, range(len(logs)), **PROTOCOL["intervals"])
    return float(np.exp(logs.mean())), None if interval is None else [float(np.exp(end)) for end in interval]


def ratios(maps):
    """How many times as far from attention as uniform attention.

    Parameters
    ----------
    maps : list of dict
        With case, map, attention, form and from_attention; among them those of `UNIFORM`.

    Returns
    -------
    dict of (str, str, str) to (float, list or None)
        By map, attention and form: geometric mean over the inputs, and its interval.
    """
    uniform = {(row["case"], row["attention"]): row["from_attention"] for row in maps if row["map"] == UNIFORM}
    found = {}
    for row in maps:
        key = row["map"], row["attention"], row["form"]
        found.setdefault(key, []).append(row["from_attention"] / uniform[row["case"], row["attention"]])
    return {key: mean_of(values) for key, values in found.items()}


def medians(rows, field):
    """Median over inputs by gamma (dict)."""
    gammas = dict.fromkeys(row["gamma"] for row in rows)
    return {gamma: float(np.median([row[field] for row in rows if row["gamma"] == gamma])) for gamma in gammas}


def shown(mean, interval):
    """A mean and its interval in words."""
    return number(mean, 3) + (f" ({' to '.join(number(end, 3) for end in interval)})" if interval else "")


def draw(knobs, maps, powers, n_token):
    """Inverse temperature and evenness over gamma; distance from attention without keys and queries.

    Parameters
    ----------
    knobs, maps : list of dict
        Rows of `experiments.layer_6b`.
    powers : iterable of float
        Exponents of 1 + gamma that are drawn as lines.
    n_token : int
        Number of context tokens.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with style():
        figure = new_figure(4.4, width=11.5)
        left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 1.25])
        for k, knob in enumerate(dict.fromkeys(row["circuit"] for row in knobs)):
            own = [row for row in knobs if row["circuit"] == knob]
            _curve(left, own, "beta", k, knob)
            _curve(middle, own, "attended", k, knob)
        gamma = np.linspace(0, max(row["gamma"] for row in knobs), 50) if knobs else []
        for power in powers:
            left.plot(gamma, (1 + np.asarray(gamma)) ** power, color="#777777", linewidth=1, zorder=0)
        left.set(xlabel="gamma of layer 6b", ylabel="nearest inverse temperature of softmax", yscale="log")
        left.set_yticks([0.1, 0.3, 1, 3, 9], ["0.1", "0.3", "1", "3", "9"])
        left.minorticks_off()
        middle.set(
            xlabel="gamma of layer 6b", ylabel="context tokens attended to (exp of entropy)", ylim=(0, n_token + 0.2)
        )
        _distances(right, maps)
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return figure


def _curve(panel, rows, field, k, knob):
    """Median and quartiles over inputs in rates; crosses for spikes."""
    rates, spikes = ([row for row in rows if row["form"] == form] for form in ("rate", "spiking"))
    if rates:
        gammas = list(medians(rates, field))
        by_gamma = [[row[field] for row in rates if row["gamma"] == gamma] for gamma in gammas]
        low, median, high = np.percentile(by_gamma, [25, 50, 75], axis=1)
        panel.fill_between(gammas, low, high, color=CYCLE[k], alpha=0.2, linewidth=0)
        panel.plot(gammas, median, color=CYCLE[k], marker=MARKERS[k], label=knob)
    if spikes:
        x, y = zip(*((row["gamma"], row[field]) for row in spikes), strict=True)
        panel.plot(x, y, color=CYCLE[k], marker="x", linestyle="", label="single inputs in spikes" if k == 0 else None)


def _distances(panel, maps):
    """Distance from attention of layer 6b in the place of L2/3, and of nulls: a dot an input, a bar for the median."""
    names = list(dict.fromkeys(row["map"] for row in maps))
    for k, attention in enumerate(dict.fromkeys(row["attention"] for row in maps)):
        colour = CYCLE[2 * k]  # those of the two knobs
        for place, name in enumerate(names):
            own = [
                row["from_attention"] for row in maps
                if (row["map"], row["attention"]) == (name, attention) and row["form"] != "spiking"
            ]  # fmt: skip
            y = place + 0.36 * (k - 0.5) + np.linspace(-0.1, 0.1, len(own))
            panel.plot(own, y, linestyle="", marker=MARKERS[k], markersize=3, color=colour, alpha=0.5)
            if own:
                ends = [y.min() - 0.06, y.max() + 0.06]
                label = f"from {attention} attention" if place == 0 else None
                panel.plot([np.median(own)] * 2, ends, color=colour, linewidth=3, label=label)
    panel.set(xlabel="relative L2 from attention", xlim=(0, None))
    panel.set_yticks(range(len(names)), names)
    panel.invert_yaxis()
    panel.legend(loc="lower right")


def tables(knobs, maps):
    """Both tables, one below the other."""
    return Group(_knob_table(knobs), _map_table(maps))


def _knob_table(rows):
    gammas = dict.fromkeys(row["gamma"] for row in rows)
    table = Table(
        Column("circuit", no_wrap=True), "form", *(f"gamma {gamma:g}" for gamma in gammas), "from its algebra", "settled",
        title="softmax attention that comes nearest to the circuit: inverse temperature / off by (%); medians over inputs",
    )  # fmt: skip
    for circuit, form in dict.fromkeys((row["circuit"], row["form"]) for row in rows):
        own = [row for row in rows if (row["circuit"], row["form"]) == (circuit, form)]
        beta, off = medians(own, "beta"), medians(own, "from_temperature")
        values = (f"{number(beta[gamma], 3)} / {100 * off[gamma]:.1f}" for gamma in gammas)
        table.add_row(circuit, form, *values, *_ends(own))
    return table


def _map_table(rows):
    table = Table(
        Column("weights of the values", no_wrap=True), "form", "distance from", "relative L2", "times uniform (95 %)",
        "from its algebra", "settled", title="in the place of L2/3: median distance from attention",
    )  # fmt: skip
    for key, ratio in ratios(rows).items():
        own = [row for row in rows if (row["map"], row["attention"], row["form"]) == key]
        name, attention, form = key
        off = per_cent(float(np.median([row["from_attention"] for row in own])))
        table.add_row(name, form, attention, off, shown(*ratio), *(_ends(own) if "settled" in own[0] else ("-", "-")))
    return table


def _ends(rows):
    """The largest error, and how many have settled, in words."""
    return per_cent(max(row["from_algebra"] for row in rows)), f"{sum(row['settled'] for row in rows)} of {len(rows)}"
