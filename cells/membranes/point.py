"""Point cell without dendrites, with noise and so an expansive f-I curve: the null of claims that a dendrite multiplies.

C_s dV_s/dt = -C_s (V_s - E_L) / tau_s + I_s + I_d + noise, with a threshold, a reset and a refractory time

Both inputs are currents into the one compartment, so that the rate is a function of their sum. With noise of 300 pA that
function rises like a power of the depolarisation while rates are low (Miller & Troyer 2002; Hansel & van Vreeswijk 2002). A
pair of such cells, with opposite basal input, multiplies as far as (a + v)^2 - (a - v)^2 = 4 a v does.

The soma is that of `cells.membranes.two_compartment` without adaptation. There is no closed form of the rate under coloured
noise: `two_compartment.surface` measures a table.
"""

from collections import namedtuple

import numpy as np
from brian2 import pA

from cortical_attention.cells.membranes.two_compartment import SOURCES, TwoCompartment

NO_ADAPTATION = "chosen: none, since adaptation makes the f-I curve straighter"
CONSTANTS = TwoCompartment._field_defaults | {"b": 0 * pA}


class Point(namedtuple("Constants", CONSTANTS, defaults=CONSTANTS.values())):
    """Constants of the cell, with their `sources`; those of the dendrite are not used."""

    sources = SOURCES | {"b": NO_ADAPTATION}
    dynamics = TwoCompartment.dynamics._replace(
        equations="""
    dV_s/dt = -(V_s - E_L) / tau_s + (I_s + I_d + noise_s + shunt_s) / C_s : volt (unless refractory)
    V_d : volt                                            # there is no dendrite
""",
        reset="V_s = E_L",
        basal=np.linspace(-700, 500, 41),  # chosen: from silence to 50 Hz, in steps of a third of what noise smooths
        apical=np.linspace(-700, 500, 41),
    )
