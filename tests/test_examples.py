"""Examples of systems, and the command `systems` that holds all of them against their algebra."""

import json
from pathlib import Path

import numpy as np
import pytest

from cortical_attention.experiments import systems
from cortical_attention.simulation.attend import calibrate
from cortical_attention.simulation.settings import Settings
from cortical_attention.trials.example import answer, best_null, error_of
from cortical_attention.trials.examples import FILES, every_example
from tests.command import check_refused, run

EXAMPLES = {example.system: example for example in every_example()}
ROW = {
    "system": "one", "form": "rate", "relative_l2": 1e-9, "claim": 1e-6, "null": "uniform", "null_relative_l2": 0.3,
    "controls": {"cut": 0.5}, "settled": True,
}  # fmt: skip


def test_every_file_is_listed_and_every_system_has_a_name_of_its_own():
    folder = Path(systems.every_example.__code__.co_filename).parent
    assert sorted(FILES) == sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    assert len(EXAMPLES) == len(every_example())
    assert not any("," in name for name in EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=list(EXAMPLES))
def test_an_example_is_whole(example):
    """Nulls are off by far more than is claimed, there is a control, and no tested input among those for calibration."""
    assert len(example.nulls) >= 2
    assert example.controls
    name, off = best_null(example)
    assert off == min(error_of(example, each) for each in example.nulls.values())
    for form in ("rate", "spiking"):
        assert off > systems.FARTHER * example.claim(form) / 3, name
    assert np.isfinite(example.reference).all()
    if example.calibration.shape[1:] == example.tokens.shape[1:]:
        assert not any(np.allclose(one, other) for one in example.calibration for other in example.tokens)


def test_a_circuit_with_spikes_is_calibrated_on_the_other_sequences_alone():
    example, settings = EXAMPLES["mask"], Settings("spiking", target="numpy")
    found = answer(example, "spiking", target="numpy")
    own = calibrate(example.wiring, example.calibration, settings, **example.block)
    assert found.calibration.source == "given"
    assert found.calibration.sequences == own.sequences
    assert not found.calibration.contains(example.tokens)
    assert error_of(example, found.output) < example.claim("spiking")


def test_predictions_can_be_missed():
    assert [each.held for each in systems.judge([ROW], {})] == [True, True]
    assert [each.held for each in systems.judge([ROW | {"relative_l2": 1e-3}], {})] == [False, True]
    assert [each.held for each in systems.judge([ROW | {"relative_l2": 0.06}], {})] == [False, False]
    assert not systems.judge([ROW | {"settled": False}], {})[0].held
    assert not systems.judge([ROW], {"another, rate": "it failed"})[0].held
    assert systems.judge([ROW | {"controls": {"cut": None}}], {})[1].held  # a control that fails to run misses too
    assert systems.judge([], {}) == []
    spiking = ROW | {"form": "spiking", "relative_l2": 0.02, "claim": 0.03}
    assert [each.held for each in systems.judge([ROW, spiking], {"another, spiking": ""})] == [True, True, False, True]


def test_the_command_prints_a_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = (
        "systems",
        "--systems",
        "mask",
        "--form",
        "rate,dale",
        "--no-controls",
        "--target",
        "numpy",
        "--out",
        "result",
    )
    done = run(*words, "--json")
    assert done.exit_code == 0, done.stderr
    row, other = json.loads(done.stdout)
    assert (row["form"], other["form"]) == ("rate", "dale")
    assert {"system", "form", "relative_l2", "null_relative_l2", "settled"} <= row.keys()
    assert row["settled"]
    assert row["relative_l2"] <= 1e-6 < row["null_relative_l2"]
    assert json.loads(Path("result/systems.json").read_text())["rows"] == [row, other]


def test_a_run_that_fails_is_told_beside_the_others(monkeypatch):
    from cortical_attention.circuits.protocol import RunError

    def fails(example, form, wiring=None, report=None, **given):
        raise RunError("crowded")

    monkeypatch.setattr(systems, "answer", fails)
    rows, swept = systems.examine_all([EXAMPLES["mask"]], ["rate"], False, None)
    assert rows == []
    assert swept.failed == {"mask, rate": "crowded"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--form", "adaptive"), "--form is 'adaptive' but needs to be one of rate, dale, spiking"),
        (("--systems", "mask,none"), "--systems is 'none' but needs to be one of mask"),
    ],
)
def test_what_is_refused(words, said):
    check_refused("systems", *words, names=said)
