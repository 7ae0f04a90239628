"""Spiking form: integrate-and-fire somata with reset by subtraction, and exponential synapses of one sign.

The membrane integrates the target rate given by the rule (`cells.membranes.integrator`), without noise: its spike count is
correct to one spike.
"""

from brian2 import ms, second

from cortical_attention.cells.forms.form import Coding, Form, Synapses
from cortical_attention.cells.membranes.integrator import INTEGRATOR

SPIKING = Form(
    name="spiking",
    coding=Coding(paired=True, spikes=True),
    synapses=Synapses(
        dendrite="dfiltered/dt = -filtered / tau : 1",
        excitation_variable="filtered",
        effect={"excitation": "filtered_post += weight", "inhibition": "filtered_post -= weight"},
        relay="v : 1",
        tau_slow=100 * ms,
        tau_fast=50 * ms,
        tau_pool=10 * ms,
        sources={
            "tau_slow": "chosen: NMDA-like, long against the intervals, so that phi and the products see little ripple",
            "tau_fast": "chosen: so short that a loop settles, and a token leaves a memory, in a quarter of a second",
            "tau_pool": "chosen: a pool of many cells is smooth by itself; a short lag lets the loop settle sooner",
        },
    ),
    membrane=INTEGRATOR,
    dt=1 * ms,  # chosen: a third of the shortest interval at the ceiling; 0.25 ms gives the same error
    settle=2 * second,  # chosen: g falls from its start by exp(-1 / tau_loop), a factor 200 in 1.3 s, and then settles
)
