"""Slots: a circuit that presents all its tokens at once is shown several inputs one after another, without a pause."""

from typing import NamedTuple

import numpy as np
from brian2 import Quantity

from cortical_attention.circuits.protocol import Protocol
from cortical_attention.wiring.expressions import WiringError


class Slots(NamedTuple):
    """Durations of slots.

    Attributes
    ----------
    rest : Quantity (s)
        Of the first, which is not measured.
    shown : Quantity (s)
        Of each that follows.
    phase : Quantity (s)
        Time over which values are read; both durations are whole multiples.
    """

    rest: Quantity
    shown: Quantity
    phase: Quantity

    @property
    def n_rest(self):
        """Phases of the first slot."""
        return round(float(self.rest / self.phase))

    @property
    def n_shown(self):
        """Phases of every other slot."""
        return round(float(self.shown / self.phase))

    def windows(self, slot, length):
        """Phases of the windows of a slot, the first of them 1 (ndarray of int, (n_window, n_phase_in_window)).

        Parameters
        ----------
        slot : int
        length : Quantity (s)
            Of a window, a whole multiple of a phase.
        """
        n_phase = round(float(length / self.phase))
        first = self.n_rest + (slot - 1) * self.n_shown
        return first + np.arange(self.n_shown // n_phase * n_phase).reshape(-1, n_phase)


def in_slots(plans, slots):
    """Plan that shows what several plans of one circuit show, one after another.

    Parameters
    ----------
    plans : sequence of Plan
        Of the same circuit with different inputs from outside. Inputs that change during a plan, such as the gate of
        interneurons that start at their ceiling, have their first value in the first slot and their last in the others.
    slots : Slots

    Returns
    -------
    Plan
        Measured from the second slot on.

    Raises
    ------
    WiringError
        If a plan presents its tokens one after another.
    """
    first = plans[0]
    if first.protocol.token_of is not None:
        raise WiringError(
            f"circuit '{first.circuit.name}' presents its tokens one after another; slots need them at once"
        )
    index = np.repeat(np.arange(len(plans)), [slots.n_rest, *(slots.n_shown for _ in plans[1:])])
    populations = {}
    for name, population in first.circuit.populations.items():
        every = [plan.circuit.populations[name].inputs for plan in plans]
        inputs = {port: _joined([each[port] for each in every], population, index) for port in population.inputs}
        populations[name] = population._replace(inputs=inputs)
    protocol = Protocol(slots.phase, len(index), np.arange(slots.n_rest, len(index))[None])
    return first._replace(circuit=first.circuit._replace(populations=populations), protocol=protocol)


def _joined(values, population, index):
    """Values of a port in each phase; as they are where no slot changes them."""
    if np.ndim(values[0]) == len(population.axes) + 2:
        values = [each[0 if k == 0 else -1] for k, each in enumerate(values)]
    elif all(np.array_equal(each, values[0]) for each in values):
        return values[0]
    return np.stack([np.asarray(each) for each in values])[index]
