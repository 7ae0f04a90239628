"""The memory wiring: d_value x d_key cells per head, independent of the number of tokens.

Ours: the economical reading of version 3 of Granier & Senn, of which only the abstract is known to us (superficial cells
store a key-value memory, deep cells represent the query and are gain-modulated by the memory, no normalisation). The
protocol, the gate, and the division by z are ours.

::

    higher-order nucleus      x~ = sum_h W_O vt
            ^ W_O
    L5 PT         vt_v = sum_k y_vk
            ^
    L5 IT         y_vk = M_vk * phi(q_k) / g       basal: W_Q from core; apical: M from L2/3; shunt: g
    normaliser    u_k  = z_k  * phi(q_k) / g       L5 IT cells of one additional row, with the constant value 1
            ^                                      interneuron: g = z . phi(q), one per head
    L2/3          M_vk = sum_j v_jv phi(k_jk)      memory cells. basal: W_K from matrix; apical: W_V from matrix
                  z_k  = sum_j phi(k_jk)           the row of the constant 1
    ------------------------------------------------------------------
    core (the query token), matrix (the written token): one at a time

Tokens come one after another. Each is presented for a settling time and then written while the gate is open; then each is
presented as the query, for a settling time and a window. No token is presented in the phase before, which returns
inhibition to its initial value, independent of the previous token. A mask needs one memory for each distinct row; these
lie side by side on the batch axis, and each query reads its own.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.cells.intratelencephalic import INTRATELENCEPHALIC
from cortical_attention.cells.memory import MEMORY
from cortical_attention.cells.pyramidal_tract import PYRAMIDAL_TRACT
from cortical_attention.cells.relay import CORE, HIGHER_ORDER, MATRIX
from cortical_attention.circuits.normalisers import NORMALISERS
from cortical_attention.circuits.normalisers.divided import Divided
from cortical_attention.circuits.plan import Plan, Reading, axes_of, given, named, shown
from cortical_attention.circuits.protocol import Protocol, phase_of
from cortical_attention.wiring.circuit import Circuit, Population, Projection


def memory_wiring(
    times, tokens, W_Q, W_K, W_V, W_O, *, context=None, b_Q=None, b_K=None, b_V=None, mask=None, kernel="elu+1",
    normaliser="pi", writes="matrix", order=None,
):  # fmt: skip
    """Circuit and protocol of the memory wiring.

    Parameters
    ----------
    times, tokens, W_Q, W_K, W_V, W_O, context, b_Q, b_K, b_V, mask, kernel, normaliser
        As for `circuits.mask.mask_wiring`; ``normaliser=None`` is the proposal of version 3.
    writes : {"matrix", "core"}
        Nucleus of keys and values; the other carries the query. The abstract of version 3 leaves this open.
    order : callable, optional
        ``order(times, n_token, n_context)`` gives a Schedule; None: `written_first`.

    Returns
    -------
    Plan
    """
    tokens, context = shown(tokens, tokens if context is None else context, mask)
    n_token, n_context = tokens.shape[1], context.shape[1]
    schedule = (order or written_first)(times, n_token, n_context)
    rows, row_of = _memories_of(mask, n_token, n_context)
    gate = np.tile(schedule.gate[:, None] * held(rows.T, schedule.written), len(tokens))
    tokens, context = (np.repeat(sequence, len(rows), axis=0) for sequence in (tokens, context))
    sizes = {"head": W_Q.shape[0], "model": W_Q.shape[2], "key": W_Q.shape[1], "value": W_V.shape[1]}
    reads = "core" if writes == "matrix" else "matrix"
    populations = named(
        _nucleus(writes, sizes, held(context.swapaxes(0, 1), schedule.written)),
        _nucleus(reads, sizes, held(tokens.swapaxes(0, 1), schedule.query)),
        *_layer_2_3(sizes, kernel, b_K, b_V, gate, schedule.tau_write),
        *_layer_5(sizes, kernel, b_Q, schedule.query >= 0),
        Population("higher_order", HIGHER_ORDER, axes_of(sizes, "model"), signed="soma"),
    )
    projections = _writing(writes, W_K, W_V) + _reading(reads, W_Q, W_O)
    normalised = ()
    if normaliser is not None:
        inhibition = NORMALISERS[normaliser](_divided(populations["normaliser"], reads, W_Q, schedule.query >= 0))
        populations |= inhibition.populations
        projections += inhibition.projections
        normalised = (ATTENTION_SUM, inhibition.gain, inhibition.exact)
    circuit = Circuit("memory", populations, tuple(projections), dict.fromkeys(BREAKS[writes], OPEN))
    protocol = schedule.protocol._replace(memory_of=row_of, n_memory=len(rows))
    return Plan(circuit, protocol, len(tokens), OUTPUT, None, *normalised)


OUTPUT = Reading("higher_order")  # of token i in query window i
ATTENTION_SUM = Reading("normaliser", sum=("key",))  # of the row of the constant 1

UNUSED = "key_memory", "normaliser"  # of a circuit without division: nothing reads z there

OPEN = "version 3 of the paper is known by its abstract, which leaves open which nucleus reaches which layer"
BREAKS = {  # by the nucleus that carries keys and values
    "matrix": ("core to layers 3 and 4", "matrix to layers 1 and 5a"),
    "core": ("core to layers 3 and 4",),
}


class Schedule(NamedTuple):
    """Schedule of phases.

    Attributes
    ----------
    protocol : Protocol
    written, query : ndarray of int, shape (n_phase,)
        Token that the nucleus of keys and values shows, and that of the query; -1: none.
    gate : ndarray, shape (n_phase,)
        One where the gate of the memory is open, else zero.
    tau_write : Quantity (s)
        Time for which the gate is open for each token.
    """

    protocol: Protocol
    written: np.ndarray
    gate: np.ndarray
    query: np.ndarray
    tau_write: object


def written_first(times, n_token, n_context):
    """Every context token is presented and then written; then every token is the query, after one phase without a token
    (Schedule)."""
    phase, n_window, n_settle, n_write = phase_of(times)
    n_query_phase = 1 + n_settle + n_window
    n_writing, n_asking = 2 * n_write * n_context, n_query_phase * n_token
    none = np.full(n_asking, -1)
    written = np.concatenate([np.repeat(np.arange(n_context), 2 * n_write), none])
    gate = np.concatenate([np.tile(np.repeat([0.0, 1.0], n_write), n_context), 0.0 * none])
    queries = np.repeat(np.arange(n_token)[:, None], n_query_phase, axis=1)
    queries[:, 0] = -1
    query = np.concatenate([np.full(n_writing, -1), queries.ravel()])
    starts = n_writing + 1 + n_settle + n_query_phase * np.arange(n_token)
    windows = starts[:, None] + np.arange(n_window)
    protocol = Protocol(phase, n_writing + n_asking, windows, np.arange(n_token))
    return Schedule(protocol, written, gate, query, n_write * phase)


def held(values, index):
    """Row `index` of the values in each phase (ndarray); zeros for an index of -1."""
    values = np.asarray(values, dtype=float)
    shown = values[index]
    shown[index < 0] = 0
    return shown


def _memories_of(mask, n_token, n_context):
    """Open context tokens of each memory (n_memory, n_context), and the memory of each query (n_token,)."""
    if mask is None:
        return np.ones((1, n_context)), np.zeros(n_token, dtype=int)
    rows, row_of = np.unique(mask, axis=0, return_inverse=True)
    return rows.astype(float), row_of.ravel()


def _nucleus(name, sizes, tokens):
    """Relay cells that represent one token at a time."""
    return Population(
        name, {"core": CORE, "matrix": MATRIX}[name], axes_of(sizes, "model"), signed="soma", inputs={"soma": tokens}
    )


def _layer_2_3(sizes, kernel, b_K, b_V, gate, tau_write):
    """Memory cells: an entry of M each, and an entry of z each."""
    kernels, parameters = {"basal": kernel}, {"tau_write": tau_write}
    memory = given(
        basal=None if b_K is None else b_K[None, :, None, :],
        apical=None if b_V is None else b_V[None, :, :, None],
        gate=gate[:, :, None, None, None],
    )
    key_memory = given(basal=None if b_K is None else b_K[None], apical=np.ones((1, 1, 1)), gate=gate[:, :, None, None])
    return (
        Population("memory", MEMORY, axes_of(sizes, "head", "value", "key"), kernels, "apical", memory, parameters),
        Population("key_memory", MEMORY, axes_of(sizes, "head", "key"), kernels, None, key_memory, parameters),
    )


def _layer_5(sizes, kernel, b_Q, asking):
    """L5 IT cells, separate ones for the row of the constant 1, and L5 PT cells. IT cells are silent without a query."""
    kernels = {"basal": kernel}
    biases = (None, None) if b_Q is None else (b_Q[None, :, None], b_Q[None])
    gate = asking.astype(float)[:, None, None, None]
    value, one = given(basal=biases[0], gate=gate[..., None]), given(basal=biases[1], gate=gate)
    cell = INTRATELENCEPHALIC
    return (
        Population("intratelencephalic", cell, axes_of(sizes, "head", "value", "key"), kernels, "apical", value),
        Population("normaliser", cell, axes_of(sizes, "head", "key"), kernels, None, one),
        Population("pyramidal_tract", PYRAMIDAL_TRACT, axes_of(sizes, "head", "value"), signed="soma"),
    )


def _writing(nucleus, W_K, W_V):
    """From the nucleus of keys and values to the memory cells."""
    return [
        Projection(nucleus, "memory.basal", "m, hkm -> hvk", W_K),
        Projection(nucleus, "memory.apical", "m, hvm -> hvk", W_V),
        Projection(nucleus, "key_memory.basal", "m, hkm -> hk", W_K),
    ]


def _reading(nucleus, W_Q, W_O):
    """From the nucleus of the query, and from the memory, to the answer."""
    return [
        Projection(nucleus, "intratelencephalic.basal", "m, hkm -> hvk", W_Q),
        Projection(nucleus, "normaliser.basal", "m, hkm -> hk", W_Q),
        Projection("memory", "intratelencephalic.apical", "hvk -> hvk"),
        Projection("key_memory", "normaliser.apical", "hk -> hk"),
        Projection("intratelencephalic", "pyramidal_tract.soma", "hvk -> hv", like_signs=True),
        Projection("pyramidal_tract", "higher_order.soma", "hv, hmv -> m", W_O),
    ]


def _divided(normaliser, nucleus, W_Q, asking):
    """L5 IT cells as a normaliser needs to know them: the row of the constant 1 is pooled, the others are divided too."""
    gate = asking.astype(float)[:, None, None]
    query = Projection(nucleus, "{}.basal", "m, hkm -> hk", W_Q)
    return Divided(
        pooled=normaliser,
        letters={"intratelencephalic": "hvk", "normaliser": "hk"},
        axes=normaliser.axes,
        component="hk",
        drives=(query._replace(target="normaliser.basal"), Projection("key_memory", "normaliser.apical", "hk -> hk")),
        query=query,
        biases={port: each for port, each in normaliser.inputs.items() if port == "basal"},
        keys=Projection("key_memory", "{}", "hk -> hk"),
        key_cells={},
        key_drives=(),
        gate=gate,
        closed=gate,
    )
