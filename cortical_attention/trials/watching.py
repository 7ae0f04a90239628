"""A run that is watched, beside its algebra: the circuit is compared from outside, and never sees the reference."""

from typing import NamedTuple

import numpy as np

from cortical_attention.readout.agreement import relative_l2
from cortical_attention.simulation.watch import Watch
from cortical_attention.trials.comparison import null_errors


class Look(NamedTuple):
    """A run at some time, of its first input.

    Attributes
    ----------
    t, t_stop, dt : float
        Biological time so far, and in the end, and the time step (s).
    epochs : tuple of circuits.protocol.Epoch
        Of the whole run.
    records : tuple of simulation.monitors.Record
        Spikes, or sampled rates, since the look before.
    attention : ndarray, shape (n_head, n_token, n_context), or None
        Attention weights up to now; not a number where a token was not presented yet. None where no cell carries them.
    relative_l2 : float or None
        Of the answer up to now, over the tokens that were presented; None before the first, or without an algebra.
    """

    t: float
    t_stop: float
    dt: float
    epochs: tuple
    records: tuple
    attention: np.ndarray | None
    relative_l2: float | None


def watched(reference, every, take):
    """Watch of a run that is compared with its algebra.

    Parameters
    ----------
    reference : trials.comparison.Reference
    every : Quantity (s)
        Biological time between two looks.
    take : callable
        Takes a `Look`, and gives whether the run goes on (bool).

    Returns
    -------
    simulation.watch.Watch
    """

    def see(seen):
        """Compare what was seen."""
        attention = None if seen.attention is None else seen.attention[0]
        error = None if reference.attention is None else _error(seen.output[0], reference.attention.output)
        t_stop = float(seen.protocol.duration)
        return take(Look(seen.t, t_stop, seen.dt, seen.protocol.epochs, seen.records, attention, error))

    return Watch(every, see)


def _error(output, algebra):
    """Relative L2 of the tokens (n_token, d_model) that were answered; None without any."""
    answered = np.isfinite(output).all(axis=1)
    return relative_l2(output[answered], algebra[answered]) if answered.any() else None


def nulls_of(reference):
    """Names and relative L2 of the nulls, as comparison.json has them (dict)."""
    return {"nulls": list(reference.nulls), **null_errors(reference)}
