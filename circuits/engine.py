"""Brian2 held at arm's length: its hooks switched off, its code-generation target chosen, its global state put back."""

import gc
import logging
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import brian2
import numpy as np
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.utils.logger import BrianLogger
from setuptools.errors import CompileError

from circuits.build import compiler
from circuits.protocol import RunError

TARGETS = ("auto", "numpy", "cython", "cpp")
NUMPY_WORK = 6e9  # cell steps; chosen: some 100 s of the numpy target, about what compiling a circuit takes


def _unhook():
    """Take back what importing Brian2 does: the hold on uncaught errors, the log file and the copy of the script."""
    sys.excepthook = sys.__excepthook__
    brian2.prefs.logging.file_log = False
    brian2.prefs.logging.save_script = False
    BrianLogger.log_level_error()
    if BrianLogger.file_handler is not None:
        logging.getLogger("brian2").removeHandler(BrianLogger.file_handler)
        BrianLogger.file_handler.close()
    for path in (BrianLogger.tmp_log, BrianLogger.tmp_script):
        if path is not None:
            Path(path).unlink(missing_ok=True)
    BrianLogger.file_handler = BrianLogger.tmp_log = BrianLogger.tmp_script = None


_unhook()
# Brian2's own wrapper of log1p writes the whole array into a message at every call: softplus runs 12 times slower
DEFAULT_FUNCTIONS["log1p"].implementations.add_implementation(NumpyCodeGenerator, code=np.log1p)


def choose(target, n_cell, n_step):
    """Code-generation target, and why.

    Parameters
    ----------
    target : {"auto", "numpy", "cython", "cpp"}
    n_cell, n_step : int
        Cells of the network, dendrites included, and time steps.

    Returns
    -------
    target, reason : str
    """
    if target != "auto":
        return target, "asked for"
    if compiler() is None:
        return "numpy", "no C++ compiler found"
    # a step of the numpy target costs about as much as 1e5 cells, whatever the network
    work = (n_cell + 1e5) * n_step
    if work < NUMPY_WORK:
        return "numpy", f"{work:.1e} cell steps are too few to pay for compiling"
    return "cpp", f"{work:.1e} cell steps pay for compiling"


@contextmanager
def device(target):
    """Brian2 set to a target; what was set before is put back.

    A C++ standalone program lives in a temporary folder as long as the context: read every monitor inside it.

    Raises
    ------
    RunError
        If what was generated does not compile.
    KeyboardInterrupt
        If the compiler was interrupted.
    """
    if target != "cpp":
        before = brian2.prefs.codegen.target
        brian2.prefs.codegen.target = target
        try:
            yield
        except CompileError as error:
            raise RunError(f"the target {target} failed: its code does not compile; try --target numpy") from error
        finally:
            brian2.prefs.codegen.target = before
        return
    gc.collect()  # Brian2 names things after those that live: the next run of a circuit is to be the same text
    with tempfile.TemporaryDirectory(prefix="cortical-attention-") as folder:
        brian2.set_device("compiled", directory=folder, build_on_run=True)
        try:
            yield
        finally:
            brian2.get_device().reinit()
            brian2.set_device("runtime")


def lay_out(layout):
    """Tell the device that compiles how cells lie on their grid (`wiring.network.Wired`); others have no use for it."""
    brian2.get_device().layout = layout


def flags(target):
    """Compiler flags of a target, as Brian2 has them."""
    return [] if target == "numpy" else list(brian2.prefs.codegen.cpp.extra_compile_args_gcc)
