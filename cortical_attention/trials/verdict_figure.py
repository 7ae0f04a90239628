"""Pictures of the verdict: the needle with the statements behind it, and the map of where each statement lies."""

from cortical_attention.readout.style import new_figure, style
from cortical_attention.trials.verdict import NOT_MEASURED, OPPOSES, PLACES, SCORE, SUPPORTS, UNDECIDED
from cortical_attention.trials.verdict_page import called

COLOURS = {SUPPORTS: "#0072B2", OPPOSES: "#D55E00", UNDECIDED: "#777777", NOT_MEASURED: "#bbbbbb"}
N_ROW = 10  # statements below one another
ENDS = {"refuted": -1, "contested": 0, "vindicated": 1}


def draw_needle(found):
    """Needle between refuted and vindicated, and the measured statements in a group for each outcome.

    Parameters
    ----------
    found : dict
        As `trials.verdict.verdict` returns it; the needle is left out where nothing is measured.
    """
    with style():
        figure = new_figure(4.0)
        panel = figure.subplots()
        for outcome, score in SCORE.items():
            _group(
                panel, outcome, score * 0.85, [each["id"] for each in found["statements"] if each["outcome"] == outcome]
            )
        if found["needle"] is not None:
            panel.plot([found["needle"]] * 2, (-1.9, -0.9), color="black", linewidth=3)
            panel.text(found["needle"], -2.8, f"{found['needle']:+.2f}", ha="center")
        panel.hlines(-1.9, -1, 1, color="#777777")
        for name, end in ENDS.items():
            panel.text(end, -3.7, name, ha="center", color="#555555")
        panel.set(xlim=(-1.4, 1.4), ylim=(-4, N_ROW + 1), title=f"{found['measured']} measured statements")
        panel.axis("off")
    return figure


def _group(panel, outcome, place, names):
    """Names of the statements of an outcome below its heading, in columns around a place."""
    n_column = max(1, -(-len(names) // N_ROW))
    left = place - 0.21 * n_column
    heading = f"{_said(outcome)}: {len(names)}"
    panel.text(left, N_ROW, heading, va="center", color=COLOURS[outcome], fontsize=9, weight="bold")
    for k, name in enumerate(names):
        column, row = divmod(k, N_ROW)
        x, y = left + 0.42 * column, N_ROW - 1 - row
        panel.plot(x, y, "o", color=COLOURS[outcome], markersize=5)
        panel.text(x + 0.025, y, called(name), va="center", fontsize=8)


def _said(outcome):
    return f"{outcome} the claim" if SCORE[outcome] else outcome


def draw_map(found):
    """What lies inside stateless attention, inside attention with state, and outside of both, a column for each."""
    columns = {place: [each for each in found["statements"] if each["place"] == place] for place in PLACES}
    tallest = max(map(len, columns.values()), default=1)
    with style():
        figure = new_figure(1.2 + 0.25 * max(tallest, 4))
        panel = figure.subplots()
        for k, (place, own) in enumerate(columns.items()):
            panel.axvspan(k, k + 1, color="#eeeeee" if k % 2 else "#f7f7f7")
            panel.text(k + 0.5, -1.2, place, ha="center", weight="bold")
            for row, each in enumerate(own):
                panel.plot(k + 0.08, row, "o", color=COLOURS[each["outcome"]], markersize=5)
                panel.text(k + 0.14, row, called(each["id"]), va="center", fontsize=9)
        for outcome in SCORE:
            panel.plot([], [], "o", color=COLOURS[outcome], label=_said(outcome))
        figure.legend(loc="outside lower center", ncols=len(SCORE))
        panel.set(xlim=(0, len(columns)), ylim=(max(tallest, 4), -2))
        panel.axis("off")
    return figure
