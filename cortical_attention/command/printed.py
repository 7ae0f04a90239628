"""Tables and predictions as a command printed them, for run.json and the page of the result."""

from rich.console import Group
from rich.table import Table
from rich.text import Text


def printed(shown, predictions):
    """What run.json keeps of what was printed.

    Parameters
    ----------
    shown : rich.table.Table, rich.console.Group or iterable of these
        Anything else, such as an empty text, is left out.
    predictions : sequence of trials.batch.Prediction

    Returns
    -------
    dict
        `tables`, each with `title`, `heads` and `rows` of text; `predictions`, each with `predicted`, `measured` and
        `outcome`: "held", "missed" or "undecided".
    """
    return {"tables": list(_tables(shown)), "predictions": [_judged(each) for each in predictions]}


def _tables(shown):
    if isinstance(shown, Table):
        columns = [[_plain(cell) for cell in column.cells] for column in shown.columns]
        heads = [_plain(column.header) for column in shown.columns]
        yield {
            "title": _plain(shown.title or ""),
            "heads": heads,
            "rows": [list(row) for row in zip(*columns, strict=True)],
        }
    elif isinstance(shown, Group):
        yield from _tables(shown.renderables)
    elif isinstance(shown, list | tuple):
        for each in shown:
            yield from _tables(each)


def _plain(text):
    return text.plain if isinstance(text, Text) else Text.from_markup(str(text)).plain


def _judged(prediction):
    outcome = outcome_of(prediction)
    return {"predicted": prediction.predicted, "measured": prediction.measured, "outcome": outcome}


def outcome_of(prediction):
    """Outcome of a prediction in a word."""
    return "held" if prediction.held else "undecided" if prediction.undecided else "missed"
