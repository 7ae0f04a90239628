"""When things happen: phases of equal length, the windows in which answers are read, the tokens presented in them."""

from typing import NamedTuple

import numpy as np

QUARTERS = 4  # a window is judged by its last two quarters


class RunError(RuntimeError):
    """A simulation that failed; the message is one sentence."""


class Times(NamedTuple):
    """What a run is asked for.

    Attributes
    ----------
    settle, window : Quantity
        Time thrown away, and time measured, of each answer.
    write : Quantity
        Time a token is written for in the memory wiring, after as much time to settle.
    dt : Quantity
    """

    settle: object
    window: object
    write: object
    dt: object


class Protocol(NamedTuple):
    """Phases, windows, and which token is presented in which slot.

    Attributes
    ----------
    phase : Quantity
        Duration of a phase: a whole fraction of a quarter of the window, and a whole number of time steps.
    n_phase : int
    windows : ndarray of int, shape (n_slot, n_phase_in_window)
        The phases of each window, one window per slot.
    token_of : ndarray of int, shape (n_slot,), or None
        The token that is presented in each slot; None where one slot presents all tokens at once.
    memory_of : ndarray of int, shape (n_token,), or None
        Where tokens are presented one after another: which of the memories that stand side by side on the batch axis each
        token asks.
    n_memory : int
        How many memories an input has on the batch axis.
    """

    phase: object
    n_phase: int
    windows: np.ndarray
    token_of: np.ndarray | None = None
    memory_of: np.ndarray | None = None
    n_memory: int = 1

    @property
    def duration(self):
        """Biological time of the whole run (s)."""
        return self.n_phase * self.phase

    @property
    def settle(self):
        """Time before the window (s); None with several slots, in each of which the circuit settles anew."""
        return None if len(self.windows) > 1 else self.windows[0, 0] * self.phase

    def presented(self, numbers):
        """Numbers by token, each from its own slot and memory.

        Parameters
        ----------
        numbers : ndarray, shape (n_slot, batch * n_memory, ...)

        Returns
        -------
        ndarray, shape (batch, n_token, ...)
            (batch, ...) where all tokens are presented at once.
        """
        if self.token_of is None:
            return numbers[0]
        by_memory = numbers.reshape(len(numbers), -1, self.n_memory, *numbers.shape[2:])
        return by_memory[np.argsort(self.token_of), :, self.memory_of].swapaxes(0, 1)


def phase_of(times):
    """Phase duration, and how many phases a window, its settling and a write take, each rounded up.

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
