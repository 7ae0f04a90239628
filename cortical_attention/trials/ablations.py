"""Variants of each form in which one non-ideal property of its cells is removed (`experiments.attribution`)."""

from typing import NamedTuple

from brian2 import ms, pA

from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.biophysical import BIOPHYSICAL, CELL, biophysical
from cortical_attention.cells.forms.form import Form
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.membranes.calcium_spike import CalciumSpike
from cortical_attention.cells.membranes.point import Point
from cortical_attention.cells.membranes.two_compartment import Summing, TwoCompartment

WHOLE, BELOW, ON_INPUT = "all of them", "rung below", "besides: set on input"


class Idealised(NamedTuple):
    """A form, how many times the cells per value that its rung has, what is given as values, and whether the circuit is
    calibrated on the tested input itself (`trials.spike_error_sources`)."""

    form: Form
    cells: int = 1
    exact: tuple = ()
    on_input: bool = False


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
    """What can be put back at every rung: exact values, and more cells."""
    return {
        "nuclei": Idealised(form, exact=("nuclei",)),
        "shunt": Idealised(form, exact=("shunt",)),
        "few cells": Idealised(form, cells=4),
    }


FINE = 0.25 * ms
CEILING = ADAPTIVE.membrane.ceiling


class FineSteps(TwoCompartment):
    """The cell of the rung, in half its time step."""

    dynamics = TwoCompartment.dynamics._replace(step=FINE)


POINT_VALUES = biophysical(of_values=(Point(), "total"))  # two compartments in L2/3 alone
OTHER_CELLS = {  # as real as the cells of the rung, but otherwise
    "shunt of the soma": biophysical(inhibited="soma"),
    "shunt of the dendrite": biophysical(inhibited="dendrite"),
    "shunt of both": biophysical(inhibited="both"),
    "calcium spike": biophysical(cell=CalciumSpike()),
    "cell that sums": biophysical("total", Summing()),
    "point cells in L5 IT": POINT_VALUES,
}
RUNGS = {
    "spiking": {
        WHOLE: Idealised(SPIKING),
        BELOW: Idealised(RATE),
        **ideals(SPIKING),
        "time step": Idealised(SPIKING._replace(dt=FINE)),
    },
    "adaptive": {
        WHOLE: Idealised(ADAPTIVE),
        BELOW: Idealised(spiking_to(CEILING)),
        **ideals(ADAPTIVE),
        "noise": Idealised(with_membranes(sigma=0.0)),
        "adaptation": Idealised(with_membranes(b=0.0)),
        "refractory": Idealised(with_membranes(refractory=0 * ms)),
        "saturation": Idealised(ADAPTIVE.with_synapses(conductance=0.0)),
        "time step": Idealised(ADAPTIVE._replace(dt=FINE)),
        ON_INPUT: Idealised(ADAPTIVE, on_input=True),
        "besides: noise, 0.25 ms": Idealised(with_membranes(sigma=0.0)._replace(dt=FINE)),
        "besides: whole soma": Idealised(spiking_to(CEILING)._replace(synapses=ADAPTIVE.synapses)),
    },
    "biophysical": {
        WHOLE: Idealised(BIOPHYSICAL),
        BELOW: Idealised(ADAPTIVE._replace(dt=BIOPHYSICAL.dt)),
        **ideals(BIOPHYSICAL),
        "L2/3 cell": Idealised(only("intratelencephalic")),
        "L5 IT cell": Idealised(only("superficial")),
        "noise": Idealised(biophysical(cell=CELL._replace(sigma=0 * pA))),
        "soma's adaptation": Idealised(biophysical(cell=CELL._replace(b=0 * pA))),
        "facilitation": Idealised(biophysical("burst")),
        "time step": Idealised(biophysical(cell=FineSteps())),
        ON_INPUT: Idealised(BIOPHYSICAL, on_input=True),
        **{f"besides: {name}": Idealised(form) for name, form in OTHER_CELLS.items()},
    },
}
