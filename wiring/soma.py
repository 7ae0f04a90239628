"""Somata: the NeuronGroup of a population, with its ports, its constants and its first state."""

import numpy as np
from brian2 import Equations, NeuronGroup, TimedArray
from brian2.utils.stringtools import word_substitute

from cortical_attention.cells.kernels import KERNELS
from cortical_attention.wiring.expand import expand_input
from cortical_attention.wiring.expressions import WiringError

UNIT_RATE = "unit_rate : Hz (constant)"  # the rate that stands for the number one


def cells_of(concrete, reaching, activated, settings):
    """NeuronGroup of a population; `reaching` maps the number of each pathway that reaches it to the pathway."""
    cell = concrete.population.cell
    form = settings.form.of(cell)
    population = _left_to_soma(concrete.population, form, {reaching[k].port for k in reaching if k in activated})
    ports = [_port(population, port, [k for k in reaching if reaching[k].port == port]) for port in cell.ports]
    chosen = settings.recorded.get(population.name)
    more = [] if chosen is None else ["chosen : boolean (constant)"]
    inputs = {port: expand_input(concrete, port, numbers) for port, numbers in population.inputs.items()}
    group = NeuronGroup(
        concrete.n_cell,
        Equations("\n".join([*ports, cell.state, f"number = {cell.number} : 1", UNIT_RATE, form.soma, *more])),
        threshold=form.threshold,
        events={} if chosen is None else {"recorded": f"{form.fired} and chosen"},
        reset=form.reset,
        method="euler",
        refractory=form.refractory,
        namespace=_constants(population, form, inputs, settings),
        clock=settings.clock,
        name=population.name,
        order=1,
    )
    for port, numbers in inputs.items():
        if numbers.ndim == 1:
            setattr(group, f"{port}_input", numbers)
    if chosen is not None:
        group.chosen = np.isin(np.arange(group.N), chosen)
    _start(group, cell, form, settings.unit_rates[population.name])
    return group


def _left_to_soma(population, form, done):
    """Population without the kernels and inputs of the ports that are `done` in a dendrite, and without kernels where the
    cell's own thresholds stand for them."""

    def left(given):
        return {port: each for port, each in given.items() if port not in done}

    kernels = {} if form.calibrate is not None else population.kernels
    return population._replace(kernels=left(kernels), inputs=left(population.inputs))


def _constants(population, form, inputs, settings):
    """Namespace of a population's somata; inputs (n_phase, n_cell) that change are schedules."""
    cell, name = population.cell, population.name
    measured = form.constants_of(settings.form, cell, settings.clock.dt) if form.constants_of else {}
    moving = {
        f"{port}_schedule": TimedArray(rows, settings.phase, name=f"{port}_schedule_of_{name}")
        for port, rows in inputs.items() if rows.ndim == 2
    }  # fmt: skip
    streams = {"stream": settings.stream(name), "stream_d": settings.stream(name, "dendrites of ")}
    taus = {"tau_soma": form.tau_soma, "tau_g": form.tau_loop}
    of_form, of_cell = {**form.constants, **measured}, {**cell.parameters, **population.parameters}
    both = of_form.keys() & cell.parameters.keys()
    if both:  # one would silently take the place of the other
        raise WiringError(
            f"population '{name}': {', '.join(sorted(both))} is a constant of the cell type and of the form"
        )
    return {**of_form, **streams, **taus, **of_cell, **moving}


def _start(group, cell, form, unit_rate):
    """Unit rate of every cell, and the top of its range for a variable that starts there."""
    group.unit_rate = each_cell(unit_rate, group.N)
    if cell.starts_high:
        start = each_cell(highest(form, unit_rate), group.N)
        setattr(group, cell.variable, start)
        setattr(group, f"{cell.variable}_start", start)
        if not form.spikes:
            group.rate = group.unit_rate[:]


def highest(form, unit_rate):
    """The number at which a variable that starts high starts: the ceiling of the cell, or one without any."""
    return np.asarray(form.ceiling / unit_rate) if form.ceiling is not None else np.ones(unit_rate.shape)


def each_cell(values, n_cell):
    """A value an input (batch,), or an index (batch, *sizes), for every one of `n_cell` cells, which lie in that order."""
    return np.repeat(values.ravel(), n_cell // values.size)


def _port(population, port, reaching):
    """Equations of one port: what reaches it, and its number after the kernel."""
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
