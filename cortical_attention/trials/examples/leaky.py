"""A memory that forgets by a modulatory state, on an input of its own."""

import numpy as np
from brian2 import second

from cortical_attention.circuits.leaky import leaky_wiring
from cortical_attention.reference.gated import gated_linear_attention, gates_of
from cortical_attention.trials.example import Example
from cortical_attention.trials.recurrent import drawn

N_TOKEN, N_INPUT, SEED = 6, 2, 33
BRIEF = {"settle": 0.3 * second, "window": 0.2 * second}  # a memory is read without a loop
SPIKES = {"settle": 0.5 * second, "window": 0.5 * second, "synapses": "fast", "cells": 16}
CLAIMS = {"rate": 0.01, "dale": 0.01, "spiking": 0.05}


def never_leaking(*given, W_M, **block):
    """The circuit without synapses of the modulatory cells."""
    return leaky_wiring(*given, W_M=0 * W_M, **block)


def always_alike(*given, modulation, **block):
    """The circuit whose modulatory state is the mean of all of its states, whenever it is active."""
    return leaky_wiring(*given, modulation=np.full_like(modulation, modulation.mean()), **block)


def examples():
    """Six tokens, each written and asked in its turn (list of Example)."""
    drew = drawn(SEED, N_INPUT, N_TOKEN)
    gates = gates_of(drew.modulation, drew.W_M)
    answers = {
        "no decay": np.ones((1, 1)),
        "constant decay": np.exp(-drew.modulation.mean()) * np.ones((1, 1)),
        "no memory": np.zeros((1, 1)),
    }
    return [
        Example(
            "leaky memory",
            "gated linear attention (Yang et al. 2024): a memory that forgets by a modulatory state (the circuit is ours)",
            leaky_wiring,
            drew.tokens,
            {**{name: each for name, each in drew.block._asdict().items() if each is not None}, "W_M": drew.W_M,
             "modulation": drew.modulation},
            gated_linear_attention(drew.tokens, drew.block, gates).output,
            {name: gated_linear_attention(drew.tokens, drew.block, each).output for name, each in answers.items()},
            drew.calibration,
            calibration_block={"modulation": drew.calibration_modulation},
            controls={"no leak": never_leaking, "constant state": always_alike},
            settings={"rate": BRIEF, "dale": BRIEF, "spiking": SPIKES},
            claims=CLAIMS,
        )
    ]  # fmt: skip
