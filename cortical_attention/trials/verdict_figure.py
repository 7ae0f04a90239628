"""Pictures of the verdict: the needle with its pips, and the map of where each statement lies."""

from cortical_attention.readout.style import new_figure, style
from cortical_attention.trials.verdict import NOT_MEASURED, OPPOSES, PLACES, SCORE, SUPPORTS, UNDECIDED

COLOURS = {SUPPORTS: "#0072B2", OPPOSES: "#D55E00", UNDECIDED: "#777777", NOT_MEASURED: "#bbbbbb"}
ENDS = {"refuted": -1, "contested": 0, "vindicated": 1}


def draw_needle(found):
    """Needle between refuted and vindicated, and a pip for each measured statement above its score.

    Parameters
    ----------
    found : dict
        As `trials.verdict.verdict` returns it; the needle is left out where nothing is measured.
    """
    with style():
        figure = new_figure(3.4)
        panel = figure.subplots()
        for outcome, score in SCORE.items():
            own = [each["id"] for each in found["statements"] if each["outcome"] == outcome]
            for k, name in enumerate(own):
                column, row = divmod(k, 8)
                place = score * 0.85 + 0.3 * (column - (len(own) - 1) // 8 / 2)
                panel.plot(place - 0.14, row, "o", color=COLOURS[outcome], markersize=5)
                panel.text(place - 0.12, row, name.replace("_", " "), va="center", fontsize=7)
        if found["needle"] is not None:
            panel.plot([found["needle"]] * 2, (-1.6, -0.6), color="black", linewidth=3)
            panel.text(found["needle"], -2.5, f"{found['needle']:+.2f}", ha="center")
        panel.hlines(-1.6, -1, 1, color="#777777")
        for name, end in ENDS.items():
            panel.text(end, -3.4, name, ha="center", color="#555555")
        panel.set(xlim=(-1.35, 1.35), ylim=(-3.8, 8.5), title=f"{found['measured']} measured statements")
        panel.axis("off")
    return figure


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
                panel.text(k + 0.14, row, each["id"].replace("_", " "), va="center", fontsize=9)
        for outcome in SCORE:
            panel.plot([], [], "o", color=COLOURS[outcome], label=f"{outcome} the claim" if SCORE[outcome] else outcome)
        figure.legend(loc="outside lower center", ncols=len(SCORE))
        panel.set(xlim=(0, len(columns)), ylim=(max(tallest, 4), -2))
        panel.axis("off")
    return figure
