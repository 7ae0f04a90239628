"""Control of Brian2: its import hooks removed, its code-generation target chosen, its global state restored."""

import gc
import logging
import shutil
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import brian2
import numpy as np
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.devices.device import reset_device
from brian2.utils.logger import BrianLogger
from setuptools.errors import CompileError, ExecError, LinkError

from cortical_attention.circuits.protocol import RunError
from cortical_attention.simulation import kept
from cortical_attention.simulation.compile import compiler

TARGETS = ("auto", "numpy", "cython", "cpp")
# preferences of Brian2 that the numbers of a run depend on: a run has the defaults, whatever a user set for other models
PRECISIONS = {"double": np.float64, "single": np.float32}
HELD = (
    "core.default_float_dtype",
    "core.default_integer_dtype",
    "core.network.default_schedule",
    "legacy.refractory_timing",
    "codegen.loop_invariant_optimisations",
    "codegen.string_expression_target",
    "codegen.runtime.numpy.discard_units",
    "codegen.generators.cpp.flush_denormals",
    "codegen.cpp.extra_compile_args",
    "codegen.cpp.extra_compile_args_gcc",
    "codegen.cpp.extra_compile_args_msvc",
)
OURS = ("logging.", "codegen.target")  # set by this module, and told elsewhere


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


COSTS = {  # by `benchmarks.targets` at commit 38e0ac9, on two cores (AMD EPYC); of Cython the order only
    "numpy": Cost(0.4, 0.007, 2.5e-6, 3.8e-9, 5e-9),
    "cython": Cost(2.0, 1.5, 1e-5, 5e-9, 4e-9),
    "cpp": Cost(3.1, 0.025, 0.0, 2.8e-10, 4.3e-9),
}


class Work(NamedTuple):
    """Code objects, cells with their dendrites, time steps of a run, and stored synapses that send in a step."""

    n_object: int
    n_cell: int
    n_step: int
    n_sent: float = 0.0


def _unhook():
    """Take back what importing Brian2 does: the hold on errors and warnings, the log file and the copy of the script."""
    sys.excepthook = sys.__excepthook__
    brian2.prefs.logging.file_log = False
    brian2.prefs.logging.save_script = False
    BrianLogger.log_level_error()
    warned = logging.getLogger("py.warnings")
    warned.removeHandler(BrianLogger.console_handler)
    if warned.isEnabledFor(logging.WARNING):  # else the command keeps warnings from the terminal (`command.terminal`)
        logging.captureWarnings(False)
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


def compiles():
    """Whether a circuit can be compiled here for the target "cpp" (bool)."""
    return None not in (compiler(), shutil.which("make"), kept.place()) and not _threads()


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
    if not compiles():
        del expected["cpp"]
    if kept.place() is None:
        expected = {"numpy": expected["numpy"]}
    said = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in expected.items())
    return min(expected, key=expected.get), f"expected with nothing compiled yet: {said}"


@contextmanager
def device(target, precision="double"):
    """Brian2 set to a target, with its defaults of what numbers depend on (`HELD`); the device, the target and the
    preferences that were set before are put back. `precision` is that of the state of cells and synapses.

    A C++ standalone program lives in a temporary folder as long as the context: read every monitor inside it.

    Raises
    ------
    RunError
        If what was generated does not compile or cannot be run, or OpenMP threads are asked of the target "cpp", which has
        none.
    KeyboardInterrupt
        If the compiler was interrupted.
    """
    # Brian2 compares each value with 1e50, which floats of 32 bits do not have; what overflows is not finite, and refused
    quiet = nullcontext() if precision == "double" else np.errstate(over="ignore")
    with quiet, _held(precision), _compiled() if target == "cpp" else _at_run_time(target):
        yield


@contextmanager
def _held(precision):
    """Defaults of Brian2 in place of the preferences that numbers depend on, but for floats of a precision."""
    before = {name: brian2.prefs[name] for name in HELD}
    try:
        for name in HELD:
            brian2.prefs[name] = _default(name)
        brian2.prefs.core.default_float_dtype = PRECISIONS[precision]
        yield
    finally:
        for name, value in before.items():
            brian2.prefs[name] = value


def _default(preference):
    base, _, name = preference.rpartition(".")
    return brian2.prefs.pref_register[base][0][name].default


def preferences():
    """Preferences of Brian2 that differ from its defaults, as they were found and as a run uses them (dict of dict)."""
    others = {name: value for name, value in brian2.prefs.items() if not name.startswith(OURS)}
    return {
        name: {"found": _word(value), "used": _word(_default(name) if name in HELD else value)}
        for name, value in sorted(others.items()) if value != _default(name)
    }  # fmt: skip


def _word(value):
    """A preference as text."""
    return value.__name__ if isinstance(value, type) else str(value)


def _threads():
    """Threads that were asked of C++ standalone, of which the compiled target has none."""
    return brian2.prefs.devices.cpp_standalone.openmp_threads


@contextmanager
def _at_run_time(target):
    before = brian2.prefs.codegen.target
    brian2.set_device("runtime")
    brian2.prefs.codegen.target = target
    try:
        with kept.modules() if target == "cython" else nullcontext():
            yield
    except Exception as error:
        if not any(isinstance(each, CompileError | LinkError | ExecError) for each in _chain(error)):
            raise
        raise RunError(f"the target {target} failed: its code does not compile; try --target numpy") from error
    finally:
        brian2.prefs.codegen.target = before
        reset_device()


def _chain(error):
    """An error, and those that it comes from: Brian2 wraps what happens while it prepares an object."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@contextmanager
def _compiled():
    if _threads():
        raise RunError(f"the target cpp has one thread, but brian2's openmp_threads is {_threads()}: set it to 0")
    gc.collect()  # Brian2 names things after those that live: the next run of a circuit is to be the same text
    brian2.Network._globally_stopped = False  # an interruption of an earlier run
    with kept.workshop("cpp") as folder:
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
    """Compiler flags of a target, which are Brian2's defaults."""
    return [] if target == "numpy" else list(_default("codegen.cpp.extra_compile_args_gcc"))
