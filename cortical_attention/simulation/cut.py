"""A feed-forward circuit cut at its heads: nuclei that drive areas, the areas of each head, and nuclei driven by areas.

A population with a head axis belongs to an area, any other population to a nucleus. The input of a part from populations
outside it is played (`wiring.replay`), so that each part runs on its own.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.circuits.plan import Plan
from cortical_attention.simulation.initial import Initial
from cortical_attention.wiring.expand import expand_population
from cortical_attention.wiring.expressions import WiringError, parse

HEAD = "head"


class Stages(NamedTuple):
    """Names of the populations of each stage, in the order of the circuit.

    Attributes
    ----------
    first : tuple of str
        Nuclei that no area reaches.
    areas : tuple of str
        Populations with a head axis.
    last : tuple of str
        Nuclei that areas reach.
    """

    first: tuple
    areas: tuple
    last: tuple


def stages(circuit):
    """Stages of a circuit.

    Raises
    ------
    WiringError
        If the circuit learns, has no heads, or its heads depend on each other: through a projection from one to another,
        or through one that leads back.
    """
    if circuit.rules:
        raise WiringError(f"circuit '{circuit.name}' learns, and its rules need the whole circuit in one process")
    areas = tuple(name for name, each in circuit.populations.items() if _place(each) is not None)
    if not areas:
        raise WiringError(f"circuit '{circuit.name}' has no population with a head axis, so that nothing can be spread")
    if len({circuit.populations[name].axes[_place(circuit.populations[name])] for name in areas}) > 1:
        raise WiringError(f"circuit '{circuit.name}': its populations differ in how many heads they have")
    for projection in circuit.projections:
        _refuse_between_heads(circuit, projection)
    reached = _reached(circuit, areas)
    for projection in _between_areas(circuit, set(areas)):
        raise WiringError(
            f"circuit '{circuit.name}': its heads cannot be spread at once, since its areas lie one behind another (by "
            f"projection '{projection.name}')"
        )
    for projection in _leading_back(circuit, set(areas)):
        raise WiringError(
            f"circuit '{circuit.name}': its heads cannot be spread, since projection '{projection.name}' leads back to "
            "what drives them"
        )
    nuclei = [name for name in circuit.populations if name not in areas]
    first, last = (tuple(name for name in nuclei if (name in reached) == late) for late in (False, True))
    return Stages(first, areas, last)


def n_head_of(circuit):
    """How many heads a circuit has."""
    return next(size for each in circuit.populations.values() for kind, size in each.axes if kind == HEAD)


def _place(population):
    """Which of its axes is that of heads, or None."""
    return next((place for place, (kind, _) in enumerate(population.axes) if kind == HEAD), None)


def _refuse_between_heads(circuit, projection):
    """Raise WiringError for a projection from the cells of one head to those of another."""
    source, target = circuit.ends(projection)
    if _place(source) is None or _place(target) is None:
        return
    expression = parse(projection.expression)
    if expression.source[_place(source)] != expression.target[_place(target)]:
        raise WiringError(
            f"circuit '{circuit.name}': its heads cannot be spread, since projection '{projection.name}' joins one to "
            "another"
        )


def _between_areas(circuit, areas):
    """Projections of nuclei that lead from areas to others behind them, which do not lead back, as in a stack."""
    onwards = {name: _onwards(circuit, name) for name in circuit.populations}

    def between(name):
        """Whether a nucleus is heard by areas, hears areas, and none of the first is among the second."""
        return (
            any(name in onwards[each] for each in areas) and bool(onwards[name] & areas) and name not in onwards[name]
        )

    return [each for each in circuit.projections if each.source not in areas and between(each.source)]


def _onwards(circuit, name):
    """Populations that one reaches, directly or through others."""
    found = {_target(each) for each in circuit.projections if each.source == name}
    for _ in circuit.populations:
        found |= {_target(each) for each in circuit.projections if each.source in found}
    return found


def _reached(circuit, areas):
    """Nuclei that areas reach, directly or through other nuclei."""
    reached = set(areas)
    for _ in circuit.populations:
        reached |= {_target(each) for each in circuit.projections if each.source in reached}
    return reached - set(areas)


def _leading_back(circuit, areas):
    """Projections that close a loop which is not within areas, found by walking along projections from what is driven from
    outside."""
    found, walked = [], set()

    def walk(name, path):
        """Every projection onwards from a population, or from all areas at once."""
        if name in walked:
            return
        for projection in circuit.projections:
            source, target = (AREAS if each in areas else each for each in (projection.source, _target(projection)))
            if source != name or (source, target) == (AREAS, AREAS):
                continue
            if target in (*path, name):
                found.append(projection)
            else:
                walk(target, (*path, name))
        walked.add(name)

    for name in sorted(circuit.populations, key=lambda name: not circuit.populations[name].inputs):
        walk(AREAS if name in areas else name, ())
    return found


AREAS = "areas"  # all of them, as one place of the walk


def _target(projection):
    return projection.target.partition(".")[0]


def part(plan, names, sent, heads=None):
    """Plan of some populations: the projections that reach them, and what is played to them.

    Parameters
    ----------
    plan : Plan
    names : tuple of str
    sent : dict of str to Sent
        Of the populations outside that reach them.
    heads : slice, optional
        Of the head axes of these populations; all heads, unless given.

    Returns
    -------
    Plan
        Without readings: these are of the whole.
    """
    circuit = plan.circuit
    projections = [each for each in circuit.projections if _target(each) in names]
    heard = {each.source for each in projections}
    populations = {}
    for name, population in circuit.populations.items():
        if name in names:
            populations[name] = _cut_population(population, heads)
        elif name in heard:
            populations[name] = population._replace(inputs={}, sent=sent[name])
    projections = tuple(_cut_projection(each, circuit, heads) for each in projections)
    part_of = circuit._replace(populations=populations, projections=projections)
    return Plan(part_of, plan.protocol, plan.batch)


def _cut_population(population, heads):
    """Population with some of its heads."""
    place = _place(population)
    if heads is None or place is None:
        return population
    axes, n_axis = list(population.axes), len(population.axes)
    axes[place] = (HEAD, len(range(*heads.indices(axes[place][1]))))
    inputs = {port: _taken(values, place - n_axis, heads) for port, values in population.inputs.items()}
    return population._replace(axes=tuple(axes), inputs=inputs)


def _cut_projection(projection, circuit, heads):
    """Projection with the weights of some heads."""
    letters = [
        letters[_place(population)]
        for letters, population in zip(_ends(projection), circuit.ends(projection), strict=True)
        if _place(population) is not None
    ]
    weight = parse(projection.expression).weight
    places = [weight.index(letter) for letter in letters if letter in weight]
    if heads is None or not places:
        return projection
    return projection._replace(weights=_taken(projection.weights, places[0], heads))


def _ends(projection):
    """Letters of the source and of the target."""
    expression = parse(projection.expression)
    return expression.source, expression.target


def _taken(values, axis, heads):
    """Some entries of an axis, unless it has one for all."""
    values = np.asarray(values)
    if values.shape[axis] == 1:
        return values
    return np.moveaxis(np.moveaxis(values, axis, 0)[heads], 0, axis)


def cut_units(plan, unit_rates, names, heads=None):
    """Unit rates with those of the populations of a part cut to its heads, as `part` cuts the populations.

    Parameters
    ----------
    plan : Plan
        The whole.
    unit_rates : dict of str to Quantity (Hz), shape (batch,) or (batch, *sizes)
        Of every population of the whole.
    names : tuple of str
        Populations of the part.
    heads : slice, optional
        Heads of the part; all heads, unless given.

    Returns
    -------
    dict of str to Quantity (Hz), shape (batch,) or (batch, *sizes)
        A new dict with every population of the whole; those outside `names`, including the played ones, are not cut.
    """
    found = dict(unit_rates)
    for name in names:
        place = _place(plan.circuit.populations[name])
        if heads is not None and place is not None and unit_rates[name].ndim > 1:
            found[name] = unit_rates[name][(slice(None),) * (1 + place) + (heads,)]
    return found


def where(population, form, batch, cells, heads=None):
    """Flat indices, in the whole population, of the cells of some heads.

    Parameters
    ----------
    population : Population
        Of the whole.
    form : Form
    batch : int
        Number of inputs side by side.
    cells : int
        Cells per value.
    heads : slice, optional
        All cells without it, or without a head axis.

    Returns
    -------
    ndarray of int, shape (n_cell,)
        In C order of the axes, hidden ones included.
    """
    concrete, place = expand_population(population, form, batch, cells), _place(population)
    index = np.arange(concrete.n_cell)
    if heads is None or place is None:
        return index
    return np.take(index.reshape(concrete.shape), range(*heads.indices(concrete.shape[1 + place])), 1 + place).ravel()


def cut_initial(plan, whole, form, cells, names, heads=None, n_recorded=None):
    """Initial of a part.

    Parameters
    ----------
    plan : Plan
        The whole.
    whole : Initial
    form : Form
    cells : int
    names : tuple of str
    heads : slice, optional
    n_recorded : dict of str to int, optional
        At least so many cells are recorded: the same number in every part, so that parts compile to the same program.

    Returns
    -------
    Initial
    """
    phases, recorded, first = {}, {}, {}
    for name in names:
        index = where(plan.circuit.populations[name], form, plan.batch, cells, heads)
        if name in whole.phases:
            phases[name] = whole.phases[name][index]
        asked = np.isin(index, whole.recorded[name])
        others = np.flatnonzero(~asked)[: max(0, (n_recorded or {}).get(name, 0) - asked.sum())]
        recorded[name] = np.sort(np.append(np.flatnonzero(asked), others))
        first[name] = int(index[0])
    return Initial(phases, recorded, first)


def refuse_noise(plan, form, cells, names):
    """Refuse to cut populations whose noise would not be that of the whole: there it goes by the index of a cell.

    Raises
    ------
    WiringError
        If the form has noise and the cells of a head do not lie one after another.
    """
    for name in names if not form.regular else ():
        index = where(plan.circuit.populations[name], form, plan.batch, cells, slice(0, 1))
        if index[-1] != index.size - 1:
            raise WiringError(
                f"form '{form.name}': its noise needs the cells of a head one after another, but those of {name} lie "
                f"apart in a batch of {plan.batch}"
            )
