"""Style of figures, and one colour per layer (Okabe and Ito 2008, for colour-blind readers too)."""

from itertools import cycle

import matplotlib

LAYER_COLOURS = {
    "L2/3": "#0072B2",
    "L2/3 interneuron": "#D55E00",
    "L4": "#999933",
    "L5 IT": "#009E73",
    "L5 PT": "#CC79A7",
    "L5 interneuron": "#661100",
    "L6": "#997700",
    "L6b": "#AA4466",
    "L6 interneuron": "#774411",
    "reticular nucleus": "#56B4E9",
    "thalamus": "#E69F00",
    "higher-order thalamus": "#000000",
    "basal forebrain": "#225522",
    "EC5": "#777711",
    "CA1": "#117733",
    "CA3": "#4477AA",
    "CA3 interneuron": "#EE7733",
    "dentate gyrus": "#6699CC",
    "EC2": "#DDAA33",
    "EC3": "#BB5566",
}  # every layer of `cells`, from the surface of the cortex down to the thalamus, the order in which layers are drawn;
# of the hippocampal formation from the answer to the input
OTHER_COLOURS = ("#882255", "#44AA99", "#332288", "#DDCC77", "#AA4499")  # of other layers; Tol 2021, muted
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
CIRCUIT, ALGEBRA = "circuit", "algebra"
SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"
DPI = 150
WIDTH = 10.5  # inches: 1575 pixels

SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "figure.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": matplotlib.cycler(color=CYCLE),
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "image.interpolation": "nearest",
    "figure.constrained_layout.use": True,
}


def style():
    """The style as a context manager, `with style(): ...`; it ignores and afterwards restores the user's settings."""
    return matplotlib.rc_context(matplotlib.rcParamsDefault | SETTINGS)


def layer_colours(layers):
    """Colour of each of some layers, from the top of the drawing down; layers that are not registered come last, by name."""
    layers = set(layers)
    others = dict(zip(sorted(layers - set(LAYER_COLOURS)), cycle(OTHER_COLOURS), strict=False))
    return {layer: colour for layer, colour in (LAYER_COLOURS | others).items() if layer in layers}


def lighter(hexadecimal, share=0.42):
    """The colour mixed with a fraction `share` of white (str, hexadecimal)."""
    from matplotlib.colors import to_hex, to_rgb

    return to_hex([share + (1 - share) * part for part in to_rgb(hexadecimal)])


def new_figure(height, width=WIDTH):
    """An empty matplotlib Figure without a window manager; height and width in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save(figure, path):
    """Write a figure as an image, of the type given by the suffix of `path`.

    Raises
    ------
    FolderError
        If the file cannot be written.
    """
    from cortical_attention.readout.files import replacing

    with style(), replacing(path) as part:
        figure.savefig(part)
