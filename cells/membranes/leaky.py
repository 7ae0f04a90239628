"""Leaky integrate-and-fire cell with refractory time, adaptation and noise, driven by a current.

::

    tau_m dv/dt = current - v - w + noise      v from rest (0) to threshold (1), a distance of about 20 mV
    tau_w dw/dt = -w, w += b at each spike     spike-frequency adaptation

The current for a target rate is read from the f-I curve of the cell (`cells.membranes.f_i`); a target beyond the curve fails
the run.
"""

from brian2 import Hz, ms

from cortical_attention.cells.membranes.f_i import BEYOND_THE_TABLE, BY_CURRENT
from cortical_attention.cells.membranes.integrator import INTEGRATOR
from cortical_attention.cells.membranes.membrane import Membrane

PYRAMIDAL = Membrane(
    """
    dv/dt = (current - v - w + sigma * sqrt(2 * tau_m / dt) * white) / tau_m : 1 (unless refractory)
    white = noise(i, t_in_timesteps, stream) : 1   # of variance one, new each step
    dw/dt = -w / tau_w : 1
    """,
    threshold="v > 1",
    reset="v = 0; w += b",
    constants={
        "tau_m": 20 * ms,  # of the membrane
        "tau_w": 100 * ms,  # of adaptation
        "b": 0.05,  # adaptation by one spike, in units of the distance from rest to threshold
        "sigma": 0.2,  # standard deviation of v that the noise causes, in the same units
        "refractory": 2 * ms,
    },
    sources={
        "tau_m": "pyramidal cells, mouse; chosen: Naud & Sprekeler 2018 have 16 ms",
        "tau_w": "Naud & Sprekeler 2018: spike-triggered adaptation",
        "b": "chosen: at 50 Hz a quarter of the way to threshold",
        "sigma": "chosen: 4 mV of 20 mV, as in vivo (Destexhe, Rudolph & Pare 2003)",
        "refractory": "chosen: order of an action potential",
        "ceiling": "chosen: a third of the table, so that what noise adds to a drive stays within it",
    },
    drive=BY_CURRENT,
    refractory="refractory",
    start=INTEGRATOR.start,
    limit=BEYOND_THE_TABLE,
    ceiling=100 * Hz,
    noisy=True,
)
FAST_SPIKING = PYRAMIDAL.changed(
    tau_m=10 * ms,
    b=0.0,
    sources={
        "tau_m": "chosen: parvalbumin-like cells are fast",
        "b": "chosen: parvalbumin-like cells are without adaptation",
    },
)
