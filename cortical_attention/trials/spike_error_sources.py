"""Networks that differ from the spiking form in one setting, or in which one cause of its error is switched off.

A cause is switched off in the circuit itself: exact values replace spikes, or unequal rates keep cells out of step.
"""

from typing import NamedTuple

from brian2 import Quantity, ms

from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.circuits.plan import named
from cortical_attention.simulation.calibrate import drive_of

LONG, SHORT = SPIKING.synapses.tau_slow, 10 * ms  # synapses as they are, and such as show the ripple
BRISK = {"dt": 0.5 * ms}  # where ripple or high rates would ask a cell for two spikes in a step of 1 ms
READ = 2.0  # s: the window at which networks are compared
NUCLEI, OUTPUT = ("core", "matrix", "higher_order"), ("intratelencephalic", "pyramidal_tract", "higher_order")


class Setting(NamedTuple):
    """One network.

    Attributes
    ----------
    varied, value : str
        What distinguishes it, in words.
    window : float
        Seconds.
    tau_slow, dt : Quantity
    cells : int
        Cells per value.
    units : dict of str to float
        Factors on the unit rates of populations.
    exact : tuple of str
        What is given as values: "nuclei", "shunt".
    """

    varied: str
    value: str
    window: float = READ
    tau_slow: Quantity = LONG
    dt: Quantity = SPIKING.dt
    cells: int = 1
    units: dict = {}
    exact: tuple = ()

    @property
    def name(self):
        """How files call it."""
        return f"{self.varied}: {self.value}"


RIPPLE, STEP = "ripple of the nuclei: exact drive", "time step: 0.25 ms"
CAUSES = {
    RIPPLE: {"exact": ("nuclei",)},
    "ripple of the shunt: exact shunt": {"exact": ("shunt",)},
    "core and matrix in step: rates 17 % apart": {"units": {"matrix": 0.83}},
    "counting in L5 and after: 3 times the rates": {"units": dict.fromkeys(OUTPUT, 3), **BRISK},
    STEP: {"dt": 0.25 * ms},
    "one cell per value: 4 cells": {"cells": 4},
}


def curves(quick=False):
    """Networks whose error is followed over the window; the first is the spiking form as it is."""
    most, some = (READ, READ) if quick else (8.0, 4.0)
    return [synapses(LONG, most), synapses(SHORT, some), without(RIPPLE, SHORT, some), synapses(20 * ms, some)]


def settings(quick=False):
    """Every network that is compared: the curves and, unless `quick`, what is read after two seconds only."""
    found = curves(quick)
    if quick:
        return found
    found += [without(cause, LONG) for cause in CAUSES]
    found += [without(cause, SHORT) for cause in CAUSES if cause not in (RIPPLE, STEP)]
    for rate in (25, 50, 200, 400):
        units = dict.fromkeys(NUCLEI, rate / 100)
        found.append(Setting("unit rate of the nuclei", f"{rate} Hz", units=units, **(BRISK if rate > 200 else {})))
    found.append(Setting("time step", "0.5 ms", dt=0.5 * ms))
    return found + [Setting("cells per value", str(cells), cells=cells) for cells in (2, 8)]


def synapses(tau, window):
    """The spiking form with slow synapses of another time constant."""
    return Setting("slow synapses", f"{tau / ms:g} ms", window, tau, **_brisk(tau))


def without(cause, tau, window=READ):
    """Network in the spiking form with one cause of error switched off.

    Parameters
    ----------
    cause : str
        A name in `CAUSES`.
    tau : Quantity (s)
        Time constant of slow synapses; below 50 ms the time step is 0.5 ms, unless the cause sets another.
    window : float
        Measured time (s).

    Returns
    -------
    Setting

    Raises
    ------
    KeyError
        For an unknown cause.
    """
    return Setting(f"switched off at {tau / ms:g} ms", cause, window, tau, **_brisk(tau) | CAUSES[cause])


def _brisk(tau):
    return BRISK if tau < 50 * ms else {}


def idealised(plan, exact, normaliser):
    """Plan of the mask wiring with exact values in place of some spikes.

    Parameters
    ----------
    plan : Plan
        With recurrent inhibition.
    exact : tuple of str
        "nuclei": dendrites hold what the nuclei send them as values, without ripple; the nuclei stay, and reach
        nothing. "shunt": L2/3 cells are divided by exact values; there are no interneurons.
    normaliser : ndarray, shape (batch, n_head, n_token)
        Z, for the shunt.

    Returns
    -------
    Plan
    """
    if "nuclei" in exact:
        plan = _driven_exactly(plan)
    return _divided_exactly(plan, normaliser) if "shunt" in exact else plan


def _driven_exactly(plan):
    populations, kept = dict(plan.circuit.populations), []
    for projection in plan.circuit.projections:
        if projection.source not in NUCLEI:
            kept.append(projection)
            continue
        name, _, port = projection.target.partition(".")
        drive = drive_of(projection, populations[projection.source].inputs["soma"])
        populations[name] = _with_input(populations[name], port, drive)
    return plan._replace(circuit=plan.circuit._replace(populations=populations, projections=tuple(kept)))


def _divided_exactly(plan, normaliser):
    populations = named(*(each for name, each in plan.circuit.populations.items() if name != "interneuron"))
    populations["superficial"] = _with_input(populations["superficial"], "shunt", normaliser[..., None, None])
    kept = [each for each in plan.circuit.projections if "interneuron" not in each.name]
    circuit = plan.circuit._replace(populations=populations, projections=tuple(kept))
    return plan._replace(circuit=circuit, attention_sum=None, gain=None)


def _with_input(population, port, values):
    """Population with more values from outside at a port."""
    return population._replace(inputs={**population.inputs, port: population.inputs.get(port, 0.0) + values})
