"""What relay cells make of driver spikes under a modulator: surfaces r(d, m) by biophysics of the modulator.

Five modulators reach the same relay cells: a depolarising current, as metabotropic receptors of layer 6 give; a potassium
leak that closes; a shunt, and inhibition by spikes of reticular cells, that are lifted; and noise. Driver spikes arrive
through a depressing synapse, or one that does not depress. All cells of all surfaces run side by side.
"""

from typing import NamedTuple

import numpy as np
from brian2 import Hz, Quantity, ms, mV

from cortical_attention.cells.membranes.fire_or_burst import FIRE_OR_BURST
from cortical_attention.cells.membranes.low_threshold import LOW_THRESHOLD
from cortical_attention.cells.membranes.membrane import Membrane
from cortical_attention.cells.membranes.reticular import RETICULAR
from cortical_attention.cells.membranes.thalamic import CONDUCTANCE, DENSITY, holding
from cortical_attention.cells.short_term import ShortTerm
from cortical_attention.circuits.nucleus import GABA_A, POTASSIUM, Driver, Held, Nucleus, Projection
from cortical_attention.simulation.nuclei import simulate

RATES = np.array([0.0, 5.0, 10.0, 20.0, 30.0, 40.0, 60.0, 80.0])  # Hz, of driver spikes
LEVELS = np.linspace(0, 1, 5)  # of the modulator; 1 is where relays relay most
DEPOLARISED, LEAK, SHUNT, RETICULAR_TONE, NOISE = (
    "depolarisation", "K leak closed", "shunt lifted", "inhibition lifted", "noise",
)  # fmt: skip
MODULATORS = DEPOLARISED, LEAK, SHUNT, RETICULAR_TONE, NOISE
# chosen: U is the one asked for; recovery faster than between pyramidal cells, so that some transmitter is left at 80 Hz
DEPRESSING = ShortTerm(U=0.3, tau_f=1 * ms, tau_d=150 * ms)
DRIVERS = {"depressing": DEPRESSING, "plain": None}
SLOT, N_SLOT, SETTLE = 500 * ms, 5, 1  # the first slot is not measured
OFFSET, SPREAD = (
    1.0,
    0.1,
)  # chosen: mV of the potential at which a draw is held; of the logarithm of weight and strength
N_RETICULAR = 20  # chosen: cells that inhibit the relays of one level
OFF, ON = -1.0, 2.6  # uA/cm2 of reticular cells: silent (at rest they would burst), and firing tonically


class Relay(NamedTuple):
    """A relay cell and the range of its modulators.

    Attributes
    ----------
    membrane : Membrane
    sigma : Quantity (V)
    leak : float
        Potassium conductance that is always open, mS/cm2.
    low, high : float
        Potentials (mV) of the passive membrane at the weakest and the strongest modulator.
    weights : dict of str to float
        Conductance of the first driver spike (mS/cm2) by kind of driver.
    shunt, inhibition : float
        Largest shunting conductance, which falls with the square of what is to be lifted; conductance of a spike of all
        reticular cells (mS/cm2).
    noise : tuple of float
        Least and largest noise (mV) where it is the modulator.
    """

    membrane: Membrane
    sigma: Quantity
    leak: float
    low: float
    high: float
    weights: dict
    shunt: float
    inhibition: float
    noise: tuple

    @property
    def own(self):
        """Conductance at rest, mS/cm2 (float)."""
        return float(self.membrane.constants["g_L"] / CONDUCTANCE) + self.leak

    def held(self, v):
        """Current that holds the passive membrane at a potential in mV: uA/cm2, in the shape of `v`."""
        leak = (self.leak * CONDUCTANCE, POTASSIUM)
        return np.asarray(holding(self.membrane, v * mV, (leak,)) / DENSITY)


RELAYS = {  # chosen in pilot runs with other noise
    "fire_or_burst": Relay(
        FIRE_OR_BURST, 2 * mV, 0.0, -60, -44, {"depressing": 0.35, "plain": 0.25}, 0.16, 0.12, (1, 8)
    ),
    "low_threshold": Relay(
        LOW_THRESHOLD, 1 * mV, 0.02, -65, -53, {"depressing": 0.1, "plain": 0.1}, 0.12, 0.09, (0.5, 4)
    ),
}


def constants_of(n_draw, seed):
    """Offset of the holding potential (mV) and factors of driver weight and modulator, (3, n_draw)."""
    drawn = np.random.default_rng([seed, n_draw]).standard_normal((3, n_draw))
    return np.array([OFFSET * drawn[0], *np.exp(SPREAD * drawn[1:])])


def nucleus_of(name, relay, driver, n_cell, drawn):
    """Relay cells in C order of draw, modulator, level, driver rate and cell."""
    shape = drawn.shape[1], len(MODULATORS), len(LEVELS), len(RATES), n_cell
    offset, weight, strength = drawn[:, :, None, None, None, None]
    kind = np.arange(len(MODULATORS))[:, None, None, None]
    level = LEVELS[:, None, None]
    is_kind = {each: kind == k for k, each in enumerate(MODULATORS)}
    lifted = (1 - level) * strength  # what is still to be lifted
    v = np.where(is_kind[DEPOLARISED], relay.low + (relay.high - relay.low) * level * strength, relay.high)
    v = np.where(is_kind[NOISE], (relay.low + relay.high) / 2, v) + offset
    leak = relay.own * (relay.high - relay.low) / (relay.low - float(POTASSIUM / mV))  # holds `high` at `low`
    quiet, loud = relay.noise
    sigma = np.where(is_kind[NOISE], quiet + (loud - quiet) * level * strength, float(relay.sigma / mV))

    def cells(values):
        return np.broadcast_to(values, shape).ravel()

    held = (
        Held(cells(is_kind[LEAK] * leak * lifted) * CONDUCTANCE, POTASSIUM),
        Held(cells(is_kind[SHUNT] * relay.shunt * lifted**2) * CONDUCTANCE, relay.low * mV),
        Held(relay.leak * CONDUCTANCE, POTASSIUM),
    )
    train = Driver(cells(RATES[:, None]) * Hz, cells(relay.weights[driver] * weight) * CONDUCTANCE, DRIVERS[driver])
    return Nucleus(
        name, relay.membrane, int(np.prod(shape)), cells(relay.held(v)) * DENSITY, cells(sigma) * mV, (train,), held
    )


def inhibition_of(relay, n_cell, drawn):
    """Synapses of reticular cells (draw, level, cell) with the relays that they inhibit: targets, sources, weights."""
    n_draw, k = drawn.shape[1], MODULATORS.index(RETICULAR_TONE)
    size = len(RATES) * n_cell
    draw, level, a, b = np.meshgrid(*map(np.arange, (n_draw, len(LEVELS), size, N_RETICULAR)), indexing="ij")
    targets = ((draw * len(MODULATORS) + k) * len(LEVELS) + level) * size + a
    sources = (draw * len(LEVELS) + level) * N_RETICULAR + b
    weights = relay.inhibition * drawn[2][draw] / N_RETICULAR
    return targets.ravel(), sources.ravel(), weights.ravel() * CONDUCTANCE


def reticular_of(n_draw):
    """Reticular cells, of which the fewer fire, the higher the level: in C order of draw, level and cell."""
    fires = (np.arange(N_RETICULAR) + 0.5) / N_RETICULAR < 1 - LEVELS[:, None]
    current = np.tile(np.where(fires, ON, OFF), (n_draw, 1)).ravel()
    return Nucleus("reticular", RETICULAR, current.size, current * DENSITY, 2 * mV)


def measure(n_draw, n_cell, seed, target="auto"):
    """Surfaces of all relay cells, drivers and modulators, in one run.

    Parameters
    ----------
    n_draw, n_cell : int
        Draws of constants and noise; cells of each driver rate and level in a draw.
    seed : int
    target : {"auto", "numpy", "cython", "cpp"}

    Returns
    -------
    surfaces : dict of (str, str, str) to ndarray, shape (n_draw, n_rate, n_level)
        Rates in Hz by relay cell, driver and modulator.
    reticular : ndarray, shape (n_level,)
        Rates of the reticular cells in Hz.
    """
    drawn = constants_of(n_draw, seed)
    nuclei, projections, asked = [reticular_of(n_draw)], [], {}
    for name, relay in RELAYS.items():
        for driver in DRIVERS:
            asked[f"{name}_{driver}"] = name, driver
            nuclei.append(nucleus_of(f"{name}_{driver}", relay, driver, n_cell, drawn))
            synapses = inhibition_of(relay, n_cell, drawn)
            projections.append(Projection("reticular", f"{name}_{driver}", synapses, GABA_A))
    spikes = simulate(nuclei, projections, slot=SLOT, n_slot=N_SLOT, seed=seed, target=target)
    surfaces = {}
    for label, key in asked.items():
        rates = spikes[label].rates(SLOT)[SETTLE:].mean(axis=0)
        rates = rates.reshape(n_draw, len(MODULATORS), len(LEVELS), len(RATES), n_cell).mean(axis=-1)
        surfaces |= {(*key, each): rates[:, k].swapaxes(1, 2) for k, each in enumerate(MODULATORS)}
    reticular = spikes["reticular"].rates(SLOT)[SETTLE:].mean(axis=0).reshape(n_draw, len(LEVELS), -1)
    return surfaces, reticular.mean(axis=(0, 2))
