"""Membrane, its drive and its limit; the other files of this folder define membranes or calibrate their drive."""

from collections.abc import Callable
from typing import NamedTuple

from brian2 import Quantity, ms

ONE = "1"


class MembraneError(ValueError):
    """A membrane that cannot be calibrated or changed as requested; the message is one sentence."""


class Drive(NamedTuple):
    """Conversion of the value given by a rule into the drive of a membrane.

    Attributes
    ----------
    equations : str
        Equations of the inputs of the membrane, in terms of `value`, the constant `unit_rate` and the ports.
    measure : callable or None
        ``measure(membrane, dt)`` returns constants of these equations, measured on the same membrane.
    calibrate : callable or None
        ``calibrate(population, drives, counted)`` returns constants of the soma and the unit rate (Quantity, Hz), from
        samples of the values at its `ports` (dict of str to ndarray; with the "gate" where inhibition divides the population
        by its own sum), and the cells per value times the window (Quantity, s); see `simulation.calibrate.calibration_of`.
    fit : callable or None
        ``fit(drives, kernels, signed, counted, divided)`` returns the map of values to currents by which the membrane
        approximates the product of its ports, or its share of the sum over a macrocolumn if it is `divided` by that, with
        its `loss` (`cells.membranes.product.Mapping`): kernels by port (dict of str to str), and whether the basal value
        is signed; the others as for `calibrate`.
    ports : tuple of str
        The ports whose values `calibrate` and `fit` need.
    kernels : bool
        Whether the kernels of the population are applied to the ports; False if thresholds of the membrane replace
        them.
    sources : dict of str to (Unit or 1, str)
        Unit and source of each constant that `measure` or `calibrate` returns.
    """

    equations: str = ""
    measure: Callable | None = None
    calibrate: Callable | None = None
    fit: Callable | None = None
    ports: tuple = ()
    kernels: bool = True
    sources: dict = {}


class Limit(NamedTuple):
    """Condition under which a membrane cannot reach its target rate.

    Attributes
    ----------
    condition : str
        Evaluated at each spike, after the reset; counted in the variable `saturated`.
    sentence : str
        Description of such a spike in the message of the failed run.
    most : float
        Share of such spikes of a population beyond which a run fails. Default chosen: with more, the answer is that of
        cells at their limit.
    """

    condition: str
    sentence: str
    most: float = 0.01


COUNTS = """
    count : integer       # spikes so far
    saturated : integer   # spikes beyond the limit
"""


class Membrane(NamedTuple):
    """Dynamics of a soma.

    Attributes
    ----------
    equations : str
        Equations, in terms of the variables of the drive; with a variable `rate` (Hz) in a membrane that does not spike.
    threshold, reset : str or None
        None in a membrane whose output is a rate.
    constants : dict
        Of the equations.
    drive : Drive
    variable : str
        Variable checked for overflow.
    reading : str
        Variable sampled as the output: `rate` (Hz), or a running count such as `count` (spikes).
    sends : str
        Amplitude of a spike at the synapses: ``"1"``, or a variable of the soma.
    at_release : str or None
        Statement at a spike, before its synapses: sets the variable that `sends` names.
    refractory : str or False
        Name of the constant for the refractory time.
    start : callable or None
        ``start(group, uniform)`` sets initial states from one uniform random number per cell, to prevent synchrony.
    limit : Limit or None
    ceiling : Quantity or None
        Highest target rate (Hz); None without a bound.
    noisy : bool
        Whether the equations have noise: `noise(i, t_in_timesteps, stream)`, and a second one with `stream + 1`.
    lag : Quantity
        Delay of the soma (s).
    sources : dict of str to str
        Source of each of the `constants` and of the `ceiling`, by name: a citation, or "chosen: " and the reason.
    """

    equations: str
    threshold: str | None = None
    reset: str | None = None
    constants: dict = {}
    drive: Drive = Drive()
    variable: str = "v"
    reading: str = "count"
    sends: str = ONE
    at_release: str | None = None
    refractory: str | bool = False
    start: Callable | None = None
    limit: Limit | None = None
    ceiling: Quantity | None = None
    noisy: bool = False
    lag: Quantity = 0 * ms
    sources: dict[str, str] = {}

    @property
    def soma(self):
        """Equations of the soma: drive, membrane, and the running counts of one that spikes."""
        return f"{self.drive.equations}\n{self.equations}\n{COUNTS if self.threshold else ''}"

    @property
    def at_spike(self):
        """Statements at a spike, or None in a membrane that does not spike."""
        if self.threshold is None:
            return None
        beyond = f"saturated += int({self.limit.condition})" if self.limit else ""
        return f"{self.reset}\n count += 1\n {beyond}"

    @property
    def fired(self):
        """Whether a cell has crossed its threshold in this step, before its reset, as a condition."""
        return "lastspike == t" if self.refractory else self.threshold

    @property
    def carries(self):
        """Amplitude of a spike, in the name space of its synapses."""
        return ONE if self.sends == ONE else f"{self.sends}_pre"

    def carried(self, statement):
        """Statement of a synapse, with `weight` multiplied by the amplitude of a spike.

        Parameters
        ----------
        statement : str
            In the language of Brian2.

        Returns
        -------
        str
        """
        return statement if self.sends == ONE else statement.replace("weight", f"weight * {self.carries}")

    def measured(self, dt):
        """Constants of the drive, measured in Brian2 and cached within the process.

        Parameters
        ----------
        dt : Quantity
            Time step, s.

        Returns
        -------
        dict
            By name; empty for a drive that needs no measurement.
        """
        return self.drive.measure(self, dt) if self.drive.measure else {}

    def changed(self, sources=None, **constants):
        """The membrane with some constants replaced, by name.

        Parameters
        ----------
        sources : dict of str to str, optional
            Sources of the new values. A constant that is replaced loses the source that it had.
        **constants
            New values.

        Returns
        -------
        Membrane

        Raises
        ------
        MembraneError
            For a constant that the membrane does not have.
        """
        unknown = constants.keys() - self.constants.keys()
        if unknown:
            raise MembraneError(f"the membrane has no constant {sorted(unknown)[0]}, but {', '.join(self.constants)}")
        kept = {name: source for name, source in self.sources.items() if name not in constants}
        return self._replace(constants={**self.constants, **constants}, sources=kept | (sources or {}))
