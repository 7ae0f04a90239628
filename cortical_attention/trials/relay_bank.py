"""Relay nuclei that are shown tokens, of which some are replaced: their values before and after the change.

Each component of each token has on cells and off cells, in two replicas. Driver axons fire Poisson trains at a rate in
proportion to the component, on cells where it is positive and off cells where it is negative; the mode of the nucleus is the
potential at which a current holds it. The numbers of a nucleus are rates of on cells less those of off cells.
"""

from typing import NamedTuple

import numpy as np
from brian2 import Hz, Quantity, ms, mV

from cortical_attention.cells.membranes.fire_or_burst import FIRE_OR_BURST
from cortical_attention.cells.membranes.low_threshold import LOW_THRESHOLD
from cortical_attention.cells.membranes.membrane import Membrane
from cortical_attention.cells.membranes.thalamic import CONDUCTANCE, holding
from cortical_attention.circuits.nucleus import POTASSIUM, Driver, Held, Nucleus
from cortical_attention.simulation.nuclei import simulate

SLOT = 50 * ms
N_BEFORE, N_AFTER = 6, 2  # slots: with the tokens before, of which the last two count, and with the tokens that follow
BEFORE, EARLY, LATE = WINDOWS = "before", "0 to 50 ms", "50 to 100 ms"
SLOTS = {BEFORE: slice(N_BEFORE - 2, N_BEFORE), EARLY: slice(N_BEFORE, N_BEFORE + 1), LATE: slice(N_BEFORE + 1, None)}
DRIVEN = 20 * Hz  # chosen: rate of the driver for a component of one
AT_ONCE = 8  # chosen: inputs in one network, which fit into 2 GB with 200 cells a component and sign
DT = 0.2 * ms  # chosen: a twelfth of the interval of spikes in a burst
TONIC, BURST, WITHOUT = MODES = "tonic", "burst", "no T-current"


class Relay(NamedTuple):
    """A relay cell with its driver synapse, and the potentials at which it is held.

    Attributes
    ----------
    membrane : Membrane
    weight : Quantity (S / m**2)
        Of the driver synapse.
    sigma : Quantity (V)
        Standard deviation that noise gives to the passive membrane.
    tonic, burst : Quantity (V)
        Holding potentials.
    leak : Quantity (S / m**2)
        Of potassium.
    """

    membrane: Membrane
    weight: Quantity
    sigma: Quantity
    tonic: Quantity
    burst: Quantity
    leak: Quantity = 0 * CONDUCTANCE


class Shown(NamedTuple):
    """What relays are shown.

    Attributes
    ----------
    tokens, before : ndarray, shape (n_input, n_token, d_model)
        Tokens after the change and before it.
    new : ndarray of bool, shape (n_input, n_token)
        Which of them have changed.
    """

    tokens: np.ndarray
    before: np.ndarray
    new: np.ndarray

    def at(self, window):
        """What is shown in a window, and what stood there before (Shown)."""
        return Shown(self.before, self.before, np.zeros_like(self.new)) if window == BEFORE else self


# chosen: the weight at which a cell in tonic mode passes on one spike for each spike of its driver (`experiments.relays`
# measures the first); burst mode where half of the T-current is available at least: all of it in the first cell, which has
# no intermediate, and 0.56 in the second. Noise, leak and the holding potentials of tonic mode: as in scratch runs, in which
# both cells are silent without a driver.
RELAYS = {
    "fire_or_burst": Relay(FIRE_OR_BURST, 0.25 * CONDUCTANCE, 2 * mV, -45 * mV, -75 * mV),
    "low_threshold": Relay(LOW_THRESHOLD, 0.2 * CONDUCTANCE, 1 * mV, -55 * mV, -84 * mV, 0.02 * CONDUCTANCE),
}


def draw_tokens(seed, n_input, n_token, d_model):
    """Tokens ~ N(0, 1) of which half, drawn for each input, are replaced (Shown)."""
    stream = np.random.default_rng(seed)
    before = stream.standard_normal((n_input, n_token, d_model))
    new = np.argsort(stream.random((n_input, n_token)), axis=1) < n_token // 2
    return Shown(np.where(new[..., None], stream.standard_normal(before.shape), before), before, new)


def nucleus_of(relay, mode, shown, cells):
    """Relay cells for some inputs, in C order of input, token, component, cell and sign (Nucleus).

    Parameters
    ----------
    relay : Relay
    mode : {"tonic", "burst", "no T-current"}
        The last is held as in burst mode.
    shown : Shown
    cells : int
        For a component and sign.
    """
    membrane = relay.membrane
    if mode == WITHOUT:
        membrane = membrane.changed(g_T=0 * CONDUCTANCE, sources={"g_T": "chosen: a control without the T-current"})
    held = relay.tonic if mode == TONIC else relay.burst
    tokens = np.stack([shown.before] * N_BEFORE + [shown.tokens] * N_AFTER)
    rates = np.clip(np.stack([tokens, -tokens], axis=-1), 0, None)[..., None, :]  # (slot, input, token, model, cell, sign)
    rates = np.repeat(rates, cells, axis=-2).reshape(len(tokens), -1) * DRIVEN
    leak_of_all = 1 + relay.leak / membrane.constants["g_L"]
    return Nucleus(
        "relays", membrane, rates.shape[1], holding(membrane, held) + relay.leak * (held - POTASSIUM),
        sigma=relay.sigma * np.sqrt(leak_of_all), drivers=(Driver(rates, relay.weight),),
        conductances=(Held(relay.leak, POTASSIUM),) if relay.leak > 0 * CONDUCTANCE else (), start=held,
    )  # fmt: skip


def measure(relay, mode, shown, cells, seed, report=None, width=SLOT):
    """Rates of on cells less those of off cells over time, of two replicas.

    Parameters
    ----------
    relay, mode, shown
        As for `nucleus_of`.
    cells : int
        For a component, sign and replica.
    seed : sequence of int
        Of the noise and the trains.
    report : callable, optional
        Called after every network with the share of inputs that is done.
    width : Quantity (s)
        Of the windows, a whole part of a slot.

    Returns
    -------
    ndarray, shape (n_window, 2, n_input, n_token, d_model)
        Hz.

    Raises
    ------
    RunError
        If the simulation failed.
    """
    found, n_input = [], len(shown.tokens)
    for first in range(0, n_input, AT_ONCE):
        part = Shown(*(each[first : first + AT_ONCE] for each in shown))
        one = int(np.random.SeedSequence([*seed, first]).generate_state(1)[0])
        nucleus = nucleus_of(relay, mode, part, 2 * cells)
        rates = simulate([nucleus], slot=SLOT, n_slot=N_BEFORE + N_AFTER, dt=DT, seed=one)["relays"].rates(width)
        rates = rates.reshape(len(rates), *part.tokens.shape, 2, cells, 2)
        found.append(np.moveaxis((rates[..., 0] - rates[..., 1]).mean(axis=-1), -1, 1))
        if report:
            report(min(1.0, (first + AT_ONCE) / n_input))
    return np.concatenate(found, axis=2)


def slope(rates, tokens):
    """Rate (Hz) for a component of one, by least squares; both arrays broadcast."""
    tokens = np.broadcast_to(tokens, rates.shape)
    return float(np.sum(rates * tokens) / np.sum(tokens**2))


def novelty(rates, shown):
    """Gain of relays in a window after the change, by what their component was before (dict of str to float, Hz).

    Parameters
    ----------
    rates : ndarray, shape (n_input, n_token, d_model)
    shown : Shown

    Returns
    -------
    dict
        "persisting": of tokens that stay; "same sign" and "from silence": of new tokens, where the relay was driven before,
        and where it was not.
    """
    new = np.broadcast_to(shown.new[..., None], rates.shape)
    driven = np.sign(shown.tokens) * shown.before >= 0.3
    groups = {"persisting": ~new, "same sign": new & driven, "from silence": new & ~driven}
    return {name: slope(rates[each], shown.tokens[each]) for name, each in groups.items()}
