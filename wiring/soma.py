"""Somata: the NeuronGroup of a population, with its ports, its constants and its initial state."""

import numpy as np
from brian2 import Equations, NeuronGroup, TimedArray
from brian2.groups.group import CodeRunner
from brian2.utils.stringtools import word_substitute

from cortical_attention.cells.kernels import KERNELS
from cortical_attention.cells.noise import noise
from cortical_attention.wiring.expand import expand_input
from cortical_attention.wiring.expressions import WiringError
from cortical_attention.wiring.plasticity import add_traces
from cortical_attention.wiring.signals import signals_of

UNIT_RATE = "unit_rate : Hz (constant)"  # the rate that stands for the value one


def cells_of(concrete, reaching, activated, kept, settings):
    """NeuronGroup of a population; `reaching` maps the number of each pathway that reaches it to the pathway, `kept` lists
    what it keeps traces of (`wiring.plasticity`)."""
    cell = concrete.population.cell
    membrane = settings.form.of(cell)
    population = _left_to_soma(concrete.population, membrane, {reaching[k].port for k in reaching if k in activated})
    ports = [_port(population, port, [k for k in reaching if reaching[k].port == port]) for port in cell.ports]
    chosen = settings.recorded.get(population.name)
    more = [] if chosen is None else ["chosen : boolean (constant)"]
    more += [f"trace_{k} : 1" for k in range(len(kept))]
    inputs = {port: expand_input(concrete, port, values) for port, values in population.inputs.items()}
    group = NeuronGroup(
        concrete.n_cell,
        Equations("\n".join([*ports, cell.state, f"value = {cell.value} : 1", UNIT_RATE, membrane.soma, *more])),
        threshold=membrane.threshold,
        events={} if chosen is None else {"recorded": f"{membrane.fired} and chosen"},
        reset=membrane.at_spike,
        method="euler",
        refractory=membrane.refractory,
        namespace=_constants(population, membrane, inputs, settings),
        clock=settings.clock,
        name=population.name,
        order=1,
    )
    for port, values in inputs.items():
        if values.ndim == 1:
            setattr(group, f"{port}_input", values)
    if membrane.at_release:
        group.contained_objects.append(at_release(group, membrane.at_release))
    if chosen is not None:
        group.chosen = np.isin(np.arange(group.N), chosen)
    _start(group, concrete, settings)
    add_traces(group, kept, settings)
    return group


def at_release(group, statement):
    """Runner (CodeRunner) of a statement for the cells that fire, before their synapses: Brian2 has one for resets alone."""
    fired = {"eventspace_variable": group.variables["_spikespace"]}
    return CodeRunner(
        group, "reset", statement, clock=group.clock, when="before_synapses", order=group.order, template_kwds=fired,
        name=f"{group.name}_release_resetter", override_conditional_write=["not_refractory"],
        needed_variables=["_spikespace"],
    )  # fmt: skip


def _left_to_soma(population, membrane, done):
    """Population without the kernels and inputs of the ports that are `done` in a dendrite, and without kernels where the
    cell's own thresholds stand for them."""

    def left(given):
        return {port: each for port, each in given.items() if port not in done}

    kernels = population.kernels if membrane.drive.kernels else {}
    return population._replace(kernels=left(kernels), inputs=left(population.inputs))


def _constants(population, membrane, inputs, settings):
    """Namespace of a population's somata; inputs (n_phase, n_cell) that change are schedules."""
    cell, name = population.cell, population.name
    moving = {
        f"{port}_schedule": TimedArray(rows, settings.phase, name=f"{port}_schedule_of_{name}")
        for port, rows in inputs.items() if rows.ndim == 2
    }  # fmt: skip
    stream = {"noise": noise, "stream": settings.stream(name)} if membrane.noisy else {}
    measured = membrane.measured(settings.clock.dt)
    of_form = {**settings.form.synapses.constants, **membrane.constants, **measured, **stream}
    both = of_form.keys() & cell.parameters.keys()
    if both:  # one would silently take the place of the other
        raise WiringError(
            f"population '{name}': {', '.join(sorted(both))} is a constant of the cell type and of the form"
        )
    return {**of_form, "tau_loop": settings.form.tau_loop, **cell.parameters, **population.parameters, **moving}


def _start(group, concrete, settings):
    """Unit rate of every cell, and the value at which cells with a port `start` begin."""
    cell, start = concrete.population.cell, start_of(concrete)
    group.unit_rate = each_cell(settings.unit_rates[group.name], group.N)
    if start is not None:
        if cell.variable:
            setattr(group, cell.variable, start)
        if signals_of(settings.form).starts_at_rate:
            group.rate = start * group.unit_rate[:]


def start_of(concrete):
    """Value (n_cell,) at which the cells of a population begin, and with them the dendrites that they reach: the
    input of the port `start`. None for cells without that port."""
    population = concrete.population
    if "start" not in population.cell.ports:
        return None
    values = population.inputs.get("start", np.full((1,) * (1 + len(population.axes)), population.cell.ports["start"]))
    return expand_input(concrete, "start", values)


def each_cell(values, n_cell):
    """A value an input (batch,), or an index (batch, *sizes), for every one of `n_cell` cells, which lie in that order."""
    return np.repeat(values.ravel(), n_cell // values.size)


def _port(population, port, reaching):
    """Equations of one port: what reaches it, and its value after the kernel."""
    kernel = population.kernels.get(port, "identity")
    if kernel not in KERNELS:
        raise WiringError(f"population '{population.name}': kernel '{kernel}' of {port} is none of {sorted(KERNELS)}")
    lines = [f"{port}_{k} : 1 (linked)" for k in reaching]
    terms = [f"{port}_{k}" for k in reaching]
    if port in population.inputs:
        changes = np.ndim(population.inputs[port]) == len(population.axes) + 2
        lines.append(f"{port}_input = {port}_schedule(t, i) : 1" if changes else f"{port}_input : 1 (constant)")
        terms.append(f"{port}_input")
    drive = " + ".join(terms) or repr(population.cell.ports[port])
    return "\n".join([*lines, f"{port} = {word_substitute(KERNELS[kernel], {'x': f'({drive})'})} : 1"])
