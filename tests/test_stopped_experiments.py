"""What experiments of several parts keep when somebody stops them between two parts."""

import json
from importlib import import_module
from itertools import count

import pytest

from tests.command import run

ROW = {"measured": 1.0}
OF_A_CELL = {"selection": [ROW], "ramps": [ROW], "rhythms": [], "gates": []}
PARTS = {  # what experiments measure in turn, with its result; and what they read it by
    "amplify_suppress": ({"tune": ROW}, {}),
    "layer_6": ({"run_cell": {}}, {"rows_of": [ROW]}),
    "match_and_control": ({"rows_of": [ROW]}, {"chosen_kernel": (0.01, {})}),
    "reticular": ({"measure": OF_A_CELL}, {}),
}


def stop_after(n_part, found):
    """A measurement that somebody stops after some parts."""
    parts = count()

    def measure(*_):
        if next(parts) == n_part:
            raise KeyboardInterrupt
        return found

    return measure


@pytest.fixture(params=PARTS)
def stopped(request, monkeypatch, tmp_path):
    """Run an experiment until somebody stops it after some parts; the command."""
    monkeypatch.chdir(tmp_path)
    module = import_module(f"cortical_attention.experiments.{request.param}")

    def run_until(n_part):
        measured, read = PARTS[request.param]
        for name, found in measured.items():
            monkeypatch.setattr(module, name, stop_after(n_part, found))
        for name, found in read.items():
            monkeypatch.setattr(module, name, lambda *_, found=found: found)
        return request.param, run(request.param, "--quick", "--out", "result", "--report")

    return run_until


def test_what_was_computed_is_written(stopped, tmp_path):
    name, done = stopped(1)
    assert done.exit_code == 130
    assert "what was computed until then is written" in done.stdout
    result = json.loads((tmp_path / "result" / f"{name}.json").read_text())
    assert result["interrupted"] is True
    assert result["figures"] == {}
    assert ROW in (result["rows"] or result["tuned"])
    assert (tmp_path / "result" / "run.json").exists()
    assert "The run was interrupted" in (tmp_path / "result" / "report.html").read_text()


def test_nothing_is_written_of_nothing(stopped, tmp_path):
    _, done = stopped(0)
    assert done.exit_code == 130
    assert done.stderr.strip().endswith("interrupted")
    assert not (tmp_path / "result").exists()
