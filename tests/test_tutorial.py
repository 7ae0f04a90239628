"""Every notebook of the tutorial runs, says what it is for, draws, and becomes a valid notebook."""

import ast
import json
import runpy
import warnings
from pathlib import Path

import pytest
from matplotlib.figure import Figure

FOLDER = Path(__file__).parents[1] / "docs" / "tutorial"
SCRIPTS = sorted(FOLDER.glob("[0-9]*.py"))
NEEDS = {"03": ("pandas", "elephant")}  # beyond the package
QUICK = "01", "02", "03", "06"  # the others are slow tests; `make docs` runs them all
MOST_LINES = 90  # of code, without text
named = pytest.mark.parametrize("script", SCRIPTS, ids=[each.stem for each in SCRIPTS])


def code_of(script):
    """Lines that are neither text nor empty."""
    source = script.read_text(encoding="utf-8")
    text = ast.parse(source).body[0].end_lineno
    lines = [line.strip() for line in source.splitlines()[text:]]
    return [line for line in lines if line and not line.startswith("#")]


def test_numbers_have_no_gap():
    assert [int(each.name[:2]) for each in SCRIPTS] == list(range(1, len(SCRIPTS) + 1))
    assert len(SCRIPTS) >= 8


@named
def test_it_says_what_it_is_for_and_where_to_go_on(script):
    title, underline, empty, goal, *others = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))).split(
        "\n"
    )
    assert title.startswith(f"{int(script.name[:2])}. ")
    assert (underline, empty) == ("=" * len(title), "")
    assert goal.startswith("**Goal:** ")
    assert any(each.startswith("**You need:** ") for each in others)
    *_, end = script.read_text(encoding="utf-8").split("# Try it\n# ------\n")
    assert end.count("\n# 1. ") == end.count("\n# 2. ") == 1
    assert "Deeper: " in end
    after = SCRIPTS[SCRIPTS.index(script) + 1 :]
    assert not after or f"<{after[0].stem}>`" in end
    assert len(code_of(script)) <= MOST_LINES


@named
def test_links_lead_to_pages(script):
    """Of the documentation, or of the tutorial."""
    links = script.read_text(encoding="utf-8").replace("\n# ", " ").split(":doc:`")[1:]
    for link in links:
        page = link.split("`")[0].split("<")[1].rstrip(">")
        place = FOLDER.parent / f"{page[1:]}.md" if page.startswith("/") else FOLDER / f"{page}.py"
        assert place.is_file(), page


@pytest.mark.parametrize(
    "script",
    [pytest.param(each, id=each.stem, marks=[pytest.mark.slow] * (each.name[:2] not in QUICK)) for each in SCRIPTS],
)
def test_it_runs_and_draws(script, tmp_path, monkeypatch):
    """In an empty folder, which stays empty, with warnings as errors."""
    for name in NEEDS.get(script.name[:2], ()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path(str(script))
    assert any(isinstance(each, Figure) for each in found.values())
    assert not [*tmp_path.iterdir()]


@named
def test_it_becomes_a_notebook(script):
    notebook = pytest.importorskip("sphinx_gallery.notebook")
    nbformat = pytest.importorskip("nbformat")
    from sphinx_gallery.gen_gallery import DEFAULT_GALLERY_CONF
    from sphinx_gallery.py_source_parser import split_code_and_text_blocks

    _, blocks = split_code_and_text_blocks(str(script))
    content = notebook.jupyter_notebook(blocks, DEFAULT_GALLERY_CONF, str(FOLDER))
    read = nbformat.reads(json.dumps(content), as_version=4)
    nbformat.validate(read)
    assert {"code", "markdown"} <= {cell.cell_type for cell in read.cells}
    assert read.cells[0].source.strip().startswith(f"# {int(script.name[:2])}. ")
