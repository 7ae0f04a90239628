"""Relays played into the mask wiring: a circuit in rates that hears what simulated nuclei have sent."""

import numpy as np
from brian2 import ms

from cortical_attention.cells.forms.rate import RATE
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.protocol import Times
from cortical_attention.simulation.calibrate import UNIT_RATE, ideal
from cortical_attention.simulation.nuclei import played
from cortical_attention.simulation.run import simulate
from cortical_attention.trials.relay_bank import SLOT
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
