"""The memory wiring with tags at the synapses of its memory cells and cells for its errors.

::

    error         e = y - xt                            L2/3 of the area above, driven by the higher-order nucleus
            | F: cortico-cortical feedback
    feedback      delta_v = F^T e                       L5 IT
            |
    credit        C_vk = delta_v phi(q_k) / g           L5 IT, one-to-one with the memory cells; basal: W_Q from core
    agreement     a_v = delta_v vt_v                    L5 IT; basal: the L5 IT cells that answer
            |
    key_credit    c_k = -sum_v a_v phi(q_k) / g         L5 IT, one-to-one with the cells of the row of ones
    ------------------------------------------------------------------
    key_tag       U_vkm = sum_j v_jv phi'(k_jk) x_jm    synapses of W_K on a memory cell, from matrix
    value_tag     U_vkm = sum_j phi(k_jk) x_jm          synapses of W_V on it
    ones_tag      U_km  = sum_j phi'(k_jk) x_jm         synapses of W_K on a cell of the row of ones
    ------------------------------------------------------------------
    the memory wiring (`circuits.memory`), whose cells hear none of these

Tags are laid down while the context is written, before any error is known. When a token asks, each weight changes by what
is there then, summed over copies::

    W_K   sum_v C_vk U_vkm + c_k U_km                            matrix onto L2/3, basal
    W_V   sum_k C_vk U_vkm                                       matrix onto L2/3, apical
    W_Q   (log phi)'(q_k) (sum_v y_vk delta_v - u_k sum_v a_v) x_m   core onto L5 IT, basal
    W_O   e_m vt_v                                               L5 PT onto the higher-order nucleus

With F = W_O these are minus the derivatives of equations 2 to 5 in Granier & Senn (2025); the sum over the tokens that ask
is the whole gradient (`reference.memory_learning`). The circuit is ours. As in `circuits.learning`, errors come through an
area above, and L5 PT cells do not reach the L5 IT cells that carry errors.
"""

from functools import partial

import numpy as np

from cortical_attention.cells.error import ERROR, FEEDBACK
from cortical_attention.cells.intratelencephalic import INTRATELENCEPHALIC
from cortical_attention.cells.tag import SLOPES, VALUE, key_tag
from cortical_attention.circuits.learning import ABOVE
from cortical_attention.circuits.memory import held, memory_wiring, written_first
from cortical_attention.circuits.plan import named
from cortical_attention.wiring.circuit import Population, Projection
from cortical_attention.wiring.expressions import WiringError

NORMALISERS = "pi", None


def memory_learning_wiring(
    times, tokens, targets, W_Q, W_K, W_V, W_O, *, context=None, b_Q=None, b_K=None, b_V=None, mask=None, kernel="elu+1",
    normaliser="pi", feedback=None, order=None,
):  # fmt: skip
    """Circuit and protocol of the memory wiring with tags and errors.

    Parameters
    ----------
    times, tokens, W_Q, W_K, W_V, W_O, context, b_Q, b_K, b_V, mask, order
        As in `circuits.memory.memory_wiring`.
    targets : ndarray, shape (batch, n_token, d_model)
        y_i, shown while token i asks.
    kernel : str
        phi of the dendrites, of which the slope is known (`cells.tag.SLOPES`).
    normaliser : {"pi", None}
    feedback : ndarray, shape (n_head, d_model, d_value), optional
        F; None: W_O.

    Returns
    -------
    Plan

    Raises
    ------
    WiringError
        For another normaliser, a kernel without a slope, or targets or feedback of another shape.
    """
    feedback = W_O if feedback is None else feedback
    _refuse(normaliser, kernel, {"targets": (targets, tokens), "feedback": (feedback, W_O)})
    order, biases = order or written_first, {"b_Q": b_Q, "b_K": b_K, "b_V": b_V}
    plan = memory_wiring(
        times, tokens, W_Q, W_K, W_V, W_O, context=context, mask=mask, kernel=kernel, normaliser=normaliser, order=order,
        **biases,
    )  # fmt: skip
    n_context = np.shape(tokens if context is None else context)[1]
    shown = np.repeat(targets, plan.protocol.n_memory, axis=0).swapaxes(0, 1)
    asked = held(shown, order(times, np.shape(tokens)[1], n_context).query)
    circuit, normalised = plan.circuit, normaliser is not None
    populations = circuit.populations | _tags(circuit.populations, kernel, normalised)
    populations |= _errors(circuit.populations, asked, normalised)
    projections = (*circuit.projections, *_tagging(W_K, W_V, normalised), *_teaching(W_Q, feedback, normalised))
    circuit = circuit._replace(name="memory with tags and errors", populations=populations, projections=projections)
    return plan._replace(circuit=circuit)


def for_targets(targets):
    """The wiring for some targets, with the arguments of all other wirings (callable)."""
    return lambda times, tokens, *weights, **block: memory_learning_wiring(times, tokens, targets, *weights, **block)


def _refuse(normaliser, kernel, shapes):
    """Raise WiringError for what the wiring cannot have."""
    if normaliser not in NORMALISERS:
        raise WiringError(f"normaliser is {normaliser!r} but needs to be 'pi' or None for a circuit with credit cells")
    if kernel not in SLOPES:
        raise WiringError(f"kernel is {kernel!r} but needs to be one of {', '.join(SLOPES)}, whose slopes are known")
    for name, (values, like) in shapes.items():
        if np.shape(values) != np.shape(like):
            raise WiringError(f"{name} has shape {np.shape(values)} but needs {np.shape(like)}")


def _tags(cells, kernel, normalised):
    """Tags of the synapses of memory cells, and of the cells of the row of ones (dict)."""
    memory, ones, model = cells["memory"], cells["key_memory"], cells["matrix"].axes
    tag = partial(Population, kernels=memory.kernels, parameters=memory.parameters)
    onto, of_ones = (
        {port: each[..., None] for port, each in population.inputs.items()} for population in (memory, ones)
    )
    value = {port: each for port, each in onto.items() if port != "apical"}
    found = [
        tag("key_tag", key_tag(kernel), memory.axes + model, signed="pre", inputs=onto),
        tag("value_tag", VALUE, memory.axes + model, signed="pre", inputs=value),
    ]
    if normalised:
        found.append(tag("ones_tag", key_tag(kernel), ones.axes + model, signed="pre", inputs=of_ones))
    return named(*found)


def _errors(cells, targets, normalised):
    """Populations that carry errors (dict)."""
    answer, value, one = (cells[name] for name in ("pyramidal_tract", "intratelencephalic", "normaliser"))
    found = [
        Population("error", ERROR, cells["higher_order"].axes, signed="basal", inputs={"basal": targets}, area=ABOVE),
        Population("feedback", FEEDBACK, answer.axes, signed="apical"),
        Population("credit", INTRATELENCEPHALIC, value.axes, value.kernels, "apical", value.inputs),
    ]
    if normalised:
        found += [
            Population("agreement", INTRATELENCEPHALIC, answer.axes, signed="basal"),
            Population("key_credit", INTRATELENCEPHALIC, one.axes, one.kernels, "apical", one.inputs),
        ]
    return named(*found)


def _tagging(W_K, W_V, normalised):
    """From the nucleus of keys and values to the tags; n: all of its cells, m: the one whose synapse it is."""
    found = [
        Projection("matrix", "key_tag.basal", "n, hkn -> hvkm", W_K),
        Projection("matrix", "key_tag.apical", "n, hvn -> hvkm", W_V),
        Projection("matrix", "key_tag.pre", "m -> hvkm"),
        Projection("matrix", "value_tag.basal", "n, hkn -> hvkm", W_K),
        Projection("matrix", "value_tag.pre", "m -> hvkm"),
    ]
    if normalised:
        found += [
            Projection("matrix", "ones_tag.basal", "n, hkn -> hkm", W_K),
            Projection("matrix", "ones_tag.pre", "m -> hkm"),
        ]
    return found


def _teaching(W_Q, feedback, normalised):
    """From the answer and its target to the cells that are one-to-one with the memory."""
    found = [
        Projection("higher_order", "error.basal", "m -> m", -1.0),
        Projection("error", "feedback.apical", "m, hmv -> hv", feedback),
        Projection("feedback", "credit.apical", "hv -> hvk"),
        Projection("core", "credit.basal", "m, hkm -> hvk", W_Q),
    ]
    if normalised:
        found += [
            Projection("intratelencephalic", "agreement.basal", "hvk -> hv"),
            Projection("feedback", "agreement.apical", "hv -> hv"),
            Projection("agreement", "key_credit.apical", "hv -> hk", -1.0),
            Projection("core", "key_credit.basal", "m, hkm -> hk", W_Q),
            Projection("interneuron", "credit.shunt", "h -> hvk"),
            Projection("interneuron", "key_credit.shunt", "h -> hk"),
        ]
    return found
