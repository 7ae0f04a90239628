"""A reticular nucleus with lateral inhibition, as a stranger would add it: a cell type, and a wiring of ten lines.

reticular_m = sum over the others of core / (n - 1),   core_m = token_m - STRENGTH reticular_m
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.cells.cell import GABA, CellType
from cortical_attention.cells.relay import CORE
from cortical_attention.circuits.plan import Plan, Reading, axes_of, named
from cortical_attention.circuits.protocol import Protocol, phase_of
from cortical_attention.trials.systems import System
from cortical_attention.wiring.circuit import Circuit, Population, Projection

RETICULAR = CellType("reticular", "reticular nucleus", {"soma": 0.0}, "soma", transmitter=GABA, role="reticular")
STRENGTH = 0.5


def others(n):
    """Weights (n, n) by which each cell hears the mean of all others."""
    return (1 - np.eye(n)) / (n - 1)


def wiring(times, tokens, W_Q, **block):
    """Plan of the nucleus and its reticular cells; of the block only the size counts."""
    axes = axes_of({"token": tokens.shape[1], "model": tokens.shape[2]}, "token", "model")
    populations = named(
        Population("core", CORE, axes, inputs={"soma": tokens}), Population("reticular", RETICULAR, axes)
    )
    onto = Projection("core", "reticular.soma", "im, mk -> ik", others(tokens.shape[2]))
    back = Projection("reticular", "core.soma", "im -> im", -STRENGTH)
    phase, n_window, n_settle, _ = phase_of(times)
    protocol = Protocol(phase, n_settle + n_window, n_settle + np.arange(n_window)[None])
    return Plan(Circuit("reticular", populations, (onto, back)), protocol, len(tokens), Reading("core"))


class Answer(NamedTuple):
    """An answer (n_token, d_model); no cell carries attention weights."""

    output: np.ndarray
    kappa: None = None


def closed_form(tokens, block=None, **options):
    """Fixed point (I + STRENGTH others)^-1 tokens, where it is positive."""
    n = tokens.shape[-1]
    return Answer(np.linalg.solve(np.eye(n) + STRENGTH * others(n), tokens[..., None])[..., 0])


SYSTEM = System("reticular", wiring, closed_form)
