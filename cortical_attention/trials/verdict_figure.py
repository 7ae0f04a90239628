"""Pictures of the verdict: the needle with its pips, and the map of where each statement lies."""

from textwrap import fill

from cortical_attention.readout.style import new_figure, style
from cortical_attention.trials.verdict import NOT_MEASURED, OPPOSES, PLACES, SCORE, SUPPORTS, UNDECIDED

COLOURS = {SUPPORTS: "#0072B2", OPPOSES: "#D55E00", UNDECIDED: "#777777", NOT_MEASURED: "#bbbbbb"}
ENDS = {"refuted": -1, "contested": 0, "vindicated": 1}


def draw_needle(found):
    """Needle between refuted and vindicated, and a pip for each measured statement above its score.

    Hollow pips are of statements that algebra or construction decides; the grey needle leaves them out.

    Parameters
    ----------
    found : dict
        As `trials.verdict.verdict` returns it; the needle is left out where nothing is measured.
    """
    with style():
        figure = new_figure(3.4)
        panel = figure.subplots()
        for outcome, score in SCORE.items():
            own = [each for each in found["statements"] if each["outcome"] == outcome]
            own.sort(key=lambda each: each["by_construction"])
            for k, each in enumerate(own):
                column, row = divmod(k, 8)
                place = score * 0.85 + 0.3 * (column - (len(own) - 1) // 8 / 2)
                _pip(panel, place - 0.14, row, each)
                panel.text(place - 0.12, row, each["id"].replace("_", " "), va="center", fontsize=7)
        panel.hlines(-1.6, -1, 1, color="#777777")
        for name, colour in (("needle_not_by_construction", "#999999"), ("needle", "black")):
            if found[name] is not None:
                panel.plot([found[name]] * 2, (-1.6, -0.6), color=colour, linewidth=3)
        _values(panel, found)
        for name, end in ENDS.items():
            panel.text(end, -3.4, name, ha="center", color="#555555")
        title = f"{found['measured']} measured statements; hollow: decided by algebra or construction"
        panel.set(xlim=(-1.35, 1.35), ylim=(-3.8, 8.5), title=title)
        panel.axis("off")
    return figure


def _pip(panel, x, y, each):
    """Mark of a statement, hollow where algebra or construction decides it."""
    colour = COLOURS[each["outcome"]]
    panel.plot(x, y, "o", color=colour, markerfacecolor="white" if each["by_construction"] else colour, markersize=5)


def _values(panel, found):
    """Where the needles stand, that of all statements on the right of the other if it is larger."""
    every, without = found["needle"], found["needle_not_by_construction"]
    if every is None:
        return
    if without is None:
        panel.text(every, -2.5, f"{every:+.2f}", ha="center")
        return
    sides = ("left", "right") if every >= without else ("right", "left")
    panel.text(every, -2.5, f"{every:+.2f} all", ha=sides[0])
    panel.text(without, -2.5, f"{without:+.2f} not by construction", ha=sides[1], color="#777777")


def draw_map(found):
    """What lies inside stateless attention, inside attention with state, outside of both, and what none was held against."""
    columns = {place: [each for each in found["statements"] if each["place"] == place] for place in PLACES}
    tallest = max(map(len, columns.values()), default=1)
    with style():
        figure = new_figure(1.2 + 0.25 * max(tallest, 4))
        panel = figure.subplots()
        for k, (place, own) in enumerate(columns.items()):
            panel.axvspan(k, k + 1, color="#eeeeee" if k % 2 else "#f7f7f7")
            panel.text(k + 0.5, -1, fill(place, 18), ha="center", weight="bold", fontsize=9)
            for row, each in enumerate(own):
                _pip(panel, k + 0.06, row, each)
                panel.text(k + 0.11, row, each["id"].replace("_", " "), va="center", fontsize=8)
        for outcome in SCORE:
            panel.plot([], [], "o", color=COLOURS[outcome], label=f"{outcome} the claim" if SCORE[outcome] else outcome)
        panel.plot([], [], "o", color="black", markerfacecolor="white", label="decided by algebra or construction")
        figure.legend(loc="outside lower center", ncols=len(SCORE) + 1)
        panel.set(xlim=(0, len(columns)), ylim=(max(tallest, 4), -2.5))
        panel.axis("off")
    return figure
