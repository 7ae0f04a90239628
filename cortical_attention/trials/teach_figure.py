"""Figure of `experiments.teach`: errors in cells over a stream, accuracy over training, attention, and predicted frames."""

import numpy as np

from cortical_attention.inputs.streams import N_COMPONENT, canvas
from cortical_attention.readout.style import CYCLE, MARKERS, SEQUENTIAL, new_figure, style
from cortical_attention.reference.attention import linear_attention
from cortical_attention.trials.teach import NEXT, TEACHERS, test_of

GREY = "#777777"


def draw(rows, shown, blocks):
    """Errors and accuracy above; attention and, for digits, frames below.

    Parameters
    ----------
    rows : list of dict
        A row for each training, with its curve.
    shown : dict of Job to Cells
        Streams in simulated cells.
    blocks : dict of Job to Block
        Learnt weights.

    Returns
    -------
    matplotlib.figure.Figure
    """
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    with style():
        figure = new_figure(7.4 if "digit" in tasks else 6.4)
        above, below = figure.subfigures(2, 1, height_ratios=(1, 1.1))
        panels = above.subplots(1, len(tasks) + bool(shown), squeeze=False)[0]
        for panel, task in zip(panels[::-1], tasks[::-1], strict=False):
            _curves(panel, [row for row in rows if row["task"] == task], task)
        if shown:
            _errors(above, panels[0], next(each for each in shown.items() if each[0].teacher == NEXT))
        above.legend(*panels[-1].get_legend_handles_labels(), loc="outside upper center", ncols=6)
        parts = below.subfigures(1, 2, width_ratios=(1, 1.3)) if "digit" in tasks else (below, None)
        first = {job.task: job for job in reversed(blocks) if job.teacher == NEXT}
        _attention(parts[0], {task: blocks[first[task]] for task in tasks}, {task: first[task].seed for task in tasks})
        if "digit" in tasks:
            _frames(parts[1], blocks[first["digit"]], test_of("digit", first["digit"].seed))
    return figure


def _curves(panel, rows, task):
    """Mean accuracy over seeds of every teacher, its range, and chance."""
    for k, teacher in enumerate(TEACHERS):
        curves = np.array([row["curve"] for row in rows if row["teacher"] == teacher])
        x, y = curves[0, 1:, 0], curves[:, 1:, 1]  # without the start, which has no place on a logarithmic axis
        panel.plot(x, y.mean(axis=0), color=CYCLE[k], marker=MARKERS[k], markersize=3, label=teacher)
        panel.fill_between(x, y.min(axis=0), y.max(axis=0), color=CYCLE[k], alpha=0.2, linewidth=0)
    panel.axhline(rows[0]["chance"], color=GREY, linestyle=":", label="chance")
    panel.set(
        xscale="log", title=f"{task}: next frame named", xlabel="sequences seen", ylabel="accuracy", ylim=(-0.03, 1.03)
    )


def _errors(figure, panel, found):
    """Size of the errors of every macrocolumn over a stream."""
    job, cells = found
    span = (0, len(cells.errors) * cells.phase, cells.errors.shape[1] - 0.5, -0.5)
    image = panel.imshow(cells.errors.T, aspect="auto", extent=span, cmap=SEQUENTIAL, interpolation="nearest")
    title = f"{job.task}: errors in cells, before training" if job.step == 0 else f"{job.task}: errors in cells"
    panel.set(title=title, xlabel="time (s)", ylabel="macrocolumn (token)")
    figure.colorbar(image, ax=panel, label="|error|")


def _attention(figure, blocks, seeds):
    """Attention after training, mean over test sequences."""
    panels = figure.subplots(1, len(blocks), squeeze=False)[0]
    for panel, (task, block) in zip(panels, blocks.items(), strict=True):
        drawn = test_of(task, seeds[task])
        kappa = linear_attention(drawn.tokens, block, context=drawn.context).kappa.mean(axis=(0, 1))
        image = panel.imshow(kappa, cmap=SEQUENTIAL, vmin=0)
        panel.set(title=f"{task}: attention", xlabel="context token", ylabel="token")
        panel.set(xticks=range(drawn.n_item), yticks=range(drawn.n_item))
        figure.colorbar(image, ax=panel, shrink=0.5)


def _frames(figure, block, drawn):
    """What is seen, predicted and then seen for the tokens of the test sequence of median error, as images of components."""
    answer = linear_attention(drawn.tokens, block, context=drawn.context).output
    error = ((answer - drawn.truth()) ** 2).sum(axis=(1, 2))
    sequence = np.argsort(error)[len(error) // 2]
    shown = {"now": drawn.tokens, "predicted": answer, "next": drawn.truth()}
    panels = figure.subplots(len(shown), drawn.n_item)
    images = {name: canvas(each[sequence, :, :N_COMPONENT]) for name, each in shown.items()}
    limits = {"vmin": 0, "vmax": max(each.max() for each in images.values())}
    for line, (name, each) in zip(panels, images.items(), strict=True):
        for panel, image in zip(line, each, strict=True):
            panel.imshow(image, cmap="gray_r", **limits)
            panel.set(xticks=[], yticks=[])
        line[0].set_ylabel(name)
    figure.suptitle("a digit that was not trained on, of median error")
