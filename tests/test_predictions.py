"""What a command says of its predictions."""

import io
import re

import pytest
from rich.console import Console, Group
from rich.table import Column, Table

from cortical_attention.command.tables import DISCUSSED, DISCUSSION, console_for, print_whole, say_predictions
from cortical_attention.trials.batch import Prediction, prediction_of
from tests.command import ROOT

HELD, MISSED = Prediction("at most 3 %", "2 %", True), Prediction("at most 3 %", "4.90 %", False)


def said(experiment, *predictions):
    """Lines that are printed of some predictions."""
    file = io.StringIO()
    say_predictions(experiment, predictions, Console(file=file, width=70))
    return file.getvalue().splitlines()


def test_a_missed_prediction_points_to_its_discussion():
    found = said("averaging", HELD, MISSED, MISSED)
    assert found == [
        "predicted at most 3 %; measured 2 %: held",
        *["predicted at most 3 %; measured 4.90 %: missed"] * 2,
        "missed predictions are discussed in docs/decisions/0018-predictions-that-failed.md",
    ]


@pytest.mark.parametrize("outcome", ["held", "missed", "undecided"])
def test_a_figure_has_one_outcome(outcome):
    assert said("compare", prediction_of({"outcome": outcome}, "at most 3 %", "2 %")) == [
        f"predicted at most 3 %; measured 2 %: {outcome}"
    ]


@pytest.mark.parametrize(("experiment", "prediction"), [("averaging", HELD), ("compare", MISSED)])
def test_where_there_is_nothing_to_discuss(experiment, prediction):
    """It held, or the document does not speak of the experiment."""
    assert len(said(experiment, prediction)) == 1
    assert said(experiment) == []


def test_the_document_discusses_these_experiments():
    rows = re.findall(r"^\| `(\w+)`", (ROOT / DISCUSSION).read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(set(rows)) == sorted(DISCUSSED)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_figure_of_a_table_is_cut_on_a_narrow_screen(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    figures = [f"{k}.2345 to {k}.6789" for k in range(6)]
    several = Table("statement", *(Column(f"column_{k}", no_wrap=True) for k in range(6)))
    several.add_row("a sentence that may be wrapped at any of its words", *figures)
    print_whole(Group(several, Table("one")), console_for(False))
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert all(each in printed for each in (*figures, *(f"column_{k}" for k in range(6))))
