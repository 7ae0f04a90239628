"""What a form states; every other file of this folder is a form."""

from collections.abc import Callable
from typing import NamedTuple

from brian2 import Quantity


class Form(NamedTuple):
    """How cells and dendrites run.

    Attributes
    ----------
    name : str
    paired : bool
        Whether signed numbers stand on pairs of an on cell and an off cell, joined by one-signed synapses.
    spikes : bool
        Whether cells send spikes (events) or their rate (continuously).
    dt : Quantity
        Default time step.
    tau_soma, tau_slow, tau_fast, tau_pool : Quantity
        Time constants of the soma (rate form), of a dendrite with slow synapses, of one with fast synapses
        (`CellType.fast`), and of the dendrite that pools for an interneuron.
    ceiling : Quantity or None
        Highest rate a cell is asked for; None where rates have no bound.
    settle : Quantity
        Default time thrown away before the measured window.
    dendrite : str
        Equations of a dendrite; `filtered` is the number it holds, `drive` what rates bring to it.
    held : str
        The variable of a dendrite that holds what excites it.
    synapse : dict of str to str
        What "excitation" and "inhibition" do to a dendrite, in terms of `weight`: statements at a spike, or an equation
        of a summed variable.
    relay : str
        Equations of an inhibitory relay, which passes on what it receives: each spike (a spike adds one to `v`, which
        is reset from one on), or a rate, from the rate `received`.
    soma : str
        Equations of a soma, given `number` and the constant `unit_rate`.
    threshold, reset : str or None
    reading : str
        The variable that is sampled to know the rate: `rate`, or the running `count` of spikes.
    crowding : str
        What the variable `crowded` of a soma counts, as the message of a run that fails for it says it.
    constants : dict
        Of the equations of somata, relays and dendrites, besides those named above.
    constants_of : callable or None
        From the form, a cell type and a time step to further constants of its soma, measured where they need to be.
    membranes : dict
        What `constants_of` knows of membranes.
    refractory : str or False
        The constant that is the refractory time of a cell.
    conductance : float or None
        Excitatory conductance of the number one over the leak, in a form whose dendrites saturate.
    unsaturated : tuple of str
        Ports whose dendrites do not saturate all the same.
    regular : bool
        Whether a cell counts exactly, so that its count is right to one spike.
    membrane : str
        The variable of a spiking soma that is its membrane.
    scatter : callable or None
        From a group of somata and a uniform number for each, how their membranes start, so that cells do not fire in step.
    relayed : str
        What a spike does to an inhibitory relay.
    of_cell : dict of str to Form
        Somata, and what they send, of the cell types that run otherwise, by the name of the type.
    calibrate : callable or None
        From the drives of a cell's ports (`simulation.calibrate.calibrated`) to constants of the soma, and its unit rate.
    wirings : tuple of str or None
        The wirings that the form can run; None: all.
    """

    name: str
    paired: bool
    spikes: bool
    dt: Quantity
    tau_soma: Quantity
    tau_slow: Quantity
    tau_fast: Quantity
    tau_pool: Quantity
    ceiling: Quantity | None
    settle: Quantity
    dendrite: str
    held: str
    synapse: dict
    relay: str
    soma: str
    threshold: str | None
    reset: str | None
    reading: str
    crowding: str = ""
    constants: dict = {}
    constants_of: Callable | None = None
    membranes: dict = {}
    refractory: str | bool = False
    conductance: float | None = None
    unsaturated: tuple = ()
    regular: bool = True
    membrane: str = "v"
    scatter: Callable | None = None
    relayed: str = "v_post += 1"
    of_cell: dict = {}
    calibrate: Callable | None = None
    wirings: tuple | None = None

    @property
    def tau_loop(self):
        """Time constant of the divisive interneuron (s): four times the lag L around its loop.

        In log g the loop is an integrator 1 / (tau_g s) closed through the lag L; tau_g = 4 L damps it well: critically,
        were L a single stage.
        """
        somata = 0 if self.spikes else 2
        return 4 * (self.tau_pool + self.tau_fast + somata * self.tau_soma)

    @property
    def fired(self):
        """Whether a cell has crossed its threshold in this step, as a condition."""
        return "lastspike == t" if self.refractory else self.threshold  # while it is not reset yet

    def of(self, cell):
        """The form of a cell type's soma."""
        return self.of_cell.get(cell.name, self)

    def tau(self, cell, port):
        """Time constant of the dendrite at a port of a cell type."""
        if port == "pool":
            return self.tau_pool
        return self.tau_fast if port in cell.fast else self.tau_slow
