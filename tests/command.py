"""Small cases and the command line in this process; shared by the tests of the command."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from cortical_attention.command.line import build

ROOT = Path(__file__).parents[1]
SIZES = {"n_token": 2, "n_context": 2, "n_head": 1, "d_model": 3, "d_key": 2, "d_value": 2}
AGREEMENT = {
    "relative_l2", "cosine", "max_abs", "attention_max_abs", "uniform_relative_l2", "key_only_relative_l2",
    "additive_relative_l2", "skill", "kappa_correlation", "softmax_relative_l2",
}  # fmt: skip
FIELDS = AGREEMENT | {"schema_version", "settled", "peak_rate_hz", "form", "wiring", "seed", "biological_s", *SIZES}
RUN_FILES = {"case.npz", "calibration.json", "run.json", "recording.h5", "raster.png"}  # written before a run is judged
ARRAYS = ("output.npy", "attention.npy", "reference.npy", "reference_attention.npy")
BRIEF = ("--target", "numpy", "--settle", "0.02", "--duration", "0.04")  # does not settle
QUICK = ("--target", "numpy", "--settle", "1.7", "--duration", "0.1")  # settles
PATIENCE = 300  # s; chosen: that long, a process of a test does not take on any machine unless it hangs
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
    """Result of the command line in this process; libraries log nothing meanwhile, as behind its door."""
    words, before = [str(word) for word in arguments], logging.root.manager.disable
    logging.disable()
    try:
        return CliRunner().invoke(build(words), words)
    finally:
        logging.disable(before)


def python(*arguments):
    """A Python of its own, finished."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)


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
