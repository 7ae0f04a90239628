"""What a form states; `cells.forms.rate` and `cells.forms.spiking` are the forms."""

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
        Equations of a dendrite; `filtered` is the number it holds.
    soma : str
        Equations of a soma, given `number` and the constant `unit_rate`.
    threshold, reset : str or None
    reading : str
        The variable that is sampled to know the rate: `rate`, or the running `count` of spikes.
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
    soma: str
    threshold: str | None
    reset: str | None
    reading: str

    @property
    def tau_loop(self):
        """Time constant of the divisive interneuron (s): four times the lag L around its loop.

        In log g the loop is an integrator 1 / (tau_g s) closed through the lag L; tau_g = 4 L damps it well: critically,
        were L a single stage.
        """
        somata = 0 if self.spikes else 2
        return 4 * (self.tau_pool + self.tau_fast + somata * self.tau_soma)

    def tau(self, cell, port):
        """Time constant of the dendrite at a port of a cell type."""
        if port == "pool":
            return self.tau_pool
        return self.tau_fast if port in cell.fast else self.tau_slow
