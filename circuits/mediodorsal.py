"""Prefrontal cortex and mediodorsal thalamus: which context is it, from cues that are shared by contexts?

::

    prefrontal  -> prefrontal interneuron   "ck ->"            mean rate, the threshold of plasticity
    prefrontal  -> relay.drive              "ck, gck -> g"     W, plastic: (m_g - 1/2) (active_ck - 1/2)
    relay       -> reticular                "g -> g"
    reticular   -> relay.inhibition         "h, gh -> g"       all but its own: lateral inhibition
    relay       -> interneuron              "g ->"             sum
    interneuron -> relay.divisor            "-> g"             division until the rates of relays sum to one

c counts cues, k the prefrontal cells of a cue, g and h groups of mediodorsal relays. A group is one rate cell. The winner is
made by reticular inhibition and the bounds of relays; nothing compares drives, except where `perfect` asks for that.

Many circuits stand side by side in one network. Those that differ only in their constants hear the same prefrontal cells.
"""

from typing import NamedTuple

import numpy as np
from brian2 import Clock, Hz, NeuronGroup, Synapses, linked_var, ms

from cortical_attention.cells.mediodorsal import (
    ACTIVITY,
    BACK,
    CONSTANTS,
    DENDRITE,
    MEAN,
    N_GROUP,
    NORMALISER,
    PLASTICITY,
    PREFRONTAL,
    RELAY,
    RETICULAR,
    SYNAPSE,
)
from cortical_attention.cells.noise import noise

SLOW, FAST = 10 * ms, 2 * ms  # time steps: of prefrontal cells and their synapses, and of thalamus


class Session(NamedTuple):
    """Tasks, and the circuits that do them.

    Attributes
    ----------
    shown : TimedArray
        1 while a cue is shown, over trials and cues, shape (n_trial, n_task n_cue).
    per_cue, n_cue, n_task : int
        Prefrontal cells of a cue, cues, and tasks that are done side by side.
    per_trial : int
        Steps of `FAST` in a trial.
    task : ndarray of int, shape (n_circuit,)
        The task of each circuit.
    weights : ndarray, shape (n_circuit, N_GROUP, n_cue per_cue)
        From prefrontal cells to relays, before learning.
    constants : dict of str to ndarray, shape (n_circuit,)
        perfect, competition, gain, level, learning (1/s), adapts and divisor.
    streams : tuple of int
        Noise of prefrontal cells and of relays.
    """

    shown: object
    per_cue: int
    n_cue: int
    n_task: int
    per_trial: int
    task: np.ndarray
    weights: np.ndarray
    constants: dict
    streams: tuple


class Populations(NamedTuple):
    """Brian2 objects of the circuits; relay and dendrite g of circuit c are number N_GROUP c + g."""

    prefrontal: NeuronGroup
    mean: NeuronGroup
    averaging: Synapses
    synapses: Synapses
    dendrites: NeuronGroup
    relays: NeuronGroup
    reticular: NeuronGroup
    normalisers: NeuronGroup


def mediodorsal(session):
    """The circuits of a session.

    Parameters
    ----------
    session : Session

    Returns
    -------
    Populations

    Raises
    ------
    ValueError
        If the weights have another shape than the circuits and cells that they join.
    """
    n_circuit, n_cell = len(session.task), session.n_cue * session.per_cue
    if session.weights.shape != (n_circuit, N_GROUP, n_cell):
        raise ValueError(
            f"weights have shape {session.weights.shape}, but {n_circuit} circuits of {N_GROUP} relays and {n_cell} "
            f"prefrontal cells need {(n_circuit, N_GROUP, n_cell)}."
        )
    slow, fast = Clock(SLOW, name="cortex_clock"), Clock(FAST, name="thalamus_clock")
    prefrontal, mean, averaging = _cortex(session, slow, n_cell)
    relays, reticular, normalisers = _thalamus(session, fast)
    dendrites = _dendrites(session, relays, slow)
    synapses = _plastic(session, prefrontal, dendrites, n_cell)
    return Populations(prefrontal, mean, averaging, synapses, dendrites, relays, reticular, normalisers)


def _cortex(session, clock, n_cell):
    """Prefrontal cells of every task, and the interneuron that has their mean."""
    own = {"shown": session.shown, "noise": noise, "stream": session.streams[0]}
    prefrontal = _group(session.n_task * n_cell, PREFRONTAL, "prefrontal", clock, 0, own)
    mean = _group(session.n_task, MEAN, "prefrontal_interneuron", clock, 2)
    averaging = Synapses(
        prefrontal, mean, "average_post = r_pre / n_cell : 1 (summed)", clock=clock, name="averaging",
        namespace={"n_cell": n_cell},
    )  # fmt: skip
    cells = np.arange(session.n_task * n_cell)
    averaging.connect(i=cells, j=cells // n_cell)
    prefrontal.run_regularly(ACTIVITY, when="start", clock=clock, order=-1, name="activity")
    prefrontal.cue = cells // session.per_cue
    prefrontal.average = linked_var(mean, "average", index=cells // n_cell)
    return prefrontal, mean, averaging


def _thalamus(session, clock):
    """Relays, reticular cells and normalising interneurons of every circuit."""
    n_circuit, constants = len(session.task), session.constants
    n_relay = N_GROUP * n_circuit
    own = {"noise": noise, "stream": session.streams[1], "per_trial": session.per_trial}
    relays = _group(n_relay, RELAY, "relays", clock, 4, own)
    reticular = _group(n_relay, RETICULAR, "reticular", clock, 5)
    normalisers = _group(n_circuit, NORMALISER, "normalisers", clock, 6)
    index, circuit = np.arange(n_relay), np.arange(n_circuit)
    other = index ^ 1
    relays.inhibition = linked_var(reticular, "u", index=other)
    relays.divisor = linked_var(normalisers, "g", index=index // N_GROUP)
    reticular.m = linked_var(relays, "m")
    normalisers.m_1 = linked_var(relays, "m", index=N_GROUP * circuit)
    normalisers.m_2 = linked_var(relays, "m", index=N_GROUP * circuit + 1)
    for name in ("perfect", "competition", "gain", "level"):
        setattr(relays, name, np.repeat(constants[name], N_GROUP))
    relays.twin = (N_GROUP * session.task[:, None] + np.arange(N_GROUP)).ravel()
    relays.m = reticular.u = 1 / N_GROUP
    normalisers.g, normalisers.adapts = constants["divisor"], constants["adapts"]
    return relays, reticular, normalisers


def _dendrites(session, relays, clock):
    """Dendrites of relays, on the clock of prefrontal cells."""
    dendrites = _group(relays.N, DENDRITE, "dendrites", clock, 3)
    dendrites.m = linked_var(relays, "m")
    dendrites.run_regularly(BACK, when="start", clock=clock, order=-1, name="back_propagation")
    dendrites.learning = np.repeat(session.constants["learning"], N_GROUP) * Hz
    relays.drive = linked_var(dendrites, "drive")
    relays.other = linked_var(dendrites, "drive", index=np.arange(relays.N) ^ 1)
    return dendrites


def _plastic(session, prefrontal, dendrites, n_cell):
    """Plastic synapses from every prefrontal cell of a task to every dendrite of its circuits."""
    synapses = Synapses(
        prefrontal, dendrites, SYNAPSE, clock=dendrites.clock, name="plastic", method="euler", namespace=dict(CONSTANTS)
    )
    first = np.repeat(session.task * n_cell, N_GROUP)[:, None]
    synapses.connect(i=(first + np.arange(n_cell)).ravel(), j=np.repeat(np.arange(dendrites.N), n_cell))
    synapses.weight = session.weights.ravel()
    synapses.run_regularly(PLASTICITY, when="start", name="plasticity")
    return synapses


def _group(n, equations, name, clock, order, more=None):
    """A population with the constants of its cells."""
    namespace = CONSTANTS | (more or {})
    return NeuronGroup(n, equations, method="euler", clock=clock, order=order, name=name, namespace=namespace)
