"""Cells of prefrontal cortex and its thalamus as rates: prefrontal cells, mediodorsal relays, reticular cells, interneurons.

Rates are stated relative to the highest rate of a cell, so that they have no unit and lie between 0 and 1.

PREFRONTAL
    A cell hears its own cue, and its rate outlasts the cue by `tau_hold`::

        tau_hold dr/dt = shown + sigma_p noise - r

RELAY
    What prefrontal synapses bring, divided by an interneuron, less what reticular cells take away, between two bounds::

        tau_relay dm/dt = clip(tonic + gain (level drive / divisor - 1) - competition inhibition + sigma_m noise, 0, 1) - m

    With `perfect` set to one it is told whether its drive is the larger one: no circuit, but what circuits are held against.
RETICULAR
    tau_reticular du/dt = m - u, the rate of the relay that drives it.
NORMALISER
    tau_g dg/dt = adapts g (clip(m_1 + m_2, 0, pool_max) - 1), the integrating interneuron of `cells.interneuron`: it hears
    the rates of relays alone, and divides them until they sum to one. With `adapts` zero its rate stays as it is set.

Tonic drive is (1 + competition) / 2, so that relays whose drives are alike are half active, whatever the strength of
inhibition. If it is stronger than one, that state is unstable, and one relay silences the other (`takeover`).
"""

import numpy as np
from brian2 import ms, second

N_GROUP = 2  # groups of relays, one for each context; a rate cell stands for a group

CONSTANTS = {
    "tau_hold": 1 * second, "sigma_p": 0.05,
    "tau_relay": 20 * ms, "sigma_m": 0.05,
    "tau_reticular": 10 * ms,
    "tau_g": 320 * ms, "pool_max": 3.0,
    "threshold": 0.5,
}  # fmt: skip
SOURCES = {
    "tau_hold": "chosen: three trials of 300 ms; cues that follow each other within that time are taken to belong together",
    "sigma_p": "chosen: of the highest rate, anew in each step of prefrontal cells",
    "tau_relay": "chosen: membrane time constant of thalamic cells, 10 to 60 ms",
    "sigma_m": "chosen: of the highest rate, anew in each step of relays",
    "tau_reticular": "chosen: the decay of GABA_A inhibition",
    "tau_g": "chosen: four lags of the loop, whose gain is that of relays (4): critically damped (`cells.interneuron`)",
    "pool_max": "as in `cells.interneuron`",
    "threshold": "chosen: the mean rate of relays, so that what one of them gains the other loses",
}

PREFRONTAL = """
    dr/dt = (shown(t, cue) + sigma_p * noise(i, t_in_timesteps, stream) - r) / tau_hold : 1
    average : 1 (linked)          # of the prefrontal cells, from their interneuron
    cue : integer (constant)
    active : 1                    # 1 above the average, 0 below
"""
ACTIVITY = "active = int(r > average)"
MEAN = "average : 1"
RELAY = """
    dm/dt = (target - m) / tau_relay : 1
    target = perfect * int(drive > other) + (1 - perfect) * clip(net, 0, 1) : 1
    net = (1 + competition) / 2 + gain * (level * drive / divisor - 1) - competition * inhibition + noisy : 1
    noisy = sigma_m * noise(twin, t_in_timesteps, stream) : 1   # the same in relays of one session in all circuits
    dheard/dt = m * int(t_in_timesteps % per_trial >= per_trial // 2) / second : 1   # over the second half of each trial
    drive : 1 (linked)            # of its dendrite
    other : 1 (linked)            # drive of the other group, for the perfect winner alone
    divisor : 1 (linked)          # rate of the interneuron
    inhibition : 1 (linked)       # rate of the reticular cell of the other group
    twin : integer (constant)
    perfect : 1 (constant)
    competition : 1 (constant)    # of reticular inhibition
    gain : 1 (constant)
    level : 1 (constant)          # of prefrontal rates, relative to those that the divisor was set to
"""
DENDRITE = """
    drive : 1                     # sum over prefrontal cells of weight times rate
    back : 1                      # rate of its relay, as synapses on the dendrite know it
    m : 1 (linked)
    learning : Hz (constant)      # rate of plasticity
"""
BACK = "back = m"
RETICULAR = """
    du/dt = (m - u) / tau_reticular : 1
    m : 1 (linked)
"""
NORMALISER = """
    dg/dt = adapts * g * (clip(m_1 + m_2, 0, pool_max) - 1) / tau_g : 1
    m_1 : 1 (linked)
    m_2 : 1 (linked)
    adapts : 1 (constant)
"""
SYNAPSE = """
    weight : 1
    drive_post = weight * r_pre : 1 (summed)
"""
PLASTICITY = "weight = clip(weight + learning_post * (back_post - threshold) * (active_pre - 0.5) * dt, 0, 1)"
"""Hebbian: it grows where relay and prefrontal cell are both active or both silent, and shrinks where one of them is alone.
A prefrontal cell counts as active if it is above the mean of all. The form (m - 1/2) (active - 1/2) is that of Zheng et al.
(2024) as far as we know it at second hand; the mean as a threshold is ours."""


def takeover(gain, competition):
    """Smallest advantage of the losing relay at which it takes over, relative to the mean drive.

    With rates (1, 0) the winner stays at its ceiling while gain a > -(competition - 1) / 2, and the loser stays silent while
    gain a < (competition - 1) / 2, where its drive is 1 + a and that of the winner 1 - a, divided by their mean.

    Parameters
    ----------
    gain, competition : float
        Competition of one or more; below that both relays are active where their drives are alike.

    Returns
    -------
    float
        (competition - 1) / (2 gain).

    Raises
    ------
    ValueError
        For weaker inhibition.
    """
    if competition < 1:
        raise ValueError(f"competition is {competition:g}, but a relay silences another only from 1 on.")
    return (competition - 1) / (2 * gain)


def graded(share, gain):
    """Rates of relays without reticular inhibition, in the steady state (ndarray): clip(1/2 + gain (share - 1), 0, 1).

    Parameters
    ----------
    share : ndarray
        Drive of each relay over the mean drive.
    gain : float
        One half: rates in proportion to drives, whose sum is one, as the weights of linear attention.
    """
    return np.clip(0.5 + gain * (np.asarray(share) - 1), 0, 1)
