"""Brian2 held at arm's length: its hooks switched off, its code-generation target chosen, its global state put back."""

import gc
import logging
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import brian2
import numpy as np
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.devices.device import reset_device
from brian2.utils.logger import BrianLogger
from setuptools.errors import CompileError

from cortical_attention.circuits.protocol import RunError
from cortical_attention.simulation.compile import compiler

TARGETS = ("auto", "numpy", "cython", "cpp")


class Cost(NamedTuple):
    """What a target costs (s): once, for each code object to compile, for each call of one, for each cell of each step,
    and each time that one of the stored synapses sends."""

    start: float
    compile: float
    call: float
    cell: float
    synapse: float

    def of(self, work):
        """Seconds that a run is expected to take, with nothing compiled before."""
        calls, cells = work.n_object * work.n_step, work.n_cell * work.n_step
        once, sent = self.start + work.n_object * self.compile, work.n_sent * work.n_step
        return once + calls * self.call + cells * self.cell + sent * self.synapse


COSTS = {  # numpy by an earlier `benchmarks.targets`; C++ from single runs; of Cython, and of synapses, the order only
    "numpy": Cost(0.0, 0.06, 4.3e-5, 1.9e-8, 1e-8),
    "cython": Cost(2.0, 1.5, 1e-5, 5e-9, 4e-9),
    "cpp": Cost(2.0, 0.5, 2e-7, 2.5e-9, 4e-9),
}


class Work(NamedTuple):
    """Code objects, cells with their dendrites, time steps of a run, and stored synapses that send in a step."""

    n_object: int
    n_cell: int
    n_step: int
    n_sent: float = 0.0


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


def estimate(work):
    """Seconds that a run is expected to take on each target, compiling included (dict of str to float)."""
    return {target: cost.of(work) for target, cost in COSTS.items()}


def choose(target, work):
    """Code-generation target, and why.

    Parameters
    ----------
    target : {"auto", "numpy", "cython", "cpp"}
    work : Work

    Returns
    -------
    target, reason : str
    """
    if target != "auto":
        return target, "asked for"
    if compiler() is None:
        return "numpy", "no C++ compiler found"
    expected = estimate(work)
    if _threads():
        del expected["cpp"]
    said = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in expected.items())
    return min(expected, key=expected.get), f"expected with nothing compiled yet: {said}"


@contextmanager
def device(target):
    """Brian2 set to a target; the device and the target that were set before are put back.

    A C++ standalone program lives in a temporary folder as long as the context: read every monitor inside it.

    Raises
    ------
    RunError
        If what was generated does not compile, or OpenMP threads are asked of the target "cpp", which has none.
    KeyboardInterrupt
        If the compiler was interrupted.
    """
    with _compiled() if target == "cpp" else _at_run_time(target):
        yield


def _threads():
    """Threads that were asked of C++ standalone, of which the compiled target has none."""
    return brian2.prefs.devices.cpp_standalone.openmp_threads


@contextmanager
def _at_run_time(target):
    before = brian2.prefs.codegen.target
    brian2.set_device("runtime")
    brian2.prefs.codegen.target = target
    try:
        yield
    except CompileError as error:
        raise RunError(f"the target {target} failed: its code does not compile; try --target numpy") from error
    finally:
        brian2.prefs.codegen.target = before
        reset_device()


@contextmanager
def _compiled():
    if _threads():
        raise RunError(f"the target cpp has one thread, but brian2's openmp_threads is {_threads()}: set it to 0")
    gc.collect()  # Brian2 names things after those that live: the next run of a circuit is to be the same text
    with tempfile.TemporaryDirectory(prefix="cortical-attention-") as folder:
        brian2.set_device("compiled", directory=folder, build_on_run=True)
        try:
            yield
        finally:
            brian2.get_device().layout = {}
            brian2.get_device().reinit()
            reset_device()


def lay_out(layout):
    """Tell the device that compiles how cells lie on their grid (`wiring.network.Wired`); others have no use for it."""
    brian2.get_device().layout = layout


def run_time():
    """Seconds that a compiled program spent in its time steps, or None on another target."""
    return getattr(brian2.get_device(), "_last_run_time", None)


def flags(target):
    """Compiler flags of a target, as Brian2 has them."""
    return [] if target == "numpy" else list(brian2.prefs.codegen.cpp.extra_compile_args_gcc)
