"""Answer of a circuit to an attention block: prepare (plan, pilot, unit rates), run, read and judge."""

from functools import partial
from importlib import import_module
from typing import NamedTuple

import numpy as np
from brian2 import second

from cortical_attention.circuits.plan import Plan
from cortical_attention.circuits.protocol import RunError
from cortical_attention.simulation import engine
from cortical_attention.simulation.calibrate import calibrated, rate_units, unit_rates
from cortical_attention.simulation.run import Run, simulate, work
from cortical_attention.simulation.settings import RATE, SettingError, Settings
from cortical_attention.simulation.settle import Settled, judge, window_values
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
    """

    plan: Plan
    unit_rates: dict
    settings: Settings


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
    """

    output: np.ndarray | None
    attention: np.ndarray | None
    attention_sum: np.ndarray | None
    settled: Settled | None
    run: Run
    plan: Plan


def attend(wiring, tokens, settings, report=None, pilot=None, executor=None, **block):
    """Present token sequences to a circuit and read its answer: `prepare`, `run`, `read`.

    Parameters
    ----------
    wiring, tokens, settings, pilot, executor, **block
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
        If the pilot was interrupted, or one of many heads; an interrupted run itself is returned as far as it came.
    """
    prepared = prepare(wiring, tokens, settings, pilot, executor, **block)
    return read(prepared, run(prepared, report, executor))


def prepare(wiring, tokens, settings, pilot=None, executor=None, **block):
    """Make the plan of a circuit, and set its unit rates and cells by a pilot where the form has spikes.

    Parameters
    ----------
    wiring : callable, str, or something with a `wiring` (`trials.systems.System`)
        From times, tokens and the block to a plan, as `circuits.mask.mask_wiring`; a name is that of its file.
    tokens : ndarray, shape (batch, n_token, d_model)
    settings : Settings
    pilot : Answer, optional
        Of the rate form of the same wiring to the same input, if there is one; else a short one is run. Where synapses are
        plastic one is always run, since their release depends on the very rates that are to be found.
    executor : concurrent.futures.Executor, optional
        Runs each head of the pilot apart (`simulation.spread`); without one it runs as a whole, in this process.
    **block
        Weights, biases, context, mask, kernel and normalisation, as in `circuits.mask.mask_wiring`.

    Returns
    -------
    Prepared

    Raises
    ------
    SettingError, RecordError
        For a setting that cannot be used, or tokens of another shape.
    WiringError, RunError, KeyboardInterrupt
        As `attend`.
    """
    settings = settings.checked()
    if np.ndim(tokens) != 3:
        shape = np.shape(tokens)
        raise SettingError(f"tokens has shape {shape} but needs (batch, n_token, d_model); add an axis: tokens[None]")
    make, form, times = wiring_of(wiring), settings.form, settings.times()
    plan = make(times, tokens, **block)
    refuse_lacking(plan.circuit.check(), form)
    if not form.spikes:
        return Prepared(plan, rate_units(plan), settings)
    run_pilot = partial(_pilot, make, tokens, settings, block, executor)
    if any(each.plasticity for each in plan.circuit.projections):
        return _prepare_plastic(plan, settings, run_pilot)
    return _set(plan, settings, run_pilot() if pilot is None else pilot)


def _set(plan, settings, pilot):
    """Plan with the unit rates and cells that a pilot asks for (Prepared)."""
    counted = settings.cells * settings.times().window
    units = unit_rates(pilot.plan, pilot.run, settings.form, settings.unit_rate)
    with engine.device("numpy"):  # cells may be measured, in a run of its own
        plan, units = calibrated(plan, units, pilot.plan, pilot.run, settings.form, counted)
    return Prepared(plan, units, settings)


def _prepare_plastic(plan, settings, run_pilot):
    """Plan with unit rates (Prepared) at which the pilot asks for these same rates, found by repeating it (or RunError)."""
    found = _set(plan, settings, run_pilot())
    for _ in range(N_PILOT - 1):
        before, found = found, _set(plan, settings, run_pilot(units=found.unit_rates))
        if all(_still(found.unit_rates[name], each) for name, each in before.unit_rates.items()):
            return found
    raise RunError(
        f"circuit '{plan.circuit.name}': the rates at which its plastic synapses release are not found in {N_PILOT} pilots"
    )


def _still(one, other):
    return np.allclose(np.asarray(one), np.asarray(other), rtol=STILL, atol=0)


def run(prepared, report=None, executor=None):
    """Simulate a prepared circuit.

    Parameters
    ----------
    prepared : Prepared
    report : callable, optional
        Brian2's progress report.
    executor : concurrent.futures.Executor, optional
        Runs each head apart (`simulation.spread`).

    Returns
    -------
    Run

    Raises
    ------
    WiringError, RunError, KeyboardInterrupt
        As `attend`.
    """
    plan, units, settings = prepared
    return _simulator(executor)(
        plan, settings.form, units, dt=settings.times().dt, cells=settings.cells, shared=settings.shared,
        seed=settings.seed, target=settings.target, record=settings.record, report=report, precision=settings.precision,
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
    plan, _, settings = prepared
    if run.interrupted:
        return unread(prepared, run)
    measured = window_values(run, settings.form, plan.protocol.windows)
    values = (plan.read(each, measured) for each in (plan.output, plan.attention, plan.attention_sum))
    return Answer(*values, judge(plan, run, settings.form, settings.cells), run, plan)


def unread(prepared, run):
    """A run of which nothing is read (Answer)."""
    return Answer(None, None, None, None, run, prepared.plan)


def expected(wiring, tokens, settings, **block):
    """Expected cost of a run, without running it or its pilot.

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


def _pilot(make, tokens, settings, block, executor, units=None):
    """The rate form of the same wiring on the same input (Answer, unread), run only as long as peaks need; at these unit
    rates, if they are given."""
    target = "auto" if settings.target == "cpp" else settings.target
    brief = Settings(RATE, PILOT_WINDOW, PILOT_SETTLE, RATE.dt, settings.write, target=target)
    prepared = prepare(make, tokens, brief, **block)
    prepared = prepared if units is None else prepared._replace(unit_rates=units)
    found = run(prepared, executor=executor)
    if found.interrupted:
        raise KeyboardInterrupt
    return unread(prepared, found)
