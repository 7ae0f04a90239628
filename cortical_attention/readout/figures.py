"""Figures of an output compared with its reference, and of error curves."""

import numpy as np

from cortical_attention.readout.agreement import cosine, relative_l2, skill
from cortical_attention.readout.maps import checked_kappa, draw_attention, draw_outputs, shown_heads, which
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, save, style
from cortical_attention.readout.units import magnitude

__all__ = ["comparison", "curve", "save"]

SHOWN_HEADS = 2
MAP_HEIGHT = 2.5  # inches a row of matrices


def comparison(
    output, reference, kappa=None, reference_kappa=None, times=None, errors=None, null_errors=None, heads=None,
    rounding=0.0,
):  # fmt: skip
    """Figure of a comparison: scatter plot, error over time, and attention weights.

    Parameters
    ----------
    output, reference : array_like
        (n_token, d_model).
    kappa, reference_kappa : array_like, optional
        (n_head, n_token, n_context). If no cell represents kappa (memory wiring), the outputs are drawn instead.
    times : Quantity (s), optional
        (n_time,).
    errors : array_like, optional
        (n_time,) relative L2 at these times; entries of None, zero or not finite are omitted. Default: no panel.
    null_errors : dict of str to (float or None), optional
        Relative L2 of null models by name.
    heads : sequence of int, optional
        Heads drawn, counted from 0; the first two by default.
    rounding : float
        As in `readout.agreement.skill`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        On two shapes, an empty array or an entry that is not finite; a head that is not there; and where times and errors
        differ in length.
    """
    output, reference = np.asarray(output, dtype=float), np.asarray(reference, dtype=float)
    nulls = null_errors or {}
    if kappa is not None:
        kappa, reference_kappa = checked_kappa(kappa, reference_kappa)
        heads = shown_heads(heads, len(kappa), most=SHOWN_HEADS)
    with style():
        below = MAP_HEIGHT * (1 if kappa is None else len(heads)) + 1.4
        figure = new_figure(4.2 + below)
        upper, lower = figure.subfigures(2, 1, height_ratios=[4.2, below], hspace=0.04)
        panels = upper.subplots(1, 1 if errors is None else 2, squeeze=False)[0]
        draw_scatter(panels[0], output, reference, nulls, rounding)
        if errors is not None:
            _draw_error_over_time(panels[1], times, errors, nulls, rounding)
        if kappa is None:
            draw_outputs(lower, output, reference)
        else:
            draw_attention(lower, kappa, reference_kappa, heads)
            lower.suptitle(f"Attention weights{which(heads, len(kappa))}")
    return figure


def curve(x, ys, x_label, y_label, guides=None, title=None):
    """Curves on two logarithmic axes.

    Parameters
    ----------
    x : array_like
        (n_x,).
    ys : dict of str to array_like
        By label: (n_x,), or (n_sample, n_x) drawn as median and range. Entries that are not positive are omitted.
    x_label, y_label : str
        Labels with units.
    guides : dict of str to float, optional
        Slopes by label, drawn as dotted lines through the first point of the first curve.
    title : str, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the length of a curve differs from that of `x`, or an x is not positive.
    """
    x = np.asarray(x, dtype=float)
    if x.ndim != 1 or not x.size or not np.all((x > 0) & (x < np.inf)):
        raise ValueError("the logarithmic axis needs one positive x at least, and no other.")
    with style():
        figure = new_figure(5.4, width=8.0)
        panel = figure.subplots()
        for number, (label, y) in enumerate(ys.items()):
            _draw_curve(panel, x, _positive(label, y, x.size), label, number)
        _draw_guides(panel, x, guides or {}, next(iter(ys.values())))
        panel.set(xscale="log", yscale="log", xlabel=x_label, ylabel=y_label, title=title)
        _plain_ticks(panel, x)
        panel.grid(which="major", color="#DDDDDD", linewidth=0.8)
        panel.legend()
    return figure


def draw_scatter(panel, output, reference, null_errors, rounding=0.0):
    """Scatter every entry of the output over that of the reference, with the line on which they would be equal."""
    error = relative_l2(output, reference)
    low, high = min(output.min(), reference.min()), max(output.max(), reference.max())
    margin = 0.05 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    panel.plot(limits, limits, color="#777777", linewidth=1, zorder=1, label="equal")
    panel.scatter(reference.ravel(), output.ravel(), s=14, color=CYCLE[0], alpha=0.6, linewidths=0, zorder=2)
    panel.set(xlabel="algebra", ylabel="circuit", xlim=limits, ylim=limits, aspect="equal", title="Output")
    panel.locator_params(nbins=5)
    lines = [f"relative L2  {_percent(error)}", f"cosine  {_number(cosine(output, reference))}"]
    if null_errors:
        lines.append(f"skill  {_number(skill(error, null_errors, rounding))}")
        nulls = [f"{_words(name)}  {_percent(null)}" for name, null in null_errors.items()]
        _write(panel, ["relative L2 of the nulls", *nulls], 0.97, 0.03)
    _write(panel, lines, 0.03, 0.97)


def _write(panel, lines, x, y):
    """Write into the corner at `x`, `y` (fractions of the panel), away from the line of equality."""
    box = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 2}
    sides = {"ha": "left" if x < 0.5 else "right", "va": "bottom" if y < 0.5 else "top"}
    panel.text(x, y, "\n".join(lines), transform=panel.transAxes, fontsize=9, bbox=box, zorder=4, **sides)


def _words(name):
    return name.removesuffix("_relative_l2").replace("_", " ")


def _percent(error):
    return "undefined" if error is None else f"{100 * error:.3g} %"


def _number(value):
    return "undefined" if value is None else f"{value:.5g}"


def _draw_error_over_time(panel, times, errors, null_errors, rounding):
    times = np.empty(0) if times is None else magnitude(times, "s")
    errors = _positive("error over time", errors, times.size)
    panel.set(xlabel="measured time (s)", ylabel="relative L2", title="Error of the mean until then")
    if not np.isfinite(errors).any():
        panel.text(
            0.5, 0.5, "no error above zero", transform=panel.transAxes, ha="center", va="center", color="#555555"
        )
        panel.set(xticks=[], yticks=[])
        return
    panel.semilogy(times, errors, color=CYCLE[0], marker="o", markersize=3, label="circuit")
    known = {name: error for name, error in null_errors.items() if error and error > rounding}
    if known:
        best = min(known, key=known.get)
        panel.axhline(known[best], color=CYCLE[1], linestyle="--", label=f"best null: {_words(best)}")
    panel.grid(which="major", axis="y", color="#DDDDDD", linewidth=0.8)
    panel.legend(loc="best")


def _positive(label, y, size):
    """`y` as floats, with NaN for entries that a logarithmic axis cannot show."""
    y = np.asarray(y, dtype=float)
    if y.shape[-1:] != (size,) or y.ndim > 2:
        raise ValueError(f"{label!r} has shape {y.shape}, but there are {size} places along the axis.")
    return np.where((y > 0) & np.isfinite(y), y, np.nan)


def _draw_curve(panel, x, y, label, number):
    shade = CYCLE[number % len(CYCLE)]
    samples = np.ma.masked_invalid(np.atleast_2d(y))
    middle = np.ma.median(samples, axis=0).filled(np.nan)
    panel.plot(x, middle, color=shade, marker=MARKERS[number % len(MARKERS)], markersize=6, label=label)
    if len(samples) > 1:
        low, high = samples.min(axis=0).filled(np.nan), samples.max(axis=0).filled(np.nan)
        panel.fill_between(x, low, high, color=shade, alpha=0.2, linewidth=0)


def _draw_guides(panel, x, guides, first):
    anchor = np.ma.median(np.ma.masked_invalid(np.atleast_2d(_positive("guide", first, x.size))), axis=0)
    known = np.flatnonzero(~np.ma.getmaskarray(anchor))
    for (label, slope), dashes in zip(guides.items(), (":", "-.", (0, (6, 3)), "--"), strict=False):
        if known.size:
            place = known[0]
            panel.plot(x, anchor[place] * (x / x[place]) ** slope, color="#555555", linestyle=dashes, label=label)


def _plain_ticks(panel, x):
    """Label the points themselves, as plain numbers, if they are few."""
    from matplotlib.ticker import NullLocator

    if x.size <= 12:
        panel.set_xticks(x, [f"{value:g}" for value in x])
        panel.xaxis.set_minor_locator(NullLocator())
