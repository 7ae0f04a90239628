"""From an attention block to what a circuit answers: plan, pilot, simulation, judgement."""

from functools import partial
from typing import NamedTuple

import numpy as np
from brian2 import Quantity, ms, second

from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.biophysical import BIOPHYSICAL
from cortical_attention.cells.forms.dale import DALE
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.memory import memory_wiring
from cortical_attention.circuits.protocol import Times
from cortical_attention.simulation import engine
from cortical_attention.simulation.calibrate import UNIT_RATE, calibrated, rate_units, unit_rates
from cortical_attention.simulation.run import Run, simulate, work
from cortical_attention.simulation.settle import Settled, judge, slots
from cortical_attention.simulation.spread import spread

WIRINGS = {"mask": mask_wiring, "memory": memory_wiring}
FORMS = {"rate": RATE, "dale": DALE, "spiking": SPIKING, "adaptive": ADAPTIVE, "biophysical": BIOPHYSICAL}
WINDOW = {True: 2 * second, False: 0.5 * second}  # default measured window of forms with spikes, and without
PILOT_SETTLE, PILOT_WINDOW = 1 * second, 0.1 * second  # chosen: peaks are needed to a few per cent only
WRITE = 250 * ms  # chosen: half of a slot of 0.5 s, in which the token before has faded from the dendrites


class Settings(NamedTuple):
    """How a circuit is run; every time is a Brian2 quantity, None takes the default of the form.

    Attributes
    ----------
    form : Form
    window, settle, dt : Quantity or None
    write : Quantity
        Time a token is written for (memory wiring), after as much time to settle.
    unit_rate : Quantity
        Upper bound of the unit rate of the nuclei.
    cells : int
        Cells a number.
    shared : bool
        Shared dendrites (True), or one synapse a pair.
    target : {"auto", "numpy", "cython", "cpp"}
    seed : int
    record : {"default", "sample", "all"}
    """

    form: object = RATE
    window: Quantity | None = None
    settle: Quantity | None = None
    dt: Quantity | None = None
    write: Quantity = WRITE
    unit_rate: Quantity = UNIT_RATE
    cells: int = 1
    shared: bool = True
    target: str = "auto"
    seed: int = 0
    record: str = "default"

    def times(self):
        """Times of the run, defaults filled in."""
        form = self.form
        return Times(
            form.settle if self.settle is None else self.settle,
            WINDOW[form.spikes] if self.window is None else self.window,
            self.write,
            form.dt if self.dt is None else self.dt,
        )


class Answer(NamedTuple):
    """What a circuit answered.

    Attributes
    ----------
    output : ndarray, shape (batch, n_token, d_model), or None if the run was interrupted
    attention : ndarray, shape (batch, n_head, n_token, n_context), or None where no cell carries kappa
    attention_sum : ndarray, shape (batch, n_head, n_token), or None without normalisation
    settled : Settled, or None if the run was interrupted
    run : Run
    plan : Plan
    """

    output: np.ndarray | None
    attention: np.ndarray | None
    attention_sum: np.ndarray | None
    settled: Settled | None
    run: Run
    plan: object


def attend(wiring, tokens, settings, report=None, pilot=None, executor=None, **block):
    """Present token sequences to a circuit and read its answer.

    Parameters
    ----------
    wiring : {"mask", "memory"}, or a callable
        From times, tokens and the block to a plan, as `circuits.mask.mask_wiring`.
    tokens : ndarray, shape (batch, n_token, d_model)
    settings : Settings
    report : callable, optional
        Brian2's progress report.
    pilot : Answer, optional
        Of the rate form of the same wiring to the same input, if there is one; else a short one is run.
    executor : concurrent.futures.Executor, optional
        Runs each head apart, pilot included (`simulation.spread`); without one the circuit runs as a whole, in this process.
    **block
        Weights, biases, context, mask, kernel and normalisation, as in `circuits.mask.mask_wiring`.

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
    run_of = simulate if executor is None else partial(spread, executor=executor)
    make, form, times = WIRINGS.get(wiring, wiring), settings.form, settings.times()
    plan = make(times, tokens, **block)
    units = rate_units(plan)
    if form.spikes:
        pilot_plan, pilot_run = (
            _pilot(make, tokens, settings, block, run_of) if pilot is None else (pilot.plan, pilot.run)
        )
        units = unit_rates(pilot_plan, pilot_run, form, settings.unit_rate)
        with engine.device("numpy"):  # cells may be measured, in a run of its own
            plan, units = calibrated(plan, units, pilot_plan, pilot_run, form, settings.cells * times.window)
    run = run_of(
        plan, form, units, dt=times.dt, cells=settings.cells, shared=settings.shared, seed=settings.seed,
        target=settings.target, record=settings.record, report=report,
    )  # fmt: skip
    if run.interrupted:
        return Answer(None, None, None, None, run, plan)
    measured = slots(run, form, plan.protocol.windows)
    attention, total = (read and read(measured) for read in (plan.attention, plan.attention_sum))
    return Answer(plan.output(measured), attention, total, judge(plan, run, form, settings.cells), run, plan)


def expected(wiring, tokens, settings, **block):
    """Target that a run would choose, why, and the seconds that each is expected to take (dict), the pilot left out; as
    `attend`, but nothing is run."""
    times, form = settings.times(), settings.form
    needed = work(WIRINGS[wiring](times, tokens, **block), form, times.dt, settings.cells, settings.shared)
    return *engine.choose(settings.target, needed), engine.estimate(needed), needed


def _pilot(make, tokens, settings, block, run_of):
    """Plan and run of the rate form of the same wiring on the same input, run only as long as peaks need."""
    times = Times(PILOT_SETTLE, PILOT_WINDOW, settings.write, RATE.dt)
    plan = make(times, tokens, **block)
    target = "auto" if settings.target == "cpp" else settings.target
    run = run_of(plan, RATE, rate_units(plan), dt=times.dt, target=target)
    if run.interrupted:
        raise KeyboardInterrupt
    return plan, run
