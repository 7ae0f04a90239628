"""Comparison of a circuit's answer with the algebra of its system: errors, null models, and content of comparison.json."""

from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from cortical_attention.circuits.protocol import RunError, phase_of
from cortical_attention.inputs.cases import CaseError, largest_value, sizes
from cortical_attention.readout import agreement
from cortical_attention.readout.provenance import jsonable
from cortical_attention.reference.attention import linear_attention, softmax_attention
from cortical_attention.reference.nulls import rounding
from cortical_attention.simulation.attend import Answer, Prepared, expected, prepare, read, run
from cortical_attention.simulation.run import Run
from cortical_attention.simulation.settle import window_values
from cortical_attention.trials.calibration import calibration_for, sequences_of
from cortical_attention.trials.forecast import forecasts_for
from cortical_attention.trials.loading import one_line
from cortical_attention.trials.systems import NULLS, SYSTEMS, blaming
from cortical_attention.wiring.expressions import WiringError

SCHEMA_VERSION = 1


class Reference(NamedTuple):
    """The algebra on one case.

    Attributes
    ----------
    attention : Attention, or None
        Of the system's reference; None where it has none.
    nulls : dict of str to ndarray, shape (n_token, d_model)
    softmax : ndarray, shape (n_token, d_model), or None
        Softmax attention, where the reference is linear attention; None elsewhere.
    mask : ndarray of bool, shape (n_token, n_context), or None
    normalised : bool
    rounding : float
        Relative L2 up to which a null is exact.
    """

    attention: object
    nulls: dict
    softmax: np.ndarray | None
    mask: np.ndarray | None
    normalised: bool
    rounding: float = np.inf


class Presented(NamedTuple):
    """A finished or interrupted run of one case, of which nothing is read yet."""

    prepared: Prepared
    run: Run

    @property
    def plan(self):
        """The plan of the run."""
        return self.prepared.plan

    @property
    def calibration(self):
        """The calibration of the circuit."""
        return self.prepared.calibration


class Comparison(NamedTuple):
    """One input: what the circuit answered, what the algebra says, and the figures of agreement (comparison.json).

    The answer may be to several inputs; this one is at `index` of its batch, and its replicas follow.
    """

    answer: Answer
    reference: Reference
    report: dict
    index: int = 0

    @property
    def run(self):
        """The run of the answer."""
        return self.answer.run

    @property
    def output(self):
        """Answer to this input, (n_token, d_model); None of an interrupted run."""
        return None if self.answer.output is None else self.answer.output[self.index]

    @property
    def attention(self):
        """Attention weights on this input, (n_head, n_token, n_context); None where no cell carries them."""
        return None if self.answer.attention is None else self.answer.attention[self.index]


def reference_of(case, kernel, normalised=True, system=SYSTEMS["mask"]):
    """Reference of a case.

    Parameters
    ----------
    case : Case
    kernel : str
    normalised : bool
    system : System
        Whose algebra it is; linear attention, unless given.

    Returns
    -------
    Reference

    Raises
    ------
    CaseError
        Where the values are so large that attention, or the squares its errors are made of, overflow.
    WiringError
        Where a reference of the user's own fails.
    """
    if system.reference is None:
        return Reference(None, {}, None, case.mask, normalised)
    given = {"context": case.context, "mask": case.mask}
    how = given | {"kernel": kernel, "normalised": normalised}
    with np.errstate(over="ignore", invalid="ignore"), blaming(system):
        nulls = {name: null(case.tokens, case.block, **how).output for name, null in system.nulls.items()}
        attention = system.reference(case.tokens, case.block, **how)
        linear = system.reference is linear_attention
        softmax = softmax_attention(case.tokens, case.block, **given).output if linear else None
        rounded = agreement.relative_size(rounding(case.tokens, case.block, **how), attention.output)
        outputs = [attention.output, *nulls.values(), *([] if softmax is None else [softmax])]
        squares = [np.vdot(output, output) for output in outputs]
    if not np.isfinite(squares).all():
        raise CaseError(f"{case.name}: holds values so large that attention overflows, but needs a finite answer")
    return Reference(attention, nulls, softmax, case.mask, normalised, np.inf if rounded is None else rounded)


def reference_for(case, options):
    """Reference of a case, by the system, kernel and normaliser of the options.

    Parameters
    ----------
    case : Case
    options : Options

    Returns
    -------
    Reference

    Raises
    ------
    CaseError, WiringError
        As `reference_of`.
    """
    return reference_of(case, options.kernel, options.normaliser is not None, options.system)


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
    reference, (forecast,) = reference_for(case, options), forecasts_for([case], options)
    return held(present(case, options, report, executor), reference, case, options, forecast)


def present(case, options, report=None, executor=None, **more):
    """Run a circuit on one case, without reading its answer or comparing it.

    Parameters
    ----------
    case : Case
    options : Options
    report : callable, optional
        Brian2's progress report.
    executor : concurrent.futures.Executor, optional
        Runs each head apart.
    **more
        Further arguments of `simulation.run.simulate`, without an executor: `watch`.

    Returns
    -------
    Presented
        Of a batch of the input and its replicas; the run may be interrupted.

    Raises
    ------
    WiringError
        If the case does not fit the wiring, the form lacks a cell type of the circuit, or its heads cannot be run apart;
        also for any other exception in a wiring or form of the user's own.
    RunError
        If the simulation failed.
    KeyboardInterrupt
        If the calibration was interrupted, or one of several heads run apart.
    """
    system = options.system
    with blaming(system, options.settings.form):
        tokens, block = case.tokens[None], block_of(case, options)
        context = block.pop("context")
        calibration = calibration_for(tokens, context, block, options, sequences_of(case), executor)
        tokens, context = (options.replicated(each) for each in (tokens, context))
        prepared = prepare(system, tokens, options.settings, calibration, executor, context=context, **block)
        return Presented(prepared, run(prepared, report, executor, **more))


def held(presented, reference, case, options, forecast=None):
    """Read the answer of a run, judge whether it has settled, and compare it with the algebra.

    Parameters
    ----------
    presented : Presented
        Run of this case; of an interrupted one nothing is read.
    reference : Reference
        Of this case.
    case : Case
        Only its sizes are used.
    options : Options
    forecast : float, optional
        Relative L2 that was expected before the run (`trials.forecast`).

    Returns
    -------
    Comparison

    Raises
    ------
    RunError
        If the output is not finite.
    ValueError
        If the output, or the attention weights, differ in shape from those of the algebra.
    WiringError
        If a reading of the plan sums over an axis that its population lacks.
    """
    answer = read(*presented)
    return Comparison(answer, reference, describe(answer, reference, options, case, forecast=forecast))


@contextmanager
def keeping(folder):
    """Say of what fails after a run that the run is on disk.

    Raises
    ------
    RunError
        In place of any error but those of the file system and of memory.
    """
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error.__cause__, OSError):  # a full disk, in a sentence
            raise
        said = str(error) if isinstance(error, RunError | WiringError) else one_line(error)
        raise RunError(f"{said}; the run is written to {folder}, its comparison is not whole") from error


def block_of(case, options):
    """Keyword arguments of a case and its options for `simulation.attend.prepare`: everything but the tokens.

    Parameters
    ----------
    case : Case
    options : Options

    Returns
    -------
    dict of str to object
        `context`, shape (1, n_context, d_model), or None; `mask`, shape (n_token, n_context), or None; `kernel` and
        `normaliser`; weights and biases of the block by name, in the shapes of the case.
    """
    context = None if case.context is None else case.context[None]
    how = {"kernel": options.kernel, "normaliser": options.normaliser}
    return {"context": context, "mask": case.mask, **how, **case.block._asdict()}


def plan_of(case, options):
    """Expected cost of a comparison, without running it.

    Parameters
    ----------
    case : Case
    options : Options

    Returns
    -------
    dict
        `target` and `reason` (the target of the run and why), `expected_s` (dict of str to float: seconds by target, without
        the calibration), and the fields of `simulation.engine.Work`.

    Raises
    ------
    WiringError
        If a projection does not fit its populations and synapses are explicit; also for any exception in a wiring or form of
        the user's own.
    """
    with blaming(options.system, options.settings.form):
        target, reason, seconds, work = expected(
            options.system, case.tokens[None], options.settings, **block_of(case, options)
        )
    return {"target": target, "reason": reason, "expected_s": seconds, **work._asdict()}


def describe(answer, reference, options, case, index=0, forecast=None):
    """The content of comparison.json for one input of a run.

    Parameters
    ----------
    answer : Answer
    reference : Reference
        Of that input alone.
    options : Options
    case : Case
        The input.
    index : int
        Which input of the batch; its replicas follow.
    forecast : float, optional
        Relative L2 that was expected before the run.

    Returns
    -------
    dict
    """
    run, form, own = answer.run, options.settings.form, slice(index, index + options.replicas)
    times = options.settings.times()
    phase, n_window, n_settle, _ = phase_of(times)
    if answer.plan.protocol.token_of is None:  # where interneurons need longer, `prepare` gives it to them
        n_settle = answer.plan.protocol.windows[0, 0]
    return jsonable(
        {
            "schema_version": SCHEMA_VERSION,
            **_agreement(answer, reference, index, options.replicas),
            "relative_l2_by_design": _by_design(answer, reference, index, options.replicas),
            "replicas": options.replicas,
            "nulls": list(reference.nulls),
            "rounding": reference.rounding,
            "forecast_relative_l2": forecast,
            "error_over_time": _errors(answer, reference, form, index),
            "peak_rate_hz": {name: float(rate) for name, rate in run.peak_rates.items()}
            if not run.interrupted
            else None,
            "saturated": {
                name: each.share[own].max() for name, each in run.saturated.items() if each.beyond[own].any()
            },
            "calibration": answer.calibration.source,
            "wiring_notices": answer.plan.circuit.notices(),
            "nearer_nulls": _nearer(answer, reference, index),
            "wiring": options.system.name,
            "attention": options.system.attention,
            "form": form.name,
            "kernel": options.kernel if options.system.attention == "linear" else None,
            "normaliser": options.normaliser,
            **sizes(case),
            "largest_value": largest_value(case),
            "cells_per_value": options.settings.cells,
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


def _nearer(answer, reference, index):
    """Names of the nulls that are nearer to the algebra than the circuit is."""
    if answer.output is None or reference.attention is None:
        return []
    error = agreement.relative_l2(answer.output[index], reference.attention.output)
    nulls = {name: _relative_l2(null, reference) for name, null in reference.nulls.items()}
    return [name for name, each in nulls.items() if None not in (error, each) and each < error]


def _by_design(answer, reference, index, replicas):
    """Relative L2 of the mean answer, from replicas; None without them, or where nothing is compared."""
    if replicas < 2 or answer.output is None or reference.attention is None:
        return None
    return agreement.relative_l2_by_design(answer.output[index : index + replicas], reference.attention.output)


def _agreement(answer, reference, index, replicas):
    """Errors of the output and of the attention, beside those of the nulls; nothing measured if interrupted."""
    found = {
        **dict.fromkeys(("relative_l2", "cosine", "max_abs", "attention_max_abs")),
        **dict.fromkeys(f"{name}_relative_l2" for name in NULLS),
        **null_errors(reference),
        "skill": None,
        "query_identification": None,
        "kappa_correlation": None,
        "softmax_relative_l2": _from_softmax(reference),
        "settled": False,
        "interrupted": answer.run.interrupted,
    }
    if answer.output is None:
        return found
    kappa = None if answer.attention is None else answer.attention[index]
    return found | {
        **figures_of(answer.output[index], kappa, reference),
        **_judged(answer.settled, index, replicas),
    }


def _judged(settled, index, replicas):
    """Whether an answer has settled, and why not: of several replicas that of the first which has not (dict)."""
    every = range(index, index + replicas)
    worst = next((k for k in every if not settled.settled[k]), index)
    found = {name: np.asarray(each)[worst].item() for name, each in settled._asdict().items()}
    if worst > index and found["reason"]:
        found["reason"] = f"replica {worst - index}: {found['reason']}"
    return found


def figures_of(output, kappa, reference):
    """Agreement of an output (n_token, d_model), and of what its cells carry of kappa (or None), with the algebra; nothing
    (an empty dict) where there is no algebra.

    Raises
    ------
    RunError
        If the output is not finite.
    """
    if not np.isfinite(output).all():
        raise RunError("the circuit's answer is not finite; try smaller values")
    algebra = reference.attention
    if algebra is None:
        return {}
    nulls, error = null_errors(reference), _relative_l2(output, reference)
    both = kappa is not None and algebra.kappa is not None
    weights = kappa if both and reference.normalised else None  # of others, uniform attention is no common part
    return {
        "relative_l2": error,
        "cosine": agreement.cosine(output, algebra.output),
        "max_abs": agreement.max_abs(output, algebra.output),
        "attention_max_abs": agreement.attention_max_abs(kappa if both else None, algebra.kappa),
        **nulls,
        "skill": agreement.skill(error, nulls, reference.rounding),
        "query_identification": agreement.query_identification(output, algebra.output),
        "kappa_correlation": agreement.kappa_correlation(weights, algebra.kappa, reference.mask),
    }


def best_null(reference):
    """Least relative L2 of a null; None where there is none."""
    return min((each for each in null_errors(reference).values() if each is not None), default=None)


def null_errors(reference):
    """Relative L2 of each null, by the name that it has in comparison.json."""
    return {f"{name}_relative_l2": _relative_l2(null, reference) for name, null in reference.nulls.items()}


def _relative_l2(output, reference):
    """Relative L2 of an output; None where there is no algebra."""
    return None if reference.attention is None else agreement.relative_l2(output, reference.attention.output)


def _from_softmax(reference):
    """Relative L2 of linear from softmax attention; None where the algebra is another."""
    softmax = reference.softmax
    return None if softmax is None else agreement.relative_l2(reference.attention.output, softmax)


def _errors(answer, reference, form, index):
    """Relative L2 of the answer read in the first part of the window, for every part (dict of lists: `s`, `relative_l2`);
    None without an answer or a reference."""
    if answer.output is None or reference.attention is None:
        return None
    windows, phase = answer.plan.protocol.windows, float(answer.plan.protocol.phase)
    parts = range(1, windows.shape[1] + 1)
    name = answer.plan.output.population  # the only one that is read
    run = answer.run._replace(values={name: answer.run.values[name]})
    read = [window_values(run, form, windows[:, :part]) for part in parts]
    outputs = [answer.plan.read(answer.plan.output, each)[index] for each in read]
    errors = [agreement.relative_l2(output, reference.attention.output) for output in outputs]
    return {"s": [part * phase for part in parts], "relative_l2": errors}
