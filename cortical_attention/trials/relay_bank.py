"""Relay nuclei that are shown tokens, of which some are replaced: their values before and after the change.

Each component of each token has on cells and off cells, in two replicas. Driver axons fire Poisson trains at a rate in
proportion to the component, on cells where it is positive and off cells where it is negative; the mode of a nucleus is set
by the potential at which a current holds it. The numbers of a nucleus are rates of on cells less those of off cells.
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
SLOTS = {
    BEFORE: slice(N_BEFORE - 2, N_BEFORE),
    EARLY: slice(N_BEFORE, N_BEFORE + 1),
    LATE: slice(N_BEFORE + 1, N_BEFORE + 2),
}
DRIVEN = 20 * Hz  # chosen: rate of the driver for a component of one
N_AT_ONCE = 500_000  # chosen: cells in one network, which fit into 2 GB
DT = 0.2 * ms  # chosen: a twelfth of the interval of spikes in a burst; 0.1 ms gives the same rates to 1 %
SILENT = 0.3  # chosen: a component below it leaves a relay all but silent


class Point(NamedTuple):
    """Where a nucleus works: the potential at which it is held (V), and the weight of its driver synapse (S / m**2)."""

    held: Quantity
    weight: Quantity


class Relay(NamedTuple):
    """A relay cell and where it works.

    Attributes
    ----------
    membrane : Membrane
    sigma : Quantity (V)
        Standard deviation that noise gives to the passive membrane.
    leak : Quantity (S / m**2)
        Of potassium.
    tonic, burst : Point
    """

    membrane: Membrane
    sigma: Quantity
    leak: Quantity
    tonic: Point
    burst: Point

    def leaks(self):
        """Conductances that are always open: (conductance, reversal), at most one (tuple)."""
        return ((self.leak, POTASSIUM),) if self.leak > 0 * CONDUCTANCE else ()

    def noise(self):
        """Standard deviation of the noise beside the leak, which makes it less effective (Quantity, V)."""
        return self.sigma * np.sqrt(1 + self.leak / self.membrane.constants["g_L"])

    def without_t_current(self):
        """The same cell with g_T = 0 (Relay)."""
        sources = {"g_T": "chosen: a control without the T-current"}
        return self._replace(membrane=self.membrane.changed(g_T=0 * CONDUCTANCE, sources=sources))


class Measured(NamedTuple):
    """What nuclei sent.

    Attributes
    ----------
    rates : ndarray, shape (n_point, n_window, 2, n_input, n_token, d_model)
        Of on cells less those of off cells, in two replicas, Hz.
    quiet : ndarray, shape (n_point,)
        Rate of cells without a driver, before the change, Hz.
    """

    rates: np.ndarray
    quiet: np.ndarray


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

    def first(self, n):
        """The first n inputs (Shown)."""
        return Shown(*(each[:n] for each in self))


# chosen: the weight at which a cell in tonic mode passes on one spike for each spike of its driver; burst mode where the
# T-current is available to at least a half: wholly in the first cell, to 0.56 in the second. Noise, leak and the potential
# of tonic mode are chosen so that both cells are all but silent without a driver.
STRENGTH, OTHER = 0.25 * CONDUCTANCE, 0.2 * CONDUCTANCE
RELAYS = {
    "fire_or_burst": Relay(
        FIRE_OR_BURST, 2 * mV, 0 * CONDUCTANCE, Point(-45 * mV, STRENGTH), Point(-75 * mV, STRENGTH)
    ),
    "low_threshold": Relay(
        LOW_THRESHOLD, 1 * mV, 0.02 * CONDUCTANCE, Point(-55 * mV, OTHER), Point(-84 * mV, OTHER)
    ),
}  # fmt: skip


def draw_tokens(seed, n_input, n_token, d_model):
    """Tokens ~ N(0, 1) of which half, drawn for each input, are replaced (Shown)."""
    stream = np.random.default_rng(seed)
    before = stream.standard_normal((n_input, n_token, d_model))
    new = np.argsort(stream.random((n_input, n_token)), axis=1) < n_token // 2
    return Shown(np.where(new[..., None], stream.standard_normal(before.shape), before), before, new)


def nucleus_of(relay, points, shown, cells):
    """Relay cells for some inputs, in C order of point, input, token, component, cell and sign (Nucleus).

    Parameters
    ----------
    relay : Relay
    points : sequence of Point
        A nucleus each, side by side in one group.
    shown : Shown
    cells : int
        For a component and sign.
    """
    tokens = np.stack([shown.before] * N_BEFORE + [shown.tokens] * N_AFTER)
    rates = np.clip(np.stack([tokens, -tokens], axis=-1), 0, None)[
        ..., None, :
    ]  # (slot, input, token, model, cell, sign)
    rates = np.repeat(rates, cells, axis=-2).reshape(len(tokens), -1)
    each = rates.shape[1]
    held, weight = (Quantity(np.repeat(values, each), dim=values[0].dim) for values in zip(*points, strict=True))
    leaks = relay.leaks()
    return Nucleus(
        "relays", relay.membrane, each * len(points), holding(relay.membrane, held, leaks), sigma=relay.noise(),
        drivers=(Driver(np.tile(rates, len(points)) * DRIVEN, weight),), conductances=tuple(Held(*one) for one in leaks),
        start=held,
    )  # fmt: skip


def measure(relay, points, shown, cells, seed, report=None, width=SLOT):
    """Rates of on cells less those of off cells over time, of two replicas of every nucleus.

    Parameters
    ----------
    relay, points, shown
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
    Measured

    Raises
    ------
    RunError
        If the simulation failed.
    """
    found, quiet, n_input = [], [], len(shown.tokens)
    at_once = max(1, N_AT_ONCE // (4 * cells * len(points) * shown.tokens[0].size))
    for first in range(0, n_input, at_once):
        part = Shown(*(each[first : first + at_once] for each in shown))
        one = int(np.random.SeedSequence([*seed, first]).generate_state(1)[0])
        nucleus = nucleus_of(relay, points, part, 2 * cells)
        spikes = simulate([nucleus], slot=SLOT, n_slot=N_BEFORE + N_AFTER, dt=DT, seed=one)["relays"]
        rates = spikes.rates(width)
        rates = rates.reshape(len(rates), len(points), *part.tokens.shape, 2, cells, 2)
        undriven = np.stack([part.before <= 0, part.before >= 0], axis=-1)
        before = rates[in_steps(BEFORE, width)].mean(axis=(0, 5, 6))
        quiet.append([each[undriven].mean() for each in before])
        found.append(np.moveaxis((rates[..., 0] - rates[..., 1]).mean(axis=-1), (0, -1), (1, 2)))
        if report:
            report(min(1.0, (first + at_once) / n_input))
    return Measured(np.concatenate(found, axis=3), np.mean(quiet, axis=0))


def in_steps(window, width):
    """Steps of some width in a window (slice)."""
    per_slot, slots = round(float(SLOT / width)), SLOTS[window]
    return slice(slots.start * per_slot, slots.stop * per_slot)


def slope(rates, tokens):
    """Rate (Hz) for a component of one, by least squares; both arrays broadcast."""
    tokens = np.broadcast_to(tokens, rates.shape)
    return float(np.sum(rates * tokens) / np.sum(tokens**2))


def novelty(rates, shown, draws=2000, seed=0):
    """Gains of relays in a window after the change by what their component was before, and that of novelty over persistence.

    Parameters
    ----------
    rates : ndarray, shape (n_input, n_token, d_model)
        Hz.
    shown : Shown
    draws, seed : int
        Of a bootstrap over inputs.

    Returns
    -------
    gains : dict of str to float
        Hz for a component of one: "persisting", of tokens that stay; "same sign" and "from silence", of new tokens where the
        relay was driven before, and where it was not.
    drawn : ndarray, shape (1 + draws,)
        Gain from silence over that of persisting tokens, and the same of each bootstrap sample.
    """
    new = np.broadcast_to(shown.new[..., None], rates.shape)
    driven = np.sign(shown.tokens) * shown.before >= SILENT
    groups = {"persisting": ~new, "same sign": new & driven, "from silence": new & ~driven}
    samples = np.random.default_rng(seed).multinomial(len(rates), np.full(len(rates), 1 / len(rates)), size=draws)
    counts = np.concatenate([np.ones((1, len(rates))), samples])
    gains = {}
    for name, group in groups.items():
        above, below = ((group * shown.tokens * each).sum(axis=(1, 2)) for each in (rates, shown.tokens))
        gains[name] = (counts @ above) / (counts @ below)
    return {name: float(each[0]) for name, each in gains.items()}, gains["from silence"] / gains["persisting"]
