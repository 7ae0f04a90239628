"""Settings of a run, and their check: what has a unit needs one, and words are looked up."""

from typing import NamedTuple

import numpy as np
from brian2 import Hz, Quantity, get_dimensions, ms, second

from cortical_attention.cells.forms import FORMS
from cortical_attention.cells.forms.form import Form
from cortical_attention.cells.synapses import DEFAULT, SYNAPSES, with_synapses
from cortical_attention.circuits.protocol import Times
from cortical_attention.simulation.calibrate import UNIT_RATE
from cortical_attention.simulation.engine import PRECISIONS, TARGETS
from cortical_attention.simulation.traces import request_of

RATE = FORMS["rate"]
WINDOW = {True: 2 * second, False: 0.5 * second}  # default measured window of forms with spikes, and without
WRITE = 250 * ms  # chosen: half of the 0.5 s of a query, in which the token before has faded from the dendrites
MAX_STEPS = 1e9  # chosen: a day and more on the numpy target
WHOLE = {"cells": (1, 10**6), "seed": (0, 2**32 - 1)}  # chosen: far beyond what is of use, so that nothing overflows
UNITS = {"window": second, "settle": second, "dt": ms, "write": second, "unit_rate": Hz}


class SettingError(ValueError):
    """A setting that cannot be used; the message is one sentence that names it."""


class Settings(NamedTuple):
    """How a circuit is run; every time is a Brian2 quantity, None takes the default of the form.

    Attributes
    ----------
    form : Form or str
    window, settle, dt : Quantity or None
    write : Quantity
        Time a token is written for (memory wiring), after as much time to settle.
    unit_rate : Quantity
        Upper bound of the unit rate of the nuclei.
    cells : int
        Cells per value.
    shared : bool
        Shared dendrites (True), or one synapse a pair.
    target : {"auto", "numpy", "cython", "cpp"}
    precision : {"double", "single"}
        Of the state of cells and synapses in the run; what is set up before it (pilot, measured cells) is in double.
    seed : int
    record : str or dict
        Recorded cells and traces (`simulation.traces.request_of`).
    synapses : str
        Set of time constants (`cells.synapses.SYNAPSES`), which `checked` gives to the form.
    """

    form: Form | str = RATE
    window: Quantity | None = None
    settle: Quantity | None = None
    dt: Quantity | None = None
    write: Quantity = WRITE
    unit_rate: Quantity = UNIT_RATE
    cells: int = 1
    shared: bool = True
    target: str = "auto"
    precision: str = "double"
    seed: int = 0
    record: str | dict = "default"
    synapses: str = DEFAULT

    def times(self):
        """Times of the run, defaults filled in."""
        form = self.form
        return Times(
            form.settle if self.settle is None else self.settle,
            WINDOW[form.spikes] if self.window is None else self.window,
            self.write,
            form.dt if self.dt is None else self.dt,
        )

    def checked(self):
        """The same settings with their form looked up.

        Returns
        -------
        Settings

        Raises
        ------
        SettingError, RecordError
        """
        if not isinstance(self.form, Form) and self.form not in FORMS:
            raise SettingError(f"form is {_shown(self.form)} but needs to be a Form or one of {', '.join(FORMS)}")
        if self.synapses not in SYNAPSES:
            raise SettingError(f"synapses is {_shown(self.synapses)} but needs to be one of {', '.join(SYNAPSES)}")
        if self.target not in TARGETS:
            raise SettingError(f"target is {_shown(self.target)} but needs to be one of {', '.join(TARGETS)}")
        if self.precision not in PRECISIONS:
            raise SettingError(f"precision is {_shown(self.precision)} but needs to be one of {', '.join(PRECISIONS)}")
        for name, unit in UNITS.items():
            _check_quantity(name, getattr(self, name), unit)
        for name, (least, most) in WHOLE.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
                raise SettingError(f"{name} is {_shown(value)} but needs to be a whole number from {least} to {most}")
        if not isinstance(self.shared, bool | np.bool_):
            raise SettingError(f"shared is {_shown(self.shared)} but needs to be True or False")
        request_of(self.record)
        form = self.form if isinstance(self.form, Form) else FORMS[self.form]
        found = self._replace(form=with_synapses(form, self.synapses))
        _check_times(found.times())
        return found


def _check_times(times):
    """Refuse a time step that is too long for the window, or so short that the run would not end (SettingError)."""
    if times.dt > times.window / 8:
        raise SettingError(f"dt is {times.dt} but needs to be at most an eighth of the window of {times.window}")
    if (times.settle + times.window) / times.dt > MAX_STEPS:
        raise SettingError(f"dt is {times.dt} but needs to be longer: a run would take more than {MAX_STEPS:.0e} steps")


def _check_quantity(name, value, unit):
    """Refuse what is no positive, finite quantity with a unit (SettingError); None is a default where there is one."""
    if value is None and name in ("window", "settle", "dt"):
        return
    if isinstance(value, Quantity) and not get_dimensions(value).is_dimensionless and get_dimensions(value) != unit.dim:
        raise SettingError(f"{name} is {value} but needs a quantity in {unit}")
    if not isinstance(value, Quantity) or value.ndim or get_dimensions(value) != unit.dim:
        called = {"s": "second"}.get(str(unit), str(unit))
        number = f"{value:g}" if isinstance(value, int | float) else "0.5"
        raise SettingError(f"{name} is {_shown(value)} but needs a unit, for example {number} * {called}")
    if not 0 < float(value) < np.inf:
        raise SettingError(f"{name} is {float(value):g} (SI units) but needs to be finite and above 0")


def _shown(value):
    return f"'{value}'" if isinstance(value, str) else repr(value)
