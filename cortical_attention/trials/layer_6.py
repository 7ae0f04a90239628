"""Relays with tuned drivers under layer 6: what light on layer 6 does to their rates, receptive fields and bursts.

A circuit is shown one stimulus: each of its channels, with a preferred stimulus of its own on a ring, gets driver spikes at
the rate of its tuning. Layer 6 is dark at first, and lit for the rest of the time. All stimuli, draws of constants and
conditions lie side by side.
"""

from typing import NamedTuple

import numpy as np
from brian2 import Hz, ms, mV

from cortical_attention.cells.membranes.thalamic import CONDUCTANCE, DENSITY, holding
from cortical_attention.circuits.layer_6 import METABOTROPIC, Strengths, layer_6_circuit
from cortical_attention.circuits.nucleus import POTASSIUM, Driver, Held, Nucleus
from cortical_attention.circuits.protocol import RunError
from cortical_attention.readout.bursts import bursts
from cortical_attention.simulation.nuclei import simulate
from cortical_attention.trials.drivers import DEPRESSING, OFFSET, RELAYS, SPREAD

N_CHANNEL, SLOT = 12, 100 * ms
DARK, LIT, N_SLOT = (
    (5, 15),
    (17, 27),
    27,
)  # slots that are measured; light comes on with slot 15, and acts for 200 ms first
LEAK = 1.0  # chosen: potassium leak that layer 6 can close, relative to the other conductances of a resting relay
PEAK, WIDTH = 25.0, 2.0  # Hz, and concentration of the tuning; chosen
LIGHT = 2.2  # uA/cm2; chosen: layer 6 fires at some 46 Hz
LAYER_6_RATE = 46.5  # Hz under `LIGHT`, by which strengths are stated
WEIGHTS = {"fire_or_burst": 0.4, "low_threshold": 0.12}  # mS/cm2 of a driver spike; chosen for relays with an open leak


class Condition(NamedTuple):
    """What differs between circuits.

    Attributes
    ----------
    potential : dict of str to float
        Potential (mV) of each relay cell in the dark.
    relay, reticular, loop, inhibition : float
        Strengths: share of the leak that is closed; mS/cm2 for the others.
    light : float
        Relative to `LIGHT`.
    ongoing : float
        Rate of every driver (Hz) away from its preferred stimulus.
    """

    potential: dict
    relay: float
    reticular: float = 0.02
    loop: float = 0.0
    inhibition: float = 0.06
    light: float = 1.0
    ongoing: float = 5.0


TONIC, QUIET = {"fire_or_burst": -51.0, "low_threshold": -55.0}, {"fire_or_burst": -64.0, "low_threshold": -77.0}
LESS, ASKED, MORE, LOOP, RETICULAR_ALONE, SPARSE, SWITCHED, UNLIT = (
    "less light", "tonic", "more light", "with the loop", "reticular alone", "silent drivers", "burst", "burst, no light",
)  # fmt: skip
CONDITIONS = {  # chosen in pilot runs with other noise
    LESS: Condition(TONIC, 0.2),
    ASKED: Condition(TONIC, 0.35),
    MORE: Condition(TONIC, 0.55),
    LOOP: Condition(TONIC, 0.35, loop=0.3),
    RETICULAR_ALONE: Condition(TONIC, 0.0),
    SPARSE: Condition(TONIC, 0.35, ongoing=0.5),
    SWITCHED: Condition(QUIET, 0.72),
    UNLIT: Condition(QUIET, 0.72, light=0.0),
}


def tuning(rng, n_draw):
    """Driver rates (Hz) of channels above ongoing activity, (n_draw, n_stimulus, n_channel), with peaks and widths of their
    own."""
    angle = 2 * np.pi * np.arange(N_CHANNEL) / N_CHANNEL
    apart = np.cos(angle[:, None] - angle[None]) - 1
    peaks, widths = (
        each * np.exp(0.2 * rng.standard_normal((n_draw, 1, N_CHANNEL))) for each in (PEAK, WIDTH)
    )  # chosen: 20 % of spread
    return peaks * np.exp(widths * apart)


def circuits_of(name, n_draw, n_relay, seed):
    """Relay nucleus, light and strengths of all circuits, in C order of draw, condition and stimulus."""
    relay, rng = RELAYS[name], np.random.default_rng([seed, n_draw])
    shape = n_draw, len(CONDITIONS), N_CHANNEL
    tuned = tuning(rng, n_draw)[:, None]
    offset, weight, closing = rng.standard_normal((3, n_draw, 1, 1))

    def each(what):
        return np.array([getattr(condition, what) for condition in CONDITIONS.values()])[None, :, None] * np.ones(shape)

    held = np.array([condition.potential[name] for condition in CONDITIONS.values()])[None, :, None] + OFFSET * offset
    leak = LEAK * relay.own
    leaks = (Held(relay.leak * CONDUCTANCE, POTASSIUM), Held(leak * CONDUCTANCE, POTASSIUM))
    current = (
        holding(relay.membrane, (held * np.ones(shape)) * mV, [(h.conductance, h.reversal) for h in leaks]) / DENSITY
    )

    def cells(values):
        return np.repeat(np.broadcast_to(values, (*shape, N_CHANNEL)).ravel(), n_relay)

    weights = cells(WEIGHTS[name] * np.exp(SPREAD * weight)[..., None]) * CONDUCTANCE
    drive = Driver(cells(each("ongoing")[..., None] + tuned) * Hz, weights, DEPRESSING)
    nucleus = Nucleus(
        "relay", relay.membrane, int(np.prod(shape)) * N_CHANNEL * n_relay, cells(np.asarray(current)[..., None]) * DENSITY,
        relay.sigma, (drive,), leaks,
    )  # fmt: skip
    lit = np.arange(N_SLOT)[:, None] >= DARK[1]
    per_spike = leak / (LAYER_6_RATE * float(METABOTROPIC.tau)) * each("relay") * np.exp(SPREAD * closing)
    others = (each(name) for name in ("reticular", "loop", "inhibition"))
    strengths = Strengths(*(values.ravel() for values in (per_spike, *others, np.zeros(shape))))
    return nucleus, lit * each("light").ravel() * LIGHT * DENSITY, strengths


def run_cell(name, n_draw, n_relay, seed, target="auto"):
    """Rates and bursts of one kind of relay under all conditions.

    Parameters
    ----------
    name : str
        Of `RELAYS`.
    n_draw, n_relay : int
        Draws of constants, tuning and noise; relay cells of a channel.
    seed : int
    target : {"auto", "numpy", "cython", "cpp"}

    Returns
    -------
    dict
        `rates`: ndarray (2, n_draw, n_condition, n_stimulus, n_channel), Hz, dark and lit; `first`: (n_draw, n_condition),
        Hz in the first 200 ms of light; `course`, `layer_6`, `reticular`: (n_slot, n_condition), Hz; `bursting`, `spikes`:
        (2, n_draw, n_condition), spikes in bursts and all; `closed`: largest share of the leak that was closed.

    Raises
    ------
    RunError
        If layer 6 closes more leak than there is.
    """
    nucleus, light, strengths = circuits_of(name, n_draw, n_relay, seed)
    nuclei, projections = layer_6_circuit(nucleus, light, strengths, N_CHANNEL, n_relay)
    watched = np.linspace(0, nucleus.n_cell - 1, 32).astype(int)
    traces = {"relay": ((f"g_{METABOTROPIC.name}",), watched)}
    found = simulate(nuclei, projections, slot=SLOT, n_slot=N_SLOT, seed=seed, target=target, traces=traces)
    closed = -found["relay"].traces[f"g_{METABOTROPIC.name}"].min() / float(CONDUCTANCE) / (LEAK * RELAYS[name].own)
    if closed > 1:
        raise RunError(
            f"layer 6 closes {closed:.2f} of the potassium leak of '{name}' relays, which is more than there is"
        )
    shape = n_draw, len(CONDITIONS), N_CHANNEL, N_CHANNEL

    def by_condition(spikes):
        return spikes.rates(SLOT).reshape(N_SLOT, n_draw, len(CONDITIONS), -1).mean(axis=(1, 3))

    rates = found["relay"].rates(SLOT).reshape(N_SLOT, *shape, n_relay).mean(axis=-1)
    bursting, spikes = _bursts(found["relay"], shape[:2])
    return {
        "rates": np.array([rates[slice(*slots)].mean(axis=0) for slots in (DARK, LIT)]), "closed": float(closed),
        "first": rates[DARK[1] : LIT[0]].mean(axis=(0, 3, 4)),
        "bursting": bursting, "spikes": spikes, "course": by_condition(found["relay"]),
        "layer_6": by_condition(found["layer_6"]), "reticular": by_condition(found["reticular"]),
    }  # fmt: skip


def _bursts(spikes, shape):
    """Spikes in bursts and all spikes, each (2, n_draw, n_condition): in the dark, and lit."""
    inside, times = bursts(spikes.cells, spikes.times).inside, spikes.times
    group = spikes.cells // (spikes.n_cell // int(np.prod(shape)))
    found = []
    for slots in (DARK, LIT):
        first, last = (each * float(SLOT) for each in slots)
        window = (times >= first) & (times < last)
        found.append([
            np.bincount(group[window & chosen], minlength=int(np.prod(shape))).reshape(shape) for chosen in (inside, True)
        ])  # fmt: skip
    return tuple(np.array(found).swapaxes(0, 1))
