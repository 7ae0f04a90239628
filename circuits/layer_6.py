"""Layer 6 above a relay nucleus: it depolarises relays, excites the reticular nucleus, and hears the relays in turn.

::

    driver        -> relay_i        "i -> i"        AMPA, depressing
    layer_6_i     -> relay_i        "i -> i"        metabotropic: closes the potassium leak, slowly
    layer_6_i     -> reticular_i    "i -> i"        AMPA
    relay_i       -> layer_6_i      "i -> i"        AMPA; the loop
    relay_i       -> reticular_i    "i -> i"        AMPA
    reticular_j   -> relay_i        "j, ij -> i"    GABA_A, depressing, the same from each channel

Layer 6 cells end on relays of their own column, on metabotropic receptors that close a potassium leak for as long as
seconds, and on reticular cells (Sherman & Guillery 1998 and McCormick & von Krosigk 1992, both as remembered, not read).
What drives them here is a current: the light of Mease, Krieger & Groh 2014 (abstract read). Circuits lie side by side, and
the strength of each projection is one of each circuit.
"""

from typing import NamedTuple

import numpy as np
from brian2 import Quantity, ms, mV

from cortical_attention.cells.membranes.fire_or_burst import FIRE_OR_BURST
from cortical_attention.cells.membranes.reticular import RETICULAR
from cortical_attention.cells.membranes.thalamic import CONDUCTANCE, DENSITY, holding
from cortical_attention.cells.short_term import ShortTerm
from cortical_attention.circuits.nucleus import AMPA, GABA_A, POTASSIUM, Nucleus, Projection, Receptor, between

PYRAMIDAL = FIRE_OR_BURST.changed(g_T=0 * CONDUCTANCE)  # a leaky integrate-and-fire cell
METABOTROPIC = Receptor("metabotropic", POTASSIUM, 150 * ms)  # chosen: in place within the 200 ms of Mease et al.
TIRING = ShortTerm(U=0.3, tau_f=1 * ms, tau_d=150 * ms)  # chosen: inhibition that depresses, so that it is transient
N_LAYER_6, N_RETICULAR = 8, 2  # chosen: cells of a channel
REST = -85 * mV  # chosen: of reticular cells, where they are silent without input; at -78 mV noise makes them burst


class Strengths(NamedTuple):
    """Conductances that a channel brings with one spike of each of its cells, mS/cm2, each of shape (n_circuit,).

    Attributes
    ----------
    relay : ndarray
        Potassium leak of relays that layer 6 closes.
    reticular : ndarray
        From layer 6 to reticular cells.
    loop : ndarray
        From relays to layer 6.
    inhibition : ndarray
        From all reticular cells of a circuit to each of its relays.
    drive : ndarray
        From relays to reticular cells.
    """

    relay: np.ndarray
    reticular: np.ndarray
    loop: np.ndarray
    inhibition: np.ndarray
    drive: np.ndarray


def layer_6_circuit(relay, light, strengths, n_channel, n_relay, tone=None, plasticity=TIRING):
    """Nuclei and projections of circuits side by side.

    Parameters
    ----------
    relay : Nucleus
        Named "relay", its cells in C order of circuit, channel and cell.
    light : Quantity (A / m**2), shape (n_slot, n_circuit)
        Current into the cells of layer 6.
    strengths : Strengths
    n_channel, n_relay : int
        Channels of a circuit, relay cells of a channel.
    tone : Quantity (A / m**2), optional
        Current into the reticular cells; None: they rest at `REST`.
    plasticity : ShortTerm or None
        Of inhibition.

    Returns
    -------
    nuclei : list of Nucleus
        "relay", "layer_6" and "reticular".
    projections : list of Projection
    """
    n_circuit = light.shape[1]
    cells = np.repeat(np.asarray(light / DENSITY), n_channel * N_LAYER_6, axis=1) * DENSITY
    at_rest = holding(RETICULAR, REST) if tone is None else tone
    nuclei = [
        relay,
        Nucleus("layer_6", PYRAMIDAL, n_circuit * n_channel * N_LAYER_6, cells, sigma=4 * mV),
        Nucleus("reticular", RETICULAR, n_circuit * n_channel * N_RETICULAR, at_rest, sigma=2 * mV),
    ]
    own, all_alike = np.eye(n_channel), np.full((n_channel, n_channel), 1 / n_channel)

    def joined(pattern, strength, n_target, n_source):
        made = between(pattern * CONDUCTANCE, n_target, n_source, n_circuit)
        weights = np.asarray(made[2] / CONDUCTANCE) * strength[made[0] // (n_channel * n_target)]
        kept = weights != 0
        return made[0][kept], made[1][kept], Quantity(weights[kept]) * CONDUCTANCE

    projections = [
        Projection("layer_6", "relay", joined(-own, strengths.relay, n_relay, N_LAYER_6), METABOTROPIC),
        Projection("layer_6", "reticular", joined(own, strengths.reticular, N_RETICULAR, N_LAYER_6), AMPA),
        Projection("relay", "layer_6", joined(own, strengths.loop, N_LAYER_6, n_relay), AMPA),
        Projection("relay", "reticular", joined(own, strengths.drive, N_RETICULAR, n_relay), AMPA),
        Projection(
            "reticular", "relay", joined(all_alike, strengths.inhibition, n_relay, N_RETICULAR), GABA_A, plasticity
        ),
    ]
    return nuclei, [each for each in projections if each.weights[0].size]
