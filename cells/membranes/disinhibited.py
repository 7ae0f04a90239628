"""Cell with two saturating dendrites, whose apical input also releases the basal dendrite from inhibition.

::

    Soma:      C_s dV_s/dt = -C_s (V_s - E_L) / tau_s + g_b (V_b - V_s) + g_a (V_d - V_s) + tonic + noise
    Basal:     C_d dV_b/dt = -C_d (V_b - E_L) / tau_d + g_b (V_s - V_b) + x (E_e - V_b) + r (E_I - V_b)
    Apical:    C_d dV_d/dt = -C_d (V_d - E_L) / tau_d + g_a (V_s - V_d) + y (E_e - V_d)
    Release:   r = max(g_r - release y, 0)

x and y are the excitatory conductances of the query and of the key. The matrix thalamus, which carries the key, excites
interneurons with vasoactive intestinal peptide; these inhibit somatostatin cells and so lift the inhibition r of the
dendrite (Williams & Holtmaat 2019; Anastasiades et al. 2021). Saturation of the dendrites, in sequence with the expansive
f-I curve of a noisy soma, makes the output nearer to a product than that of a point cell (`cells.membranes.point`).

The soma and the time constants of both dendrites are those of `cells.membranes.two_compartment`; the coupling of the
dendrites, the tonic current, the basal inhibition and its release, and the noise are ours. They were searched with a static
model on calibration sequences of other inputs. There is no closed form: `two_compartment.surface` measures a table.
"""

from collections import namedtuple

import numpy as np
from brian2 import ms, mV, nS, pA

from cortical_attention.cells.membranes.two_compartment import SOURCES, TwoCompartment

SEARCHED = "chosen: searched with a static model, for a product on calibration sequences of other inputs"
EQUATIONS = """
    dV_s/dt = -(V_s - E_L) / tau_s + (axial + tonic + closing + noise_s + shunt_s) / C_s : volt (unless refractory)
    axial = g_b * (V_b - V_s) + g_a * (V_d - V_s) : amp
    dV_b/dt = -(V_b - E_L) / tau_d + (g_b * (V_s - V_b) + {basal} + {inhibition}) / C_d : volt
    dV_d/dt = -(V_d - E_L) / tau_d + (g_a * (V_s - V_d) + {apical} + shunt_d) / C_d : volt
    x = clip(I_s, 0*amp, inf*amp) / (E_e - E_L) : siemens # of the query
    y = clip(I_d, 0*amp, inf*amp) / (E_e - E_L) : siemens # of the key
    closing = clip(I_s, -inf*amp, 0*amp) : amp             # of a closed microcolumn
    r = clip(g_r - release * y, 0*siemens, inf*siemens) : siemens
"""
INTACT = {"basal": "x * (E_e - V_b)", "apical": "y * (E_e - V_d)", "inhibition": "r * (E_I - V_b)"}
OWN = {
    "E_e": 0 * mV,
    "E_I": -70 * mV,
    "g_b": 31.7 * nS,
    "g_a": 109 * nS,
    "g_r": 53.9 * nS,
    "release": 3.4,
    "tonic": -600 * pA,
    "sigma": 600 * pA,
    "b": 0 * pA,
}
CONSTANTS = TwoCompartment._field_defaults | OWN


class Disinhibited(namedtuple("Constants", CONSTANTS, defaults=CONSTANTS.values())):
    """Constants of the cell, with their `sources`; those of the plateau are not used.

    Currents I_s and I_d stand for conductances x and y: each is the current that its conductance draws at rest.
    """

    sources = SOURCES | {
        **dict.fromkeys(("g_b", "g_a", "g_r", "release", "sigma"), SEARCHED),
        "E_e": "chosen: reversal of AMPA and NMDA",
        "E_I": "chosen: inhibition reverses at rest",
        "tonic": f"{SEARCHED}; it stands for a threshold that is 10 mV farther from rest",
        "b": "chosen: none, as in `cells.membranes.point`",
    }
    dynamics = TwoCompartment.dynamics._replace(
        equations=EQUATIONS.format(**INTACT),
        reset="V_s = E_L",
        step=0.25 * ms,  # chosen: a third of the time constant of a loaded apical dendrite
        basal=np.linspace(0, 6300, 46),  # chosen: up to 90 nS
        apical=np.linspace(0, 6300, 46),
    )


def _changed(**parts):
    """Dynamics of which some terms are others."""
    return Disinhibited.dynamics._replace(equations=EQUATIONS.format(**INTACT | parts))


class Linear(Disinhibited):
    """Control: excitation is a current, so that dendrites do not saturate."""

    dynamics = _changed(basal="x * (E_e - E_L)", apical="y * (E_e - E_L)")


class Subtracted(Disinhibited):
    """Control: the inhibition that apical input releases is a current, that of a dendrite at the threshold of the soma."""

    dynamics = _changed(inhibition="r * (E_I - V_T)")


class ReleasedOnly(Disinhibited):
    """Control: apical input releases the basal dendrite from inhibition and excites nothing."""

    dynamics = _changed(apical="0 * y * (E_e - V_d)")


CONTROLS = {
    "release removed": Disinhibited(release=0.0, g_r=27 * nS),  # half the inhibition of the intact cell, always
    "release of a current": Subtracted(),
    "linear dendrites": Linear(),
    "no apical excitation": ReleasedOnly(),
}
