"""Random initial conditions and recording selection.

Both are drawn once for the whole circuit, so that each part run separately uses the same cells.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.simulation.traces import request_of, traced_of
from cortical_attention.wiring.expand import expand_population

MAX_RECORDED = {"default": 200, "sample": 32}
MAX_WHOLE = 1000  # chosen: beyond it neo takes minutes to write the spike trains


class Initial(NamedTuple):
    """By population.

    Attributes
    ----------
    phases : dict of str to ndarray, shape (n_cell,)
        Uniform number from which the membrane of each cell starts; empty in a form without spikes.
    recorded : dict of str to ndarray of int
        Flat indices of the recorded cells.
    first : dict of str to int
        What is added to the index of a cell for its noise; nothing unless named here.
    traced : dict of str to Traced
        Cells and variables of which traces are recorded.
    """

    phases: dict
    recorded: dict
    first: dict = {}
    traced: dict = {}


def initial_state(plan, form, cells, seed, record):
    """Initial of a plan.

    Parameters
    ----------
    plan : Plan
    form : Form
    cells : int
        Cells that share one value.
    seed : int
        Of the phases.
    record : {"default", "sample", "all"}, or dict
        See `simulation.run.simulate`.

    Returns
    -------
    Initial

    Raises
    ------
    RecordError
        If a population to record is not there, or has no such cell.
    """
    word, requests = request_of(record)
    populations = plan.circuit.populations
    concrete = {name: expand_population(each, form, plan.batch, cells) for name, each in populations.items()}
    phases = {}
    if form.spikes:
        children = np.random.SeedSequence(seed).spawn(len(concrete))
        phases = {
            name: np.random.default_rng(child).random(each.n_cell)
            for child, (name, each) in zip(children, concrete.items(), strict=True)
        }
    recorded = {name: _recorded(each, word) for name, each in concrete.items()}
    traced = {name: traced_of(name, each, concrete, recorded) for name, each in requests.items()}
    recorded |= {name: np.union1d(recorded[name], each.cells) for name, each in traced.items()}
    return Initial(phases, recorded, traced=traced)


def _recorded(concrete, record):
    """Flat indices of the recorded cells, all of the first input."""
    n_first = concrete.n_cell // concrete.shape[0]
    whole = record == "default" and concrete.population.cell.recorded == "whole" and n_first <= MAX_WHOLE
    if record == "all" or whole or n_first <= MAX_RECORDED[record]:
        return np.arange(n_first)
    sample = np.random.default_rng(0)  # always the same cells; evenly spaced ones would follow an axis
    return np.sort(sample.choice(n_first, MAX_RECORDED[record], replace=False))
