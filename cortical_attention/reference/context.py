"""Context inference: the equations of the mediodorsal circuit in plain numpy, and an observer who knows the task.

The circuit, for prefrontal cells k and relays g of one context each, rates between 0 and 1::

    tau_hold dr_k/dt  = shown_k + sigma_p noise - r_k
    drive_g           = sum_k W_gk r_k
    tau_relay dm_g/dt = clip((1 + c)/2 + gain (level drive_g / D - 1) - c u_other + sigma_m noise, 0, 1) - m_g
    tau_reticular du_g/dt = m_g - u_g
    tau_g dD/dt       = D (clip(m_1 + m_2, 0, pool_max) - 1)                     where the interneuron adapts
    dW_gk/dt          = learning (m_g - 1/2) (active_k - 1/2), 0 <= W <= 1;      active_k = [r_k > mean of r]

Prefrontal cells and their synapses advance in steps of `slow`, the rest in steps of `fast`, by Euler's rule. Where a step of
both begins, synapses change first; then prefrontal cells, drives and thalamus follow.

The observer knows the reliability p of cues and how often contexts change (hazard h), and has the posterior
P(c | cues up to now) proportional to P(cue | c) sum_c' P(c | c') P(c' | cues before), the forward algorithm of hidden Markov
models. Contexts are taken to change at random, once in 1 / h trials; an observer who counted trials would know more.
"""

import numpy as np


def rates(cues, weights, given, constants, slow, fast, trial, noise=None):
    """Rates of relays in every trial.

    Parameters
    ----------
    cues : ndarray of int, shape (n_circuit, n_trial)
        Each of 0 to n_cue - 1.
    weights : ndarray, shape (n_circuit, 2, n_cue, per_cue)
        Before learning.
    given : dict of str to ndarray, shape (n_circuit,)
        perfect (0 or 1), competition, gain, level, learning (1/s), adapts (0 or 1) and divisor.
    constants : dict of str to float
        tau_hold, sigma_p, tau_relay, sigma_m, tau_reticular, tau_g (s), pool_max and threshold.
    slow, fast, trial : float
        Time steps and length of a trial, s.
    noise : callable, optional
        noise(population, step), of mean zero and variance one: of "prefrontal", shape (n_circuit, n_cue, per_cue), and of
        "relays", shape (n_circuit, 2). None: none.

    Returns
    -------
    ndarray, shape (n_circuit, n_trial, 2)
        Means over the second half of each trial.
    """
    noise = noise or (lambda population, step: 0.0)
    W, r = weights.copy(), np.zeros(weights.shape[:1] + weights.shape[2:])
    m = np.full(weights.shape[:2], 0.5)
    u, D = m.copy(), given["divisor"][:, None].copy()
    per_slow, per_trial = round(slow / fast), round(trial / fast)
    found = np.zeros((*cues.shape, 2))
    for step in range(cues.shape[1] * per_trial):
        if step % per_slow == 0:
            W = _learnt(W, r, m, given["learning"], constants["threshold"], slow)
            shown = np.arange(r.shape[1]) == cues[:, step // per_trial, None]
            noisy = shown[..., None] + constants["sigma_p"] * noise("prefrontal", step // per_slow)
            r = r + slow / constants["tau_hold"] * (noisy - r)
            drive = np.einsum("ngck,nck->ng", W, r)
        target = _target(drive, D, u, given, constants["sigma_m"] * noise("relays", step))
        found[:, step // per_trial] += m * (step % per_trial >= per_trial // 2)
        m = m + fast / constants["tau_relay"] * (target - m)
        u = u + fast / constants["tau_reticular"] * (m - u)
        excess = np.clip(m.sum(axis=1, keepdims=True), 0, constants["pool_max"]) - 1
        D = D + given["adapts"][:, None] * fast / constants["tau_g"] * D * excess
    return found / (per_trial - per_trial // 2)


def _learnt(W, r, m, learning, threshold, dt):
    active = r > r.mean(axis=(1, 2), keepdims=True)
    change = (m - threshold)[:, :, None, None] * (active - 0.5)[:, None]
    return np.clip(W + dt * learning[:, None, None, None] * change, 0, 1)


def _target(drive, D, u, given, noisy):
    """What the rates of relays go to."""
    perfect, c, gain, level = (given[name][:, None] for name in ("perfect", "competition", "gain", "level"))
    net = (1 + c) / 2 + gain * (level * drive / D - 1) - c * u[:, ::-1] + noisy
    return np.where(perfect == 1, drive > drive[:, ::-1], np.clip(net, 0, 1))


def observer(cues, reliability, hazard):
    """Contexts that an observer who knows the task takes to be the likeliest, trial by trial.

    Parameters
    ----------
    cues : ndarray of int, shape (n_trial,)
        Cues 0 and 1 belong to context 0, cues 2 and 3 to context 1.
    reliability : float
        Probability that a cue is one of its own context, above 0 and at most 1.
    hazard : float
        Probability that the context changes from one trial to the next, between 0 and 1.

    Returns
    -------
    ndarray of int, shape (n_trial,)

    Raises
    ------
    ValueError
        For probabilities out of these bounds, or if no context can give a cue that was shown.
    """
    if not (0 < reliability <= 1 and 0 < hazard < 1):
        raise ValueError("an observer needs a reliability above 0 and at most 1, and a hazard between 0 and 1.")
    belief, said = np.array([0.5, 0.5]), []
    for own in np.asarray(cues) // 2:
        belief = (1 - hazard) * belief + hazard * belief[::-1]
        belief = belief * np.where(np.arange(2) == own, reliability, 1 - reliability)
        belief = belief / belief.sum()
        said.append(int(belief[1] > belief[0]))
    return np.array(said)
