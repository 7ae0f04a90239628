"""The page of the verdict, in Markdown."""

import math

from cortical_attention.readout.formats import number
from cortical_attention.trials.verdict import NOT_MEASURED
from cortical_attention.trials.verdict_statements import CONTENT

MEANING = (
    "A section is headed by the name of a statement, as in the pictures, and by what its figure says of the claim: a "
    "statement that holds and speaks against the claim *opposes* it. The formula says what the figure is."
)
WORDS = {"vindicated": "toward vindicated", "refuted": "toward refuted"}


def page(found, quick):
    """The verdict as Markdown (str).

    Parameters
    ----------
    found : dict
        As `trials.verdict.verdict` returns it.
    quick : bool
        Whether its experiments had a smaller design, which the page says.
    """
    parts = [
        "# The verdict", _head(found, quick), "![The needle](verdict.png)", "![The map](map.png)", "## Statements",
        MEANING, *map(_statement, found["statements"]), "## What was changed, and why", _list(CONTENT["trail"]),
        "## Errors of fact in the dossier", _list(CONTENT["errors"]), "## What this does not show", _list(CONTENT["limits"]),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _head(found, quick):
    """Needle and strong form in sentences."""
    strong, value = found["composite"], found["needle"]
    needle = "No statement was measured." if value is None else f"The needle stands at {value:+.2f}"
    without = found["needle_not_by_construction"]
    second = "No other statement was measured" if without is None else f"Without these it stands at {without:+.2f}"
    rule = (
        "the mean of +1 for a statement that supports the claim, -1 for one that opposes it and 0 for an undecided one"
    )
    count = "" if value is None else f", over {found['measured']} measured statements: {rule}. {_built(found)}{second}."
    form = f"The strong form of the claim is {strong['outcome']}: {strong['value']:.0%} of what it needs supports it"
    why = [f"opposed by {', '.join(map(called, strong['opposed']))}"] * bool(strong["opposed"])
    why += [f"open: {', '.join(map(called, strong['open']))}"] * bool(strong["open"])
    small = " These are runs of the smaller design." if quick else ""
    return f"{needle}{count}\n\n{form}{''.join(f'; {each}' for each in why)}.{small}"


def _built(found):
    """How many statements could not have come out otherwise, in a sentence."""
    return f"Decided by algebra, or by a circuit that is exact by construction: {found['by_construction']}. "


def _statement(each):
    """Section of one statement."""
    lines = [f"### {called(each['id'])}: {each['outcome']}", each["statement"]]
    rows = {"tests": each["source"], "formula": each["formula"], "circuit": each["circuit"]}
    rows |= {"if it holds": WORDS[each["direction"]], "measured by": f"`{each['command']}`" * bool(each["command"])}
    if each["outcome"] == NOT_MEASURED:
        rows |= {"why not": each["why"]}
    else:
        rows |= {f"figure {each['figure'] or ''}".strip(): measured(each), "threshold": each["kept"]}
        rows |= {"decided by": "algebra, or a circuit that is exact by construction" * each["by_construction"]}
        rows |= {f"not counted, {name}": f"{measured(own)}: {own['outcome']}" for name, own in each["shown"].items()}
        rows |= {"on the map": each["place"]}
    return "\n\n".join([*lines, "\n".join(f"- {name}: {text}" for name, text in rows.items() if text)])


def measured(each):
    """Value, interval and threshold of a statement or a figure in words (str)."""
    ends = interval(each)
    return f"{shown(each['value'])}{f' ({ends})' * bool(ends)}, asked: {asked(each)}"


def interval(each):
    """Interval of a statement in words (str); empty where its figure is one number without an interval."""
    low, high = map(shown, each["interval"])
    return "" if low == high else f"{low} to {high}"


def shown(value):
    """A number in words, or "-" for what is no number (str)."""
    return "-" if math.isnan(value) else number(value)


def called(name):
    """Identifier of a statement as tables and pictures have it (str)."""
    return name.replace("_", " ")


def asked(each):
    """Rule and threshold of a statement in words (str)."""
    limits = each["threshold"] if isinstance(each["threshold"], list) else [each["threshold"]]
    if each["rule"] == "within" and len(limits) == 2:
        return f"within {number(limits[1])} of {number(limits[0])}"
    return f"{each['rule']} {' to '.join(map(number, limits))}"


def _list(entries):
    return "\n".join(f"- {each}" for each in entries)
