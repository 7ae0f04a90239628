"""An experiment in several forms: what is done outlasts a form that fails, or an interrupt between two runs."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from cortical_attention.circuits.protocol import RunError
from cortical_attention.command import forms
from cortical_attention.command.status import DONE, FAILED, INTERRUPTED
from cortical_attention.inputs.match import match_cases
from cortical_attention.simulation.settings import Settings
from cortical_attention.trials import many
from cortical_attention.trials.options import Options


@pytest.fixture
def output(tmp_path, monkeypatch):
    """Output that keeps what is said; folders are in a temporary one."""
    monkeypatch.setattr(forms, "open_folder", lambda *_: tmp_path)
    return SimpleNamespace(
        console=Console(width=80, record=True),
        progress=lambda label: nullcontext(),
        out=None,
        overwrite=False,
        about={},
    )


def answer(interrupted=False):
    """A settled comparison."""
    return SimpleNamespace(report={"settled": True}, run=SimpleNamespace(interrupted=interrupted))


def run_all(output, monkeypatch, *runs):
    """Results by form, status, and the forms that were written; each form is what one of `runs` does."""
    written, todo = [], iter(runs)
    monkeypatch.setattr(forms, "result_folder", lambda experiment, given, folder, overwrite: folder.name)
    found = forms.in_each_form(
        "match", {name: object() for name in "abc"[: len(runs)]}, output, "", lambda options, report, done: next(todo)(done),
        lambda compared, options, folder: written.append(folder), {},
    )  # fmt: skip
    return found[0], found[1], written


def stopped(error, n=0):
    """What a form does that stops after some answers."""

    def run(done):
        done.extend(answer() for _ in range(n))
        raise error

    return run


def test_a_form_that_fails_leaves_the_others(output, monkeypatch):
    whole = lambda done: done.append(answer())  # noqa: E731
    results, status, written = run_all(output, monkeypatch, whole, stopped(RunError("no spikes")), whole)
    assert (list(results), status, written) == (["a", "c"], FAILED, ["a", "c"])
    assert "failed: b: no spikes" in output.console.export_text()
    assert run_all(output, monkeypatch, whole)[1] == DONE


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), INTERRUPTED), (RunError("diverged"), FAILED)])
def test_finished_batches_outlast_what_stops_the_next(output, monkeypatch, error, status):
    results, found, written = run_all(output, monkeypatch, stopped(error, n=2))
    assert (len(results["a"]), found, written) == (2, status, ["a"])


def test_without_any_result_the_error_is_that_of_the_command(output, monkeypatch):
    with pytest.raises(RunError, match="no spikes"):
        run_all(output, monkeypatch, stopped(RunError("no spikes")))


def test_batches_are_handed_over_as_they_are_done(monkeypatch):
    cases, _ = match_cases(2, 0, 1)
    options, asked, kept = Options("mask", "elu+1", "pi", Settings("rate")).checked(), [], []
    monkeypatch.setattr(many, "SIDE_BY_SIDE", 1)
    whole = many.ask

    def ask(*given):
        if asked:
            raise KeyboardInterrupt
        asked.append(given)
        return whole(*given)

    monkeypatch.setattr(many, "ask", ask)
    with pytest.raises(KeyboardInterrupt):
        many.compare_many(cases, options, None, kept)
    assert [np.isfinite(each.report["relative_l2"]) for each in kept] == [True]
