"""Pages for readers who bring something of their own, run as they stand; and what README, figures and questions refer to."""

import importlib
import inspect
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from cortical_attention.cells import kernels as of_cells
from cortical_attention.command.line import EXPERIMENTS
from cortical_attention.inputs.cases import save
from cortical_attention.inputs.suite import random_case
from cortical_attention.reference import kernels as of_algebra
from cortical_attention.reference.block import check_problem, project
from tests.command import run

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SMALL = random_case(0, 4, n_head=1, d_model=4, d_key=2, d_value=2, scale=2.0)
BRIEF = ("--target", "numpy", "--quiet")


def blocks(page):
    """Blocks of Python of a page (list of str)."""
    return [part.split("```")[0] for part in (DOCS / page).read_text(encoding="utf-8").split("```python\n")[1:]]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a case."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    save(SMALL, "mine.npz")
    return tmp_path


def test_the_page_on_a_first_result(here):
    save(SMALL, "case.npz")
    assert run("compare", "case.npz", *BRIEF, "--out", "first").exit_code == 0
    names = {}
    for block in blocks("first_result.md"):
        exec(block, names)
    assert names["answer"].report["settled"]
    page = (DOCS / "first_result.md").read_text(encoding="utf-8")
    assert [path.name for path in (here / "first").iterdir() if f"`{path.name}`" not in page] == []
    keys = [name for name in names["answer"].report if not re.match(r"[nd]_[a-z]+$", name)]
    assert [name for name in keys if f"`{name}`" not in page] == []


@pytest.mark.filterwarnings("ignore::UserWarning")  # the bias of the layer is left out
def test_the_page_on_a_block(here):
    """Of arrays, a mask and calibration sequences; of torch where it is installed."""
    names = {}
    for block in blocks("own_block.md"):
        if "torch" in block:
            try:
                importlib.import_module("torch")
            except ImportError:
                names["ca"] = importlib.import_module("cortical_attention")
                continue
        exec(block, names)
    assert names["answer"].report["calibration"] == "given"
    assert names["answer"].report["relative_l2"] < 0.03
    assert run("compare", "causal.npz", *BRIEF, "--out", "causal").exit_code == 0
    assert np.triu(np.load("causal/attention.npy"), 1).max() == 0


def test_the_page_on_a_wiring(here):
    module, case, reason, _ = blocks("own_wiring.md")
    (here / "mine.py").write_text(module)
    exec(case, {})
    assert run("describe", "mine.npz", "--wiring", "mine:SYSTEM").exit_code == 0
    for form, bound in (("rate", 1e-6), ("spiking", 0.03)):
        done = run("compare", "mine.npz", "--wiring", "mine:SYSTEM", "--form", form, *BRIEF, "--out", form)
        assert done.exit_code == 0, done.stderr
        assert np.linalg.norm(np.load(f"{form}/output.npy") - np.load(f"{form}/reference.npy")) < bound * 4
    names = {}
    exec(reason, names)
    assert names["with_reason"]({}, ()).breaks.keys() == {"local inhibition"}
    page = (DOCS / "own_wiring.md").read_text(encoding="utf-8")
    rules = importlib.import_module("cortical_attention.wiring.anatomy").RULES
    assert [
        f"| `{name}` | {rule.says} |" for name, rule in rules.items() if f"| `{name}` | {rule.says} |" not in page
    ] == []


def error_of(folder):
    """Figures of a comparison (dict)."""
    return json.loads(Path(folder, "comparison.json").read_text(encoding="utf-8"))


def test_cells_below_zero_are_told_in_rates_alone_as_the_page_says(here):
    (here / "mine.py").write_text(blocks("own_wiring.md")[0])
    save(SMALL._replace(tokens=np.random.default_rng(0).uniform(-1.2, 1.2, (3, 4)), calibration=None), "mine.npz")
    for form, status, sentence in (
        (
            "rate",
            1,
            "not settled: core, reticular stands for values below zero, which takes on and off cells (`signed`)",
        ),
        ("dale", 0, "settled"),
        ("spiking", 0, "settled"),
    ):
        done = run("compare", "mine.npz", "--wiring", "mine:SYSTEM", "--form", form, *BRIEF, "--out", form)
        assert (done.exit_code, sentence in " ".join(done.stdout.split())) == (status, True), done.stdout
        assert error_of(form)["relative_l2"] == pytest.approx(0.0 if form == "rate" else 0.76, abs=0.005)


def test_a_changed_wiring_with_a_kernel_of_its_own(here, monkeypatch):
    """Its control is as far off as the null that lacks the change; kernels of other tests stay as they are."""
    for kernels in (of_cells.KERNELS, of_algebra.KERNELS):
        monkeypatch.setitem(kernels, "square", None)
    (here / "fading.py").write_text(blocks("own_wiring.md")[3])
    for name, words in {
        "rate": "SYSTEM",
        "dale": "SYSTEM --form dale",
        "control": "CONTROL",
        "kernel": "SYSTEM --kernel square",
    }.items():
        done = run("compare", "mine.npz", "--wiring", *f"fading:{words}".split(), *BRIEF, "--out", name)
        assert done.exit_code == 0, done.stderr
    assert all(error_of(name)["relative_l2"] < 1e-6 for name in ("rate", "dale", "kernel"))
    control = error_of("control")
    assert control["relative_l2"] == pytest.approx(control["not_fading_relative_l2"], rel=1e-6)
    assert control["relative_l2"] > 0.1
    assert not np.allclose(np.load("rate/output.npy"), np.load("kernel/output.npy"), rtol=0.01)


def cells_page(here):
    """Names after the first blocks of the page on cells, and the blocks that are left."""
    first, adaptive, *others = blocks("own_cells.md")
    names = {}
    exec(first, names)
    exec(adaptive, names)
    return names, others


def drives():
    """Query and key of the cell of the page before phi, both above zero, where phi adds one (dict of float by port)."""
    query, key, _ = project(check_problem(SMALL.tokens, SMALL.block))
    return {"basal": query[0, 2, 1], "apical": key[0, 1, 1]}


@pytest.mark.slow
def test_the_page_on_cells(here):
    names, (*_, membrane) = cells_page(here)
    v, spikes = names["v"], names["spikes"]
    resets = (np.diff(v.magnitude[:, 0]) < -0.5).sum()
    late = spikes.magnitude  # of the measured window
    whole = [each for each in names["answer"].spikes.segments[0].spiketrains if each.name == spikes.name][0]
    assert resets == pytest.approx(whole.size, abs=1)
    assert 0 < late.size <= whole.size
    page = (DOCS / "own_cells.md").read_text(encoding="utf-8")
    assert f"climbs to its threshold {late.size} times" in page
    for port, value in drives().items():  # after phi, in this form
        assert names["answer"].trace("superficial", port).magnitude[1000:].mean() == pytest.approx(1 + value, rel=0.05)
    assert (here / "cell.png").stat().st_size > 10_000
    (here / "cells_of_mine.py").write_text(membrane)
    done = run("describe", "mine.npz", "--form", "cells_of_mine:QUADRATIC", "--json")
    assert done.exit_code == 0, done.stderr
    assert "chosen: half of that of the adaptive form" in done.stdout


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the circuit has not settled")
def test_the_page_on_cells_with_a_plateau_and_a_membrane_of_ones_own(here):
    names, (trace, figure, membrane) = cells_page(here)
    exec(trace, names)
    exec(figure, names)
    values, n_spike, n_plateau = names["values"], names["spiked"].size, names["onsets"].size
    page = " ".join((DOCS / "own_cells.md").read_text(encoding="utf-8").split())
    assert f"{n_spike} spikes in four seconds, all of them within one of {n_plateau} plateaus" in page
    assert (names["within"], names["before"]) == (n_spike, 0)
    assert names["traces"]["V_s"].dimensionality.string == "mV"
    assert values["V_s"].min() < -90
    assert 0 <= values["plateau"].min() < 0.5 < values["plateau"].max() <= 1
    for port, value in drives().items():  # before phi, in this form
        assert values[port].mean() == pytest.approx(value, rel=0.05)
    assert f"{names['constant']:.0f} pA" in page
    assert (here / "plateau.png").stat().st_size > 10_000
    assert np.load("cell.npz")["spikes"].size == n_spike
    (here / "cells_of_mine.py").write_text(membrane)
    done = run("compare", "mine.npz", "--form", "cells_of_mine:QUADRATIC", "--cells", "8", *BRIEF, "--out", "own")
    assert done.exit_code == 0, done.stderr


def asked(name, **changed):
    """Write a case with some changes; its name."""
    save(SMALL._replace(**changed), name)
    return name


SITUATIONS = [  # words of the command, exit status, what the page quotes
    ("mine.npz --normaliser output --out q1", 1, "not settled: attention misses a sum of one by 5, tolerance 1e-06"),
    ("silent.npz --kernel relu", 0, "4 macrocolumns are without drive: Z is zero there, and so is the output"),
    (
        "large.npz --form spiking",
        1,
        "core was asked for two spikes of one cell in one time step, 24000 times in 26656 spikes",
    ),
    ("own.npz --form spiking", 2, "the calibration contains the tested sequence but needs to be of other sequences"),
    ("mine.npz --wiring softmax --kernel relu", 2, "softmax attention has no kernel"),
    ("mine.npz --out q1", 2, "q1 holds files already; choose another folder, or add --overwrite."),
    ("mine.npz --settle 0.05 --duration 0.2 --form spiking", 1, "raise the settling time or the window"),
]


@pytest.mark.slow
def test_messages_of_the_page_on_questions(here):
    """Each is printed in the situation that the page describes, word by word."""
    page = " ".join((DOCS / "questions.md").read_text(encoding="utf-8").split())
    asked("large.npz", tokens=30 * SMALL.tokens)
    asked("silent.npz", block=SMALL.block._replace(b_Q=np.full((1, 2), -50.0)))
    asked("own.npz", calibration=SMALL.tokens[None])
    for words, status, sentence in SITUATIONS:
        done = run("compare", *words.split(), *BRIEF)
        said = " ".join(f"{done.stdout} {done.stderr}".split())
        assert (done.exit_code, sentence in said, sentence in page) == (status, True, True), (words, said)


def test_a_compiler_that_is_not_there_is_told_as_the_page_quotes_it(here, monkeypatch):
    monkeypatch.setattr("cortical_attention.command.options.compiler", lambda: None)
    done = run("compare", "mine.npz", "--target", "cpp", "--quiet")
    sentence = "--target cpp needs a C++ compiler, and none was found; --target numpy needs none"
    assert done.exit_code == 2
    assert sentence in " ".join(done.stderr.split())
    assert sentence in (DOCS / "questions.md").read_text(encoding="utf-8")


def rows(page):
    """Cells of the rows of the tables of a page (list of list of str)."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| [")]


def test_every_picture_has_the_command_that_draws_it():
    table = {re.search(r"\((.+)\)", row[0])[1]: row for row in rows("figures.md")}
    assert sorted(table) == sorted(path.name for path in DOCS.glob("*.png"))
    for name, row in table.items():
        program, *words = shlex.split(row[2].strip("`"))
        if program == "python":
            assert (ROOT / f"{words[1].replace('.', '/')}.py").is_file()
            continue
        experiment, *words = words
        assert program == "cortical-attention"
        assert experiment in EXPERIMENTS, name
        main = importlib.import_module(f"cortical_attention.experiments.{experiment}").main
        options = [word[2:].replace("-", "_") for word in words if word.startswith("--")]
        assert {*options} <= inspect.signature(main).parameters.keys(), name


def test_links_between_pages_lead_somewhere():
    """Files that README and pages name; anchors are those of headings."""
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")):
        for target in re.findall(r"\]\(([^)#\s]*?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if target and ":" not in target:
                assert (page.parent / target).exists(), (page.name, target)


def test_every_experiment_is_in_the_table():
    page = (DOCS / "experiments.md").read_text(encoding="utf-8")
    assert [name for name in EXPERIMENTS if f"`{name}`" not in page and f"`{name} " not in page] == []
