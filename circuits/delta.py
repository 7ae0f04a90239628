"""The delta rule in the memory wiring: L2/3 cells store what their memory does not yet answer to a key.

::

    L2/3 memory   dM_vk/dt = e_v phi(k_k) / tau_write    while the gate is open; basal: W_K from matrix; apical: error
            ^
    error         e_v = v_v - sum_k r_vk                 L2/3; W_V from matrix, less the readout
            ^
    readout       r_vk = M_vk phi(k_k)                   L2/3; basal: W_K from matrix; apical: M

The cells of L5 read the memory with a query, as in `circuits.memory`, without division. In the sum rule (`circuits.memory`)
the apical dendrite of a memory cell hears the value; here it hears the value less what the memory answers to the key that
is being written. In a write of length tau_write, with keys and errors that follow at once,

::

    M <- M + (v - M phi) phi^T (1 - exp(-|phi|^2)) / |phi|^2

which comes near the delta rule M + (v - M phi) phi^T / |phi|^2 where |phi|^2 is large. The error follows late, by the lag L
of the loop memory - readout - error - memory, so that a write is off by about |phi|^4 exp(-|phi|^2) L / tau_write of the
error: keys with |phi|^2 of a few, and writes that are long against the lag, are what it takes.

The paper adds keys and values up; the delta rule is that of Schlag, Irie & Schmidhuber (2021), the circuit is ours.
"""

from cortical_attention.cells.sensory import KEY
from cortical_attention.cells.superficial import SUPERFICIAL
from cortical_attention.circuits.memory import UNUSED, memory_wiring
from cortical_attention.circuits.plan import given, named, without
from cortical_attention.wiring.circuit import Population, Projection
from cortical_attention.wiring.expressions import WiringError

READOUT = SUPERFICIAL._replace(name="readout", fast=("basal", "apical", "shunt"))
ERROR = KEY._replace(name="error", fast=("apical",))
RULES = "delta", "sum"


def delta_wiring(
    times, tokens, W_Q, W_K, W_V, W_O, *, context=None, b_Q=None, b_K=None, b_V=None, mask=None, kernel="elu+1",
    rule="delta",
):  # fmt: skip
    """Circuit and protocol of a memory that is written by the delta rule, and read without division.

    Parameters
    ----------
    times, tokens, W_Q, W_K, W_V, W_O, context, b_Q, b_K, b_V, mask, kernel
        As in `circuits.memory.memory_wiring`. Context tokens are written in their order, which matters here. The kernel
        may be negative, as the identity is.
    rule : {"delta", "sum"}
        What the memory cells store: the error, or the value.

    Returns
    -------
    Plan

    Raises
    ------
    WiringError
        For another rule.
    """
    if rule not in RULES:
        raise WiringError(f"rule is {rule!r} but needs to be one of {', '.join(RULES)}")
    plan = memory_wiring(
        times, tokens, W_Q, W_K, W_V, W_O, context=context, b_Q=b_Q, b_K=b_K, b_V=b_V, mask=mask, kernel=kernel,
        normaliser=None,
    )  # fmt: skip
    circuit = without(plan.circuit, UNUSED)
    populations, projections = circuit.populations, list(circuit.projections)
    if rule == "delta":
        populations |= _error_cells(populations["memory"], kernel)
        populations["memory"] = _without_value(populations["memory"])
        projections = [each for each in projections if each.target != "memory.apical"] + _errors(W_K, W_V)
    return plan._replace(circuit=circuit._replace(name=rule, populations=populations, projections=tuple(projections)))


def _error_cells(memory, kernel):
    """Cells that read the memory out with the key that is written, and cells for what is left of the value."""
    basal, apical = (memory.inputs.get(port) for port in ("basal", "apical"))
    value = None if apical is None else apical[..., 0]
    return named(
        Population("readout", READOUT, memory.axes, {"basal": kernel}, "apical", given(basal=basal)),
        Population("error", ERROR, memory.axes[:2], signed="apical", inputs=given(apical=value)),
    )


def _without_value(memory):
    """Memory cells whose apical dendrite hears the error alone, of which the bias of the values is a part."""
    return memory._replace(inputs={port: each for port, each in memory.inputs.items() if port != "apical"})


def _errors(W_K, W_V):
    """From the key that is written through the memory to the error, and from the error to the memory."""
    return [
        Projection("matrix", "readout.basal", "m, hkm -> hvk", W_K),
        Projection("memory", "readout.apical", "hvk -> hvk"),
        Projection("readout", "error.apical", "hvk -> hv", -1.0),
        Projection("matrix", "error.apical", "m, hvm -> hv", W_V),
        Projection("error", "memory.apical", "hv -> hvk"),
    ]
