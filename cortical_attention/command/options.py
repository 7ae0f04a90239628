"""The options that the commands share: their types for typer, and one check that turns them into settings."""

import math
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from brian2 import Hz, ms, second

from cortical_attention.simulation.attend import FORMS, WIRINGS, Settings
from cortical_attention.simulation.engine import TARGETS, compiler

Wiring = Annotated[str, typer.Option(help="mask (n x n microcolumns) or memory (tokens one by one).")]
Form = Annotated[str, typer.Option(help="rate, dale, spiking, adaptive or biophysical.")]
Kernel = Annotated[str, typer.Option(help="phi: elu+1, softplus, relu or exp.")]
Unnormalised = Annotated[bool, typer.Option("--unnormalised", help="Do not divide by Z.")]
Normalisation = Annotated[str, typer.Option(help="What inhibits: recurrent, feedforward, or output (wrong by design).")]
Dendrites = Annotated[str, typer.Option(help="shared (one a distinct drive) or explicit (one synapse a pair).")]
Cells = Annotated[int, typer.Option(help="Cells that share one number.")]
Duration = Annotated[float | None, typer.Option(help="Measured window, s.")]
Settle = Annotated[float | None, typer.Option(help="Time thrown away before it, s.")]
Dt = Annotated[float | None, typer.Option(help="Time step, ms.")]
UnitRate = Annotated[float, typer.Option(help="Largest unit rate of the nuclei, Hz.")]
Target = Annotated[str, typer.Option(help="Code generation: auto, numpy, cython or cpp.")]
Seed = Annotated[int, typer.Option(help="Seed of the membranes' starting phases.")]
InputSeed = Annotated[int, typer.Option(help="Seed of the random inputs, and of the membranes' starting phases.")]
Record = Annotated[
    str,
    typer.Option(help="default (nuclei, interneurons and PT whole, 200 cells of others), sample (32 of each) or all."),
]
Out = Annotated[Path | None, typer.Option(help="Folder of the result.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Write into a folder that has results.")]
Plan = Annotated[bool, typer.Option("--plan", help="Say what each target is expected to take, and run nothing.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]
Workers = Annotated[int, typer.Option(help="Local processes that share the heads; 0: one process runs the whole.")]
Scheduler = Annotated[str | None, typer.Option(help="Address of a dask scheduler whose workers share the heads.")]
Json = Annotated[bool, typer.Option("--json", help="Print the comparison as JSON, all else on standard error.")]

KERNELS = ("elu+1", "softplus", "relu", "exp")
MAX_CELLS, MIN_UNIT_RATE = 10**6, 1e-6  # chosen: far beyond what is of use, so that nothing overflows
MAX_STEPS = 1e9  # chosen: a day and more on the numpy target
NORMALISATIONS = ("recurrent", "feedforward", "output")


class OptionError(ValueError):
    """An option with a value it cannot have; one sentence that names it."""


class Options(NamedTuple):
    """What a command was asked for, checked.

    Attributes
    ----------
    wiring, kernel : str
    normalisation : str or None
        None: not normalised.
    settings : simulation.attend.Settings
    """

    wiring: str
    kernel: str
    normalisation: str | None
    settings: Settings


def check(
    *, wiring="mask", form="rate", kernel="elu+1", unnormalised=False, normalisation="recurrent", dendrites="shared",
    cells=1, duration=None, settle=None, dt=None, unit_rate=100.0, target="auto", seed=0, record="default", **others,
):  # fmt: skip
    """Options of the values given on the command line; `others` are left alone.

    Raises
    ------
    OptionError
        For an unknown word, or a number that is out of range.
    """
    one_of("--wiring", wiring, WIRINGS)
    one_of("--form", form, FORMS)
    one_of("--kernel", kernel, KERNELS)
    one_of("--normalisation", normalisation, NORMALISATIONS)
    one_of("--dendrites", dendrites, ("shared", "explicit"))
    one_of("--record", record, ("default", "sample", "all"))
    one_of("--target", target, TARGETS)
    if target in ("cython", "cpp") and compiler() is None:
        raise OptionError(f"--target {target} needs a C++ compiler, and none was found; --target numpy needs none")
    _positive("--duration", duration, "s")
    _positive("--settle", settle, "s")
    _positive("--dt", dt, "ms")
    _positive("--unit-rate", unit_rate, "Hz")
    if unit_rate < MIN_UNIT_RATE:
        raise OptionError(f"--unit-rate is {unit_rate} Hz but needs to be at least {MIN_UNIT_RATE} Hz")
    within("--cells", cells, 1, MAX_CELLS)
    if not 0 <= seed < 2**32:
        raise OptionError(f"--seed is {seed} but needs to lie between 0 and 2**32 - 1")
    settings = Settings(
        form=FORMS[form], window=_times(duration, second), settle=_times(settle, second), dt=_times(dt, ms),
        unit_rate=unit_rate * Hz, cells=cells, shared=dendrites == "shared", target=target, seed=seed, record=record,
    )  # fmt: skip
    times = settings.times()
    if times.dt > times.window / 8:
        raise OptionError(
            f"--dt is {times.dt / ms:g} ms but needs to be at most an eighth of the window of {times.window / second:g} s"
        )
    if (times.settle + times.window) / times.dt > MAX_STEPS:
        raise OptionError(
            f"--dt is {times.dt / ms:g} ms but needs to be longer: a run of {(times.settle + times.window) / second:g} s "
            f"would take more than {MAX_STEPS:.0e} steps"
        )
    return Options(wiring, kernel, None if unnormalised else normalisation, settings)


def some_of(name, words, known):
    """The words of a list with commas, each of them known, and once.

    Raises
    ------
    OptionError
    """
    words = tuple(dict.fromkeys(words.split(",")))
    for word in words:
        one_of(name, word, known)
    return words


def within(name, value, lowest, highest):
    """Refuse a value outside its bounds (OptionError)."""
    if not lowest <= value <= highest:
        raise OptionError(f"{name} is {value} but needs to lie between {lowest} and {highest}")


def one_of(name, value, known):
    """Refuse a word that is not known (OptionError)."""
    if value not in known:
        raise OptionError(f"{name} is '{value}' but needs to be one of {', '.join(known)}")


def _positive(name, value, unit):
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise OptionError(f"{name} is {value} {unit} but needs to be a finite number above 0")


def _times(value, unit):
    return None if value is None else value * unit
