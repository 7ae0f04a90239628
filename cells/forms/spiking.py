"""Spiking form: integrate-and-fire somata with reset by subtraction, exponential synapses, one-signed.

The membrane integrates the rate the rule asks for, so that a cell fires once each time the integral has grown by one:
it counts, it does not average noise. A step that would need two spikes of one cell is counted in `crowded`, and fails
the run.
"""

from brian2 import Hz, ms, second

from cortical_attention.cells.forms.form import Form


def _scatter(group, uniform):
    group.v = uniform


SPIKING = Form(
    name="spiking",
    paired=True,
    spikes=True,
    dt=1 * ms,  # chosen: a third of the shortest interval at the ceiling; 0.25 ms gives the same error
    tau_soma=0 * ms,  # the membrane is a perfect integrator
    tau_slow=100 * ms,  # chosen: NMDA-like, long against the intervals, so that phi and the products see little ripple
    tau_fast=50 * ms,  # chosen: so short that a loop settles, and a token leaves a memory, in a quarter of a second
    tau_pool=10 * ms,  # chosen: a pool of many cells is smooth by itself; a short lag lets the loop settle sooner
    ceiling=300 * Hz,  # above it no cortical cell fires
    settle=2 * second,  # chosen: g falls from its start by exp(-1 / tau_loop), a factor 200 in 1.3 s, and then settles
    dendrite="dfiltered/dt = -filtered / tau : 1",
    held="filtered",
    synapse={"excitation": "filtered_post += weight", "inhibition": "filtered_post -= weight"},
    relay="v : 1",
    soma="""
        rate = unit_rate * clip(number, 0, inf) : Hz
        dv/dt = rate : 1
        count : 1     # spikes so far
        crowded : 1   # steps that needed two spikes
    """,
    threshold="v >= 1",
    reset="v -= 1; count += 1; crowded += int(v >= 1)",
    reading="count",
    crowding="two spikes of one cell in one time step",
    scatter=_scatter,
)
