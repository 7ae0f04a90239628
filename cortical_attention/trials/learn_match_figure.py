"""Figure and tables of the learning of the match task."""

from operator import itemgetter

import numpy as np
from rich.console import Group
from rich.table import Column, Table

from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.readout.style import CYCLE, new_figure, style
from cortical_attention.trials.learn_match import CONDITIONS, N_BATCH, step_of
from cortical_attention.trials.protocol import PROTOCOL

CHANCE = 0.25


def accuracies(rows, condition):
    """Accuracy by seed, in their order (ndarray)."""
    own = sorted((row for row in rows if row["condition"] == condition), key=itemgetter("seed"))
    return np.array([row["accuracy"] for row in own])


def interval(values):
    """Confidence interval of a mean over seeds."""
    return cluster_interval(values, range(len(values)), **PROTOCOL["intervals"])


def limit_of(figure):
    """Threshold of a figure in words."""
    limit = figure["threshold"]
    return f"{limit[0]:g} to rounding" if isinstance(limit, list) else f"{limit:g}"


def draw(rows):
    """Accuracy over presentations, medians over seeds, of rules, and of noise and copies; accuracy at the end by seed."""
    groups = (
        ("exact", "contrast", "kolen_pollack", "random_feedback", "no_baseline", "hebbian", "shuffled_tokens"),
        ("exact", "noise_5", "noise_10", "copies_averaged", "copies_pulled", "copies_free", "frozen_query_key"),
    )
    with style():
        figure = new_figure(7.6)
        axes = figure.subplots(2, 2, gridspec_kw={"height_ratios": (1, 1.25)})
        for panel, names in zip(axes[0], groups, strict=True):
            for colour, name in zip(CYCLE, names, strict=True):
                curves = np.array([row["curve"] for row in rows if row["condition"] == name])
                panel.plot(curves[0, :, 0], np.median(curves[..., 1], axis=0), color=colour, label=_words(name))
            panel.set(xlabel=f"presentations of {N_BATCH} sequences", ylabel="right answers", ylim=(0.2, 1))
            panel.legend(fontsize=8, loc=(0.62, 0.13))
        _draw_ends(axes[1, 0], rows)
        _draw_cosines(axes[1, 1], rows)
    return figure


def _draw_ends(panel, rows):
    """Accuracy at the end: every seed, and the mean."""
    for k, name in enumerate(reversed(CONDITIONS)):
        values = accuracies(rows, name)
        panel.plot(values, np.full(len(values), k), "o", color=CYCLE[0], alpha=0.35, markersize=4)
        panel.plot(values.mean(), k, "|", color="#000000", markersize=11)
    panel.axvline(CHANCE, color="#777777", linestyle=":")
    panel.set(xlabel="right answers at the end (dotted: query ignored)", xlim=(0.2, 1))
    panel.set_yticks(range(len(CONDITIONS)), [_words(name) for name in reversed(CONDITIONS)], fontsize=8)


def _draw_cosines(panel, rows):
    """Cosine with the exact terms at the same weights over training, of W_Q, W_K and W_V."""
    names = [name for name, each in CONDITIONS.items() if each.pull is None and name != "exact"]
    for a, (weight, marker) in enumerate(zip(("W_Q", "W_K", "W_V"), "osD", strict=True)):
        means = [_mean_cosine(rows, name)[a] for name in reversed(names)]
        panel.plot(means, range(len(names)), marker, color=CYCLE[a], label=weight, markersize=5)
    panel.axvline(0, color="#777777", linestyle=":")
    panel.set(xlabel="cosine with the gradient, mean over training", xlim=(-0.15, 1.05))
    panel.set_yticks(range(len(names)), [_words(name) for name in reversed(names)], fontsize=8)
    panel.legend(fontsize=8, loc="upper center")


def _mean_cosine(rows, condition, which="cosine_mean"):
    """Mean over seeds of the cosines of W_Q, W_K, W_V, W_O."""
    own = [row[which] for row in rows if row["condition"] == condition]
    return np.mean(np.array(own, dtype=float), axis=0)


def _words(name):
    """Name of a condition for people."""
    return name.replace("_", " ") + (" %" if CONDITIONS[name].noise else "")


def tables(rows, circuits, figures):
    """Tables of accuracies, of cosines, of the circuits, and of the figures."""
    names = "condition", "step", "right", "95 %", "range", "attention on match", "spread of Q K V O"
    right = Table(*(Column(name, no_wrap=True) for name in names), title="right answers, means over seeds")
    names = "condition", "Q K V O, mean", "Q K V O, first", "F with W_O"
    angles = Table(*(Column(name, no_wrap=True) for name in names), title="cosines with the gradient, over training")
    for name, condition in CONDITIONS.items():
        own = [row for row in rows if row["condition"] == name]
        right.add_row(*_accuracy_of(name, own))
        if condition.pull is None:
            both = (_list(_mean_cosine(own, name, each)) for each in ("cosine_mean", "cosine_first"))
            angles.add_row(_words(name), *both, _mean(own, "feedback_cosine"))
    return Group(right, angles, *([_of_circuits(circuits)] if circuits else []), _of_figures(figures))


def _accuracy_of(name, own):
    """Row of the table of accuracies of a condition."""
    values = np.array([row["accuracy"] for row in own])
    stopped = [str(row["diverged"]) for row in own if row["diverged"] is not None]
    apart = _list(np.mean([row["spread"] for row in own], axis=0)) if "spread" in own[0] else "-"
    return (
        _words(name) + (f", diverged at presentation {', '.join(stopped)}" if stopped else ""),
        f"{step_of(name):g}", f"{values.mean():.3f}", _ends(interval(values)),
        f"{values.min():.3f} to {values.max():.3f}", _mean(own, "attention_on_match"), apart,
    )  # fmt: skip


def _of_circuits(circuits):
    """Table of the circuits."""
    weights = "W_Q", "W_K", "W_V", "W_O"
    table = Table("rule", "presentations before", *weights, "settled",
                  title="terms read from cells: relative L2 from those of the algebra")  # fmt: skip
    for row in circuits:
        off = (f"{row['relative_l2'][each]:.1e}" for each in weights)
        table.add_row(_words(row["condition"]), str(row["presentation"]), *off, "yes" if row["settled"] else "no")
    return table


def _of_figures(figures):
    """Table of the figures."""
    table = Table("figure", "value", "95 %", "threshold", "outcome", title="figures")
    for name, each in figures.items():
        limit = f"{each['rule']} {limit_of(each)}"
        table.add_row(name, f"{each['value']:.3g}", _ends(each["interval"]), limit, each["outcome"])
    return table


def _mean(own, which):
    """Mean over seeds of an entry, in words."""
    return "-" if own[0].get(which) is None else f"{np.mean([row[which] for row in own]):.2f}"


def _list(values):
    return " ".join("-" if np.isnan(each) else f"{each:.2f}" for each in values)


def _ends(interval):
    return "-" if interval is None else "{:.3f} to {:.3f}".format(*interval)
