"""The command line: what it refuses, what it writes, how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import neo
import numpy as np
import pytest
from brian2 import ms, second
from typer.main import get_command

from cortical_attention import __version__
from cortical_attention.cells.forms import FORMS
from cortical_attention.command import options
from cortical_attention.command.line import COMMANDS, EXPERIMENTS, build, docstring
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script
from cortical_attention.experiments import compare
from cortical_attention.inputs.cases import load
from cortical_attention.readout.files import RESULT_FILES
from cortical_attention.readout.recording import to_block
from cortical_attention.readout.store import read_recording
from cortical_attention.simulation.attend import Settings
from cortical_attention.trials import results
from cortical_attention.trials.loading import own_code
from cortical_attention.trials.systems import SYSTEMS
from tests.command import (
    ARRAYS,
    BRIEF,
    FIELDS,
    QUICK,
    ROOT,
    RUN_FILES,
    SIZES,
    case,
    check_refused,
    python,
    run,
    saved,
    tree,
)
from tests.sweeping import finish, until


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
    block = to_block(read_recording(folder / "recording.h5"))
    assert isinstance(block, neo.Block)
    (segment,) = block.segments
    populations = {signal.annotations["population"] for signal in segment.analogsignals}
    assert populations == set(json.loads((folder / "comparison.json").read_text())["peak_rate_hz"])


def hash_of(arrays, **asked):
    """Hash in the name of the default folder of a comparison."""
    content = results.content_of(load(saved(**arrays)))
    folder = results.open_folder("compare", options.check(target="numpy", **asked), content, None, False)
    return re.fullmatch(r"\w+-([0-9a-f]{8})(-\d+)?", folder.name)[1]


def test_default_folder_is_named_after_settings_and_content(done):
    folder, _, _ = done
    assert re.fullmatch(r"case-mask-rate-\d{8}T\d{6}Z-[0-9a-f]{8}", folder.name)
    assert folder.name.endswith(hash_of({"remark": np.ones(2)}))
    others = [hash_of({"seed": 1}), hash_of({"mask": np.ones((2, 2), bool)}), hash_of({}, seed=1), hash_of({})]
    others += [hash_of({}, kernel="exp"), hash_of({}, form="spiking"), hash_of({}, duration=0.3)]
    assert len(set(others)) == len(others)


def test_a_file_of_any_name_has_a_default_folder():
    """A form and a wiring of one's own, named module:object, and a case whose name no folder could have."""
    Path("mine_named.py").write_text("from cortical_attention.cells.forms import FORMS\nFORM = FORMS['rate']\n")
    Path(saved()).rename(f"ünï: ☃..{60 * 'x'}.npz")
    assert run("compare", f"ünï: ☃..{60 * 'x'}.npz", *BRIEF, "--form", "mine_named:FORM").exit_code == 1
    (folder,) = Path("results/compare").iterdir()
    assert re.fullmatch(rf"_n_._\.\.{'x' * 33}-mask-mine_named\.FORM-\d{{8}}T\d{{6}}Z-[0-9a-f]{{8}}", folder.name), (
        folder.name
    )
    before = sha256(Path("mine_named.py").read_bytes()).hexdigest()
    assert json.loads((folder / "run.json").read_text())["own_code"] == {"mine_named": before[:16]}
    Path("mine_named.py").write_text("FORM = None\n")
    assert own_code(["mask", None, "mine_named:FORM"]) != {"mine_named": before[:16]}


@with_output
def asked(case: Path, wiring: str = "mask", form: str = "both", *, output: Output):
    """An experiment that gives the words of its default folder."""
    return output.about


def test_the_default_folder_is_named_after_case_wiring_and_form():
    assert asked(case=Path("a/b.npz")) == ("b", "mask", "both")
    own = options.checked_wiring(SYSTEMS["memory"]), options.checked_form("rate")
    assert asked(case=Path("b.npz"), wiring=own[0], form=own[1], out=None) == ("b", "memory", "rate")
    words = {"compare": "CASE-WIRING-FORM-", "digits": "WIRING-FORM-", "one_head": "FORM-", "gradients": "CASE-"}
    for name, before in {**words, "bursts": ""}.items():
        assert defaults_of(name)["--out"] == f"results/EXPERIMENT/{before}TIME-HASH"


@pytest.mark.pictures
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


@pytest.mark.pictures
def test_silent_rows_and_a_single_context():
    """relu with Z = 0, one row closed by the mask, one token of context: no warning, zeros, the null's error is null."""
    arrays = {"W_K": np.zeros((1, 2, 3)), "context": np.ones((1, 3)), "mask": np.array([[True], [False]])}
    result = run("compare", saved(**arrays), *BRIEF, "--kernel", "relu", "--out", "result", "--json")
    assert result.exit_code in (0, 1), result.output
    report = json.loads(result.stdout)
    assert report["relative_l2"] is None
    assert "closes the whole row of token 1" in result.stderr
    np.testing.assert_array_equal(np.load("result/reference.npy"), 0)


def test_a_mask_is_true_where_a_token_may_attend():
    """A lower triangle is causal attention, held against a loop; its opposite, attn_mask of torch, is another answer."""
    held = case(seed=3, mask=np.tril(np.ones((2, 2), dtype=bool)))
    np.savez("case.npz", **held)
    assert run("compare", "case.npz", *QUICK, "--out", "causal").exit_code == 0
    keys, queries = (held["tokens"] @ held[name][0].T for name in ("W_K", "W_Q"))
    keys, queries = (np.where(x > 0, x + 1, np.exp(np.minimum(x, 0))) for x in (keys, queries))
    values = held["tokens"] @ held["W_V"][0].T
    expected = np.zeros((2, 3))
    for i in range(2):
        weights = [queries[i] @ keys[j] for j in range(i + 1)]
        expected[i] = held["W_O"][0] @ sum(w * values[j] for j, w in enumerate(weights)) / sum(weights)
    error = np.linalg.norm(np.load("causal/output.npy") - expected) / np.linalg.norm(expected)
    assert error < 1e-6
    np.savez("case.npz", **held | {"mask": ~held["mask"]})
    run("compare", "case.npz", *BRIEF, "--out", "opposite")
    assert np.linalg.norm(np.load("opposite/reference.npy") - expected) > 0.1 * np.linalg.norm(expected)


def test_help_says_what_a_mask_means():
    said = " ".join(run("compare", "--help").stdout.replace("│", " ").split())
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    for text in (said, readme, " ".join(sys.modules["cortical_attention.inputs.cases"].__doc__.split())):
        for words in ("boolean", "(n_token, n_context)", "True where a token may attend", "~attn_mask"):
            assert words in text


def test_wrong_normalisation_does_not_settle():
    words = (
        "--normaliser",
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


# Version
def test_version():
    result = run("--version")
    assert (result.exit_code, result.output) == (0, f"cortical-attention {__version__}\n")


# Help
def test_help_is_quick():
    code = (
        "import sys; sys.argv = ['cortical-attention', '--help']\n"
        "from cortical_attention.command.line import main\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    result = python("-c", code)
    assert result.returncode == 0
    assert not {"brian2", "neo", "matplotlib", "numpy", "cortical_attention.simulation.attend"} & set(
        result.stderr.split()
    )
    assert "cortical_attention.command.line" in result.stderr.split()
    for name in (*EXPERIMENTS, "describe", "report", "list"):
        assert re.search(rf"^\W*{name}\s", result.stdout, re.MULTILINE), name


def test_list_has_every_experiment(monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    result = run("list")
    assert result.exit_code == 0
    shown = " ".join(result.stdout.split())
    assert shown.startswith("experiment question and run time match Question: asked for the tag")
    for name in EXPERIMENTS:
        text = " ".join(docstring(name).split())
        question, time = (re.search(rf"{title}: .+?[.?](?= |$)", text)[0] for title in ("Question", "Run time"))
        assert f" {name} {question} {time}" in shown


def test_list_is_short(monkeypatch):
    """On 80 columns, six lines at most for most experiments."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("list").stdout.splitlines()
    assert len(lines) < 6 * len(EXPERIMENTS)
    assert max(map(len, lines)) <= 80


def test_summaries_are_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    lines = [line for line in run("--help").stdout.splitlines() if line.startswith("│")]
    assert len(lines) > len(EXPERIMENTS)
    assert [line for line in lines if line.strip("│ ")[-1] not in ".?"] == []


def defaults_of(command):
    """Default in words of each option of a command that takes a value."""
    options = get_command(build([command])).commands[command].params
    options = [each for each in options if each.param_type_name == "option" and not (each.is_flag or each.required)]
    return {each.opts[0]: each.show_default if isinstance(each.show_default, str) else each.default for each in options}


@pytest.mark.parametrize("command", [*EXPERIMENTS, *COMMANDS])
def test_help_states_every_default(command):
    """Flags are off unless they are given."""
    assert [name for name, default in defaults_of(command).items() if default is None] == []


def test_stated_defaults_are_those_of_the_forms():
    stated = defaults_of("compare")
    found = {name: {} for name in ("--duration", "--settle", "--dt")}
    for name, forms in found.items():
        for part in stated[name].split("; "):
            value, _, names = part.partition(" for ")
            forms.update({form: float(value) for form in names.split(", ")})
    times = {name: Settings(form=form).times() for name, form in FORMS.items()}
    assert found["--duration"] == {name: each.window / second for name, each in times.items()}
    assert found["--settle"] == {name: each.settle / second for name, each in times.items()}
    assert found["--dt"] == {name: each.dt / ms for name, each in times.items()}


def test_help_shows_what_is_stated(monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    said = run("compare", "--help").stdout
    for name in ("--duration", "--settle", "--dt", "--out", "--scheduler"):
        assert defaults_of("compare")[name] in re.search(rf"{name} .*?(?=│ --)", said, re.DOTALL)[0]


def test_script():
    result = python("-m", "cortical_attention.experiments.compare", "--help")
    assert result.returncode == 0
    assert "--normaliser" in result.stdout


def test_script_ends_as_the_command_does(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["compare.py", "missing.npz"])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # typer takes hold of it
    monkeypatch.setattr("cortical_attention.command.status.silence", lambda: None)  # would last as long as this process
    with pytest.raises(SystemExit) as end:
        script(compare.main)
    assert end.value.code == 2
    said = capsys.readouterr()
    assert (said.out, said.err[:31]) == ("", "cortical-attention: missing.npz")


# Ctrl-C
DRIVER = """
import threading
import time
from pathlib import Path
from brian2 import Network
from cortical_attention.command.line import main
simulate, count = Network.run, []
def tell(network, begun):
    while network.t_ <= begun:  # from its first step on Brian2 stops on SIGINT; before that it raises
        time.sleep(0.01)
    Path("running").touch()
def told(network, *given, **named):
    count.append(None)
    if len(count) == {nth}:
        threading.Thread(target=tell, args=(network, network.t_), daemon=True).start()
    return simulate(network, *given, **named)
Network.run = told
main()
"""


def interrupted(nth, *arguments):
    """Exit status, standard output and error of a command that gets SIGINT in its `nth` simulation."""
    command = [sys.executable, "-c", DRIVER.format(nth=nth), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        try:
            until(Path("running").exists)
            process.send_signal(signal.SIGINT)
            return finish(process)
        finally:
            process.kill()


def test_interrupted_in_spikes():
    words = ("--form", "spiking", "--target", "numpy", "--duration", "100", "--out", "result", "--json")
    status, out, error = interrupted(2, "compare", saved(), *words)
    assert status == 130
    report = json.loads(out)
    assert report == json.loads(Path("result/comparison.json").read_text())
    assert (report["interrupted"], report["settled"], report["relative_l2"]) == (True, False, None)
    assert 0 < report["biological_s"] < 90
    assert error.count("interrupted after") == 1
    assert not Path("result/output.npy").exists()
    assert to_block(read_recording("result/recording.h5")).segments[0].spiketrains


def test_interrupted_in_the_pilot():
    words = ("--form", "spiking", "--target", "numpy", "--duration", "100", "--out", "result", "--quiet")
    status, out, error = interrupted(1, "compare", saved(), *words)
    assert (status, out, error) == (130, "", "cortical-attention: interrupted\n")
    assert not Path("result").exists()


# Digits
OF_DIGITS = {
    *ARRAYS, "outputs.npy", "references.npy", "comparison.json", "comparisons.json", "comparison.png", "attention.png",
    "shown.json", *RUN_FILES,
}  # fmt: skip


def test_digits_interrupted_in_the_second_form_keep_the_first():
    words = ("--images", "1", "--settle", "0.05", "--duration", "4", "--target", "numpy", "--out", "result")
    status, out, _ = interrupted(3, "digits", *words)  # rates, the calibration, spikes
    assert status == 130
    assert np.load("result/rate/outputs.npy").shape == (1, *np.load("result/rate/output.npy").shape)
    assert json.loads(Path("result/spiking/comparisons.json").read_text())[0]["interrupted"] is True
    assert set(json.loads(Path("result/digits.json").read_text())) == {"rate"}
    assert "interrupted" in out
    assert {path.name for path in Path("result/rate").iterdir()} == OF_DIGITS


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
        assert {path.name for path in Path("result", form).iterdir()} == OF_DIGITS
        assert Path("result", form, "attention.png").read_bytes().startswith(b"\x89PNG")
