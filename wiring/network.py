"""Brian2 objects of an expanded circuit: cells, dendrites, synapses, relays."""

from typing import NamedTuple
from zlib import crc32

import numpy as np
from brian2 import NeuronGroup, Synapses, linked_var

from cortical_attention.cells.cell import GABA
from cortical_attention.cells.noise import stream_of
from cortical_attention.wiring.dendrite import activations, dendrite_of, sizes_of, sum_of
from cortical_attention.wiring.expand import expand_population, expand_projection, input_strides
from cortical_attention.wiring.expressions import WiringError, connect
from cortical_attention.wiring.plasticity import follow, following, learners, traced
from cortical_attention.wiring.release import refuse_carried
from cortical_attention.wiring.replay import play
from cortical_attention.wiring.signals import signals_of
from cortical_attention.wiring.soma import cells_of, each_cell, start_of


class Construction(NamedTuple):
    """How a circuit is made into a network.

    Attributes
    ----------
    form : Form
    unit_rates : dict of str to Quantity, shape (batch,) or (batch, *sizes)
        Rate that stands for the value one: of a population for an input, or of each of its cells.
    batch, cells : int
        Inputs side by side; cells that share one value.
    shared : bool
        Shared dendrites (True) or one synapse a pair (False).
    clock : Brian2 Clock
    phase : Quantity
        Duration of one row of the inputs that change.
    seed : int
        Of the noise, in a form with noise.
    dense : bool
        Whether rates may reach shared dendrites without synapses being stored (`wiring.dense`).
    recorded : dict of str to ndarray of int
        Cells whose spikes raise the event `recorded`, of populations of which not all are to be recorded.
    first : dict of str to int
        Where the first cell of each population lies in a larger circuit, of which this one is a part: its noise is that of
        the cell there.
    taught : Presentations or None
        When a circuit with rules is taught.
    """

    form: object
    unit_rates: dict
    batch: int
    cells: int
    shared: bool
    clock: object
    phase: object
    seed: int = 0
    dense: bool = False
    recorded: dict = {}
    first: dict = {}
    taught: object = None

    def stream(self, name):
        """Stream of the noise of a population."""
        child = np.random.SeedSequence(self.seed, spawn_key=(crc32(name.encode()),))
        return stream_of(child, self.first.get(name, 0))


class Wired(NamedTuple):
    """Brian2 objects of a circuit.

    Attributes
    ----------
    groups : dict of str to NeuronGroup
    played : dict of str to SpikeGeneratorGroup or NeuronGroup
        Populations that are played (`wiring.replay`).
    concrete : dict of str to Concrete
    synapses : dict of (projection, "excitation" or "inhibition") to Brian2 Synapses
    wires : dict of projection name to wiring.expressions.Connections
    relays : dict of (str, str, str) to NeuronGroup
        By source population, and area and layer of its targets: inhibitory relays of a source, one a cell, are local.
    others : list
        Dendrites, relays and the synapses onto relays.
    dense : dict of projection name to int
        Synapses of the projections that are not stored.
    layout : dict of str to (shape, dict of str to tuple of int)
        By population: sizes of its axes, and how far apart what cells read lies along each axis, by the name of the variable
        that reads it: dendrites, unit rates and inputs.
    learners : dict of str to NeuronGroup
        Weights that rules change, by name.
    """

    groups: dict
    played: dict
    concrete: dict
    synapses: dict
    wires: dict
    relays: dict
    others: list
    dense: dict
    layout: dict
    learners: dict

    def source(self, name):
        """Group of a population, simulated or played."""
        return self.groups[name] if name in self.groups else self.played[name]

    @property
    def n_synapse(self):
        """Synapses, those onto relays left out."""
        return sum(len(synapses) for synapses in self.synapses.values()) + sum(self.dense.values())

    @property
    def objects(self):
        """Everything that a Brian2 Network needs."""
        return [*self.groups.values(), *self.played.values(), *self.synapses.values(), *self.others]


def wire(circuit, settings):
    """Brian2 objects of a circuit, in the state before time zero except for the phases of the spiking cells.

    Parameters
    ----------
    circuit : Circuit
    settings : Construction

    Returns
    -------
    Wired

    Raises
    ------
    WiringError
        See `Circuit.check`; also for an unknown kernel, and for a delay or plasticity behind cells whose spikes carry what
        they release.
    """
    circuit.check()
    refuse_lacking(circuit, settings.form)
    concrete = {
        name: expand_population(population, settings.form, settings.batch, settings.cells)
        for name, population in circuit.populations.items()
    }
    pathways = [
        _delayed(expand_projection(circuit, each, settings.form, settings.cells), settings.form)
        for each in circuit.projections
    ]
    wires = [connect(pathway.expression, sizes_of(pathway, concrete), settings.shared) for pathway in pathways]
    by_name = {pathway.name: wire for pathway, wire in zip(pathways, wires, strict=True)}
    wired = Wired(
        {}, {}, concrete, {}, by_name, {}, [], {}, {name: (each.shape, {}) for name, each in concrete.items()}, {}
    )
    activated, kept = {}, traced(circuit)
    for name in concrete:
        if concrete[name].population.sent is not None:
            wired.played[name] = play(concrete[name], settings.clock)
            continue
        reaching = {k: pathway for k, pathway in enumerate(pathways) if pathway.target == name}
        activated |= activations(concrete[name], reaching, wires, settings)
        wired.groups[name] = cells_of(concrete[name], reaching, activated, kept.get(name, []), settings)
        wired.layout[name][1].update(_common(concrete[name], settings.unit_rates[name]))
    groups, readers = learners(circuit, wired, settings)
    wired.learners.update(groups)
    wired.others.extend((*readers, *groups.values()))
    for k, pathway in enumerate(pathways):
        _connect(wired, k, pathway, wires[k], activated.get(k), settings)
    return wired


def refuse_lacking(circuit, form):
    """Refuse a circuit with a cell type for which a form has no membrane.

    Parameters
    ----------
    circuit : Circuit
    form : Form

    Raises
    ------
    WiringError
        For the first population of a cell type in `Form.lacks`.
    """
    lacking = [(name, each.cell.name) for name, each in circuit.populations.items() if each.cell.name in {*form.lacks}]
    for name, cell in lacking:
        raise WiringError(
            f"population '{name}': form '{form.name}' has no membrane for {cell} cells, but circuit '{circuit.name}' "
            "needs one"
        )


def place_of(population):
    """Area and layer of a population (str, str), in which inhibitory relays serve all its neighbours."""
    return population.area, population.cell.layer


def _delayed(pathway, form):
    """Pathway with the delay of the form, unless it has one of its own."""
    return pathway if pathway.delay is not None else pathway._replace(delay=form.synapses.delay)


def _common(concrete, unit_rates):
    """Strides of what cells have in common: unit rates, and inputs that do not change (dict of str to tuple of int)."""
    inputs = {
        f"{port}_input": input_strides(concrete, port, values)
        for port, values in concrete.population.inputs.items()
        if np.ndim(values) == 1 + len(concrete.population.axes)
    }
    return {"unit_rate": _strides(concrete.shape, unit_rates.size), **inputs}


def _strides(shape, n_value):
    """How far apart values lie along each axis of cells, if the first axes have a value each (`each_cell`)."""
    steps = [int(np.prod(shape[k + 1 :])) for k in range(len(shape))]
    return tuple(step if step * n_value >= np.prod(shape) else 0 for step in steps)


def _connect(wired, k, pathway, wires, activation, settings):
    """Add the dendrites, synapses and, where something is subtracted, the inhibitory relay of one pathway."""
    source, target = wired.concrete[pathway.source], wired.concrete[pathway.target]
    unit_rate = settings.unit_rates[pathway.source]
    group, membrane = wired.source(pathway.source), settings.form.of(source.population.cell)
    refuse_carried(pathway, membrane, settings.form)
    sender = _sender(wired, k, group, pathway, settings) if pathway.excitation.any() else group
    drive = sum_of(k, pathway, wired, sender, settings)
    dendrite = dendrite_of(k, target.population, pathway.port, wires.n_dendrite, drive, activation, settings)
    read = linked_var(dendrite, "activation" if activation else "filtered", index=wires.dendrite_of)
    setattr(wired.groups[pathway.target], f"{pathway.port}_{k}", read)
    wired.layout[pathway.target][1][f"{pathway.port}_{k}"] = wires.strides
    wired.others.append(dendrite)
    start = start_of(source)
    if start is not None and not pathway.learnt:
        reaching = pathway.excitation.ravel()[wires.entry] * start[wires.pre]
        setattr(
            dendrite, settings.form.synapses.excitation_variable, np.bincount(wires.post, reaching, wires.n_dendrite)
        )
    for sign, weights in (("excitation", pathway.excitation), ("inhibition", pathway.inhibition)):
        keep = np.flatnonzero(weights.ravel()[wires.entry])
        if drive is not None:
            wired.dense[pathway.name] = wired.dense.get(pathway.name, 0) + keep.size
        if keep.size == 0 or drive is not None:
            continue
        if sign == "inhibition" and source.population.cell.transmitter != GABA:
            place = pathway.source, *place_of(target.population)
            relay = wired.relays.get(place) or _relay(wired, place, k, membrane, settings)
            membrane = settings.form.membrane
            sender = _sender(wired, k, relay, pathway, settings)
        wired.synapses[pathway.name, sign] = _synapses(
            k, sign, sender, dendrite, wires, keep, pathway, unit_rate, membrane, wired.learners, settings
        )


def _sender(wired, k, group, pathway, settings):
    """Group that the synapses of pathway `k` hear, from the one that sends."""
    sender = signals_of(settings.form).sender(k, group, pathway, settings.clock)
    if sender is not group:
        wired.others.append(sender)
    return sender


def _relay(wired, place, k, membrane, settings):
    """Inhibitory relay (source population, area and layer of its targets): one cell a source cell, brought to threshold by
    each of its spikes, or to its rate."""
    source, synapses, signals = wired.source(place[0]), settings.form.synapses, signals_of(settings.form)
    relay = NeuronGroup(
        source.N,
        synapses.relay,
        **signals.relay_fires,
        method="euler",
        namespace=synapses.constants,
        clock=settings.clock,
        name=f"relay_{k}_of_{source.name}",
        order=1,
    )
    hears = signals.onto_relay(membrane)
    onto = Synapses(source, relay, **hears, namespace={}, clock=settings.clock, name=f"onto_relay_{k}")
    onto.connect(i=np.arange(source.N), j=np.arange(source.N))
    wired.relays[place] = relay
    wired.others.extend((relay, onto))
    return relay


def _synapses(k, sign, source, dendrite, wires, keep, pathway, unit_rate, membrane, learners, settings):
    """Synapses of one sign, from cells (or relays) with a membrane onto dendrites; none where a weight is zero."""
    signals, tau = signals_of(settings.form), dendrite.namespace["tau"]
    values = getattr(pathway, sign).ravel()[wires.entry[keep]]
    weights = signals.weights(values, each_cell(unit_rate, source.N)[wires.pre[keep]], tau, settings.clock.dt)
    alike = (weights == weights[0]).all()  # such synapses have one weight
    flags = "" if pathway.learnt else " (constant, shared)" if alike else " (constant)"
    model, options = signals.synapse(settings.form.synapses.effect[sign], membrane, pathway, settings.clock.dt, flags)
    model += following(signals.weight_unit) if pathway.learnt else ""
    synapses = Synapses(source, dendrite, model, **options, clock=settings.clock, name=f"{sign}_{k}", order=1)
    synapses.connect(i=wires.pre[keep], j=wires.post[keep])
    if signals.plastic(pathway):
        synapses.x = 1  # rested
    if pathway.learnt:
        follow(synapses, learners[pathway.learnt], weights, pathway, wires.entry[keep], values, settings)
    else:
        synapses.weight = weights[0] if alike else weights
    return synapses
