"""Statements of the verdict, as `verdict.toml` has them, and what is refused there."""

from typing import NamedTuple

from cortical_attention.trials.protocol import ProtocolError, declared
from cortical_attention.trials.verdict_thresholds import check as check_threshold

INSIDE, WITH_STATE, OUTSIDE = "inside stateless attention", "inside attention with state", "outside"
NOT_COMPARED = "not compared with attention"
PLACES = (INSIDE, WITH_STATE, OUTSIDE, "undecided", NOT_COMPARED)
TAKEN = {"largest": max, "smallest": min}
WORDS = {
    "toward": ("vindicated", "refuted"), "missed": ("opposite", "undecided"), "place": ("", *PLACES),
    "place_missed": ("", *PLACES), "take": tuple(TAKEN), "rule": ("at most", "at least"),
}  # fmt: skip
LISTS = ("trail", "errors", "limits")


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


def statements_of(content):
    """Statements of the content of `verdict.toml` (tuple of Statement).

    Raises
    ------
    ProtocolError
        If a part of the file is missing or is something else, or a statement has a key that is unknown or lacks one.
    """
    for name, kind in {"statement": list, "run": dict, **dict.fromkeys(LISTS, list)}.items():
        if not isinstance(content.get(name), kind):
            raise ProtocolError(f"verdict.toml: '{name}' is missing or is not a {'table' if kind is dict else 'list'}")
    for name, own in content["run"].items():
        wanted = ("full",) if _is_only_read(own) else ("full", "quick")
        lacks = [each for each in wanted if not isinstance(own, dict) or not isinstance(own.get(each), list)]
        if lacks:
            raise ProtocolError(f"verdict.toml: [run.{name}] needs lists of words: {', '.join(lacks)}")
    return tuple(map(_statement, content["statement"]))


def _is_only_read(own):
    return isinstance(own, dict) and own.get("only_read", False)


def _statement(own):
    """One statement (Statement)."""
    if not isinstance(own, dict):
        raise ProtocolError(f"verdict.toml: a statement is {own!r} but needs to be a table")
    said = f"verdict.toml: statement '{own.get('id', '')}'"
    unknown = [name for name in own if name not in Statement._fields]
    if unknown:
        keys = ", ".join(Statement._fields)
        raise ProtocolError(f"{said} has {', '.join(unknown)}, which no statement has; keys are {keys}")
    lacks = [name for name in Statement._fields if name not in Statement._field_defaults and name not in own]
    if lacks:
        raise ProtocolError(f"{said} has no {', '.join(lacks)}, but needs one")
    return Statement(**own)


CONTENT = declared("verdict.toml")
STATEMENTS = statements_of(CONTENT)
RUNS = CONTENT["run"]
"""Options of each experiment (dict of dict): `full` and `quick`, lists of words; one that is `only_read` is not run."""


def check(statements=STATEMENTS, runs=RUNS):
    """Refuse statements that cannot be judged: the first fault of `verdict.toml`, or of a threshold, in a sentence.

    Raises
    ------
    ProtocolError
    """
    for k, each in enumerate(statements):
        said = f"verdict.toml: statement '{each.id}'"
        if each.id in (other.id for other in statements[:k]):
            raise ProtocolError(f"{said} is there twice, but each needs an id of its own")
        for name, known in WORDS.items():
            if getattr(each, name) not in known:
                words = ", ".join(f"'{word}'" for word in known)
                raise ProtocolError(f"{said}: {name} is '{getattr(each, name)}' but needs to be one of {words}")
        if each.experiment and each.experiment not in runs:
            raise ProtocolError(f"{said} is of experiment '{each.experiment}', but needs one of {', '.join(runs)}")
        if each.experiment and bool(each.figures) == bool(each.rows):
            raise ProtocolError(f"{said} needs either figures or rows of its experiment")
        if each.rows and not isinstance(each.threshold, int | float):
            raise ProtocolError(f"{said} has rows but no threshold, and needs a number")
        if not each.experiment and not each.why:
            raise ProtocolError(f"{said} has no experiment, and needs a sentence that says why")
        for figure in (*each.figures, *each.shown):
            check_threshold(each.experiment, figure)
