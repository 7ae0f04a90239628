"""The gradient of the match task read from the cells of a circuit, at weights that were learnt at its fixed point."""

import numpy as np
from brian2 import second

from cortical_attention.circuits.learning import learning_wiring
from cortical_attention.circuits.protocol import RunError
from cortical_attention.inputs.match import Sequences
from cortical_attention.simulation.attend import Settings, attend
from cortical_attention.trials.credit import read_terms
from cortical_attention.trials.learn_match import terms_at

SETTLE, WINDOW = 1.2 * second, 0.1 * second  # of the issue; a rate is read at the end of its window
N_SHOWN = 8  # sequences of a checkpoint that the circuit is shown


def circuit_terms(checkpoint, report=None):
    """Run a circuit with error cells at a checkpoint.

    Parameters
    ----------
    checkpoint : trials.learn_match.Checkpoint
    report : callable, optional
        Brian2's progress report.

    Returns
    -------
    Terms
        Every factor from cells.
    bool
        Whether the circuit settled.

    Raises
    ------
    RunError
        If the simulation failed.
    KeyboardInterrupt
        If it was interrupted.
    """
    shown, block = checkpoint.shown, checkpoint.block
    weights = {name: getattr(block, name) for name in ("W_Q", "W_K", "W_V", "W_O")}
    answer = attend(
        learning_wiring, shown.tokens, Settings("rate", settle=SETTLE, window=WINDOW), report, context=shown.context,
        targets=shown.targets, feedback=checkpoint.feedback, **weights,
    )  # fmt: skip
    if answer.run.interrupted:
        raise KeyboardInterrupt
    values = {name: each[-1] for name, each in answer.run.values.items()}
    if not all(np.isfinite(each).all() for each in values.values()):
        raise RunError(f"the circuit diverged at presentation {checkpoint.presentation}")
    return read_terms(answer.plan, values), bool(answer.settled.settled.all())


def brief(checkpoint, n_shown=N_SHOWN):
    """The checkpoint with its first sequences alone (Checkpoint)."""
    return checkpoint._replace(shown=Sequences(*(each[:n_shown] for each in checkpoint.shown)))


def row_of(name, checkpoint, report=None):
    """Relative L2 of the terms of the circuit from those of the algebra (dict), by weight."""
    checkpoint = brief(checkpoint)
    found, settled = circuit_terms(checkpoint, report)
    right = terms_at(checkpoint)
    off = {
        weight: float(np.linalg.norm(a - b) / np.linalg.norm(b))
        for weight, a, b in zip(right._fields, found, right, strict=True)
    }
    return {"condition": name, "presentation": checkpoint.presentation, "relative_l2": off, "settled": settled}
