"""The design of the ladder: weight sets, and held-out sequences of each, at two sizes and three scales (`protocol.toml`)."""

from typing import NamedTuple

import numpy as np

from cortical_attention.trials.batch import side_by_side
from cortical_attention.trials.protocol import PROTOCOL

SEED = 20261126
DESIGN = PROTOCOL["design"]


class Drawn(NamedTuple):
    """A weight set with its held-out sequences.

    Attributes
    ----------
    setting : str
        Size and scale, such as "n4 scale 2".
    weights : int
        Which of the weight sets of the setting.
    cases : tuple of Case
        With one block and the same calibration sequences, none of which is tested.
    """

    setting: str
    weights: int
    cases: tuple


def design(weights=DESIGN["weights"], sequences=DESIGN["sequences"], tokens=None):
    """Weight sets of the design, each with its sequences.

    Fewer weight sets or sequences are the first of more.

    Parameters
    ----------
    weights, sequences : int
        Weight sets of each setting, and sequences of each weight set.
    tokens : int, optional
        Largest number of tokens; None: no limit.

    Returns
    -------
    list of Drawn
    """
    sizes = [n for n in DESIGN["tokens"] if tokens is None or n <= tokens]
    return [drawn(n, scale, k, sequences) for n in sizes for scale in DESIGN["scales"] for k in range(weights)]


def drawn(n_token, scale, weights, sequences):
    """One weight set, with its sequences (Drawn)."""
    setting = f"n{n_token} scale {scale}"
    seed = int(np.random.SeedSequence(SEED, spawn_key=(n_token, scale, weights)).generate_state(1, np.uint64)[0])
    cases = side_by_side(seed, sequences, n_token, scale=float(scale))
    named = (case._replace(name=f"{setting} weights {weights} {case.name}") for case in cases)
    return Drawn(setting, weights, tuple(named))
