"""Pictures of the verdict: the needle with the statements behind it, and the map of where each statement lies."""

from textwrap import fill

from cortical_attention.readout.style import new_figure, style
from cortical_attention.trials.verdict import NOT_MEASURED, OPPOSES, SCORE, SUPPORTS, UNDECIDED
from cortical_attention.trials.verdict_page import called
from cortical_attention.trials.verdict_statements import PLACES

COLOURS = {SUPPORTS: "#0072B2", OPPOSES: "#D55E00", UNDECIDED: "#777777", NOT_MEASURED: "#bbbbbb"}
N_ROW = 12  # statements below one another
ENDS = {"refuted": -1, "contested": 0, "vindicated": 1}
HOLLOW = "decided by algebra or construction"


def draw_needle(found):
    """Needle between refuted and vindicated, and the measured statements in a group for each outcome.

    Hollow marks are of statements that algebra or construction decides; the grey needle leaves them out.

    Parameters
    ----------
    found : dict
        As `trials.verdict.verdict` returns it; a needle is left out where nothing is measured.
    """
    with style():
        figure = new_figure(4.4)
        panel = figure.subplots()
        for outcome, score in SCORE.items():
            own = [each for each in found["statements"] if each["outcome"] == outcome]
            _group(panel, outcome, score * 0.85, sorted(own, key=lambda each: each["by_construction"]))
        panel.hlines(-1.9, -1, 1, color="#777777")
        for name, colour in (("needle_not_by_construction", "#999999"), ("needle", "black")):
            if found[name] is not None:
                panel.plot([found[name]] * 2, (-1.9, -0.9), color=colour, linewidth=3)
        _values(panel, found)
        for name, end in ENDS.items():
            panel.text(end, -3.7, name, ha="center", color="#555555")
        title = f"{found['measured']} measured statements; hollow: {HOLLOW}"
        panel.set(xlim=(-1.4, 1.4), ylim=(-4, N_ROW + 1), title=title)
        panel.axis("off")
    return figure


def _group(panel, outcome, place, statements):
    """Names of the statements of an outcome below its heading, in columns around a place."""
    n_column = max(1, -(-len(statements) // N_ROW))
    left = place - 0.21 * n_column
    heading = f"{_said(outcome)}: {len(statements)}"
    panel.text(left, N_ROW, heading, va="center", color=COLOURS[outcome], fontsize=9, weight="bold")
    for k, each in enumerate(statements):
        column, row = divmod(k, N_ROW)
        x, y = left + 0.42 * column, N_ROW - 1 - row
        _mark(panel, x, y, each)
        panel.text(x + 0.025, y, called(each["id"]), va="center", fontsize=8)


def _said(outcome):
    return f"{outcome} the claim" if SCORE[outcome] else outcome


def _mark(panel, x, y, each):
    """Mark of a statement, hollow where algebra or construction decides it."""
    colour = COLOURS[each["outcome"]]
    panel.plot(x, y, "o", color=colour, markerfacecolor="white" if each["by_construction"] else colour, markersize=5)


def _values(panel, found):
    """Where the needles stand, that of all statements on the right of the other if it is larger."""
    every, without = found["needle"], found["needle_not_by_construction"]
    if every is None:
        return
    if without is None:
        panel.text(every, -2.8, f"{every:+.2f}", ha="center")
        return
    sides = ("left", "right") if every >= without else ("right", "left")
    panel.text(every, -2.8, f"{every:+.2f} all", ha=sides[0])
    panel.text(without, -2.8, f"{without:+.2f} not by construction", ha=sides[1], color="#777777")


def draw_map(found):
    """What lies inside stateless attention, inside attention with state, outside of both, and what none was held against."""
    columns = {place: [each for each in found["statements"] if each["place"] == place] for place in PLACES}
    tallest = max(map(len, columns.values()), default=1)
    with style():
        figure = new_figure(1.2 + 0.24 * max(tallest, 4), width=10.5)
        panel = figure.subplots()
        for k, (place, own) in enumerate(columns.items()):
            panel.axvspan(k, k + 1, color="#eeeeee" if k % 2 else "#f7f7f7")
            panel.text(k + 0.5, -1, fill(place, 18), ha="center", weight="bold", fontsize=9)
            for row, each in enumerate(own):
                _mark(panel, k + 0.06, row, each)
                panel.text(k + 0.11, row, called(each["id"]), va="center", fontsize=8)
        for outcome in SCORE:
            panel.plot([], [], "o", color=COLOURS[outcome], label=_said(outcome))
        panel.plot([], [], "o", color="black", markerfacecolor="white", label=HOLLOW)
        figure.legend(loc="outside lower center", ncols=len(SCORE) + 1)
        panel.set(xlim=(0, len(columns)), ylim=(max(tallest, 4), -2.5))
        panel.axis("off")
    return figure
