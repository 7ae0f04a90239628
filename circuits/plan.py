"""A wiring ready to run: circuit, protocol, and how its answer is read."""

from typing import NamedTuple

import numpy as np

from cortical_attention.circuits.protocol import Protocol
from cortical_attention.wiring.circuit import Circuit
from cortical_attention.wiring.expressions import WiringError


class Reading(NamedTuple):
    """How something is read of a circuit: the numbers of one population, summed over some of its axes.

    A plain sum, so that the variance of a reading is the reading of the variances of independent numbers.

    Attributes
    ----------
    population : str
    sum : tuple of str
        Kinds of the axes that are summed over.
    """

    population: str
    sum: tuple = ()

    def prefixed(self, prefix):
        """The same reading in a circuit whose populations bear a prefix."""
        return self._replace(population=prefix + self.population)


class Plan(NamedTuple):
    """What each wiring returns.

    Attributes
    ----------
    circuit : Circuit
    protocol : Protocol
    batch : int
        Inputs side by side in one network.
    output : Reading or None
        The answer (batch, n_token, d_model); None for a part of a circuit.
    attention : Reading or None
        kappa (batch, n_head, n_token, n_context); None where no cell carries it.
    attention_sum, gain : Reading or None
        What normalisation holds at one, and what the interneurons hold (batch, n_head, n_token); None without
        normalisation.
    layers : dict of str to dict of str to Reading
        Of a stack: the readings of every layer, by its name and by the names above.
    """

    circuit: Circuit
    protocol: Protocol
    batch: int
    output: Reading | None = None
    attention: Reading | None = None
    attention_sum: Reading | None = None
    gain: Reading | None = None
    layers: dict = {}

    def read(self, reading, numbers):
        """What a reading finds.

        Parameters
        ----------
        reading : Reading or None
        numbers : dict of str to ndarray, shape (n_slot, batch * n_memory, *sizes)
            Of every population, in the window of each slot (`simulation.settle.slots`).

        Returns
        -------
        ndarray or None
            Shape (batch, *sizes) without the axes summed over. Where tokens are presented one after another, an axis of
            tokens stands behind that of heads, or behind the batch without heads. None if there is no reading.

        Raises
        ------
        WiringError
            If the population lacks an axis that is to be summed over.
        """
        if reading is None:
            return None
        kinds = [kind for kind, _ in self.circuit.populations[reading.population].axes]
        for kind in set(reading.sum) - set(kinds):
            raise WiringError(f"reading of '{reading.population}': it has no axis of kind {kind} to sum over")
        found = self.protocol.presented(numbers[reading.population])
        summed = tuple(place - len(kinds) for place, kind in enumerate(kinds) if kind in reading.sum)
        found = found.sum(axis=summed) if summed else found
        left = [kind for kind in kinds if kind not in reading.sum]
        if self.protocol.token_of is None or "head" not in left:
            return found
        return np.moveaxis(found, 1, 2 + left.index("head"))

    def readings(self):
        """Readings by name: those of the plan itself, None left out."""
        found = {name: getattr(self, name) for name in ("output", "attention", "attention_sum", "gain")}
        return {name: reading for name, reading in found.items() if reading is not None}


def axes_of(sizes, *kinds):
    """Axes of a population: (kind, size) of each kind."""
    return tuple((kind, sizes[kind]) for kind in kinds)


def named(*populations):
    """Populations by name."""
    return {population.name: population for population in populations}


def given(**inputs):
    """The inputs that are not None."""
    return {port: numbers for port, numbers in inputs.items() if numbers is not None}


def shown(tokens, context, mask):
    """Tokens and context without what a mask closes to everybody: such a token is not presented (zero), so that neither its
    size nor an overflow of its kernel has an effect.

    Parameters
    ----------
    tokens : ndarray, shape (batch, n_token, d_model)
    context : ndarray, shape (batch, n_context, d_model)
    mask : ndarray of bool, shape (n_token, n_context), or None

    Returns
    -------
    tokens, context : ndarray
    """
    if mask is None:
        return tokens, context
    mask = np.asarray(mask, dtype=bool)
    return tuple(
        np.where(mask.any(axis=axis)[:, np.newaxis], sequence, 0.0) for axis, sequence in ((1, tokens), (0, context))
    )
