"""`c_limit.c` compiled and called: the shortest time that a program of the same model takes on one core."""

import ctypes
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import model as of

SOURCE = Path(__file__).with_name("c_limit.c")
FLAGS = ("-O3", "-march=native", "-ffast-math", "-std=c11", "-fPIC")

_ARRAY = np.ctypeslib.ndpointer(dtype=float, flags="C_CONTIGUOUS")


class Settings(ctypes.Structure):
    """`Settings` of c_limit.c."""

    _fields_ = [(name, ctypes.c_int) for name in ("n", "d", "n_step", "n_gated", "first_counted")] + [
        (name, ctypes.c_double)
        for name in (
            "dt", "keep_slow", "keep_fast", "keep_pool", "soma", "tau_g", "tau_start", "sigma", "pool_max",
            "u_core", "u_matrix", "u_superficial", "u_it", "u_pt", "u_higher", "w_attention", "w_value", "w_pool",
        )
    ]  # fmt: skip


def run(model, form, duration=of.SETTLE + of.WINDOW, compiler=None):
    """Outcome of the C loop.

    Parameters
    ----------
    model : Model
    form : {"rate", "spiking"}
    duration : float
        Seconds simulated; the last of them is the window.
    compiler : str, optional
        The environment's CC, or gcc.

    Returns
    -------
    Outcome
    """
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        library = _library(folder, compiler or os.environ.get("CC", "gcc"))
        compiled = time.perf_counter()
        simulate = {"rate": _rate, "spiking": _spiking}[form]
        output, spikes, run_s = simulate(library, model, duration)
    return of.Outcome(output, run_s, compiled - start, duration, spikes, of.n_cell(model))


def build(folder, compiler, source=SOURCE, flags=FLAGS):
    """The library of a C file, compiled into a folder (ctypes.CDLL)."""
    path, compiled = (Path(folder) / source.with_suffix(suffix).name for suffix in (".so", ".o"))
    subprocess.run([compiler, *flags, "-c", str(source), "-o", str(compiled)], check=True)
    # linked apart: a library linked with -ffast-math would flush the small numbers of the whole process to zero
    subprocess.run([compiler, "-shared", str(compiled), "-o", str(path), "-lm"], check=True)
    return ctypes.CDLL(str(path))


def _library(folder, compiler):
    """The library of both forms, with the types of its functions."""
    library = build(folder, compiler)
    library.run_rate.argtypes = [ctypes.POINTER(Settings), *7 * [_ARRAY]]
    library.run_spiking.argtypes = [ctypes.POINTER(Settings), *16 * [_ARRAY]]
    library.run_rate.restype = library.run_spiking.restype = ctypes.c_double
    return library


def _settings(model, form, duration, **more):
    """What both forms share; first_counted and the units are of the spiking one."""
    taus = of.TAUS[form]
    return Settings(
        n=model.n, d=model.d, n_step=round(duration / of.DT), n_gated=round(of.GATE / of.DT), dt=of.DT, tau_g=taus.g,
        first_counted=round((duration - of.WINDOW) / of.DT), tau_start=of.TAU_START, sigma=of.SIGMA,
        pool_max=of.POOL_MAX, **more,
    )  # fmt: skip


def _rate(library, model, duration):
    """Output, no spikes, seconds."""
    taus, output = of.TAUS["rate"], np.zeros_like(model.tokens)
    keep = {name: 1 - of.DT / getattr(taus, name) for name in ("slow", "fast", "pool")}
    settings = _settings(
        model, "rate", duration, soma=of.DT / taus.soma, **{f"keep_{name}": value for name, value in keep.items()}
    )
    weights = [each.T.copy() for each in model[1:]]
    start = time.perf_counter()
    library.run_rate(ctypes.byref(settings), model.tokens, *weights, of.start_of_inhibition(model, "rate"), output)
    return output, None, time.perf_counter() - start


def _spiking(library, model, duration):
    """Output, spikes, seconds."""
    taus, units, counted = of.TAUS["spiking"], of.unit_rates(model, "spiking"), np.zeros_like(model.tokens)
    per_spike = of.weights_of_spikes(model)
    settings = _settings(
        model, "spiking", duration,
        **{f"keep_{name}": np.exp(-of.DT / getattr(taus, name)) for name in ("slow", "fast", "pool")},
        **{f"u_{short}": units[name] * of.DT for short, name in UNITS.items()},
        w_attention=per_spike["attention"], w_value=per_spike["value"], w_pool=per_spike["pool"],
    )  # fmt: skip
    weights = [per_spike[name].T.copy() for name in ("W_Q", "W_K", "W_V", "W_O")]
    arrays = [units["interneuron"] * of.DT, per_spike["shunt"], of.start_of_inhibition(model, "spiking")]
    start = time.perf_counter()
    spikes = library.run_spiking(
        ctypes.byref(settings), model.tokens, *weights, *arrays, *of.phases(model).values(), counted
    )
    run_s = time.perf_counter() - start
    return counted / (units["higher_order"] * of.WINDOW), spikes, run_s


UNITS = {
    "core": "core",
    "matrix": "matrix",
    "superficial": "superficial",
    "it": "intratelencephalic",
    "pt": "pyramidal_tract",
    "higher": "higher_order",
}
