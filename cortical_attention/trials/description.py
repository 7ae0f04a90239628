"""What a circuit is made of: populations, projections, cells and constants, as plain data. Nothing is run.

The Brian2 objects are built as for a run, so that numbers of cells and synapses, and the variables that can be recorded, are
those of the network itself.
"""

from math import prod

import numpy as np
from brian2 import Clock

from cortical_attention.cells.cell import GABA
from cortical_attention.cells.kernels import KERNELS
from cortical_attention.inputs.cases import sizes
from cortical_attention.readout.provenance import jsonable
from cortical_attention.simulation import engine
from cortical_attention.simulation.calibrate import rate_units
from cortical_attention.trials.comparison import block_of
from cortical_attention.trials.constants import constants_of
from cortical_attention.trials.equations import equations_of, kinds_of, synapses_of, variables_of
from cortical_attention.trials.systems import blaming
from cortical_attention.wiring.anatomy import RULES
from cortical_attention.wiring.dendrite import sizes_of
from cortical_attention.wiring.expand import expand_projection
from cortical_attention.wiring.network import Construction, place_of, wire

SCHEMA_VERSION = 1
MIXED = "excitatory and inhibitory"


def description(case, options):
    """What the circuit of a case is made of.

    Parameters
    ----------
    case : Case
    options : Options
        Of its settings, `form`, `cells`, `shared` and `dt` count.

    Returns
    -------
    dict
        Ready for JSON; lists are in the order of the circuit. A value with a unit is {"value", "unit"}, in SI units.

        - populations (list of dict): name, cell type, anatomy, axes, number of cells, ports with their kernels, and the
          variables of the somata.
        - projections (list of dict): both ends, index expression, number of synapses if each pair of cells had its own,
          number of weights, sign, delay, plasticity, and the variables of the dendrites.
        - cells (list of dict): for each cell type its rule, equations, threshold, reset, refractory time and dendrites.
        - synapses (dict): effect of excitation and of inhibition on a dendrite, and the equations of inhibitory relays.
        - kernels (dict of str to str): expression in `x` of each kernel that stands at a port.
        - constants (list of dict): see `trials.constants.constants_of`.
        - counts (dict of str to int)
        - breaks (list of dict): rules of the anatomy that the circuit breaks on purpose, each with the reason.
        - notices (list of str): what may compute something else than the wiring says (`Circuit.notices`).

    Raises
    ------
    WiringError
        If the circuit cannot be wired, or the form has no membrane for one of its cell types.
    """
    settings = options.settings
    with blaming(options.system, settings.form), engine.device("numpy"):
        plan = options.system.wiring(settings.times(), case.tokens[None], **block_of(case, options))
        wired = wire(plan.circuit, _construction(plan, settings))
        return jsonable(
            {
                "schema_version": SCHEMA_VERSION,
                "case": case.name,
                **options.named,
                "form": settings.form.name,
                **sizes(case),
                "cells_per_value": settings.cells,
                "dendrites": "shared" if settings.shared else "explicit",
                "dt": settings.times().dt,
                **_circuit(plan.circuit, wired, settings),
            }
        )


def _construction(plan, settings):
    """How the circuit is wired: as for a run, but no membrane is measured, and unit rates are those of the rate form."""
    form, times = settings.form, settings.times()
    unmeasured = form.with_membranes(lambda each: each._replace(drive=each.drive._replace(measure=None)))
    return Construction(
        unmeasured, rate_units(plan), plan.batch, settings.cells, settings.shared, Clock(times.dt), plan.protocol.phase,
        dense=True,
    )  # fmt: skip


def _circuit(circuit, wired, settings):
    """Parts of a circuit, of which `wired` holds the Brian2 objects."""
    form, numbers = settings.form, range(len(circuit.projections))
    populations = [_population(wired, name, form) for name in circuit.populations]
    projections = [_projection(circuit, wired, k, settings) for k in numbers]
    relays = any(each["n_relay"] for each in projections)
    kernels = {port["kernel"] for each in populations for port in each["ports"]}
    return {
        "populations": populations,
        "projections": projections,
        "cells": [_cell(kind, form, populations, projections) for kind in kinds_of(circuit)],
        "synapses": synapses_of(form, relays),
        "kernels": {name: expression for name, expression in KERNELS.items() if name in kernels},
        "constants": constants_of(circuit, form, relays),
        "counts": _counts(populations, projections, wired),
        "breaks": [{"rule": rule, "says": RULES[rule].says, "reason": why} for rule, why in circuit.breaks.items()],
        "notices": circuit.notices(),
    }


def _population(wired, name, form):
    """A population, hidden axes included."""
    concrete = wired.concrete[name]
    population, cell = concrete.population, concrete.population.cell
    n_own = len(population.axes)
    return {
        "name": name,
        "cell": cell.name,
        "layer": cell.layer,
        "area": population.area,
        "transmitter": cell.transmitter,
        "role": cell.role,
        "nucleus": cell.nucleus,
        "axes": [
            {"kind": kind, "size": size, "hidden": not 1 <= place <= n_own}
            for place, (kind, size) in enumerate(concrete.axes)
        ],
        "n_cell": concrete.n_cell,
        "signed_by": population.signed,
        "ports": [_port(population, port, form) for port in cell.ports],
        "variables": variables_of(wired.source(name)),
    }


def _port(population, port, form):
    """A port: its kernel and what evaluates it, its layer, its value without input, and whether it inhibits."""
    cell = population.cell
    return {
        "name": port,
        "kernel": population.kernels.get(port, "identity"),
        "kernel_by": "expression" if form.of(cell).drive.kernels else "thresholds of the membrane",
        "layer": cell.sites.get(port),
        "without_input": cell.ports[port],
        "has_external_input": port in population.inputs,
        "inhibits": port in cell.inhibited,
    }


def _projection(circuit, wired, k, settings):
    """Projection number `k`, hidden axes included."""
    projection, groups = circuit.projections[k], {each.name: each for each in wired.others}
    pathway = expand_projection(circuit, projection, settings.form, settings.cells)
    dendrite = groups[f"dendrite_{k}_of_{pathway.target}"]
    source, target = circuit.ends(projection)
    subtracts = (pathway.name, "inhibition") in wired.synapses
    relay = wired.relays.get((pathway.source, *place_of(target))) if subtracts else None
    plasticity = projection.plasticity
    return {
        "source": pathway.source,
        "target": pathway.target,
        "port": pathway.port,
        "expression": projection.expression,
        "n_synapse": sum(n_explicit(pathway, wired.concrete, sign) for sign in ("excitation", "inhibition")),
        "n_weight": int(np.size(projection.weights)),
        "n_dendrite": dendrite.N,
        "n_relay": relay.N if relay else 0,
        "sign": _sign(pathway, source.cell, pathway.port in target.cell.inhibited),
        "like_signs": projection.like_signs,
        "delay": projection.delay,
        "plasticity": plasticity and plasticity._asdict(),
        "variables": variables_of(dendrite),
    }


def n_explicit(pathway, concrete, sign):
    """Synapses of one sign ("excitation" or "inhibition") of a pathway if every pair had its own; none of weight zero."""
    expression, size_of = pathway.expression, sizes_of(pathway, concrete)
    copies = prod(size for letter, size in size_of.items() if letter not in expression.weight)
    return int(np.count_nonzero(getattr(pathway, sign))) * copies


def _sign(pathway, source, divides):
    """Sign of the synapses, relays included. Rates of either sign excite and inhibit wherever a weight is negative."""
    if source.transmitter == GABA or divides:
        return "inhibitory"
    inhibits = (pathway.excitation < 0).any() or pathway.inhibition.any()
    if not inhibits:
        return "excitatory"
    return MIXED if pathway.excitation.any() else "inhibitory"


def _cell(kind, form, populations, projections):
    """Equations of a cell type, and the variables that can be recorded of its somata and its dendrites."""
    somata = [each["variables"] for each in populations if each["name"] in kind.populations]
    dendrites = [each["variables"] for each in projections if each["target"] in kind.populations]
    return equations_of(kind, form) | {"variables": {"soma": _union(somata), "dendrite": _union(dendrites)}}


def _union(variables):
    """Variables of several groups, by name."""
    return dict(sorted(item for each in variables for item in each.items()))


def _counts(populations, projections, wired):
    """Totals of a circuit; `n_synapse` are those of the network, `n_synapse_explicit` those of one synapse a pair."""
    return {
        "n_cell": sum(each["n_cell"] for each in populations),
        "n_dendrite": sum(each["n_dendrite"] for each in projections),
        "n_relay": sum(each.N for each in wired.relays.values()),
        "n_synapse": wired.n_synapse,
        "n_synapse_explicit": sum(each["n_synapse"] for each in projections),
        "n_weight": sum(each["n_weight"] for each in projections),
    }
