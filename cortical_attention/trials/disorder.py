"""Disorder of the weights of a circuit: copies that differ, and synapses that are missing."""

import numpy as np

from cortical_attention.wiring.expressions import parse

LEAST = 0.1  # of a shunt; a cell without any inhibition would have no bound
LOST = "superficial", "intratelencephalic", "normaliser"  # the normaliser of softmax attention is an L5 IT cell
CELLS = 40  # per value, as biophysical cells have
MEASURED = {  # found of probed, mouse V1: Campagnola et al. 2022 (L2/3 to L5 IT: 0 of 14, taken as one of 15)
    "superficial -> intratelencephalic.apical": 1 / 15,
    "intratelencephalic -> pyramidal_tract.soma": 2 / 72,
    "superficial -> interneuron.pool": 21 / 53,
    "interneuron -> superficial.shunt": 17 / 53,
}


def jittered(draw, level, cells, size):
    """Mean weight of synapses that differ, of the cells of one value onto one dendrite.

    These cells fire at one rate, so that to first order the mean of their weights acts.

    Parameters
    ----------
    draw : numpy.random.Generator
    level : float
        Standard deviation over mean of the weights of single synapses, none of which changes its sign.
    cells : int
        Cells per value.
    size : sequence of int

    Returns
    -------
    ndarray, shape (*size)
        One on average.
    """
    found = np.zeros(size)
    for _ in range(cells):
        found += np.clip(1 + level * draw.standard_normal(size), 0, None)
    return found / cells


def existing(draw, cells, probability, size):
    """Remaining weight, one on average, of the synapses of `cells` cells onto as many, each there with a probability."""
    return draw.binomial(cells**2, probability, size) / (cells**2 * probability)


def measured(draw, cells, name, size):
    """Remaining weight of a projection by name, with the measured probability of a synapse where there is one."""
    return existing(draw, cells, MEASURED.get(name, 1.0), size)


def with_missing(plan, share, cells, draw):
    """Plan in which a share of the L2/3 and L5 IT cells is gone, by the gate of each value.

    Parameters
    ----------
    plan : Plan
    share : float
    cells : int
        Cells per value before any was lost.
    draw : numpy.random.Generator

    Returns
    -------
    Plan
    """
    populations = dict(plan.circuit.populations)
    for name in (each for each in LOST if each in populations):
        left = draw.binomial(cells, 1 - share, populations[name].shape) / cells
        populations[name] = populations[name]._replace(inputs={**populations[name].inputs, "gate": left[None]})
    return plan._replace(circuit=plan.circuit._replace(populations=populations))


def disordered(plan, factor):
    """Plan with a separate weight for every pair of values.

    Parameters
    ----------
    plan : Plan
    factor : callable
        ``factor(name, size)`` gives what the weights of a projection are multiplied by, ndarray of that size. A shunt keeps
        at least `LEAST` of its weight.

    Returns
    -------
    Plan
    """
    projections = tuple(_uncopied(plan.circuit, each, factor) for each in plan.circuit.projections)
    return plan._replace(circuit=plan.circuit._replace(projections=projections))


def _uncopied(circuit, projection, factor):
    """Projection with a separate weight for every pair of cells."""
    expression, (source, target) = parse(projection.expression), circuit.ends(projection)
    size_of = dict(zip(expression.source + expression.target, source.shape + target.shape, strict=True))
    letters = expression.target + "".join(each for each in expression.source if each not in expression.target)
    factors = factor(f"{projection.source} -> {projection.target}", [size_of[each] for each in letters])
    if projection.target.endswith(".shunt"):
        factors = np.maximum(factors, LEAST)
    weights = np.einsum(
        f"{expression.weight},{letters}->{letters}", np.asarray(projection.weights, dtype=float), factors
    )
    return projection._replace(expression=f"{expression.source}, {letters} -> {expression.target}", weights=weights)
