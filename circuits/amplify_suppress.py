"""Two pools of prefrontal cortex that hold opposite rules, and two populations of mediodorsal thalamus.

::

    cue_i      -> prefrontal_i.dendrite             pulses in favour of rule i
    prefrontal -> prefrontal.dendrite   "i -> i"    recurrent excitation, w
    prefrontal -> prefrontal.soma       "i -> j"    inhibition of the other pool, m
    prefrontal -> d2, grik4             "i -> "     conflict 4 x_1 x_2 and activity x_1 + x_2
    d2         -> vip -> prefrontal.dendrite        disinhibition: the dendrites count 1 + vip times
    grik4      -> pv  -> prefrontal.soma            subtraction

::

    tau dx_i/dt = -x_i + (1 - saturation x_i) f((1 + vip) (w x_i + cue_i) - m x_j - pv + noise_i)

where f is linear between zero and a ceiling, and constant beyond.

After Mukherjee, Lam, Wimmer & Halassa (2021, Nature 600:100; read: abstract, legends of figures 3 and 4 and of Extended Data
figure 8): mediodorsal cells with the dopamine receptor D2 amplify through interneurons with VIP, those with the kainate
receptor GRIK4 suppress through interneurons with PV; in their model conflict excites GRIK4 cells and silences D2 cells, and
amplification is a gain of the pools. Equations and parameters are ours. The interneurons between those with VIP and the
dendrites are part of the gain 1 + vip.

Each population is one rate cell, whose largest rate is one; every trial has a circuit of its own.
"""

from typing import NamedTuple

from brian2 import ms

TAU_FAST = 10 * ms  # interneurons; chosen: a membrane of PV cells
TAU_NOISE = 20 * ms  # chosen: a membrane of pyramidal cells
LARGEST = 2  # mediodorsal cells saturate at twice the rate that counts as one; chosen: so that a signal can double it


class Parameters(NamedTuple):
    """Parameters of circuits, each a number or an array with one entry for each circuit.

    Attributes
    ----------
    w, m : excitation of a pool by itself, inhibition by the other pool
    cue : input of a pulse
    a : gain that D2 cells of rate one add
    c : input that GRIK4 cells of rate one take away
    sigma : standard deviation of the noise of each pool
    tau, tau_md : time constants of pools and of mediodorsal cells, ms
    bound : difference of the pools at which a choice is made for good; inf: at the end of the trial
    reading : standard deviation of the noise of a choice at the end
    d2, d2_conflict, d2_activity : input of D2 cells: constant, for each unit of conflict, and of activity
    grik4, grik4_conflict, grik4_activity : that of GRIK4 cells
    saturation : share of the synapses of a pool that is not free while it fires at its largest rate
    ceiling : largest input of a pool
    """

    w: float
    m: float
    cue: float
    a: float
    c: float
    sigma: float
    tau: float
    tau_md: float
    bound: float
    reading: float
    d2: float = 1.0
    d2_conflict: float = 0.0
    d2_activity: float = 0.0
    grik4: float = 1.0
    grik4_conflict: float = 0.0
    grik4_activity: float = 0.0
    saturation: float = 0.0
    ceiling: float = 1.0


SIGNALS = """
input_1 = gain * (w * x_1 + cue * pulse_1(t, trial)) - m * x_2 - r_pv + noise_1 : 1
input_2 = gain * (w * x_2 + cue * pulse_2(t, trial)) - m * x_1 - r_pv + noise_2 : 1
gain = 1 + r_vip : 1
conflict = 4 * x_1 * x_2 : 1   # one where both pools are at half of their largest rate
activity = x_1 + x_2 : 1
"""
NOISES = """
dnoise_1/dt = (-noise_1 + sigma * sqrt(2 * tau_noise / dt - 1) * noise(trial, t_in_timesteps, stream)) / tau_noise : 1
dnoise_2/dt = (-noise_2 + sigma * sqrt(2 * tau_noise / dt - 1) * noise(trial, t_in_timesteps, stream + 1)) / tau_noise : 1
"""
DRIVES = {  # what each population is driven to, and the time constant with which it follows
    "x_1": ("(1 - saturation * x_1) * clip(input_1, 0, ceiling)", "tau"),
    "x_2": ("(1 - saturation * x_2) * clip(input_2, 0, ceiling)", "tau"),
    "r_vip": ("a * r_d2", "tau_fast"),
    "r_pv": ("c * r_grik4", "tau_fast"),
    "r_d2": ("d2_works * clip(d2 + d2_conflict * conflict + d2_activity * activity, 0, largest)", "tau_md"),
    "r_grik4": (
        "grik4_works * clip(grik4 + grik4_conflict * conflict + grik4_activity * activity, 0, largest)",
        "tau_md",
    ),
}
CHOSEN = "chosen : 1  # 1 or -1 once the difference of the pools has reached the bound"
COMMITMENT = "chosen == 0 and abs(x_1 - x_2) > bound", "chosen = 2 * int(x_1 > x_2) - 1"  # threshold and reset
TIMES = "tau", "tau_md"  # parameters in ms
