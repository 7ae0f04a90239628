"""Commands on result folders: show, diff, export, repeat."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.command import RUN_FILES, case, check_refused, run, saved

WORDS = ("--target", "numpy", "--settle", "0.3", "--duration", "0.2", "--quiet")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two results of one case, in spikes, from two seeds."""
    place = tmp_path_factory.mktemp("folders")
    np.savez(place / "mine.npz", **case(scale=1))
    for seed in (0, 1):
        words = ("--record", "superficial[head=0]:v,apical", "--seed", seed, "--out", place / f"seed{seed}")
        run("compare", place / "mine.npz", "--form", "spiking", *WORDS, *words)
    return place / "seed0", place / "seed1"


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_pictures_are_drawn_again_of_what_is_chosen(folders):
    done = run("show", folders[0], "--head", 0, "--token", 1, "--from", 0.3, "--to", 0.4, "--out", "pictures")
    assert done.exit_code == 0, done.stderr
    names = {"raster-head0-token1-from0.3-to0.4.png", "comparison-head0.png"}  # of what each shows
    assert {path.name for path in Path("pictures").iterdir()} == names
    assert done.stdout.split() == [str(Path("pictures", name)) for name in sorted(names, reverse=True)]


def test_what_differs_between_two_seeds(folders):
    done = run("diff", *folders, "--json")
    found = json.loads(done.stdout)
    assert found["settings"] == {"seed": [0, 1]}
    assert found["inputs"] == found["code"] == {}
    assert set(found["results"]) <= {"output", "attention"}
    assert "relative_l2" in found["figures"]
    assert "spikes of" in found["recordings"]["superficial"][0]
    same = run("diff", folders[0], folders[0])
    assert "the same: settings, code, inputs, results, recordings, figures" in same.stderr + same.stdout


@pytest.mark.parametrize(("word", "name"), [("nix", "recording.nix"), ("sonata", "sonata"), ("ro-crate", "crate")])
def test_export(word, name, folders):
    if word == "ro-crate":
        pytest.importorskip("rocrate")
    done = run("export", folders[0], "--to", word, "--out", name)
    assert (done.exit_code, done.stdout) == (0, f"{name}\n"), done.stderr
    assert Path(name).exists()
    check_refused("export", folders[0], "--to", word, "--out", name, names="exists already")


def test_a_run_is_repeated(folders):
    done = run("repeat", folders[0], "--out", "again", "--quiet")
    assert not done.stderr
    assert "the answer and what was recorded are bit for bit the same" in done.stdout
    assert {path.name for path in Path("again").iterdir()} >= RUN_FILES
    assert json.loads(run("diff", folders[0], "again", "--json").stdout)["results"] == {}


def test_bad_input_of_these_commands(folders):
    check_refused("show", "nowhere", names="nowhere has no case.npz")
    check_refused("diff", folders[0], ".", names="has no case.npz")
    check_refused("show", folders[0], "--head", 7, names="there is no head 7")
    check_refused("show", folders[0], "--from", 9, names="there is no time to draw")
    check_refused(
        "export", folders[0], "--to", "csv", names="--to is 'csv' but needs to be one of nix, nwb, sonata, ro-crate"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("superficial", "--record is 'superficial' but needs to be one of default, sample, all, population:variable"),
        ("all sample", "--record is 'all sample' but needs one of"),
        ("superficial:", "needs to be like superficial:v,apical"),
        ("superficial[head]:v", "needs to be like superficial:v,apical"),
        ("layer4:v", "there is no population 'layer4'"),
        ("superficial:vm", "has no variable 'vm'; it has apical, apical_1, basal, basal_0, count"),
        ("superficial[value=1]:v", "has no axis 'value'"),
        ("superficial[head=9]:v", "is 9 but needs to lie below"),
    ],
)
def test_what_cannot_be_recorded_is_refused(text, sentence):
    check_refused("compare", saved(), "--form", "spiking", *WORDS, "--record", text, names=sentence)
