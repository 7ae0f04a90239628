"""Equations of the cells, dendrites and synapses of a circuit in a form, as Brian2 text."""

from typing import NamedTuple

from brian2 import Equations, get_unit

from cortical_attention.cells.cell import CellType
from cortical_attention.simulation.monitors import recordable
from cortical_attention.wiring.signals import signals_of


class Kind(NamedTuple):
    """A cell type as a circuit has it.

    Attributes
    ----------
    cell : CellType
        Of the first population; those of the others differ at most in layer and nucleus.
    populations : tuple of str
    reached : tuple of str
        Ports at which projections end, and which have dendrites therefore.
    """

    cell: CellType
    populations: tuple
    reached: tuple


def kinds_of(circuit):
    """Cell types of a circuit (list of Kind), in the order of the populations."""
    found = {}
    for name, each in circuit.populations.items():
        found.setdefault(repr(each.cell._replace(layer="", nucleus="")), []).append(name)
    targets = {each.target for each in circuit.projections}
    return [_kind(circuit.populations[names[0]].cell, tuple(names), targets) for names in found.values()]


def _kind(cell, names, targets):
    reached = tuple(port for port in cell.ports if any(f"{name}.{port}" in targets for name in names))
    return Kind(cell, names, reached)


def equations_of(kind, form):
    """Equations of a cell type in a form.

    Parameters
    ----------
    kind : Kind
    form : Form

    Returns
    -------
    dict
        name, populations, rule (the value of the soma), follows_rule (whether the membrane reads that value), state,
        membrane, threshold, release (statement at a spike, before its synapses), reset, refractory (Quantity, s, or None),
        sends (amplitude of a spike at the synapses), dendrite, and `dendrites`: time constant and saturating conductance by
        port.
    """
    cell, membrane, synapses = kind.cell, form.of(kind.cell), form.synapses
    soma = text_of(membrane.soma)
    return {
        "name": cell.name,
        "populations": kind.populations,
        "rule": cell.value,
        "follows_rule": "value" in Equations(soma).identifiers,
        "state": text_of(cell.state),
        "membrane": soma,
        "threshold": membrane.threshold,
        "release": text_of(membrane.at_release or "") or None,
        "reset": text_of(membrane.at_spike or "") or None,
        "refractory": membrane.constants.get(membrane.refractory, membrane.refractory or None),
        "sends": membrane.sends if form.spikes else "rate",
        "dendrite": text_of(synapses.dendrite + signals_of(form).arriving(0, None)) if kind.reached else "",
        "dendrites": {
            port: {"tau": synapses.tau(cell, port), "conductance": synapses.conductance_at(port)}
            for port in kind.reached
        },
    }


def synapses_of(form, relays):
    """Effect of a synapse on a dendrite, and the equations, threshold and reset of inhibitory relays where there are any."""
    fires = signals_of(form).relay_fires if relays else {}
    return {
        **{sign: text_of(effect) for sign, effect in form.synapses.effect.items()},
        "relay": text_of(form.synapses.relay) if relays else None,
        "relay_threshold": fires.get("threshold"),
        "relay_reset": fires.get("reset"),
    }


def text_of(equations):
    """Brian2 equations or statements, each on a line of its own, without indentation and empty lines (str)."""
    lines = (line.strip() for line in equations.splitlines())
    return "\n".join(line for line in lines if line)


def variables_of(group):
    """Variables of a Brian2 group that a StateMonitor can record: their SI unit by name (dict of str to str)."""
    return {name: unit_of(variable) for name, variable in ((name, group.variables[name]) for name in recordable(group))}


def unit_of(x):
    """SI unit of a Brian2 quantity or variable, or of a number, as text; "1" without one."""
    dimension = getattr(x, "dim", None)
    return "1" if dimension is None or dimension.is_dimensionless else str(get_unit(dimension))
