"""Texts of a release that state the same thing in several places: versions, requirements, tried combinations, citations."""

import importlib.metadata
import re
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import cortical_attention

ROOT = Path(__file__).parents[1]
CONDA = {"matplotlib": "matplotlib-base", "neo": "python-neo"}  # names that conda-forge has for what pip has
LINK = re.compile(r"\]\(([^)\s]+)|\b(?:src|href)=[\"']([^\"']+)")


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def options():
    found = ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    return found


def requirements():
    return [Requirement(line) for line in options()["options"]["install_requires"].strip().splitlines()]


def pythons():
    """Versions of Python that the classifiers name."""
    return re.findall(r"Python :: (3\.\d+)$", options()["metadata"]["classifiers"], re.MULTILINE)


def tried():
    """(Python, Brian2, numpy) of the job file, numpy "" where it is the newest."""
    include = yaml.safe_load(text(".github/workflows/tests.yml"))["jobs"]["tests"]["strategy"]["matrix"]["include"]
    return [(each["python"], each["brian2"], each["numpy"].removeprefix("==")) for each in include]


def required(name, python):
    """Versions of a package that setup.cfg allows on a Python (SpecifierSet)."""
    (found,) = [
        each.specifier
        for each in requirements()
        if each.name == name and (each.marker is None or each.marker.evaluate({"python_version": python}))
    ]
    return found


def oldest(name, python):
    return min(Version(each.version) for each in required(name, python) if each.operator == ">=")


# Version
def test_the_next_release_has_one_version():
    """That of the newest part of the changelog: in the citation, and where no tag is known."""
    (release, *_) = re.findall(r"^## (\d\S*)", text("CHANGELOG.md"), re.MULTILINE)
    fallback = tomllib.loads(text("pyproject.toml"))["tool"]["setuptools_scm"]["fallback_version"]
    assert Version(fallback).base_version == release
    assert yaml.safe_load(text("CITATION.cff"))["version"] == release


def test_no_file_states_the_version_of_the_code():
    assert "version" not in options()["metadata"]
    assert not re.search(r"^__version__ *=", text("cortical_attention/__init__.py"), re.MULTILINE)


def test_the_version_is_that_of_the_installation_or_of_the_release_to_come(monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", lambda name: f"9.8.7.dev6+g5 of {name}")
    assert cortical_attention._version() == "9.8.7.dev6+g5 of cortical-attention"
    monkeypatch.setattr("importlib.metadata.version", absent)
    fallback = tomllib.loads(text("pyproject.toml"))["tool"]["setuptools_scm"]["fallback_version"]
    assert cortical_attention._version() == fallback
    monkeypatch.setattr("cortical_attention._CLONE", ROOT / "docs")
    assert cortical_attention._version() == "0+unknown"


# Index and recipe
def test_the_page_of_an_index_has_no_relative_link():
    (name,) = re.fullmatch(r"file: (\S+)", options()["metadata"]["long_description"]).groups()
    links = [web or attribute for web, attribute in LINK.findall(text(name))]
    assert len(links) >= 2
    assert all(link.startswith("https://") for link in links), links
    assert LINK.findall('[a](docs/b.md) ![c](d.png) <img src="e.png">') == [
        ("docs/b.md", ""),
        ("d.png", ""),
        ("", "e.png"),
    ]


def test_the_recipe_needs_what_the_package_needs():
    def selected(marker):
        """A marker as a selector of conda: python_version < "3.12" is py<312."""
        return re.sub(r'python_version ?(\S+) ?"3\.(\d+)"', r"py\g<1>3\g<2>", str(marker)) if marker else ""

    run = re.search(r"^  run:\n((?:    - .*\n)+)", text("release/meta.yaml"), re.MULTILINE)[1]
    lines = {re.fullmatch(r"    - (\S+) ?(\S*)(?:  # \[(.*)\])?", line).groups(default="") for line in run.splitlines()}
    stated = {
        (name, frozenset(versions.split(",")), selector) for name, versions, selector in lines if name != "python"
    }
    needed = {
        (CONDA.get(each.name, each.name), frozenset(map(str, each.specifier)), selected(each.marker))
        for each in requirements()
    }
    assert stated == needed
    build = tomllib.loads(text("pyproject.toml"))["build-system"]["requires"]
    host = re.search(r"^  host:\n((?:    - .*\n)+)", text("release/meta.yaml"), re.MULTILINE)[1]
    assert {each.replace(">=", " >=") for each in build} <= {line.removeprefix("    - ") for line in host.splitlines()}


# What is tried
def test_the_oldest_and_the_newest_numpy_are_tried_on_every_python():
    found = tried()
    assert {python for python, _, _ in found} == set(pythons())
    assert options()["options"]["python_requires"] == f">={pythons()[0]},<3.{int(pythons()[-1][2:]) + 1}"
    for python in pythons():
        numpys = {numpy for each, _, numpy in found if each == python}
        assert {"", "{}.{}.*".format(*oldest("numpy", python).release)} <= numpys, python
        brians = {brian2.removesuffix(".*") for each, brian2, _ in found if each == python}
        assert str(oldest("brian2", python)) in brians, python


def test_what_is_tried_is_allowed():
    for python, brian2, numpy in tried():
        for name, version in (("brian2", brian2), ("numpy", numpy)):
            if version:
                assert required(name, python).contains(version.replace("*", "9")), (python, name, version)
    assert not required("numpy", "3.11").contains("2.4.0")  # with which Brian2 2.9 cannot be imported


def test_the_script_tries_a_part_of_what_the_job_file_does():
    combinations = re.findall(r"'(3\.\d+) (\S+?)(?: (\S+?))?'", text(".ci/matrix").split("all=(")[1].split(")")[0])
    assert len(combinations) == 6
    assert {python for python, _, _ in combinations} == set(pythons())
    newest = {("3.11", "2.9.*", "2.3.*"): ("3.11", "2.9.*", "")}  # the newest that Brian2 2.9 allows
    assert {newest.get(each, each) for each in combinations} <= set(tried())


# Paper
def test_every_citation_of_the_paper_is_in_its_bibliography():
    cited = set(re.findall(r"@([a-z]+\d{4})", text("paper/paper.md")))
    entries = re.findall(r"^@\w+\{(\S+),$", text("paper/paper.bib"), re.MULTILINE)
    assert cited == set(entries)
    assert len(entries) == len(set(entries)) >= 10


def test_the_paper_has_the_form_of_its_journal():
    _, header, body = re.split(r"^---$", text("paper/paper.md"), maxsplit=2, flags=re.MULTILINE)
    assert {"title", "tags", "authors", "affiliations", "date", "bibliography"} <= set(yaml.safe_load(header))
    assert re.findall(r"^# (.*)$", body, re.MULTILINE) == [
        "Summary",
        "Statement of need",
        "State of the field",
        "Software design",
        "Research impact statement",
        "AI usage disclosure",
        "Acknowledgements",
        "References",
    ]
    assert 750 <= len(body.split()) <= 1750


@pytest.mark.parametrize("name", ["docs/checklists.md", "docs/releasing.md"])
def test_files_that_a_release_needs_are_there(name):
    """Each name of a file in backticks, with a folder or an ending that files have."""
    named = re.findall(r"`([\w./-]+(?:/|\.(?:md|cfg|toml|cff|yml|yaml|py|bib)))`", text(name))
    assert len(named) > 5
    assert [each for each in named if not (ROOT / each).exists()] == []
