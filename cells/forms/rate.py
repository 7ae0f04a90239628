"""Rate form: each cell is a leaky rate, each dendrite a leaky sum; negative rates are deviations below a baseline."""

from brian2 import ms, second

from cortical_attention.cells.forms.form import Coding, Form, Synapses
from cortical_attention.cells.membranes.rate import SIGNED

RATE = Form(
    name="rate",
    coding=Coding(paired=False, spikes=False),
    synapses=Synapses(
        dendrite="dfiltered/dt = (drive - filtered) / tau : 1",
        excitation_variable="filtered",
        effect={"excitation": "drive_post = weight * rate_pre : 1 (summed)"},  # of either sign
        relay="",
        tau_slow=5 * ms,
        tau_fast=5 * ms,
        tau_pool=5 * ms,
        sources={
            "tau_slow": "chosen: order of an AMPA current; the fixed point does not depend on it",
            "tau_fast": "chosen: as `tau_slow`",
            "tau_pool": "chosen: as the dendrite",
        },
    ),
    membrane=SIGNED,
    dt=1 * ms,  # chosen: a fifth of the shortest time constant; the fixed point does not depend on it
    settle=2 * second,  # chosen: from g = 1, Z = 1e7 is reached in 8 tau_loop = 1 s; another second leaves 1e-6 of it
)
