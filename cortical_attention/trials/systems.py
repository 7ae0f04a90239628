"""Systems: each wiring with its reference algebra, its null models and its claimed accuracy.

`SYSTEMS` is the one place where a wiring is registered; the command line, its help, the ladder and the tests read it there.
"""

from collections.abc import Callable
from contextlib import contextmanager
from typing import NamedTuple

from cortical_attention.cells import kernels as of_cells
from cortical_attention.cells.forms import FORMS
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.memory import memory_wiring
from cortical_attention.circuits.normalisers import NORMALISERS
from cortical_attention.circuits.plan import Plan
from cortical_attention.circuits.protocol import RunError
from cortical_attention.circuits.softmax import INTERNEURONS, softmax_wiring
from cortical_attention.circuits.softmax_quadrants import softmax_quadrants_wiring
from cortical_attention.reference import kernels as of_algebra
from cortical_attention.reference.attention import linear_attention, softmax_attention
from cortical_attention.reference.nulls import (
    additive_attention,
    key_only_attention,
    key_only_softmax,
    uniform_attention,
)
from cortical_attention.trials.loading import loaded, one_line
from cortical_attention.trials.protocol import PROTOCOL
from cortical_attention.wiring.expressions import WiringError


def _softmax(tokens, block, *, kernel=None, normalised=True, **given):
    """Softmax attention, which has neither kernel nor a form without division, called as the other references."""
    return softmax_attention(tokens, block, **given)


def _key_only_softmax(tokens, block, *, kernel=None, normalised=True, **given):
    return key_only_softmax(tokens, block, **given)


ATTENTIONS = "linear", "softmax"
NULLS = {"uniform": uniform_attention, "key_only": key_only_attention, "additive": additive_attention}


class System(NamedTuple):
    """A wiring and what it is held against.

    Attributes
    ----------
    name : str
    wiring : callable
        From `Times`, tokens (batch, n_token, d_model) and the attention block to a Plan: ``wiring(times, tokens, **block)``.
        The block has the weights that a case holds, and `context`, `mask`, `kernel`, `normaliser`.
    reference : callable or None
        The algebra: ``reference(tokens, block, *, context, mask, kernel, normalised)`` gives something with ``.output``
        (n_token, d_model) and ``.kappa`` (n_head, n_token, n_context) or None. None where no algebra is known.
    nulls : dict of str to callable
        Null models by name, called like the reference.
    claims : dict of str to (float or None)
        The forms that the ladder runs the wiring in: largest relative L2 on each case of the suite; None where nothing
        was predicted. Registration alone claims nothing.
    about : str
        The wiring in a few words, for the help.
    attention : {"linear", "softmax"}
        Which attention the reference is.
    normalisers : tuple of str
        Names of the inhibitory circuits that the wiring takes.
    """

    name: str
    wiring: Callable
    reference: Callable | None = None
    nulls: dict = {}
    claims: dict = {}
    about: str = ""
    attention: str = "linear"
    normalisers: tuple = tuple(NORMALISERS)


def _asked(*forms):
    """Claims of the protocol (`trials/protocol.toml`) about some forms."""
    return {form: PROTOCOL.get(form, {}).get("relative_l2") for form in forms}


def _by_name(*systems):
    return {system.name: system for system in systems}


SYSTEMS = _by_name(
    System(
        "mask",
        mask_wiring,
        linear_attention,
        NULLS,
        _asked("rate", "dale", "spiking", "adaptive", "biophysical", "disinhibited", "point"),
        "n x n microcolumns",
    ),
    System(
        "memory",
        memory_wiring,
        linear_attention,
        NULLS,
        _asked("rate", "dale", "spiking", "adaptive"),
        "tokens one by one",
    ),
    System(
        "softmax",
        softmax_wiring,
        _softmax,
        {"uniform": uniform_attention, "key_only": _key_only_softmax, "linear": linear_attention},
        {},
        "n x n microcolumns, softmax attention",
        "softmax",
        tuple(INTERNEURONS),
    ),
)
"""Registered systems by name (dict of str to System)."""
SYSTEMS["softmax_quadrants"] = SYSTEMS["softmax"]._replace(
    name="softmax_quadrants",
    wiring=softmax_quadrants_wiring,
    about="the same from rectified products",
)


LINEAR = tuple(name for name, system in SYSTEMS.items() if system.attention == "linear")


def kernels():
    """Names of the kernels that both the circuit and the algebra have, in the algebra's order."""
    return tuple(name for name in of_algebra.KERNELS if name in of_cells.KERNELS)


def system_of(wiring, option="wiring"):
    """System of a wiring.

    Parameters
    ----------
    wiring : str, callable or System
        A name of `SYSTEMS`; `module:object`, where the object is a System or a callable; or either itself. A callable has
        no reference.
    option : str
        What messages call it.

    Returns
    -------
    System
        Of a wiring of the user's own, one whose plans are checked.

    Raises
    ------
    WiringError
        If there is no such wiring, or it is neither a System nor callable; one sentence.
    """
    if isinstance(wiring, str) and ":" not in wiring:
        if wiring not in SYSTEMS:
            raise WiringError(f"{option} is '{wiring}' but needs to be one of {', '.join(SYSTEMS)}, or module:object")
        return SYSTEMS[wiring]
    found = loaded(option, wiring) if isinstance(wiring, str) else wiring
    if any(found is each for each in SYSTEMS.values()):
        return found
    name = wiring if isinstance(wiring, str) else _name_of(wiring)
    system = found._replace(name=name) if isinstance(found, System) else System(name, found)
    if not callable(system.wiring):
        raise WiringError(f"{option} is '{name}' but needs to be callable, or a System; it is a {type(found).__name__}")
    return system._replace(wiring=_Checked(name, system.wiring))


def _name_of(wiring):
    """How a callable or a System is called in files."""
    if isinstance(wiring, System):
        return wiring.name
    name = getattr(wiring, "__qualname__", type(wiring).__qualname__)
    return f"{getattr(wiring, '__module__', type(wiring).__module__)}:{name}"


class _Checked(NamedTuple):
    """A wiring of the user's own: what it raises, or returns instead of a plan that can be wired, is one sentence."""

    name: str
    wiring: Callable

    def __call__(self, times, tokens, **block):
        try:
            plan = self.wiring(times, tokens, **block)
            if isinstance(plan, Plan):
                plan.circuit.check()
        except WiringError as error:
            raise WiringError(f"wiring '{self.name}': {error}") from error
        except Exception as error:
            raise WiringError(f"wiring '{self.name}': {one_line(error)}") from error
        if not isinstance(plan, Plan):
            raise WiringError(f"wiring '{self.name}' returns a {type(plan).__name__} but needs to return a Plan")
        return plan


@contextmanager
def blaming(system, form=None):
    """Turn what goes wrong with a wiring or a form of the user's own into one sentence; errors of those that are registered
    are left as they are.

    Raises
    ------
    WiringError
    """
    own = [f"wiring '{system.name}'"] if system.name not in SYSTEMS else []
    own += [f"form '{form.name}'"] if form is not None and form.name not in FORMS else []
    try:
        yield
    except (WiringError, RunError, MemoryError):
        raise
    except Exception as error:
        if not own:
            raise
        raise WiringError(f"{' and '.join(own)}: {one_line(error)}") from error
