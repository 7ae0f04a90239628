"""Spikes beyond what cells can give: how many there were, and which inputs have too many of them."""

from typing import NamedTuple

import numpy as np

from cortical_attention.circuits.protocol import RunError

ADVICE = {  # of a run that diverged, or whose cells were asked for too much, by whether the step is longer than by default
    True: ("a shorter dt", "a shorter dt"),
    False: ("smaller values", "calibration sequences with values as large, more cells per value, or a shorter dt"),
}  # not a lower unit rate, at which each spike weighs more


class Saturation(NamedTuple):
    """Spikes of a population in the measured windows, for each input: those beyond the limit of its cells, and all; and the
    share of them that may be beyond it."""

    beyond: np.ndarray
    spikes: np.ndarray
    most: float

    @property
    def share(self):
        """Spikes beyond the limit, as a share of all (n_input,)."""
        return self.beyond / np.maximum(self.spikes, 1)

    @property
    def refused(self):
        """Inputs of which that share is too large (n_input,)."""
        return self.share > self.most


def beyond_limits(circuit, saturated, form, dt):
    """By input: which population has too many spikes beyond the limit of its cells, in words; empty if none.

    Parameters
    ----------
    circuit : Circuit
    saturated : dict of str to Saturation
    form : Form
    dt : Quantity

    Returns
    -------
    list of str
        Empty if no cell has a limit.
    """
    said = [""] * max((each.beyond.size for each in saturated.values()), default=0)
    for name, each in saturated.items():
        sentence, advice = form.of(circuit.populations[name].cell).limit.sentence, ADVICE[dt > form.dt][1]
        for b in np.flatnonzero(each.refused):
            counted = f"{each.beyond[b]} times in {each.spikes[b]} spikes"
            said[b] = said[b] or f"{name} was asked for {sentence}, {counted}; try {advice}"
    return said


def refuse_saturation(circuit, saturated, form, dt, any_input=False):
    """Refuse a run in which every input, or `any_input`, has too many spikes beyond the limit of the cells of a population.

    Arguments are those of `beyond_limits`.

    Raises
    ------
    RunError
    """
    said = beyond_limits(circuit, saturated, form, dt)
    if said and (any(said) if any_input else all(said)):
        raise RunError(next(filter(None, said)))
