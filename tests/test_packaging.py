"""What is distributed: a source distribution with everything that its tests need, and metadata that say what it is."""

import re
import shutil
import subprocess
import sys
import tarfile
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.command import PATIENCE

ROOT = Path(__file__).parents[1]
BUILD = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"


def tracked():
    """Files of the clone by their names."""
    try:
        found = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git, or no clone")
    return {name for name in found.split("\0") if (ROOT / name).is_file()}


def options():
    found = ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    return found


def test_the_sdist_holds_every_file(tmp_path):
    """So its tests run as those of a clone do."""
    names = tracked()
    for name in names:
        (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "clone" / name)
    command = [sys.executable, "-W", "ignore", "-c", BUILD, str(tmp_path)]
    subprocess.run(command, cwd=tmp_path / "clone", capture_output=True, check=True, timeout=PATIENCE)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        held = {name.partition("/")[2] for name in file.getnames()}
    assert names - held == set()
    assert not [name for name in held if name.endswith((".pyc", ".so"))]


def test_metadata_say_what_it_is_and_which_address_is_none_yet():
    held = options()["metadata"]
    assert len(held["keywords"].split(",")) >= 5
    classifiers = held["classifiers"].split("\n")
    for version in ("3.11", "3.12", "3.13"):
        assert f"Programming Language :: Python :: {version}" in classifiers
    assert "Typing :: Typed" in classifiers
    addresses = [held["url"], held["author_email"], *held["project_urls"].strip().splitlines()]
    assert all("example.org" in each and "no-address-yet" in each for each in addresses)


def test_classifiers_are_known():
    known = pytest.importorskip("trove_classifiers").classifiers
    assert {*options()["metadata"]["classifiers"].strip().split("\n")} <= known


def test_extras_of_the_environment_and_of_sentences_are_there():
    """A sentence that tells to install an extra names one that exists."""
    extras = {*options()["options.extras_require"]}
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "cortical_attention").rglob("*.py")]
    names = ("environment.yml", "README.md", "release/description.md", "Makefile", ".ci/run", ".ci/matrix")
    paths = [*(ROOT / name for name in names), *(ROOT / ".github" / "workflows").iterdir()]
    texts += [path.read_text(encoding="utf-8") for path in paths]
    lists = [found for text in texts for found in re.findall(r"(?:cortical-attention|[ '\"]\.)\[([a-z,-]+)\]", text)]
    named = {each for found in lists for each in found.split(",")}
    assert named <= extras
    assert {"nwb", "ro-crate", "analysis", "digits"} <= named
