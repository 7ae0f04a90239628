"""Unit rates of the spiking form, from a pilot: the circuit's own rate form on the same input."""

import numpy as np
from brian2 import Hz, Quantity

from wiring.expressions import parse
from wiring.numbers import unit_rate_for

UNIT_RATE = 100 * Hz  # default upper bound for the nuclei, and the unit of every population of the rate form
# chosen: the rate of the largest number of a population, as a share of the form's ceiling
PEAK = 280 / 300
PEAK_OF_INHIBITION = 200 / 300  # g starts at the ceiling, well above where it settles: it falls and hardly ever rises


def rate_units(plan):
    """Unit rates of the rate form: one for all, since rates there have no bound."""
    return {name: np.ones(plan.batch) * UNIT_RATE for name in plan.circuit.populations}


def unit_rates(plan, run, ceiling, bound=UNIT_RATE):
    """Unit rate of each population for each input, so that the largest number it carries comes near the ceiling.

    Parameters
    ----------
    plan : Plan
    run : Run
        Of that plan, in the rate form.
    ceiling : Quantity
        Highest rate that a cell of the form is asked for.
    bound : Quantity
        Upper bound for the nuclei.

    Returns
    -------
    dict of str to Quantity, shape (batch,)
    """
    circuit, last = plan.circuit, plan.protocol.windows[:, -1]
    peaks = {name: _peak(np.abs(numbers[last])) for name, numbers in run.numbers.items()}
    for name, population in circuit.populations.items():
        drives = population.inputs and population.cell.layer == "thalamus"
        if drives or (population.cell.variable and not population.cell.starts_high):  # a memory may shrink again
            peaks[name] = _peak(np.abs(run.numbers[name]))
    for projection in circuit.projections:
        if projection.like_signs:
            target = projection.target.partition(".")[0]
            peaks[target] = _like_signed_peak(projection, run.numbers[projection.source][last])
    nuclei = {name for name, each in circuit.populations.items() if "thalamus" in each.cell.layer}
    share = {name: PEAK_OF_INHIBITION if each.cell.starts_high else PEAK for name, each in circuit.populations.items()}
    found = {name: unit_rate_for(peak, share[name] * ceiling) for name, peak in peaks.items()}
    return {name: Quantity(np.minimum(unit, bound)) if name in nuclei else unit for name, unit in found.items()}


def _peak(numbers):
    """Largest of the numbers (n, batch, ...) of each input."""
    return numbers.max(axis=(0, *range(2, numbers.ndim)))


def _like_signed_peak(projection, numbers):
    """Largest drive of an on or an off cell that hears its own sign only, from the signed numbers of the source."""
    expression = parse(projection.expression)
    line = f"...{expression.source},{expression.weight}->...{expression.distinct}"
    weights = np.asarray(projection.weights, dtype=float)
    drives = [np.einsum(line, np.clip(sign * numbers, 0, None), weights) for sign in (1, -1)]
    return _peak(np.maximum(*drives))
