"""Activity over time: every recorded spike (or value), population rates and recorded variables, on one axis of time.

Spikes travel packed, as their number in each step of the simulation and the rows of their cells. The script of the page
counts those in view into an image of whole steps and whole cells, so the picture is exact at every zoom.
"""

from html import escape
from typing import NamedTuple

import numpy as np
from bokeh.events import MouseMove
from bokeh.models import (
    BoxAnnotation,
    ColumnDataSource,
    CustomJS,
    FixedTicker,
    Label,
    LinearColorMapper,
    Range1d,
    WheelZoomTool,
)
from bokeh.plotting import figure

from cortical_attention.readout.recording import cell_positions
from cortical_attention.readout.style import DIVERGING, layer_colours, lighter
from cortical_attention.readout.units import magnitude, shown_in
from cortical_attention.report.maps import colours
from cortical_attention.report.markup import element, framed, section

LEFT, RIGHT = 150, 12  # pixels beside the panels, so that their axes of time lie one above the other
HEIGHT = 560  # pixels of the raster
COLUMNS, ROWS = 1600, 700  # of the image; chosen: no fewer than the pixels of a panel
GAP, LEAST = 0.05, 0.12  # of a lane's height between lanes; of the highest lane, what the lowest gets
HEADROOM = 0.035  # of the height of all lanes
BIN = 0.02  # s, of rates, rounded to whole steps
SHOWN_CELLS, SHOWN_TRACES = 3, 12
DASHES = ("solid", "dashed", "dotted", "dotdash", "dashdot")
TOOLS = "xpan,box_zoom,reset"


class Lane(NamedTuple):
    """The cells of one population, one below another, from `top` down; `order` are their places among the recorded ones.

    Populations of one layer have one colour, and lines of their own `dash`.
    """

    record: object
    top: float
    height: float
    order: np.ndarray
    colour: str
    dash: str

    @property
    def name(self):
        """Name of the population, in words."""
        return self.record.name.replace("_", " ")


def lanes(records):
    """Lanes of all populations from the surface of the cortex down (list of Lane); a small one gets `LEAST`."""
    shades = layer_colours(record.layer for record in records)
    layers = list(shades)
    ordered = sorted((each for each in records if len(each.cells)), key=lambda each: layers.index(each.layer))
    least, top, found = LEAST * max((len(each.cells) for each in ordered), default=0), 0.0, []
    for record in ordered:
        height = max(len(record.cells), least)
        dash = DASHES[sum(lane.record.layer == record.layer for lane in found) % len(DASHES)]
        found.append(Lane(record, top, height, _order(record), shades[record.layer], dash))
        top += height * (1 + GAP)
    return found


def _order(record):
    """Places of the recorded cells from the top of a lane down: on cells, then off cells, each by their flat index."""
    positions = cell_positions(record)
    off = positions["sign"] == "off" if "sign" in positions else np.zeros(len(record.cells), bool)
    return np.lexsort((record.cells, off))


class Panels(NamedTuple):
    """What is drawn over time: Bokeh figures, and what the script needs of them."""

    raster: object
    rates: object
    traces: list
    lanes: list
    data: dict


def panels(recording):
    """Panels of a recording.

    Parameters
    ----------
    recording : readout.store.Recording or simulation.run.Run

    Returns
    -------
    Panels
    """
    t_stop, dt = (float(magnitude(each, "s")) for each in (recording.t_stop, recording.dt))
    placed = lanes(recording.records)
    x_range = Range1d(0, t_stop, bounds=(0, t_stop), min_interval=dt)
    raster = _raster(placed, x_range, t_stop, dt, recording.epochs)
    rates = _rates(placed, x_range, t_stop, dt, recording.epochs)
    pairs = [(lane, trace) for lane in placed for trace in lane.record.traces]
    traces = [_trace(lane, trace, x_range, recording.epochs) for lane, trace in pairs[:SHOWN_TRACES]]
    return Panels(raster, rates, traces, placed, _for_script(placed, t_stop, dt, recording.epochs))


def _for_script(placed, t_stop, dt, epochs):
    """Sizes and colours of the lanes, and the measured time."""
    windows = [each for each in epochs if each.name == "window"]
    measured = [min(each.start for each in windows), max(each.stop for each in windows)] if windows else [0, t_stop]
    return {"t_stop": t_stop, "dt": dt, "lanes": [_in_words(*each) for each in enumerate(placed)], "measured": measured}


def _in_words(k, lane):
    """What the script knows of a lane: its place and colour, and which cell each of its rows is."""
    axes = [[kind, size] for kind, size in lane.record.axes if size > 1]
    cells = np.asarray(lane.record.cells)[lane.order].tolist()
    place = {"name": lane.name, "top": lane.top, "height": lane.height, "colour": lane.colour}
    return place | {
        "n": len(cells),
        "of": k,
        "axes": axes,
        "cells": cells,
        "spiking": lane.record.spike_index is not None,
    }


def time_panel(x_range, epochs, **options):
    """An empty panel on the common axis of time; what is not measured is shaded."""
    panel = figure(
        sizing_mode="stretch_width", x_range=x_range, min_border_left=LEFT, min_border_right=RIGHT, tools=TOOLS,
        x_axis_label="time (s)", toolbar_location="above", tags=["time"], **options,
    )  # fmt: skip
    panel.toolbar.logo = None
    panel.add_tools(WheelZoomTool(dimensions="width", modifiers={"ctrl": True}))
    panel.toolbar.active_scroll = panel.tools[-1]
    for each in epochs:
        if each.name != "window":
            panel.add_layout(
                BoxAnnotation(left=each.start, right=each.stop, fill_color="#000000", fill_alpha=0.06, line_color=None)
            )
    panel.xgrid.visible = False
    return panel


def _raster(placed, x_range, t_stop, dt, epochs):
    """Panel of all spikes, or values in a form without spikes."""
    bottom = max((lane.top + lane.height for lane in placed), default=1.0)
    room = bottom * HEADROOM * any(each.token is not None for each in epochs)  # for the names of tokens
    y_range = Range1d(-bottom, room, bounds=(-bottom, room))
    panel = time_panel(x_range, epochs, y_range=y_range, height=HEIGHT, name="raster")
    blank = {"image": [np.zeros((ROWS, COLUMNS), "u4")], "x": [0.0], "y": [-bottom], "dw": [t_stop], "dh": [bottom]}
    sources = [_packed(k, lane, t_stop, dt) for k, lane in enumerate(placed) if lane.record.spike_index is not None]
    if sources:
        image = ColumnDataSource(blank, name="raster image")
        panel.image_rgba("image", "x", "y", "dw", "dh", source=image, origin="top_left")
    for lane in placed:
        if lane.record.spike_index is None and len(lane.record.sample_time) > 1:
            _values(panel, lane, [each for each in epochs if each.name == "window"])
    shade = CustomJS(args={"sources": sources}, code="corticalAttention.shadeSoon()")  # the sources travel with it
    for range_ in (x_range, y_range):
        range_.js_on_change("start", shade)
        range_.js_on_change("end", shade)
    panel.js_on_change("inner_width", shade)
    panel.js_on_event(MouseMove, CustomJS(code="corticalAttention.point(cb_obj.x, cb_obj.y)"))
    _name_tokens(panel, epochs)
    names = {-(lane.top + lane.height / 2): lane.name for lane in placed}
    panel.yaxis.ticker = FixedTicker(ticks=list(names))
    panel.yaxis.major_label_overrides = names
    panel.ygrid.visible = False
    return panel


def _name_tokens(panel, epochs):
    """Name at the top the windows in which one token is presented, at most twelve of them."""
    named = [each for each in epochs if each.name == "window" and each.token is not None]
    for each in named[:: -(-len(named) // 12) or 1]:
        middle, text = (each.start + each.stop) / 2, f"token {each.token}"
        shown = {"text_align": "center", "text_baseline": "bottom", "text_font_size": "11px"}
        panel.add_layout(Label(x=middle, y=0, text=text, **shown))


def _packed(k, lane, t_stop, dt):
    """Spikes of a lane in the order of time: their number in each step, and the row of the cell of each."""
    record = lane.record
    step = np.round(magnitude(record.spike_time, "s") / dt).astype("i8")
    sorted_cells = np.argsort(record.cells)
    places = sorted_cells[np.searchsorted(record.cells, record.spike_index, sorter=sorted_cells)]
    row_of = np.empty(len(lane.order), "i8")
    row_of[lane.order] = np.arange(len(lane.order))
    rows = row_of[places]
    count = np.bincount(step, minlength=round(t_stop / dt) + 1)
    rows = rows[np.lexsort((rows, step))].astype("u2" if len(lane.order) <= 2**16 else "u4")
    name = f"spikes {k}"
    # two sources, because columns of one have equal lengths
    return [
        ColumnDataSource({"row": rows}, name=name),
        ColumnDataSource({"count": count.astype("u2" if count.max() < 2**16 else "u4")}, name=f"{name} a step"),
    ]


def _values(panel, lane, windows):
    """Values of a population without spikes as an image; red above zero, blue below, up to the largest that is measured."""
    times = magnitude(lane.record.sample_time, "s")
    value = (magnitude(lane.record.rate, "Hz") / magnitude(lane.record.unit_rate, "Hz"))[:, lane.order]
    measured = np.any([(times >= each.start) & (times <= each.stop) for each in windows], axis=0) & np.ones(
        len(times), bool
    )
    half, largest = (times[1] - times[0]) / 2, float(np.abs(value[measured]).max(initial=0)) or 1.0
    shade = np.clip(np.round((value.T / largest + 1) * 127.5), 0, 255).astype("u1")
    panel.image(
        [shade], x=times[0] - half, y=-(lane.top + lane.height), dw=times[-1] - times[0] + 2 * half,
        dh=lane.height, color_mapper=LinearColorMapper(palette=colours(DIVERGING), low=0, high=255), origin="top_left",
    )  # fmt: skip


def _rates(placed, x_range, t_stop, dt, epochs):
    """Panel of the mean rate of the recorded cells of each population."""
    panel = time_panel(x_range, epochs, height=220, name="rates", y_axis_label="mean rate (Hz)")
    for lane in placed:
        times, rate = mean_rate(lane.record, t_stop, dt)
        line = {"color": lane.colour, "line_dash": lane.dash, "line_width": 1.5}
        panel.line(times, rate.astype("f4"), name=f"rate of {lane.name}", **line)
    return panel


def mean_rate(record, t_stop, dt):
    """Times (s) and mean rates (Hz) of the recorded cells of a population, in bins of whole steps."""
    if record.spike_index is None:
        return magnitude(record.sample_time, "s"), magnitude(record.rate, "Hz").mean(axis=1)
    n_step = max(1, round(BIN / dt))
    step = np.round(magnitude(record.spike_time, "s") / dt).astype("i8")
    n_bin = max(1, round(t_stop / dt) // n_step)  # of whole bins only
    count = np.bincount(np.minimum(step // n_step, n_bin), minlength=n_bin + 1)[:n_bin]
    return (np.arange(n_bin) + 0.5) * n_step * dt, count / (n_step * dt * len(record.cells))


def _trace(lane, trace, x_range, epochs):
    """Panel of a recorded variable of a few cells."""
    values, unit = shown_in(trace.values)
    name = f"{trace.variable} ({unit})" if unit else trace.variable
    panel = time_panel(x_range, epochs, height=150, name=f"trace of {lane.name} {trace.variable}", y_axis_label=name)
    panel.yaxis.ticker.update(desired_num_ticks=4, num_minor_ticks=0)
    times = magnitude(trace.time, "s").astype("f4")
    for k in range(min(SHOWN_CELLS, len(trace.cells))):
        panel.line(times, values[:, k].astype("f4"), color=lighter(lane.colour, 0.3 * k), line_width=1)
    return panel


def activity_section(drawn, place):
    """The part of the page on activity.

    Parameters
    ----------
    drawn : Panels
    place : callable
        Gives the HTML in which a figure appears.

    Returns
    -------
    str
    """
    spiking = any(each["spiking"] for each in drawn.data["lanes"])
    what = "Every recorded spike" if spiking else "Values of every recorded cell (red above zero, blue below)"
    many = " A pixel is as dark as the number of spikes in it; no spike is left out at any zoom." if spiking else ""
    raster = framed(
        place(drawn.raster), "Raster of all populations over time",
        f"{what}, cortex above thalamus; on cells above off cells. Shaded time is not measured.{many}",
    )  # fmt: skip
    rates = framed(
        place(drawn.rates), "Mean rate of each population over time",
        f"Mean rate of the recorded cells of each population{' in bins of 20 ms' if spiking else ''}.",
    )  # fmt: skip
    said = element("p", "", id="view", aria_live="polite", class_="said")
    pointed = element("p", "Point at the raster to read which cell it is.", id="pointed", class_="said hint")
    return section("activity", "Activity", _buttons(), said, pointed, raster, rates, legend(drawn.lanes)) + _traces(
        drawn, place
    )


def _traces(drawn, place):
    """The part on recorded variables; nothing without any."""
    pairs = [(lane, trace) for lane in drawn.lanes for trace in lane.record.traces]
    if not pairs:
        return ""
    parts = [
        framed(place(panel), f"{trace.variable} of {lane.name} over time", _said(lane, trace))
        for (lane, trace), panel in zip(pairs, drawn.traces, strict=False)
    ]
    left = len(pairs) - len(parts)
    more = [element("p", f"{left} more recorded variables are in recording.h5.")] if left else []
    return section("traces", "Membranes and dendrites", *parts, *more)


def _said(lane, trace):
    """Caption of a recorded variable: which cells are shown."""
    shown = ", ".join(str(cell) for cell in trace.cells[:SHOWN_CELLS])
    shades = ", from dark to light" if len(trace.cells) > 1 else ""
    return f"{trace.variable} of {lane.name}: cell {shown} of {len(trace.cells)} recorded{shades}."


def _buttons():
    """Buttons that move the axis of time."""
    words = {
        "whole": "Whole run", "measured": "Measured time", "in": "Zoom in", "out": "Zoom out", "earlier": "Earlier",
        "later": "Later",
    }  # fmt: skip
    buttons = "".join(element("button", text, type="button", data_move=move) for move, text in words.items())
    hint = element("span", "or drag a box; Ctrl and wheel zooms", class_="hint")
    return element("div", buttons + hint, class_="pickers", role="group", aria_label="Time that is shown")


def legend(placed):
    """List of the populations with their colours."""
    entries = (
        element("li", element("span", "", class_="swatch", style=f"background:{lane.colour}") + escape(_about(lane)))
        for lane in placed
    )
    return element("ul", "".join(entries), class_="legend", aria_label="Populations and their colours")


def _about(lane):
    record = lane.record
    answers = cell_positions(record).get("batch", np.zeros(1))
    total = int(np.prod([size for kind, size in record.axes if kind != "batch"])) * len(np.unique(answers))
    line = "" if lane.dash == "solid" else f"; {lane.dash} line"
    return f"{lane.name} ({record.layer}; {len(record.cells):,} of {total:,} cells recorded{line})"
