"""Biophysical form: L2/3 and L5 IT cells are two-compartment cells with a calcium plateau; all others are adaptive.

The rule of the cell type is given up for these two: nothing multiplies, and no kernel is applied. The numbers that reach
the two ports become currents into soma and apical dendrite (`cells.product`), and what the cell makes of them is what its
synapses send: bursts, all spikes, or what facilitating synapses pass on. Inhibition divides what the terminals release,
after the spike; what it does to the cell itself is asked by `experiments.division`.

The constants of the cell are in `cells.two_compartment` (or `cells.calcium_spike`), those of all others in
`cells.forms.adaptive`.
"""

from brian2 import ms, nA

from cells.forms.adaptive import ADAPTIVE
from cells.kernels import phi
from cells.noise import noise
from cells.product import map_product
from cells.two_compartment import BOOK, LONG_AGO, SENT, SURROUNDINGS, THRESHOLD, TwoCompartment, surface_of

CELL = TwoCompartment()
TAU_RATE, CLOSED = 100 * ms, 4 * nA  # chosen: as slow synapses; more than basal drive, full plateau and noise together
SOMA = """
    I_s = I_s0 + I_s1 * basal - (1 - gate) * closed : amp   # a closed microcolumn is silent
    I_d = I_d0 + I_d1 * apical : amp
    sent = {sent} / shunt : 1 (constant over dt)            # what a spike releases
    drate/dt = -rate / tau_rate : Hz                        # of its spikes, over the last tenth of a second
    released : 1                                            # so far
    count : 1                                               # spikes so far
    crowded : 1                                             # never: this cell has no table to leave
"""


def two_compartment(readout, cell):
    """The form of the two-compartment cells, whose synapses send what a read-out counts."""
    return ADAPTIVE._replace(
        name=f"two compartments, {readout}",
        soma=SOMA.format(sent=SENT[readout]) + cell.membrane.equations + SURROUNDINGS,
        threshold=THRESHOLD,
        reset=f"released += sent\n count += 1\n rate += 1 / tau_rate\n {cell.membrane.reset}\n {BOOK}",
        synapse={
            sign: statement.replace("weight", "weight * sent_pre") for sign, statement in ADAPTIVE.synapse.items()
        },
        relayed="v_post += sent_pre",
        reading="released",
        membrane="V_s",
        scatter=lambda group, uniform: scatter(cell, group, uniform),
        constants={**ADAPTIVE.constants, **cell._asdict(), "tau_rate": TAU_RATE, "closed": CLOSED},
        constants_of=lambda form, cell_type, dt: {"noise": noise},
        calibrate=lambda population, drives, counted: calibrate(cell, readout, population, drives, counted),
    )


def scatter(cell, group, uniform):
    """Start somata between rest and threshold, and dendrites at rest."""
    group.V_s = cell.E_L + uniform * (cell.V_T - cell.E_L)
    group.V_d, group.last = cell.E_L, LONG_AGO


def calibrate(cell, readout, population, drives, counted):
    """Constants of the soma, and the unit rate, of a population.

    Parameters
    ----------
    cell : TwoCompartment or CalciumSpike
    readout : str
    population : Population
        Its kernels are what the thresholds of the cell stand for.
    drives : dict of str to ndarray
        Samples of the numbers that reach the ports.
    counted : Quantity (s)
        Cells a number times the window.

    Returns
    -------
    dict of str to Quantity
    Quantity (Hz)
    """
    kernels = [phi(population.kernels.get(port, "identity")) for port in ("basal", "apical")]
    signed = population.signed == "basal"
    found = map_product(surface_of(cell), readout, drives["basal"], drives["apical"], *kernels, signed, counted)
    return {name: getattr(found, name) for name in ("I_s0", "I_s1", "I_d0", "I_d1")}, found.unit_rate


def biophysical(readout="facilitated", cell=CELL):
    """The form with a read-out and a cell; by default what facilitating synapses pass on, which a target can receive."""
    soma = two_compartment(readout, cell)
    return ADAPTIVE._replace(
        name="biophysical",
        dt=cell.membrane.step,
        of_cell={"superficial": soma, "intratelencephalic": soma},
        wirings=("mask",),
    )


BIOPHYSICAL = biophysical()
