"""Nuclei of the thalamus: groups of cells with currents, conductances and driver trains of their own, and projections.

Whatever is given per slot and per cell broadcasts to (n_slot, n_cell): a scalar, (n_cell,) for constants of cells,
(n_slot, 1) for a modulator that all cells share. `simulation.nuclei.simulate` runs them.
"""

from typing import NamedTuple

import numpy as np
from brian2 import Quantity, ms, mV

from cortical_attention.cells.membranes.membrane import Membrane
from cortical_attention.cells.membranes.thalamic import CONDUCTANCE, DENSITY
from cortical_attention.cells.short_term import ShortTerm


class Receptor(NamedTuple):
    """Receptor of a synapse: a conductance that jumps at a spike and decays.

    Attributes
    ----------
    name : str
    reversal : Quantity (V)
    tau : Quantity (s)
    """

    name: str
    reversal: Quantity
    tau: Quantity


# chosen: order of what models of thalamic networks have
AMPA = Receptor("ampa", 0 * mV, 3 * ms)
GABA_A = Receptor("gaba_a", -80 * mV, 10 * ms)
GABA_B = Receptor("gaba_b", -95 * mV, 150 * ms)
POTASSIUM = -95 * mV  # reversal of the potassium leak that acetylcholine and mGluR1 close


class Driver(NamedTuple):
    """A Poisson train of spikes for each cell of a nucleus, through a synapse of its own.

    Attributes
    ----------
    rate : Quantity (Hz), broadcasts to (n_slot, n_cell)
    weight : Quantity (S / m**2), broadcasts to (n_slot, n_cell)
        Conductance of the first spike.
    plasticity : ShortTerm or None
        Depression or facilitation of the synapse.
    receptor : Receptor
    """

    rate: Quantity
    weight: Quantity
    plasticity: ShortTerm | None = None
    receptor: Receptor = AMPA


class Held(NamedTuple):
    """A conductance that is not synaptic: a potassium leak, a shunt, an inhibitory tone.

    Attributes
    ----------
    conductance : Quantity (S / m**2), broadcasts to (n_slot, n_cell)
    reversal : Quantity (V)
        One for all cells.
    """

    conductance: Quantity
    reversal: Quantity


class Nucleus(NamedTuple):
    """Cells of one membrane.

    Attributes
    ----------
    name : str
        A Python identifier.
    membrane : Membrane
        `FIRE_OR_BURST`, `LOW_THRESHOLD` or `RETICULAR`, or such a one with changed constants.
    n_cell : int
    current : Quantity (A / m**2), broadcasts to (n_slot, n_cell)
        Holding and driving current (`cells.membranes.thalamic.holding`).
    sigma : Quantity (V), broadcasts to (n_slot, n_cell)
        Standard deviation that the noise alone gives to the passive membrane.
    drivers : tuple of Driver
    conductances : tuple of Held
    start : Quantity (V), broadcasts to (n_cell,), or None
        Potential at the start, with the gates at their steady state; None: where current and conductances of the first slot
        hold the passive membrane, 1 mV below threshold at most.
    """

    name: str
    membrane: Membrane
    n_cell: int
    current: Quantity = 0 * DENSITY
    sigma: Quantity = 0 * mV
    drivers: tuple = ()
    conductances: tuple = ()
    start: Quantity | None = None


class Source(NamedTuple):
    """Cells that send given spikes, or Poisson trains, into projections: an axon bundle from elsewhere.

    Attributes
    ----------
    name : str
    n_cell : int
    rate : Quantity (Hz), broadcasts to (n_slot, n_cell), or None
    spikes : (ndarray of int, Quantity (s)), each of shape (n_spike,), or None
        Cells and times, in place of a rate.
    """

    name: str
    n_cell: int
    rate: Quantity | None = None
    spikes: tuple | None = None


class Projection(NamedTuple):
    """Synapses between two nuclei.

    Attributes
    ----------
    source, target : str
    weights : Quantity (S / m**2), shape (n_target, n_source), or (ndarray of int, ndarray of int, Quantity)
        Conductance of a spike; zeros are no synapses. Or target, source and weight of each synapse (`between`).
    receptor : Receptor
    plasticity : ShortTerm or None
    delay : Quantity (s)
    """

    source: str
    target: str
    weights: Quantity | tuple
    receptor: Receptor = AMPA
    plasticity: ShortTerm | None = None
    delay: Quantity = 0 * ms


def between(weights, n_target, n_source, n_circuit=1):
    """Synapses between channels of cells: each cell of a channel to each of another, side by side in equal circuits.

    Parameters
    ----------
    weights : Quantity (S / m**2), shape (n_channel, n_channel)
        Conductance [target, source] that the cells of a source channel bring to a cell of the target with one spike each; it
        is divided by `n_source`. Zeros are no synapses.
    n_target, n_source : int
        Cells of a channel.
    n_circuit : int
        Copies side by side. Cells are numbered in C order of circuit, channel and cell.

    Returns
    -------
    targets, sources : ndarray of int, shape (n_synapse,)
    weights : Quantity (S / m**2), shape (n_synapse,)
    """
    strength = np.asarray(weights / CONDUCTANCE)
    n_post, n_pre = strength.shape
    post, pre = np.nonzero(strength)
    circuit, k, a, b = np.meshgrid(*map(np.arange, (n_circuit, len(post), n_target, n_source)), indexing="ij")
    targets, sources = (circuit * n_post + post[k]) * n_target + a, (circuit * n_pre + pre[k]) * n_source + b
    return targets.ravel(), sources.ravel(), (strength[post, pre][k].ravel() / n_source) * CONDUCTANCE
