"""Brian2 groups and synapses of nuclei (`circuits.nucleus`): equations, name spaces and what is set of each cell."""

from typing import NamedTuple

import numpy as np
from brian2 import Hz, NeuronGroup, SpikeGeneratorGroup, Synapses, TimedArray, get_dimensions, mV

from cortical_attention.cells.membranes.thalamic import CONDUCTANCE, DENSITY
from cortical_attention.cells.noise import SCALE, noise, stream_of
from cortical_attention.cells.short_term import AT_SPIKES, at_spike
from cortical_attention.circuits.nucleus import Source
from cortical_attention.wiring.expressions import WiringError

WORDS = {DENSITY: "amp/meter**2", CONDUCTANCE: "siemens/meter**2", mV: "volt", Hz: "hertz"}  # dimensions in equations
WIDTH = (
    SCALE * 2**32
)  # of the range of the noise, whose least value is above -WIDTH / 2: none arrives at a rate of zero
CHANCE = f"noise(i, t_in_timesteps, stream) < {WIDTH!r} * (rate * dt - 0.5)"  # of probability rate * dt
STREAM = "stream : integer (constant, shared)"  # a variable, so that another seed needs no other program


def receptors_of(nuclei, projections):
    """Receptors of each nucleus, by its name (dict of list)."""
    used = {each.name: [driver.receptor for driver in getattr(each, "drivers", ())] for each in nuclei}
    for each in projections:
        for end in (each.source, each.target):
            if end not in used:
                raise WiringError(f"projection {each.source} -> {each.target}: there is no nucleus '{end}'")
        if any(isinstance(own, Source) and own.name == each.target for own in nuclei):
            raise WiringError(f"projection {each.source} -> {each.target}: a source sends spikes and receives none")
        used[each.target].append(each.receptor)
    for name, receptors in used.items():
        if len({receptor.name for receptor in receptors}) < len({str(receptor) for receptor in receptors}):
            raise WiringError(f"nucleus '{name}' has two receptors of the same name and different constants")
    return {name: list({receptor.name: receptor for receptor in each}.values()) for name, each in used.items()}


class _Written(NamedTuple):
    """Equations, their name space, and what is set of each cell."""

    equations: list
    namespace: dict
    constants: dict

    @property
    def types(self):
        """Types of the streams, which need 64 bits."""
        return {name: np.int64 for name in self.constants if name.startswith("stream")}

    def given(self, name, value, unit, slot, shape, of):
        """Let `name` stand for a value that may differ between slots and cells."""
        if get_dimensions(value) != unit.dim:
            raise WiringError(f"nucleus '{of}': {name} needs a quantity in {unit}")
        try:
            values = np.broadcast_to(np.asarray(value / unit, dtype=float), shape)
        except ValueError as error:
            wrong = f"nucleus '{of}': {name} has shape {np.shape(value)} but needs to broadcast to {shape}"
            raise WiringError(wrong) from error
        if not np.isfinite(values).all():
            raise WiringError(f"nucleus '{of}': {name} has values that are not finite, but needs none")
        changes, differs = (values != values[:1]).any(), (values != values[:, :1]).any()
        if not changes and not differs:
            self.namespace[name] = values[0, 0] * unit
        elif not changes:
            self.equations.append(f"{name} : {WORDS[unit]} (constant)")
            self.constants[name] = values[0] * unit
        else:
            held = (values if differs else values[:, 0]) * unit
            self.namespace[f"{name}_given"] = TimedArray(held, slot, name=f"{of}_{name}_given")
            self.equations.append(f"{name} = {name}_given(t{', i' if differs else ''}) : {WORDS[unit]}")


def group_of(each, receptors, k, seed, slot, n_slot, clock):
    """Group of a nucleus or source."""
    if isinstance(each, Source):
        return _source(each, k, seed, slot, n_slot, clock)
    shape, written = (n_slot, each.n_cell), _Written([STREAM], {"noise": noise}, {})
    stream = stream_of(np.random.SeedSequence([seed, k]))
    written.constants["stream"] = stream
    written.given("current", each.current, DENSITY, slot, shape, each.name)
    written.given("sigma", each.sigma, mV, slot, shape, each.name)
    terms, jumps = ["current"], {receptor.name: [] for receptor in receptors}
    for n, held in enumerate(each.conductances):
        written.given(f"g_{n}", held.conductance, CONDUCTANCE, slot, shape, each.name)
        written.namespace[f"E_{n}"] = held.reversal
        terms.append(f"g_{n} * (E_{n} - v)")
    for n, driver in enumerate(each.drivers):
        written.given(f"rate_{n}", driver.rate, Hz, slot, shape, each.name)
        written.given(f"weight_{n}", driver.weight, CONDUCTANCE, slot, shape, each.name)
        other = stream + 1 if n == 0 else stream_of(np.random.SeedSequence([seed, k, n]))
        written.equations.append(STREAM.replace("stream", f"stream_{n}"))
        written.constants[f"stream_{n}"] = other
        jumps[driver.receptor.name].append(_train(n, driver.plasticity, written))
    for receptor in receptors:
        name, arriving = receptor.name, jumps[receptor.name]
        written.namespace.update({f"E_{name}": receptor.reversal, f"tau_{name}": receptor.tau})
        jump = f" + ({' + '.join(arriving)}) / dt" if arriving else ""
        written.equations.append(f"dg_{name}/dt = -g_{name} / tau_{name}{jump} : siemens/meter**2")
        terms.append(f"g_{name} * (E_{name} - v)")
    written.equations.append(f"received = {' + '.join(terms)} : amp/meter**2")
    return _group(each, written, clock)


def _group(each, written, clock):
    membrane = each.membrane
    group = NeuronGroup(
        each.n_cell, "\n".join([membrane.equations, *written.equations]),
        threshold=membrane.threshold, reset=membrane.reset, refractory=membrane.refractory, method="euler", clock=clock,
        namespace={**membrane.constants, **written.namespace}, name=each.name, dtype=written.types,
    )  # fmt: skip
    for name, values in written.constants.items():
        setattr(group, name, values)
    group.v = _start(each)
    membrane.start(group, None)
    for n, driver in enumerate(each.drivers):
        if driver.plasticity is not None:
            setattr(group, f"x_{n}", 1)
    return group


def _train(n, plasticity, written):
    """Equations of the train of a driver; gives the conductance that it brings in a step."""
    arrives = CHANCE.replace("stream", f"stream_{n}").replace("rate", f"rate_{n}")
    written.equations.append(f"arrives_{n} = int({arrives}) : 1")
    if plasticity is None:
        return f"weight_{n} * arrives_{n}"
    constants = {f"{name}_{n}": value for name, value in plasticity._asdict().items()}
    written.namespace.update(constants)
    written.equations.extend(
        (
            f"used_{n} = arrives_{n} * (u_{n} + U_{n} * (1 - u_{n})) * x_{n} : 1",
            f"du_{n}/dt = -u_{n} / tau_f_{n} + arrives_{n} * U_{n} * (1 - u_{n}) / dt : 1",
            f"dx_{n}/dt = (1 - x_{n}) / tau_d_{n} - used_{n} / dt : 1",
        )
    )
    return f"weight_{n} * used_{n} / U_{n}"


def _start(each):
    """Potential of each cell at the start: where currents and conductances of the first slot hold the passive membrane."""
    if each.start is not None:
        return each.start
    c = each.membrane.constants
    pairs = [(c["g_L"], c["E_L"]), *((_first(held.conductance), held.reversal) for held in each.conductances)]
    current = _first(each.current) + sum(g * reversal for g, reversal in pairs)
    v = np.asarray(current / sum(g for g, _ in pairs) / mV)
    return np.broadcast_to(np.minimum(v, float(c["V_T"] / mV) - 1), each.n_cell) * mV


def _first(value):
    """What is given for the first slot: a scalar, or one for each cell."""
    return value[0] if np.ndim(value) == 2 else value


def _source(each, k, seed, slot, n_slot, clock):
    """Group of cells that send given spikes or Poisson trains."""
    if (each.spikes is None) == (each.rate is None):
        raise WiringError(f"source '{each.name}' needs either a rate or spikes")
    if each.spikes is not None:
        cells, times = each.spikes
        return SpikeGeneratorGroup(each.n_cell, cells, times, clock=clock, name=each.name)
    written = _Written([STREAM], {"noise": noise}, {"stream": stream_of(np.random.SeedSequence([seed, k]))})
    written.given("rate", each.rate, Hz, slot, (n_slot, each.n_cell), each.name)
    group = NeuronGroup(
        each.n_cell, "\n".join(written.equations),
        threshold=CHANCE,
        clock=clock, namespace=written.namespace, name=each.name, dtype=written.types,
    )  # fmt: skip
    for name, values in written.constants.items():
        setattr(group, name, values)
    return group


def synapses_of(each, k, made, clock):
    """Synapses of a projection."""
    source, target = made[each.source], made[each.target]
    posts, pres, weights = _pairs(each, target.N, source.N)
    effect, model, namespace = f"g_{each.receptor.name}_post += weight", "weight : siemens/meter**2 (constant)", {}
    if each.plasticity is not None:
        effect, model, namespace = at_spike(effect), f"{model}\n{AT_SPIKES}", each.plasticity.constants
    synapses = Synapses(
        source, target, model, on_pre=effect, delay=each.delay, clock=clock, namespace=namespace, method="exact",
        name=f"synapses_{k}",
    )  # fmt: skip
    synapses.connect(i=pres, j=posts)
    synapses.weight = weights
    if each.plasticity is not None:
        synapses.x = 1
    return synapses


def _pairs(each, n_target, n_source):
    """Target, source and weight of each synapse."""
    alone = each.weights[-1] if isinstance(each.weights, tuple) else each.weights
    if get_dimensions(alone) != CONDUCTANCE.dim or not np.isfinite(np.asarray(alone)).all():
        raise WiringError(f"projection {each.source} -> {each.target}: weights need to be finite, in {CONDUCTANCE}")
    if isinstance(each.weights, tuple):
        return each.weights
    if np.shape(each.weights) != (n_target, n_source):
        raise WiringError(
            f"projection {each.source} -> {each.target}: weights have shape {np.shape(each.weights)}, "
            f"but {(n_target, n_source)} are needed"
        )
    posts, pres = np.nonzero(np.asarray(each.weights))
    return posts, pres, each.weights[posts, pres]
