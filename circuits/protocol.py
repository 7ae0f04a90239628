"""Protocol: phases of equal duration, windows of the measurement, and the tokens presented in them."""

from typing import NamedTuple

import numpy as np

QUARTERS = 4  # a window is judged by its last two quarters


class RunError(RuntimeError):
    """A simulation that failed; the message is one sentence."""


class Times(NamedTuple):
    """Times of a run.

    Attributes
    ----------
    settle, window : Quantity
        Settling time (discarded) and measured time of each answer (s).
    write : Quantity
        Writing time of a token in the memory wiring (s), after a settling time of equal length.
    dt : Quantity
    """

    settle: object
    window: object
    write: object
    dt: object


class Epoch(NamedTuple):
    """A part of a run.

    Attributes
    ----------
    name : {"settle", "window"}
        Before a measured window (tokens are also written to a memory then), or in it.
    start, stop : float
        Seconds.
    token : int or None
        The only token presented, in a window of its own.
    """

    name: str
    start: float
    stop: float
    token: int | None


class Protocol(NamedTuple):
    """Phases, windows, and the token presented before and in each window.

    Attributes
    ----------
    phase : Quantity
        Duration of a phase (s): a whole fraction of a quarter of the window, and a whole number of time steps.
    n_phase : int
    windows : ndarray of int, shape (n_window, n_phase_in_window)
        Phases of each query window.
    token_of : ndarray of int, shape (n_window,), or None
        Token presented in each window; None if all tokens are presented at once, in one window.
    memory_of : ndarray of int, shape (n_token,), or None
        If tokens are presented one after another: index of the memory that each token reads, among those side by side on
        the batch axis.
    n_memory : int
        Number of memories per input on the batch axis.
    cycle : int
        Phases of one cycle of an input that never stands still, such as a wave: then rates too are read as means over a
        window, whose quarters are whole cycles. 0: what is read stands still, and rates are read at the end of a window.
    """

    phase: object
    n_phase: int
    windows: np.ndarray
    token_of: np.ndarray | None = None
    memory_of: np.ndarray | None = None
    n_memory: int = 1
    cycle: int = 0

    @property
    def duration(self):
        """Biological time of the whole run (s)."""
        return self.n_phase * self.phase

    @property
    def epochs(self):
        """Parts of the run, one after another (tuple of Epoch): what settles before each window, and the windows."""
        found, phase, before = [], float(self.phase), 0.0
        tokens = [None] * len(self.windows) if self.token_of is None else self.token_of.tolist()
        for (first, last), token in zip(self.windows[:, [0, -1]], tokens, strict=True):
            start, stop = float(first * phase), float((last + 1) * phase)
            found += [Epoch("settle", before, start, None)] if start > before else []
            found.append(Epoch("window", start, stop, token))
            before = stop
        return tuple(found)

    @property
    def instants(self):
        """Phases at whose ends rates are looked at one by one: the last of each window, or the last cycle (ndarray)."""
        return self.windows[:, -1] if not self.cycle else self.windows[0, -self.cycle :]

    def presented(self, values):
        """Values by token, each from its own window and memory.

        Parameters
        ----------
        values : ndarray, shape (n_window, batch * n_memory, ...)

        Returns
        -------
        ndarray, shape (batch, n_token, ...)
            (batch, ...) if all tokens are presented at once.
        """
        if self.token_of is None:
            return values[0]
        by_memory = values.reshape(len(values), -1, self.n_memory, *values.shape[2:])
        return by_memory[np.argsort(self.token_of), :, self.memory_of].swapaxes(0, 1)


def phase_of(times):
    """Duration of a phase, and numbers of phases per window, settling time and write, each rounded up.

    Returns
    -------
    phase : Quantity
    n_window, n_settle, n_write : int
    """
    parts = max(1, int(np.ceil(round(float(times.window / times.write) / QUARTERS, 9))))
    steps = max(1, round(float(times.window / times.dt) / (QUARTERS * parts)))
    phase = steps * times.dt
    whole = (int(np.ceil(round(float(span / phase), 6))) for span in (times.settle, times.write))
    return phase, QUARTERS * parts, *whole
