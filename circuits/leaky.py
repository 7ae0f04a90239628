"""A memory that forgets: the memory wiring with a leak that a modulatory state sets, which is gated linear attention.

::

    L5 PT         vt_v = sum_k y_vk
            ^
    L5 IT         y_vk = M_vk phi(q_k)                      basal: W_Q from core; apical: M from L2/3
            ^
    L2/3          tau_write dM_vk/dt = gate v_v phi(k_k) - leak M_vk      basal: W_K, apical: W_V from matrix; leak: lambda
            ^ leak
    modulator     lambda_h = sum_s W_M_hs m_s               basal forebrain, or layer 6; one state for all heads

Tokens come one after another, and each has its turn: for one tau_write the modulatory cells are active and the memory leaks;
for another nothing happens, so that the leak has faded; for a third the token is written; then the same token is the query.
Token t hears what was written up to t, which is causal attention with a single memory. With alpha_t = exp(-lambda(m_t)),

::

    M_t = alpha_t M_{t-1} + v_t phi(k_t)^T        y_t = M_t phi(q_t)

which is gated linear attention (Yang et al. 2024, abstract read) with one gate for each head and token, as in gated random
feature attention (Peng et al. 2021, not read). With a normaliser the row of ones leaks with the memory, and

::

    y_t = sum_j D_tj phi(k_j).phi(q_t) v_j / sum_j D_tj phi(k_j).phi(q_t),     D_tj = alpha_t ... alpha_{j+1}

so that log D_tj is added to the logarithm of each weight. If the memory leaks while a token is written, the token is written
with the share (1 - alpha_t) / lambda_t.

The memory is our reading of version 3 of the paper, which adds and never forgets; leak, modulatory state and turns are ours.
"""

import numpy as np

from cortical_attention.cells.memory import LEAKY_MEMORY
from cortical_attention.cells.modulatory import MODULATORY
from cortical_attention.circuits.memory import UNUSED, Schedule, held, memory_wiring
from cortical_attention.circuits.plan import axes_of, named, without
from cortical_attention.circuits.protocol import Protocol, phase_of
from cortical_attention.wiring.circuit import Population, Projection
from cortical_attention.wiring.expressions import WiringError

LEAKING = {"memory": "s, hs -> hvk", "key_memory": "s, hs -> hk"}  # populations of L2/3, and how the leak reaches them
LEAKS = {"before": 0, "during": 2}  # thirds of the first part of a turn, in the last of which a token is written


def leaky_wiring(
    times, tokens, W_Q, W_K, W_V, W_O, *, modulation, W_M, b_Q=None, b_K=None, b_V=None, kernel="elu+1", normaliser=None,
    leaks="before",
):  # fmt: skip
    """Circuit and protocol of a memory with a leak that is set by a modulatory state.

    Parameters
    ----------
    times, tokens, W_Q, W_K, W_V, W_O, b_Q, b_K, b_V, kernel
        As in `circuits.memory.memory_wiring`. Tokens are written and asked in their order.
    modulation : ndarray, shape (batch, n_token, n_state)
        Modulatory state m while a token is there, nowhere negative; a batch axis of size one is repeated.
    W_M : ndarray, shape (n_head, n_state)
        How strongly the memory of a head leaks for each state, nowhere negative.
    normaliser : str, optional
        As in `circuits.memory.memory_wiring`; None: no division.
    leaks : {"before", "during"}
        Whether modulatory cells are active before a token is written, or while it is.

    Returns
    -------
    Plan

    Raises
    ------
    WiringError
        If the state or its weights are negative, or do not fit the tokens and heads; or for another time of the leak.
    """
    if leaks not in LEAKS:
        raise WiringError(f"leaks is {leaks!r} but needs to be one of {', '.join(LEAKS)}")
    modulation, W_M = _checked(modulation, W_M, tokens, W_Q)
    plan = memory_wiring(
        times, tokens, W_Q, W_K, W_V, W_O, b_Q=b_Q, b_K=b_K, b_V=b_V, kernel=kernel, normaliser=normaliser, order=in_turn
    )  # fmt: skip
    circuit = without(plan.circuit, UNUSED if normaliser is None else ())
    leaking = [circuit.populations[name] for name in LEAKING if name in circuit.populations]
    onto = tuple(Projection("modulator", f"{each.name}.leak", LEAKING[each.name], W_M) for each in leaking)
    populations = named(
        *(each._replace(cell=LEAKY_MEMORY) for each in leaking),
        Population(
            "modulator",
            MODULATORY,
            axes_of({"state": W_M.shape[1]}, "state"),
            inputs={"soma": held(modulation.swapaxes(0, 1), leaking_token(times, tokens.shape[1], leaks))},
        ),
    )
    circuit = circuit._replace(
        name="leaky memory", populations=circuit.populations | populations, projections=(*circuit.projections, *onto)
    )
    return plan._replace(circuit=circuit)


def _checked(modulation, W_M, tokens, W_Q):
    """State and its weights as arrays, of the shapes that tokens and heads ask for."""
    modulation, W_M = np.asarray(modulation, dtype=float), np.asarray(W_M, dtype=float)
    needs, n_state = (tokens.shape[1], W_M.shape[-1]), W_M.shape[-1]
    if modulation.ndim != 3 or modulation.shape[1:] != needs or modulation.shape[0] not in (1, len(tokens)):
        raise WiringError(f"modulation has shape {modulation.shape} but needs ({len(tokens)}, {needs[0]}, {n_state})")
    if W_M.shape != (len(W_Q), n_state):
        raise WiringError(f"W_M has shape {W_M.shape} but needs (n_head={len(W_Q)}, n_state)")
    for name, values in (("modulation", modulation), ("W_M", W_M)):
        if not (values >= 0).all():
            raise WiringError(f"{name} has the entry {values.min():g}, but a leak cannot be negative")
    return modulation, W_M


def _turn(times):
    """Phases of a turn, and numbers of phases of a write, of settling, and of a window."""
    phase, n_window, n_settle, n_write = phase_of(times)
    return phase, 3 * n_write + 1 + n_settle + n_window, n_write, n_settle, n_window


def in_turn(times, n_token, n_context):
    """Every token has its turn: the memory leaks, rests, and is written with it; then the token is the query, after one
    phase without a token.

    Parameters
    ----------
    times : Times
    n_token, n_context : int
        Equal: in its turn a token is both.

    Returns
    -------
    Schedule
    """
    phase, n_turn, n_write, _, n_window = _turn(times)
    k = np.arange(n_turn)
    token = np.repeat(np.arange(n_context), n_turn)
    written = np.where(np.tile(k < 3 * n_write, n_token), token, -1)
    gate = np.tile((k >= 2 * n_write) & (k < 3 * n_write), n_token).astype(float)
    query = np.where(np.tile(k > 3 * n_write, n_token), token, -1)
    windows = n_turn * (1 + np.arange(n_token))[:, None] - n_window + np.arange(n_window)
    protocol = Protocol(phase, n_turn * n_token, windows, np.arange(n_token))
    return Schedule(protocol, written, gate, query, n_write * phase)


def leaking_token(times, n_token, leaks="before"):
    """Token in whose turn modulatory cells are active, in each phase (n_phase,); -1: they are silent."""
    _, n_turn, n_write, _, _ = _turn(times)
    active = np.arange(n_turn) // n_write == LEAKS[leaks]
    return np.where(np.tile(active, n_token), np.repeat(np.arange(n_token), n_turn), -1)
