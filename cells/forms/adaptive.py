"""Adaptive form: leaky integrate-and-fire cells with refractory time, adaptation and noise, on conductance synapses.

The rule of a cell type gives the target rate; the input current for it is read from an f-I curve measured on the same
membrane (`cells.membranes.leaky`, `cells.membranes.f_i`). Dendrites have conductance synapses, and their voltage saturates:

filtered = (E - I) / (1 + c (E + r I))

E and I are the excitatory and inhibitory drives, in values; c is the excitatory conductance of the value one relative to the
leak; r is the ratio of the driving forces of excitation and inhibition (inhibition needs r times the conductance for the
same value). The shunt divides by the conductance itself and does not saturate. Inhibitory relays repeat each spike.
"""

from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.membranes.leaky import FAST_SPIKING, PYRAMIDAL

DRIVING_FORCE = 70.0, 15.0  # of excitation and of inhibition, in mV from rest

ADAPTIVE = SPIKING._replace(
    name="adaptive",
    membrane=PYRAMIDAL,  # relay cells are taken to have that of pyramidal cells
    of_kind={"fast spiking": FAST_SPIKING},
).with_synapses(
    dendrite="""
        filtered = (excited - inhibited) / (1 + conductance * (excited + ratio * inhibited)) : 1
        dexcited/dt = -excited / tau : 1
        dinhibited/dt = -inhibited / tau : 1
        conductance : 1 (constant)   # c, zero where a dendrite does not saturate
    """,
    excitation_variable="excited",
    effect={"excitation": "excited_post += weight", "inhibition": "inhibited_post += weight"},
    constants={"ratio": DRIVING_FORCE[0] / DRIVING_FORCE[1]},
    conductance=0.001,
    unsaturated=("shunt", "gate"),
    sources={
        "ratio": "from rest at -70 mV: excitation at 0, inhibition at -85 mV (chosen: between GABA_A and K+)",
        "conductance": "chosen in pilot runs, so that saturation does not outweigh all else; see `attribution`",
    },
)
