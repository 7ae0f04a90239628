"""The verdict: what sentences of a sceptical dossier predict, what experiments measured, and where that leaves the claim.

Statements stand in `verdict.toml`, each with the sentence that it tests, the experiment that measures it, and what its
outcome means. Thresholds of figures stand in `protocol.toml`, those of chosen rows in `verdict.toml`. Nothing here runs a
circuit.
"""

import json
import math
from pathlib import Path

from cortical_attention.readout.judged import judged as held_against
from cortical_attention.readout.provenance import tree
from cortical_attention.trials.verdict_statements import NOT_COMPARED, RUNS, STATEMENTS, TAKEN
from cortical_attention.trials.verdict_thresholds import judged_now, number_of

SUPPORTS, OPPOSES, UNDECIDED, NOT_MEASURED = "supports", "opposes", "undecided", "not measured"
SCORE = {SUPPORTS: 1, OPPOSES: -1, UNDECIDED: 0}
HELD, MISSED, OPEN = "held", "missed", "undecided"


def verdict(folder):
    """All statements with what was measured of them, the needle, and the composite.

    Parameters
    ----------
    folder : path
        Has the result folder of each experiment under its name; what is missing is not measured.

    Returns
    -------
    dict
        `statements` (list of dict), `needle` (float or None), `needle_not_by_construction` (the same without statements
        that algebra or construction decides), `measured` and `by_construction` (int, how many were measured, and how many
        of these are so decided), and `composite` (dict).
    """
    found = [judged(each, content_of(folder, each.experiment)) for each in STATEMENTS]
    open_ = [each for each in found if not each["by_construction"]]
    measured = [sum(each["outcome"] != NOT_MEASURED for each in some) for some in (found, open_)]
    return {
        "needle": needle(found),
        "needle_not_by_construction": needle(open_),
        "measured": measured[0],
        "by_construction": measured[0] - measured[1],
        "composite": composite(found),
        "statements": found,
    }


def content_of(folder, experiment):
    """JSON of an experiment (dict), or None where it has none, or was interrupted."""
    path = Path(folder) / experiment / f"{experiment}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and not content.get("interrupted") else None


def of_other_runs(folder, quick):
    """Kept results of other code, and of the other design than `quick` asks for (two lists of names of experiments)."""
    code, design = [], []
    for name in RUNS:
        if content_of(folder, name) is None:
            continue
        try:
            about = json.loads((Path(folder) / name / "run.json").read_text(encoding="utf-8"))
            parameters = about["parameters"]
            code += [name] * (about["code"] != tree()["code"])
            design += [name] * (parameters.get("quick", quick) != quick)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            code.append(name)
    return code, design


def judged(statement, content):
    """A statement with value, interval, threshold, outcome, place and command (dict).

    Parameters
    ----------
    statement : Statement
    content : dict or None
        JSON of its experiment.

    Returns
    -------
    dict
        `interval` has two values: 95 per cent where the experiment gives such an interval, else the range over its rows.
        `kept` says what became of the threshold ("held", "missed" or "undecided"), `outcome` what that means for the claim.
        `figure` is the name of the figure that decides (None: rows), `shown` has those that do not count, by name.
    """
    own = statement._asdict()
    names = ("id", "statement", "source", "formula", "circuit", "toward", "strong", "by_construction", "why")
    about = {name: own[name] for name in names}
    about |= {"direction": about.pop("toward"), "command": command_of(statement.experiment)}
    figure = figure_of(statement, content)
    if figure is None:
        nothing = dict.fromkeys(("figure", "value", "interval", "threshold", "rule", "kept"))
        return (
            about | nothing | {"outcome": NOT_MEASURED, "place": "", "shown": {}, "why": _why_not(statement, content)}
        )
    held = figure.pop("outcome")
    every = {name: _figure(statement, content, name) for name in statement.shown}
    shown = {name: own for name, own in every.items() if own is not None}
    outcome = outcome_of(statement, held)
    return about | figure | {"kept": held, "outcome": outcome, "place": place_of(statement, held), "shown": shown}


def place_of(statement, held):
    """Where the map puts a statement with a held, missed or undecided threshold (str; empty: nowhere)."""
    if statement.place in ("", NOT_COMPARED):
        return statement.place
    return {HELD: statement.place, MISSED: statement.place_missed or "undecided", OPEN: "undecided"}[held]


def _why_not(statement, content):
    """Why a statement was not measured (str)."""
    if content is not None and statement.figures:
        lacks = [name for name in statement.figures if _figure(statement, content, name) is None]
        return f"the result of its experiment has no figure {', '.join(lacks)} that can be read"
    if statement.why:
        return statement.why
    if content is None:
        return "its experiment has not run, was interrupted, or left a file that cannot be read"
    return "the result of its experiment has no such rows, or no numbers in them"


def outcome_of(statement, held):
    """What a held, missed or undecided threshold means for the claim (str)."""
    if held == OPEN or (held == MISSED and statement.missed == "undecided"):
        return UNDECIDED
    return SUPPORTS if (held == HELD) == (statement.toward == "vindicated") else OPPOSES


def command_of(experiment):
    """The command that measures (str)."""
    return " ".join(["cortical-attention", experiment, *RUNS[experiment]["full"]]) if experiment else ""


def figure_of(statement, content):
    """Name, value, interval, threshold, rule and outcome (dict), or None where they were not measured.

    Of several figures the first that is not held counts, a missed one before an undecided one; if all hold, the first. Each
    is judged by the threshold that `protocol.toml` has now.
    """
    if content is None:
        return None
    if statement.rows:
        return _of_rows(statement, content.get("rows"))
    every = [_figure(statement, content, name) for name in statement.figures]
    return _worst(every) if every and None not in every else None


def _worst(figures):
    """The first figure that is not held, a missed one before an undecided one; if all hold, the first."""
    return min(figures, key=lambda each: (MISSED, OPEN, HELD).index(each["outcome"]))


def _figure(statement, content, name):
    """A figure by the threshold of now, with its interval (dict), or None where there is none that can be read.

    The interval is the value where the experiment gives none.
    """
    try:
        own = judged_now(statement.experiment, name, content["figures"][name])
    except (LookupError, TypeError, ValueError):
        return None
    return own | {"figure": name, "interval": own["interval"] or [own["value"], own["value"]]}


def _of_rows(statement, rows):
    """The same, of chosen rows; rows that have not settled are missed, whatever they say.

    Rows with an interval each are judged by it; of others the value that counts is, and their range is the interval.
    """
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    wanted = {name: value if isinstance(value, list) else [value] for name, value in statement.rows.items()}
    chosen = [row for row in rows if all(row.get(name) in values for name, values in wanted.items())]
    if not all(any(row[name] == value for row in chosen) for name, values in wanted.items() for value in values):
        return None  # a system that has not run
    try:
        worst = _worst_row(statement, chosen)
    except (LookupError, TypeError, ValueError):
        return None
    settled = all(row.get("settled", True) for row in chosen)
    return worst | {"figure": None} | ({} if settled else {"outcome": MISSED})


def _worst_row(statement, rows):
    """What decides of these rows (dict)."""
    limit, values = (statement.threshold, statement.rule), [number_of(row[statement.key]) for row in rows]
    if all(row.get("interval") for row in rows):
        ends = [tuple(map(number_of, row["interval"])) for row in rows]
        return _worst([held_against(value, *limit, each) for value, each in zip(values, ends, strict=True)])
    value = math.nan if any(map(math.isnan, values)) else TAKEN[statement.take](values)
    return held_against(value, *limit) | {"interval": [min(values), max(values)]}


def needle(found):
    """Mean of +1 (supports), -1 (opposes) and 0 (undecided) over the measured statements (float); None without any."""
    scores = [SCORE[each["outcome"]] for each in found if each["outcome"] in SCORE]
    return sum(scores) / len(scores) if scores else None


def composite(found):
    """The strong form as one figure: the share of the statements that it needs which support it, of which it needs all.

    Returns
    -------
    dict
        `value`, `threshold`, `outcome` ("accepted", "rejected", or "not shown" where none opposes and not all are shown),
        and `opposed`, `open`, lists of identifiers.
    """
    needed = [each for each in found if each["strong"]]
    opposed = [each["id"] for each in needed if each["outcome"] == OPPOSES]
    unsure = [each["id"] for each in needed if each["outcome"] in (UNDECIDED, NOT_MEASURED)]
    share = 1 - (len(opposed) + len(unsure)) / len(needed)
    outcome = "rejected" if opposed else "not shown" if unsure else "accepted"
    return {"value": share, "threshold": 1.0, "outcome": outcome, "opposed": opposed, "open": unsure}
