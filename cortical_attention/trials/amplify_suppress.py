"""Trials of pulses for the circuits of `circuits.amplify_suppress`, and what silencing their populations changes."""

from typing import NamedTuple

import numpy as np
from brian2 import Clock, Network, NeuronGroup, StateMonitor, TimedArray, ms, second

from cortical_attention.cells.noise import noise, stream_of
from cortical_attention.circuits.amplify_suppress import (
    CHOSEN,
    COMMITMENT,
    DRIVES,
    LARGEST,
    NOISES,
    SIGNALS,
    TAU_FAST,
    TAU_NOISE,
    TIMES,
    Parameters,
)
from cortical_attention.simulation.engine import compiler, device
from cortical_attention.trials.batch import part_of

N_SLOT, SLOT, WAIT, STEP = 16, 80 * ms, 2, 5 * ms  # chosen: 1.3 s of cues; WAIT: slots without a cue before the choice
TASKS = {"sparse": (3, 0), "conflict": (10, 6)}  # slots with a pulse for the right and for the wrong rule; chosen
ARMS = {"intact": (1, 1), "D2 off": (0, 1), "GRIK4 off": (1, 0), "both off": (0, 0)}
SIGNS = {  # of the change of accuracy: Mukherjee et al. (2021), legend of figure 4, panels l, k, f, e
    "sparse, D2 off": -1, "sparse, GRIK4 off": 1, "conflict, D2 off": 1, "conflict, GRIK4 off": -1,
}  # fmt: skip
BOTH = {"sparse, both off": -1, "conflict, both off": -1}  # legends of figures 3 e and 4 j; nothing is tuned on them
CELLS = 400_000  # in one run; chosen: 0.1 GB


# Trials
class Trials(NamedTuple):
    """Pulses of trials and the seeds of their noise, the same in every circuit.

    Attributes
    ----------
    pulses : ndarray, shape (n_task, n_trial, n_slot)
        1 for the right rule, -1 for the wrong one, 0 where there is none.
    stream : int
        Of the noise of the pools.
    reading : ndarray, shape (n_task, n_trial)
        Normal numbers: the noise of a choice at the end.
    """

    pulses: np.ndarray
    stream: int
    reading: np.ndarray


def trials(n, seed):
    """Trials of every task, their pulses in random order (Trials).

    Parameters
    ----------
    n : int
        For each task.
    seed : int or numpy.random.SeedSequence
    """
    seed = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    order, own, reading = seed.spawn(3)
    rows = [[1] * right + [-1] * wrong + [0] * (N_SLOT - right - wrong) for right, wrong in TASKS.values()]
    pulses = np.repeat(np.array(rows, dtype=float)[:, None], n, axis=1)
    np.random.default_rng(order).permuted(pulses, axis=2, out=pulses)
    return Trials(pulses, stream_of(own), np.random.default_rng(reading).standard_normal(pulses.shape[:2]))


def accuracy(parameters, given, arms=tuple(ARMS), report=None):
    """Right choices of circuits, with some of their mediodorsal cells silenced.

    Parameters
    ----------
    parameters : Parameters of ndarray, shape (n_circuit,)
    given : Trials
    arms : sequence of str
        Of `ARMS`.
    report : callable, optional
        Progress report of Brian2.

    Returns
    -------
    ndarray, shape (n_circuit, n_arm, n_task, n_trial)
        1 for a right choice, 0 for a wrong one, a half where the pools are equal.

    Raises
    ------
    KeyboardInterrupt
        On an interrupted simulation.
    """
    n = len(parameters.w)
    size = max(1, CELLS // (len(arms) * given.reading.size))
    parts = [Parameters(*(each[k : k + size] for each in _arrays(parameters, n))) for k in range(0, n, size)]
    found = [_run(part, given, arms, part_of(report, k, len(parts))) for k, part in enumerate(parts)]
    return np.concatenate(found)


def courses(parameters, given):
    """Mean rates of the populations of an intact circuit over time.

    Parameters
    ----------
    parameters : Parameters of ndarray, shape (1,)
    given : Trials

    Returns
    -------
    times : ndarray, shape (n_time,)
        s.
    rates : dict of str to ndarray, shape (n_task, n_time)
        "right" and "wrong": the pools; "D2", "GRIK4": mediodorsal cells; of the largest rate of a pool.
    """
    with device("numpy" if compiler() is None else "cython"):
        group = _group(Parameters(*_arrays(parameters, 1)), given, ("intact",), (1, 1, *given.reading.shape))
        names = {"right": "x_1", "wrong": "x_2", "D2": "r_d2", "GRIK4": "r_grik4"}
        monitor = StateMonitor(group, list(names.values()), record=True, dt=4 * STEP)
        _finish(Network(group, monitor))
        recorded = {name: np.array(getattr(monitor, each)) for name, each in names.items()}
        times = np.array(monitor.t / second)
    return times, {name: each.reshape(*given.reading.shape, -1).mean(axis=1) for name, each in recorded.items()}


def _arrays(parameters, n):
    """Every parameter as an array, (n,) each."""
    return [np.broadcast_to(np.asarray(each, dtype=float), n) for each in parameters]


def _run(parameters, given, arms, report):
    """`accuracy` of circuits that fit into one run."""
    shape = len(parameters.w), len(arms), *given.reading.shape
    with device("numpy" if compiler() is None else "cython"):
        group = _group(parameters, given, arms, shape)
        _finish(Network(group), report)
        difference, chosen = (group.x_1[:] - group.x_2[:]).reshape(shape), group.chosen[:].reshape(shape)
    reading = np.asarray(parameters.reading)[:, None, None, None] * given.reading
    return (1 + np.sign(np.where(chosen == 0, difference + reading, chosen))) / 2


def _finish(network, report=None):
    """Run a network to the end of the trials; KeyboardInterrupt if it was stopped before."""
    length = (N_SLOT + WAIT) * SLOT
    network.run(length, report=report, report_period=1 * second, namespace={})
    if network.t < length - STEP / 2:
        raise KeyboardInterrupt


def _group(parameters, given, arms, shape):
    """A circuit for every trial of every circuit and arm, at rest."""
    rates = [f"d{name}/dt = ({drive} - {name}) / {tau} : 1" for name, (drive, tau) in DRIVES.items()]
    names = "\n".join(f"{name} : {'second' if name in TIMES else '1'} (constant)" for name in Parameters._fields)
    works = "d2_works : 1 (constant)\ngrik4_works : 1 (constant)\ntrial : integer (constant)"
    ends = dict(zip(("threshold", "reset"), COMMITMENT, strict=True)) if np.isfinite(parameters.bound).any() else {}
    equations = "\n".join([*rates, SIGNALS, NOISES, CHOSEN, names, works])
    group = NeuronGroup(
        np.prod(shape), equations, method="euler", clock=Clock(STEP), **ends,
        namespace={"tau_fast": TAU_FAST, "tau_noise": TAU_NOISE, "largest": LARGEST, "noise": noise,
                   "stream": given.stream, **played(given.pulses)},
    )  # fmt: skip
    for name, each in parameters._asdict().items():
        values = np.broadcast_to(each[:, None, None, None], shape).ravel()
        setattr(group, name, values * ms if name in TIMES else values)
    for name, works in zip(("d2_works", "grik4_works"), zip(*(ARMS[arm] for arm in arms), strict=True), strict=True):
        setattr(group, name, np.broadcast_to(np.array(works)[:, None, None], shape).ravel())
    group.trial = np.broadcast_to(np.arange(given.reading.size).reshape(given.reading.shape), shape).ravel()
    group.r_d2 = f"d2_works * clip(d2, 0, {LARGEST})"
    group.r_grik4 = f"grik4_works * clip(grik4, 0, {LARGEST})"
    group.r_vip, group.r_pv = "a * r_d2", "c * r_grik4"
    return group


def played(pulses):
    """Pulses (n_task, n_trial, n_slot) for each pool, as Brian2 plays them, none after the last slot (dict)."""
    slots = np.moveaxis(pulses.reshape(-1, N_SLOT), 0, 1)
    slots = np.concatenate([slots, np.zeros((WAIT, slots.shape[1]))])
    return {f"pulse_{k}": TimedArray(1.0 * (slots == side), dt=SLOT) for k, side in ((1, 1), (2, -1))}


# What silencing changes
def changes(right):
    """Change of accuracy by each silenced population in each task, with the sign that was found in mice.

    Parameters
    ----------
    right : ndarray, shape (n_circuit, n_arm, n_task, n_trial)
        Arms in the order of `ARMS`, the last of which may be missing.

    Returns
    -------
    dict of str to ndarray, shape (n_circuit,)
        By the names of `SIGNS`, and of `BOTH` where both are silenced: positive where it is the sign found in mice.
    """
    means, signs = right.mean(axis=-1), SIGNS | (BOTH if right.shape[1] == len(ARMS) else {})
    tasks, arms = list(TASKS), list(ARMS)
    found = {}
    for name, sign in signs.items():
        task, arm = name.split(", ")
        apart = means[:, arms.index(arm), tasks.index(task)] - means[:, 0, tasks.index(task)]
        found[name] = sign * apart
    return found


def early_over_late(pulses, right):
    """How much more a pulse in the first half of a trial with conflict counts than one in the second half.

    Parameters
    ----------
    pulses : ndarray, shape (n_trial, n_slot)
        With the same sum in every trial.
    right : ndarray, shape (n_trial,)

    Returns
    -------
    float
        Slope of accuracy over the sum of the pulses in the first half; a pulse more there is one less in the second half.
    """
    early = pulses[:, : pulses.shape[1] // 2].sum(axis=1)
    return float(np.polyfit(early, right, 1)[0])
