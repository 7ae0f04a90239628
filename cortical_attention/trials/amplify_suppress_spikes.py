"""The circuits of `circuits.amplify_suppress` with cells that spike: each population is a group of integrators.

A cell fires at its drive times `UNIT`, regularly, from a phase of its own. What a population sends is the exponential trace
of its spikes, with the time constant that its rate has in the rate form, so that the mean of both forms is the same.
"""

import numpy as np
from brian2 import Clock, Hz, Network, NeuronGroup, Synapses, linked_var, ms, second

from cortical_attention.cells.noise import noise
from cortical_attention.circuits.amplify_suppress import (
    DRIVES,
    LARGEST,
    NOISES,
    SIGNALS,
    TAU_FAST,
    TAU_NOISE,
    TIMES,
)
from cortical_attention.simulation.engine import device
from cortical_attention.trials.amplify_suppress import ARMS, N_SLOT, SLOT, WAIT, played

UNIT, STEP = 100 * Hz, 1 * ms  # chosen: of a pool at its largest rate


def accuracy_in_spikes(point, given, n_cell, seed, arms=tuple(ARMS), report=None):
    """Right choices of one circuit whose cells spike; there is no bound.

    Parameters
    ----------
    point : Parameters of float
    given : trials.amplify_suppress.Trials
    n_cell : int
        Cells of each population.
    seed : numpy.random.SeedSequence
        Of the phases at which cells start.
    arms : sequence of str
        Of `ARMS`.
    report : callable, optional
        Progress report of Brian2.

    Returns
    -------
    ndarray, shape (1, n_arm, n_task, n_trial)

    Raises
    ------
    KeyboardInterrupt
        On an interrupted simulation.
    """
    shape, clock, stream = (len(arms), *given.reading.shape), Clock(STEP), np.random.default_rng(seed)
    with device("numpy"):  # less than the twenty code objects of this network take to compile
        circuit = _traces(point, given, arms, shape, clock)
        parts = [circuit]
        for name, (_, tau) in DRIVES.items():
            cells = NeuronGroup(
                n_cell * len(circuit), "dv/dt = unit * drive : 1\ndrive : 1 (linked)", threshold="v >= 1", reset="v -= 1",
                method="euler", clock=clock, namespace={"unit": UNIT},
            )  # fmt: skip
            home = np.repeat(np.arange(len(circuit)), n_cell)
            cells.drive, cells.v = linked_var(circuit, f"drive_{name}", index=home), stream.random(len(cells))
            weight = 1 / (n_cell * UNIT * circuit.namespace[tau])
            sent = Synapses(
                cells, circuit, on_pre=f"{name}_post += weight", clock=clock, namespace={"weight": float(weight)}
            )
            sent.connect(i=np.arange(len(cells)), j=home)
            parts += [cells, sent]
        network, length = Network(parts), (N_SLOT + WAIT) * SLOT
        network.run(length, report=report, report_period=1 * second, namespace={})
        if network.t < length - STEP / 2:
            raise KeyboardInterrupt
        difference = (circuit.x_1[:] - circuit.x_2[:]).reshape(shape)
    return (1 + np.sign(difference + point.reading * given.reading))[None] / 2


def _traces(point, given, arms, shape, clock):
    """What the populations of every trial send and are driven by."""
    decay = [f"d{name}/dt = -{name} / {tau} : 1" for name, (_, tau) in DRIVES.items()]
    drives = [f"drive_{name} = {drive} : 1 (constant over dt)" for name, (drive, _) in DRIVES.items()]
    works = "d2_works : 1 (constant)\ngrik4_works : 1 (constant)\ntrial : integer (constant)"
    constants = {
        name: each * ms if name in TIMES else each for name, each in point._asdict().items() if name != "bound"
    }
    circuit = NeuronGroup(
        np.prod(shape), "\n".join([*decay, SIGNALS, NOISES, *drives, works]), method="euler", clock=clock,
        namespace={"tau_fast": TAU_FAST, "tau_noise": TAU_NOISE, "largest": LARGEST, "noise": noise,
                   "stream": given.stream, **played(given.pulses), **constants},
    )  # fmt: skip
    for k, name in enumerate(("d2_works", "grik4_works")):
        setattr(circuit, name, np.broadcast_to(np.array([ARMS[arm][k] for arm in arms])[:, None, None], shape).ravel())
    circuit.trial = np.broadcast_to(np.arange(given.reading.size).reshape(given.reading.shape), shape).ravel()
    circuit.r_d2, circuit.r_grik4 = f"d2_works * clip(d2, 0, {LARGEST})", f"grik4_works * clip(grik4, 0, {LARGEST})"
    circuit.r_vip, circuit.r_pv = "a * r_d2", "c * r_grik4"
    return circuit
