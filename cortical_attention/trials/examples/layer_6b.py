"""Layer 6b as supplement, in place of L2/3, and as volume knob of softmax and of linear attention."""

from functools import partial

import numpy as np

from cortical_attention.cells.superficial import SUPERFICIAL
from cortical_attention.circuits.layer_6b import knob_wiring, replacement_wiring, supplement_wiring
from cortical_attention.inputs.suite import N_CALIBRATION, random_case
from cortical_attention.reference.attention import linear_attention, softmax_attention
from cortical_attention.reference.layer_6b import (
    replaced_attention,
    supplemented_attention,
    turned_up_linear,
    turned_up_softmax,
)
from cortical_attention.reference.nulls import key_only_attention, key_only_softmax, uniform_attention
from cortical_attention.trials.example import Example
from cortical_attention.trials.rewired import without
from cortical_attention.wiring.circuit import Projection

SEED, N_TOKEN, SIZES = 6, 6, {"n_head": 2, "d_model": 8, "d_key": 4, "d_value": 4}
SLOPES = 0.75, 0.25  # of the bias, for each token of distance and each head
LARGEST = 1.0  # gamma: scores up to four times as large
SPIKING = {"settings": {"spiking": {"cells": 4}}, "claims": {"spiking": 0.025}}


def examples():
    """Layer 6b in its roles (list of Example)."""
    return [_supplement(), _replacement(), _knob(), _knob_of_linear()]


def by_distance(n_token, slopes=SLOPES):
    """A bias that favours near tokens, (1, n_head, n_token, n_token): zero between the farthest two."""
    places = np.arange(n_token)
    nearness = n_token - 1 - np.abs(places[:, None] - places)
    return np.multiply.outer(np.asarray(slopes), nearness)[None]


def knobs(stream, batch, n_token=N_TOKEN):
    """Values of gamma for each input, head and macrocolumn, drawn evenly from zero to `LARGEST`."""
    rng = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(stream,)))
    return rng.uniform(0, LARGEST, size=(batch, SIZES["n_head"], n_token))


def gains():
    """Gains m_ij of layer 6b in the place of L2/3, (1, n_head, n_token, n_token), log-normal."""
    rng = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(2,)))
    return rng.lognormal(size=(1, SIZES["n_head"], N_TOKEN, N_TOKEN))


def _input():
    case = random_case(SEED, N_TOKEN, **SIZES)
    return case, {name: each for name, each in case.block._asdict().items() if each is not None}


def _outputs(case, **nulls):
    return {name.replace("_", " "): null(case.tokens, case.block).output[None] for name, null in nulls.items()}


def _supplement():
    (case, block), bias = _input(), by_distance(N_TOKEN)
    alone = replaced_attention(case.tokens[None], case.block, np.exp(bias)).output
    nulls = _outputs(
        case,
        without_6b=softmax_attention,
        uniform=uniform_attention,
        linear=linear_attention,
        key_only=key_only_softmax,
    )
    onto_values = Projection("layer_6b", "intratelencephalic.basal", "hij -> hijv")
    tufts, normaliser = "layer_6b -> intratelencephalic.apical", "layer_6b -> normaliser.apical"
    return Example(
        "layer 6b as supplement",
        "softmax of the score and a bias, which layer 6b adds in the tufts of L5 (the role is the paper's)",
        supplement_wiring, case.tokens[None], block | {"bias": bias},
        supplemented_attention(case.tokens[None], case.block, bias).output, nulls | {"6b without L2/3": alone},
        case.calibration,
        controls={
            "onto the values": without(supplement_wiring, tufts, normaliser, also=(onto_values,)),
            "not read by the normaliser": without(supplement_wiring, normaliser),
        },
        **SPIKING,
    )  # fmt: skip


def _replacement():
    (case, block), gain = _input(), gains()
    nulls = _outputs(
        case, uniform=uniform_attention, softmax=softmax_attention, linear=linear_attention, key_only=key_only_attention
    )
    tufts, next_one = "layer_6b -> intratelencephalic.apical", np.roll(np.eye(N_TOKEN), 1, axis=0)
    neighbour = Projection("layer_6b", "intratelencephalic.apical", "hij, it -> htjv", next_one)
    return Example(
        "layer 6b in place of L2/3",
        "values weighed by gains of layer 6b alone, which sum to one: no keys, no queries (the role is the paper's)",
        replacement_wiring, case.tokens[None], {"W_V": block["W_V"], "W_O": block["W_O"], "gain": gain},
        replaced_attention(case.tokens[None], case.block, gain).output, nulls, case.calibration,
        controls={
            "without division": without(replacement_wiring, "interneuron -> layer_6b.shunt"),
            "6b of the next macrocolumn": without(replacement_wiring, tufts, also=(neighbour,)),
        },
        **SPIKING,
    )  # fmt: skip


def _knob():
    (case, block), gamma = _input(), knobs(0, 1)
    nulls = _outputs(
        case,
        without_6b=softmax_attention,
        uniform=uniform_attention,
        linear=linear_attention,
        key_only=key_only_softmax,
    )
    return Example(
        "layer 6b as volume knob",
        "softmax attention at an inverse temperature of (1 + gamma)^2, gamma of layer 6b (the role is the paper's)",
        knob_wiring, case.tokens[None], block | {"gamma": gamma},
        turned_up_softmax(case.tokens[None], case.block, gamma).output, nulls, case.calibration,
        {"gamma": knobs(1, N_CALIBRATION)},
        {"keys alone": without(knob_wiring, "layer_6b -> superficial.query_gain")},
        **SPIKING,
    )  # fmt: skip


def _knob_of_linear():
    (case, block), gamma = _input(), knobs(0, 1)
    nulls = _outputs(
        case, without_6b=linear_attention, uniform=uniform_attention, key_only=key_only_attention,
        rectifier=partial(linear_attention, kernel="relu"),
        softmax_at_that_temperature=partial(turned_up_softmax, gamma=gamma[0]),
    )  # fmt: skip
    wiring = partial(knob_wiring, attention="linear")
    return Example(
        "layer 6b as volume knob of linear attention",
        "linear attention of keys and queries times 1 + gamma, before phi (the role is the paper's)",
        wiring, case.tokens[None], block | {"gamma": gamma},
        turned_up_linear(case.tokens[None], case.block, gamma).output, nulls, case.calibration,
        {"gamma": knobs(1, N_CALIBRATION)},
        {"keys alone": without(wiring, "layer_6b -> superficial.query_gain"), "behind phi": behind_phi},
        **SPIKING,
    )  # fmt: skip


def behind_phi(*given, kernel="elu+1", **block):
    """The knob of linear attention with gains that multiply phi(k) and phi(q): inhibition divides them out."""
    plan = knob_wiring(*given, attention="linear", **block)
    superficial = plan.circuit.populations["superficial"]
    cell = superficial.cell._replace(value=f"(1 + query_gain) * (1 + key_gain) * {SUPERFICIAL.value}")
    changed = superficial._replace(cell=cell, kernels={"basal": kernel, "apical": kernel})
    return plan._replace(circuit=plan.circuit._replace(populations=plan.circuit.populations | {"superficial": changed}))
