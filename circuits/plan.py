"""A wiring ready to run: circuit, protocol, and how its answer is read."""

from collections.abc import Callable
from typing import NamedTuple

from cortical_attention.circuits.protocol import Protocol
from cortical_attention.wiring.circuit import Circuit


class Plan(NamedTuple):
    """What each wiring returns.

    Attributes
    ----------
    circuit : Circuit
    protocol : Protocol
    batch : int
        Inputs side by side in one network.
    output, attention, attention_sum, gain : callable or None
        From the numbers of every population, shape (n_slot, batch, *sizes): the answer (batch, n_token, d_model); kappa
        (batch, n_head, n_token, n_context), None where no cell carries it; what normalisation holds at one, and what
        the interneurons hold (batch, n_head, n_token), None without normalisation.
    """

    circuit: Circuit
    protocol: Protocol
    batch: int
    output: Callable
    attention: Callable | None
    attention_sum: Callable | None
    gain: Callable | None


def axes_of(sizes, *kinds):
    """Axes of a population: (kind, size) of each kind."""
    return tuple((kind, sizes[kind]) for kind in kinds)


def named(*populations):
    """Populations by name."""
    return {population.name: population for population in populations}


def given(**inputs):
    """The inputs that are not None."""
    return {port: numbers for port, numbers in inputs.items() if numbers is not None}
