"""What a membrane states; every other file of this folder is a membrane, or how values become the drive of one."""

from collections.abc import Callable
from typing import NamedTuple

from brian2 import Quantity, ms

ONE = "1"


class MembraneError(ValueError):
    """A membrane that cannot do what is asked of it; the message is one sentence that names it."""


class Drive(NamedTuple):
    """How the value that a cell type asks for becomes the drive of a membrane.

    Attributes
    ----------
    equations : str
        In terms of `number`, the constant `unit_rate`, and the ports; whatever the membrane's equations take as given.
    measure : callable or None
        From the membrane and a time step to constants of these equations, measured on that very membrane.
    calibrate : callable or None
        From a population, samples of the values at its `ports` (dict of str to ndarray) and the cells per value times the
        window (Quantity, s) to constants of the soma, and its unit rate (`simulation.calibrate.calibrated`).
    ports : tuple of str
        The ports whose values `calibrate` needs.
    kernels : bool
        Whether the kernels of the population are applied to the ports; False where thresholds of the membrane itself stand
        in for them.
    """

    equations: str = ""
    measure: Callable | None = None
    calibrate: Callable | None = None
    ports: tuple = ()
    kernels: bool = True


class Limit(NamedTuple):
    """Where a membrane is asked for more than it can give.

    Attributes
    ----------
    condition : str
        Evaluated at each spike, after the reset; counted in the variable `crowded`.
    sentence : str
        What such a spike is, as the message of a run that fails for it says it.
    """

    condition: str
    sentence: str


class Membrane(NamedTuple):
    """Dynamics of a soma.

    Attributes
    ----------
    equations : str
        Given what the drive defines; has a variable `rate` (Hz) unless the drive has it.
    threshold, reset : str or None
        None in a membrane that sends its rate.
    constants : dict
        Of the equations.
    drive : Drive
    variable : str
        The variable that must stay finite.
    reading : str
        The variable that is sampled to know what was sent: `rate`, or a running count such as `count`, of spikes.
    sends : str
        What a spike carries to the synapses: ``"1"``, or a variable of the soma.
    refractory : str or False
        The constant that is the refractory time.
    start : callable or None
        From a group of somata and a uniform random number for each to their first state, so that cells do not fire in step.
    limit : Limit or None
    ceiling : Quantity or None
        Highest rate that a cell is asked for (Hz); None where rates have no bound.
    streams : dict of str to str
        Constants that name streams of noise in the equations, and a prefix that keeps each apart; empty without noise.
    lag : Quantity
        Time by which the soma delays what it receives.
    """

    equations: str
    threshold: str | None = None
    reset: str | None = None
    constants: dict = {}
    drive: Drive = Drive()
    variable: str = "v"
    reading: str = "count"
    sends: str = ONE
    refractory: str | bool = False
    start: Callable | None = None
    limit: Limit | None = None
    ceiling: Quantity | None = None
    streams: dict = {}
    lag: Quantity = 0 * ms

    @property
    def soma(self):
        """Equations of the soma: drive, membrane, and the running counts of one that spikes."""
        counts = "count : 1   # spikes so far\n crowded : 1   # spikes beyond the limit" if self.threshold else ""
        return f"{self.drive.equations}\n{self.equations}\n{counts}"

    @property
    def at_spike(self):
        """Statements at a spike, or None in a membrane that does not spike."""
        if self.threshold is None:
            return None
        beyond = f"crowded += int({self.limit.condition})" if self.limit else ""
        return f"{self.reset}\n count += 1\n {beyond}"

    @property
    def fired(self):
        """Whether a cell has crossed its threshold in this step, before its reset, as a condition."""
        return "lastspike == t" if self.refractory else self.threshold

    @property
    def carries(self):
        """What a spike carries, as its synapses see it."""
        return ONE if self.sends == ONE else f"{self.sends}_pre"

    def carried(self, statement):
        """Statement of a synapse, in terms of `weight`, with the weight times what a spike of this membrane carries."""
        return statement if self.sends == ONE else statement.replace("weight", f"weight * {self.carries}")

    def measured(self, dt):
        """Constants of its drive, measured at a time step where that has not been done in this process."""
        return self.drive.measure(self, dt) if self.drive.measure else {}

    def changed(self, **constants):
        """The same membrane with other constants."""
        unknown = constants.keys() - self.constants.keys()
        if unknown:
            raise MembraneError(f"the membrane has no constant {sorted(unknown)[0]}, but {', '.join(self.constants)}")
        return self._replace(constants={**self.constants, **constants})
