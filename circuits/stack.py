"""Circuits of circuits: joined under prefixes, or stacked, with the answer of each layer as the input of the next.

::

    layer_1_core, layer_1_matrix -> areas of layer 1 -> layer_1_higher_order
                                                                |  (excitation alone: on to on, off to off)
    layer_2_core, layer_2_matrix <------------------------------+
         |
         +-> areas of layer 2 -> layer_2_higher_order           = the answer
"""

import numpy as np

from cortical_attention.circuits.plan import Plan
from cortical_attention.circuits.protocol import Protocol
from cortical_attention.wiring.circuit import Circuit, Projection
from cortical_attention.wiring.expressions import WiringError

SAME = (("token", "context"),)  # in self-attention both are the one sequence that the layer below answers


def join(circuits, projections=(), name=None):
    """Join several circuits, and the projections between them, into one.

    Parameters
    ----------
    circuits : dict of str to Circuit
        By prefix: population "core" of the circuit "first" becomes "first_core".
    projections : sequence of Projection
        Projections between the circuits, with prefixed names.
    name : str, optional
        Name of the result; default: the names of the circuits.

    Returns
    -------
    Circuit

    Raises
    ------
    WiringError
        See `Circuit.check`.
    """
    populations, joined, breaks = {}, [], {}
    for prefix, circuit in circuits.items():
        for each in circuit.populations.values():
            name_within = f"{prefix}_{each.name}"
            populations[name_within] = each._replace(name=name_within, area=f"{prefix} {each.area}".strip())
        breaks |= circuit.breaks
        joined += [
            each._replace(source=f"{prefix}_{each.source}", target=f"{prefix}_{each.target}")
            for each in circuit.projections
        ]
    name = " and ".join(each.name for each in circuits.values()) if name is None else name
    return Circuit(name, populations, (*joined, *projections), breaks).check()


def stack(*plans, into=("core.soma", "matrix.soma"), residual=False):
    """Plan of layers, with the answer of each as the input of the next; layer k has the prefix "layer_k".

    Each layer begins after the settling time of the one below, so the stack settles for the sum of these times; until
    then the interneurons of a layer keep their initial strength, where they have a gate.

    Parameters
    ----------
    *plans : Plan
        From the first layer to the last, with equal times and batch size. In all but the first, the external input to the
        ports `into` is replaced.
    into : tuple of str
        Ports that receive the answer of the layer below, as "population.port". Without "matrix.soma" each layer keeps its
        own context.
    residual : bool
        Whether the nuclei of a layer also receive the input of the layer below: x + attention(x).

    Returns
    -------
    Plan
        With the readings of the last layer; `Plan.layers` has those of all layers.

    Raises
    ------
    WiringError
        If a layer presents its tokens one after another, or the layers differ in phase, window, batch, or in the axes of
        an answer and of the nuclei it drives.
    """
    _refuse_what_does_not_fit(plans)
    settles = [int(each.protocol.windows[0, 0]) for each in plans]
    starts, n_window = np.cumsum([0, *settles]), plans[0].protocol.windows.shape[1]
    windows = starts[-1] + np.arange(n_window)[None]
    protocol = Protocol(plans[0].protocol.phase, int(starts[-1]) + n_window, windows)
    circuits, projections = {}, []
    for k, plan in enumerate(plans):
        prefix = f"layer_{k + 1}"
        circuits[prefix] = _later(plan.circuit, int(starts[k]), protocol.n_phase, into if k else ())
        if k:
            projections += _upwards(f"layer_{k}", plans[k - 1], prefix, into, residual)
    circuit = join(circuits, projections, name=" on ".join(plan.circuit.name for plan in reversed(plans)))
    layers = {f"layer_{k + 1}": _readings_of(plan, f"layer_{k + 1}_") for k, plan in enumerate(plans)}
    exact = all(plan.exact for plan in plans)
    return Plan(
        circuit,
        protocol,
        plans[0].batch,
        **layers[f"layer_{len(plans)}"],
        exact=exact,
        layers=layers,
        restless=any(plan.restless for plan in plans),
    )


def _refuse_what_does_not_fit(plans):
    """Raise WiringError for layers that cannot be stacked."""
    if not plans:
        raise WiringError("a stack needs at least one layer")
    first = plans[0]
    for k, each in enumerate(plans, 1):
        where = f"layer {k} of the stack ('{each.circuit.name}')"
        if each.protocol.token_of is not None or len(each.protocol.windows) > 1:
            raise WiringError(f"{where} presents its tokens one after another; layers need all tokens at once")
        if each.layers:
            raise WiringError(f"{where} is a stack itself; give all layers to one stack")
        times = each.protocol.phase, each.protocol.windows.shape[1], each.batch
        if times != (first.protocol.phase, first.protocol.windows.shape[1], first.batch):
            raise WiringError(f"{where} differs from the first layer in its phase, its window or its batch")


def _later(circuit, start, n_phase, into):
    """Circuit delayed by `start` phases in a run of `n_phase`, without the external inputs to the ports `into`."""
    populations = {}
    for name, each in circuit.populations.items():
        inputs = {port: _delayed(values, each, start, n_phase) for port, values in each.inputs.items()}
        inputs = {port: values for port, values in inputs.items() if f"{name}.{port}" not in into}
        populations[name] = each._replace(inputs=inputs)
    return circuit._replace(populations=populations)


def _delayed(values, population, start, n_phase):
    """External values: those that change keep their first row until the start, and their last row to the end."""
    if np.ndim(values) != len(population.axes) + 2:
        return values
    row = np.clip(np.arange(n_phase) - start, 0, len(values) - 1)
    return np.asarray(values)[row]


def _upwards(below, plan, above, into, residual):
    """Projections from the answer of a layer, and with `residual` from its nuclei, to the nuclei of the next."""
    sources = [f"{below}_{plan.output.population}"]
    sources += [f"{below}_{into[0].partition('.')[0]}"] if residual else []
    return [
        Projection(source, f"{above}_{port}", "im -> im", like_signs=True, same=SAME)
        for source in sources
        for port in into
    ]


def _readings_of(plan, prefix):
    """Readings of a plan by name, in a circuit with prefixed populations."""
    return {name: reading.prefixed(prefix) for name, reading in plan.readings().items()}
