"""Pictures of a transformer whose heads are circuits: residuals of all heads, and words that look at words."""

import numpy as np

from cortical_attention.readout.style import ALGEBRA, CIRCUIT, SEQUENTIAL, new_figure, style


def draw_residuals(row):
    """Figure of the relative L2 of each head of a sentence, beside that of linear attention; one scale of colours.

    Parameters
    ----------
    row : dict
        As `trials.transformer.answer_group` gives it.
    """
    panels = {CIRCUIT: row["head_relative_l2"], "linear attention": row["linear_relative_l2"]}
    panels = {
        name: np.log10(np.maximum(np.array(each, dtype=float), np.finfo(float).tiny)) for name, each in panels.items()
    }
    limits = {"vmin": np.nanmin(list(panels.values())), "vmax": np.nanmax(list(panels.values()))}
    with style():
        figure = new_figure(3.4, width=9.0)
        shown = figure.subplots(1, 2, sharey=True)
        for panel, (name, values) in zip(shown, panels.items(), strict=True):
            image = panel.imshow(values, cmap=SEQUENTIAL, aspect="auto", **limits)
            panel.set(title=name, xlabel="head")
            panel.grid(visible=False)
        shown[0].set_ylabel("layer")
        figure.colorbar(image, ax=list(shown), label="log10 of relative L2")
    return figure


def draw_words(row, layer, head):
    """Figure of the attention of one head among the tokens of a sentence, by the circuit and by the algebra.

    Parameters
    ----------
    row : dict
        As `trials.transformer.answer_group` gives it.
    layer, head : int
        A head that a circuit answered.
    """
    maps = {CIRCUIT: row["attention"][layer][head], ALGEBRA: row["algebra"][layer][head]}
    places, size = np.arange(row["n_token"]), 2.2 + 0.26 * row["n_token"]
    with style():
        figure = new_figure(size, width=1.9 * size)
        figure.set_layout_engine("compressed")
        panels = figure.subplots(1, 2, sharey=True)
        for panel, (name, kappa) in zip(panels, maps.items(), strict=True):
            image = panel.imshow(kappa, cmap=SEQUENTIAL, vmin=0, vmax=max(each.max() for each in maps.values()))
            panel.set(title=name, xlabel="word that is looked at")
            panel.set_xticks(places, row["tokens"], rotation=90)
            panel.set_yticks(places, row["tokens"])
            panel.grid(visible=False)
        panels[0].set_ylabel("word that looks")
        figure.colorbar(image, ax=list(panels), label="attention weight", shrink=0.8)
        figure.suptitle(f"layer {layer}, head {head}")
    return figure
