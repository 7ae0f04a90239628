"""Pictures of learning: loss, accuracy and agreement with the gradient over presentations, and where tokens look."""

import numpy as np

from cortical_attention.readout.style import CYCLE, SEQUENTIAL, new_figure, style

SMOOTHED = 10  # presentations
SHADES = {"frozen": "#777777", "shuffled_sequences": CYCLE[4]}
LABELS = {"frozen": "queries and keys frozen", "shuffled_sequences": "targets of other sequences"}


def draw(histories, rule, maps, chance):
    """Four panels, and attention to one new sequence over learning.

    Parameters
    ----------
    histories : dict of int to dict of str to History
        By seed and rule.
    rule : str
        The one that is looked at; the others are controls.
    maps : list of (int, ndarray of shape (n_token, n_context), ndarray of bool)
        Presentations learnt, attention of the first head to a new sequence then, and the items that are asked for.
    chance : float
        Share of right answers without the query.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with style():
        figure = new_figure(6.4)
        above, below = figure.subfigures(2, 1, height_ratios=(1.25, 1))
        loss, accuracy, cosine = above.subplots(1, 3)
        for name in dict.fromkeys((*SHADES, rule)):
            _curves(loss, accuracy, histories, name, rule)
        _cosines(cosine, [each[rule] for each in histories.values()])
        loss.set(xlabel="presentation", ylabel="squared error of an answer, halved", yscale="log")
        accuracy.set(xlabel="presentation", ylabel="share of right answers", ylim=(0, 1.03))
        accuracy.axhline(chance, color="#000000", linewidth=0.8, linestyle=":")
        accuracy.text(0.03, chance - 0.13, "chance", va="top", fontsize=9, transform=accuracy.get_yaxis_transform())
        above.legend(*accuracy.get_legend_handles_labels(), loc="outside upper center", ncols=3)
        _maps(below, maps)
    return figure


def _curves(loss, accuracy, histories, name, rule):
    """Loss and accuracy over presentations, a line a seed."""
    colour = SHADES.get(name, CYCLE[0])
    for k, each in enumerate(each for each in histories.values() if name in each):
        measures = each[name].measures
        label = {"label": LABELS.get(name, f"{name} rule") if k == 0 else None}
        loss.plot(_smoothed(measures["loss"]), color=colour, linewidth=1, alpha=0.8)
        accuracy.plot(_smoothed(measures["accuracy"]), color=colour, linewidth=1, alpha=0.8, **label)


def _cosines(panel, histories):
    """Median over seeds of the cosines of what the rules ask for with the gradient."""
    names = [name for name in histories[0].measures if name.startswith("cosine_")]
    for k, name in enumerate(names):
        length = min(len(each.measures[name]) for each in histories)
        values = np.median([each.measures[name][:length] for each in histories], axis=0)
        panel.plot(values, color=CYCLE[k], linewidth=1, label=f"${name[7]}_{name[9]}$")
    panel.set(xlabel="presentation", ylabel="cosine with the negative gradient")
    panel.set_ylim(min(0, panel.get_ylim()[0]), 1.03)
    panel.legend(loc="lower left")


def _maps(part, maps):
    """Attention to one sequence, and the items that are asked for."""
    panels = part.subplots(1, len(maps))
    for panel, (n, attention, right) in zip(panels, maps, strict=True):
        shown = panel.imshow(attention, cmap=SEQUENTIAL, vmin=0, vmax=max(each.max() for _, each, _ in maps))
        rows, columns = np.nonzero(right)
        panel.plot(columns, rows, "o", color="white", markeredgecolor="black", markersize=6)
        panel.set(title=f"after {n} presentations", xlabel="pair", ylabel="question")
        panel.set_xticks(range(attention.shape[1]))
        panel.set_yticks(range(attention.shape[0]))
    part.colorbar(shown, ax=list(panels), label="attention")


def _smoothed(values):
    """Means over `SMOOTHED` presentations, each and those before it."""
    total = np.cumsum(np.concatenate([np.zeros(1), values]))
    at = np.arange(1, len(values) + 1)
    first = np.maximum(at - SMOOTHED, 0)
    return (total[at] - total[first]) / (at - first)
