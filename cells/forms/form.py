"""What a form states: how values are coded, through which synapses, by which membranes."""

from typing import NamedTuple

from brian2 import Quantity

from cortical_attention.cells.membranes.membrane import Membrane


class Coding(NamedTuple):
    """How cells carry values.

    Attributes
    ----------
    paired : bool
        Whether a signed value stands on a pair of an on cell and an off cell, joined by one-signed synapses.
    spikes : bool
        Whether cells send spikes (events) or their rate (continuously).
    """

    paired: bool
    spikes: bool

    @property
    def plain(self):
        """Whether a dendrite is a weighted sum of rates of either sign, and nothing else."""
        return not (self.paired or self.spikes)


class Synapses(NamedTuple):
    """Dendrites, and what reaches them.

    Attributes
    ----------
    dendrite : str
        Equations of a dendrite; `filtered` is the value it holds, `drive` what rates bring to it.
    excitation_variable : str
        The variable of a dendrite that holds its excitation.
    effect : dict of str to str
        What "excitation" and "inhibition" do to a dendrite, in terms of `weight`: statements at a spike, or an equation
        of a summed variable.
    relay : str
        Equations of an inhibitory relay, which passes on what it receives: each spike (a spike adds what it carries to `v`,
        which is reset from one on), or a rate, from the rate `received`.
    tau_slow, tau_fast, tau_pool : Quantity
        Time constants of a dendrite with slow synapses, of one with fast synapses (`CellType.fast`), and of the dendrite
        that pools for an interneuron.
    constants : dict
        Of the equations of dendrites and relays, besides.
    conductance : float or None
        Excitatory conductance of the value one over the leak, in a form whose dendrites saturate.
    unsaturated : tuple of str
        Ports whose dendrites do not saturate all the same.
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

    def tau(self, cell, port):
        """Time constant of the dendrite at a port of a cell type."""
        if port == "pool":
            return self.tau_pool
        return self.tau_fast if port in cell.fast else self.tau_slow

    def conductance_at(self, port):
        """Conductance of the value one at a port, or None in a form whose dendrites do not saturate."""
        return 0.0 if self.conductance is not None and port in self.unsaturated else self.conductance

    def saturates(self, port):
        """Whether the dendrite at a port saturates."""
        return self.conductance is not None and port not in self.unsaturated


class Form(NamedTuple):
    """How cells and dendrites run.

    Attributes
    ----------
    name : str
    coding : Coding
    synapses : Synapses
    membrane : Membrane
        Of every cell type that is not named below.
    dt : Quantity
        Default time step.
    settle : Quantity
        Default time thrown away before the measured window.
    of_kind : dict of str to Membrane
        Membranes of cell types of another kind (`CellType.membrane`).
    of_cell : dict of str to Membrane
        Membranes of single cell types, by the name of the type.
    lacks : tuple of str
        Names of the cell types for which this form has no membrane.
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
        """Whether a signed value stands on a pair of cells."""
        return self.coding.paired

    @property
    def membranes(self):
        """Every membrane that a cell of this form may have."""
        return self.membrane, *self.of_kind.values(), *self.of_cell.values()

    @property
    def regular(self):
        """Whether each cell counts exactly, so that its count is right to one spike: no membrane has noise."""
        return not any(each.streams for each in self.membranes)

    @property
    def tau_loop(self):
        """Time constant of the divisive interneuron (s): four times the lag L around its loop.

        In log g the loop is an integrator 1 / (tau_g s) closed through the lag L; tau_g = 4 L damps it well: critically,
        were L a single stage.
        """
        return 4 * (self.synapses.tau_pool + self.synapses.tau_fast + 2 * self.membrane.lag)

    def of(self, cell):
        """Membrane of a cell type."""
        return self.of_cell.get(cell.name) or self.of_kind.get(cell.membrane, self.membrane)

    def with_synapses(self, **changes):
        """The same form with other synapses."""
        return self._replace(synapses=self.synapses._replace(**changes))

    def with_membranes(self, change):
        """The same form with every membrane changed by a function from a membrane to another."""
        return self._replace(
            membrane=change(self.membrane),
            of_kind={kind: change(each) for kind, each in self.of_kind.items()},
            of_cell={name: change(each) for name, each in self.of_cell.items()},
        )
