"""A travelling wave as temporal context, on an input of its own."""

from functools import partial

import numpy as np

from cortical_attention.cells.forms import FORMS
from cortical_attention.cells.synapses import with_synapses
from cortical_attention.circuits.waves import lags_of, waves_wiring
from cortical_attention.inputs.suite import random_case
from cortical_attention.reference.attention import linear_attention, softmax_attention
from cortical_attention.reference.nulls import uniform_attention
from cortical_attention.reference.waves import wave_attention
from cortical_attention.trials.example import Example

N_TOKEN, SCALE, SEED = 5, 2.0, 20
SIZES = {"n_head": 1, "d_model": 12, "d_key": 6, "d_value": 6}
SYNAPSES = {"rate": "slow", "dale": "slow", "spiking": "fast"}  # dendrites of 50 or 100 ms leave little of a carrier
CLAIMS = {
    "rate": 0.01,
    "dale": 0.01,
    "spiking": 0.03,
}


def theta(n_token):
    """Phases of a wave of which half a cycle spans the tokens (rad), (n_token,): the score falls off with distance."""
    return np.pi * np.arange(n_token) / n_token


def lags(form):
    """Arguments of the wiring that depend on the form (dict)."""
    return {"lags": lags_of(with_synapses(FORMS[form], SYNAPSES[form]))}


def shuffled(*given, token_phase, **block):
    """The circuit with a wave that visits the tokens in another order."""
    order = np.random.default_rng(SEED).permutation(len(token_phase))
    return waves_wiring(*given, token_phase=token_phase[order], **block)


def nulls_of(case, phase, mask=None):
    """Answers of null models to a case, by name (dict of ndarray)."""
    tokens, block = case.tokens, case.block
    return {
        "plain softmax": softmax_attention(tokens, block, mask=mask).output,
        "all in phase": wave_attention(tokens, block, np.zeros(len(phase)), mask=mask).output,
        "uniform": uniform_attention(tokens, block, mask=mask).output,
        "linear": linear_attention(tokens, block, mask=mask).output,
    }


def examples():
    """A wave over the tokens of a random case (list of Example)."""
    case, phase = random_case(SEED, N_TOKEN, scale=SCALE, **SIZES), theta(N_TOKEN)
    block = {name: each for name, each in case.block._asdict().items() if each is not None} | {"token_phase": phase}
    return [
        Example(
            "travelling wave",
            "softmax of scores times the cosine of a difference in phase (after a sentence of the paper)",
            waves_wiring,
            case.tokens[None],
            block,
            wave_attention(case.tokens, case.block, phase).output[None],
            {name: each[None] for name, each in nulls_of(case, phase).items()},
            case.calibration,
            controls={"reversed in matrix": partial(waves_wiring, context_phase=-phase), "shuffled": shuffled},
            settings={"spiking": {"synapses": SYNAPSES["spiking"], "cells": 16}},
            claims=CLAIMS,
            blocks={form: lags(form) for form in SYNAPSES},
        )
    ]
