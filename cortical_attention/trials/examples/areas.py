"""Areas that ask each other, and weights A from L2/3 to L5 that are not ones."""

from functools import partial

import numpy as np
from brian2 import second

from cortical_attention.circuits.areas import areas_wiring
from cortical_attention.circuits.areas_memory import areas_memory_wiring
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.softmax import softmax_wiring
from cortical_attention.inputs.suite import random_case
from cortical_attention.reference.areas import Coupling, asked_memory, coupled_areas, learned_attention
from cortical_attention.reference.attention import linear_attention, softmax_attention
from cortical_attention.reference.nulls import key_only_attention, key_only_softmax, uniform_attention
from cortical_attention.trials.example import Example
from cortical_attention.wiring.circuit import Projection

SEED = 12
SIZES = {"n_head": 2, "d_model": 12, "d_key": 6, "d_value": 6, "scale": 2.0}
N_TOKEN, N_CALIBRATION = 5, 48  # chosen: largest values of the loop vary more from input to input than those of an area
FEEDBACK = "area_2_pyramidal_tract"
LOOP = {"settle": 6 * second}  # of linear attention in rates, of which feedback makes a loop
SETTLE = {"rate": 12 * second, "dale": 12 * second, "spiking": 6 * second}  # of softmax attention, with slow feedback
CELLS = 4  # per value in spikes of softmax attention: with one, a spike of L2/3 moves scores by half a nat and more


def examples():
    """Feedback between areas, cross-attention between memories, and a learned A (list of Example)."""
    return [
        feedback(SEED),
        feedback(SEED, attention="softmax"),
        cross_attention(SEED),
        learned(SEED),
        learned(SEED, attention="softmax"),
    ]


def drawn(seed, gain=1.0, n_context=None, strong=True):
    """A random case, and random weights of area 2 and between the areas.

    Parameters
    ----------
    seed : int
    gain : float
        Factor of the feedback.
    n_context : int, optional
        Length of a sequence of area 2 alone.
    strong : bool
        Whether area 2 is asked and answers at twice the usual size, and feeds back less to values and more to keys. In
        linear attention queries and keys do little otherwise, and so does feedback to keys.

    Returns
    -------
    Case, Coupling
        Entries of a weight ~ N(0, 1 / fan-in), times a factor: those that make queries and keys times the scale.
    """
    case, scale = random_case(seed, N_TOKEN, n_context, **SIZES), SIZES["scale"]
    rng = np.random.default_rng([seed, 2])
    sizes = (6, 6), (6, 12), (6, 12), (6, 6), (6, 6)
    factors = (2 * scale, scale, 2.0, 2 * gain, gain / 4) if strong else (scale, scale, 1.0, gain, gain / 2)
    weights = (
        factor * rng.standard_normal((SIZES["n_head"], *size)) / np.sqrt(size[1])
        for factor, size in zip(factors, sizes, strict=True)
    )
    return case, Coupling(*weights)


# Feedback
def feedback(seed, gain=1.0, attention="linear"):
    """Two areas, the second of which feeds back to the first (Example)."""
    case, coupling = drawn(seed, gain, strong=attention == "linear")
    answer = partial(coupled_areas, case.tokens, case.block, attention=attention)
    none, zero = {"W_K12": None, "W_V12": None}, np.zeros_like(coupling.W_21)
    nulls = {
        "without feedback": none,
        "area 2 is not asked": {"W_21": zero},
        "feedback to keys alone": {"W_V12": None},
        "feedback to values alone": {"W_K12": None},
    }
    slow = attention == "softmax"
    return Example(
        "feedback between areas" + " of softmax attention" * slow,
        "fixed point of two attentions, each with the answer of the other (the paper's figure 4b)",
        areas_wiring,
        case.tokens[None],
        _weights(case) | coupling._asdict() | {"attention": attention, "slow": slow},
        answer(coupling).output[None],
        {name: answer(coupling._replace(**each)).output[None] for name, each in nulls.items()},
        np.random.default_rng([seed, 4]).standard_normal((N_CALIBRATION, *case.tokens.shape)),
        controls={name: each for name, each in CONTROLS.items() if slow or each is not _fast},
        settings={
            form: {"settle": settle} | ({"cells": CELLS} if form == "spiking" else {})
            for form, settle in SETTLE.items()
        }
        if slow
        else {"rate": LOOP, "dale": LOOP},
    )


def _rewired(*given, basal, **block):
    """Areas whose feedback reaches all microcolumns of its own macrocolumn, at the basal or the apical dendrites of L2/3."""
    plan, port = areas_wiring(*given, **block), "basal" if basal else "apical"
    projections = [
        Projection(FEEDBACK, f"area_1_superficial.{port}", "hiu, hku -> hijk", each.weights)
        if (each.source, each.target) == (FEEDBACK, "area_1_superficial.apical")
        else each
        for each in plan.circuit.projections
    ]
    return plan._replace(circuit=plan.circuit._replace(projections=tuple(projections)))


def _fast(*given, **block):
    return areas_wiring(*given, **block | {"slow": False})


CONTROLS = {
    "feedback as a query": partial(_rewired, basal=True),
    "feedback to macrocolumns": partial(_rewired, basal=False),
    "fast feedback": _fast,
}
"""Areas that are wired otherwise; in linear attention feedback to macrocolumns is off by little, and none is slow."""


# Cross-attention
def cross_attention(seed):
    """An area that asks the memory of another (Example)."""
    case, coupling = drawn(seed, n_context=N_TOKEN)
    answer = partial(asked_memory, case.tokens, case.block, context=case.context)
    weights = coupling._replace(W_K12=None, W_V12=None)._asdict()
    block = _weights(case) | {name: each for name, each in weights.items() if each is not None}
    alone = case.block._replace(W_Q=coupling.W_21 @ case.block.W_V, W_K=coupling.W_K2, W_V=coupling.W_V2)
    return Example(
        "cross-attention between areas",
        "the memory of one area, read by what another answers (after version 3 of the paper)",
        areas_memory_wiring,
        case.tokens[None],
        block | {"context": case.context[None]},
        answer(coupling)[None],
        {
            "area 2 is not asked": answer(coupling._replace(W_21=np.zeros_like(coupling.W_21)))[None],
            "area 1 without attention": linear_attention(case.tokens, alone, context=case.context).output[None],
            "area 2 remembers the tokens": answer(coupling, context=case.tokens)[None],
        },
        case.calibration,
        {"context": case.calibration_context},
        controls={
            "without division": partial(areas_memory_wiring, normaliser=None),
            "area 2 remembers the tokens": _own_context,
            "area 2 is not asked": _unasked,
        },
    )


def _unasked(*given, W_21, **block):
    return areas_memory_wiring(*given, W_21=np.zeros_like(W_21), **block)


def _own_context(times, tokens, **block):
    return areas_memory_wiring(times, tokens, **block | {"context": tokens})


# Learned A
def learned(seed, attention="linear"):
    """Attention with weights A of its own for each component of the value (Example)."""
    case, _ = drawn(seed)
    A = np.abs(1 + 0.5 * np.random.default_rng([seed, 3]).standard_normal((SIZES["d_value"], SIZES["d_key"])))
    linear = attention == "linear"
    wiring = mask_wiring if linear else softmax_wiring
    of_ones, ignored = (linear_attention, key_only_attention) if linear else (softmax_attention, key_only_softmax)
    controls = {"A of ones": partial(_with_ones, wiring)}
    return Example(
        "learned A" if linear else "learned A in softmax attention",
        "attention of its own for each component of the value, by weights from L2/3 to L5 "
        + ("(the paper's section 2)" if linear else "(ours)"),
        wiring,
        case.tokens[None],
        _weights(case) | {"A": A},
        learned_attention(case.tokens, case.block, A, attention=attention)[None],
        {
            "A of ones": of_ones(case.tokens, case.block).output[None],
            "uniform": uniform_attention(case.tokens, case.block).output[None],
            "query ignored": ignored(case.tokens, case.block).output[None],
        },
        case.calibration,
        controls=controls if linear else controls | {"one normaliser for all components": _shared},
        settings={} if linear else {"spiking": {"cells": CELLS}},
    )


def _with_ones(wiring, *given, **block):
    return wiring(*given, **block | {"A": np.ones_like(block["A"])})


def _shared(*given, **block):
    """Softmax attention with A whose interneurons are shared by the components of the value."""
    plan = softmax_wiring(*given, **block)
    circuit, n = plan.circuit, len(block["A"])
    interneuron = circuit.populations["interneuron"]
    populations = circuit.populations | {"interneuron": interneuron._replace(axes=interneuron.axes[:-1])}
    rewired = {"normaliser": ("hijv -> hi", 1 / n), "interneuron": ("hi -> hijv", 1.0)}
    projections = [
        each._replace(expression=rewired[each.source][0], weights=rewired[each.source][1])
        if each.source in rewired
        else each
        for each in circuit.projections
    ]
    return plan._replace(circuit=circuit._replace(populations=populations, projections=tuple(projections)))


def _weights(case):
    """Weights of a block that are there (dict)."""
    return {name: each for name, each in case.block._asdict().items() if each is not None}
