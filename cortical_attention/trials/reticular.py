"""Loops of relay and reticular nuclei side by side, in one simulation, and the gain of a relay."""

from typing import NamedTuple

import numpy as np
from brian2 import Quantity, ms, mV

from cortical_attention.cells.membranes.fire_or_burst import FIRE_OR_BURST
from cortical_attention.cells.membranes.low_threshold import LOW_THRESHOLD
from cortical_attention.cells.membranes.membrane import Membrane
from cortical_attention.cells.membranes.reticular import RETICULAR
from cortical_attention.cells.membranes.thalamic import CONDUCTANCE, DENSITY, holding
from cortical_attention.circuits.nucleus import AMPA, GABA_A, Held, Nucleus, Projection, between
from cortical_attention.circuits.reticular import EXCITATION, N_RELAY, N_RETICULAR, inhibition, of_cells, of_channels
from cortical_attention.simulation.nuclei import simulate

AWAKE, RESTING = (
    -62 * mV,
    -78 * mV,
)  # of reticular cells: noradrenaline, mGluR depolarise; acetylcholine mostly inhibits
NOISE = 1.5 * mV  # chosen: of reticular cells
LINEAR = 5, 40  # Hz, where the gain of a relay is measured
SCORES, COPIES = np.linspace(-2, 4, 25), 6  # scores and cells of it
WINDOW = 500 * ms  # of counting; the first is left out


class Relay(NamedTuple):
    """A model of relay cells, and the current that scores are given as.

    Attributes
    ----------
    membrane : Membrane
    sigma : Quantity (V)
    above : Quantity (A / m**2)
        Current of a score of zero, above that which holds the passive membrane at threshold.
    per_score : Quantity (A / m**2)
        Current of a score of one.
    resting : Quantity (V)
        Potential at which the passive membrane of a relay at rest is held.
    strengths : tuple of float
        Strengths of inhibition of the selection, in mS/cm2.
    latched : float
        Strength at which lateral inhibition has a winner that stays, in mS/cm2.
    """

    membrane: Membrane
    sigma: Quantity
    above: Quantity
    per_score: Quantity
    resting: Quantity
    strengths: tuple
    latched: float

    def current(self, scores):
        """Current density of scores (any shape)."""
        return holding(self.membrane, self.membrane.constants["V_T"]) + self.above + np.asarray(scores) * self.per_score


# chosen: currents that give both cells 28 Hz at a score of zero and about 15 Hz a score, measured on single cells; strengths
# in pilot runs, so that the temperature covers more than a factor of six
RELAYS = {
    "fire_or_burst": Relay(
        FIRE_OR_BURST, 2 * mV, 0.6 * DENSITY, 0.45 * DENSITY, -55 * mV, (0.003, 0.01, 0.02, 0.04, 0.07, 0.13), 0.2
    ),
    "low_threshold": Relay(
        LOW_THRESHOLD, 2 * mV, 0.75 * DENSITY, 0.6 * DENSITY, -62 * mV, (0.003, 0.01, 0.02, 0.04, 0.08, 0.17), 0.3
    ),
}


class Loops(NamedTuple):
    """Circuits side by side.

    Attributes
    ----------
    patterns : tuple of str
        Whom reticular channels inhibit, of each circuit (`circuits.reticular.PATTERNS`).
    strengths : ndarray, shape (n_circuit,)
        Of inhibition, in mS/cm2.
    current : Quantity (A / m**2), shape (n_slot, n_circuit, n_channel)
        Into relays.
    held : Quantity (V), shape (n_circuit,)
        Potential at which reticular cells are held.
    """

    patterns: tuple
    strengths: np.ndarray
    current: Quantity
    held: Quantity


def run(relay, loops, slot, seed, *, reticular=RETICULAR, target="auto"):
    """Simulate loops.

    Parameters
    ----------
    relay : Relay
    loops : Loops
    slot : Quantity (s)
    seed : int
    reticular : Membrane
    target : str
        As in `simulate`.

    Returns
    -------
    dict of str to Spikes
        "relay" and "reticular".
    """
    n_slot, n_circuit, n_channel = loops.current.shape
    per_channel = np.ones((n_circuit, n_channel))
    held = of_cells(holding(reticular, loops.held)[:, None] * per_channel, N_RETICULAR)
    nuclei = [
        Nucleus(
            "relay", relay.membrane, n_circuit * n_channel * N_RELAY, of_cells(loops.current, N_RELAY), relay.sigma
        ),
        Nucleus("reticular", reticular, n_circuit * n_channel * N_RETICULAR, held, NOISE),
    ]  # fmt: skip
    channels = EXCITATION * np.eye(n_channel)
    projections = [
        Projection("relay", "reticular", between(channels, N_RETICULAR, N_RELAY, n_circuit), AMPA),
        Projection("reticular", "relay", inhibition(loops.patterns, loops.strengths * CONDUCTANCE, n_channel), GABA_A),
    ]
    return simulate(nuclei, projections, slot=slot, n_slot=n_slot, seed=seed, target=target)


def channel_rates(spikes, n_channel, window, per_channel=N_RELAY):
    """Rates of channels (ndarray, (n_window, n_circuit, n_channel), Hz)."""
    return of_channels(spikes.rates(window), n_channel, per_channel)


def gains(relay, tones, seed, target="auto"):
    """Gain of a relay without a loop, under constant inhibition.

    Parameters
    ----------
    relay : Relay
    tones : ndarray, shape (n_tone,)
        Conductances of inhibition, in mS/cm2.
    seed : int
    target : str

    Returns
    -------
    ndarray, shape (n_tone,)
        Slope of the rate over the score (Hz) by least squares, where the rate is between 5 and 40 Hz.
    """
    scores = np.repeat(SCORES, COPIES)
    current, tone = relay.current(np.tile(scores, len(tones))), np.repeat(tones, len(scores)) * CONDUCTANCE
    held = (Held(tone, GABA_A.reversal),)
    cells = Nucleus("relay", relay.membrane, len(tone), current, relay.sigma, conductances=held)
    spikes = simulate([cells], slot=WINDOW, n_slot=3, seed=seed, target=target)["relay"]
    rates = spikes.rates(WINDOW)[1:].mean(axis=0).reshape(len(tones), len(SCORES), COPIES).mean(axis=-1)
    return np.array([_slope(each) for each in rates])


def _slope(rates):
    inside = (rates >= LINEAR[0]) & (rates <= LINEAR[1])
    return np.polyfit(SCORES[inside], rates[inside], 1)[0]
