"""Attention of circuit and algebra, their difference, and where one token looks; the page has pickers for head and token."""

from html import escape
from types import SimpleNamespace

import numpy as np
from bokeh.events import Tap
from bokeh.models import BoxAnnotation, ColorBar, ColumnDataSource, CustomJS, FixedTicker, LinearColorMapper, Range1d
from bokeh.plotting import figure
from matplotlib import colormaps
from matplotlib.colors import to_hex

from cortical_attention.readout.style import ALGEBRA, CIRCUIT, CYCLE, DIVERGING, SEQUENTIAL
from cortical_attention.report.markup import Html, element, framed, paragraph, section

DIFFERENCE = "difference"
LEFT = 55  # pixels: beside a map
EVERY = 24  # tokens, up to which each has its number at the axis


def maps(attention, reference, names=None):
    """Figures of the attention weights.

    Parameters
    ----------
    attention, reference : ndarray, shape (n_head, n_token, n_context)
    names : dict, optional
        As `names_of` gives them.

    Returns
    -------
    list of bokeh figure, dict
        Maps of circuit, algebra and difference, then the bars of one token; and what the page's script needs of them.
    """
    n_head, n_token, n_context = attention.shape
    full = ColumnDataSource(
        {CIRCUIT: attention.astype("f4").ravel(), ALGEBRA: reference.astype("f4").ravel()}, name="attention"
    )
    low, high = (
        min(0.0, float(min(attention.min(), reference.min()))),
        float(max(attention.max(), reference.max())) or 1.0,
    )
    off = float(np.abs(attention - reference).max()) or 1.0
    shown = {
        CIRCUIT: (attention[0], SEQUENTIAL, low, high),
        ALGEBRA: (reference[0], SEQUENTIAL, low, high),
        DIFFERENCE: (attention[0] - reference[0], DIVERGING, -off, off),
    }
    names = names or {}
    figures = [_map(name, *each, names) for name, each in shown.items()]
    figures.append(_bars(attention[0, 0], reference[0, 0], low, high, full, names))
    return figures, {"n_head": n_head, "n_token": n_token, "n_context": n_context, "names": names}


def names_of(shown, shape):
    """Names of heads, tokens and context, and labels of the axes (dict of lists); those that fit to the attention.

    Parameters
    ----------
    shown : dict or None
        Content of shown.json: objects with `name` and, for the axes, `label` in `tokens` and `context`; names in `heads`.
    shape : (int, int, int)
        Of the attention.
    """
    found = {}
    for kind, size in zip(("heads", "tokens", "context"), shape, strict=True):
        items = (shown or {}).get(kind) or (shown or {}).get("tokens" if kind == "context" else kind) or []
        if len(items) == size:
            items = [each if isinstance(each, dict) else {"name": each} for each in items]
            found[kind] = [each["name"] for each in items]
            if "label" in items[0]:
                found[f"labels of {kind}"] = [each["label"] for each in items]
    return found


def _map(name, weights, palette, low, high, names):
    """One map; a tap on it picks the token."""
    n_token, n_context = weights.shape
    token, context = (each.ravel() for each in np.indices(weights.shape, dtype="i4"))
    source = ColumnDataSource(
        {"token": token, "context": context, "weight": weights.astype("f4").ravel()}, name=f"map of {name}"
    )
    title = "circuit minus algebra" if name == DIFFERENCE else name
    map_ = figure(
        height=300, sizing_mode="stretch_width", x_range=Range1d(-0.5, n_context - 0.5), toolbar_location=None,
        y_range=Range1d(n_token - 0.5, -0.5), tools="hover", x_axis_label="context token", y_axis_label="token", title=title,
        tooltips=[("token", "@token"), ("context", "@context"), ("weight", "@weight{0.00000}")], min_border_left=LEFT,
    )  # fmt: skip
    mapper = LinearColorMapper(palette=colours(palette), low=low, high=high)
    map_.rect(
        "context", "token", 1, 1, source=source, line_color=None, fill_color={"field": "weight", "transform": mapper}
    )
    map_.add_layout(ColorBar(color_mapper=mapper, width=8, label_standoff=4), "right")
    map_.add_layout(
        BoxAnnotation(
            top=-0.5,
            bottom=0.5,
            fill_alpha=0,
            line_color="#D55E00",
            line_width=2.5,
            line_alpha=1,
            name=f"row of {name}",
        )
    )
    map_.grid.visible = False
    _every(map_.xaxis, n_context, names.get("labels of context"), turned=True)
    _every(map_.yaxis, n_token, names.get("labels of tokens"))
    map_.js_on_event(Tap, CustomJS(code="corticalAttention.pick(cb_obj.y)"))
    return map_


def _bars(circuit, algebra, low, high, full, names):
    """Weights of one token: bars of the algebra, dots of the circuit. The whole of the weights travels with it."""
    n_context = circuit.size
    source = ColumnDataSource(
        {"context": np.arange(n_context, dtype="i4"), CIRCUIT: circuit.astype("f4"), ALGEBRA: algebra.astype("f4")},
        name="looking",
    )
    margin = 0.06 * (high - low)
    bars = figure(
        height=210, sizing_mode="stretch_width", tools="hover", toolbar_location=None, x_axis_label="context token",
        tooltips=[("context", "@context"), (CIRCUIT, "@circuit{0.00000}"), (ALGEBRA, "@algebra{0.00000}")],
        x_range=Range1d(-0.6, n_context - 0.4), y_range=Range1d(low - margin * (low < 0), high + margin),
        y_axis_label="weight", min_border_left=LEFT,
    )  # fmt: skip
    bars.vbar("context", 0.7, ALGEBRA, source=source, color="#BBBBBB")
    bars.scatter("context", CIRCUIT, source=source, size=9, color=CYCLE[0], line_color="white")
    bars.xgrid.visible = False
    _every(bars.xaxis, n_context, names.get("labels of context"))
    source.js_on_change("data", CustomJS(args={"attention": full}, code=""))  # so that it is in the page
    return bars


def _every(axis, size, labels=None, turned=False):
    """Whole numbers at an axis of tokens, or labels, which may be turned."""
    step = -(-size // EVERY)
    axis.ticker = FixedTicker(ticks=list(range(0, size, step)))
    if labels:
        axis.major_label_overrides = dict(enumerate(labels))
        axis.major_label_orientation = "vertical" if turned and max(map(len, labels)) > 2 else "horizontal"


def colours(name):
    """Palette of 256 colours of matplotlib (list of str)."""
    return [to_hex(colour) for colour in colormaps[name](np.linspace(0, 1, 256))]


def attention_section(result, place, shown=None):
    """The part of the page on attention.

    Parameters
    ----------
    result
        With `attention` and `reference_attention`, either of which may be None.
    place : callable
        Gives the HTML in which a figure appears.
    shown : dict, optional
        What tokens stand for (shown.json).

    Returns
    -------
    str, dict or None
        HTML, and what the script needs.
    """
    if result.attention is None or result.reference_attention is None:
        missing = (
            "No cells of this circuit carry attention weights." if result.attention is None else "The algebra has none."
        )
        return section("attention", "Attention", paragraph(f"{missing} There is no map to draw.")), None
    figures, sizes = maps(result.attention, result.reference_attention, names_of(shown, result.attention.shape))
    *three, bars = map(place, figures)
    sizes = SimpleNamespace(**sizes)
    picked = element("p", "", id="looks", aria_live="polite", class_="said")
    weights = framed(
        element("div", "".join(three), class_="maps"), "Maps of attention weights",
        "Attention weights of one head: a row for each token, a column for each token of its context. Click a row to pick "
        "its token.",
    )  # fmt: skip
    looking = framed(
        bars, "Bars of the weights of the token that was picked",
        "Where this token looks: grey bars are the algebra, blue dots the circuit.",
    )  # fmt: skip
    html = section("attention", "Attention", _pickers(sizes), picked, weights, looking)
    return html, vars(sizes)


def _pickers(sizes):
    """Pickers of head and token, which the keyboard reaches."""
    heads = sizes.names.get("heads") or map(str, range(sizes.n_head))
    options = "".join(element("option", escape(name), value=k) for k, name in enumerate(heads))
    token = f'<input type="range" id="token" min="0" max="{sizes.n_token - 1}" value="0" step="1">'
    return element(
        "div",
        Html(
            element("label", "Head " + element("select", options, id="head"))
            + element("label", "Token " + token + element("output", "0", id="token-said", for_="token"))
        ),
        class_="pickers",
    )
