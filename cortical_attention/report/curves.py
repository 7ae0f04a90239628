"""The answer: its error over the measured time beside the nulls, and each of its numbers against the algebra."""

import numpy as np
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from cortical_attention.readout.formats import per_cent
from cortical_attention.readout.style import CYCLE
from cortical_attention.report.headline import best_null
from cortical_attention.report.markup import element, framed, paragraph, section

LEFT = 70
DASHES = ("dashed", "dotted", "dotdash", "dashdot")
FLOOR = 1e-17  # of a logarithmic axis; below the rounding of any answer


def answer_section(result, place):
    """The part of the page on the answer.

    Parameters
    ----------
    result
        With `report`, `output` and `reference`, either of which may be None.
    place : callable
        Gives the HTML in which a figure appears.

    Returns
    -------
    str
    """
    if result.output is None or result.reference is None:
        what = "The run was interrupted before its answer" if result.output is None else "This circuit has no algebra"
        return section("answer", "Answer", paragraph(f"{what}: nothing is compared."))
    report, name = result.report, best_null(result.report)[0]
    parts = []
    if report["error_over_time"]:
        last = per_cent(report["error_over_time"]["relative_l2"][-1])
        parts.append(
            framed(
                place(error_over_time(report)), "Error over the measured time",
                f"Relative L2 of the answer that is read up to a time: {last} at the end. Lines across are nulls"
                f"{', the best of which is ' + name.replace('_', ' ') if name else ''}.",
            )
        )  # fmt: skip
    parts.append(
        framed(
            place(against_algebra(result.output, result.reference)), "Every number of the answer against the algebra",
            "Every number of the answer, one point for each token and component; on the line where both agree.",
        )
    )  # fmt: skip
    return section("answer", "Answer", element("div", "".join(parts), class_="pair"))


def error_over_time(report):
    """Relative L2 over the measured time (bokeh figure)."""
    times, errors = (report["error_over_time"][name] for name in ("s", "relative_l2"))
    panel = figure(
        height=300, sizing_mode="stretch_width", y_axis_type="log", x_axis_label="measured time (s)", min_border_left=LEFT,
        y_axis_label="relative L2", tools="hover", toolbar_location=None, tooltips="@x{0.000} s: @y", name="error",
    )  # fmt: skip
    errors = [max(error, FLOOR) for error in errors]
    panel.line(times, errors, color=CYCLE[0], line_width=2, legend_label="circuit")
    panel.scatter(times, errors, color=CYCLE[0], size=5)
    draw_nulls(panel, report, times[-1])
    legend_below(panel)
    return panel


def draw_nulls(panel, report, last):
    """Draw the relative L2 of each null as a line across, from time zero to the last."""
    nulls = {null: report.get(f"{null}_relative_l2") for null in report["nulls"]}
    for k, (null, error) in enumerate((name, error) for name, error in nulls.items() if error):
        colour, label = CYCLE[(k + 1) % len(CYCLE)], f"null: {null.replace('_', ' ')}"
        style = {"color": colour, "line_dash": DASHES[k % len(DASHES)], "line_width": 2, "legend_label": label}
        panel.line([0, last], [error, error], **style)


def legend_below(panel):
    """Take the legend out of the picture, where it would hide lines."""
    legend = panel.legend[0]
    panel.center.remove(legend)
    legend.update(orientation="horizontal", ncols=2, border_line_color=None, label_text_font_size="12px", padding=2)
    panel.add_layout(legend, "below")


def against_algebra(output, reference):
    """Every number of the answer (bokeh figure)."""
    token, component = (each.ravel() for each in np.indices(output.shape, dtype="i4"))
    source = ColumnDataSource(
        {"token": token, "component": component, "algebra": reference.ravel(), "circuit": output.ravel()}
    )
    low, high = (float(each(np.concatenate([output.ravel(), reference.ravel()]))) for each in (np.min, np.max))
    panel = figure(
        height=300, sizing_mode="stretch_width", x_axis_label="algebra", y_axis_label="circuit", tools="hover",
        toolbar_location=None, name="numbers", min_border_left=LEFT,
        tooltips=[("token", "@token"), ("component", "@component"), ("algebra", "@algebra"), ("circuit", "@circuit")],
    )  # fmt: skip
    panel.line([low, high], [low, high], color="#777777")
    panel.scatter("algebra", "circuit", source=source, size=7, color=CYCLE[0], alpha=0.65, line_color="white")
    return panel
