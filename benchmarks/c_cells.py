"""`adaptive_cell.c` and `two_compartment_cell.c` compiled and called: the shortest time that the cells take on one core.

They are the project's cells: in front of each file stand the constants of the membrane and the noise of the target cpp, and
`tests/test_benchmarks.py` holds the spikes against those of the membrane in Brian2. As in the compiled circuit, exp is that
of glibc for many numbers at once, which its header declares under -ffast-math.
"""

import ctypes
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
from brian2 import Function, second

from benchmarks import case as of
from benchmarks.c_limit import FLAGS, build
from benchmarks.cells import constants, currents, drives, resolution
from benchmarks.model import Outcome
from cortical_attention.cells import noise

FOLDER = Path(__file__).parent
SOURCES = {"adaptive": FOLDER / "adaptive_cell.c", "biophysical": FOLDER / "two_compartment_cell.c"}
WIDEST = ("-mprefer-vector-width=512",) if platform.machine() == "x86_64" else ()  # gcc's own choice is 256 bits
STREAM = 2  # of the noise

_REAL = np.ctypeslib.ndpointer(dtype=float, flags="C_CONTIGUOUS")
_COUNT = np.ctypeslib.ndpointer(dtype=np.int32, flags="C_CONTIGUOUS")


def run(_, form):
    """Outcome of as many cells as the circuit has, under constant drives.

    Parameters
    ----------
    _ : Case
        Not used: the cells are not connected.
    form : {"adaptive", "biophysical"}

    Returns
    -------
    Outcome
    """
    return _outcome({form: of.N_CELL}, of.DT[form])


def run_mixed(_, form):
    """Outcome of the cells that the circuit of the biophysical form has: of two compartments in L2/3 and L5 IT, the others
    adaptive, all at the time step of the former."""
    return _outcome({form: of.N_TWO_COMPARTMENT, "adaptive": of.N_CELL - of.N_TWO_COMPARTMENT}, of.DT[form])


def _outcome(n_cells, dt):
    """Outcome of some cells of each form (dict of str to int), one form after another."""
    duration = of.SETTLE + of.WINDOW
    counts, *walls = zip(*(spikes(form, drives(form, n), duration, dt) for form, n in n_cells.items()), strict=True)
    run_s, compile_s = map(sum, walls)
    return Outcome(None, run_s, compile_s, duration, float(sum(map(np.sum, counts))), of.N_CELL, dt=dt)


def spikes(form, given, duration, dt, stream=STREAM):
    """Spikes of cells under constant drives.

    Parameters
    ----------
    form : {"adaptive", "biophysical"}
    given : Drives
    duration : float
        Seconds simulated.
    dt : float
        Time step (s).
    stream : int
        Of the noise, even; the next one is that of the dendrite.

    Returns
    -------
    counts : ndarray of int, shape (n_cell,)
    run_s, compile_s : float
        Seconds.
    """
    n_cell, counts = given.uniform.size, np.zeros(given.uniform.size, np.int32)
    in_front = preamble(form, dt, stream)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        (Path(folder) / "preamble.h").write_text(in_front)
        more = ("-include", f"{folder}/preamble.h")
        library = build(folder, os.environ.get("CC", "gcc"), SOURCES[form], (*FLAGS, *WIDEST, *more))
        library.run.argtypes = [ctypes.c_int, ctypes.c_int, _REAL, _REAL, _COUNT]
        compiled = time.perf_counter()
        library.run(n_cell, round(duration / dt), *map(np.ascontiguousarray, given), counts)
        return counts, time.perf_counter() - compiled, compiled - start


def preamble(form, dt, stream=STREAM):
    """C text of the noise and its stream, the time step and the constants of a form's cells."""
    lines = ["#include <stdint.h>", *_noises(), f"enum {{ stream = {stream} }};", _constant("dt", dt)]
    lines += [_constant(name, value) for name, value in constants(form).items()]
    return "\n".join([*lines, *(_table(dt) if form == "adaptive" else [])]) + "\n"


def _noises():
    """C text of every noise that the project registers for Brian2's target cpp."""
    found = [each for each in vars(noise).values() if isinstance(each, Function)]
    return [each.implementations["cpp"].get_code(None) for each in found]


def _table(dt):
    """C text of the currents over the rates, and of how they are read: as Brian2's TimedArray, a little late."""
    values, step = currents(dt * second), resolution()
    finer = 2 ** np.ceil(np.log2(8 / dt * step))  # Brian2 rounds a time to so many parts of a step of the table
    shown = ", ".join(map(repr, values.tolist()))
    return [
        f"enum {{ n_current = {values.size} }};",
        f"static const double current_of[n_current] = {{{shown}}};",
        _constant("resolution", step),
        _constant("half", float(0.5 / finer)),
    ]


def _constant(name, value):
    return f"static const double {name} = {value!r};"
