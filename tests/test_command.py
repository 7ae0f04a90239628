"""The command line: what it refuses, what it writes, how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import neo
import numpy as np
import pytest
from typer.testing import CliRunner

from circuits.attend import Settings
from experiments import compare, comparison, options
from experiments.cases import load
from experiments.command import EXPERIMENTS, build, docstring, script
from readout.files import RESULT_FILES
from readout.recording import read_nix

ROOT = Path(__file__).parents[1]
SIZES = {"n_token": 2, "n_context": 2, "n_head": 1, "d_model": 3, "d_key": 2, "d_value": 2}
AGREEMENT = {
    "relative_l2", "cosine", "max_abs", "attention_max_abs", "uniform_relative_l2", "key_only_relative_l2",
    "additive_relative_l2", "skill", "kappa_correlation", "softmax_relative_l2",
}  # fmt: skip
FIELDS = AGREEMENT | {"schema_version", "settled", "peak_rate_hz", "form", "wiring", "seed", "biological_s", *SIZES}
BRIEF = ("--target", "numpy", "--settle", "0.02", "--duration", "0.04")  # does not settle
NUMBERS = ("--duration", "--settle", "--dt", "--unit-rate")


def case(seed=0, scale=1.0, dtype=float, **others):
    """Arrays of a small case; `others` replace, add or (None) take away arrays."""
    draw = np.random.default_rng(seed).normal
    arrays = {"tokens": draw(size=(2, 3)), "W_Q": draw(size=(1, 2, 3)), "W_K": draw(size=(1, 2, 3))}
    arrays |= {"W_V": draw(size=(1, 2, 3)), "W_O": draw(size=(1, 3, 2))}
    arrays = {name: (scale * array).astype(dtype) for name, array in arrays.items()} | others
    return {name: array for name, array in arrays.items() if array is not None}


def saved(**arrays):
    """A case in the working directory."""
    np.savez("case.npz", **case(**arrays))
    return "case.npz"


def run(*arguments):
    """Result of the command line in this process."""
    words = [str(word) for word in arguments]
    return CliRunner().invoke(build(words), words)


def tree():
    """Content of every file below the working directory, None for folders."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in Path().rglob("*")}


def check_refused(*arguments, names=(), status=2):
    """One sentence on standard error and nothing else: no file is made or changed. Gives the sentence."""
    before = tree()
    result = run(*arguments)
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert re.fullmatch(r"cortical-attention: [^\n]+\n", result.stderr), result.stderr
    assert tree() == before
    for name in [names] if isinstance(names, str) else names:
        assert name in result.stderr
    return result.stderr


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished comparison in the default folder: its result, what it printed, and the command."""
    home = tmp_path_factory.mktemp("done")
    words = ["compare", "case.npz", "--json", "--target", "numpy"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setattr(sys, "argv", ["cortical-attention", *words])
        result = run(*words[:1], saved(remark=np.zeros(1)), *words[2:])
    (folder,) = (home / "results" / "compare").iterdir()
    return folder, result, ["cortical-attention", *words]


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
    "option", ["--kernel", "--wiring", "--form", "--normalisation", "--dendrites", "--target", "--record"]
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


def test_rates_that_diverge():
    """One sentence, and no warning of an overflow before it."""
    words = ("--dt", "60", "--settle", "60", "--target", "numpy")
    check_refused("compare", saved(scale=3), *words, names="diverged", status=1)


def test_not_enough_memory(monkeypatch):
    def fail(*_, **__):
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr("experiments.comparison.attend", fail)
    check_refused("compare", saved(), names="9 tib", status=1)


def test_answer_that_is_not_finite(monkeypatch):
    attend = comparison.attend

    def spoilt(*given, **named):
        answer = attend(*given, **named)
        return answer._replace(output=answer.output + np.inf)

    monkeypatch.setattr(comparison, "attend", spoilt)
    check_refused("compare", saved(), *BRIEF, names="not finite", status=1)


# What is written
def test_every_file(done):
    folder, result, _ = done
    assert result.exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted(RESULT_FILES)
    assert np.load(folder / "output.npy").shape == (2, 3)
    np.testing.assert_allclose(np.load(folder / "output.npy"), np.load(folder / "reference.npy"), rtol=1e-6)
    for name in ("raster.png", "comparison.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_comparison(done):
    folder, _, _ = done
    report = json.loads((folder / "comparison.json").read_text())
    assert set(report) >= FIELDS
    assert {name: report[name] for name in SIZES} == SIZES
    assert (report["form"], report["wiring"], report["seed"], report["settled"]) == ("rate", "mask", 0, True)
    assert report["relative_l2"] < 1e-6
    assert report["biological_s"] >= report["settle_s"] + report["window_s"] > 0
    assert len(report["attention_max_abs"]) == 1
    assert {"core", "matrix", "superficial", "pyramidal_tract", "higher_order"} <= set(report["peak_rate_hz"])


def test_standard_output_is_one_json_object(done):
    folder, result, _ = done
    assert json.loads(result.stdout) == json.loads((folder / "comparison.json").read_text())
    assert "settled" in result.stderr
    assert str(folder.relative_to(folder.parents[2])) in result.stderr


def test_notice_goes_to_standard_error(done):
    _, result, _ = done
    assert "notice: remark" in result.stderr


def test_run_json(done):
    folder, _, command = done
    record = json.loads((folder / "run.json").read_text())
    assert record["command"] == command
    assert record["seeds"] == {"phases": 0}
    assert {"schema_version", "commit", "changed"} <= set(record)
    assert record["versions"]["brian2"]
    assert record["code_generation"]["target"] == "numpy"
    assert record["wall_time_s"] > 0
    assert set(record["unit_rates"]) == set(json.loads((folder / "comparison.json").read_text())["peak_rate_hz"])
    assert set(Settings._fields) <= set(record["parameters"])
    units = [record["parameters"][name]["unit"] for name in ("window", "settle", "dt", "unit_rate")]
    assert units == ["s", "s", "s", "Hz"]


def test_recording(done):
    folder, _, _ = done
    block = read_nix(folder / "recording.nix")
    assert isinstance(block, neo.Block)
    (segment,) = block.segments
    populations = {signal.annotations["population"] for signal in segment.analogsignals}
    assert populations == set(json.loads((folder / "comparison.json").read_text())["peak_rate_hz"])


def hash_of(arrays, **asked):
    """Hash in the name of the default folder of a comparison."""
    content = comparison.content_of(load(saved(**arrays)))
    folder = comparison.open_folder("compare", options.check(target="numpy", **asked), content, None, False)
    return folder.name.split("-")[1]


def test_default_folder_is_named_after_settings_and_content(done):
    folder, _, _ = done
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{8}", folder.name)
    assert folder.name.endswith(hash_of({"remark": np.ones(2)}))
    others = [hash_of({"seed": 1}), hash_of({"mask": np.ones((2, 2), bool)}), hash_of({}, seed=1), hash_of({})]
    others += [hash_of({}, kernel="exp"), hash_of({}, form="spiking"), hash_of({}, duration=0.3)]
    assert len(set(others)) == len(others)


def test_not_settled_is_written_and_overwritten():
    Path("ünï ☃").mkdir()
    words = ["compare", saved(dtype=np.float16), *BRIEF, "--quiet", "--out", "ünï ☃/a result"]
    first = run(*words)
    assert first.exit_code == 1
    assert "not settled" in first.stdout
    folder = Path("ünï ☃/a result")
    report = json.loads((folder / "comparison.json").read_text())
    assert (report["settled"], report["interrupted"]) == (False, False)
    assert sorted(path.name for path in folder.iterdir()) == sorted(RESULT_FILES)
    check_refused(*words, names="--overwrite")
    saved(seed=1)
    (folder / "notes.txt").write_text("mine")
    before = tree()
    assert run(*words, "--overwrite").exit_code == 1
    after = tree()
    assert set(after) == set(before)
    for name in ("output.npy", "reference.npy", "comparison.json"):
        assert after[str(folder / name)] != before[str(folder / name)]
    assert after[str(folder / "notes.txt")] == b"mine"


def test_silent_rows_and_a_single_context():
    """relu with Z = 0, one row closed by the mask, one token of context: no warning, zeros, the null's error is null."""
    arrays = {"W_K": np.zeros((1, 2, 3)), "context": np.ones((1, 3)), "mask": np.array([[True], [False]])}
    result = run("compare", saved(**arrays), *BRIEF, "--kernel", "relu", "--out", "result", "--json")
    assert result.exit_code in (0, 1), result.output
    report = json.loads(result.stdout)
    assert report["relative_l2"] is None
    assert "closes the whole row of token 1" in result.stderr
    np.testing.assert_array_equal(np.load("result/reference.npy"), 0)


def test_wrong_normalisation_does_not_settle():
    words = (
        "--normalisation",
        "output",
        "--settle",
        "0.3",
        "--duration",
        "0.04",
        "--target",
        "numpy",
        "--out",
        "result",
    )
    result = run("compare", saved(), *words)
    assert result.exit_code == 1
    assert "misses a sum of one" in result.stdout
    assert json.loads(Path("result/comparison.json").read_text())["settled"] is False


# Help
def python(*arguments):
    """A Python of its own, finished."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=100)


def test_help_is_quick():
    code = (
        "import sys; sys.argv = ['cortical-attention', '--help']\n"
        "from experiments.command import main\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    result = python("-c", code)
    assert result.returncode == 0
    assert not {"brian2", "neo", "matplotlib", "numpy", "circuits.attend"} & set(result.stderr.split())
    assert "experiments.command" in result.stderr.split()
    for name in (*EXPERIMENTS, "list"):
        assert re.search(rf"^\W*{name}\s", result.stdout, re.MULTILINE), name


def test_list_has_every_experiment(monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    result = run("list")
    assert result.exit_code == 0
    shown = " ".join(re.sub(r"[^\w,;?=-]", " ", result.stdout).split())
    assert shown.startswith("experiment question run time")
    for name in EXPERIMENTS:
        text = docstring(name)
        question, time = (re.search(rf"^{title}: (\S+ \S+)", text, re.MULTILINE) for title in ("Question", "Run time"))
        assert re.search(rf"\b{name} {question[1].rstrip(',')}", shown), name
        assert re.sub(r"[^\w,;?=-]", "", time[1].split()[0]) in shown


def test_script():
    result = python("-m", "experiments.compare", "--help")
    assert result.returncode == 0
    assert "--normalisation" in result.stdout


def test_script_ends_as_the_command_does(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["compare.py", "missing.npz"])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # typer takes hold of it
    with pytest.raises(SystemExit) as end:
        script(compare.main)
    assert end.value.code == 2
    said = capsys.readouterr()
    assert (said.out, said.err[:31]) == ("", "cortical-attention: missing.npz")


# Ctrl-C
DRIVER = """
import sys
from brian2 import Network
from experiments.command import main
simulate, count = Network.run, []
def told(*given, **named):
    count.append(None)
    if len(count) == {nth}:  # Brian2 reports first when the loop over time begins
        named["report"] = lambda *_: print("running", file=sys.stderr, flush=True)
    return simulate(*given, **named)
Network.run = told
main()
"""


def interrupted(nth, *arguments, after=0.0):
    """Exit status, standard output and error of a command that gets SIGINT in its `nth` simulation, `after` seconds."""
    command = [sys.executable, "-c", DRIVER.format(nth=nth), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        assert process.stderr.readline() == "running\n"
        time.sleep(after)  # Brian2 reports a moment before it begins to stop on SIGINT instead of raising
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=100)
    error = "".join(line for line in error.splitlines(keepends=True) if line != "running\n")
    assert "Traceback" not in error
    return process.returncode, out, error


def test_interrupted_in_spikes():
    words = ("--form", "spiking", "--target", "numpy", "--duration", "100", "--out", "result", "--json")
    status, out, error = interrupted(2, "compare", saved(), *words, after=1.0)
    assert status == 130
    report = json.loads(out)
    assert report == json.loads(Path("result/comparison.json").read_text())
    assert (report["interrupted"], report["settled"], report["relative_l2"]) == (True, False, None)
    assert 0 < report["biological_s"] < 90
    assert error.count("interrupted after") == 1
    assert not Path("result/output.npy").exists()
    assert read_nix("result/recording.nix").segments[0].spiketrains


def test_interrupted_in_the_pilot():
    words = ("--form", "spiking", "--target", "numpy", "--duration", "100", "--out", "result")
    status, out, error = interrupted(1, "compare", saved(), *words)
    assert (status, out, error) == (130, "", "cortical-attention: interrupted\n")
    assert not Path("result").exists()


# Digits
@pytest.mark.slow
def test_digits_interrupted_in_the_second_form_keep_the_first():
    words = ("--images", "1", "--settle", "0.05", "--duration", "20", "--target", "numpy", "--out", "result")
    status, out, _ = interrupted(2, "digits", *words, after=1.0)
    assert status == 130
    assert np.load("result/rate/output.npy").shape[0] == 1
    assert json.loads(Path("result/spiking/comparisons.json").read_text())[0]["interrupted"] is True
    assert set(json.loads(Path("result/digits.json").read_text())) == {"rate"}
    assert "interrupted" in out


@pytest.mark.slow
def test_digits_in_both_forms():
    Path("result/spiking").mkdir(parents=True)
    Path("result/spiking/attention.png").write_text("of an earlier run")
    words = ("--images", "1", "--settle", "0.05", "--duration", "0.04", "--target", "numpy", "--wiring", "mask")
    result = run("digits", *words, "--out", "result", "--overwrite", "--json")
    assert result.exit_code == 1, result.output  # so short a run does not settle
    summary = json.loads(result.stdout)
    assert summary == json.loads(Path("result/digits.json").read_text())
    for form in ("rate", "spiking"):
        assert summary[form]["images"] == 1
        assert {path.name for path in Path("result", form).iterdir()} == {
            "output.npy", "reference.npy", "comparisons.json", "comparison.png", "attention.png", "raster.png",
            "recording.nix", "run.json",
        }  # fmt: skip
        assert Path("result", form, "attention.png").read_bytes().startswith(b"\x89PNG")
