"""The rule of a cell type, evaluated on values: the value it asks of a population, and the ports in which it is linear."""

from functools import lru_cache

import numpy as np
import sympy
from brian2.parsing.sympytools import str_to_sympy

from cortical_attention.cells.kernels import phi
from cortical_attention.simulation.calibrate import drive_of

FUNCTIONS = {"clip": np.clip, "exp": np.exp, "log1p": np.log1p, "abs": np.abs, "sqrt": np.sqrt, "inf": np.inf}


@lru_cache
def gain_of(rule, port):
    """Constant factor of a port in the rule of a cell type.

    Parameters
    ----------
    rule : str
        `CellType.value`, in the names of the ports.
    port : str

    Returns
    -------
    float or None
        Derivative of the rule with respect to the port. None if it is zero or not constant: ``"soma"`` has 1 at soma,
        ``"a - b"`` -1 at b, and ``"basal * apical / shunt"`` None at every port.

    Raises
    ------
    SyntaxError
        If the rule is not an expression.
    """
    factor = sympy.diff(str_to_sympy(rule), sympy.Symbol(port, real=True))
    return float(factor) if factor.is_number and factor != 0 else None


def linear_gain(circuit, projection):
    """Constant factor with which the rule of the target multiplies the drive of a projection.

    Parameters
    ----------
    circuit : Circuit
    projection : Projection
        Of that circuit.

    Returns
    -------
    float or None
        As `gain_of`; None also if the port has a kernel.
    """
    target, port = circuit.ends(projection)[1], projection.target.partition(".")[2]
    return gain_of(target.cell.value, port) if target.kernels.get(port, "identity") == "identity" else None


def asked_of(plan, values, name, windows, unit_rates, without=None):
    """Number that the rule of a population asks for, in each window.

    Parameters
    ----------
    plan : Plan
    values : dict of str to ndarray, shape (n_window, batch, *sizes)
    name : str
    windows : ndarray of int, shape (n_window, n_phase_in_window)
        Over which inputs from outside that change are averaged.
    unit_rates : dict of str to Quantity
        Of every population, on which the release of plastic synapses depends.
    without : str, optional
        A population left out: what it reaches holds what it holds while nothing reaches it.

    Returns
    -------
    ndarray, shape (n_window, batch, *sizes), or None
        None for a cell with a state of its own, or with a rule that needs more than its ports.
    """
    population = plan.circuit.populations[name]
    if population.cell.state:
        return None
    ports = {
        port: _at_port(plan, values, population, port, windows, unit_rates, without) for port in population.cell.ports
    }
    try:
        with np.errstate(all="ignore"):
            asked = eval(population.cell.value, FUNCTIONS | ports)  # noqa: S307 (the rule of a cell type)
    except (NameError, TypeError):
        return None
    return np.broadcast_to(asked, (len(windows), plan.batch, *population.shape))


def with_exact_inputs(plan, values, windows, unit_rates):
    """Values with those of the input populations, which no projection reaches, replaced by the values of their rules.

    Parameters
    ----------
    plan : Plan
    values : dict of str to ndarray, shape (n_window, batch, *sizes)
        Decoded values by population.
    windows : ndarray of int, shape (n_window, n_phase_in_window)
        Query windows, over which inputs from outside that change are averaged.
    unit_rates : dict of str to Quantity (Hz), shape (batch,) or (batch, *sizes)

    Returns
    -------
    dict of str to ndarray, shape (n_window, batch, *sizes)
        A new dict. Input populations with a state of their own keep their decoded values.
    """
    reached = {each.target.partition(".")[0] for each in plan.circuit.projections}
    exact = {name: asked_of(plan, values, name, windows, unit_rates) for name in values if name not in reached}
    return values | {name: each for name, each in exact.items() if each is not None}


def _at_port(plan, values, population, port, windows, unit_rates, without):
    """What a port holds after its kernel; axes of copies have size one."""
    given = population.inputs.get(port)
    if given is not None and np.ndim(given) == len(population.axes) + 2:
        given = np.asarray(given)[windows].mean(axis=1)
    drives = [] if given is None else [np.asarray(given, dtype=float)]
    drives += [
        drive_of(each, values[each.source], unit_rates[each.source])
        for each in plan.circuit.projections
        if each.target == f"{population.name}.{port}" and each.source != without
    ]
    if not drives:
        return population.cell.ports[port]
    with np.errstate(over="ignore"):
        return phi(population.kernels.get(port, "identity"))(sum(drives))
