"""Relays played into the mask wiring: a circuit in rates that hears what simulated nuclei have sent."""

import numpy as np
from brian2 import ms

from cortical_attention.cells.forms.rate import RATE
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.protocol import Times
from cortical_attention.simulation.calibrate import UNIT_RATE, ideal
from cortical_attention.simulation.nuclei import played
from cortical_attention.simulation.run import simulate
from cortical_attention.trials.left_by_families import predicted
from cortical_attention.trials.relay_bank import BEFORE, EARLY, LATE, SLOT, in_steps, slope
from cortical_attention.wiring.circuit import Sent

WIDTH = 10 * ms  # chosen: of the rates that are played; half of the lag of a stage of the circuit is 5 ms
SETTLE = 1000 * ms  # chosen: with the tokens before, for which a normaliser takes a tenth of that
PER_SLOT = round(float(SLOT / WIDTH))


def answers_of(block, core, matrix, normaliser="pi"):
    """Answer of a circuit in rates over time to numbers of relays.

    Parameters
    ----------
    block : Block
    core, matrix : ndarray, shape (n_step, batch, n_token, d_model)
        Numbers in steps of `WIDTH`. The circuit has settled with those of the first step before it hears them.
    normaliser : str

    Returns
    -------
    ndarray, shape (n_step, batch, n_token, d_model)
        At the end of each step.

    Raises
    ------
    WiringError, RunError
        As `simulation.run.simulate`.
    """
    n_settle, form = round(float(SETTLE / WIDTH)), RATE
    total = (n_settle + len(core)) * WIDTH
    times = Times(total - 4 * WIDTH, 4 * WIDTH, 250 * ms, form.dt)  # a window of four phases, of `WIDTH` each
    given = {name: each for name, each in block._asdict().items() if each is not None}
    plan = mask_wiring(times, core[-1], context=matrix[-1], normaliser=normaliser, **given)
    plan, units = ideal(plan, form).set(plan, form)
    sent = {name: _sent(each, n_settle, form.dt) for name, each in (("core", core), ("matrix", matrix))}
    run = simulate(played(plan, sent), form, units, dt=form.dt)
    return run.values["higher_order"][n_settle:]


def _sent(numbers, n_settle, dt):
    """Numbers as the rates of a population in every time step (Sent)."""
    repeats = np.full(len(numbers), round(float(WIDTH / dt)))
    repeats[0] *= n_settle + 1
    return Sent(None, None, np.repeat(numbers.reshape(len(numbers), -1), repeats, axis=0) * float(UNIT_RATE))


def terms(block, core, matrix, shown, train, test, families):
    """Terms of U where a circuit hears relays, and attention in a family is the same circuit that hears the family's.

    What the lags of the circuit do to its answer they do to both, so that they leave nothing. A family is fitted to relays
    in each step by itself: its functions may change with time.

    Parameters
    ----------
    block : Block
    core, matrix : ndarray, shape (n_step, 2, n_input, n_token, d_model)
        Rates of relays (Hz) in steps of `WIDTH`.
    shown : Shown
    train, test : ndarray of int
        Inputs to which families are fitted, and inputs that the circuit hears.
    families : sequence of str
        Token families.

    Returns
    -------
    dict of str to dict of str to ndarray, shape (n_test,)
        By window after the change, as `left_by_families.products`.
    """
    heard = [in_steps_of(each, shown, train) for each in (core, matrix)]
    members = [
        predicted(*(each[k] for each in heard), shown.at(BEFORE if k == 0 else EARLY), train, test)
        for k in range(len(heard[0]))
    ]
    batch = []
    for side, each in enumerate(heard):
        own = [np.stack([step[family][side] for step in members]) for family in families]
        batch.append(np.concatenate([*np.moveaxis(each[:, :, test], 1, 0), *own], axis=1))
    answers = answers_of(block, *batch)
    answers = answers.reshape(len(answers), 2 + len(families), len(test), *answers.shape[2:])
    found = {}
    for n, window in enumerate((EARLY, LATE)):
        replicas, others = np.split(answers[1 + n * PER_SLOT : 1 + (n + 1) * PER_SLOT].mean(axis=0), [2])
        found[window] = {"answer": np.einsum("nim, nim -> n", *replicas)} | {
            family: np.einsum("nim, nim -> n", *(replicas - other))
            for family, other in zip(families, others, strict=True)
        }
    return found


def in_steps_of(rates, shown, train):
    """Numbers before the change, as one step, and in each step after it (1 + n_step, 2, n_input, n_token, d_model)."""
    before = rates[in_steps(BEFORE, WIDTH)].mean(axis=0, keepdims=True)
    unit = slope(before[:, :, train], shown.before[train])
    return np.concatenate([before, rates[in_steps(EARLY, WIDTH).start :]]) / unit
