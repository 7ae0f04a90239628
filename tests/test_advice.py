"""Whoever follows the advice of a run that failed gets further: each piece of it, where it is given."""

import numpy as np
import pytest

from tests.command import case, run, saved

TOO_MUCH = "calibration sequences with values as large, more cells per value, or a shorter dt"
SHORT = ("--target", "numpy", "--duration", 0.3, "--quiet")
SPIKING = ("--form", "spiking", *SHORT)


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def advice(*options, **arrays):
    """What a run that failed says may help; None where it ran to its end, settled or not."""
    result = run("compare", saved(**arrays), *options, "--out", "result", "--overwrite")
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.stderr.partition("; try ")[2].strip() or None


def test_steps_that_are_too_long_for_the_spikes():
    assert advice(*SPIKING, "--settle", 0.3, "--dt", 10) == "a shorter dt"
    assert advice(*SPIKING, "--settle", 0.3, "--dt", 2) is None


def test_cells_that_hear_too_few_spikes():
    """A lower unit rate, which was once the advice, is the cause."""
    asked = (*SPIKING, "--settle", 0.05, "--unit-rate", 1)
    assert advice(*asked) == TOO_MUCH
    assert advice(*asked, "--cells", 20) is None


def test_numbers_that_are_too_large_for_the_calibration():
    """Values of L5 IT cells are some thirty times those of the sequences that the circuit was calibrated on."""
    small = np.random.default_rng(1).normal(size=(4, 2, 3))
    asked = (*SPIKING, "--settle", 0.3)
    assert advice(*asked, calibration=0.03 * small) == TOO_MUCH
    assert advice(*asked, "--dt", 0.1, calibration=0.03 * small) is None
    assert advice(*asked, calibration=small) is None


def test_values_that_are_too_large_to_settle():
    """The same case with tokens a thousand times smaller settles."""
    held = case()
    np.savez("large.npz", **held | {"tokens": 1e3 * held["tokens"]})
    result = run("compare", "large.npz", "--target", "numpy", "--quiet", "--out", "result")
    assert result.exit_code == 1
    largest = 1e3 * np.abs(held["tokens"]).max()
    said = f"; the largest value of the case is {largest:.2g}: smaller values may settle"
    assert said in " ".join(result.stdout.split())
    result = run("compare", saved(), "--target", "numpy", "--quiet", "--out", "small")
    assert result.exit_code == 0
    assert "largest value" not in result.stdout
