"""The verdict: what sentences of a sceptical dossier predict, what experiments measured, and where that leaves the claim.

Statements stand in `verdict.toml`, each with the sentence that it tests, the experiment that measures it, and what its
outcome means; thresholds stand in `protocol.toml` and in the experiments. Nothing here runs a circuit.
"""

import json
import tomllib
from pathlib import Path
from typing import NamedTuple

from cortical_attention.readout.judged import judged as held_against

SUPPORTS, OPPOSES, UNDECIDED, NOT_MEASURED = "supports", "opposes", "undecided", "not measured"
SCORE = {SUPPORTS: 1, OPPOSES: -1, UNDECIDED: 0}
HELD, MISSED, OPEN = "held", "missed", "undecided"
INSIDE, WITH_STATE, OUTSIDE = "inside stateless attention", "inside attention with state", "outside"
NOT_COMPARED = "not compared with attention"
PLACES = (INSIDE, WITH_STATE, OUTSIDE, "undecided", NOT_COMPARED)
TAKEN = {"largest": max, "smallest": min}
CONTENT = tomllib.loads(Path(__file__).with_name("verdict.toml").read_text(encoding="utf-8"))
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
        One of `PLACES`, if it holds; empty: not on the map. `NOT_COMPARED` whether it holds or not.
    place_missed : str
        If it is missed; empty: undecided.
    experiment : str
        Empty: nothing measures it, and `why` says why.
    figures : tuple of str
        Names in the `figures` of the experiment's JSON; all have to hold.
    shown : tuple of str
        More of these names: controls, and figures that decided once, which the page shows and which do not count.
    rows : dict
        Of experiments without `figures`: value, or list of values, of columns that choose rows of the JSON.
    key, take, rule : str
        Column of these rows, the one that counts ("largest" or "smallest"), and "at most" or "at least".
    threshold : float
    strong : bool
        Whether the strong form of the claim needs it.
    by_construction : bool
        Whether algebra decides it, or a circuit that is exact by construction.
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
    shown: tuple = ()
    rows: dict = {}
    key: str = "relative_l2"
    take: str = "largest"
    rule: str = "at most"
    threshold: float | None = None
    strong: bool = False
    by_construction: bool = False
    why: str = ""


STATEMENTS = tuple(Statement(**each) for each in CONTENT["statement"])


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
    return None if content.get("interrupted") else content


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
        return about | nothing | {"outcome": NOT_MEASURED, "place": "", "shown": {}}
    held = figure.pop("outcome")
    given = content.get("figures", {})
    shown = {name: _with_ends(given[name]) for name in statement.shown if name in given}
    outcome = outcome_of(statement, held)
    return about | figure | {"kept": held, "outcome": outcome, "place": place_of(statement, held), "shown": shown}


def place_of(statement, held):
    """Where the map puts a statement with a held, missed or undecided threshold (str; empty: nowhere)."""
    if statement.place in ("", NOT_COMPARED):
        return statement.place
    return {HELD: statement.place, MISSED: statement.place_missed or "undecided", OPEN: "undecided"}[held]


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

    Of several figures the first that is not held counts, a missed one before an undecided one; if all hold, the first.
    """
    if content is None:
        return None
    if statement.rows:
        return _of_rows(statement, content.get("rows", ()))
    given = content.get("figures", {})
    if not statement.figures or not {*statement.figures} <= given.keys():
        return None
    return _worst([_with_ends(given[name]) | {"figure": name} for name in statement.figures])


def _worst(figures):
    """The first figure that is not held, a missed one before an undecided one; if all hold, the first."""
    return min(figures, key=lambda each: (MISSED, OPEN, HELD).index(each["outcome"]))


def _with_ends(figure):
    """A figure of an experiment with an interval, which is its value where it has none (dict)."""
    own = {name: figure[name] for name in ("value", "threshold", "rule", "outcome")}
    return own | {"interval": figure.get("interval") or [figure["value"], figure["value"]]}


def _of_rows(statement, rows):
    """The same, of chosen rows; rows that have not settled are missed, whatever they say.

    Rows with an interval each are judged by it; of others the value that counts is, and their range is the interval.
    """
    wanted = {name: value if isinstance(value, list) else [value] for name, value in statement.rows.items()}
    chosen = [row for row in rows if all(row.get(name) in values for name, values in wanted.items())]
    if any({*values} - {row[name] for row in chosen} for name, values in wanted.items()):
        return None  # a system that has not run
    limit, settled = (statement.threshold, statement.rule), all(row.get("settled", True) for row in chosen)
    if all(row.get("interval") for row in chosen):
        worst = _worst([held_against(row[statement.key], *limit, row["interval"]) for row in chosen])
    else:
        values = [row[statement.key] for row in chosen]
        worst = held_against(TAKEN[statement.take](values), *limit) | {"interval": [min(values), max(values)]}
    return worst | {"figure": None} | ({} if settled else {"outcome": MISSED})


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
