"""Rate form under Dale's law: rates are never negative, synapses keep one sign, and what is subtracted is inhibition.

A signed number stands on a pair of an on cell and an off cell, each rectified. Inhibition reaches a dendrite through
relay cells of its own structure, one a source cell, with a membrane of their own. In the steady state both leave the
number as it was: clip(x, 0, inf) - clip(-x, 0, inf) = x, and a relay holds the rate that it receives.
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
    constants={"tau_relay": 5 * ms},  # chosen: a fast-spiking membrane; the fixed point does not depend on it
)
