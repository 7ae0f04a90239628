"""The command line refuses bad input in one sentence, and says what failed."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from brian2 import ms, second

from cortical_attention.cells.forms import FORMS
from cortical_attention.cells.forms.form import Form
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.command import options
from cortical_attention.command.line import EXPERIMENTS
from cortical_attention.readout.files import LOCK, FolderError, locked
from cortical_attention.trials import comparison
from tests.command import ARRAYS, BRIEF, NUMBERS, RUN_FILES, check_refused, run, saved, tree


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# Bad input
WITH_NAN, WITH_INFINITY = np.ones((2, 3)), np.ones((2, 3))
WITH_NAN[0, 1], WITH_INFINITY[1, 2] = np.nan, -np.inf
BAD_ARRAYS = {
    "NaN": {"tokens": WITH_NAN},
    "infinity": {"tokens": WITH_INFINITY},
    "shape": {"W_Q": np.ones((1, 2, 4))},
    "rank": {"tokens": np.ones(3)},
    "key size": {"W_K": np.ones((1, 3, 3))},
    "missing": {"W_O": None},
    "objects": {"W_V": np.array([None, {}])},
    "complex": {"tokens": np.ones((2, 3), complex)},
    "text": {"tokens": np.full((2, 3), "one")},
    "integer": {"W_K": np.ones((1, 2, 3), int)},
    "empty": {"tokens": np.ones((0, 3))},
    "unknown weight": {"W_X": np.ones(1)},
    "unknown drive": {"b_O": np.ones(1)},
    "mask of floats": {"mask": np.ones((2, 2))},
}


@pytest.mark.parametrize("arrays", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_bad_array(arrays):
    check_refused("compare", saved(**arrays), names=arrays)


def test_truncated_file():
    path = Path(saved())
    path.write_bytes(path.read_bytes()[:-400])
    check_refused("compare", path, names="case.npz")


@pytest.mark.parametrize("name", ["case.npz", "case.safetensors", "case.txt"])
def test_file_of_another_kind(name):
    Path(name).write_text("not a case")
    check_refused("compare", name, names=name)


@pytest.mark.parametrize("name", ["missing.npz", "", ".", "/dev/null", "a" * 5000 + ".npz", "földer/ca\nse.npz"])
def test_no_file(name):
    check_refused("compare", name)


@pytest.mark.parametrize(("scale", "kernel"), [(1e200, "elu+1"), (1e60, "relu"), (1e3, "exp")])
def test_numbers_that_overflow(scale, kernel):
    check_refused("compare", saved(scale=scale), "--kernel", kernel, names="case")


@pytest.mark.parametrize(
    "option", ["--kernel", "--wiring", "--form", "--normaliser", "--dendrites", "--target", "--record"]
)
def test_unknown_word(option):
    check_refused("compare", saved(), option, "nonsense", names=(option, "nonsense"))


@pytest.mark.parametrize("option", NUMBERS)
@pytest.mark.parametrize("value", ["-1", "0", "nan", "inf"])
def test_number_that_is_not_positive_and_finite(option, value):
    check_refused("compare", saved(), option, value, names=option)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--cells", "0"), ("--cells", "1" + 30 * "0"), ("--seed", "-1"), ("--seed", 2**32), ("--unit-rate", "5e-324"),
        ("--dt", "63"), ("--dt", "1e-300"),
    ],
)  # fmt: skip
def test_number_out_of_range(option, value):
    check_refused("compare", saved(), option, value, names=option)


@pytest.mark.parametrize("option", ["--duration", "--settle"])
def test_more_steps_than_can_be_run(option):
    check_refused("compare", saved(), option, "1e308", names="--dt")


@pytest.mark.parametrize("target", ["cython", "cpp"])
def test_target_without_a_compiler(target, monkeypatch):
    monkeypatch.setattr(options, "compiler", lambda: None)
    check_refused("compare", saved(), "--target", target, names=target)


@pytest.mark.parametrize("out", ["file", "file/below", "full", "/dev/null", "x" * 300])
def test_folder_that_cannot_be_written_to(out):
    Path("file").write_text("keep me")
    Path("full").mkdir()
    Path("full", "comparison.json").write_text("keep me")
    check_refused("compare", saved(), "--out", out, names=out)


def test_link_to_nowhere_as_a_folder():
    os.symlink("nowhere", "link")
    check_refused("compare", saved(), "--out", "link", names="link")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_is_read_only():
    Path("closed").mkdir(mode=0o500)
    check_refused("compare", saved(), "--out", "closed/result", names="closed")


@pytest.mark.parametrize("value", [0, 361])
def test_digits_refuse_a_number_of_images(value):
    check_refused("digits", "--images", value, names="--images")


def test_digits_refuse_an_unknown_form():
    check_refused("digits", "--form", "nonsense", names="--form")


@pytest.mark.parametrize(
    "words", [("compare", "case.npz", "--dt", "fast"), ("compare", "case.npz", "--fast"), ("nonsense",), ("compare",)]
)
def test_usage(words):
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert isinstance(result.exception, SystemExit)
    assert "Usage" in result.stderr
    assert tree() == {}


# What fails
@pytest.mark.parametrize("overwrite", [False, True])
def test_simulation_that_fails_writes_nothing(overwrite):
    Path("result").mkdir()
    if overwrite:
        Path("result", "comparison.json").write_text("keep me")
    words = ["--form", "spiking", "--dt", "5", *BRIEF, "--out", "result", *(["--overwrite"] if overwrite else [])]
    check_refused("compare", saved(scale=2), *words, names="time step", status=1)


def test_rates_that_diverge(monkeypatch):
    """One sentence, and no warning of an overflow before it; were such a time step not refused."""
    monkeypatch.setattr(Form, "shortest_time_constant", lambda form: ("tau", second))
    words = ("--dt", "60", "--settle", "60", "--target", "numpy")
    check_refused("compare", saved(scale=3), *words, names="diverged", status=1)


@pytest.mark.parametrize("form", FORMS)
def test_a_step_longer_than_the_shortest_time_constant(form):
    """Explicit Euler overshoots beyond it; the default lies below, and the bound itself is allowed."""
    name, tau = FORMS[form].shortest_time_constant()
    assert FORMS[form].dt <= tau
    assert options.check(form=form, dt=tau / ms).settings.dt == tau
    words = ("--form", form, "--duration", "2", "--dt", 1.01 * tau / ms)
    check_refused("compare", saved(), *words, names=("--dt", f"{tau / ms:g} ms", name))


def test_the_shortest_time_constant_of_rates_is_that_of_dendrites():
    """Negative control: it is found where it stands, a longer one is not taken, and zero is no time constant."""
    assert RATE.shortest_time_constant()[1] == 5 * ms
    quick, none = (RATE._replace(membrane=RATE.membrane.changed(tau_soma=tau * ms)) for tau in (2, 0))
    assert quick.shortest_time_constant() == ("tau_soma", 2 * ms)
    assert none.shortest_time_constant()[1] == 5 * ms
    assert RATE.with_synapses(constants={"tau_x": 1 * ms}).shortest_time_constant()[1] == 1 * ms


def test_not_enough_memory(monkeypatch):
    def fail(*_, **__):
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr("cortical_attention.trials.comparison.run", fail)
    check_refused("compare", saved(), names="unable to allocate 9 TiB", status=1)


# What fails after the run


def check_kept(*, names, files=frozenset()):
    """One sentence, exit status 1, and a folder that has the files of the run. Gives the folder's files."""
    done = run("compare", saved(), *BRIEF, "--out", "result")
    assert (done.exit_code, done.stdout) == (1, "")
    assert re.fullmatch(r"cortical-attention: [^\n]+\n", done.stderr), done.stderr
    for name in (*names, "result"):
        assert name in done.stderr
    assert {path.name for path in Path("result").iterdir()} - {LOCK} == RUN_FILES | set(files)
    assert json.loads(Path("result/run.json").read_text())["parameters"]["wiring"] == "mask"


def test_answer_that_is_not_finite(monkeypatch):
    read = comparison.read

    def spoilt(*given):
        answer = read(*given)
        return answer._replace(output=answer.output + np.inf)

    monkeypatch.setattr(comparison, "read", spoilt)
    check_kept(names=["not finite"])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_folder_that_another_run_writes_to_is_refused_before_anything_runs(name, monkeypatch):
    """Of every experiment, with and without --overwrite."""
    monkeypatch.setattr("brian2.Network.run", lambda *_, **__: pytest.fail("was simulated"))
    words = [name, *([saved(targets=np.ones((2, 3)))] if name in ("compare", "gradients") else [])]
    words += {"sweep": ["multihead"], "transformer": ["a sentence"]}.get(name, [])
    with locked(Path("same")):
        for more in [[]] if name in ("ladder", "sweep") else [[], ["--overwrite"]]:
            check_refused(*words, "--out", "same", *more, names="same is being written to by another")


def test_a_judge_that_fails_leaves_the_run(monkeypatch):
    def fail(*_):
        raise RecursionError("maximum recursion\n depth exceeded")

    monkeypatch.setattr("cortical_attention.simulation.attend.judge", fail)
    check_kept(names=["RecursionError: maximum recursion depth exceeded"])


def test_a_picture_that_fails_leaves_the_run_and_its_comparison(monkeypatch):
    def fail(*_):
        raise IndexError("no such panel")

    monkeypatch.setattr("cortical_attention.trials.results.draw", fail)
    check_kept(names=["no such panel"], files=["comparison.json", *ARRAYS])
    assert json.loads(Path("result/comparison.json").read_text())["settled"] is False


def test_a_full_disk_is_not_blamed_on_the_comparison(monkeypatch):
    """Negative control: what the file system refuses stays bad input."""

    def fail(*_):
        raise FolderError("result cannot be written to") from OSError(28, "full")

    monkeypatch.setattr("cortical_attention.trials.results.write_array", fail)
    done = run("compare", saved(), *BRIEF, "--out", "result")
    assert (done.exit_code, done.stderr) == (2, "cortical-attention: result cannot be written to\n")
