"""Figure of where questions look among examples: images side by side, joined by lines as strong as the attention."""

import numpy as np

from cortical_attention.readout.style import ALGEBRA, CIRCUIT, CYCLE, new_figure, style

LETTERS = "ABCDEFGH"
SIDE = 0.86  # of an image, where images lie one below another


def looking(questions, examples, labels, tags, answers, kappa, reference_kappa, head=None):
    """Questions (left) and examples (right) of one sequence, joined by the attention of circuit and algebra.

    Parameters
    ----------
    questions, examples : ndarray, shape (n, n_row, n_column)
        Images.
    labels, tags : ndarray of int, shape (n,)
        Right tag of each question, and tag of each example.
    answers : (ndarray, ndarray) of int, shape (n,)
        Tags that circuit and algebra answer.
    kappa, reference_kappa : ndarray, shape (n_head, n_question, n_example)
    head : int, optional
        None: the mean over heads.

    Returns
    -------
    matplotlib.figure.Figure
        A line has the colour of the tag of its example. Beside a question stands its answer; if wrong, also the right one.

    Raises
    ------
    ValueError
        If a head is asked for that is not there.
    """
    if head is not None and not 0 <= head < len(kappa):
        raise ValueError(f"there is no head {head} among {len(kappa)}, counted from 0.")
    weights = [each.mean(axis=0) if head is None else each[head] for each in (kappa, reference_kappa)]
    with style():
        figure = new_figure(5.6, width=9.0)
        panels = figure.subplots(1, 2)
        for panel, title, attention, answer in zip(panels, (CIRCUIT, ALGEBRA), weights, answers, strict=True):
            _draw(panel, questions, examples, labels, tags, answer, attention)
            panel.set_title(title)
        right = ", ".join(LETTERS[: int(np.max(tags)) + 1])
        figure.suptitle(f"Where each question (left) looks among the examples (right) with their tags {right}")
    return figure


def _draw(panel, questions, examples, labels, tags, answer, attention):
    """One panel: images at x = 0 and 4, one below another, and lines between them."""
    for i, j in np.ndindex(*attention.shape):
        look = {"color": CYCLE[tags[j]], "alpha": float(np.clip(attention[i, j], 0, 1)), "linewidth": 3.5}
        panel.plot([0.55, 3.45], [-i, -j], solid_capstyle="butt", **look)
    for k, image in enumerate(questions):
        _image(panel, image, 0, -k)
        wrong = answer[k] != labels[k]
        said = f"{LETTERS[answer[k]]} not {LETTERS[labels[k]]}" if wrong else LETTERS[answer[k]]
        panel.text(-0.6, -k, said, ha="right", va="center", color=CYCLE[answer[k]], fontweight="bold")
    for k, image in enumerate(examples):
        _image(panel, image, 4, -k)
        panel.text(4.6, -k, LETTERS[tags[k]], ha="left", va="center", color=CYCLE[tags[k]], fontweight="bold")
    panel.set(xlim=(-1.8, 5.2), ylim=(0.4 - len(questions), 0.6), aspect="equal")
    panel.axis("off")


def _image(panel, image, x, y):
    half = SIDE / 2
    panel.imshow(image, cmap="gray_r", extent=(x - half, x + half, y - half, y + half), zorder=2)
    panel.add_patch(_frame(x - half, y - half))


def _frame(x, y):
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), SIDE, SIDE, fill=False, edgecolor="#777777", linewidth=0.6, zorder=3)
