"""Systems: each wiring beside its algebra; wirings and forms of the user's own; one registry of each kind."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from cortical_attention.cells import kernels as of_cells
from cortical_attention.cells.forms import FORMS
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.command import options as o
from cortical_attention.command.status import DONE, FAILED, INTERRUPTED, status_by
from cortical_attention.command.tables import judgement
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.files import LOCK
from cortical_attention.reference import kernels as of_algebra
from cortical_attention.reference.attention import linear_attention, softmax_attention
from cortical_attention.simulation.attend import Settings, attend, prepare, read, run, wiring_of
from cortical_attention.trials.comparison import compare
from cortical_attention.trials.systems import NULLS, SYSTEMS, System, kernels, system_of
from cortical_attention.wiring.expressions import WiringError
from tests.command import AGREEMENT, BRIEF, QUICK, RUN_FILES, check_refused, saved
from tests.command import run as command

SMALL = {"n_head": 1, "d_model": 3, "d_key": 2, "d_value": 2}
SHORT = {"target": "numpy", "settle": 1.7, "duration": 0.1}  # as QUICK


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    """An empty folder, and Python's path and modules as they were."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == tmp_path:
            del sys.modules[name]


@pytest.fixture
def case():
    """A case of two tokens."""
    return random_case(0, 2, **SMALL)


MINE = """
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.plan import Reading
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.reference.attention import softmax_attention
from cortical_attention.trials.systems import System

wiring = mask_wiring
value = 5
form = RATE._replace(name="other")
unparsed = RATE._replace(membrane=RATE.membrane._replace(equations="drate/dt = ("))


def softmax(tokens, block, *, context, mask, kernel, normalised):
    return softmax_attention(tokens, block, context=context, mask=mask)


system = System("anything", mask_wiring, softmax)
twice = System("twice", mask_wiring, lambda *given, **how: softmax(*given, **how)._replace(kappa=None))
broken = System("broken", mask_wiring, lambda tokens, block: None)


def raises(times, tokens, **block):
    raise ValueError("not\\n today")


def none(times, tokens, **block):
    pass


def unwired(times, tokens, **block):
    plan = mask_wiring(times, tokens, **block)
    (first, *others) = plan.circuit.projections
    circuit = plan.circuit._replace(projections=(first._replace(target="superficial.axon"), *others))
    return plan._replace(circuit=circuit)


def unread(times, tokens, **block):
    return mask_wiring(times, tokens, **block)._replace(output=Reading("tectum"))


def odd_kernel(times, tokens, **block):
    return mask_wiring(times, tokens, **block | {"kernel": "cosh"})
"""


@pytest.fixture
def mine(monkeypatch):
    """A module `mine` in the working directory, imported anew."""
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    Path("mine.py").write_text(MINE, encoding="utf-8")


# The registry
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_is_registered_by_its_name_and_claims_of_forms(name):
    system = SYSTEMS[name]
    assert system.name == name
    assert wiring_of(name) is wiring_of(system) is system.wiring
    assert (system.reference is linear_attention) == (system.attention == "linear")
    assert set(system.claims) <= set(FORMS)
    assert system_of(name) is system_of(system) is system


def test_the_help_names_what_is_registered():
    shown = command("compare", "--help").output
    for name in (*SYSTEMS, *FORMS, *kernels()):
        assert name in shown


def test_a_registered_wiring_is_known_to_the_command_line_at_once(monkeypatch, case):
    """Registration is one line; it is no claim."""
    from cortical_attention.experiments import ladder

    monkeypatch.setitem(SYSTEMS, "other", SYSTEMS["mask"]._replace(name="other", claims={}))
    compared = compare(case, o.check(wiring="other", **SHORT))
    assert (compared.report["wiring"], compared.report["settled"]) == ("other", True)
    assert {job.wiring for job in ladder.jobs(suites=("random",))} == {"mask", "memory"}
    assert {job.wiring for job in ladder.jobs(wirings=("other",), suites=("random",))} == {"other"}


def test_the_ladder_runs_what_is_claimed(monkeypatch):
    from cortical_attention.experiments import ladder

    monkeypatch.setitem(SYSTEMS, "other", SYSTEMS["mask"]._replace(name="other", claims={"dale": 1e-9}))
    found = {(job.rung, job.wiring) for job in ladder.jobs(suites=("random",))}
    assert {rung for rung, wiring in found if wiring == "other"} == {"dale"}
    assert {rung for rung, wiring in found if wiring == "mask"} == set(SYSTEMS["mask"].claims)
    assert not ladder.jobs(("biophysical",), ("memory",))
    rows = [
        {"rung": "dale", "wiring": wiring, "suite": "random", "case": "a", "relative_l2": 1e-7} for wiring in SYSTEMS
    ]
    assert sorted(each.held for each in ladder.judge(rows)) == [False, True]  # by the claims of each system


# Kernels
def test_a_kernel_of_both_rooms_is_accepted_at_once(monkeypatch, case):
    monkeypatch.setitem(of_cells.KERNELS, "square", "x**2")
    check_refused("compare", saved(), "--kernel", "square", names=("--kernel", "square", "the algebra does not have"))
    monkeypatch.setitem(of_algebra.KERNELS, "square", of_algebra.Kernel(np.square, lambda u: 2 * u))
    assert "square" in kernels()
    assert compare(case, o.check(kernel="square", **SHORT)).report["relative_l2"] < 1e-5


def test_a_kernel_that_the_algebra_alone_has_is_unknown(monkeypatch):
    monkeypatch.setitem(of_algebra.KERNELS, "square", of_algebra.Kernel(np.square, lambda u: 2 * u))
    check_refused("compare", saved(), "--kernel", "square", names=("--kernel", "square"))
    check_refused("compare", saved(), "--kernel", "identity", names=("--kernel", "identity"))


# What an answer is held against
def test_each_system_is_held_against_its_own_algebra(case):
    """The mask wiring against softmax attention is off by what linear attention is; the same run against its own is not."""

    def softmax(tokens, block, *, context, mask, kernel, normalised):
        return softmax_attention(tokens, block, context=context, mask=mask)

    own = compare(case, o.check(**SHORT)).report
    other = compare(case, o.check(wiring=System("soft", mask_wiring, softmax), **SHORT)).report
    assert own["relative_l2"] < 1e-5 < 1e-3 < other["relative_l2"]
    assert other["relative_l2"] == pytest.approx(own["softmax_relative_l2"], rel=1e-4)  # the same two answers, to 1e-6
    assert other["skill"] is None  # it has no nulls


def test_attend_is_prepare_run_and_read(case):
    settings = Settings(
        FORMS["spiking"], target="numpy", window=o._times(0.1, o.second), settle=o._times(0.1, o.second)
    )
    prepared = prepare("mask", case.tokens[None], settings, **case.block._asdict())
    split = read(prepared, run(prepared))
    whole = attend(mask_wiring, case.tokens[None], settings, **case.block._asdict())
    assert np.array_equal(split.output, whole.output)
    assert np.array_equal(split.settled.drift, whole.settled.drift)


def test_an_unknown_name_is_refused():
    with pytest.raises(WiringError, match="circuits/nonsense.py"):
        wiring_of("nonsense")


def test_the_settling_time_is_shown_where_there_is_one(case):
    """By the protocol: the mask wiring has one window, the memory wiring one a token."""
    options = o.check(**SHORT)
    block = case.block._asdict()
    times = options.settings.times()
    before, window = SYSTEMS["mask"].wiring(times, case.tokens[None], **block).protocol.epochs
    assert (before.name, before.start, before.stop) == ("settle", 0.0, pytest.approx(float(times.settle)))
    assert (window.name, window.stop - window.start) == ("window", pytest.approx(float(times.window)))
    epochs = SYSTEMS["memory"].wiring(times, case.tokens[None], **block).protocol.epochs
    assert [each.token for each in epochs if each.name == "window"] == list(range(len(case.tokens)))
    assert all(one.stop == other.start for one, other in zip(epochs, epochs[1:], strict=False))


# One judgement
@pytest.mark.parametrize("reason", ["", "the values of core run away; too few spikes"])
def test_the_sentences_say_what_the_json_says(reason):
    report = {"interrupted": False, "silent": 2, "settled": not reason, "reason": reason, "biological_s": 1.0}
    sentences = judgement(report)
    assert sentences[0].startswith("2 macrocolumns are without drive")
    expected = [f"not settled: {each}" for each in reason.split("; ")] if reason else ["settled"]
    assert sentences[1:] == expected


@pytest.mark.parametrize(("largest", "advised"), [(50, False), (2.13e6, True), (None, False)])
def test_values_that_are_very_large_are_named(largest, advised):
    report = {"interrupted": False, "silent": 0, "settled": False, "reason": "it drifts; it jumps"}
    said = "; the largest value of the case is 2.1e+06: smaller values may settle" if advised else ""
    asked = report | {"largest_value": largest}
    assert judgement(asked) == ["not settled: it drifts", f"not settled: it jumps{said}"]
    assert judgement(asked | {"settled": True}) == ["settled"]


def test_one_exit_status_of_all_judgements():
    assert status_by([True, True]) == status_by([]) == DONE
    assert status_by([True, False]) == status_by([True], failed=["one"]) == FAILED
    assert status_by([False], interrupted=True, failed=["one"]) == INTERRUPTED


# Wirings of the user's own
def test_a_callable_without_reference(mine):
    done = command("compare", saved(), "--wiring", "mine:wiring", *QUICK, "--out", "result", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report == json.loads(Path("result/comparison.json").read_text())
    assert (report["wiring"], report["settled"]) == ("mine:wiring", True)
    assert {report[name] for name in AGREEMENT} == {None}
    assert done.stderr.count("has no reference") == 1
    assert {path.name for path in Path("result").iterdir()} == {
        "comparison.json", "output.npy", "attention.npy", "calibration.json", "case.npz", "recording.h5", "raster.png",
        "run.json",
    }  # fmt: skip
    assert json.loads(Path("result/run.json").read_text())["parameters"]["wiring"] == "mine:wiring"
    ours = compare_output("mask")
    np.testing.assert_array_equal(np.load("result/output.npy"), ours)


def compare_output(wiring):
    """Output of a registered wiring on the case in the working directory."""
    assert command("compare", "case.npz", "--wiring", wiring, *QUICK, "--out", "ours").exit_code == 0
    return np.load("ours/output.npy")


@pytest.mark.parametrize("name", ["mine:system", "mine:twice"])
def test_a_system_is_held_against_its_reference(mine, name):
    """It is called as it was given, not as it calls itself; without kappa the rest is compared."""
    done = command("compare", saved(), "--wiring", name, *QUICK, "--out", "result", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["wiring"] == name
    assert report["relative_l2"] > 1e-3
    assert (report["kappa_correlation"] is None) == (name == "mine:twice")
    assert {"reference.npy", "comparison.png"} <= {path.name for path in Path("result").iterdir()}


def test_a_form_of_the_users_own(mine):
    done = command("compare", saved(), "--form", "mine:form", *QUICK, "--out", "result", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["form"], report["settled"]) == ("mine:form", True)
    assert report["relative_l2"] < 1e-6


REFUSED = {
    "--wiring absent:wiring": ("no module 'absent'",),
    "--wiring mine.part:wiring": ("no module 'mine.part'", "mine.part:wiring"),
    "--wiring mine:absent": ("module 'mine' has no 'absent'",),
    "--wiring mine:value": ("mine:value", "callable", "int"),
    "--wiring mine:": ("module:object",),
    "--wiring :mine": ("module:object",),
    "--wiring ..mine:wiring": ("module:object",),
    "--wiring needs:wiring": ("cannot be imported", "ModuleNotFoundError", "no_such_thing"),
    "--wiring wrong:wiring": ("cannot be imported", "SyntaxError"),
    "--wiring ends:wiring": ("cannot be imported", "SystemExit: 3"),
    "--wiring mine:raises": ("mine:raises", "ValueError: not today"),
    "--wiring mine:none": ("mine:none", "NoneType", "Plan"),
    "--wiring mine:unwired": ("mine:unwired", "has ports"),
    "--wiring mine:odd_kernel": ("cosh",),
    "--wiring mine:broken": ("mine:broken", "TypeError"),
    "--form mine:unparsed": ("form 'mine:unparsed'",),
    "--form mine:wiring": ("--form", "mine:wiring", "Form"),
    "--form mine:absent": ("module 'mine' has no 'absent'",),
    "--form absent:form": ("no module 'absent'",),
    "--wiring mine:raises --plan": ("ValueError: not today",),
}


@pytest.mark.parametrize("words", REFUSED)
def test_a_bad_one_is_one_sentence(mine, words, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    Path("needs.py").write_text("import no_such_thing", encoding="utf-8")
    Path("wrong.py").write_text("wiring = (", encoding="utf-8")
    Path("ends.py").write_text("raise SystemExit(3)", encoding="utf-8")
    check_refused("compare", saved(), *BRIEF, *words.split(), names=REFUSED[words])


def test_one_whose_answer_cannot_be_read_leaves_its_run(mine):
    done = command("compare", saved(), *BRIEF, "--wiring", "mine:unread", "--out", "result")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "KeyError: 'tectum'" in done.stderr
    assert {path.name for path in Path("result").iterdir()} - {LOCK} == RUN_FILES


@pytest.mark.parametrize("words", ["multihead --wiring", "normalisation --wiring", "ladder --rungs rate --wirings"])
def test_experiments_that_need_a_reference_say_so(mine, words, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    check_refused(*words.split(), "mine:wiring", names=("mine:wiring", "reference"))


def test_a_callable_from_python(case):
    options = o.check(wiring=mask_wiring, without_reference=True, **SHORT)
    compared = compare(case, options)
    assert compared.report["wiring"] == "cortical_attention.circuits.mask:mask_wiring"
    assert compared.report["relative_l2"] is None
    assert compared.answer.settled.settled.all()
    system = System("with algebra", mask_wiring, linear_attention, NULLS)
    assert compare(case, o.check(wiring=system, **SHORT)).report["relative_l2"] < 1e-5
    with pytest.raises(o.OptionError, match="--wiring is 'builtins:int' but needs to be callable"):
        o.check(wiring=5)


def test_the_working_directory_hides_no_module_of_ours(mine):
    """It comes first while the module is imported, and last from then on."""
    Path("neo.py").write_text("raise RuntimeError('hidden')", encoding="utf-8")
    system_of("mine:wiring")
    assert sys.path[0] != str(Path.cwd())
    assert sys.path[-1] == str(Path.cwd())
