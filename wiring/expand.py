"""A circuit with its hidden axes: batch, cells per value, on/off signs, and the inhibitory relays of Dale's law.

The letters of a circuit are lower case. The axes added here have capitals: B batch; P cells per value of the source, Q of
the target; S sign of the source, T of the target.
"""

from functools import reduce
from typing import NamedTuple

import numpy as np

from cortical_attention.wiring.circuit import Population
from cortical_attention.wiring.expressions import parse

SIGNS = np.array([1.0, -1.0])  # on cell, off cell


class Concrete(NamedTuple):
    """Cells of a population, hidden axes included, in C order batch, own axes, cells, sign."""

    population: Population
    axes: tuple

    @property
    def shape(self):
        """Sizes of the axes."""
        return tuple(size for _, size in self.axes)

    @property
    def n_cell(self):
        """Number of cells."""
        return int(np.prod(self.shape))


class Pathway(NamedTuple):
    """A projection, hidden axes included.

    Attributes
    ----------
    name, source, target, port : str
    expression : Expression
    excitation, inhibition : ndarray
        What is added and what is subtracted, both >= 0 in a form that is `paired`; the second runs through an inhibitory
        relay, one cell a source cell, in the structure of the target. Otherwise `excitation` holds the signed weights.
    delay : Quantity (s) or None
    plasticity : ShortTerm or None
    learnt : str
        Name of the weights, where a rule changes them. `excitation` and, in a form that is `paired`, `inhibition` are then
        what the weights are multiplied with, and of the two that one acts which comes out positive.
    """

    name: str
    source: str
    target: str
    port: str
    expression: object
    excitation: np.ndarray
    inhibition: np.ndarray
    delay: object = None
    plasticity: object = None
    learnt: str = ""


def expand_population(population, form, batch, cells):
    """A population with its hidden axes.

    Parameters
    ----------
    population : Population
    form : Form
        Its `paired` decides whether a signed population has an on cell and an off cell per value.
    batch : int
        Number of inputs side by side.
    cells : int
        Cells per value.

    Returns
    -------
    Concrete
        With the axes batch, those of the population, cells and, if there are pairs, sign.
    """
    return Concrete(
        population, (("batch", batch), *population.axes, ("cells", cells), *form.coding.signs(population.signed))
    )


def expand_projection(circuit, projection, form, cells):
    """A projection with its hidden axes, and its weights split into excitation and inhibition.

    Parameters
    ----------
    circuit : Circuit
    projection : Projection
        Of that circuit.
    form : Form
        Its `paired` decides whether signed values have on and off cells, and weights are split by sign.
    cells : int
        Cells per value, by which the weights are divided.

    Returns
    -------
    Pathway
        Its weights have the axes of the weights of the projection, then a sign axis (size 2) for a source with on and off
        cells, and one for a target with on and off cells that differ in sign at this port.

    Raises
    ------
    WiringError
        If the index expression cannot be parsed.
    """
    source, target = circuit.ends(projection)
    port = projection.target.partition(".")[2]
    expression = parse(projection.expression)
    source_sign, target_sign = (
        letter * len(form.coding.signs(each.signed)) for letter, each in (("S", source), ("T", target))
    )
    flips = target_sign if target.signed == port else ""
    signs = np.eye(2) if projection.like_signs and source_sign else _outer(len(source_sign + flips))
    weights = np.asarray(projection.weights, dtype=float)
    weights = np.multiply.outer(np.ones_like(weights) if projection.learnt else weights, signs) / cells
    expression = expression._replace(
        source="B" + expression.source + "P" + source_sign,
        weight=expression.weight + source_sign + flips,
        target="B" + expression.target + "Q" + target_sign,
    )
    inhibition = form.coding.relays(weights)
    excitation = weights + inhibition
    if projection.learnt and form.coding.paired:  # a weight that is learnt may turn its sign
        excitation, inhibition = weights, -weights
    return Pathway(
        projection.name, source.name, target.name, port, expression, excitation, inhibition, projection.delay,
        projection.plasticity, projection.learnt,
    )  # fmt: skip


def _outer(n_sign):
    """Sign of the effect of on and off cells on on and off cells, for so many ends that have both."""
    return reduce(np.multiply.outer, n_sign * [SIGNS], np.array(1.0))


def expand_input(concrete, port, values):
    """Values from outside at a port, one for each cell.

    The off cell of a pair receives the negative value at the port that determines the sign of the population.

    Parameters
    ----------
    concrete : Concrete
    port : str
    values : array_like, shape (batch, *sizes) or (n_phase, batch, *sizes)
        As in `Population.inputs`; axes of size one are repeated, that of phases excepted.

    Returns
    -------
    ndarray, shape (n_cell,) or (n_phase, n_cell)

    Raises
    ------
    ValueError
        If the values do not broadcast to the axes of the population.
    """
    given = _spread(concrete, port, values)
    return given.reshape(*given.shape[: given.ndim - len(concrete.axes)], -1)


def input_strides(concrete, port, values):
    """How far apart the values of an input lie along each axis of the cells (tuple of int): zero where they are repeated.

    Parameters
    ----------
    concrete, port
        As in `expand_input`.
    values : array_like, shape (batch, *sizes)
    """
    given = _spread(concrete, port, values)
    steps = (int(np.prod(given.shape[k + 1 :])) for k in range(given.ndim))
    return tuple(step if own else 0 for step, own in zip(steps, given.strides, strict=True))


def _spread(concrete, port, values):
    """Values of an input with the axes of the cells, phases before them, as a view that repeats what is repeated."""
    population = concrete.population
    values = np.asarray(values, dtype=float)[..., np.newaxis]
    lead = values.shape[: values.ndim - len(population.axes) - 2]
    if concrete.axes[-1][0] == "sign":
        values = values[..., np.newaxis] * (SIGNS if population.signed == port else 1.0)
    return np.broadcast_to(values, lead + concrete.shape)
