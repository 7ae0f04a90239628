"""Calibration of the circuit of a comparison: on which sequences, and its file."""

import json
from pathlib import Path

import numpy as np
from brian2 import Quantity, get_dimensions
from brian2.units.fundamentalunits import get_or_create_dimension

from cortical_attention.inputs.cases import Case, CaseError, sizes
from cortical_attention.readout.files import write_json
from cortical_attention.simulation.attend import calibrate, calibrate_together, drawn_for, needs_calibration, wiring_of
from cortical_attention.simulation.calibrate import Calibration
from cortical_attention.simulation.settings import SettingError
from cortical_attention.trials.systems import blaming

GIVEN, DRAWN, ON_INPUT = "given", "drawn", "on input"
SCHEMA_VERSION = 2
WORDS = (
    "circuit",
    "form",
    "unit_rates_hz",
    "constants",
    "sequences",
    "source",
    "kernels",
    "inputs",
    "synapses",
    "rules",
)
SOURCES = (GIVEN, DRAWN, ON_INPUT, None)


def calibration_for(tokens, context, block, options, sequences=None, executor=None):
    """Calibration of a circuit for inputs of one block, by the options.

    Parameters
    ----------
    tokens : ndarray, shape (batch, n_token, d_model)
        Tested sequences.
    context : ndarray, shape (batch, n_context, d_model), or None
    block : dict
        Everything else that `simulation.attend.prepare` takes by name.
    options : Options
        A calibration of theirs is taken as it is; otherwise, with `on_input`, one is made on the tested sequences.
    sequences : (ndarray, ndarray or None), optional
        Calibration sequences and their contexts; None: they are drawn with the mean and covariance of the tested ones.
    executor : concurrent.futures.Executor, optional
        Runs each head apart.

    Returns
    -------
    Calibration or None
        None where nothing is to be set: in a form without spikes, unless a cell type has weights to be fitted.

    Raises
    ------
    CaseError
        If a tested sequence is among those of the calibration, and `on_input` does not ask for that.
    WiringError, RunError, KeyboardInterrupt
        As `simulation.attend.calibrate`.
    """
    own = block | {"context": context}
    plan = wiring_of(options.system)(options.settings.times(), tokens, **own)
    if not needs_calibration(plan, options.settings.form):
        if options.calibration is not None:
            raise SettingError(
                f"form is '{options.settings.form.name}', which needs no calibration; it needs to have spikes"
            )
        return None
    if options.calibration is not None:
        return _labelled(options.calibration, tokens, context, options.on_input)
    if options.on_input:
        return calibrate(options.system, tokens, options.settings, executor, **own)._replace(source=ON_INPUT)
    if sequences is None:
        drawn, own = drawn_for(tokens, **own)
        return calibrate(options.system, drawn, options.settings, executor, **own)._replace(source=DRAWN)
    own |= {"context": sequences[1]}
    return _labelled(calibrate(options.system, sequences[0], options.settings, executor, **own), tokens, context, False)


def _labelled(calibration, tokens, context, on_input):
    """Calibration that was given, with its source; refused if it contains a tested sequence and that is not asked for."""
    if not calibration.contains(tokens, context):
        return calibration._replace(source=GIVEN)
    if on_input:
        return calibration._replace(source=ON_INPUT)
    raise CaseError(
        "the calibration contains the tested sequence but needs to be of other sequences; take it out, or ask for a "
        "calibration on the input with --calibrate-on-input (on_input=True)"
    )


def calibrate_cases(cases, options):
    """One calibration for the blocks of some cases, each on its calibration sequences.

    Parameters
    ----------
    cases : sequence of Case
        Of equal sizes, all with calibration sequences.
    options : Options

    Returns
    -------
    Calibration

    Raises
    ------
    CaseError
        If a case has no calibration sequences, or other sizes than the first.
    SettingError
        If the form has no spikes: it needs no calibration.
    WiringError, RunError, KeyboardInterrupt
        As `simulation.attend.calibrate`.
    """
    if not cases or not all(isinstance(case, Case) for case in cases):
        raise CaseError("cases needs to be one Case, or several")
    first = cases[0]
    block = {"kernel": options.kernel, "normaliser": options.normaliser, **first.block._asdict()}
    context = None if first.context is None else first.context[None]
    plan = wiring_of(options.system)(options.settings.times(), first.tokens[None], context=context, **block)
    if not needs_calibration(plan, options.settings.form):
        raise SettingError(
            f"form is '{options.settings.form.name}', which needs no calibration; it needs to have spikes"
        )
    for case in cases:
        if case.calibration is None:
            raise CaseError(f"{case.name}: has no array 'calibration' but needs sequences to calibrate a circuit on")
        if sizes(case) != sizes(cases[0]):
            raise CaseError(
                f"{case.name}: has sizes {sizes(case)} but needs those of {cases[0].name}, {sizes(cases[0])}"
            )
    how = {"kernel": options.kernel, "normaliser": options.normaliser}
    every = [
        (each.calibration, {"context": each.calibration_context, "mask": each.mask, **how, **each.block._asdict()})
        for each in cases
    ]
    with blaming(options.system, options.settings.form):
        return calibrate_together(options.system, every, options.settings)


def sequences_of(case: Case):
    """Calibration sequences of a case and their contexts, or None without them."""
    return None if case.calibration is None else (case.calibration, case.calibration_context)


def text_of(calibration: Calibration) -> dict:
    """Content of calibration.json: words and numbers; constants in SI units with the exponents of the seven base units."""
    constants = {
        name: {each: _plain(value) for each, value in constants.items()}
        for name, constants in calibration.constants.items()
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "circuit": calibration.circuit,
        "form": calibration.form,
        "source": calibration.source,
        "unit_rates_hz": {name: np.asarray(each).tolist() for name, each in calibration.unit_rates.items()},
        "kernels": calibration.kernels,
        "constants": constants,
        "synapses": calibration.synapses,
        "rules": calibration.rules,
        "inputs": {
            name: {port: np.asarray(values).tolist() for port, values in given.items()}
            for name, given in calibration.inputs.items()
        },
        "sequences": list(calibration.sequences),
    }


def _plain(value):
    """A number with its dimensions."""
    return {"value": float(value), "dimensions": [float(each) for each in get_dimensions(value)._dims]}


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write a calibration.

    Raises
    ------
    FolderError
        If the file cannot be written.
    """
    write_json(path, text_of(calibration))


def read_calibration(path: str | Path) -> Calibration:
    """Calibration from a file that `write_calibration` wrote.

    Raises
    ------
    CaseError
        If there is no such file, or it is none of a calibration; one sentence.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        version = content["schema_version"]
        if version == SCHEMA_VERSION:
            return _of_text(content)
        why = f"has schema_version {version!r}, which is not {SCHEMA_VERSION},"
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        why = "is damaged or of another kind"
    raise CaseError(f"{path}: {why} but needs to be a calibration.json, of a result folder or of `calibrate --out`")


def _of_text(content):
    """Calibration from the content of its file; whatever is wrong with it raises one of Python's own errors."""
    circuit, form, rates, constants, sequences, source, kernels, given, synapses, rules = (
        content[name] for name in WORDS
    )
    units = {name: np.array(each, dtype=float) for name, each in rates.items()}
    if not units or not all(each.size and np.isfinite(each).all() and (each > 0).all() for each in units.values()):
        raise ValueError
    fitted = {name: {each: _quantity(**value) for each, value in given.items()} for name, given in constants.items()}
    if not all(isinstance(each, str) for one in (rules, *kernels.values()) for each in one.values()):
        raise ValueError
    inputs = {name: {port: _finite(values) for port, values in each.items()} for name, each in given.items()}
    if (
        not {*fitted, *kernels, *inputs, *rules} <= units.keys()
        or source not in SOURCES
        or not isinstance(sequences, list)
    ):
        raise ValueError
    known = tuple(map(str, sequences)), source, kernels, inputs, str(synapses), rules
    return Calibration(str(circuit), str(form), units, fitted, *known)


def _finite(values):
    """Numbers, all finite."""
    found = np.array(values, dtype=float)
    if not np.isfinite(found).all():
        raise ValueError
    return found


def _quantity(value, dimensions):
    """A number, with its dimensions if it has any."""
    if not np.isfinite(value):
        raise ValueError
    return Quantity(value, dim=get_or_create_dimension(dimensions)) if any(dimensions) else float(value)
