"""The verdict: what sentences of a sceptical dossier predict, what experiments measured, and where that leaves the claim.

Statements stand in `verdict.toml`, each with the sentence that it tests, the experiment that measures it, and what its
outcome means. Thresholds of figures stand in `protocol.toml`, those of chosen rows in `verdict.toml`. Nothing here runs a
circuit.
"""

import json
from pathlib import Path
from typing import NamedTuple

from cortical_attention.readout.provenance import tree
from cortical_attention.trials.protocol import ProtocolError, declared
from cortical_attention.trials.verdict_thresholds import check as check_threshold
from cortical_attention.trials.verdict_thresholds import judged_now

SUPPORTS, OPPOSES, UNDECIDED, NOT_MEASURED = "supports", "opposes", "undecided", "not measured"
SCORE = {SUPPORTS: 1, OPPOSES: -1, UNDECIDED: 0}
HELD, MISSED, OPEN = "held", "missed", "undecided"
PLACES = ("inside stateless attention", "inside attention with state", "outside", "undecided")
TAKEN = {"largest": max, "smallest": min}
WORDS = {
    "toward": ("vindicated", "refuted"), "missed": ("opposite", UNDECIDED), "place": ("", *PLACES),
    "place_missed": ("", *PLACES), "take": tuple(TAKEN), "rule": ("at most", "at least"),
}  # fmt: skip
CONTENT = declared("verdict.toml")
RUNS = CONTENT["run"]
"""Options of each experiment (dict of dict): `full` and `quick`, lists of words."""


class Statement(NamedTuple):
    """A sentence that can be measured, and what its outcome means.

    Attributes
    ----------
    id, statement, source : str
        `source` says which sentence of the dossier or the paper it tests.
    formula, circuit : str
    toward : {"vindicated", "refuted"}
        Where the needle moves if the statement holds.
    missed : {"opposite", "undecided"}
        What a missed threshold means: the opposite, or nothing.
    place : str
        One of `PLACES`, if it holds; empty: not on the map.
    place_missed : str
        If it is missed; empty: undecided.
    experiment : str
        Empty: nothing measures it, and `why` says why.
    figures : tuple of str
        Names in the `figures` of the experiment's JSON; all have to hold.
    rows : dict
        Of experiments without `figures`: value, or list of values, of columns that choose rows of the JSON.
    key, take, rule : str
        Column of these rows, the one that counts ("largest" or "smallest"), and "at most" or "at least".
    threshold : float
    strong : bool
        Whether the strong form of the claim needs it.
    why : str
    """

    id: str
    statement: str
    source: str
    formula: str = ""
    circuit: str = ""
    toward: str = "vindicated"
    missed: str = "undecided"
    place: str = ""
    place_missed: str = ""
    experiment: str = ""
    figures: tuple = ()
    rows: dict = {}
    key: str = "relative_l2"
    take: str = "largest"
    rule: str = "at most"
    threshold: float | None = None
    strong: bool = False
    why: str = ""


STATEMENTS = tuple(Statement(**each) for each in CONTENT["statement"])


def check(statements=STATEMENTS, runs=RUNS):
    """Refuse statements that cannot be judged: the first fault of `verdict.toml` in a sentence.

    Raises
    ------
    ProtocolError
    """
    for k, each in enumerate(statements):
        said = f"statement '{each.id}' of verdict.toml"
        if each.id in (other.id for other in statements[:k]):
            raise ProtocolError(f"{said} is there twice, but each needs an id of its own")
        for name, known in WORDS.items():
            if getattr(each, name) not in known:
                raise ProtocolError(
                    f"{said}: {name} is '{getattr(each, name)}' but needs to be one of {', '.join(known)}"
                )
        if each.experiment and each.experiment not in runs:
            raise ProtocolError(f"{said} is of experiment '{each.experiment}', but needs one of {', '.join(runs)}")
        if each.experiment and bool(each.figures) == bool(each.rows):
            raise ProtocolError(f"{said} needs either figures or rows of its experiment")
        if each.rows and not isinstance(each.threshold, int | float):
            raise ProtocolError(f"{said} has rows but no threshold, and needs a number")
        if not each.experiment and not each.why:
            raise ProtocolError(f"{said} has no experiment, and needs a sentence that says why")


def verdict(folder):
    """All statements with what was measured of them, the needle, and the composite.

    Parameters
    ----------
    folder : path
        Has the result folder of each experiment under its name; what is missing is not measured.

    Returns
    -------
    dict
        `statements` (list of dict), `needle` (float or None), `composite` (dict) and `measured` (int).
    """
    found = [judged(each, content_of(folder, each.experiment)) for each in STATEMENTS]
    return {
        "needle": needle(found),
        "measured": sum(each["outcome"] != NOT_MEASURED for each in found),
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
    """
    own = statement._asdict()
    about = {name: own[name] for name in ("id", "statement", "source", "formula", "circuit", "toward", "strong", "why")}
    about |= {"direction": about.pop("toward"), "command": command_of(statement.experiment)}
    figure = figure_of(statement, content)
    if figure is None:
        nothing = dict.fromkeys(("value", "interval", "threshold", "rule", "kept"))
        why = statement.why or _why_not(statement, content)
        return about | nothing | {"outcome": NOT_MEASURED, "place": "", "why": why}
    held = figure.pop("outcome")
    unsure = "undecided" if statement.place else ""
    places = {HELD: statement.place, MISSED: statement.place_missed or unsure, OPEN: unsure}
    return about | figure | {"kept": held, "outcome": outcome_of(statement, held), "place": places[held]}


def _why_not(statement, content):
    """Why a statement that has an experiment was not measured (str)."""
    if content is None:
        return "its experiment has not run, was interrupted, or left a file that cannot be read"
    if statement.rows:
        return "the result of its experiment has no such rows, or no numbers in them"
    lacks = [name for name in statement.figures if _figure(statement, content, name) is None]
    return f"the result of its experiment has no figure {', '.join(lacks)} that can be read"


def outcome_of(statement, held):
    """What a held, missed or undecided threshold means for the claim (str)."""
    if held == OPEN or (held == MISSED and statement.missed == "undecided"):
        return UNDECIDED
    return SUPPORTS if (held == HELD) == (statement.toward == "vindicated") else OPPOSES


def command_of(experiment):
    """The command that measures (str)."""
    return " ".join(["cortical-attention", experiment, *RUNS[experiment]["full"]]) if experiment else ""


def figure_of(statement, content):
    """Value, interval, threshold, rule and outcome (dict), or None where they were not measured.

    Of several figures the first that is not held counts, a missed one before an undecided one; if all hold, the first. Each
    is judged by the threshold that `protocol.toml` has now.
    """
    if content is None:
        return None
    if statement.rows:
        return _of_rows(statement, content.get("rows", ()))
    every = [_figure(statement, content, name) for name in statement.figures]
    if not every or None in every:
        return None
    return min(every, key=lambda each: (MISSED, OPEN, HELD).index(each["outcome"]))


def _figure(statement, content, name):
    """A figure by the threshold that `protocol.toml` has now (dict), or None where there is none that can be read."""
    figures = content.get("figures")
    try:
        own = judged_now(statement.experiment, name, figures[name])
    except (LookupError, TypeError, ValueError):
        return None
    return own | {"interval": own["interval"] or [own["value"], own["value"]]}


def _of_rows(statement, rows):
    """The same, of chosen rows; rows that have not settled are missed, whatever they say."""
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list | tuple) else []
    wanted = {name: value if isinstance(value, list) else [value] for name, value in statement.rows.items()}
    chosen = [row for row in rows if all(row.get(name) in values for name, values in wanted.items())]
    if not all(any(row[name] == value for row in chosen) for name, values in wanted.items() for value in values):
        return None
    values = [row.get(statement.key) for row in chosen]
    if not all(isinstance(value, int | float) for value in values):
        return None
    value = TAKEN[statement.take](values)
    inside = value <= statement.threshold if statement.rule == "at most" else value >= statement.threshold
    held = HELD if inside and all(row.get("settled", True) for row in chosen) else MISSED
    return {
        "value": value, "interval": chosen[0].get("interval") if len(chosen) == 1 else [min(values), max(values)], "threshold": statement.threshold,
        "rule": statement.rule, "outcome": held,
    }  # fmt: skip


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
