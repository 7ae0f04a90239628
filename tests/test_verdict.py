"""The verdict: outcomes, needle and composite from what experiments wrote."""

import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cortical_attention.command.line import EXPERIMENTS
from cortical_attention.experiments import verdict as experiment
from cortical_attention.trials.protocol import PROTOCOL, ProtocolError
from cortical_attention.trials.verdict import (
    NOT_MEASURED,
    OPPOSES,
    SUPPORTS,
    UNDECIDED,
    composite,
    content_of,
    judged,
    needle,
    of_other_runs,
    verdict,
)
from cortical_attention.trials.verdict_page import measured, page
from cortical_attention.trials.verdict_statements import (
    CONTENT,
    INSIDE,
    NOT_COMPARED,
    OUTSIDE,
    PLACES,
    RUNS,
    STATEMENTS,
    WITH_STATE,
    Statement,
    check,
    statements_of,
)
from cortical_attention.trials.verdict_thresholds import threshold_of
from tests.command import run

ROOT = Path(__file__).parents[1]
FIGURE = {"value": 0.1, "interval": [0.05, 0.2], "threshold": 0.3, "rule": "at most", "outcome": "held"}


def statement(**given):
    """A statement with figures `a` and `b`."""
    return Statement("s", "It is so.", "dossier", experiment="reticular", figures=("a", "b"), **given)


def content(a="held", b="held"):
    """What its experiment wrote."""
    ends = {"held": [0.05, 0.2], "undecided": [0.2, 0.4], "missed": [0.4, 0.5]}
    return {"figures": {name: FIGURE | {"interval": ends[each]} for name, each in (("a", a), ("b", b))}}


def test_statements_are_complete():
    assert len(STATEMENTS) >= 20
    assert len({each.id for each in STATEMENTS}) == len(STATEMENTS)
    assert sum(bool(each.experiment) for each in STATEMENTS) >= 15
    for each in STATEMENTS:
        assert each.toward in ("vindicated", "refuted")
        assert each.missed in ("opposite", "undecided")
        assert {each.place, each.place_missed} <= {"", *PLACES}
        assert each.experiment in RUNS if each.experiment else each.why
        assert bool(each.rows) != bool(each.figures) or not each.experiment
    assert {*RUNS} <= {*EXPERIMENTS}
    assert {each.experiment for each in STATEMENTS if each.figures} <= PROTOCOL.keys()
    named = {name for each in STATEMENTS for name in re.findall(r"(?:circuits|reference|cells)/[\w./]+", each.circuit)}
    files = {name if name.startswith(("circuits", "cells")) else f"cortical_attention/{name}" for name in named}
    assert [name for name in sorted(files) if not (ROOT / name).exists()] == []


def test_what_lies_inside_attention_supports_and_what_lies_outside_opposes():
    sides = {INSIDE: "vindicated", WITH_STATE: "vindicated", OUTSIDE: "refuted"}
    other = {"vindicated": "refuted", "refuted": "vindicated"}
    wrong = [each.id for each in STATEMENTS if each.place in sides and each.toward != sides[each.place]]
    wrong += [
        each.id for each in STATEMENTS if each.place_missed in sides and other[each.toward] != sides[each.place_missed]
    ]
    assert wrong == []


def test_a_control_is_no_statement():
    counted = {(each.experiment, name) for each in STATEMENTS for name in each.figures}
    assert [each.id for each in STATEMENTS for name in each.shown if (each.experiment, name) in counted] == []
    kept = {each.experiment for each in STATEMENTS}
    assert [name for name in RUNS if name not in kept] == []  # nothing is run that no statement reads


def test_what_decides_statements_that_a_reader_asked_for():
    own = {each.id: each for each in STATEMENTS}
    assert "signs_shuffled" in own["signal_and_noise"].figures
    assert "fixed_divisor_points" in own["context_normalisation"].figures
    assert own["recurrent_state"].figures == ["over_spikes"]
    assert own["reticular_temperature"].strong
    assert {"cosine_low_threshold", "correlation_low_threshold"} <= {*own["layer_6_gain"].shown}
    without = {"context_winner", "reticular_hysteresis", "layer_6_mode", "match_and_control"}
    assert {own[name].place for name in without} == {NOT_COMPARED}


@pytest.mark.parametrize(
    ("toward", "missed", "outcomes"),
    [
        ("vindicated", "opposite", (SUPPORTS, OPPOSES, UNDECIDED)),
        ("vindicated", "undecided", (SUPPORTS, UNDECIDED, UNDECIDED)),
        ("refuted", "opposite", (OPPOSES, SUPPORTS, UNDECIDED)),
        ("refuted", "undecided", (OPPOSES, UNDECIDED, UNDECIDED)),
    ],
)
def test_what_a_figure_means(toward, missed, outcomes):
    own = statement(toward=toward, missed=missed, place=PLACES[0], place_missed=PLACES[2])
    found = [judged(own, content(each)) for each in ("held", "missed", "undecided")]
    assert tuple(each["outcome"] for each in found) == outcomes
    assert [each["place"] for each in found] == [PLACES[0], PLACES[2], "undecided"]
    assert [each["kept"] for each in found] == ["held", "missed", "undecided"]


def test_figures_that_do_not_count_are_shown_and_decide_nothing():
    own = statement(strong=True)._replace(figures=("a",), shown=("b", "c"))
    found = judged(own, content("held", "missed"))
    assert (found["outcome"], found["figure"]) == (SUPPORTS, "a")
    assert {name: each["outcome"] for name, each in found["shown"].items()} == {"b": "missed"}
    assert judged(own._replace(figures=("a", "b")), content("held", "missed"))["figure"] == "b"
    several = {"needle": 1.0, "needle_not_by_construction": 1.0, "measured": 1, "by_construction": 0}
    text = page(several | {"composite": composite([found]), "statements": [found]}, False)
    assert "- not counted, b: 0.1 (0.4 to 0.5), asked: at most 0.3: missed" in text


@pytest.mark.parametrize("held", ["held", "missed", "undecided"])
def test_what_was_not_compared_with_attention_has_no_place_in_it(held):
    own = statement(place=NOT_COMPARED, missed="opposite")
    assert judged(own, content(held))["place"] == NOT_COMPARED


def test_all_figures_have_to_hold():
    assert judged(statement(), content("held", "undecided"))["outcome"] == UNDECIDED
    found = judged(statement(missed="opposite"), content("undecided", "missed"))
    assert (found["outcome"], found["figure"]) == (OPPOSES, "b")
    assert judged(statement(), {"figures": {"a": FIGURE}})["outcome"] == NOT_MEASURED
    assert judged(statement(), None)["outcome"] == NOT_MEASURED


def test_a_moved_threshold_moves_the_outcome_without_a_run(monkeypatch):
    own = next(each for each in STATEMENTS if each.id == "burst_gate")
    figures = dict.fromkeys(own.figures, FIGURE | {"value": 0.17, "interval": [0.16, 0.19], "threshold": 0.15})
    assert judged(own, {"figures": figures})["outcome"] == UNDECIDED
    monkeypatch.setitem(PROTOCOL["burst_attention"], "self_gate", 0.2)
    found = judged(own, {"figures": figures})
    assert (found["outcome"], found["threshold"]) == (SUPPORTS, 0.2)


def test_every_figure_of_a_statement_has_its_threshold_in_the_protocol():
    for each in STATEMENTS:
        assert None not in [threshold_of(each.experiment, name) for name in (*each.figures, *each.shown)], each.id
    assert threshold_of("relays", "bursts_per_cycle_low_threshold") == [0.95, 1.05]
    assert threshold_of("match_and_control", "success_1") == [0.68, 0.05]


@pytest.mark.parametrize(
    ("experiment", "key", "value"),
    [
        ("burst_attention", "self_gate", "x"), ("match_and_control", "success", [0.3]),
        ("recurrent_attention", "retention", None), ("amplify_suppress", "swapped", "x"),
    ],
)  # fmt: skip
def test_a_threshold_that_is_no_number_is_refused_in_a_sentence(monkeypatch, experiment, key, value):
    monkeypatch.setitem(PROTOCOL[experiment], key, value)
    with pytest.raises(ProtocolError, match=rf"in \[{experiment}\] is missing or not a number"):
        check()


def test_rows_that_have_not_settled_are_missed():
    own = Statement("s", "It is so.", "dossier", experiment="systems", rows={"system": ["x", "y"]}, threshold=0.1)
    rows = [{"system": name, "relative_l2": 0.01, "settled": True} for name in "xyz"]
    assert judged(own, {"rows": rows})["outcome"] == SUPPORTS
    assert (
        judged(own._replace(missed="opposite"), {"rows": [rows[0] | {"settled": False}, rows[1]]})["outcome"] == OPPOSES
    )
    assert judged(own, {"rows": rows[:1]})["outcome"] == NOT_MEASURED  # y has not run
    assert judged(own, {"rows": rows[:1] * 2})["outcome"] == NOT_MEASURED  # nor here
    assert judged(own, {"rows": rows})["interval"] == [0.01, 0.01]
    alone = own._replace(rows={"system": "x"})
    assert judged(alone, {"rows": [rows[0] | {"interval": [0.009, 0.02]}]})["interval"] == [0.009, 0.02]
    assert judged(alone, {"rows": [rows[0] | {"interval": [0.009, 0.2]}]})["kept"] == "undecided"
    with_ends = [rows[0] | {"interval": [0.009, 0.02]}, rows[1] | {"relative_l2": 0.3, "interval": [0.2, 0.4]}]
    found = judged(own, {"rows": with_ends})
    assert (found["kept"], found["value"], found["interval"]) == ("missed", 0.3, [0.2, 0.4])
    assert judged(own._replace(threshold=0.001), {"rows": rows})["outcome"] == UNDECIDED


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"value": None, "interval": [0.0, None]}, UNDECIDED),  # no number, which a file does not hold
        ({"interval": [0.4, 0.5]}, OPPOSES),  # it says that it held, and did not
        ({"value": 0.5, "interval": None}, OPPOSES),
        ({"outcome": "splendid"}, SUPPORTS),  # what it says does not count
        ({"value": "0.1"}, NOT_MEASURED), ({"rule": "about"}, NOT_MEASURED), ({"interval": ["x", 1]}, NOT_MEASURED),
    ],
)  # fmt: skip
def test_a_figure_is_held_only_by_its_value(changed, outcome):
    found = judged(statement(missed="opposite"), {"figures": {"a": FIGURE, "b": FIGURE | changed}})
    assert found["outcome"] == outcome
    assert "no figure b" in found["why"] if outcome == NOT_MEASURED else measured(found)


@pytest.mark.parametrize(
    "content", [{"figures": []}, {"figures": {"a": 1, "b": 2}}, {"rows": 3}, {"rows": [1, {"system": "x"}]}]
)
def test_a_result_of_something_else_is_not_measured(content):
    rows = Statement("s", "It is so.", "dossier", experiment="systems", rows={"system": "x"}, threshold=0.1)
    assert {judged(each, content)["outcome"] for each in (statement(), rows)} == {NOT_MEASURED}


@pytest.mark.parametrize(
    ("faulty", "said"),
    [
        ({"experiment": "dreams"}, "dreams"), ({"toward": "up"}, "toward is 'up'"), ({"figures": ()}, "figures or rows"),
        ({"figures": (), "rows": {"system": "x"}}, "no threshold"), ({"experiment": ""}, "says why"),
        ({"id": "first"}, "there twice"), ({"figures": ("a",)}, "the threshold of 'a'"),
        ({"shown": ("a",)}, "the threshold of 'a'"),
    ],
)  # fmt: skip
def test_a_faulty_statement_is_refused_in_a_sentence(faulty, said):
    right = statement()._replace(id="first", figures=("selection_by_key",))
    check((right,))
    with pytest.raises(ProtocolError, match=said):
        check((right, right._replace(id="second")._replace(**faulty)))


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("statement", [{"id": "x", "statement": "It is so.", "source": "y", "rul": 1}], "statement 'x' has rul, which no"),
        ("statement", [{"id": "x", "statement": "It is so."}], "statement 'x' has no source"),
        ("statement", ["x"], "needs to be a table"), ("statement", None, "'statement' is missing"),
        ("run", [], "'run' is missing"), ("run", {"relays": {"full": []}}, r"\[run.relays\] needs lists of words: quick"),
        ("limits", "x", "'limits' is missing or is not a list"),
    ],
)  # fmt: skip
def test_what_a_file_of_statements_lacks_is_said_in_a_sentence(part, value, said):
    with pytest.raises(ProtocolError, match=said):
        statements_of(CONTENT | {part: value})


@pytest.mark.parametrize(
    ("text", "said"), [("[[statement]\n", "cannot be read as TOML"), ("", "'statement' is missing")]
)
def test_a_broken_file_of_statements_ends_the_command_in_a_sentence(text, said, tmp_path, monkeypatch, capsys):
    from cortical_attention.command import line
    from cortical_attention.trials import protocol

    (tmp_path / "verdict.toml").write_text(text)
    monkeypatch.setattr(protocol, "__file__", str(tmp_path / "protocol.py"))
    monkeypatch.setattr(sys, "argv", ["cortical-attention", "verdict", "--no-run"])
    names = [name for name in sys.modules if name.endswith((".verdict_statements", "experiments.verdict"))]
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SystemExit) as ended:
        line.main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("biophysical", "outcome"),
    [
        ({"value": 0.09, "interval": [0.07, 0.11]}, OPPOSES),
        ({"value": 0.01, "interval": None}, SUPPORTS),
        (None, NOT_MEASURED),
    ],
)
def test_a_kept_result_of_best_attention_is_read_and_none_is_run(biophysical, outcome, tmp_path):
    assert "best_attention" not in experiment.missing(tmp_path)
    (own,) = (each for each in STATEMENTS if each.id == "cells")
    figures = {"linear_adaptive": FIGURE | {"value": 0.01, "interval": [0.01, 0.02]}}
    figures |= {} if biophysical is None else {"linear_biophysical": FIGURE | biophysical}
    assert judged(own, {"figures": figures})["outcome"] == outcome
    unread = judged(own, None)
    assert (unread["outcome"], unread["why"]) == (NOT_MEASURED, own.why)
    assert composite([unread])["open"] == ["cells"]


def test_kept_results_of_other_code_or_design_are_named(tmp_path):
    (tmp_path / "drivers").mkdir()
    (tmp_path / "drivers/drivers.json").write_text(json.dumps(content()))
    assert of_other_runs(tmp_path, True) == (["drivers"], [])
    from cortical_attention.readout.provenance import tree

    about = {"code": tree()["code"], "parameters": {"quick": True}}
    (tmp_path / "drivers/run.json").write_text(json.dumps(about))
    assert [of_other_runs(tmp_path, quick) for quick in (True, False)] == [([], []), ([], ["drivers"])]


@pytest.mark.parametrize("more", [(), ("--no-run",)])
def test_a_file_in_the_place_of_runs_is_refused(more, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    refused = run("verdict", "--runs", "file", *more)
    assert refused.exit_code == 2
    assert "file" in refused.stderr


def test_an_experiment_that_fails_is_named_and_the_others_run(tmp_path, monkeypatch):
    says = "import sys; print('it broke'); print('╰──╯'); name, place = sys.argv[1], sys.argv[sys.argv.index('--out') + 1]; "
    makes = "import os; os.mkdir(place); name == 'reticular' or open(f'{place}/{name}.json', 'w').write('{}')"
    monkeypatch.setattr(experiment, "COMMAND", says + makes)
    assert experiment.run_all(["reticular", "drivers"], tmp_path, True, 1, True) == ({"reticular": "it broke"}, False)
    assert content_of(tmp_path, "drivers") == {}


def test_an_interruption_ends_what_runs_and_starts_nothing_more(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "COMMAND", "import time; time.sleep(100)")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background

    def interrupt():
        while not (tmp_path / "reticular.log").exists():
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    start = time.monotonic()
    try:
        assert experiment.run_all(["reticular", "drivers"], tmp_path, True, 1, True) == ({}, True)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - start < 50
    assert not (tmp_path / "drivers.log").exists()


def test_needle_and_composite():
    found = [
        {"id": k, "outcome": each, "strong": True}
        for k, each in enumerate((SUPPORTS, OPPOSES, UNDECIDED, NOT_MEASURED))
    ]
    assert needle(found) == 0
    assert needle(found[3:]) is None
    assert composite(found) == {"value": 0.25, "threshold": 1.0, "outcome": "rejected", "opposed": [1], "open": [2, 3]}
    assert composite([found[0], found[2]])["outcome"] == "not shown"
    assert composite(found[:1])["outcome"] == "accepted"


def test_the_second_needle_leaves_out_what_could_not_have_come_out_otherwise(tmp_path, monkeypatch):
    built = statement(strong=True)._replace(id="built", by_construction=True)
    other = statement(toward="refuted")._replace(id="other")
    monkeypatch.setattr("cortical_attention.trials.verdict.STATEMENTS", (built, other))
    (tmp_path / "reticular").mkdir()
    (tmp_path / "reticular/reticular.json").write_text(json.dumps(content()))
    found = verdict(tmp_path)
    assert (found["needle"], found["needle_not_by_construction"]) == (0.0, -1.0)
    assert (found["measured"], found["by_construction"]) == (2, 1)
    assert "Decided by algebra, or by a circuit that is exact by construction: 1." in page(found, False)
    assert "Without these it stands at -1.00." in page(found, False)
    monkeypatch.setattr("cortical_attention.trials.verdict.STATEMENTS", (built,))
    found = verdict(tmp_path)
    assert found["needle_not_by_construction"] is None
    assert "No other statement was measured." in page(found, False)


def test_an_interrupted_or_damaged_result_does_not_count(tmp_path):
    folder = tmp_path / "reticular"
    folder.mkdir()
    for text in ("{", json.dumps(content() | {"interrupted": True})):
        (folder / "reticular.json").write_text(text)
        assert content_of(tmp_path, "reticular") is None
    assert verdict(tmp_path)["measured"] == 0


def test_the_command_gathers_and_writes_a_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"patterns": 16, "rule": "nothing taken away", "potentiation": 8, "error": 0.4}]
    (tmp_path / "runs/potentiation").mkdir(parents=True)
    (tmp_path / "runs/potentiation/potentiation.json").write_text(json.dumps({"rows": rows}))
    import typer

    from cortical_attention.experiments.verdict import main

    app = typer.Typer()
    app.command()(main)
    done = CliRunner().invoke(app, ["--no-run", "--runs", "runs", "--out", "out", "--json"])
    found = json.loads(done.stdout)
    assert (done.exit_code, found["needle"], found["measured"]) == (0, -1.0, 1)
    (own,) = (each for each in found["statements"] if each["id"] == "potentiation")
    assert {
        "id",
        "statement",
        "source",
        "direction",
        "value",
        "interval",
        "threshold",
        "outcome",
        "command",
    } <= own.keys()
    assert (own["outcome"], own["interval"]) == (OPPOSES, [0.4, 0.4])
    assert (found["needle_not_by_construction"], found["by_construction"]) == (None, 1)
    assert (tmp_path / "out/verdict.md").read_text() == page(verdict(tmp_path / "runs"), False)
    assert (tmp_path / "out/verdict.png").exists()
    assert (tmp_path / "out/map.png").exists()
    done = CliRunner().invoke(app, ["--no-run", "--runs", "runs", "--out", "again"])
    assert (
        "1 of 41 statements measured; without 1 that algebra or construction decides: no other was measured;"
        in done.output
    )
