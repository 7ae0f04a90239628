"""When a circuit with rules is taught, and what it learnt."""

from typing import NamedTuple

import numpy as np
from brian2 import Clock, StateMonitor

from cortical_attention.circuits.protocol import RunError
from cortical_attention.wiring.plasticity import Presentations


class Learnt(NamedTuple):
    """Weights of one name over time.

    Attributes
    ----------
    weights : ndarray, shape (n_presentation + 1, *shape)
        Before the first presentation that teaches, and after each.
    velocity : ndarray, shape (n_presentation + 1, *shape)
        Change that led there; with the last one learning goes on (`cells.rules.rule.Rule`).
    """

    weights: np.ndarray
    velocity: np.ndarray


class LearningError(RunError):
    """Learning that diverged; the message is one sentence.

    Attributes
    ----------
    n_finite : int
        Presentations after which all weights were finite.
    """

    def __init__(self, message, n_finite):
        super().__init__(message)
        self.n_finite = n_finite


def refuse_diverged(learnt):
    """Raise LearningError unless all weights are finite.

    Parameters
    ----------
    learnt : dict of str to Learnt
    """
    for name, each in learnt.items():
        finite = np.isfinite(each.weights).reshape(len(each.weights), -1).all(axis=1)
        if not finite.all():
            n = int(finite.argmin()) - 1
            raise LearningError(
                f"learning diverged: {name} is not finite after presentation {n + 1}; try a smaller step", n
            )


def taught(plan):
    """When the circuit of a plan is taught: each window of the protocol is the open gate of one presentation.

    Parameters
    ----------
    plan : Plan

    Returns
    -------
    Presentations or None
        None for a circuit without rules.

    Raises
    ------
    RunError
        If windows do not follow one another at equal distances up to the end of the protocol.
    """
    if not plan.circuit.rules:
        return None
    windows, phase, n_phase = np.asarray(plan.protocol.windows), plan.protocol.phase, plan.protocol.n_phase
    ends = windows[:, -1] + 1
    period = ends[1] - ends[0] if len(ends) > 1 else n_phase if ends[0] == n_phase else ends[0]
    alike = np.array_equal(ends, ends[0] + period * np.arange(len(ends)))
    if not alike or ends[-1] != n_phase or ends[0] % period or windows.shape[1] >= period:
        raise RunError(
            f"circuit '{plan.circuit.name}' learns, which needs presentations of equal length that end with a window, but "
            f"its windows end after {', '.join(map(str, ends[:4]))} of {n_phase} phases"
        )
    clock = Clock(period * phase, name="presentation_clock")
    return Presentations(clock, (period - windows.shape[1]) * phase, int(ends[0] // period) - 1)


def weighed_of(wired, settings):
    """Monitors of the weights that rules change, between presentations (dict of str to StateMonitor)."""
    return {
        name: StateMonitor(
            group, ["w", "velocity"], record=True, clock=settings.taught.clock, name=f"learnt_{group.name}"
        )
        for name, group in wired.learners.items()
    }


def learnt_of(plan, monitors, settings):
    """What a run learnt (dict of str to Learnt), from its monitors."""
    found = {}
    for name, monitor in monitors.items():
        shape = next(np.shape(each.weights) for each in plan.circuit.projections if each.learnt == name)
        both = (np.array(getattr(monitor, each)).T[settings.taught.first :] for each in ("w", "velocity"))
        found[name] = Learnt(*(each.reshape(-1, *shape) for each in both))
    return found
