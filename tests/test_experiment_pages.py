"""Pages of experiments: what is in them, what they link to, and what they do in a browser; statistics of spikes."""

import importlib
import inspect
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import quantities as pq

from cortical_attention.command.line import EXPERIMENTS
from cortical_attention.command.printed import printed
from cortical_attention.readout.regularity import BIN, regularity
from cortical_attention.trials.batch import Prediction
from tests.command import QUICK, check_refused, run, saved
from tests.pages import no_browser, opened, result_of

pytestmark = pytest.mark.slow  # `make test` would take too long

pytest.importorskip("bokeh", reason="the extra report is not installed")
in_a_browser = pytest.mark.skipif(no_browser() is not None, reason=str(no_browser()))
READY = "document.body.dataset.ready === 'yes'"


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# The option and the command
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_make_its_page(name):
    main = importlib.import_module(f"cortical_attention.experiments.{name}").main
    assert inspect.signature(main).parameters["report"].default is False


def kept(name, folder, result, tables=(), predictions=()):
    """A folder as an experiment leaves it, with little in it."""
    Path(folder).mkdir(parents=True)
    given = {"command": [name], "parameters": {"seed": 0}, "unit_rates": {}, "written": "2026-01-01T00:00:00+00:00"}
    shown = {"tables": list(tables), "predictions": list(predictions)}
    Path(folder, f"{name}.json").write_text(json.dumps({"schema_version": 1, "interrupted": False, **result}))
    Path(folder, "run.json").write_text(json.dumps(given | {"printed": shown}))


TABLE = {"title": "errors", "heads": ["", "error"], "rows": [["b", "9.00 %"], ["a", "11.00 %"], ["c", "-"]]}
JUDGED = [
    {"predicted": "below 10 %", "measured": "9 %", "outcome": "held"},
    {"predicted": "above </td>", "measured": "8 %", "outcome": "missed"},
]
ROWS = [{"case": "one", "form": "rate", "relative_l2": 0.09, "z": list(range(9))},
        {"case": "two", "form": "rate", "relative_l2": None, "z": [1, 2]}]  # fmt: skip


def test_a_page_of_an_experiment_is_made_of_its_folder_alone():
    kept("normalisation", "r", {"rows": ROWS, "failed": {"two": "it diverged"}}, [TABLE], JUDGED)
    done = run("report", "r")
    assert (done.exit_code, done.stdout) == (0, f"{Path('r', 'report.html')}\n"), done.stderr
    text = Path("r/report.html").read_text(encoding="utf-8")
    for words in (
        "Which inhibitory wiring makes the attention", "Heeger &amp; Mackey", "1 of 2 held.", "11.00 %", "it diverged",
        "above &lt;/td&gt;", "The same in every row: form rate.", "normalisation.json",
    ):  # fmt: skip
        assert words in text
    assert len(text) < 50_000  # Bokeh is left out where there is no figure
    check_refused("report", "r", names="report.html exists already")


def test_an_interrupted_experiment_says_so():
    kept("normalisation", "r", {"rows": ROWS, "interrupted": True}, [TABLE], JUDGED)
    assert run("report", "r").exit_code == 0
    text = Path("r/report.html").read_text(encoding="utf-8")
    assert "predictions were not judged" in text
    assert "below 10 %" not in text


def test_without_predictions_in_its_folder_a_page_has_none():
    kept("normalisation", "r", {"rows": ROWS})
    Path("r/run.json").unlink()  # of an earlier version, perhaps
    assert run("report", "r").exit_code == 0
    assert "Predictions" not in Path("r/report.html").read_text(encoding="utf-8")


def test_a_damaged_file_is_one_sentence():
    kept("normalisation", "r", {"rows": ROWS})
    Path("r/normalisation.json").write_text("{")
    check_refused("report", "r", names="normalisation.json cannot be read")


def test_a_file_of_a_calibration_is_no_experiment():
    Path("r").mkdir()
    for name in ("case.npz", "calibration.json"):
        Path("r", name).write_text("")
    check_refused("report", "r", names="has no run.json")


def test_what_a_command_printed_is_kept():
    done = run("gradients", *_case_with_targets(), "--out", "r", "--report")
    assert done.exit_code == 0, done.stderr
    assert "page in r/report.html" in done.stdout
    found = json.loads(Path("r/run.json").read_text())["printed"]
    assert [each["outcome"] for each in found["predictions"]].count("held") > 0
    assert len(found["tables"][0]["rows"]) > 0
    text = Path("r/report.html").read_text(encoding="utf-8")
    assert found["tables"][0]["rows"][0][0] in text
    assert 'alt="Every entry of the gradients over its central difference."' in text
    assert text.count("data:image/png;base64,") == 1


def _case_with_targets():
    from cortical_attention.inputs.cases import save
    from cortical_attention.inputs.suite import random_case

    case = random_case(0, 3, n_head=1, d_model=4, d_key=3, d_value=3)
    save(case._replace(targets=np.ones((3, 4))), "targets.npz")
    return ("targets.npz",)


def test_outcomes_and_markup_of_printed_tables():
    from rich.console import Group
    from rich.table import Table

    table = Table("", "[b]error", title="of both")
    table.add_row("one", "[green]3 %")
    judged = [Prediction("a", "b", True), Prediction("a", "b", False), Prediction("a", "b", False, True)]
    found = printed(Group("words", Group(table)), judged)
    assert found["tables"] == [{"title": "of both", "heads": ["", "error"], "rows": [["one", "3 %"]]}]
    assert [each["outcome"] for each in found["predictions"]] == ["held", "missed", "undecided"]
    assert printed("", []) == {"tables": [], "predictions": []}


def test_an_experiment_links_to_the_results_below_it():
    kept("systems", "some #/r", {"rows": ROWS}, [TABLE], JUDGED)
    kept("normalisation", "some #/r/inner", {"rows": ROWS}, [TABLE], JUDGED)
    assert run("compare", saved(), *QUICK, "--out", "some #/r/one").exit_code == 0
    assert run("report", "some #/r").exit_code == 0
    text = Path("some #/r/report.html").read_text(encoding="utf-8")
    assert re.findall('href="([^"]*html)"', text) == ["one/report.html", "inner/report.html"]
    assert all(Path("some #/r", name, "report.html").is_file() for name in ("one", "inner"))
    assert run("report", "some #").exit_code == 0
    text = Path("some #/index.html").read_text(encoding="utf-8")
    assert re.findall('href="([^"]*html)"', text) == ["r/one/report.html", "r/report.html", "r/inner/report.html"]
    assert "3 results in some #" in text


# Images and words
def test_a_match_shows_its_images_and_answers():
    done = run("match", "--sequences", 1, "--form", "rate", "--target", "numpy", "--out", "r", "--report")
    assert done.exit_code == 0, done.output
    shown = json.loads(Path("r/rate/shown.json").read_text())
    answers = [each["circuit"] for each in shown["tokens"]]
    assert answers == [each["algebra"] for each in shown["tokens"]]
    kappa = np.load("r/rate/attention.npy").mean(axis=0)
    for page in ("r/report.html", "r/rate/report.html"):
        text = Path(page).read_text(encoding="utf-8")
        assert (
            len(re.findall('<img class="digit" src="data:image/png[^"]*" alt="image of (?:question|example) ', text))
            == 16
        )
        assert f">{kappa[0, 0]:.2g}<" in text
    assert run("report", "r/rate", "--out", "again.html").exit_code == 0
    assert re.findall('href="([^"]*html)"', Path("r/report.html").read_text(encoding="utf-8")) == ["rate/report.html"]
    if no_browser() is None:
        with opened("r/rate/report.html") as (tab, said):
            tab.locator("#token").fill("3")
            assert (
                tab.locator("#looks")
                .text_content()
                .startswith(f"Question 3 of head 0 looks most at example {kappa[3].argmax()} with tag ")
            )
            assert said == []


def test_an_image_of_patches_is_numbered_and_answered():
    from cortical_attention.report.shown import shown_section

    tokens = [{"name": f"patch {k}"} for k in range(16)]
    given = {"about": "one", "tokens": tokens, "image": np.eye(8).tolist(), "patch": 2, "right": "7", "circuit": "1"}
    html = shown_section(given | {"algebra": "7"})
    assert "Answer: right: 7; circuit: 1; algebra: 7." in html
    assert html.count("<rect") == 16
    assert ">15</text>" in html


WORDS = {"about": "Words.", "heads": ["layer 0, head 1", "layer 1, head 0"],
         "tokens": [{"name": f"“{word}” ({k})", "label": word} for k, word in enumerate(("a", "the", "cat"))]}  # fmt: skip


@pytest.fixture
def worded():
    """A folder of a transformer of two heads and three words."""
    kept("transformer", "r", {"rows": ROWS}, [TABLE], JUDGED)
    Path("r/shown.json").write_text(json.dumps(WORDS))
    for name in ("attention", "reference_attention"):
        np.save(f"r/{name}.npy", np.random.default_rng(0).dirichlet(np.ones(3), (2, 3)).astype("f4"))
    assert run("report", "r").exit_code == 0
    return Path("r/report.html")


@in_a_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_words_are_on_the_axes_and_in_the_pickers(worded, width):
    kappa = np.load("r/attention.npy")
    with opened(worded, width) as (tab, said):
        labels = tab.evaluate("Bokeh.documents[0].roots()[0].above.concat(Bokeh.documents[0].roots()[0].below)"
                              "[0].major_label_overrides.get(2)")  # fmt: skip
        assert labels == "cat"
        tab.select_option("#head", label="layer 1, head 0")
        tab.locator("#token").focus()
        tab.keyboard.press("ArrowRight")
        assert tab.locator("#token-said").text_content() == "“the” (1)"
        most = kappa[1, 1].argmax()
        assert (
            tab.locator("#looks")
            .text_content()
            .startswith(
                f"“the” (1) of layer 1, head 0 looks most at {WORDS['tokens'][most]['name']} ({kappa[1, 1, most]:.3g})"
            )
        )
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert said == []


@in_a_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_tables_sort_by_keyboard(width):
    kept("normalisation", "r", {"rows": ROWS}, [TABLE], JUDGED)
    assert run("report", "r").exit_code == 0
    with opened("r/report.html", width, wait=READY) as (tab, said):
        head = tab.locator("#result th button", has_text="error")
        orders = []
        for _ in range(2):
            head.focus()
            tab.keyboard.press("Enter")
            orders.append(tab.locator("#result tbody td:first-child").all_text_contents())
        assert orders == [["b", "a", "c"], ["a", "b", "c"]]  # 9 before 11; what is not known stays last
        assert tab.locator("#result th[aria-sort=descending]").count() == 1
        tab.locator("#records summary").first.focus()
        tab.keyboard.press("Enter")
        assert tab.locator("#records table").first.is_visible()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert said == []


# Statistics of spikes
def of_spikes(index, step, n_cell, n_step, dt=0.001):
    """A recording of one population whose one window is the second half."""
    from cortical_attention.readout.store import Epoch, Record, Recording

    half = n_step * dt / 2
    order = np.argsort(step, kind="stable")
    index, time = np.asarray(index)[order], np.asarray(step)[order] * dt * pq.s
    axes = (("batch", 1), ("token", n_cell), ("cells", 1))
    empty = np.zeros(0) * pq.s, np.zeros((0, n_cell)) * pq.Hz
    record = Record("core", "core", "thalamus", axes, 100 * pq.Hz, np.arange(n_cell), index, time, *empty, None, ())
    epochs = (Epoch("settle", 0.0, half, None), Epoch("window", half, 2 * half, None))
    return Recording((record,), 2 * half * pq.s, dt * pq.s, epochs, {})


def test_a_clock_has_no_variation_and_poisson_spikes_have_one():
    (clock,) = regularity(of_spikes(np.zeros(100, int), 10 * np.arange(100), 2, 1000))
    assert clock.intervals == pytest.approx(np.full(49, 0.01))
    assert clock.rates == pytest.approx([100, 0])
    assert clock.variations == pytest.approx([0], abs=1e-9)
    rng = np.random.default_rng(0)
    index, step = np.nonzero(rng.random((30, 40_000)) < 0.02)
    (poisson,) = regularity(of_spikes(index, step, 30, 40_000))
    assert np.median(poisson.variations) == pytest.approx(1, abs=0.1)
    # of 435 pairs of 1000 bins: the mean has a standard error below 1 / sqrt(1000 * 435)
    assert abs(poisson.correlations.mean()) < 4 / np.sqrt(1000 * 435)
    assert (poisson.n_paired, poisson.correlations.size) == (30, 435)


def test_cells_that_fire_together_are_correlated():
    rng = np.random.default_rng(1)
    step = np.flatnonzero(rng.random(4000) < 0.02)
    (found,) = regularity(of_spikes(np.repeat([0, 1], len(step)), np.tile(step, 2), 3, 4000))
    assert found.correlations == pytest.approx([1])
    counts = np.bincount((step[step >= 2000] - 2000) // round(1000 * BIN), minlength=100)
    (apart,) = regularity(
        of_spikes([*np.zeros(len(step), int), *np.ones(50, int)], [*step, *range(2000, 4000, 40)], 2, 4000)
    )
    every = np.bincount((np.arange(2000, 4000, 40) - 2000) // 20, minlength=100)
    assert apart.correlations == pytest.approx([np.corrcoef(counts, every)[0, 1]])


def test_statistics_say_nothing_of_what_is_silent():
    from cortical_attention.report.statistics import statistics_section

    assert statistics_section(of_spikes([], np.zeros(0, int), 3, 1000)) == ""
    html = statistics_section(of_spikes(np.zeros(20, int), 50 * np.arange(20), 3, 1000))
    assert "nan" not in html.lower()
    assert 'aria-label="Histogram of intervals in ms: from 50 to 50' in html
    recording = result_of(2000).recording
    assert statistics_section(recording).count("<tr>") == 1 + len(recording.records)
    rates = SimpleNamespace(**recording._asdict()).records[0]._replace(spike_index=None)
    assert statistics_section(recording._replace(records=(rates,))) == ""
