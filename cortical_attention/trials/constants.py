"""Constants of a circuit in a form, each with its unit and its source."""

import numpy as np
from brian2 import Equations, Hz

from cortical_attention.simulation.calibrate import UNIT_RATE
from cortical_attention.trials.equations import kinds_of, unit_of

SAME = ("name", "value", "unit", "source", "part")
TAU_LOOP = "derived: lag of the loop through pool, interneuron and shunt (`Form.tau_loop`)"
OF_RATES = "chosen: one for all populations, since rates have no bound"
OF_SPIKES = (
    "set before a run, for each population: its largest value in the rate form comes near the ceiling of the cells"
)


def constants_of(circuit, form, relays=False):
    """Constants of a circuit in a form.

    Parameters
    ----------
    circuit : Circuit
    form : Form
    relays : bool
        Whether there are inhibitory relays.

    Returns
    -------
    list of dict
        By constant: `name`; `value`, in the SI unit, None where it is measured or fitted before a run; `unit`, "1" without
        one; `source`, None where a form or cell type of the user's own gives none; `part`, one of "membrane", "cell type",
        "dendrite", "relay" and "population"; and `of`, the list of cell types, of dendrites ("cell type.port") or of
        populations that have it.
    """
    rows = []
    for kind in kinds_of(circuit):
        rows += [*_of_membrane(kind.cell, form), *_of_cell(kind.cell, form), *_of_dendrites(kind, form)]
    rows += _used(form.synapses, form.synapses.relay, "relay", "inhibitory relay") if relays else []
    return _merged([*rows, *_of_populations(circuit, form)])


def _of_membrane(cell, form):
    """Constants of the membrane of a cell type, its ceiling, and what is found before a run."""
    membrane = form.of(cell)
    given = membrane.constants | ({} if membrane.ceiling is None else {"ceiling": membrane.ceiling})
    for name, value in given.items():
        yield _row(name, value, membrane.sources.get(name), "membrane", cell.name)
    for name, (unit, source) in membrane.drive.sources.items():
        yield _row(name, unit, source, "membrane", cell.name) | {"value": None}


def _of_cell(cell, form):
    """Constants of the slow state of a cell type, without those that its membrane finds before a run."""
    for name, value in cell.parameters.items():
        if name not in form.of(cell).drive.sources:
            yield _row(name, value, cell.sources.get(name), "cell type", cell.name)
    if "tau_loop" in Equations(cell.state).identifiers:
        yield _row("tau_loop", form.tau_loop, TAU_LOOP, "cell type", cell.name)


def _of_dendrites(kind, form):
    """Constants of the dendrites of a cell type."""
    synapses = form.synapses
    for port in kind.reached:
        own, place = port in kind.cell.own_tau, f"{kind.cell.name}.{port}"
        name = f"tau_{port}" if own else synapses.tau_name(kind.cell, port)
        source = (kind.cell.sources if own else synapses.sources).get(name)
        yield _row(name, synapses.tau(kind.cell, port), source, "dendrite", place)
        if synapses.saturates(port):
            yield _row("conductance", synapses.conductance, synapses.sources.get("conductance"), "dendrite", place)
        yield from _used(synapses, synapses.dendrite, "dendrite", place)


def _used(synapses, equations, part, place):
    """Those further constants of the synapses that some equations name."""
    used = Equations(equations).identifiers
    for name, value in synapses.constants.items():
        if name in used:
            yield _row(name, value, synapses.sources.get(name), part, place)


def _of_populations(circuit, form):
    """Unit rates, and what the wiring sets for a single population."""
    for name, each in circuit.populations.items():
        unit_rate = _row("unit_rate", Hz, OF_SPIKES, "population", name) | {"value": None}
        yield unit_rate if form.spikes else _row("unit_rate", UNIT_RATE, OF_RATES, "population", name)
        for key, value in each.parameters.items():
            yield _row(key, value, f"set by the wiring '{circuit.name}'", "population", name)


def _row(name, value, source, part, place):
    """A constant of one place."""
    number, unit = np.asarray(value).tolist(), unit_of(value)
    return {"name": name, "value": number, "unit": unit, "source": source, "part": part, "of": [place]}


def _merged(rows):
    """Rows that differ in nothing but their place as one row."""
    found = {}
    for row in rows:
        found.setdefault(repr([row[key] for key in SAME]), row | {"of": []})["of"] += row["of"]
    return [row | {"of": list(dict.fromkeys(row["of"]))} for row in found.values()]
