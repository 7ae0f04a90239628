"""The ladder: what is run, kept on disk, and gone on with."""

import csv
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cortical_attention.circuits.protocol import RunError
from cortical_attention.command.options import OptionError
from cortical_attention.command.tables import write_csv
from cortical_attention.experiments import ladder
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.trials.ladder_figure import draw, table_of

GIVEN = {"cells": None, "target": "numpy", "seed": 0}


CASE = random_case(0, 2, n_head=1, d_model=3, d_key=2, d_value=2, name="small")


@pytest.fixture
def one(monkeypatch):
    """A suite of one small case."""
    monkeypatch.setattr(ladder, "suite_cases", lambda: (CASE,))
    return CASE


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A finished ladder of the small suite: its folder, which tests copy, and what it gave."""
    folder = tmp_path_factory.mktemp("once")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladder, "suite_cases", lambda: (CASE,))
        return folder, climb(folder)


@pytest.fixture
def climbed(once, tmp_path):
    """The finished ladder copied to `tmp_path`, and what it gave."""
    shutil.copytree(once[0], tmp_path, dirs_exist_ok=True)
    return once[1]


@pytest.fixture(scope="module")
def commanded_once(tmp_path_factory):
    """The folder of a ladder of the small suite that the command climbed, which tests copy."""
    from tests.command import run

    folder = tmp_path_factory.mktemp("commanded") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladder, "suite_cases", lambda: (CASE,))
        assert run(*words(folder)).exit_code == 0
    return folder


@pytest.fixture
def commanded(one, commanded_once, tmp_path):
    """A copy of that folder."""
    return shutil.copytree(commanded_once, tmp_path / "out")


def climb(folder, seeds=2, **more):
    """Rows of the rate form on the small suite, both wirings."""
    every = ladder.jobs(("rate",), suites=("random",))
    return ladder.climb(every, GIVEN | more, seeds, folder)


def test_every_wiring_and_seed_has_a_row_that_agrees(one, climbed):
    rows, failed, interrupted = climbed
    assert [(row["wiring"], row["seed"]) for row in rows] == [("mask", 0), ("mask", 1), ("memory", 0), ("memory", 1)]
    assert (failed, interrupted) == ({}, False)
    assert all(row["relative_l2"] < 1e-6 and row["settled"] for row in rows)
    assert min(row["key_only_relative_l2"] for row in rows) > 1e-3  # negative control: another answer is told apart
    assert [each["better"] for each in ladder.summarise(rows)] == [2, 2]
    worse = [row | {"skill": -0.1} if row["seed"] else row for row in rows]
    assert [each["better"] for each in ladder.summarise(worse)] == [1, 1]
    unknown = ladder.summarise([row | {"skill": None} if row["seed"] else row for row in rows])
    assert [each["better"] for each in unknown] == [1, 1]
    assert [each["least_skill"] for each in unknown] == [row["skill"] for row in rows if not row["seed"]]
    unknown = ladder.summarise([row | {"skill": None} for row in rows])
    assert [(each["better"], each["least_skill"]) for each in unknown] == [(0, None)] * 2
    table_of(unknown)


def levels(panel):
    """Heights of the lines of the nulls in a panel, by label."""
    return {line.get_label(): line.get_ydata()[0] for line in panel.lines if line.get_label().startswith("null")}


def test_each_suite_is_drawn_beside_its_own_nulls(climbed):
    own = [row for row in climbed[0] if row["wiring"] == "mask"]
    nulls = {"uniform_relative_l2": 1.67, "key_only_relative_l2": 0.026, "additive_relative_l2": None}
    both = draw(own + [row | {"suite": "digits"} | nulls for row in own]).axes
    assert [panel.get_title() for panel in both] == ["fixed random inputs", "handwritten digits"]
    random, digits = map(levels, both)
    assert random["null: key only"] == own[0]["key_only_relative_l2"] != 0.026
    assert (digits["null: uniform"], digits["null: key only"]) == (1.67, 0.026)
    assert np.isnan(digits["null: additive"])
    assert [levels(panel) for panel in draw(own).axes] == [random]


def test_a_ladder_goes_on_where_it_was(one, climbed, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(ladder, "rows_of", lambda *_: pytest.fail("was run again"))
        assert climb(tmp_path) == climbed
    # another seed is another run
    assert [row["seed"] for row in climb(tmp_path, seed=5)[0]] == [5, 6, 5, 6]


def words(folder):
    """A ladder of the small suite on the command line."""
    return ["ladder", "--rungs", "rate", "--suite", "random", "--seeds", "1", "--target", "numpy", "--out", str(folder)]


def test_what_other_code_answered_is_asked_again(one, commanded, tmp_path, monkeypatch):
    from tests.command import run

    again = run(*words(tmp_path / "out"))
    assert (again.exit_code, "notice" in again.stdout) == (0, False)
    monkeypatch.setattr("cortical_attention.trials.ladder_folder.tree", lambda: {"code": "other"})
    monkeypatch.setattr(ladder, "rows_of", lambda *_: pytest.fail("is run again"))
    with pytest.raises(pytest.fail.Exception, match="is run again"):
        climb(tmp_path / "out", 1)
    monkeypatch.undo()
    file, other = sorted((tmp_path / "out" / "jobs").iterdir())
    rows = json.loads(file.read_text())["rows"]
    file.write_text(json.dumps({"code": "other", "rows": rows}))
    other.write_text(json.dumps(rows))  # as files were before they named their code
    changed = [row | {"relative_l2": 1.0} for row in rows]
    for path in (file, other):
        path.write_text(path.read_text().replace(json.dumps(rows), json.dumps(changed)))
    monkeypatch.setattr(ladder, "suite_cases", lambda: (one,))
    third = run(*words(tmp_path / "out"))
    assert "notice: 2 of 2 circuits were asked by other code and are asked again" in third.stdout
    table = list(csv.DictReader((tmp_path / "out" / "ladder.csv").read_text(encoding="utf-8").splitlines()))
    assert all(float(row["relative_l2"]) < 1e-6 for row in table)


def test_a_refused_ladder_keeps_its_tables_and_spares_what_is_no_ladder(commanded, tmp_path):
    """A folder named jobs makes no ladder of the results of another command."""
    from tests.command import run

    out = commanded
    before = sorted(path.name for path in out.iterdir())
    assert run(*words(out), "--seed", "1", "--workers", "-1").exit_code == 2
    assert sorted(path.name for path in out.iterdir()) == before
    other = tmp_path / "other"
    (other / "jobs").mkdir(parents=True)
    (other / "comparison.json").write_text("{}", encoding="utf-8")
    refused = run(*words(other))
    assert refused.exit_code == 2
    assert "has other files than those of a ladder" in refused.stderr
    assert (other / "comparison.json").is_file()


def test_tables_go_before_a_ladder_goes_on(commanded, monkeypatch):
    """So that one that is killed has no table beside rows that are not in it."""
    from tests.command import run

    out = commanded
    monkeypatch.setattr(ladder, "climb", lambda *_: pytest.fail("killed"))
    with pytest.raises(pytest.fail.Exception, match="killed"):
        run(*words(out), "--seed", "1")
    assert {path.name for path in out.iterdir()} == {"jobs"}


def test_workers_give_what_one_process_gives_and_their_loss_loses_nothing(one, climbed, tmp_path):
    """Circuits side by side in processes: the same rows in the same order; what fails in one is told by its name."""
    from tests.command import run

    out = tmp_path / "out"
    done = run(*words(out), "--seeds", "2", "--workers", "2")
    assert done.exit_code == 0
    table = list(csv.DictReader((out / "ladder.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["case"], row["seed"], float(row["relative_l2"])) for row in table] == [
        (row["case"], str(row["seed"]), row["relative_l2"]) for row in climbed[0]
    ]

    class Failing(ThreadPoolExecutor):
        """Fails in the memory wiring."""

        def submit(self, ask):
            return super().submit(ask if ask.args[0].wiring == "mask" else lambda: refuse("too large"))

    def refuse(why):
        raise RunError(why)

    every = ladder.jobs(("rate",), suites=("random",))
    with Failing(1) as executor:
        rows, failed, interrupted = ladder.climb(every, GIVEN, 1, tmp_path / "failing", executor=executor)
    assert [row["wiring"] for row in rows] == ["mask"]
    assert (failed, interrupted) == ({"rate-memory-random-small": "too large"}, False)


def test_the_largest_circuits_go_first_to_workers():
    every = ladder.jobs(("rate", "spiking"), ["mask"], suites=("random",))
    given = []

    class Waiting(ThreadPoolExecutor):
        def submit(self, ask):
            given.append(ask.args[0])
            return super().submit(list)

    with Waiting(1) as executor:
        list(ladder.answers(every, GIVEN, 1, executor=executor))
    assert {each.name for each in given} == {each.name for each in every}
    assert [each.rung for each in given] == ["spiking"] * 12 + ["rate"] * 12
    assert [len(each.cases[0].tokens) for each in given[:3]] == [16, 16, 16]


def test_a_stopped_ladder_keeps_what_is_done(one, tmp_path, monkeypatch):
    run, count = ladder.rows_of, []

    def stopped(*arguments):
        count.append(1)
        if len(count) == 2:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(ladder, "rows_of", stopped)
    rows, _, interrupted = climb(tmp_path)
    assert (len(rows), interrupted) == (2, True)
    monkeypatch.setattr(ladder, "rows_of", run)
    assert len(climb(tmp_path)[0]) == 4
    assert not list(tmp_path.rglob(".*"))  # nothing half written


def test_the_table_has_the_columns_of_the_contract(climbed, tmp_path):
    rows = climbed[0]
    write_csv(rows, ladder.COLUMNS, tmp_path / "ladder.csv")
    with (tmp_path / "ladder.csv").open(encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert tuple(read[0]) == ladder.COLUMNS
    assert read[0]["agreement"] == ""  # does not apply
    assert float(read[0]["relative_l2"]) == rows[0]["relative_l2"]


def test_the_memory_wiring_asked_by_all_tokens_at_once_answers_as_one_by_one(one):
    """Tokens that ask side by side give the answer of `compare`, where they ask one after another."""
    from cortical_attention.trials.comparison import compare

    job = ladder.Job("rate", "memory", "random", (one,))
    options = ladder.options_of(job, GIVEN)
    _, output, _, settled = ladder.present(job, options, 1)
    assert settled.all()
    assert output[0, 0] == pytest.approx(compare(one, options).answer.output[0], rel=1e-6, abs=1e-9)


def test_unknown_rungs_are_refused():
    from cortical_attention.command.options import some_of

    with pytest.raises(OptionError, match="--rungs is 'nonsense' but needs to be one of rate, "):
        some_of("--rungs", "rate,nonsense", ladder.RUNGS)


def test_the_interval_is_over_clusters():
    """Ten values of one cluster are worth one: the interval is that of the means, and wider than that of the values."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=12)
    values, clusters = np.repeat(means, 10), np.repeat(np.arange(12), 10)
    low, high = cluster_interval(values, clusters)
    assert (high - low) / 2 == pytest.approx(2.201 * means.std(ddof=1) / np.sqrt(12), rel=1e-3)  # t table, 11 degrees
    assert (high + low) / 2 == pytest.approx(means.mean())
    assert cluster_interval([1.0, 2.0], [0, 0]) is None


@pytest.mark.parametrize("n_seed", [2, 3, 8])
def test_the_interval_covers_what_it_says(n_seed):
    """Of 2000 intervals of normal means 95 % hold zero, to four standard deviations of such a count."""
    drawn = np.random.default_rng(1).normal(size=(2000, n_seed))
    held = np.mean([low < 0 < high for low, high in (cluster_interval(each, range(n_seed)) for each in drawn)])
    assert held == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 2000))


@pytest.mark.parametrize("content", ["", "{", "null", "[]", "[{}]", "[1]", '"x"', "[" * 100_000])
def test_a_damaged_unit_is_run_again(one, climbed, tmp_path, content):
    (file,) = (tmp_path / "jobs").glob("*mask*")
    file.write_text(content, encoding="utf-8")
    again = climb(tmp_path)
    timeless = [[row | {"wall_s": None} for row in rows] for rows in (again[0], climbed[0])]
    assert timeless[0] == timeless[1]
    assert again[1:] == climbed[1:]


def test_other_weights_are_another_run(one, climbed, tmp_path, monkeypatch):
    changed = one._replace(block=one.block._replace(W_O=2 * one.block.W_O))
    monkeypatch.setattr(ladder, "suite_cases", lambda: (changed,))
    climb(tmp_path)
    assert len(list((tmp_path / "jobs").iterdir())) == 4


def test_a_form_with_measured_cells_has_a_hash(one):
    """Its functions and membranes are part of what names a job."""
    from cortical_attention.readout.files import settings_hash

    job = ladder.Job("adaptive", "mask", "random", (one,))
    options = ladder.options_of(job, GIVEN)
    form = options.settings.form
    other = form._replace(membrane=form.membrane.changed(b=0.1))
    changed = options._replace(settings=options.settings._replace(form=other))
    assert settings_hash(list(options)) != settings_hash(list(changed))


@pytest.mark.parametrize(
    "words",
    [
        "ladder --out FILE",
        "ladder --out FILE/below",
        "ladder --out TAKEN",
        "ladder --cells 0",
        "ladder --rungs exponential",
    ],
)
def test_bad_input_is_one_sentence(one, words, tmp_path):
    from tests.command import run

    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine").write_text("mine", encoding="utf-8")
    given = words.replace("FILE", str(tmp_path / "file")).replace("TAKEN", str(tmp_path / "taken")).split()
    result = run(*given, "--suite", "random", *([] if "--rungs" in given else ["--rungs", "rate,rate"]))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "mine", "taken"]
