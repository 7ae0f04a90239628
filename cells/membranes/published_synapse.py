"""Two-compartment cell whose facilitating synapse has published constants, in place of those chosen for this project.

::

    Between spikes   du/dt = (U - u) / tau_f,   dx/dt = (1 - x) / tau_d
    At a spike       u x is released, then x -> x - u x and u -> u + jump (1 - u)

The constants are those of the facilitating synapse in public code of the authors' group that reproduces figure 1 of Naud &
Sprekeler (2018): `set_Facilitating_connection` in simulations of apayeur/spikingburstprop has U = 0.02 (`ujump`), a jump of
0.1 (`f`), and 100 ms for either time constant; so has `sim_transmitbursts.cpp` there (commit 4d50408). The order at a
spike, and u returning to U, are those of its connection class (`STPeTMConnection`, an extended Tsodyks-Markram synapse for
the simulator Auryn). A rested synapse releases U, a fiftieth, and depression takes resources away from a long burst. All
else is the cell of `cells.membranes.two_compartment`, whose synapse (U 0.9, 20 ms, nothing at rest, no depression) passes
the later spikes of a burst almost alone.

Between spikes u and x are not needed, so they are kept as they were after the last one.
"""

from collections import namedtuple

import numpy as np
from brian2 import ms

from cortical_attention.cells.membranes.two_compartment import SOURCES, TwoCompartment

AURYN = "apayeur/spikingburstprop: facilitating synapse of the code that reproduces figure 1 of Naud & Sprekeler (2018)"
OWN = {
    "U": 0.02,  # released by a rested synapse
    "jump": 0.1,  # of u at a spike, as a share of what is left
    "tau_f": 100 * ms,
    "tau_d": 100 * ms,  # recovery of the resources
}
CONSTANTS = TwoCompartment._field_defaults | OWN
USE, RESOURCES = "(U + (u - U) * exp((last - t) / tau_f))", "(1 - (1 - x) * exp((last - t) / tau_d))"


class PublishedSynapse(namedtuple("Constants", CONSTANTS, defaults=CONSTANTS.values())):
    """Constants of the cell, with their `sources`: those of `TwoCompartment` but for `OWN`."""

    sources = SOURCES | dict.fromkeys(OWN, AURYN)
    dynamics = TwoCompartment.dynamics._replace(
        equations=f"{TwoCompartment.dynamics.equations}\n x : 1   # resources of the synapses it makes, at the last spike",
        released=f"{USE} * {RESOURCES}",
        book=f"""
    u = {USE}
    x = {RESOURCES}
    x -= u * x
    u += jump * (1 - u)
    bursting = close
    last = t
""",
    )


def steady_release(cell, rate):
    """Release at each spike of a regular train, once it is steady.

    ::

        u = (U (1 - e) + jump e) / (1 - (1 - jump) e),  e = exp(-1 / (rate tau_f));   x = (1 - d) / (1 - (1 - u) d),
        d = exp(-1 / (rate tau_d))

    Parameters
    ----------
    cell : PublishedSynapse
    rate : float or ndarray
        Hz, above zero; a number without a Brian2 unit.

    Returns
    -------
    float or ndarray
        u x, in the shape of the rate.
    """
    kept, left = (np.exp(-1 / (rate * float(tau))) for tau in (cell.tau_f, cell.tau_d))
    u = (cell.U * (1 - kept) + cell.jump * kept) / (1 - (1 - cell.jump) * kept)
    return u * (1 - left) / (1 - (1 - u) * left)
