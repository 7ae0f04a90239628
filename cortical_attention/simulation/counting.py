"""Variance of values decoded from spike counts, propagated over the graph of projections (decision 0015).

A cell that sums inherits the errors of its sources; a cell that multiplies does not. Populations are taken in the order of
their projections. In a loop of populations, their errors x follow x = W x + e, with the counting errors e of their own
cells, so that the variance of x is that of (I - W)^-1 e.
"""

from graphlib import TopologicalSorter

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, gmres

from cortical_attention.simulation.released import gain_of_release
from cortical_attention.simulation.rule import linear_gain
from cortical_attention.wiring.expressions import parse

ROUNDING = 1 / 6  # variance of rounding a value up or down to a whole one, on average over values
LARGEST_DENSE = 1000  # chosen: cells of a loop per input whose matrix is held whole and inverted (8 MB, about a second)
N_PROBE = 50  # chosen: draws for a larger loop: the variance of a cell is right to sqrt(2 / N_PROBE) = 20 %
LARGEST_GAIN = 1e6  # chosen: a loop that amplifies an error of its cells more has no fixed point that counts can tell


def spike_variance(plan, run, windows, cells):
    """Variance of the value of each cell if its count in a window is right to one spike.

    The count of a regular train is its expectation rounded up or down, which happens with variance 1/6 on average over
    expectations, and with no more than the expectation where that is below 1/6. A cell whose rule passes a port on by a
    constant factor inherits the variance of its sources, through plastic synapses as their release changes with the value;
    a cell that multiplies starts anew.

    Parameters
    ----------
    plan : Plan
    run : Run
    windows : ndarray of int, shape (n_window, n_phase_in_window)
    cells : int
        Cells per value.

    Returns
    -------
    dict of str to ndarray, shape (n_window, batch, *sizes)
        Infinite in a loop that has no fixed point.
    """
    values = {name: each[plan.protocol.windows].mean(axis=1) for name, each in run.values.items()}
    circuit, variance = plan.circuit, {}
    linear = [
        (each, gain, gain_of_release(each, values[each.source], run.unit_rates[each.source]))
        for each in circuit.projections
        if (gain := linear_gain(circuit, each)) is not None
    ]
    for members in _in_order(circuit, linear):
        own = {
            name: _own(np.abs(values[name]), one_spike(plan, run, name, windows), cells)
            for name in members
        }  # fmt: skip
        inherited = [each for each in linear if _target(each[0]) in members and each[0].source not in members]
        within = [each for each in linear if _target(each[0]) in members and each[0].source in members]
        if within:
            variance |= _of_loop(circuit, members, values, own, variance, inherited, within)
        else:
            variance[members[0]] = sum((_inherited(*each, variance) for each in inherited), own[members[0]])
    return {name: np.broadcast_to(variance[name], (len(windows), *values[name].shape[1:])) for name in run.values}


def one_spike(plan, run, name, windows):
    """Value of a single spike in a window: 1 / (unit rate * length of the window).

    Parameters
    ----------
    plan : Plan
    run : Run
    name : str
        Name of the population.
    windows : ndarray of int, shape (n_window, n_phase_in_window)
        Only the number of phases in a window is used.

    Returns
    -------
    ndarray, shape (batch, 1, ..., 1) or (batch, *sizes)
        As the unit rates of the population, with an axis of size one for each axis that they lack.
    """
    span = windows.shape[1] * plan.protocol.phase
    each = np.asarray(1 / (run.unit_rates[name] * span))
    n_axis = 1 + len(plan.circuit.populations[name].axes)
    return each.reshape(*each.shape, *(1 for _ in range(n_axis - each.ndim)))


def _own(expected, spike, cells):
    """Variance of counting alone, of values that are expected."""
    return spike**2 * np.minimum(expected / spike, ROUNDING) / cells


def _target(projection):
    return projection.target.partition(".")[0]


def _in_order(circuit, linear):
    """Names of the populations of each strongly connected component, those first that others hear."""
    names = list(circuit.populations)
    edges = [(names.index(each.source), names.index(_target(each))) for each, *_ in linear]
    heard, hearing = np.array(edges, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(edges)), (heard, hearing)), shape=(len(names), len(names)))
    label = connected_components(graph.tocsr(), connection="strong")[1]
    before = {each: set() for each in label}
    for source, target in zip(label[heard], label[hearing], strict=True):
        before[target] |= {source} - {target}
    return [
        tuple(name for name, of in zip(names, label, strict=True) if of == each)
        for each in TopologicalSorter(before).static_order()
    ]


def _inherited(projection, gain, released, variance):
    """Variance that a weighted sum inherits from what it sums, with the gain of its rule and that of the release."""
    expression = parse(projection.expression)
    line = f"...{expression.source},{expression.weight}->...{expression.distinct}"
    weights = gain * np.asarray(projection.weights, dtype=float)
    return _copied(expression, np.einsum(line, variance[projection.source] * released**2, weights**2))


def _copied(expression, drive):
    """Drive with axes of size one where the target has copies."""
    lead = drive.ndim - len(expression.distinct)
    copies = [lead + place for place, letter in enumerate(expression.target) if letter not in expression.distinct]
    return np.expand_dims(drive, copies)


class _Loop:
    """Cells of one input that hear each other: x = W x + e, in one flat vector."""

    def __init__(self, circuit, members, within, passing):
        shapes = [circuit.populations[name].shape for name in members]
        ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
        self.place = {
            name: (slice(*span), shape)
            for name, span, shape in zip(members, zip(ends, ends[1:], strict=False), shapes, strict=False)
        }
        self.n_cell, self.within, self.passing = int(ends[-1]), within, passing

    def into(self, projections, x):
        """What projections bring to the cells (..., n_cell), of values by the name of their source (..., *sizes)."""
        found = np.zeros((*x[projections[0][0].source].shape[:1], self.n_cell)) if projections else 0.0
        for projection, gain, released in projections:
            expression, (span, shape) = parse(projection.expression), self.place[_target(projection)]
            line = f"...{expression.source},{expression.weight}->...{expression.distinct}"
            drive = np.einsum(line, x[projection.source] * released, gain * np.asarray(projection.weights, dtype=float))
            drive = np.broadcast_to(_copied(expression, drive), (len(drive), *shape))
            found[:, span] += drive.reshape(len(drive), -1)
        return found * self.passing

    def around(self, x):
        """W x of vectors (n, n_cell)."""
        return self.into(
            self.within, {name: x[:, span].reshape(-1, *shape) for name, (span, shape) in self.place.items()}
        )

    def settled(self, errors):
        """(I - W)^-1 of errors (n, n_cell), infinite where that does not exist."""
        if self.n_cell <= LARGEST_DENSE:
            return self._solved(errors)
        operator = LinearOperator((self.n_cell,) * 2, matvec=lambda x: x.ravel() - self.around(x.reshape(1, -1))[0])
        found = [gmres(operator, each, rtol=1e-3) for each in errors]
        return np.array([x if failed == 0 else np.full(x.shape, np.inf) for x, failed in found])

    def _solved(self, errors):
        matrix = np.eye(self.n_cell) - self.around(np.eye(self.n_cell)).T
        try:
            return np.linalg.solve(matrix, errors.T).T
        except np.linalg.LinAlgError:
            return np.full(errors.shape, np.inf)

    def variance(self, own, sources, inherited):
        """Variance of every cell (n_cell,), from that of its own errors and, by name, of what it hears from outside."""
        if self.n_cell <= LARGEST_DENSE:
            return self._exact(own, sources, inherited)
        return self._probed(own, sources, inherited)

    def _exact(self, own, sources, inherited):
        response = self.settled(np.eye(self.n_cell))  # of every cell to an error of each
        if not np.abs(response).max() <= LARGEST_GAIN:
            return np.full(self.n_cell, np.inf)
        found = own @ response**2
        for name, each in sources.items():
            onto = self.into([one for one in inherited if one[0].source == name], {name: _units(each.shape)})
            found = found + each.ravel() @ (onto @ response) ** 2
        return found

    def _probed(self, own, sources, inherited):
        """Mean square of what random errors of these variances settle at."""
        rng = np.random.default_rng(0)
        signs = {name: rng.choice([-1.0, 1.0], (N_PROBE, *each.shape)) for name, each in sources.items()}
        errors = np.sqrt(own) * rng.choice([-1.0, 1.0], (N_PROBE, self.n_cell))
        errors = errors + self.into(inherited, {name: np.sqrt(sources[name]) * each for name, each in signs.items()})
        found = (self.settled(errors) ** 2).mean(axis=0)
        return found if np.isfinite(found).all() else np.full(self.n_cell, np.inf)


def _at(projections, at):
    """Projections with their gains in one window and input."""
    return [(each, gain, released if np.ndim(released) == 0 else released[at]) for each, gain, released in projections]


def _units(shape):
    """One array of a shape for each of its entries, one there and zero elsewhere."""
    size = int(np.prod(shape))
    return np.eye(size).reshape(size, *shape)


def _of_loop(circuit, members, values, own, variance, inherited, within):
    """Variance of the populations of a loop, each (n_window, batch, *sizes). A rectified cell that is silent takes no part:
    neither does it change when its drive does."""
    lead = values[members[0]].shape[:2]
    names = dict.fromkeys(each.source for each, *_ in inherited)
    own, heard = (
        {name: np.broadcast_to(each[name], lead + circuit.populations[name].shape) for name in chosen}
        for each, chosen in ((own, members), (variance, names))
    )
    found = {name: np.empty(lead + circuit.populations[name].shape) for name in members}
    for at in np.ndindex(lead):
        passing = [
            np.ones(values[name][at].size) if circuit.populations[name].signed else (values[name][at] != 0).ravel()
            for name in members
        ]
        loop = _Loop(circuit, members, _at(within, at), np.concatenate(passing))
        flat = np.concatenate([own[name][at].ravel() for name in members])
        each = loop.variance(flat, {name: heard[name][at] for name in names}, _at(inherited, at))
        for name, (span, shape) in loop.place.items():
            found[name][at] = each[span].reshape(shape)
    return found
