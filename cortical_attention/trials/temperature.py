"""Layer 6 above the reticular nucleus: does it set the temperature of the competition of relays?

Relays that share one pool of inhibition settle near r_i / R = sparsemax(s / T), with the temperature T = R / G of the total
rate R and the gain G of one cell (Martins & Astudillo 2016 for sparsemax). Layer 6 reaches the pool, and the relays.
"""

import numpy as np
from brian2 import ms, mV
from scipy.optimize import minimize_scalar
from scipy.stats import linregress

from cortical_attention.cells.membranes.fire_or_burst import FIRE_OR_BURST
from cortical_attention.cells.membranes.thalamic import CONDUCTANCE, DENSITY
from cortical_attention.circuits.layer_6 import METABOTROPIC, Strengths, layer_6_circuit
from cortical_attention.circuits.nucleus import POTASSIUM, Held, Nucleus
from cortical_attention.reference.curves import CURVES, subtracted
from cortical_attention.simulation.nuclei import simulate

N_CHANNEL, N_RELAY, SLOT, N_SLOT, SETTLE = 8, 20, 500 * ms, 4, 1
LIGHTS = 0.0, 1.2, 1.5, 1.9, 2.4  # uA/cm2 into layer 6
PATHS = {"reticular only": 0.0, "both paths": 0.6}  # share of the leak of relays that layer 6 closes
FREE = "uncoupled"
MEAN, PER_SCORE, TONE = 2.6, 0.7, 2.2  # uA/cm2: current of a score of zero, of one more, and of reticular cells; chosen
LEAK = 0.01  # mS/cm2; chosen: small beside the leak of a tonic relay
LAYER_6_RATE = 50.0  # Hz, at which the share of the leak is closed
INHIBITION, RETICULAR, DRIVE = 0.02, 0.12, 0.2  # mS/cm2; chosen


def measure(n_draw, n_circuit, seed, target="auto"):
    """Rates of relays that compete, under light on layer 6.

    Parameters
    ----------
    n_draw, n_circuit : int
        Draws, and circuits of each with scores of their own.
    seed : int
    target : {"auto", "numpy", "cython", "cpp"}

    Returns
    -------
    scores : ndarray, shape (n_draw, n_circuit, n_channel)
    rates : dict of (str, float) to ndarray, shape (n_draw, n_circuit, n_channel)
        Hz, by path and light; of uncoupled relays by (FREE, 0.0).
    layer_6 : dict of float to float
        Rate of layer 6 (Hz) by light.
    """
    labels = [(path, light) for path in PATHS for light in LIGHTS] + [(FREE, 0.0)]
    shape = len(labels), n_draw, n_circuit
    scores = np.random.default_rng([seed, n_draw, n_circuit]).standard_normal((n_draw, n_circuit, N_CHANNEL))
    current = np.broadcast_to(MEAN + PER_SCORE * scores, (*shape, N_CHANNEL)).ravel()
    at_rest = LEAK * (-45.0 - float(POTASSIUM / mV))  # the leak of a relay at -45 mV, replaced
    relay = Nucleus(
        "relay", FIRE_OR_BURST, int(np.prod(shape)) * N_CHANNEL * N_RELAY,
        np.repeat(current + at_rest, N_RELAY) * DENSITY, 2 * mV, (), (Held(LEAK * CONDUCTANCE, POTASSIUM),),
    )  # fmt: skip

    def by_label(values):
        return np.repeat(np.array(values, dtype=float), n_draw * n_circuit)

    coupled = by_label([path != FREE for path, _ in labels])
    closed = by_label([PATHS.get(path, 0.0) for path, _ in labels]) * LEAK / (LAYER_6_RATE * float(METABOTROPIC.tau))
    strengths = Strengths(closed, coupled * RETICULAR, 0 * coupled, coupled * INHIBITION, coupled * DRIVE)
    light = np.tile(by_label([light for _, light in labels]), (N_SLOT, 1)) * DENSITY
    nuclei, projections = layer_6_circuit(relay, light, strengths, N_CHANNEL, N_RELAY, TONE * DENSITY, None)
    spikes = simulate(nuclei, projections, slot=SLOT, n_slot=N_SLOT, seed=seed, target=target)
    found = {name: each.rates(SLOT)[SETTLE:].mean(axis=0).reshape(*shape, N_CHANNEL, -1).mean(axis=-1)
             for name, each in spikes.items()}  # fmt: skip
    layer_6 = {light: float(found["layer_6"][k].mean()) for k, (path, light) in enumerate(labels) if path != FREE}
    return scores, dict(zip(labels, found["relay"], strict=True)), layer_6


def gain(scores, rates):
    """Gain G of a relay that is not inhibited (Hz for a score of one), from those that fire."""
    fires = rates > 1
    return linregress(scores[fires], rates[fires]).slope


def fitted(scores, rates):
    """Inverse temperature whose sparsemax is nearest to the shares of the rates.

    Parameters
    ----------
    scores, rates : ndarray, shape (n_circuit, n_channel)

    Returns
    -------
    b, left : float
        And what sparsemax(b s) leaves of the shares, in relative L2.
    """
    shares = rates / rates.sum(axis=-1, keepdims=True)

    def off(log_b):
        scaled = np.exp(log_b) * scores
        right = CURVES["rectifier"](scaled - subtracted(scaled, CURVES["rectifier"])[..., None])
        return np.linalg.norm(shares - right) / np.linalg.norm(shares)

    grid = np.linspace(np.log(0.01), np.log(10), 29)
    best = grid[np.argmin([off(each) for each in grid])]
    found = minimize_scalar(off, bounds=(best - 0.3, best + 0.3), method="bounded")
    return float(np.exp(found.x)), float(found.fun)
