"""Rate form under Dale's law: rates are never negative, each synapse has one sign, and inhibition subtracts.

An on cell and an off cell, each rectified, represent a signed value. Inhibition reaches a dendrite through inhibitory relay
cells in the target structure, one per source cell, with a membrane of their own. In the steady state neither changes the
value: clip(x, 0, inf) - clip(-x, 0, inf) = x, and a relay reproduces the rate that it receives.
"""

from brian2 import ms

from cortical_attention.cells.forms.form import Coding
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.membranes.rate import RECTIFIED

DALE = RATE._replace(name="dale", coding=Coding(paired=True, spikes=False), membrane=RECTIFIED).with_synapses(
    dendrite="""
        dfiltered/dt = (drive - inhibition - filtered) / tau : 1
        inhibition : 1   # summed over the inhibitory synapses
    """,
    effect={
        "excitation": "drive_post = weight * rate_pre : 1 (summed)",
        "inhibition": "inhibition_post = weight * rate_pre : 1 (summed)",
    },
    relay="""
        drate/dt = (received - rate) / tau_relay : Hz
        received : Hz   # summed over the synapses
    """,
    constants={"tau_relay": 5 * ms},
    sources={"tau_relay": "chosen: a fast-spiking membrane; the fixed point does not depend on it"},
)
