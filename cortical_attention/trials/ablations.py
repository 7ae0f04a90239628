"""Networks of a rung without one thing that is not ideal in its cells (`experiments.attribution`)."""

from typing import NamedTuple

from brian2 import ms, pA

from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.biophysical import BIOPHYSICAL, CELL, biophysical
from cortical_attention.cells.forms.form import Form
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.membranes.calcium_spike import CalciumSpike
from cortical_attention.cells.membranes.two_compartment import Summing, TwoCompartment

WHOLE, BELOW, ELSEWHERE = "all of them", "rung below", "besides: set elsewhere"


class Network(NamedTuple):
    """A form, how many times the cells a number that its rung has, what is given as numbers, and whether unit rates and
    cells are set by what other inputs do to the circuit (`trials.spike_error_sources`)."""

    form: Form
    cells: int = 1
    exact: tuple = ()
    elsewhere: bool = False


def with_membranes(**constants):
    """The adaptive form with other constants of every membrane."""
    return ADAPTIVE.with_membranes(lambda membrane: membrane.changed(**constants))


def spiking_to(ceiling):
    """The spiking form, its cells asked for no more than a ceiling (Hz)."""
    return SPIKING.with_membranes(lambda membrane: membrane._replace(ceiling=ceiling))


def only(*names):
    """The biophysical form with two compartments in these cell types only."""
    return BIOPHYSICAL._replace(of_cell={name: BIOPHYSICAL.of_cell[name] for name in names})


def ideals(form):
    """What can be put back at every rung: exact numbers, and more cells."""
    return {
        "nuclei": Network(form, exact=("nuclei",)),
        "shunt": Network(form, exact=("shunt",)),
        "few cells": Network(form, cells=4),
    }


FINE = 0.25 * ms
CEILING = ADAPTIVE.membrane.ceiling


class FineSteps(TwoCompartment):
    """The cell of the rung, in half its time step."""

    dynamics = TwoCompartment.dynamics._replace(step=FINE)


OTHER_CELLS = {  # as real as the cells of the rung, but otherwise
    "shunt of the soma": biophysical(inhibited="soma"),
    "shunt of the dendrite": biophysical(inhibited="dendrite"),
    "shunt of both": biophysical(inhibited="both"),
    "calcium spike": biophysical(cell=CalciumSpike()),
    "cell that sums": biophysical("total", Summing()),
}
RUNGS = {
    "spiking": {
        WHOLE: Network(SPIKING),
        BELOW: Network(RATE),
        **ideals(SPIKING),
        "time step": Network(SPIKING._replace(dt=FINE)),
    },
    "adaptive": {
        WHOLE: Network(ADAPTIVE),
        BELOW: Network(spiking_to(CEILING)),
        **ideals(ADAPTIVE),
        "noise": Network(with_membranes(sigma=0.0)),
        "adaptation": Network(with_membranes(b=0.0)),
        "refractory": Network(with_membranes(refractory=0 * ms)),
        "saturation": Network(ADAPTIVE.with_synapses(conductance=0.0)),
        "time step": Network(ADAPTIVE._replace(dt=FINE)),
        ELSEWHERE: Network(ADAPTIVE, elsewhere=True),
        "besides: noise, 0.25 ms": Network(with_membranes(sigma=0.0)._replace(dt=FINE)),
        "besides: whole soma": Network(spiking_to(CEILING)._replace(synapses=ADAPTIVE.synapses)),
    },
    "biophysical": {
        WHOLE: Network(BIOPHYSICAL),
        BELOW: Network(ADAPTIVE._replace(dt=BIOPHYSICAL.dt)),
        **ideals(BIOPHYSICAL),
        "L2/3 cell": Network(only("intratelencephalic")),
        "L5 IT cell": Network(only("superficial")),
        "noise": Network(biophysical(cell=CELL._replace(sigma=0 * pA))),
        "soma's adaptation": Network(biophysical(cell=CELL._replace(b=0 * pA))),
        "facilitation": Network(biophysical("burst")),
        "time step": Network(biophysical(cell=FineSteps())),
        ELSEWHERE: Network(BIOPHYSICAL, elsewhere=True),
        **{f"besides: {name}": Network(form) for name, form in OTHER_CELLS.items()},
    },
}
