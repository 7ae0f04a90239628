"""Playback of cells: the spikes or rates of another run, sent again."""

import numpy as np
from brian2 import Hz, NeuronGroup, SpikeGeneratorGroup, TimedArray

from cortical_attention.wiring.expressions import WiringError


def play(concrete, clock):
    """Group that sends what `concrete.population.sent` says, in the step in which it was sent.

    Parameters
    ----------
    concrete : Concrete
    clock : Brian2 Clock
        With the time step of the run that is played.

    Returns
    -------
    SpikeGeneratorGroup, or NeuronGroup with the variable `rate`

    Raises
    ------
    WiringError
        If cells or rates are not those of the population.
    """
    name, sent, n_cell = concrete.population.name, concrete.population.sent, concrete.n_cell
    if sent.rates is None:
        if sent.cells.size and sent.cells.max() >= n_cell:
            raise WiringError(
                f"population '{name}': cell {sent.cells.max()} is to be played, but it has {n_cell} cells"
            )
        return SpikeGeneratorGroup(n_cell, sent.cells, sent.steps * clock.dt, clock=clock, sorted=True, name=name)
    if sent.rates.shape[1:] != (n_cell,):
        raise WiringError(
            f"population '{name}': rates have shape {sent.rates.shape}, but {n_cell} cells are to be played"
        )
    played = TimedArray(np.asarray(sent.rates) * Hz, clock.dt, name=f"played_by_{name}")
    group = NeuronGroup(n_cell, "rate : Hz", namespace={"played": played}, clock=clock, name=name)
    group.run_regularly("rate = played(t, i)", when="start")
    return group
