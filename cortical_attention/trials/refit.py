"""Read-out of a circuit refitted through its cells: W_O and a bias, from what L5 PT cells hold, on calibration sequences.

The algebra is the teacher of the weights: it says what the answer to each calibration sequence should have been. It has no
part in the answer to a tested sequence, and no tested sequence has a part in the weights.
"""

from typing import NamedTuple

import numpy as np

PENALTIES = tuple(10.0**power for power in range(-9, 4))  # chosen: from none to one that leaves the wired weights


class ReadOut(NamedTuple):
    """Weights of a read-out.

    Attributes
    ----------
    weights : ndarray, shape (n_head * d_value, d_model)
    bias : ndarray, shape (d_model,)
    penalty : float or None
        Of the regression; None of wired weights.
    """

    weights: np.ndarray
    bias: np.ndarray
    penalty: float | None = None

    def answer(self, values):
        """Answers (..., n_token, d_model) to values of L5 PT cells (..., n_head, n_token, d_value)."""
        return by_token(values) @ self.weights + self.bias


def by_token(values):
    """Values of L5 PT cells, (..., n_head, n_token, d_value), as (..., n_token, n_head * d_value)."""
    moved = np.moveaxis(values, -3, -2)
    return moved.reshape(*moved.shape[:-2], -1)


def wired(W_O):
    """The read-out of a block, W_O of shape (n_head, d_model, d_value), without bias (ReadOut)."""
    weights = np.moveaxis(np.asarray(W_O, dtype=float), 1, 2)
    return ReadOut(weights.reshape(-1, weights.shape[-1]), np.zeros(weights.shape[-1]))


def refitted(values, targets, before):
    """Read-out nearest to the targets, by ridge regression towards the weights that it had before.

    Minimises |values W + b - targets|^2 + penalty |W - W_before|^2 (in units of the mean square of the values); the bias is
    free. The penalty is the one with the least error on sequences that are left out in turn.

    Parameters
    ----------
    values : ndarray, shape (n_sequence, n_head, n_token, d_value)
        Of L5 PT cells, on calibration sequences.
    targets : ndarray, shape (n_sequence, n_token, d_model)
        Answers of the algebra to these sequences.
    before : ReadOut

    Returns
    -------
    ReadOut
    """
    seen = by_token(values)
    penalty = min(PENALTIES, key=lambda each: _left_out(seen, targets, before, each))
    return _ridge(seen, targets, before, penalty)


def _left_out(seen, targets, before, penalty):
    """Squared error on each sequence of the read-out fitted to the others, summed."""
    error = 0.0
    for k in range(len(seen)):
        others = np.arange(len(seen)) != k
        fit = _ridge(seen[others], targets[others], before, penalty)
        error += np.sum((seen[k] @ fit.weights + fit.bias - targets[k]) ** 2)
    return error


def _ridge(seen, targets, before, penalty):
    """Ridge regression (ReadOut)."""
    x, y = seen.reshape(-1, seen.shape[-1]), targets.reshape(-1, targets.shape[-1])
    centred, left = x - x.mean(axis=0), y - x @ before.weights
    scale = max(np.sum(centred**2) / x.shape[1], np.finfo(float).tiny)
    root = np.sqrt(penalty * scale) * np.eye(x.shape[1])
    rows, wanted = np.vstack([centred, root]), np.vstack([left - left.mean(axis=0), np.zeros_like(before.weights)])
    weights = before.weights + np.linalg.lstsq(rows, wanted, rcond=None)[0]
    return ReadOut(weights, (y - x @ weights).mean(axis=0), penalty)
