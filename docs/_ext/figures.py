"""Figures of the scripts of the gallery: those of `readout.style.new_figure` belong to no window, and pyplot lists none."""

import warnings

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

from cortical_attention.readout.style import save


def drawn(block, variables, configuration):
    """Save each figure that a cell has left under a name, or as its last expression, once.

    Parameters
    ----------
    block : Block
        The cell.
    variables : dict
        Of the script; `example_globals` are its names.
    configuration : dict
        Of sphinx-gallery.

    Returns
    -------
    str
        The images in reStructuredText.
    """
    seen = variables.setdefault("figures", [])
    paths, titles = [], []
    for each in variables["example_globals"].values():
        if isinstance(each, Figure) and not any(each is other for other in seen):
            seen.append(each)
            paths.append(next(variables["image_path_iterator"]))
            titles.append(_title(each))
            save(each, paths[-1])
    return figure_rst(paths, configuration["src_dir"], ", ".join(titles))


def without_deprecations(configuration, script):
    """Hide before each script what is deprecated between the packages of others: warnings name files of this machine.

    Parameters
    ----------
    configuration : dict
        Of sphinx-gallery; not used.
    script : str
        Not used.
    """
    warnings.filterwarnings("ignore", category=DeprecationWarning)


def _title(figure):
    """What the figure shows, for readers who do not see it."""
    return figure.get_suptitle() or next((axes.get_title() for axes in figure.axes if axes.get_title()), "figure")
