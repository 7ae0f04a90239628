"""Form: the coding of values, the synapses and the membranes."""

from typing import NamedTuple

import numpy as np
from brian2 import Quantity, get_dimensions, second

from cortical_attention.cells.membranes.membrane import Membrane


class Coding(NamedTuple):
    """Coding of values by cells.

    Attributes
    ----------
    paired : bool
        Whether a pair of an on cell and an off cell represents a signed value, with synapses of one sign.
    spikes : bool
        Whether the output is spikes (events) or a rate (continuous).
    """

    paired: bool
    spikes: bool

    @property
    def plain(self):
        """Whether a dendrite is just a weighted sum of rates of either sign."""
        return not (self.paired or self.spikes)

    def relays(self, weights):
        """Negative weights as the positive ones of inhibitory relays, which a form of one-signed synapses needs."""
        return np.clip(-weights, 0, None) if self.paired else np.zeros_like(weights)

    def signs(self, signed):
        """Axis of the on and off cells of a signed population, or no axis."""
        return (("sign", 2),) if self.paired and signed else ()


class Synapses(NamedTuple):
    """Dendrites and their synapses.

    Attributes
    ----------
    dendrite : str
        Equations of a dendrite; `filtered` is its value, `drive` the summed input of rates.
    excitation_variable : str
        Variable of a dendrite that integrates its excitation.
    effect : dict of str to str
        Action of "excitation" and "inhibition" on a dendrite, in terms of `weight`: statements at a spike, or the
        equation of a summed variable.
    relay : str
        Equations of an inhibitory relay, which repeats its input: each spike (an incoming spike adds its weight to `v`,
        which is reset from one on), or the rate `received`.
    tau_slow, tau_fast, tau_pool : Quantity
        Time constants (s) of a dendrite with slow synapses, of one with fast synapses (`CellType.fast`), and of the
        pooling dendrite of an interneuron.
    constants : dict
        Further constants of the equations of dendrites and relays.
    conductance : float or None
        Excitatory conductance of the value one relative to the leak; None if dendrites do not saturate.
    unsaturated : tuple of str
        Ports exempt from saturation.
    delay : Quantity or None
        From a spike to its effect (s), of all projections without a delay of their own; rates have none.
    name : str
        Of the set of constants (`cells.synapses`).
    sources : dict of str to str
        Source of each time constant, of the `constants` and of the `conductance`, by name: a citation, or "chosen: " and the
        reason.
    """

    dendrite: str
    excitation_variable: str
    effect: dict
    relay: str
    tau_slow: Quantity
    tau_fast: Quantity
    tau_pool: Quantity
    constants: dict = {}
    conductance: float | None = None
    unsaturated: tuple = ()
    delay: Quantity | None = None
    name: str = "slow"
    sources: dict[str, str] = {}

    def tau(self, cell, port):
        """Time constant (Quantity, s) of the dendrite at a port of a cell type."""
        return cell.own_tau.get(port, getattr(self, self.tau_name(cell, port)))

    def tau_name(self, cell, port):
        """Which of the time constants it is: `tau_slow`, `tau_fast` or `tau_pool`."""
        if port == "pool":
            return "tau_pool"
        return "tau_fast" if port in cell.fast else "tau_slow"

    def conductance_at(self, port):
        """Conductance of the value one at a port, relative to the leak; None if the form has no saturation."""
        return 0.0 if self.conductance is not None and port in self.unsaturated else self.conductance

    def saturates(self, port):
        """Whether the dendrite at a port saturates."""
        return self.conductance is not None and port not in self.unsaturated


class Form(NamedTuple):
    """Dynamics of cells and dendrites.

    Attributes
    ----------
    name : str
    coding : Coding
    synapses : Synapses
    membrane : Membrane
        Default membrane.
    dt : Quantity
        Default time step (s).
    settle : Quantity
        Default settling time (s), discarded before the measured window.
    of_kind : dict of str to Membrane
        Membranes by kind of cell (`CellType.membrane`).
    of_cell : dict of str to Membrane
        Membranes of single cell types, by name; they precede those by kind.
    lacks : tuple of str
        Names of cell types that this form cannot simulate.
    """

    name: str
    coding: Coding
    synapses: Synapses
    membrane: Membrane
    dt: Quantity
    settle: Quantity
    of_kind: dict = {}
    of_cell: dict = {}
    lacks: tuple = ()

    @property
    def spikes(self):
        """Whether cells send spikes."""
        return self.coding.spikes

    @property
    def paired(self):
        """Whether a pair of cells represents a signed value."""
        return self.coding.paired

    @property
    def membranes(self):
        """All membranes of the form (tuple of Membrane)."""
        return self.membrane, *self.of_kind.values(), *self.of_cell.values()

    @property
    def regular(self):
        """Whether spike counts are correct to one spike: no membrane has noise."""
        return not any(each.noisy for each in self.membranes)

    def seeds(self, seed):
        """Seeds of a run.

        Parameters
        ----------
        seed : int

        Returns
        -------
        dict of str to int
            By name: "phases" at which membranes start and, if a membrane has noise, "noise".
        """
        return {"phases": seed} if self.regular else {"phases": seed, "noise": seed}

    @property
    def tau_loop(self):
        """Lag around the loop of divisive inhibition (s): of its dendrites, somata and delays.

        Interneurons that integrate have a time constant of so many of these lags (`cells.interneuron`).
        """
        somata = self.membrane.lag + self.of_kind.get("fast spiking", self.membrane).lag
        return self.synapses.tau_pool + self.synapses.tau_fast + somata + 2 * (self.synapses.delay or 0 * second)

    def shortest_time_constant(self):
        """Name and value (Quantity, s) of the shortest time constant of the form.

        A step of explicit Euler takes dx/dt = -x / tau to (1 - dt / tau) x: beyond dt = tau it overshoots, beyond 2 tau
        it grows without bound. An integrator without a leak (a time constant of zero) has no such limit.

        Returns
        -------
        name : str
        tau : Quantity (s)
            Infinite if the form has none.
        """
        none = "", float("inf") * second
        return min(_time_constants(self, self.name), key=lambda each: each[1], default=none)

    def of(self, cell):
        """Membrane of a cell type.

        Parameters
        ----------
        cell : CellType

        Returns
        -------
        Membrane
        """
        return self.of_cell.get(cell.name) or self.of_kind.get(cell.membrane, self.membrane)

    def with_synapses(self, **changes):
        """The form with some fields of its synapses replaced.

        Parameters
        ----------
        **changes
            New values by the name of the field (`cells.forms.form.Synapses`). A constant that is replaced loses the source
            that it had; `sources` holds those of the new values.

        Returns
        -------
        Form
        """
        old = self.synapses
        replaced = changes.keys() | (old.constants.keys() if "constants" in changes else set())
        kept = {name: source for name, source in old.sources.items() if name not in replaced}
        return self._replace(synapses=old._replace(**{**changes, "sources": kept | changes.get("sources", {})}))

    def with_membranes(self, change):
        """The form with every membrane replaced.

        Parameters
        ----------
        change : callable
            ``change(membrane)`` returns the new Membrane.

        Returns
        -------
        Form
        """
        return self._replace(
            membrane=change(self.membrane),
            of_kind={kind: change(each) for kind, each in self.of_kind.items()},
            of_cell={name: change(each) for name, each in self.of_cell.items()},
        )


def _time_constants(thing, name):
    """Name and value of every time constant: of every field called tau, at any depth."""
    if isinstance(thing, Quantity):
        if name.startswith("tau") and thing.ndim == 0 and get_dimensions(thing) == second.dim and thing > 0 * second:
            yield name, thing
        return
    parts = thing._asdict() if hasattr(thing, "_asdict") else thing if isinstance(thing, dict) else {}
    for key, part in parts.items():
        yield from _time_constants(part, str(key))
