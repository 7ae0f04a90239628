"""Biophysical form: L2/3 and L5 IT cells are two-compartment cells with a calcium plateau; all others are adaptive.

These two cell types do not follow their rule: nothing multiplies, and no kernel is applied. The values at the two ports
become currents into soma and apical dendrite (`cells.membranes.product`). The output is a read-out of the resulting spikes:
bursts, events, all spikes, or the transmitter released by facilitating synapses. L5 IT cells of softmax attention have a
tuft that is inhibited (`cells.forms.tufts`).

Inhibition divides the release of the terminals, after the spike; or it is a conductance of the soma (parvalbumin-like), of
the apical dendrite (somatostatin-like), or of both. The value of the interneurons is then that conductance in nS, at each
place (1 nS without interneurons), and L2/3 cells are calibrated so that the least driven macrocolumn needs almost none.
`experiments.division` measures its effect on a cell, `experiments.attribution` on the network.

The constants of the cell are in `cells.membranes.two_compartment` or `cells.membranes.calcium_spike`, those of all others
in `cells.membranes.leaky`.
"""

from brian2 import Hz, amp, nA, pA

from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.tufts import rectified, tufted
from cortical_attention.cells.kernels import phi
from cortical_attention.cells.membranes.membrane import Drive, Limit, Membrane
from cortical_attention.cells.membranes.product import map_product, map_quotient, rates
from cortical_attention.cells.membranes.two_compartment import (
    LONG_AGO,
    SURROUNDINGS,
    TwoCompartment,
    surface_of,
)

CELL = TwoCompartment()
OF_SOMA = {"closed": 4 * nA}
MEASURED_RANGE = "chosen: an end of the currents at which the cell was measured, from silence to its highest rates"
FITTED = (
    "fitted before a run on the measured cell, so that its output approximates the product, or its share of the sum that "
    "inhibition divides it by (`cells.membranes.product`)"
)
SOURCES = {
    "closed": "chosen: more than basal drive, full plateau and noise together",
    "ceiling": "chosen: as for adaptive cells",
}
SOMA = """
    I_s = clip(I_s0 + I_s1 * basal, I_s_min, I_s_max) - (1 - gate) * closed : amp   # a closed microcolumn is silent
    I_d = clip(I_d0 + I_d1 * apical, I_d_min, I_d_max) : amp                        # where the surface ends
    {inhibition}
    released : 1                                            # so far
"""
SHUNTS = {  # the conductances that inhibition sets, by its place
    "terminals": (),
    "soma": ("g_shunt_s",),
    "dendrite": ("g_shunt_d",),
    "both": ("g_shunt_s", "g_shunt_d"),
}
TONIC = 0.1  # nS, for the reason in OF_TONIC
OF_TONIC = f"chosen: a tonic conductance of {TONIC} nS, so that attention sums to one less that over the conductance"
LARGEST = 160  # nS, chosen: of interneurons at their ceiling, seven times the leak of the soma


PORTS = ("basal", "apical")
BEYOND_THE_SURFACE = Limit(
    "I_s0 + I_s1 * basal > I_s_max or I_d0 + I_d1 * apical > I_d_max",
    "a current beyond those at which it was measured",
    1.0,  # chosen: the fit takes into account that currents end there, so the share is reported and never refused
)


def two_compartment(readout, cell, inhibited="terminals"):
    """Membrane of two-compartment cells with a read-out of their spikes.

    Parameters
    ----------
    readout : {"total", "burst", "event", "facilitated"}
    cell : TwoCompartment or CalciumSpike
    inhibited : {"terminals", "soma", "dendrite", "both"}
        Site of inhibition: the shunt divides the release of the terminals, or is a conductance (nS) of the compartment.

    Returns
    -------
    Membrane

    Raises
    ------
    KeyError
        For an unknown read-out or site.
    """
    shunts = SHUNTS[inhibited]
    constants = {name: value for name, value in cell._asdict().items() if name not in shunts}
    sent = cell.dynamics.sent[readout] if shunts else f"({cell.dynamics.sent[readout]}) / shunt"
    inhibition = ["sent : 1   # by its last spike", *(f"{name} = shunt * nS : siemens" for name in shunts)]
    return Membrane(
        SOMA.format(inhibition="\n".join(inhibition)) + cell.dynamics.equations + SURROUNDINGS,
        threshold=cell.dynamics.threshold,
        at_release=f"sent = {sent}",
        reset=f"released += sent\n {cell.dynamics.reset}\n {cell.dynamics.book}",
        constants={**constants, **ends(cell), **OF_SOMA},
        drive=Drive(
            calibrate=lambda *asked: calibrate(cell, readout, inhibited, *asked),
            fit=lambda *asked, **more: fit(cell, readout, inhibited, *asked, **more), ports=PORTS, kernels=False,
            sources=dict.fromkeys(("I_s0", "I_s1", "I_d0", "I_d1"), (amp, FITTED)),
        ),
        variable="V_s",
        reading="released",
        sends="sent",
        refractory="refractory",
        start=lambda group, uniform: scatter(cell, group, uniform),
        limit=BEYOND_THE_SURFACE,
        ceiling=ADAPTIVE.membrane.ceiling,
        noisy=True,
        sources={**sources_of(cell, constants), **dict.fromkeys(ends(cell), MEASURED_RANGE), **SOURCES},
    )  # fmt: skip


def sources_of(cell, names):
    """Sources of some constants of a cell (dict), without those whose value is not that of its class."""
    stated = cell._field_defaults
    return {name: cell.sources[name] for name in names if getattr(cell, name) == stated[name]}


def ends(cell):
    """Range of the measured surface: least and largest current into soma and dendrite (Quantity, A)."""
    found = {"s": cell.dynamics.basal, "d": cell.dynamics.apical}
    return {f"I_{place}_{name}": each[k] * pA for place, each in found.items() for name, k in (("min", 0), ("max", -1))}


def scatter(cell, group, uniform):
    """Set initial voltages: of somata between rest and threshold, of dendrites at rest; and the last spike long ago.

    Parameters
    ----------
    cell : TwoCompartment or CalciumSpike
    group : NeuronGroup
        Its state is set.
    uniform : ndarray, shape (n_cell,)
        Position of each soma between rest (0) and threshold (1).
    """
    group.V_s = cell.E_L + uniform * (cell.V_T - cell.E_L)
    group.V_d, group.last = cell.E_L, LONG_AGO


def fit(cell, readout, inhibited, drives, kernels, signed, counted, divided=False):
    """Map of values to currents, fitted on the measured surface of a cell.

    Parameters
    ----------
    cell : TwoCompartment or CalciumSpike
    readout, inhibited : str
    drives : dict of str to ndarray
        Samples of the values at the ports: of any shape, or (..., n_column, n_component) if they are divided, and then with
        "gate": which microcolumns are open.
    kernels : dict of str to str
        Kernels that the thresholds replace, by port; identity unless given.
    signed : bool
        Whether the basal value is signed, and represented by an on cell and an off cell.
    counted : Quantity (s)
        Cells per value times the window.
    divided : bool
        Whether inhibition divides the products by their sum over the macrocolumn. A conductance does not.

    Returns
    -------
    Mapping
    """
    asked = surface_of(cell), readout, *(drives[port] for port in PORTS)
    replaced = [phi(kernels.get(port, "identity")) for port in PORTS]
    if divided and inhibited == "terminals":
        return map_quotient(*asked, *replaced, counted, drives["gate"])
    return map_product(*asked, *replaced, signed, counted)


def calibrate(cell, readout, inhibited, population, drives, counted):
    """Constants of the soma, and the unit rate, of a population.

    Parameters
    ----------
    cell : TwoCompartment or CalciumSpike
    readout, inhibited : str
    population : Population
        The thresholds of the cell replace its kernels.
    drives : dict of str to ndarray
        Samples of the values at the ports, any shape; with "gate" where inhibition divides the population by its own sum,
        and then of shape (..., n_column, n_component).
    counted : Quantity (s)
        Cells per value times the window.

    Returns
    -------
    dict of str to Quantity
    Quantity (Hz)
        If inhibition is a conductance: the summed output of the least driven macrocolumn.
    """
    how = population.kernels, population.signed == "basal", counted, "gate" in drives
    found = fit(cell, readout, inhibited, drives, *how)
    constants = {name: getattr(found, name) for name in ("I_s0", "I_s1", "I_d0", "I_d1")}
    if inhibited == "terminals":
        return constants, found.unit_rate
    sent = rates(surface_of(cell), readout, *found.currents(drives["basal"], drives["apical"])) * Hz
    sums = (population.inputs.get("gate", 1.0) * sent).sum(axis=(-1, -2))
    return constants, sums[sums > 0 * Hz].min()


def conductance(population, drives, counted):
    """Constants and unit rate of interneurons whose value is a conductance (nS) with a tonic minimum.

    Parameters
    ----------
    population, drives, counted
        As for `calibrate`; not used, since the scale is fixed.

    Returns
    -------
    dict of str to float
        `sigma_g`, the tonic minimum (nS).
    Quantity (Hz)
        Rate that represents 1 nS.
    """
    return {"sigma_g": TONIC}, ADAPTIVE.membrane.ceiling / LARGEST


def biophysical(readout="facilitated", cell=CELL, inhibited="terminals", of_values=None, name="biophysical"):
    """Biophysical form with a choice of read-out, cell model, and site of inhibition on L2/3 cells.

    Parameters
    ----------
    readout : {"total", "burst", "event", "facilitated"}
        Default: transmitter released by short-term facilitating synapses, the only read-out that a postsynaptic cell can
        observe.
    cell : TwoCompartment or CalciumSpike
    inhibited : {"terminals", "soma", "dendrite", "both"}
    of_values : (cell, str), optional
        Cell and read-out of L5 IT; None: those of L2/3.
    name : str

    Returns
    -------
    Form
    """
    value_cell, value_readout = of_values or (cell, readout)
    products, values = two_compartment(readout, cell, inhibited), two_compartment(value_readout, value_cell)
    drive = products.drive._replace(calibrate=rectified(products.drive.calibrate))
    of_cell = {
        "superficial": products._replace(drive=drive),
        "intratelencephalic": values,
        "tufted intratelencephalic": tufted(values, value_cell, value_readout),
    }
    if inhibited != "terminals":
        interneuron = ADAPTIVE.of_kind["fast spiking"]
        sources = {**interneuron.drive.sources, "sigma_g": (1, OF_TONIC)}
        drive = interneuron.drive._replace(calibrate=conductance, sources=sources)
        of_cell["interneuron"] = interneuron._replace(drive=drive)
    return ADAPTIVE._replace(name=name, dt=cell.dynamics.step, of_cell=of_cell, lacks=("memory", "leaky memory"))


BIOPHYSICAL = biophysical()
