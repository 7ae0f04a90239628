"""Options shared by the commands: their types for typer, and one check that converts them into settings."""

import math
import re
from pathlib import Path
from typing import Annotated

import typer
from brian2 import Hz, ms, second

from cortical_attention.cells import kernels as of_cells
from cortical_attention.cells.forms import FORMS
from cortical_attention.cells.forms.form import Form as FormType
from cortical_attention.cells.superficial import SUPERFICIAL
from cortical_attention.cells.synapses import DEFAULT, SYNAPSES, with_synapses
from cortical_attention.simulation.engine import PRECISIONS, TARGETS, compiler
from cortical_attention.simulation.settings import WINDOW, Settings
from cortical_attention.simulation.traces import WORDS
from cortical_attention.trials.calibration import read_calibration
from cortical_attention.trials.loading import loaded
from cortical_attention.trials.options import MAX_REPLICAS, Options
from cortical_attention.trials.systems import ATTENTIONS, SYSTEMS, kernels, system_of
from cortical_attention.wiring.expressions import WiringError


def by_form(value_of):
    """Defaults of the forms in words: "1 for rate, dale; 0.5 for biophysical".

    Parameters
    ----------
    value_of : callable
        From a Form to a number.

    Returns
    -------
    str
    """
    names = {}
    for form in FORMS.values():
        names.setdefault(value_of(form), []).append(form.name)
    return "; ".join(f"{value:g} for {', '.join(each)}" for value, each in names.items())


def out_option(default):
    """Type of --out, whose default is made at the end of a run: in words."""
    return Annotated[Path | None, typer.Option(help=OUT, show_default=default)]


OWN = "or module:object of your own"
OUT = "Result folder, reserved before the run."
_ABOUT = ", ".join(f"{each.name} ({each.about})" for each in SYSTEMS.values())
Wiring = Annotated[str, typer.Option(help=f"Wiring of the circuit: {_ABOUT}, {OWN}.")]
Form = Annotated[str, typer.Option(help=f"Form of the cells: {', '.join(FORMS)}, {OWN}.")]
Attention = Annotated[
    str | None,
    typer.Option(
        help="Attention that the circuit computes: linear or softmax, which has a wiring of its own.",
        show_default="that of the wiring",
    ),
]
Kernel = Annotated[str, typer.Option(help=f"Kernel phi of the dendrites: {', '.join(kernels())}.")]
Unnormalised = Annotated[bool, typer.Option("--unnormalised", help="Attention without division by Z.")]
Normaliser = Annotated[
    str,
    typer.Option(
        help="Inhibitory circuit that divides by Z: pi (recurrent, done with the dendrites), factorised (feed-forward), "
        "plausible (summing and leaky: comes near Z), slow (recurrent, over four lags), feedforward (sister cells), or "
        "output (wrong by design). For softmax attention pi and slow subtract log Z, and divisive divides by Z."
    ),
]
Synapses = Annotated[
    str,
    typer.Option(
        help="Time constants of dendrites, and delays: slow (100/50/10 ms), fast (10/5/5 ms) or physiological."
    ),
]
Dendrites = Annotated[
    str, typer.Option(help="Simulated dendrites: shared (one per distinct drive) or explicit (one synapse per pair).")
]
Cells = Annotated[int, typer.Option(help="Cells per value.")]
Duration = Annotated[
    float | None,
    typer.Option(
        help="Measured time (s); by default longer for forms with spikes.",
        show_default=by_form(lambda form: WINDOW[form.spikes] / second),
    ),
]
Settle = Annotated[
    float | None,
    typer.Option(
        help="Settling time before the measurement (s); by default that of the form, or more where log Z asks for it.",
        show_default=by_form(lambda form: form.settle / second),
    ),
]
Dt = Annotated[
    float | None,
    typer.Option(help="Time step (ms); by default that of the form.", show_default=by_form(lambda form: form.dt / ms)),
]
UnitRate = Annotated[
    float,
    typer.Option(help="Largest unit rate of thalamic nuclei (Hz); exceeded where all their values are below one half."),
]
Target = Annotated[str, typer.Option(help="Code generation of Brian2: auto (by estimated time), numpy, cython or cpp.")]
Precision = Annotated[str, typer.Option(help=f"Precision of cells and synapses: {', '.join(PRECISIONS)}.")]
Seed = Annotated[int, typer.Option(help="Seed of initial membrane states and of noise.")]
InputSeed = Annotated[int, typer.Option(help="Seed of the random inputs, of initial membrane states and of noise.")]
Record = Annotated[
    str,
    typer.Option(
        help="Recorded cells: default (all of nuclei, interneurons and L5 PT, 200 of each other population), "
        "sample (32 per population) or all. And traces of variables: superficial:v,apical, of 8 cells, or of chosen ones: "
        "'superficial\\[head=0,token=2,count=4]:v'; several are parted by spaces. `describe` lists the variables."
    ),
]
Calibration = Annotated[
    Path | None,
    typer.Option(
        help="A calibration.json, of a result folder or of `calibrate`, that the cells are set to.",
        show_default="made on the calibration sequences of the case, or on sequences drawn with the mean and covariance of "
        "its tokens",
    ),
]
OnInput = Annotated[
    bool, typer.Option("--calibrate-on-input", help="Calibrate the circuit on the tested sequence itself.")
]
Replicas = Annotated[
    int,
    typer.Option(
        help="Answers to each input, side by side with independent noise; from two on, the error by design is told apart "
        "from noise."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the results in an existing folder.")]
Plan = Annotated[bool, typer.Option("--plan", help="Print the expected time of each target, without a run.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", help="Hide the progress: a bar, or lines where standard error is no terminal.")
]
Report = Annotated[
    bool, typer.Option("--report", help="Make the page of the result too: report.html, as the command `report` does.")
]
Workers = Annotated[
    int, typer.Option(help="Number of local processes that share the heads; 0: one process for the whole circuit.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="Address of a dask scheduler whose workers share the heads.", show_default="none: this machine alone"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, everything else on standard error.")]

MAX_CELLS, MIN_UNIT_RATE = 10**6, 1e-6  # chosen: far beyond what is of use, so that nothing overflows
MAX_STEPS = 1e9  # chosen: a day and more on the numpy target


class OptionError(ValueError):
    """An option with an invalid value; the message is one sentence that names it."""


def check(
    *, wiring="mask", attention=None, form="rate", kernel="elu+1", unnormalised=False, normaliser="pi", synapses=DEFAULT,
    dendrites="shared", cells=1, duration=None, settle=None, dt=None, unit_rate=100.0, target="auto", precision="double",
    seed=0, record="default", calibration=None, calibrate_on_input=False, replicas=1, without_reference=False,
    **others,
):  # fmt: skip
    """Check the values of the command line; `others` are ignored.

    Parameters
    ----------
    wiring : str, callable or System
    form : str or Form
        A name, or `module:object`.
    without_reference : bool
        Whether to accept a wiring without an algebra.

    Raises
    ------
    OptionError
        For an unknown word, or a number out of range.
    """
    form = checked_form(form)
    wiring = with_attention(wiring, attention, form)
    system = checked_wiring(wiring, without_reference)
    _check_kernel(kernel)
    one_of("--normaliser", normaliser, system.normalisers)
    _check_softmax(system, kernel, unnormalised)
    one_of("--synapses", synapses, SYNAPSES)
    form = with_synapses(form, synapses)
    one_of("--dendrites", dendrites, ("shared", "explicit"))
    record = recorded(record)
    check_target(target)
    one_of("--precision", precision, PRECISIONS)
    for name, value, unit in (("duration", duration, "s"), ("settle", settle, "s"), ("dt", dt, "ms")):
        _positive(f"--{name}", value, unit)
    _positive("--unit-rate", unit_rate, "Hz")
    if unit_rate < MIN_UNIT_RATE:
        raise OptionError(f"--unit-rate is {unit_rate} Hz but needs to be at least {MIN_UNIT_RATE} Hz")
    within("--cells", cells, 1, MAX_CELLS)
    within("--replicas", replicas, 1, MAX_REPLICAS)
    if not 0 <= seed < 2**32:
        raise OptionError(f"--seed is {seed} but needs to lie between 0 and 2**32 - 1")
    settings = Settings(
        form=form, window=_times(duration, second), settle=_times(settle, second), dt=_times(dt, ms),
        unit_rate=unit_rate * Hz, cells=cells, shared=dendrites == "shared", target=target, precision=precision, seed=seed,
        record=record, synapses=synapses,
    )  # fmt: skip
    _check_times(settings.times(), form)
    given = None if calibration is None else read_calibration(calibration)
    how = {"on_input": calibrate_on_input, "replicas": replicas}
    return Options(wiring, kernel, None if unnormalised else normaliser, settings, given, **how)


def check_target(target):
    """Refuse a target that is unknown, or that needs a compiler where there is none (OptionError)."""
    one_of("--target", target, TARGETS)
    if target in ("cython", "cpp") and compiler() is None:
        raise OptionError(f"--target {target} needs a C++ compiler, and none was found; --target numpy needs none")


def recorded(text):
    """What is to be recorded, from the command line.

    Parameters
    ----------
    text : str or dict
        ``"sample"``, ``"superficial:v,apical"``, ``"all superficial[head=0,count=2]:v core:v"``; a dict is left as it is.

    Returns
    -------
    str or dict
        As `simulation.traces.request_of` takes it.

    Raises
    ------
    OptionError
    """
    if not isinstance(text, str):
        return text
    words = text.split()
    alone = [word for word in words if ":" not in word]
    if len(alone) > 1 or not words:
        raise OptionError(f"--record is '{text}' but needs one of {', '.join(WORDS)}, and population:variable")
    for word in alone:
        one_of("--record", word, (*WORDS, "population:variable"))
    named = [_trace(word) for word in words if ":" in word]
    traces = dict(named)
    if len(traces) < len(named):
        raise OptionError(f"--record is '{text}' but needs each population once: superficial:v,apical")
    return ({"cells": alone[0]} if alone else {}) | traces if traces else alone[0]


def _trace(word):
    """Population and request of ``population[head=0]:variable,variable``."""
    found = re.fullmatch(r"(\w+)(?:\[((?:\w+=\d+,?)+)\])?:(\w+(?:,\w+)*)", word)
    if not found:
        raise OptionError(f"--record is '{word}' but needs to be like superficial:v,apical or superficial[head=0]:v")
    name, places, variables = found.groups()
    at = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", places or "")}
    return name, {"variables": variables.split(","), **at}


def checked_wiring(wiring, without_reference=False, option="--wiring"):
    """System of a wiring; its reference is required unless `without_reference`.

    Raises
    ------
    OptionError
    """
    try:
        system = system_of(wiring, option)
    except WiringError as error:
        raise OptionError(str(error)) from error
    if system.reference is None and not without_reference:
        raise OptionError(f"{option} is '{system.name}' but needs to be a System with a reference; compare takes any")
    return system


def with_attention(wiring, attention, form):
    """Wiring of an attention: as given, or its sister for softmax attention in the place of the mask wiring, which adds
    products of rectified values where the thresholds of a form's cells rectify.

    Raises
    ------
    OptionError
        If the wiring is of another attention.
    """
    if attention is None:
        return wiring
    one_of("--attention", attention, ATTENTIONS)
    if attention == "softmax" and wiring == "mask":
        return "softmax" if form.of(SUPERFICIAL).drive.kernels else "softmax_quadrants"
    own = checked_wiring(wiring, without_reference=True)
    if own.attention != attention:
        raise OptionError(f"--attention is '{attention}' but wiring '{own.name}' is of {own.attention} attention")
    return wiring


def checked_form(form):
    """Form of a name, or of `module:object`, which then becomes its name.

    Raises
    ------
    OptionError
    """
    if isinstance(form, FormType):
        return form
    if ":" not in form:
        one_of("--form", form, (*FORMS, "module:object"))
        return FORMS[form]
    try:
        found = loaded("--form", form)
    except WiringError as error:
        raise OptionError(str(error)) from error
    if not isinstance(found, FormType):
        raise OptionError(f"--form is '{form}' but needs to be a Form; it is a {type(found).__name__}")
    return found._replace(name=form)


def _check_kernel(kernel):
    """Refuse a kernel that the circuit or the algebra does not have (OptionError)."""
    if kernel in of_cells.KERNELS and kernel not in kernels():
        known = ", ".join(kernels())
        raise OptionError(f"--kernel is '{kernel}', which the algebra does not have, but needs to be one of {known}")
    one_of("--kernel", kernel, kernels())


def _check_softmax(system, kernel, unnormalised):
    """Refuse for softmax attention what only linear attention has (OptionError)."""
    if system.attention == "softmax" and unnormalised:
        raise OptionError(f"--unnormalised does not go with wiring '{system.name}': softmax attention is divided by Z")
    if system.attention == "softmax" and kernel != "elu+1":
        raise OptionError(f"--kernel does not go with wiring '{system.name}': softmax attention has no kernel")


def _check_times(times, form):
    """Refuse a time step that is too long for the window or for the cells, or too short for a run to end."""
    dt = f"--dt is {times.dt / ms:g} ms"
    if times.dt > times.window / 8:
        raise OptionError(f"{dt} but needs to be at most an eighth of the window of {times.window / second:g} s")
    name, tau = form.shortest_time_constant()
    if times.dt > tau:
        raise OptionError(f"{dt} but needs to be at most {tau / ms:g} ms, {name} of form {form.name}")
    if (times.settle + times.window) / times.dt > MAX_STEPS:
        raise OptionError(
            f"{dt} but needs to be longer: a run of {(times.settle + times.window) / second:g} s "
            f"would take more than {MAX_STEPS:.0e} steps"
        )


def some_of(name, words, known):
    """Words of a comma-separated list, without repetitions; each has to be known.

    Raises
    ------
    OptionError
    """
    words = tuple(dict.fromkeys(word.strip() for word in words.split(",")))
    for word in words:
        one_of(name, word, known)
    return words


def some_wirings(name, words):
    """Wirings of a comma-separated list, each registered or `module:object`, without repetitions; None for None.

    Raises
    ------
    OptionError
    """
    if words is None:
        return None
    words = tuple(dict.fromkeys(words.split(",")))
    for word in words:
        checked_wiring(word, option=name)
    return words


def given_or(usual, *given):
    """Values of options: each that was given, or else the usual one (list)."""
    return [each if own is None else own for each, own in zip(usual, given, strict=True)]


def within(name, value, lowest, highest):
    """Refuse a value outside its bounds (OptionError)."""
    if not lowest <= value <= highest:
        raise OptionError(f"{name} is {value} but needs to lie between {lowest} and {highest}")


def one_of(name, value, known):
    """Refuse an unknown word (OptionError)."""
    if value not in known:
        raise OptionError(f"{name} is '{value}' but needs to be one of {', '.join(known)}")


def _positive(name, value, unit):
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise OptionError(f"{name} is {value} {unit} but needs to be a finite number above 0")


def _times(value, unit):
    return None if value is None else value * unit
