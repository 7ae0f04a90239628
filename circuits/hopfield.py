"""Retrieval from a modern Hopfield network: the softmax wiring, with stored patterns as its context.

::

    higher-order nucleus        F(x) = sum_j exp(beta x . p_j - log Z) p_j ---+
            ^                                                                 |
    areas of the softmax wiring, W_Q = beta sqrt(d) 1, W_K = W_V = W_O = 1    |
            ^                                                                 |
    core (the state x), matrix (the patterns p_j)                             |
            ^                                                                 |
            +------------- iterated: T dx/dt = F(x) - x <---------------------+

That one update of the network is softmax attention to the patterns is a result of Ramsauer et al. (2020). Granier & Senn
(2025) name Hopfield networks of the hippocampus as a link between brains and transformers, and leave it there. The circuit
and its protocol are ours.

Without `T` the circuit makes one step. With it, the cue is loaded into core during the first part of the settling time,
while L5 IT cells are closed, so that the higher-order nucleus is silent and inhibition finds log Z. In the second part the
cue is gone, core holds it, and L5 IT cells open: the higher-order nucleus represents one step. From then on core follows
the higher-order nucleus with the time constant T, and the loop goes to a fixed point of the update. It does so only where
core is slower than inhibition: near a pattern p, with b = beta |p|^2, inhibition that integrates pool - 1 over tau_g and has
a proportional term k_p needs T > (b - 1 - k_p) tau_g, as `experiments.hopfield` measures.

A projection from a higher-order to a first-order nucleus stands for the path through other areas between them, their layer
6 included. With it the loop is closed that the paper's figure 2e excludes, and the circuit says so (`Circuit.breaks`).
"""

import numpy as np

from cortical_attention.cells.holding_relay import HOLDING_CORE
from cortical_attention.circuits.softmax import softmax_wiring
from cortical_attention.wiring.circuit import Projection

PART = (
    1 / 8
)  # of the settling time, for loading and for holding each; chosen: a second of the eight that T = 0.5 s takes


BREAKS = {
    "PT spares its driver": "iteration is such a loop; one from nucleus to nucleus stands for a path through other areas"
}


def hopfield_wiring(times, tokens, *, context, beta, T=None, normaliser="pi"):
    """Circuit and protocol of retrieval.

    Parameters
    ----------
    times : Times
    tokens : ndarray, shape (batch, n_cue, d_model)
        Cues, each with a macrocolumn of its own.
    context : ndarray, shape (batch, n_pattern, d_model)
        Stored patterns.
    beta : float
        Inverse temperature.
    T : Quantity (s), optional
        Time constant of core while it follows the higher-order nucleus; None: one step.
    normaliser : {"pi", "slow", "divisive"}
        As in `circuits.softmax.softmax_wiring`.

    Returns
    -------
    Plan

    Raises
    ------
    WiringError
        For another normaliser.
    """
    d = np.shape(tokens)[-1]
    one = np.eye(d)[None]
    plan = softmax_wiring(times, tokens, beta * np.sqrt(d) * one, one, one, one, context=context, normaliser=normaliser)
    return plan if T is None else _iterated(plan, T)


def _iterated(plan, T):
    """Plan in which core follows the higher-order nucleus once a cue is loaded."""
    populations = dict(plan.circuit.populations)
    load, hold = _parts(plan.protocol)
    core, gated = populations["core"], populations["intratelencephalic"]
    soma = _rows(load, core) * core.inputs["soma"]
    gates = {"load": _rows(load, core), "follow": _rows(~(load | hold), core)}
    populations["core"] = core._replace(cell=HOLDING_CORE, inputs={"soma": soma} | gates, parameters={"tau_state": T})
    populations["intratelencephalic"] = gated._replace(inputs=gated.inputs | {"gate": _rows(~load, gated)})
    back = Projection("higher_order", "core.soma", "im -> im")
    circuit = plan.circuit._replace(
        name="hopfield", populations=populations, projections=(*plan.circuit.projections, back), breaks=BREAKS
    )
    return plan._replace(circuit=circuit)


def _parts(protocol):
    """Phases in which the cue is loaded, and those in which it is held (n_phase,)."""
    n = int(np.ceil(PART * protocol.windows[0, 0]))
    phase = np.arange(protocol.n_phase)
    return phase < n, (phase >= n) & (phase < 2 * n)


def _rows(on, population):
    """One value a phase, for a port of a population."""
    return on.astype(float).reshape(-1, *(1,) * (1 + len(population.axes)))
