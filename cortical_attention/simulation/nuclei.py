"""Thalamic nuclei, simulated on a clock of their own: relay and reticular cells with T-currents, in steps of 0.1 ms.

A nucleus (`circuits.nucleus`) is a group of cells of one membrane with currents, conductances and driver trains, all given
per slot and per cell; projections join nuclei; `simulate` gives back all spikes. An example: 64 relay cells are held at
-75 mV, and get trains of 20 spikes a second from the third of ten slots of 100 ms on.

::

    rates = np.repeat([0.0, 20.0], [2, 8])[:, None] * Hz
    drive = Driver(rates, 0.25 * CONDUCTANCE)
    relay = Nucleus("relay", FIRE_OR_BURST, 64, holding(FIRE_OR_BURST, -75 * mV), sigma=2 * mV, drivers=(drive,))
    spikes = simulate([relay], slot=100 * ms, n_slot=10, seed=1)["relay"]
    spikes.rates(50 * ms)        # Hz, (n_window, n_cell)

Replicas are further cells of a nucleus, or further seeds: noise and Poisson trains are counter-based (`cells.noise`), with a
stream for each nucleus and one for each further driver, so that they are the same on every target.

Played into a cortical circuit: `played(plan, {"core": spikes.sent(1 * ms)})` replaces a population of a plan by these
spikes, after `circuits.slots.in_slots` where there are slots. The first time step of the circuit is the first of the nuclei.
Cells are numbered in C order of the axes batch, those of the population (token, model), cells per value, and sign: on, then
off. The calibration of the circuit is that of the plan that is not played, but for the unit rate of the population: it is
the slope of the relays, in Hz for the value one.
"""

from typing import NamedTuple

import numpy as np
from brian2 import Clock, Network, Quantity, SpikeMonitor, StateMonitor, get_dimensions, ms

from cortical_attention.circuits.protocol import RunError
from cortical_attention.simulation import engine
from cortical_attention.simulation.nuclei_groups import group_of, receptors_of, synapses_of
from cortical_attention.wiring.circuit import Sent
from cortical_attention.wiring.expressions import WiringError

DT = 0.1 * ms  # chosen: a twenty-fifth of the interval of spikes in a burst
OF_STEP, OF_CELL, COMPILED = 1e-4, 6e-8, 3.0  # seconds of numpy for each step and cell, and to compile; order only
LOST = 1e-3  # chosen: share of spikes that may fall into a step of the circuit in which their cell has fired already


class Spikes(NamedTuple):
    """All spikes of a nucleus.

    Attributes
    ----------
    cells, steps : ndarray of int, shape (n_spike,)
        Cell and time step of each spike, by step and then by cell.
    n_cell, n_step : int
    dt : Quantity (s)
    traces : dict of str to ndarray, shape (n_sample, n_traced)
        Recorded variables in SI units.
    """

    cells: np.ndarray
    steps: np.ndarray
    n_cell: int
    n_step: int
    dt: Quantity
    traces: dict = {}

    @property
    def times(self):
        """Times of the spikes in seconds (ndarray)."""
        return self.steps * float(self.dt)

    def counts(self, window):
        """Spikes in windows of equal length (Quantity, s): ndarray of int, (n_window, n_cell); an incomplete last one is
        left out."""
        n_step = round(float(window / self.dt))
        n_window = self.n_step // n_step
        inside = self.steps < n_window * n_step
        places = self.steps[inside] // n_step * self.n_cell + self.cells[inside]
        return np.bincount(places, minlength=n_window * self.n_cell).reshape(n_window, self.n_cell)

    def rates(self, window):
        """Rates in windows of equal length (Quantity, s): ndarray (n_window, n_cell) in Hz."""
        return self.counts(window) / float(window)

    def sent(self, dt, start=0 * ms):
        """The spikes from a time on, as a circuit with a longer time step plays them.

        Parameters
        ----------
        dt : Quantity (s)
            Of the circuit.
        start : Quantity (s)
            What comes before it is left out.

        Returns
        -------
        Sent

        Raises
        ------
        WiringError
            If more than 1 in 1,000 spikes fall into a step in which their cell has fired already, and would be lost.
        """
        first, per_step = round(float(start / self.dt)), round(float(dt / self.dt))
        kept = self.steps >= first
        places = np.unique((self.steps[kept] - first) // per_step * self.n_cell + self.cells[kept])
        if kept.sum() - places.size > LOST * kept.sum():
            lost = 1 - places.size / kept.sum()
            raise WiringError(f"{lost:.1%} of the spikes are lost in steps of {dt / ms:g} ms, which need to be shorter")
        return Sent(places % self.n_cell, places // self.n_cell, None)


def played(plan, sent):
    """Plan in which populations send what was simulated elsewhere.

    Parameters
    ----------
    plan : Plan
    sent : dict of str to Sent
        By population, hidden axes included (`Spikes.sent`; or rates in Hz, ``Sent(None, None, rates)``).

    Returns
    -------
    Plan

    Raises
    ------
    WiringError
        For a population that the plan does not have.
    """
    populations = dict(plan.circuit.populations)
    for name, each in sent.items():
        if name not in populations:
            raise WiringError(f"there is no population '{name}' to play; there are {', '.join(populations)}")
        populations[name] = populations[name]._replace(inputs={}, sent=each)
    return plan._replace(circuit=plan.circuit._replace(populations=populations))


def simulate(nuclei, projections=(), *, slot, n_slot, dt=DT, seed=0, target="auto", precision="double", traces=None):
    """Run nuclei in Brian2.

    Parameters
    ----------
    nuclei : sequence of Nucleus or Source
    projections : sequence of Projection
    slot : Quantity (s)
        A whole number of time steps.
    n_slot : int
    dt : Quantity (s)
    seed : int
        Of noise and Poisson trains.
    target : {"auto", "numpy", "cython", "cpp"}
    precision : {"double", "single"}
    traces : dict of str to (tuple of str, ndarray of int), optional
        By nucleus: variables that are recorded at each step, and of which cells.

    Returns
    -------
    dict of str to Spikes
        By nucleus or source.

    Raises
    ------
    WiringError
        For names, shapes or units that do not fit.
    RunError
        If a potential is not finite at the end, or the target fails.
    KeyboardInterrupt
        On an interrupted simulation: half of the spikes would be taken for all of them.
    """
    n_step, receptors = _checked(nuclei, slot, n_slot, dt), receptors_of(nuclei, projections)
    target = _target(target, nuclei, n_step)
    with engine.device(target, precision):
        clock = Clock(dt, name="nuclei_clock")
        groups = {
            each.name: group_of(each, receptors[each.name], k, seed, slot, n_slot, clock)
            for k, each in enumerate(nuclei)
        }
        spikes = {name: SpikeMonitor(group, name=f"{name}_spikes") for name, group in groups.items()}
        traced = {
            name: StateMonitor(groups[name], list(variables), record=np.asarray(which), clock=clock)
            for name, (variables, which) in (traces or {}).items()
        }
        synapses = [synapses_of(each, k, groups, clock) for k, each in enumerate(projections)]
        network = Network(*groups.values(), *spikes.values(), *traced.values(), *synapses)
        network.run(n_step * dt, namespace={})
        if round(float(clock.t / dt)) < n_step:  # Brian2 ends such a run without a word
            raise KeyboardInterrupt
        _refuse_what_diverged(groups)
        values = {
            name: {each: np.array(getattr(traced[name], each)).T for each in variables}
            for name, (variables, _) in (traces or {}).items()
        }
        return {name: _spikes(each, groups[name].N, n_step, dt, values.get(name, {})) for name, each in spikes.items()}


def _checked(nuclei, slot, n_slot, dt):
    """Time steps of the run; refuses slots, sizes and names that do not fit (WiringError)."""
    if get_dimensions(slot) != ms.dim:
        raise WiringError(f"slot is {slot} but needs to be a time")
    per_slot = round(float(slot / dt))
    if abs(per_slot * float(dt) - float(slot)) > 1e-6 * float(dt):
        raise WiringError(f"a slot of {slot / ms:g} ms needs to be a whole number of steps of {dt / ms:g} ms")
    names = [each.name for each in nuclei]
    if len(set(names)) < len(names):
        raise WiringError(f"two nuclei have the same name: {', '.join(names)}")
    if not nuclei or per_slot < 1 or n_slot < 1:
        raise WiringError(
            f"nuclei: {len(nuclei)}, slots: {n_slot}, steps of a slot: {per_slot}; one of each is needed at least"
        )
    for each in nuclei:
        if each.n_cell < 1 or not each.name.isidentifier():
            raise WiringError(
                f"nucleus '{each.name}' of {each.n_cell} cells needs a name that is an identifier, and a cell"
            )
    return per_slot * n_slot


def _refuse_what_diverged(groups):
    """Raise RunError for potentials that are not finite."""
    for name, group in groups.items():
        if hasattr(group, "v") and not np.isfinite(np.array(group.v)).all():
            raise RunError(f"nucleus '{name}' holds potentials that are not finite; try a shorter time step")


def _target(target, nuclei, n_step):
    """Numpy for what it has done before a program is compiled, else C++ (str)."""
    if target not in engine.TARGETS:
        raise WiringError(f"target is '{target}' but needs to be one of {', '.join(engine.TARGETS)}")
    if target != "auto":
        return target
    numpy = n_step * (len(nuclei) * OF_STEP + sum(each.n_cell for each in nuclei) * OF_CELL)
    return "cpp" if engine.compiles() and numpy > COMPILED else "numpy"


def _spikes(monitor, n_cell, n_step, dt, values):
    cells, steps = np.array(monitor.i), np.rint(np.array(monitor.t_) / float(dt)).astype(int)
    order = np.lexsort((cells, steps))
    return Spikes(cells[order], steps[order], n_cell, n_step, dt, values)
