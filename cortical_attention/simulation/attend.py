"""Answer of a circuit to an attention block: calibrate, prepare, run, read and judge."""

from functools import partial
from importlib import import_module
from typing import NamedTuple

import numpy as np
from brian2 import second

from cortical_attention.circuits.plan import Plan
from cortical_attention.circuits.protocol import RunError
from cortical_attention.simulation import engine
from cortical_attention.simulation.calibrate import Calibration, calibration_of, digests, drawn_like, ideal, rules_of
from cortical_attention.simulation.run import Run, simulate, work
from cortical_attention.simulation.settings import RATE, SettingError, Settings
from cortical_attention.simulation.settle import Settled, judge, settling_time, window_values
from cortical_attention.simulation.spread import spread
from cortical_attention.wiring.expressions import WiringError
from cortical_attention.wiring.network import refuse_lacking

PILOT_SETTLE, PILOT_WINDOW = 1 * second, 0.1 * second  # chosen: peaks are needed to a few per cent only
N_PILOT, STILL = (
    10,
    0.01,
)  # chosen: pilots of a plastic circuit, and the change of unit rates at which no more is needed


class Prepared(NamedTuple):
    """A circuit that is ready to run.

    Attributes
    ----------
    plan : Plan
    unit_rates : dict of str to Quantity, shape (batch,) or (batch, *sizes)
    settings : Settings
    calibration : Calibration
    """

    plan: Plan
    unit_rates: dict
    settings: Settings
    calibration: Calibration


class Answer(NamedTuple):
    """What a circuit answered.

    Attributes
    ----------
    output : ndarray, shape (batch, n_token, d_model), or None if it is not read, or the run was interrupted
    attention : ndarray, shape (batch, n_head, n_token, n_context), or None where no cell carries kappa
    attention_sum : ndarray, shape (batch, n_head, n_token), or None without normalisation
    settled : Settled, or None if it is not judged, or the run was interrupted
    run : Run
    plan : Plan
    calibration : Calibration
    """

    output: np.ndarray | None
    attention: np.ndarray | None
    attention_sum: np.ndarray | None
    settled: Settled | None
    run: Run
    plan: Plan
    calibration: Calibration


def attend(wiring, tokens, settings, report=None, calibration=None, executor=None, **block):
    """Present token sequences to a circuit and read its answer: `prepare`, `run`, `read`.

    Parameters
    ----------
    wiring, tokens, settings, calibration, executor, **block
        As for `prepare`.
    report : callable, optional
        Brian2's progress report.

    Returns
    -------
    Answer

    Raises
    ------
    WiringError
        If the block does not fit together, or the heads are to be run apart and cannot be.
    RunError
        If the simulation failed.
    KeyboardInterrupt
        If the calibration was interrupted, or one of many heads; an interrupted run itself is returned as far as it came.
    """
    prepared = prepare(wiring, tokens, settings, calibration, executor, **block)
    return read(prepared, run(prepared, report, executor))


def prepare(wiring, tokens, settings, calibration=None, executor=None, **block):
    """Make the plan of a circuit, and set its unit rates and cells where the form has spikes.

    Parameters
    ----------
    wiring : callable, str, or something with a `wiring` (`trials.systems.System`)
        From times, tokens and the block to a plan, as `circuits.mask.mask_wiring`; a name is that of its file.
    tokens : ndarray, shape (batch, n_token, d_model)
    settings : Settings
    calibration : Calibration, optional
        None: one is made on sequences drawn with the mean and covariance of the tokens, and of the context.
    executor : concurrent.futures.Executor, optional
        Runs each head of that calibration apart (`simulation.spread`); without one it runs as a whole, in this process.
    **block
        Weights, biases, context, mask, kernel and normaliser, as in `circuits.mask.mask_wiring`.

    Returns
    -------
    Prepared
        Where no settling time is given, that of the form, or what subtractive interneurons need if that is longer
        (`simulation.settle.settling_time`).

    Raises
    ------
    SettingError, RecordError
        For a setting that cannot be used, or tokens of another shape.
    WiringError, RunError, KeyboardInterrupt
        As `attend`.
    """
    settings = settings.checked()
    _check_shape(tokens)
    plan = wiring_of(wiring)(settings.times(), tokens, **block)
    refuse_lacking(plan.circuit.check(), settings.form)
    if not needs_calibration(plan, settings.form):
        calibration = ideal(plan, settings.form)
    if calibration is None:
        sequences, others = drawn_for(tokens, **block)
        calibration = calibrate(wiring, sequences, settings, executor, **others)._replace(source="drawn")
    plan, units = calibration.set(plan, settings.form)
    needed = settling_time(plan, units, settings.form) * second
    if settings.settle is None and needed > settings.form.settle:
        settings = settings._replace(settle=needed)
        plan, units = calibration.set(wiring_of(wiring)(settings.times(), tokens, **block), settings.form)
    return Prepared(plan, units, settings, calibration)


def needs_calibration(plan, form):
    """Whether the cells of a plan have anything that is set on calibration sequences: unit rates of spikes, or weights that
    a cell type has to have fitted."""
    return form.spikes or any(each.cell.stand_in for each in plan.circuit.populations.values())


def calibrate(wiring, tokens, settings, executor=None, **block):
    """Calibration of a circuit on sequences, by its rate form.

    Parameters
    ----------
    wiring, settings, executor, **block
        As for `prepare`; a context is that of these sequences.
    tokens : ndarray, shape (n_sequence, n_token, d_model)

    Returns
    -------
    Calibration
        Of source "given". Where synapses are plastic the calibration is repeated at the unit rates that it has found, since
        release depends on the very rates that are to be found, until they change by less than a hundredth.

    Raises
    ------
    SettingError, RecordError, WiringError, KeyboardInterrupt
        As `prepare`.
    RunError
        If the simulation failed, or the rates of plastic synapses are not found.
    """
    return calibrate_together(wiring, [(tokens, block)], settings, executor)


def calibrate_together(wiring, every, settings, executor=None):
    """One calibration for several blocks of the same sizes.

    Parameters
    ----------
    wiring, settings, executor
        As for `prepare`.
    every : sequence of (ndarray, dict)
        Sequences (n_sequence, n_token, d_model) and block of each, as `calibrate` takes them.

    Returns
    -------
    Calibration
        The largest value that any sequence of any block asks of a population comes near the ceiling of its cells.

    Raises
    ------
    SettingError, RecordError, WiringError, RunError, KeyboardInterrupt
        As `calibrate`.
    """
    settings = settings.checked()
    brief, make = _brief(settings), wiring_of(wiring)
    for tokens, _ in every:
        _check_shape(tokens)
    asked = [make(brief.times(), tokens, **block) for tokens, block in every]
    refuse_lacking(asked[0].circuit, settings.form)
    plans = [with_stand_ins(plan) for plan in asked]
    found, known = None, tuple(one for tokens, block in every for one in digests(tokens, block.get("context")))
    for _ in range(N_PILOT):
        before, found = found, _calibrate_once(plans, brief, settings, found, executor)
        if not any(each.plasticity for each in plans[0].circuit.projections) or _still(before, found):
            return found._replace(sequences=known, source="given", rules=rules_of(asked[0].circuit))
    raise RunError(
        f"circuit '{plans[0].circuit.name}': the rates at which its plastic synapses release are not found in {N_PILOT} "
        "calibrations"
    )


def with_stand_ins(plan):
    """Plan in which cells that are fitted to values of an exact circuit are replaced by cells that hold them."""
    populations = {
        name: each._replace(cell=each.cell.stand_in._replace(fit=each.cell.fit)) if each.cell.stand_in else each
        for name, each in plan.circuit.populations.items()
    }
    return plan._replace(circuit=plan.circuit._replace(populations=populations))


def drawn_for(tokens, **block):
    """Sequences to calibrate a circuit on, drawn with the mean and covariance of given ones; what a mask closes to all is
    left out.

    Parameters
    ----------
    tokens, **block
        As for `prepare`.

    Returns
    -------
    ndarray, shape (n_sequence, n_token, d_model)
    dict
        The block, with a context of these sequences if there is one.
    """
    mask, context = block.get("mask"), block.get("context")
    rows, columns = (None, None) if mask is None else (np.any(mask, axis=1), np.any(mask, axis=0))
    if context is None:  # a token is shown if it asks or is looked at
        return drawn_like(tokens, shown=None if mask is None else rows | columns), block
    return drawn_like(tokens, shown=rows), block | {"context": drawn_like(context, shown=columns, stream=1)}


def _check_shape(tokens):
    if np.ndim(tokens) != 3:
        shape = np.shape(tokens)
        raise SettingError(f"tokens has shape {shape} but needs (batch, n_token, d_model); add an axis: tokens[None]")


def _calibrate_once(plans, brief, settings, found, executor):
    """Calibration by a run of each plan in the rate form, at the unit rates of a calibration found before, or at any."""
    units = (
        ideal(plans[0], RATE)
        if found is None
        else found._replace(constants={}, form=RATE.name, inputs={}, synapses=RATE.synapses.name, rules={})
    )
    pilots = [(plan, _pilot(Prepared(*units.set(plan, RATE), brief, units), executor)) for plan in plans]
    counted = settings.cells * settings.times().window
    with engine.device("numpy"):  # cells may be measured, in a run of its own
        return calibration_of(pilots, settings.form, counted, settings.unit_rate)


def _pilot(prepared, executor):
    """Run of calibration sequences in the rate form."""
    try:
        found = run(prepared, executor=executor)
    except RunError as error:
        raise RunError(f"on the calibration sequences, {error}") from error
    if found.interrupted:
        raise KeyboardInterrupt
    return found


def _brief(settings):
    """Settings of a run in the rate form that lasts only as long as peaks need."""
    target = "auto" if settings.target == "cpp" else settings.target
    return Settings(RATE, PILOT_WINDOW, PILOT_SETTLE, RATE.dt, settings.write, target=target)


def _still(before, found):
    """Whether the unit rates of two calibrations are the same to `STILL`."""
    return before is not None and all(
        np.allclose(found.unit_rates[name], each, rtol=STILL, atol=0) for name, each in before.unit_rates.items()
    )


def run(prepared, report=None, executor=None, **more):
    """Simulate a prepared circuit.

    Parameters
    ----------
    prepared : Prepared
    report : callable, optional
        Brian2's progress report.
    executor : concurrent.futures.Executor, optional
        Runs each head apart (`simulation.spread`).
    **more
        Further arguments of `simulation.run.simulate`, without an executor.

    Returns
    -------
    Run

    Raises
    ------
    WiringError, RunError, KeyboardInterrupt
        As `attend`.
    """
    plan, units, settings, _ = prepared
    return _simulator(executor)(
        plan, settings.form, units, dt=settings.times().dt, cells=settings.cells, shared=settings.shared,
        seed=settings.seed, target=settings.target, record=settings.record, report=report, precision=settings.precision,
        **more,
    )  # fmt: skip


def read(prepared, run):
    """Read the answer of a run, and judge whether it has settled.

    Parameters
    ----------
    prepared : Prepared
    run : Run
        Of `prepared`.

    Returns
    -------
    Answer
        `output`, `attention`, `attention_sum` and `settled` are None if the run was interrupted.

    Raises
    ------
    WiringError
        If a reading of the plan sums over an axis that its population lacks.
    """
    plan, settings = prepared.plan, prepared.settings
    if run.interrupted:
        return unread(prepared, run)
    measured = window_values(run, settings.form, plan.protocol.windows)
    values = (plan.read(each, measured) for each in (plan.output, plan.attention, plan.attention_sum))
    settled = judge(plan, run, settings.form, settings.cells)
    return Answer(*values, settled, run, plan, prepared.calibration)


def unread(prepared, run):
    """A run of which nothing is read (Answer)."""
    return Answer(None, None, None, None, run, prepared.plan, prepared.calibration)


def expected(wiring, tokens, settings, **block):
    """Expected cost of a run, without running it or its calibration.

    Parameters
    ----------
    wiring, tokens, settings, **block
        As for `prepare`.

    Returns
    -------
    target, reason : str
        Code-generation target of the run, and why it is chosen.
    seconds : dict of str to float
        Expected wall time (s) of every target, available or not.
    work : simulation.engine.Work

    Raises
    ------
    SettingError, WiringError
        For a setting that cannot be used, or if there is no wiring of that name.
    """
    settings = settings.checked()
    times, form = settings.times(), settings.form
    needed = work(wiring_of(wiring)(times, tokens, **block), form, times.dt, settings.cells, settings.shared)
    return *engine.choose(settings.target, needed), engine.estimate(needed), needed


def wiring_of(wiring):
    """The callable that makes plans.

    Parameters
    ----------
    wiring : callable, str, or something with a `wiring`
        A name is that of a file in `circuits`: NAME.py holds NAME_wiring.

    Raises
    ------
    WiringError
        If there is no such file.
    """
    if not isinstance(wiring, str):
        return getattr(wiring, "wiring", wiring)
    try:
        return getattr(import_module(f"cortical_attention.circuits.{wiring}"), f"{wiring}_wiring")
    except (ImportError, AttributeError) as error:
        raise WiringError(f"wiring is '{wiring}' but circuits/{wiring}.py with {wiring}_wiring is not there") from error


def _simulator(executor):
    """What runs a plan: this process as a whole, or an executor head by head."""
    return simulate if executor is None else partial(spread, executor=executor)
