"""Documentation: what public docstrings say, pages in the table of contents, links, commands, and figures of scripts.

The site itself is built by `make docs`.
"""

import inspect
import re
from itertools import chain
from pathlib import Path

import matplotlib
import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import validate

import cortical_attention as ca
from cortical_attention.command.line import COMMANDS, EXPERIMENTS
from cortical_attention.readout.style import new_figure

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
WANTED = {"GL03", "GL08", "PR01", "PR02", "PR03", "RT01", "SS01", "SS03", "YD01"}
"""Of `numpydoc.validate`: a docstring, a summary of one sentence, each parameter by name and in order, a return."""
OBJECTS = [name for name in ca.__all__ if not isinstance(getattr(ca, name), dict)]
CLASSES = [name for name in OBJECTS if inspect.isclass(getattr(ca, name))]
FUNCTIONS = [name for name in OBJECTS if name not in CLASSES]
METHODS = [
    f"{name}.{method}"
    for name in CLASSES
    for method, found in vars(getattr(ca, name)).items()
    if inspect.isfunction(found) and not method.startswith("_")
]


def found(name):
    """A function or class of the public face, or a method of one."""
    whole, _, part = name.partition(".")
    return getattr(getattr(ca, whole), part) if part else getattr(ca, whole)


def sections(name):
    """Docstring by section."""
    return get_doc_object(found(name), config={"show_class_members": False})


def names(entries):
    """Names that the entries of a section describe."""
    return {name.strip() for entry in entries for name in entry.name.split(",")}


@pytest.mark.parametrize("name", [*FUNCTIONS, *METHODS])
def test_public_functions_say_what_they_take_and_return(name):
    assert [error for error in validate(f"cortical_attention.{name}")["errors"] if error[0] in WANTED] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_say_what_they_raise(name):
    assert sections(name)["Raises"]


@pytest.mark.parametrize("name", CLASSES)
def test_public_classes_say_what_their_fields_are(name):
    assert sections(name)["Summary"]
    assert names(sections(name)["Attributes"]) == set(found(name)._fields)


@pytest.mark.parametrize("name", [*OBJECTS, *METHODS])
def test_public_arrays_have_a_shape(name):
    entries = chain.from_iterable(sections(name)[each] for each in ("Parameters", "Attributes", "Returns"))
    assert [entry.name for entry in entries if re.search(r"array(?!s)(?!.*\()", entry.type)] == []


def test_the_interface_page_names_the_public_face():
    page = (DOCS / "api.md").read_text()
    dicts = "FORMS", "SYSTEMS"  # whose names the page has in place of their repr
    listed = [name for name in ca.__all__ if name not in dicts]
    assert [name for name in listed if not re.search(rf"^   (\S+\.)?{name}$", page, re.MULTILINE)] == []
    for name in dicts:
        (sentence,) = re.findall(rf"^`{name}` is a dict[^(]*", page, re.MULTILINE)
        assert re.findall(r"`(\w+)`", sentence) == [name, *getattr(ca, name)]


def toctrees():
    """Entries of the tables of contents of all pages."""
    texts = (path.read_text() for path in DOCS.glob("*.md"))
    lines = chain.from_iterable(re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL) for text in texts)
    return {re.sub(r".*<(.*)>", r"\1", line) for line in "\n".join(lines).splitlines() if line and line[0] != ":"}


def test_every_page_is_in_a_table_of_contents():
    assert {path.stem for path in DOCS.glob("*.md")} - toctrees() == {"index"}


PAGES = [*DOCS.glob("*.md"), *DOCS.glob("decisions/*.md"), *ROOT.glob("*.md")]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_line_of_a_paragraph_begins_like_an_item_of_a_list(path):
    """As "1) of the weight" does: Markdown would break the sentence there."""
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    pairs = zip(text.splitlines(), text.splitlines()[1:], strict=False)
    begins = r"(\d+[.)]|[-+*]) "
    assert [
        line
        for before, line in pairs
        if re.match(begins, line) and re.match(r"[^\s#|]", before) and not re.match(begins, before)
    ] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    text = re.sub(r"```.*?```|`[^`]*`", "", path.read_text(), flags=re.DOTALL)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.fixture
def extensions(monkeypatch):
    """Where the extensions of the documentation are found."""
    monkeypatch.syspath_prepend(DOCS / "_ext")


@pytest.mark.usefixtures("extensions")
def test_every_command_has_a_page_with_its_options():
    from pages import commands

    pages = commands()
    assert {name.removesuffix(".md") for name in pages} == {*EXPERIMENTS, *COMMANDS, "table.txt"}
    assert [name for name in EXPERIMENTS if "`--out <path>`" not in pages[f"{name}.md"]] == []
    assert [name for name in EXPERIMENTS if "**Question.**" not in pages[f"{name}.md"]] == []


@pytest.mark.usefixtures("extensions")
def test_links_between_texts_of_the_root_and_pages():
    from pages import from_root, led_inside

    assert (
        from_root("[a](docs/softmax.md) [b](CONTRIBUTING.md#habits)")
        == "[a](../softmax.md) [b](contributing.md#habits)"
    )
    assert led_inside("[a](../README.md#two-commands)", "ways") == "[a](auto_project/readme.md#two-commands)"
    assert (
        led_inside("[a](gallery) [b](tutorial/)", "figures")
        == "[a](auto_gallery/index.rst) [b](auto_tutorial/index.rst)"
    )
    assert led_inside("[a](../../README.md)", "decisions/0001") == "[a](../auto_project/readme.md)"


@pytest.mark.usefixtures("extensions")
def test_each_figure_of_a_script_is_taken_once(tmp_path):
    """Under a name, as the last expression of a cell, and no more when the next cell has none."""
    from figures import drawn

    paths = [tmp_path / f"{number}.png" for number in range(4)]
    named, unnamed = new_figure(1, 2), new_figure(1, 2)
    named.suptitle("what it shows")
    variables = {"image_path_iterator": iter(map(str, paths)), "example_globals": {"figure": named, "n": 3}}
    configuration = {"src_dir": str(tmp_path)}
    with matplotlib.rc_context():
        assert "what it shows" in drawn(None, variables, configuration)
        variables["example_globals"] |= {"again": named, "___": unnamed}
        assert drawn(None, variables, configuration).count(".png") >= 1
        assert drawn(None, variables, configuration) == ""
    assert [path.exists() for path in paths] == [True, True, False, False]
