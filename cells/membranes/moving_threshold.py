"""Two-compartment cell with a moving threshold: the other public set of constants of the cell of Naud & Sprekeler (2018).

Threshold: tau_T draised/dt = -raised, raised += jump at each spike; a spike where V_s > V_T + raised

In place of a refractory time, of which there is none, each spike raises the threshold; the back-propagated spike K is 1 from
the spike on, for 2 ms; inhibition reverses at -80 mV. All else is that of `cells.membranes.two_compartment`.

The differences are those of the public simulator Auryn (`src/auryn/NaudGroup.cpp` of fzenke/auryn, commit 19a9174). On
capacitances, time constants, couplings, adaptation and V_T it agrees with the re-implementations. Its synapses are not used
here: noise, shunts and facilitation are those of the other set. The simulations of Payeur et al. (2021; BurstPoissonGroup of
apayeur/spikingburstprop) extend that class, with bursts by chance and a refractory time of 20 ms, which are not used either.

In steps of 0.5 ms both sets have the same box K, since a spike is dated at the beginning of the step that ends above
threshold.

There is no closed form of its rate: `two_compartment.surface` measures a table. The threshold has one: after a spike it is
jump exp(-t / tau_T) above V_T.
"""

from collections import namedtuple

from brian2 import ms, mV

from cortical_attention.cells.membranes.two_compartment import COMPARTMENTS, SOURCES, TwoCompartment

AURYN = "fzenke/auryn, src/auryn/NaudGroup.cpp, commit 19a9174"
OWN = {
    "refractory": 0 * ms,
    "E_I": -80 * mV,
    "jump": 2 * mV,  # of the threshold at a spike
    "tau_T": 27 * ms,  # of its decay
}
CONSTANTS = TwoCompartment._field_defaults | OWN


class MovingThreshold(namedtuple("Constants", CONSTANTS, defaults=CONSTANTS.values())):
    """Constants of the cell, with their `sources`: those of `TwoCompartment` but for `OWN`."""

    sources = SOURCES | dict.fromkeys(OWN, AURYN)
    dynamics = TwoCompartment.dynamics._replace(
        equations=COMPARTMENTS
        + """
    K = int(t - lastspike < 2*ms + 0.5*dt) : 1            # half a step: times are not exact
    draised/dt = -raised / tau_T : volt                   # of the threshold
""",
        threshold="V_s > V_T + raised",
        reset=f"{TwoCompartment.dynamics.reset}; raised += jump",
    )
