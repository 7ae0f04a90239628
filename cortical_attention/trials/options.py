"""Options of a comparison: circuit, algebra and settings; and their text in run.json, from which a run is repeated."""

from numbers import Integral
from typing import NamedTuple

import numpy as np
from brian2 import Hz, Quantity, second

from cortical_attention.cells.forms import FORMS
from cortical_attention.cells.forms.form import Form
from cortical_attention.cells.synapses import with_synapses
from cortical_attention.circuits.protocol import RunError
from cortical_attention.simulation.calibrate import Calibration
from cortical_attention.simulation.settings import SettingError, Settings
from cortical_attention.simulation.traces import request_of
from cortical_attention.trials.loading import loaded
from cortical_attention.trials.systems import SYSTEMS, kernels, system_of

RESTORED = (
    "wiring", "form", "kernel", "normaliser", "window", "settle", "dt", "write", "unit_rate", "cells", "shared",
    "target", "seed", "record", "on_input", "synapses",
)  # fmt: skip
MAX_REPLICAS = 1000  # chosen: far beyond what is of use
UNITS = {"window": second, "settle": second, "dt": second, "write": second, "unit_rate": Hz}


class Options(NamedTuple):
    """Checked options of a comparison.

    Attributes
    ----------
    wiring : str, callable or System
        As in `trials.systems.system_of`.
    kernel : str
    normaliser : str or None
        None: without inhibition.
    settings : simulation.settings.Settings
    calibration : simulation.calibrate.Calibration or None
        What the circuit is set to; None: it is calibrated before the run.
    on_input : bool
        Whether it is calibrated on the tested input itself.
    replicas : int
        Answers to each input, side by side in one network with independent noise and initial states.
    """

    wiring: object
    kernel: str
    normaliser: str | None
    settings: Settings
    calibration: Calibration | None = None
    on_input: bool = False
    replicas: int = 1

    @property
    def system(self):
        """System of the wiring: circuit, algebra and nulls."""
        return system_of(self.wiring, "wiring")

    @property
    def named(self):
        """Names that define the circuit (dict): wiring (as given), kernel (None in softmax attention), normaliser."""
        kernel = self.kernel if self.system.attention == "linear" else None
        return {"wiring": self.system.name, "kernel": kernel, "normaliser": self.normaliser}

    def replicated(self, inputs):
        """Inputs (batch, ...), each followed by its replicas (batch * replicas, ...); None where there are none."""
        return None if inputs is None else np.repeat(inputs, self.replicas, axis=0)

    def checked(self):
        """The same options, with words looked up.

        Returns
        -------
        Options

        Raises
        ------
        SettingError, RecordError, WiringError
        """
        system = self.system
        if self.kernel not in kernels():
            raise SettingError(f"kernel is {self.kernel!r} but needs to be one of {', '.join(kernels())}")
        without = (None,) if system.attention == "linear" else ()
        if self.normaliser not in (*system.normalisers, *without):
            known = ", ".join(system.normalisers)
            raise SettingError(
                f"normaliser is {self.normaliser!r} but needs to be {'None or ' * len(without)}one of {known}"
            )
        if not isinstance(self.replicas, Integral) or not 1 <= self.replicas <= MAX_REPLICAS:
            raise SettingError(f"replicas is {self.replicas!r} but needs to be a whole number of 1 to {MAX_REPLICAS}")
        return self._replace(settings=self.settings._replace(form=_form(self.settings.form)).checked())


def _form(given):
    """A form as it was given, or the one that `module:object` names."""
    if not isinstance(given, str) or ":" not in given:
        return given
    found = loaded("form", given)
    if not isinstance(found, Form):
        raise SettingError(f"form is '{given}' but needs to be a Form; it is a {type(found).__name__}")
    return found._replace(name=given)


def written(options):
    """Options as they stand in run.json.

    Parameters
    ----------
    options : Options

    Returns
    -------
    dict
        Words and numbers; quantities in SI units. A wiring or form that was given as an object has the word None.
    """
    settings = options.settings
    texts = {
        "wiring": _word(options.wiring, options.system, SYSTEMS),
        "form": _word(settings.form, settings.form, _forms_with(settings.synapses)),
    }
    numbers = {name: getattr(settings, name) for name in UNITS}
    plain = {name: None if each is None else float(each) for name, each in numbers.items()}
    others = {name: getattr(settings, name) for name in ("cells", "shared", "target", "precision", "seed", "synapses")}
    others |= {"record": _record(settings.record), "on_input": options.on_input, "replicas": options.replicas}
    return texts | {"kernel": options.kernel, "normaliser": options.normaliser} | plain | others


def _forms_with(synapses):
    """Registered forms with a set of time constants, by name."""
    return {name: with_synapses(form, synapses) for name, form in FORMS.items()}


def _record(record):
    """What is recorded, as a word or as dicts that hold no objects."""
    word, requests = request_of(record)
    plain = {
        name: {"variables": list(each.variables), "count": each.count, **each.at} for name, each in requests.items()
    }
    return {"cells": word, **plain} if plain else word


def _word(given, found, registered):
    """Word by which a wiring or a form can be found again, or None: a name, or module:object of what can be imported."""
    if isinstance(given, str):
        return given
    known = registered.get(found.name) == given or (":" in found.name and "<" not in found.name)
    return found.name if known and not found.name.startswith("__main__:") else None


def restored(text):
    """Options from their text in run.json.

    Parameters
    ----------
    text : dict
        As `written` gives it.

    Returns
    -------
    Options

    Raises
    ------
    RunError
        If wiring or form were given as objects, which a text does not hold.
    WiringError
        If a ``module:object`` cannot be found.
    """
    lacks = [name for name in RESTORED if not isinstance(text, dict) or name not in text]
    if lacks:
        raise RunError(f"run.json has no option '{lacks[0]}' but needs to be that of a result of compare")
    for name in ("wiring", "form"):
        if text[name] is None:
            raise RunError(
                f"the {name} was given as an object of Python, which the folder does not hold; run it from there"
            )
    numbers = {name: None if text[name] is None else Quantity(text[name], unit.dim) for name, unit in UNITS.items()}
    others = {name: text[name] for name in ("cells", "shared", "target", "seed", "record", "synapses")}
    others["precision"] = text.get("precision", "double")  # of which older results do not speak
    settings = Settings(form=text["form"], **numbers, **others)
    how = {"on_input": text["on_input"], "replicas": text.get("replicas", 1)}
    return Options(text["wiring"], text["kernel"], text["normaliser"], settings, **how).checked()
