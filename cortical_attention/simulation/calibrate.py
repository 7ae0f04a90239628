"""Unit rates of forms with spikes, from a pilot: a run of the same circuit in the rate form on the same input."""

import numpy as np
from brian2 import Hz, Quantity

from cortical_attention.simulation.released import released
from cortical_attention.wiring.expressions import WiringError, parse
from cortical_attention.wiring.values import unit_rate_for

UNIT_RATE = 100 * Hz  # default upper bound for the nuclei, and the unit of every population of the rate form
# chosen: the rate of the largest value of a population, as a share of the form's ceiling
PEAK = 280 / 300
SMALL = 0.5  # chosen: the largest value of a nucleus then has a hundred spikes in 2 s, however small it is
PEAK_OF_INHIBITION = 200 / 300  # g starts at the ceiling, well above where it settles: it falls and hardly ever rises


def rate_units(plan):
    """Unit rates of the rate form: one for all, since rates there have no bound."""
    return {name: np.ones(plan.batch) * UNIT_RATE for name in plan.circuit.populations}


def unit_rates(plan, run, form, bound=UNIT_RATE):
    """Unit rate of each population for each input, so that the largest value it carries comes near the ceiling.

    Interneurons have a unit each, since what divides one macrocolumn may be hundreds of times what divides another, and a
    cell that fires at a few Hz shunts unevenly.

    Parameters
    ----------
    plan : Plan
    run : Run
        Of that plan, in the rate form.
    form : Form
        Its membranes say the highest rate that a cell is asked for.
    bound : Quantity
        Upper bound for the nuclei.

    Returns
    -------
    dict of str to Quantity, shape (batch,), or (batch, *sizes) for interneurons
    """
    circuit, last = plan.circuit, plan.protocol.windows[:, -1]
    peaks = {name: _peak(np.abs(values[last])) for name, values in run.values.items()}
    for name, population in circuit.populations.items():
        if population.cell.starts_at_ceiling:
            peaks[name] = np.abs(run.values[name][last]).max(axis=0)
        drives = population.inputs and population.cell.role == "relay"
        if drives or (population.cell.variable and not population.cell.starts_at_ceiling):  # a memory may shrink again
            peaks[name] = _peak(np.abs(run.values[name]))
    for projection in circuit.projections:
        if projection.like_signs:
            target = projection.target.partition(".")[0]
            sent = released(projection, run.values[projection.source][last], run.unit_rates[projection.source])
            peaks[target] = _like_signed_peak(projection, sent)
    found = {name: unit_rate_for(peak, _highest(circuit.populations[name].cell, form)) for name, peak in peaks.items()}
    nuclei = {name for name, each in circuit.populations.items() if each.cell.role == "relay"}
    return {name: _bounded(unit, peaks[name], bound) if name in nuclei else unit for name, unit in found.items()}


def _bounded(unit, peak, bound):
    """Unit rates of a nucleus: at most `bound`, or more where all values are below `SMALL`: attention is linear in them."""
    return Quantity(np.minimum(unit, np.maximum(bound, unit_rate_for(peak, SMALL * bound))))


def _highest(cell, form):
    """Rate at which the largest value of a cell type is to lie."""
    share = PEAK_OF_INHIBITION if cell.starts_at_ceiling else PEAK
    return share * form.of(cell).ceiling


def calibrated(plan, units, pilot_plan, pilot_run, form, counted):
    """Plan and unit rates, with the cells that a form calibrates set to the drives that the pilot has seen.

    Parameters
    ----------
    plan : Plan
    units : dict of str to Quantity, shape (batch,)
    pilot_plan, pilot_run : Plan, Run
        In the rate form.
    form : Form
    counted : Quantity (s)
        Cells per value times the window.

    Returns
    -------
    Plan
    dict of str to Quantity, shape (batch,)
    """
    populations, units = dict(plan.circuit.populations), dict(units)
    for name, population in plan.circuit.populations.items():
        drive = form.of(population.cell).drive
        if drive.calibrate is not None:
            drives = {port: drive_at(pilot_plan, pilot_run, name, port) for port in drive.ports}
            constants, unit = drive.calibrate(population, drives, counted)
            populations[name] = population._replace(parameters={**population.parameters, **constants})
            units[name] = np.ones(plan.batch) * unit
    return plan._replace(circuit=plan.circuit._replace(populations=populations)), units


def drive_at(plan, run, name, port):
    """Values that reach a port at the end of each query window, in a run of the rate form, before its kernel.

    Parameters
    ----------
    plan : Plan
        Inputs of the port from outside need to be constant: inputs that change are not read at the end of a window.
    run : Run
        A finished run of that plan, in the rate form.
    name : str
        Name of the population.
    port : str

    Returns
    -------
    ndarray, shape (n_window, batch, *sizes), or float
        Of size one along the axes of copies. Without the window axis if no projection reaches the port; 0.0 if it has no
        input from outside either.

    Raises
    ------
    WiringError
        If cells of the population have no such port.
    """
    population = plan.circuit.populations[name]
    if port not in population.cell.ports:
        raise WiringError(
            f"population '{name}': a {population.cell.name} cell has no port '{port}' to be calibrated at"
        )
    last, total = plan.protocol.windows[:, -1], population.inputs.get(port, 0.0)
    for projection in plan.circuit.projections:
        if projection.target == f"{name}.{port}":
            source = projection.source
            total = total + drive_of(projection, run.values[source][last], run.unit_rates[source])
    return total


def drive_of(projection, values, unit_rate=None):
    """Values that a projection brings to its target: the weighted sum over its source, after short-term plasticity.

    Parameters
    ----------
    projection : Projection
    values : ndarray, shape (..., batch, *sizes)
        Of the source.
    unit_rate : Quantity (Hz), shape (batch,) or (batch, *sizes), optional
        Of the source; needed where the projection has short-term plasticity (`released.released`).

    Returns
    -------
    ndarray, shape (..., batch, *sizes)
        With the axes of the target, of size one along the axes of copies.

    Raises
    ------
    WiringError
        If the projection is plastic and no unit rate is given, or if its index expression cannot be parsed.
    """
    expression = parse(projection.expression)
    line = f"...{expression.source},{expression.weight}->...{expression.distinct}"
    drive = np.einsum(line, released(projection, values, unit_rate), np.asarray(projection.weights, dtype=float))
    lead = drive.ndim - len(expression.distinct)
    copies = [lead + place for place, letter in enumerate(expression.target) if letter not in expression.distinct]
    return np.expand_dims(drive, copies)


def _peak(values):
    """Largest of the values (n, batch, ...) of each input."""
    return values.max(axis=(0, *range(2, values.ndim)))


def _like_signed_peak(projection, values):
    """Largest drive of an on or an off cell that hears its own sign only, from the signed values released by the source."""
    expression = parse(projection.expression)
    line = f"...{expression.source},{expression.weight}->...{expression.distinct}"
    weights = np.asarray(projection.weights, dtype=float)
    drives = [np.einsum(line, np.clip(sign * values, 0, None), weights) for sign in (1, -1)]
    return _peak(np.maximum(*drives))
