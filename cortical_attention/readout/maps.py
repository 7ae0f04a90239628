"""Matrices of circuit and algebra side by side: attention weights, outputs, attention over an image."""

import numpy as np

from cortical_attention.readout.agreement import max_abs
from cortical_attention.readout.style import ALGEBRA, CIRCUIT, CYCLE, DIVERGING, SEQUENTIAL, new_figure, style


def draw_attention(figure, kappa, reference_kappa, heads):
    """Draw the attention weights of circuit and algebra and their difference, a row a head, into a figure or a part.

    Circuit and algebra share one colour scale over all heads drawn, the differences another. Returns the panels
    (n_shown, 3).
    """
    rows = [(f"head {head}", kappa[head], reference_kappa[head]) for head in heads]
    return _name_axes(draw_triples(figure, rows, "attention weight", signed=False), "context", "token")


def draw_outputs(figure, output, reference):
    """Draw output, reference and difference, (n_token, d_model) each, into a figure or a part; returns the panels."""
    return _name_axes(draw_triples(figure, [("", output, reference)], "output", signed=True), "component", "token")


def draw_triples(figure, rows, name, signed):
    """Rows of three images: circuit, algebra, difference.

    `rows` are (row name, circuit, algebra), with matrices of equal shape; `name` labels the colour scale; `signed` selects
    a diverging scale. Returns the panels (n_row, 3).
    """
    from matplotlib.ticker import MaxNLocator

    panels = figure.subplots(len(rows), 3, squeeze=False)
    values = np.concatenate([np.ravel(each) for _, *pair in rows for each in pair])
    limits, colours = _limits(values, signed)
    largest = max(max_abs(circuit, algebra) for _, circuit, algebra in rows)
    for line, (row, circuit, algebra) in zip(panels, rows, strict=True):
        for panel, matrix in zip(line, (circuit, algebra), strict=False):
            shared = panel.imshow(matrix, aspect="auto", cmap=colours, **limits)
        difference = _limits([largest], True)[0]
        own = line[2].imshow(circuit - algebra, aspect="auto", cmap=DIVERGING, **difference)
        line[2].set_title(f"largest {max_abs(circuit, algebra):.2g}", fontsize=9)
        line[0].set_title(row, loc="left", fontweight="bold")
    for panel, title in zip(panels[0], (CIRCUIT, ALGEBRA, f"{CIRCUIT} \N{MINUS SIGN} {ALGEBRA}"), strict=True):
        panel.annotate(title, (0.5, 1), (0, 22), "axes fraction", "offset points", ha="center", fontsize=10.5)
    below = {"location": "bottom", "pad": 0.02 / len(rows)}
    figure.colorbar(shared, ax=panels[:, :2].ravel().tolist(), label=name, shrink=0.6, aspect=35, **below)
    figure.colorbar(
        own, ax=panels[:, 2].tolist(), label="difference", ticks=MaxNLocator(4), shrink=0.9, aspect=25, **below
    )
    return panels


def attention_over_digit(image, kappa, reference_kappa, patch=2, token=None, heads=None):
    """Figure of the attention of one patch over an image: circuit beside algebra, one row per head.

    Parameters
    ----------
    image : array_like
        (n_row, n_column), cut into square patches; a patch is a token, counted row by row.
    kappa, reference_kappa : array_like
        (n_head, n_patch, n_patch).
    patch : int
        Pixels along each side of a patch.
    token : int, optional
        The query patch; default: the brightest.
    heads : sequence of int, optional
        Which heads, counted from 0; the first four by default.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        On weights whose shapes differ or are not of three axes, numbers that are not finite, a head that is not there, and
        where the patches do not fit the image or the weights.
    """
    kappa, reference_kappa = checked_kappa(kappa, reference_kappa)
    image = np.asarray(image, dtype=float)
    brightness = _patches(image, patch)
    if kappa.shape[1:] != (brightness.size, brightness.size):
        raise ValueError(f"kappa has shape {kappa.shape}, but the image has {brightness.size} patches.")
    token = int(brightness.argmax()) if token is None else token
    if not 0 <= token < brightness.size:
        raise ValueError(f"there is no patch {token} among {brightness.size}, counted from 0.")
    heads = shown_heads(heads, len(kappa), most=4)
    weights = np.stack([kappa[heads, token], reference_kappa[heads, token]], axis=1).reshape(-1, 2, *brightness.shape)
    with style():
        figure = new_figure(2.5 * len(heads) + 0.8, width=8.6)
        figure.set_layout_engine("compressed")  # for panels of fixed shape
        _draw_digit(figure, image, weights, heads, token, patch)
        figure.suptitle(f"Attention of the framed patch{which(heads, len(kappa))}; white: outline of the image")
    return figure


def _draw_digit(figure, image, weights, heads, token, patch):
    """`weights` are (n_shown, 2, n_patch_row, n_patch_column), circuit and algebra."""
    panels = figure.subplots(len(heads), 3, squeeze=False)
    extent = (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)
    limits, colours = _limits(weights, signed=False)
    for line, pair, head in zip(panels, weights, heads, strict=True):
        line[0].imshow(image, cmap="gray_r", extent=extent)
        for panel, weight in zip(line[1:], pair, strict=True):
            shared = panel.imshow(weight, cmap=colours, extent=extent, **limits)
            _outline(panel, image)
        for panel in line:
            panel.set(xticks=[], yticks=[], xlim=extent[:2], ylim=extent[2:])
            _frame(panel, *np.array(divmod(token, weights.shape[-1])) * patch, patch)
        line[0].set_ylabel(f"head {head}", fontweight="bold")
    for panel, title in zip(panels[0], ("image", CIRCUIT, ALGEBRA), strict=True):
        panel.set_title(title)
    figure.colorbar(shared, ax=panels[:, 1:].ravel().tolist(), label="attention weight", shrink=0.8, aspect=30)


def _outline(panel, image):
    """Edges of the bright pixels, drawn along the pixels' borders."""
    bright = np.kron(np.pad(image, 1) > image.max() / 2, np.ones((8, 8)))
    x, y = (np.arange(size) / 8 - 1.5 + 1 / 16 for size in bright.shape[::-1])
    if 0 < bright.mean() < 1:
        panel.contour(x, y, bright, levels=[0.5], colors="white", linewidths=1)


def _frame(panel, row, column, patch):
    from matplotlib.patches import Rectangle

    corner = (column - 0.5, row - 0.5)
    panel.add_patch(
        Rectangle(corner, patch, patch, fill=False, edgecolor=CYCLE[1], linewidth=3, clip_on=False, zorder=5)
    )


def _patches(image, patch):
    """Mean brightness of each patch, (n_patch_row, n_patch_column)."""
    if image.ndim != 2 or image.size == 0 or patch < 1 or any(size % patch for size in image.shape):
        raise ValueError(f"an image of shape {image.shape} cannot be cut into patches of {patch} by {patch} pixels.")
    n_row, n_column = (size // patch for size in image.shape)
    return image.reshape(n_row, patch, n_column, patch).mean(axis=(1, 3))


def checked_kappa(kappa, reference_kappa):
    """Both as float arrays (n_head, n_token, n_context); ValueError where they cannot be compared."""
    kappa, reference_kappa = np.asarray(kappa, dtype=float), np.asarray(reference_kappa, dtype=float)
    if kappa.ndim != 3:
        raise ValueError(f"kappa has shape {kappa.shape}, but needs (n_head, n_token, n_context).")
    max_abs(kappa, reference_kappa)  # refuses what cannot be compared
    return kappa, reference_kappa


def shown_heads(heads, n_head, most):
    """Indices of the heads to show (list), by default the first `most`; ValueError for an unknown head."""
    heads = list(range(min(n_head, most))) if heads is None else list(heads)
    for head in heads:
        if not 0 <= head < n_head:
            raise ValueError(f"there is no head {head} among {n_head}, counted from 0.")
    if not heads:
        raise ValueError("no head is asked for.")
    return heads


def which(heads, n_head):
    """How many heads are shown, where not all are."""
    return "" if len(heads) == n_head else f" ({len(heads)} of {n_head} heads)"


def _limits(values, signed):
    """Colour limits and colours: from zero up, or around zero where numbers are signed or some are negative."""
    largest = float(np.abs(values).max()) or 1.0
    if signed or np.min(values) < 0:
        return {"vmin": -largest, "vmax": largest}, DIVERGING
    return {"vmin": 0.0, "vmax": largest}, SEQUENTIAL


def _name_axes(panels, x_label, y_label):
    """Whole numbers along the axes, named at the left and at the bottom; returns the panels."""
    from matplotlib.ticker import MaxNLocator

    for panel in panels.flat:
        for axis in (panel.yaxis, panel.xaxis):
            axis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 4, 5, 10]))
    for panel in panels[-1]:
        panel.set_xlabel(x_label)
    for panel in panels[:, 0]:
        panel.set_ylabel(y_label)
    for panel in panels[:-1].flat:
        panel.tick_params(labelbottom=False)
    for panel in panels[:, 1:].flat:
        panel.tick_params(labelleft=False)
    return panels
