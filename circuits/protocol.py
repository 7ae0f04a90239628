"""When things happen: phases of equal length, and the windows in which answers are read."""

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
    """Phases and windows.

    Attributes
    ----------
    phase : Quantity
        Duration of a phase: a whole fraction of a quarter of the window, and a whole number of time steps.
    n_phase : int
    windows : ndarray of int, shape (n_slot, n_phase_in_window)
        The phases of each window.
    """

    phase: object
    n_phase: int
    windows: np.ndarray

    @property
    def duration(self):
        """Biological time of the whole run (s)."""
        return self.n_phase * self.phase


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
