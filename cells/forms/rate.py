"""Rate form: every cell is a leaky rate, every dendrite a leaky sum; signed rates are deviations from a baseline."""

from brian2 import ms, second

from cortical_attention.cells.forms.form import Form

RATE = Form(
    name="rate",
    paired=False,
    spikes=False,
    dt=1 * ms,  # chosen: a fifth of the shortest time constant; the fixed point does not depend on it
    tau_soma=10 * ms,  # chosen: order of a cortical membrane time constant; the fixed point does not depend on it
    tau_slow=5 * ms,  # chosen: order of an AMPA current; the fixed point does not depend on it
    tau_fast=5 * ms,
    tau_pool=5 * ms,  # chosen: as the dendrite
    ceiling=None,
    settle=2 * second,  # chosen: from g = 1, Z = 1e7 is reached in 8 tau_loop = 1 s; another second leaves 1e-6 of it
    dendrite="dfiltered/dt = (drive - filtered) / tau : 1",
    held="filtered",
    synapse={"excitation": "drive_post = weight * rate_pre : 1 (summed)"},  # of either sign
    relay="",
    soma="drate/dt = (unit_rate * number - rate) / tau_soma : Hz",
    threshold=None,
    reset=None,
    reading="rate",
)
