"""Relays played into the mask wiring in spikes: what families of attention leave of the answer of a spiking circuit.

The circuit hears the spikes of two replicas of every nucleus. Attention in a family is the same circuit that hears Poisson
trains at the rates of the family's relays, in two replicas as well: with answers o_1, o_2 of the first and f_1, f_2 of the
second, products (o_1 - f_1).(o_2 - f_2) are free of the noise of both.
"""

from typing import NamedTuple

import numpy as np
from brian2 import Hz, ms

from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.simulation import nuclei
from cortical_attention.simulation.attend import Settings, calibrate, prepare
from cortical_attention.simulation.run import simulate
from cortical_attention.trials.left_by_families import predicted
from cortical_attention.trials.played_relays import PER_SLOT, WIDTH, in_steps_of
from cortical_attention.trials.relay_bank import (
    BEFORE,
    DT,
    EARLY,
    LATE,
    N_AFTER,
    N_BEFORE,
    SLOT,
    in_steps,
    nucleus_of,
    slope,
)
from cortical_attention.wiring.circuit import Sent

STEP = 0.5 * ms  # of the circuit with fast synapses
N_STEP = round(float(WIDTH / STEP))  # in a step of `WIDTH`
NORMALISER = "pi"
BEYOND = 0.3  # chosen: share of spikes beyond the limit of their cells, many of them at the change


class Trains(NamedTuple):
    """Spikes of relays: their batch, token, component, cell and sign, and their time step in the circuit."""

    places: tuple
    steps: np.ndarray


def relay_trains(relay, points, shown, cells, seed):
    """Spikes of nuclei in two replicas, which follow each other on the batch axis (list of Trains, one for each point)."""
    nucleus = nucleus_of(relay, points, shown, 2 * cells)
    sent = nuclei.simulate([nucleus], slot=SLOT, n_slot=N_BEFORE + N_AFTER, dt=DT, seed=seed)["relays"]
    n_input, *sizes = shown.tokens.shape
    point, one, token, model, replica, cell, sign = np.unravel_index(
        sent.cells, (len(points), n_input, *sizes, 2, cells, 2)
    )
    places, steps = (replica * n_input + one, token, model, cell, sign), sent.steps * round(float(DT / ms), 6)
    steps = (steps / float(STEP / ms) + 1e-6).astype(int)
    return [Trains(tuple(each[point == k] for each in places), steps[point == k]) for k in range(len(points))]


def poisson_trains(rates, cells, stream):
    """Poisson trains of on and off cells at rates (Hz) in steps of `WIDTH`, (n_step, batch, n_token, d_model) (Trains)."""
    expected = np.clip(np.stack([rates, -rates], axis=-1), 0, None)[..., None, :] * float(STEP)
    places, steps = [], []
    for k in range(len(rates) * N_STEP):
        each = np.repeat(expected[k // N_STEP], cells, axis=-2)
        places.append(np.nonzero(stream.random(each.shape) < each))
        steps.append(np.full(len(places[-1][0]), k))
    return Trains(tuple(map(np.concatenate, zip(*places, strict=True))), np.concatenate(steps))


def spiking_terms(case, rates, trains, shown, train, test, families, cells, seed):
    """Terms of U where a circuit in spikes hears relays.

    Parameters
    ----------
    case : Case
        Its block, and the sequences that the circuit is calibrated on.
    rates : (ndarray, ndarray), shape (n_step, 2, n_input, n_token, d_model)
        Of core and matrix (Hz), to which families are fitted.
    trains : (Trains, Trains)
        Of core and matrix on the test inputs.
    shown, train, test, families
        As for `played_relays.terms`.
    cells : int
        For a value (and sign).
    seed : int

    Returns
    -------
    dict of str to dict of str to ndarray, shape (n_test,)
        By window after the change, as `left_by_families.products`.

    Raises
    ------
    WiringError, RunError
        As `simulation.run.simulate`.
    """
    heard, stream = [in_steps_of(each, shown, train) for each in rates], np.random.default_rng(seed)
    members = [
        predicted(*(each[k] for each in heard), shown.at(BEFORE if k == 0 else EARLY), train, test)
        for k in range(len(heard[0]))
    ]
    index = np.r_[np.zeros(in_steps(EARLY, WIDTH).start, dtype=int), 1 : len(members)]
    n_test, n_batch, sent, units = len(test), (2 + 2 * len(families)) * len(test), {}, {}
    for side, name in enumerate(("core", "matrix")):
        unit = slope(rates[side][in_steps(BEFORE, WIDTH)][:, :, train], shown.before[train])
        every = [trains[side]]
        for n, family in enumerate(families):
            numbers = np.stack([members[k][family][side] for k in index])
            own = poisson_trains(unit * np.concatenate([numbers] * 2, axis=1), cells, stream)
            first = (2 + 2 * n) * n_test
            every.append(own._replace(places=(own.places[0] + first, *own.places[1:])))
        sent[name] = _sent(every, (n_batch, *shown.tokens.shape[1:], cells, 2))
        units[name] = np.full(n_batch, unit) * Hz
    answers = _answers(case, np.tile(shown.tokens[test], (n_batch // n_test, 1, 1)), sent, units, cells, seed)
    return _products(answers.reshape(len(answers), -1, n_test, *answers.shape[2:]), families)


def _sent(every, shape):
    """Spikes of several batches as those of one population (Sent); of two of a cell in one step one is lost."""
    places = [np.concatenate(each) for each in zip(*(trains.places for trains in every), strict=True)]
    steps, n_cell = np.concatenate([trains.steps for trains in every]), int(np.prod(shape))
    both = np.unique(steps.astype(np.int64) * n_cell + np.ravel_multi_index(places, shape))
    return Sent((both % n_cell).astype(np.int32), (both // n_cell).astype(np.int32), None)


def _answers(case, tokens, sent, units, cells, seed):
    """Answer of the circuit in each step of `WIDTH`, (n_step, batch, n_token, d_model)."""
    window = 4 * WIDTH  # of four phases, of `WIDTH` each
    settle = (N_BEFORE + N_AFTER) * SLOT - window
    asked = Settings("spiking", window, settle, STEP, cells=cells, seed=seed, synapses="fast").checked()
    block = {name: each for name, each in case.block._asdict().items() if each is not None}
    calibration = calibrate(mask_wiring, case.calibration, asked, normaliser=NORMALISER, **block)
    plan, rates, *_ = prepare(mask_wiring, tokens, asked, calibration, normaliser=NORMALISER, **block)
    run = simulate(nuclei.played(plan, sent), asked.form, rates | units, dt=STEP, cells=cells, seed=seed, beyond=BEYOND)
    return run.values["higher_order"]


def _products(answers, families):
    found, first = {}, in_steps(EARLY, WIDTH).start
    for n, window in enumerate((EARLY, LATE)):
        one, other, *members = answers[first + n * PER_SLOT : first + (n + 1) * PER_SLOT].mean(axis=0)
        found[window] = {"answer": np.einsum("nim, nim -> n", one, other)}
        for k, family in enumerate(families):
            left = one - members[2 * k], other - members[2 * k + 1]
            found[window][family] = np.einsum("nim, nim -> n", *left)
    return found
