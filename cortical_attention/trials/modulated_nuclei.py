"""Core and matrix relays that are shown tokens at many holding potentials, and while the potentials change.

Acetylcholine and noradrenaline are holding potentials here: acetylcholine depolarises the core (first-order relays of the
queries) and hyperpolarises the matrix (higher-order relays of keys and values; in the paper both projections are of one
nucleus, so that this is an assumption of ours); noradrenaline depolarises both. The potentials of a nucleus go from one
step below its burst mode to one step above its tonic mode.

Each component of each token has on cells and off cells. Driver axons fire Poisson trains at a rate in proportion to the
component, on cells where it is positive and off cells where it is negative. What a nucleus sends is the rate of on cells
less that of off cells.
"""

from typing import NamedTuple

import numpy as np
from brian2 import Hz, ms, mV

from cortical_attention.cells.membranes.thalamic import holding
from cortical_attention.circuits.nucleus import Driver, Held, Nucleus
from cortical_attention.readout.bursts import share
from cortical_attention.simulation.nuclei import simulate
from cortical_attention.trials.relay_bank import DRIVEN, DT

SLOT, N_SLOT, WIDTH = 200 * ms, 4, 50 * ms  # the first slot is silent
ONSET, STEADY = WINDOWS = "onset", "steady"
STEPS = {ONSET: slice(4, 5), STEADY: slice(8, 16)}  # of WIDTH: 0 to 50 ms and 200 to 600 ms after the tokens come
N_LEVEL, BURST, TONIC = 9, 1, 7  # potentials in equal steps, and the places of both modes among them
CORE, MATRIX = range(2)
ARMS = {"step": 0.0, "ramp of 0.5 s": 0.5, "ramp of 2 s": 2.0, "stays between": None}  # seconds that a switch takes
CONTROL = "step, no T-current"
SWITCHES = (*ARMS, CONTROL)
CHANGE, LAST, SETTLE, PIECE, MEASURED = 1.0, 4.0, 0.4, 0.05, 0.1  # s; of the runs with a switch


def potentials(relay):
    """Holding potentials of a relay, mV, from below its burst mode to above its tonic mode (ndarray, (N_LEVEL,))."""
    burst, tonic = _ends(relay)
    return burst + (tonic - burst) / (TONIC - BURST) * (np.arange(N_LEVEL) - BURST)


def _ends(relay):
    """Potentials of burst and of tonic mode, mV."""
    return float(relay.burst.held / mV), float(relay.tonic.held / mV)


class Bank(NamedTuple):
    """What relays at every potential sent to the inputs of a block.

    Attributes
    ----------
    rates : dict of str to ndarray, shape (N_LEVEL, 2, 2, n_input, n_token, d_model)
        By window; axes potential, nucleus (core, matrix) and replica; Hz.
    without : dict of str to ndarray, shape (2, 2, n_input, n_token, d_model)
        The same in burst mode without the T-current.
    in_bursts : ndarray, shape (N_LEVEL, 2)
        Share of spikes, all after the tokens come, that are in bursts.
    """

    rates: dict
    without: dict
    in_bursts: np.ndarray


def drive(tokens, cells):
    """Driver rates in Hz of on cells and off cells, in C order of the axes of the tokens, cell and sign (ndarray)."""
    both = np.clip(np.stack([tokens, -tokens], axis=-1), 0, None)[..., None, :]
    return float(DRIVEN / Hz) * np.repeat(both, cells, axis=-2).ravel()


def nucleus_of(name, relay, held, rates):
    """Relays at holding potentials (mV) and driver rates (Hz), each of shape (n_cell,) or (n_slot, n_cell) (Nucleus)."""
    leaks = relay.leaks()
    return Nucleus(
        name, relay.membrane, np.shape(held)[-1], holding(relay.membrane, held * mV, leaks), sigma=relay.noise(),
        drivers=(Driver(rates * Hz, relay.burst.weight),), conductances=tuple(Held(*each) for each in leaks),
    )  # fmt: skip


def measure(relay, tokens, cells, seed):
    """Relays at every potential are silent, and then shown tokens.

    Parameters
    ----------
    relay : trials.relay_bank.Relay
    tokens : ndarray, shape (n_input, n_token, d_model)
    cells : int
        For a component, sign, nucleus and replica.
    seed : int

    Returns
    -------
    Bank

    Raises
    ------
    RunError
        If the simulation failed.
    """
    one, shown = drive(tokens, cells), (np.arange(N_SLOT) > 0)[:, None]
    four = np.tile(one, 4)  # two nuclei, two replicas
    held = np.repeat(potentials(relay), four.size)
    every = nucleus_of("relays", relay, held, shown * np.tile(four, N_LEVEL))
    control = nucleus_of(
        "without", relay.without_t_current(), np.full(four.size, potentials(relay)[BURST]), shown * four
    )
    found = simulate([every, control], slot=SLOT, n_slot=N_SLOT, dt=DT, seed=seed)
    relays, without = (
        _sent(found[name], (n, 2, 2, *tokens.shape, cells, 2)) for name, n in (("relays", N_LEVEL), ("without", 1))
    )
    bursting = _in_bursts(found["relays"], one.size * 2)
    return Bank(relays, {name: each[0] for name, each in without.items()}, bursting)


def _sent(spikes, shape):
    """Rates of on less off cells in both windows (dict of ndarray)."""
    rates = spikes.rates(WIDTH)
    means = {name: rates[steps].mean(axis=0).reshape(shape) for name, steps in STEPS.items()}
    return {name: (each[..., 0] - each[..., 1]).mean(axis=-1) for name, each in means.items()}


def _in_bursts(spikes, per_nucleus):
    """Share of spikes in bursts after the tokens came (ndarray, (N_LEVEL, 2))."""
    after, group = spikes.times >= float(SLOT), spikes.cells // per_nucleus
    shares = [
        share(spikes.cells[which], spikes.times[which]) for which in (after & (group == k) for k in range(2 * N_LEVEL))
    ]
    return np.reshape(shares, (N_LEVEL, 2))


def course(takes):
    """Part of the way from burst to tonic mode that the core has gone, at each piece of time (ndarray, (n_slot,)).

    Parameters
    ----------
    takes : float or None
        Seconds that the switch takes; None: it stays half way.
    """
    since = np.arange(round(LAST / PIECE)) * PIECE + PIECE / 2 - CHANGE
    if takes is None:
        return np.where(since > 0, 0.5, 0.0)
    return np.clip(since / takes, 0, 1) if takes else np.where(since > 0, 1.0, 0.0)


def switch(relay, tokens, cells, seed):
    """Slopes of what both nuclei send on the tokens while acetylcholine comes, by a step, by ramps, or half.

    Parameters
    ----------
    relay : trials.relay_bank.Relay
    tokens : ndarray, shape (n_block, n_token, d_model)
        Shown all the time.
    cells : int
        For a component and sign.
    seed : int

    Returns
    -------
    ndarray, shape (n_switch, 2, n_block, n_window)
        Hz for a component of one, by `SWITCHES`, in windows of `MEASURED` seconds from `SETTLE` on.
    """
    every = _switching("relays", relay, ARMS.values(), drive(tokens, cells))
    control = _switching("without", relay.without_t_current(), [ARMS["step"]], drive(tokens, cells))
    found = simulate([every, control], slot=PIECE * 1000 * ms, n_slot=round(LAST / PIECE), dt=DT, seed=seed)
    return np.concatenate([_slopes(found[each.name], tokens, cells) for each in (every, control)])


def _switching(name, relay, arms, rates):
    """Core and matrix in every arm, side by side (Nucleus)."""
    depolarised = np.stack([course(each) for each in arms], axis=-1)
    gone = np.stack([depolarised, 1 - depolarised], axis=-1).reshape(len(depolarised), -1)  # (slot, arm and nucleus)
    burst, tonic = _ends(relay)
    held = burst + (tonic - burst) * np.repeat(gone, rates.size, axis=1)
    return nucleus_of(name, relay, held, np.tile(rates, gone.shape[1]))


def _slopes(spikes, tokens, cells):
    """Slopes on the tokens over time (ndarray, (n_arm, 2, n_block, n_window))."""
    rates = spikes.rates(MEASURED * 1000 * ms)[round(SETTLE / MEASURED) :]
    rates = rates.reshape(len(rates), -1, 2, *tokens.shape, cells, 2).mean(axis=-2)
    return np.moveaxis(slope(rates[..., 0] - rates[..., 1], tokens), 0, -1)


def slope(sent, tokens):
    """Least-squares slope of what is sent on the tokens, over token and component (ndarray without the last two axes)."""
    return np.sum(sent * tokens, axis=(-2, -1)) / np.sum(tokens**2, axis=(-2, -1))
