"""Plan: a circuit ready to run, its protocol and its readings."""

from typing import NamedTuple

import numpy as np

from cortical_attention.circuits.protocol import Protocol
from cortical_attention.wiring.circuit import Circuit
from cortical_attention.wiring.expressions import WiringError


class Reading(NamedTuple):
    """A quantity read from a circuit: the values of one population, summed over some of its axes.

    Since it is a plain sum, the variance of a reading is the reading of the variances of independent values.

    Attributes
    ----------
    population : str
    sum : tuple of str
        Kinds of the summed axes.
    """

    population: str
    sum: tuple = ()

    def prefixed(self, prefix):
        """The same reading in a circuit whose populations have a prefix.

        Parameters
        ----------
        prefix : str

        Returns
        -------
        Reading
        """
        return self._replace(population=prefix + self.population)


class Plan(NamedTuple):
    """Return value of a wiring.

    Attributes
    ----------
    circuit : Circuit
    protocol : Protocol
    batch : int
        Number of inputs side by side in one network.
    output : Reading or None
        The answer (batch, n_token, d_model); None for a part of a circuit.
    attention : Reading or None
        kappa (batch, n_head, n_token, n_context); None if no cell represents it.
    attention_sum, gain : Reading or None
        Sum of attention, which normalisation keeps at one, and values of the interneurons (batch, n_head, n_token);
        None without normalisation.
    exact : bool
        Whether that sum is one at the fixed point: a normaliser that leaks comes near it only.
    restless : bool
        Whether the ripple of synapses moves what cells stand for from one moment to the next, as noise does: so it is where
        a dendrite is exponential in what spikes bring. Spike counts then vary by more than one.
    layers : dict of str to dict of str to Reading
        Of a stack: readings by name of layer and by the names above.
    """

    circuit: Circuit
    protocol: Protocol
    batch: int
    output: Reading | None = None
    attention: Reading | None = None
    attention_sum: Reading | None = None
    gain: Reading | None = None
    exact: bool = True
    restless: bool = False
    layers: dict = {}

    def read(self, reading, values):
        """Value of a reading.

        Parameters
        ----------
        reading : Reading or None
        values : dict of str to ndarray, shape (n_window, batch * n_memory, *sizes)
            Values of every population in each window (`simulation.settle.window_values`).

        Returns
        -------
        ndarray, shape (batch, *sizes), or None
            Without the summed axes. If tokens are presented one after another, an axis of tokens
            follows that of heads, or the batch axis if there are no heads. None without a reading.

        Raises
        ------
        WiringError
            If the population lacks an axis of the sum.
        """
        if reading is None:
            return None
        kinds = [kind for kind, _ in self.circuit.populations[reading.population].axes]
        for kind in set(reading.sum) - set(kinds):
            raise WiringError(f"reading of '{reading.population}': it has no axis of kind {kind} to sum over")
        found = self.protocol.presented(values[reading.population])
        summed = tuple(place - len(kinds) for place, kind in enumerate(kinds) if kind in reading.sum)
        found = found.sum(axis=summed) if summed else found
        left = [kind for kind in kinds if kind not in reading.sum]
        if self.protocol.token_of is None or "head" not in left:
            return found
        return np.moveaxis(found, 1, 2 + left.index("head"))

    def readings(self):
        """Readings of the plan.

        Returns
        -------
        dict of str to Reading
            By name; those of None are omitted.
        """
        found = {name: getattr(self, name) for name in ("output", "attention", "attention_sum", "gain")}
        return {name: reading for name, reading in found.items() if reading is not None}


def axes_of(sizes, *kinds):
    """Axes of a population: tuple of (kind, size), with sizes from a dict by kind."""
    return tuple((kind, sizes[kind]) for kind in kinds)


def named(*populations):
    """Populations by name (dict)."""
    return {population.name: population for population in populations}


def given(**inputs):
    """Inputs by port (dict), without those of None."""
    return {port: values for port, values in inputs.items() if values is not None}


def without(circuit, names):
    """Circuit without some populations and the projections that reach or leave them.

    Parameters
    ----------
    circuit : Circuit
    names : collection of str

    Returns
    -------
    Circuit
    """
    populations = {name: each for name, each in circuit.populations.items() if name not in names}
    projections = tuple(
        each for each in circuit.projections if not {each.source, each.target.partition(".")[0]} & set(names)
    )
    return circuit._replace(populations=populations, projections=projections)


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
