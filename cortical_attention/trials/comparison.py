"""A circuit's answer beside the algebra: agreement, nulls, and the files of a result."""

import sys
from typing import NamedTuple

import numpy as np

from cortical_attention.circuits.protocol import RunError, phase_of
from cortical_attention.inputs.cases import CaseError, arrays, sizes
from cortical_attention.readout import agreement
from cortical_attention.readout.figures import comparison as comparison_figure
from cortical_attention.readout.files import result_folder, write_array, write_json
from cortical_attention.readout.provenance import jsonable, provenance
from cortical_attention.readout.raster import raster
from cortical_attention.readout.recording import to_block, write_nix
from cortical_attention.readout.style import save
from cortical_attention.reference.attention import linear_attention, softmax_attention
from cortical_attention.reference.nulls import additive_attention, key_only_attention, uniform_attention
from cortical_attention.simulation import engine
from cortical_attention.simulation.attend import Answer, attend, expected
from cortical_attention.simulation.settle import slots

SCHEMA_VERSION = 1
NULLS = {"uniform": uniform_attention, "key_only": key_only_attention, "additive": additive_attention}


class Reference(NamedTuple):
    """The algebra on one case: attention itself, the nulls, softmax attention, the mask, and whether it is normalised."""

    attention: object
    nulls: dict
    softmax: object
    mask: np.ndarray | None
    normalised: bool


class Comparison(NamedTuple):
    """One input: what the circuit answered, what the algebra says, and the figures of agreement (comparison.json)."""

    answer: Answer
    reference: Reference
    report: dict

    @property
    def run(self):
        """The run of the answer."""
        return self.answer.run


def reference_of(case, kernel, normalised=True):
    """Reference of a case.

    Raises
    ------
    CaseError
        Where the numbers are so large that attention, or the squares its errors are made of, overflow.
    """
    given = {"context": case.context, "mask": case.mask}
    how = {"kernel": kernel, "normalised": normalised}
    with np.errstate(over="ignore", invalid="ignore"):
        nulls = {name: null(case.tokens, case.block, **given, **how).output for name, null in NULLS.items()}
        attention = linear_attention(case.tokens, case.block, **given, **how)
        softmax = softmax_attention(case.tokens, case.block, **given).output
        squares = [np.vdot(output, output) for output in (attention.output, softmax, *nulls.values())]
    if not np.isfinite(squares).all():
        raise CaseError(f"{case.name}: holds numbers so large that attention overflows, but needs a finite answer")
    return Reference(attention, nulls, softmax, case.mask, normalised)


def compare(case, options, report=None, executor=None):
    """Let a circuit answer one case, and compare; a case whose answer overflows is refused before.

    Parameters
    ----------
    case : Case
    options : Options
    report : callable, optional
        Brian2's progress report.
    executor : concurrent.futures.Executor, optional
        Runs each head apart.

    Returns
    -------
    Comparison
    """
    reference = reference_of(case, options.kernel, options.normalisation is not None)
    answer = attend(
        options.wiring, case.tokens[None], options.settings, report, executor=executor, **_block_of(case, options)
    )
    return Comparison(answer, reference, describe(answer, reference, options, sizes(case)))


def _block_of(case, options):
    """What an attention block is besides its tokens, as `simulation.attend.attend` takes it."""
    context = None if case.context is None else case.context[None]
    how = {"kernel": options.kernel, "normalisation": options.normalisation}
    return {"context": context, "mask": case.mask, **how, **case.block._asdict()}


def plan_of(case, options):
    """What a comparison would take (dict): work, seconds expected on each target, and the choice; nothing is run."""
    target, reason, seconds, work = expected(
        options.wiring, case.tokens[None], options.settings, **_block_of(case, options)
    )
    return {"target": target, "reason": reason, "expected_s": seconds, **work._asdict()}


def describe(answer, reference, options, size, index=0):
    """The content of comparison.json for one input of a run.

    Parameters
    ----------
    answer : Answer
    reference : Reference
        Of that input alone.
    options : Options
    size : dict
        n_token, n_context, n_head, d_model, d_key, d_value.
    index : int
        Which input of the batch.

    Returns
    -------
    dict
    """
    run, form = answer.run, options.settings.form
    times = options.settings.times()
    phase, n_window, n_settle, _ = phase_of(times)
    return jsonable(
        {
            "schema_version": SCHEMA_VERSION,
            **_agreement(answer, reference, index),
            "peak_rate_hz": {name: float(rate) for name, rate in run.peak_rates.items()}
            if not run.interrupted
            else None,
            "wiring": options.wiring,
            "form": form.name,
            "kernel": options.kernel,
            "normalisation": options.normalisation,
            **size,
            "cells_a_number": options.settings.cells,
            "n_cell": run.n_cell,
            "n_synapse": run.n_synapse,
            "seed": options.settings.seed,
            "dt_s": float(times.dt),
            "settle_s": float(n_settle * phase),
            "window_s": float(n_window * phase),
            "biological_s": float(run.t_stop),
            "wall_s": run.wall,
            "stepping_s": run.stepping,
        }
    )


def _agreement(answer, reference, index):
    """Errors of the output and of the attention, beside those of the nulls; nothing measured if interrupted."""
    algebra = reference.attention
    nulls = {name: agreement.relative_l2(output, algebra.output) for name, output in reference.nulls.items()}
    found = {
        "relative_l2": None,
        "cosine": None,
        "max_abs": None,
        "attention_max_abs": None,
        **{f"{name}_relative_l2": error for name, error in nulls.items()},
        "skill": None,
        "kappa_correlation": None,
        "softmax_relative_l2": agreement.relative_l2(algebra.output, reference.softmax),
        "settled": False,
        "interrupted": answer.run.interrupted,
    }
    if answer.output is None:
        return found
    kappa = None if answer.attention is None else answer.attention[index]
    return found | {
        **figures_of(answer.output[index], kappa, reference),
        "settled": bool(answer.settled.settled[index]),
        **{name: float(np.asarray(getattr(answer.settled, name))[index]) for name in SETTLING},
        "silent": int(answer.settled.silent[index]),
        "reason": str(answer.settled.reason[index]),
    }


def figures_of(output, kappa, reference):
    """Agreement of an output (n_token, d_model), and of what its cells carry of kappa (or None), with the algebra.

    Raises
    ------
    RunError
        If the output is not finite.
    """
    if not np.isfinite(output).all():
        raise RunError("the circuit's answer is not finite; try a higher unit rate or smaller numbers")
    algebra = reference.attention
    nulls = {name: agreement.relative_l2(null, algebra.output) for name, null in reference.nulls.items()}
    weights = kappa if reference.normalised else None  # of others, uniform attention is no common part
    error = agreement.relative_l2(output, algebra.output)
    return {
        "relative_l2": error,
        "cosine": agreement.cosine(output, algebra.output),
        "max_abs": agreement.max_abs(output, algebra.output),
        "attention_max_abs": agreement.attention_max_abs(kappa, algebra.kappa),
        **{f"{name}_relative_l2": each for name, each in nulls.items()},
        "skill": agreement.skill(error, nulls),
        "kappa_correlation": agreement.kappa_correlation(weights, algebra.kappa, reference.mask),
    }


SETTLING = ("drift", "drift_tolerance", "sum_error", "sum_tolerance")


def error_over_time(answer, reference, options):
    """Relative L2 of the answer read in the first part of the window, for every part; times (Quantity, s) and errors."""
    windows, phase = answer.plan.protocol.windows, answer.plan.protocol.phase
    parts = range(1, windows.shape[1] + 1)
    read = [slots(answer.run, options.settings.form, windows[:, :part]) for part in parts]
    outputs = [answer.plan.read(answer.plan.output, each)[0] for each in read]
    errors = [agreement.relative_l2(output, reference.attention.output) for output in outputs]
    return np.array(parts) * phase, errors


def write(compared, case, options, folder):
    """Write the files of a result; what an interrupted run has not computed is left out."""
    answer, reference, report = compared
    write_array(folder / "reference.npy", reference.attention.output)
    write_json(folder / "comparison.json", report)
    write_json(folder / "run.json", run_json(answer, options))
    if answer.output is not None:
        write_array(folder / "output.npy", answer.output[0])
        save(draw(compared, options), folder / "comparison.png")
    write_recording(answer, options, folder)


def write_recording(answer, options, folder):
    """recording.nix and raster.png of the first input."""
    run = answer.run
    if len(run.records[0].sample_time) > 1:
        save(raster(run, settle=answer.plan.protocol.settle), folder / "raster.png")
    write_nix(to_block(run, wiring=options.wiring, form=options.settings.form.name), folder / "recording.nix")


def draw(compared, options):
    """comparison.png of a finished run."""
    answer, reference, report = compared
    times, errors = error_over_time(answer, reference, options)
    nulls = {name: report[f"{name}_relative_l2"] for name in NULLS}
    kappa = None if answer.attention is None else answer.attention[0]
    algebra = reference.attention
    return comparison_figure(answer.output[0], algebra.output, kappa, algebra.kappa, times, errors, nulls)


def run_json(answer, options):
    """Content of run.json."""
    run = answer.run
    unit_rates = {name: rates[0] if len(rates) == 1 else rates for name, rates in run.unit_rates.items()}
    target = {"target": run.target, "reason": run.target_reason, "flags": engine.flags(run.target)}
    parameters = {
        "wiring": options.wiring,
        "kernel": options.kernel,
        "normalisation": options.normalisation,
        **options.settings._asdict(),
        **options.settings.times()._asdict(),
        "form": options.settings.form._asdict(),
        "readings": {name: each._asdict() for name, each in answer.plan.readings().items()},
        "cell_types": {name: each.cell._asdict() for name, each in answer.plan.circuit.populations.items()},
        "populations": {
            name: each.parameters for name, each in answer.plan.circuit.populations.items() if each.parameters
        },
    }
    return provenance(sys.argv, parameters, run.seeds, unit_rates, target, run.wall)


def content_of(case):
    """All numbers of a case, for the hash that names its default folder."""
    return {name: array.tolist() for name, array in arrays(case).items()}


def open_folder(experiment, options, case, out, overwrite):
    """Folder of a result; refused before anything is simulated."""
    settings = {"wiring": options.wiring, "kernel": options.kernel, "normalisation": options.normalisation}
    return result_folder(experiment, settings | options.settings._asdict() | {"case": case}, out, overwrite)
