"""Plastic weights inside a run: traces of the factors of a rule, and weights that change between presentations."""

from typing import NamedTuple

import numpy as np
from brian2 import Clock, Function, NeuronGroup, Quantity, get_device
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice

from cortical_attention.cells.rules.rule import VALUE
from cortical_attention.wiring.dense import cpp_letters, cpp_loops, place

# order of what happens at the start of the first step after a presentation
READ, CAPTURED, FOLLOWED, RESET = -5, -4, -3, -2
LEARNT = """
    w : 1
    velocity : 1
"""
CAPTURE = """
    velocity = captures * (momentum * velocity + step * change_{k}(i)) + (1 - captures) * velocity
    w = (1 - captures * decay) * w + captures * velocity
"""


class Presentations(NamedTuple):
    """When a circuit is taught.

    Attributes
    ----------
    clock : Brian2 Clock
        Its step is the duration of one presentation: a whole number of time steps of the circuit.
    opens : Quantity (s)
        From the start of a presentation until the teaching gate opens, which is open to its end.
    first : int
        Presentations before learning begins.
    """

    clock: Clock
    opens: Quantity
    first: int = 0

    def steps(self, dt):
        """Time steps of a presentation, and those before the gate opens (int, int)."""
        return round(float(self.clock.dt / dt)), round(float(self.opens / dt))


def traced(circuit):
    """What is traced of each population (dict of str to list of str): the factors of all rules, each once."""
    found = {}
    for rule in circuit.rules.values():
        for factor in rule.factors:
            kept = found.setdefault(factor.population, [])
            if factor.what not in kept:
                kept.append(factor.what)
    return found


def add_traces(group, kept, settings):
    """Let a population keep traces of what is in the list `kept`, in its variables trace_0, trace_1, ..."""
    for k, what in enumerate(kept):
        _add_trace(group, f"trace_{k}", what, settings)


def _add_trace(group, trace, what, settings):
    """Let a variable of a population be the mean of something while the gate is open, or the count at which it opened."""
    n_step, n_closed = settings.taught.steps(settings.clock.dt)
    opened = f"int(timestep(t, dt) % {n_step} >= {n_closed})"
    if what == VALUE and settings.form.spikes:
        statement = f"{trace} += (1 - {opened}) * (count - {trace})"
    else:
        sent = "rate / unit_rate" if what == VALUE else f"({what})"
        statement = f"{trace} += {opened} * {sent} / {n_step - n_closed}"
        group.run_regularly(
            f"{trace} = 0", clock=settings.taught.clock, when="start", order=RESET, name=f"{group.name}_reset_{trace}"
        )
    group.run_regularly(statement, clock=settings.clock, when="end", name=f"{group.name}_{trace}")


def learners(circuit, wired, settings):
    """Groups of the weights that rules change, by the name of the weights (dict of str to NeuronGroup), and the groups that
    read the traces (list)."""
    kept, read, found = traced(circuit), {}, {}
    for name, whats in kept.items():
        for k, what in enumerate(whats):
            read[name, what] = _reader(wired.groups[name], wired.concrete[name], k, what, settings)
    for k, (name, rule) in enumerate(circuit.rules.items()):
        weights = next(np.asarray(each.weights, dtype=float) for each in circuit.projections if each.learnt == name)
        found[name] = _learner(k, name, rule, weights, wired, read, settings)
    return found, list(read.values())


def _reader(group, concrete, k, what, settings):
    """Group with the mean of a factor over the open gate, one for each value of a population (`value`)."""
    signs = 2 if concrete.axes[-1][0] == "sign" else 1
    copies = settings.cells * signs
    negative = signs == 2 and what in (VALUE, concrete.population.signed)
    share = np.where(np.arange(copies) % signs == 1, -1.0, 1.0) if negative else np.ones(copies)
    share /= settings.cells if what == VALUE else copies
    counted = what == VALUE and settings.form.spikes
    trace, count = group.variables[f"trace_{k}"], group.variables["count"] if counted else None
    scale = np.ones(group.N)
    if counted:
        gate = settings.taught
        scale = 1 / (np.asarray(group.unit_rate) * float(gate.clock.dt - gate.opens))
    each = (share * scale.reshape(-1, copies)).ravel()
    name = f"read_{k}_of_{group.name}"
    reader = NeuronGroup(
        group.N // copies, "value : 1", namespace={name: _mean(name, trace, count, each, copies)}, clock=settings.clock,
        name=name + "_group",
    )  # fmt: skip
    _between(reader, f"value = {name}(i)", settings, READ)
    return reader


def _mean(name, trace, count, each, copies):
    """Function of a value's index: the sum over its cells of `each` times the trace, or times the spikes since the gate
    opened."""

    def summed(i):
        """Every value at once."""
        held = trace.get_value() if count is None else count.get_value() - trace.get_value()
        return (each * held).reshape(-1, copies).sum(axis=1)[i]

    array = _arrays()
    held = f"{array(trace)}[k]" if count is None else f"({array(count)}[k] - {array(trace)}[k])"
    code = (
        f"static inline double {name}(const int value) {{\ndouble sum = 0;\n"
        f"for (int k = value * {copies}; k < (value + 1) * {copies}; k++) sum += _namespace{name}_each[k] * {held};\n"
        "return sum;\n}"
    )
    return _function(name, summed, code, {f"{name}_each": each})


def _learner(k, name, rule, weights, wired, read, settings):
    """Group of the weights of one name, with their capture."""
    change = f"change_{k}"
    gate = settings.taught
    captures = f"int(timestep(t, dt) > {gate.first * gate.steps(settings.clock.dt)[0]})"
    group = NeuronGroup(
        weights.size, LEARNT,
        namespace={
            change: _change(change, rule, weights.shape, wired, read), "step": rule.step, "momentum": rule.momentum,
            "decay": rule.decay,
        },
        clock=settings.clock, name=f"weights_{k}",
    )  # fmt: skip
    group.w, group.velocity = weights.ravel(), np.broadcast_to(rule.velocity, weights.shape).ravel()
    statement = CAPTURE.format(k=k).replace("captures", captures)
    _between(group, statement, settings, CAPTURED)
    return group


def _change(name, rule, shape, wired, read):
    """Function of a weight's index: the sum of the products of the factors of a rule."""
    groups = [read[each.population, each.what] for each in rule.factors]
    shapes = [wired.concrete[each.population].shape[: 1 + len(each.letters)] for each in rule.factors]
    letters = ["B" + each.letters for each in rule.factors]
    size_of = {
        letter: size
        for axes, sizes in zip(letters, shapes, strict=True)
        for letter, size in zip(axes, sizes, strict=True)
    }
    line = f"{','.join(letters)}->{rule.letters}"
    values = [each.variables["value"] for each in groups]

    def summed(i):
        """Every weight at once."""
        operands = [value.get_value().reshape(sizes) for value, sizes in zip(values, shapes, strict=True)]
        return np.einsum(line, *operands, optimize=True).ravel()[i]

    array = _arrays()
    product = " * ".join(f"{array(value)}[{place(axes, size_of)}]" for value, axes in zip(values, letters, strict=True))
    others = [letter for letter in size_of if letter not in rule.letters]
    code = (
        f"static inline double {name}(const int entry) {{\n{cpp_letters(rule.letters, size_of, 'entry')}\ndouble sum = 0;\n"
        f"{cpp_loops(others, size_of)} sum += {product};\nreturn sum;\n}}"
    )
    return _function(name, summed, code, {})


def following(unit):
    """Equations of synapses that have learnt weights, in a unit."""
    return f"""
        size : {unit} (constant)  # of a synapse with the weight one
        turn : 1 (constant)  # sign of the weight with which it acts
        entry : integer (constant)
    """


def follow(synapses, group, weights, pathway, entry, signs, settings):
    """Let synapses have the weights of a learner, in the step in which these change.

    Parameters
    ----------
    synapses : Synapses
    group : NeuronGroup
        Of the learner.
    weights : ndarray or Quantity, shape (n_synapse,)
        Of a synapse, where what is learnt is one.
    pathway : Pathway
    entry : ndarray of int, shape (n_synapse,)
        Flat index among the weights of the pathway, whose last axes are signs of cells.
    signs : ndarray, shape (n_synapse,)
        Sign of what is learnt for which a synapse acts, in a form of one-signed synapses.
    settings : Construction
    """
    name, learnt, entry = f"learnt_{group.name}", group.variables["w"], entry // (pathway.excitation.size // group.N)
    code = f"static inline double {name}(const int entry) {{ return {_arrays()(learnt)}[entry]; }}"
    synapses.namespace[name] = _function(name, lambda i: learnt.get_value()[i], code, {})
    size, turn, now = np.abs(weights), np.sign(signs), np.asarray(group.w)[entry]
    synapses.entry, synapses.size, synapses.turn = entry, size, turn
    synapses.weight = size * (np.clip(turn * now, 0, None) if settings.form.paired else now)
    acts = f"clip(turn * {name}(entry), 0, inf)" if settings.form.paired else f"{name}(entry)"
    _between(synapses, f"weight = size * {acts}", settings, FOLLOWED)


def _between(group, statement, settings, order):
    """Run a statement between presentations: in C++ on the standalone device, and on the others by numpy, since its
    functions have no Cython."""
    by = None if isinstance(get_device(), CPPStandaloneDevice) else NumpyCodeObject
    group.run_regularly(statement, clock=settings.taught.clock, when="start", order=order, codeobj_class=by)


def _arrays():
    """From a variable to the C++ name of its array; to nothing on other devices."""
    device = get_device()
    if not isinstance(device, CPPStandaloneDevice):
        return lambda variable: ""
    return lambda variable: f"brian::{device.get_array_name(variable, access_data=False)}"


def _function(name, summed, code, namespace):
    """Function of an index for numpy, and for C++ on the standalone device."""
    found = Function(summed, arg_units=[1], return_unit=1, arg_types=["integer"], return_type="float")
    found.implementations.add_implementation(NumpyCodeGenerator, code=summed)
    if isinstance(get_device(), CPPStandaloneDevice):
        found.implementations.add_implementation("cpp", code, namespace, name=name)
    return found
