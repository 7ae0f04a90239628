"""Travelling waves as temporal context: softmax attention, its scores times the cosine of a difference in phase.

::

    higher-order nucleus        x~_i = sum_h W_O sum_j kappa_ij v_j
            ^                   L5 and its inhibition as in `circuits.softmax`
    tufts of L5                 average over a cycle:  s_ij = 1/2 q_i.k_j cos(theta_i - theta_j) / sqrt(d_key)
            ^ sum over k
    L2/3                        k_jk cos(w t + theta_j) q_ik cos(w t + theta_i)
    ------------------------------------------------------------------
    core                        x_i cos(w t + theta_i)      a wave: the phase theta tells the place of a token in time
    matrix                      x_j cos(w t + theta_j)      the same wave
    matrix cells without wave   x_j                         reach L5a, for values (`values`)

The paper has one sentence on this: context in time could be carried by travelling waves, most straightforwardly thalamic
ones (Granier & Senn 2025, section 6). That the phase of a carrier tells the place, the formula of the score and the matrix
cells without wave are ours. Values that took part in the wave would average to zero.

A product of two cosines is half the cosine of their difference in phase plus a ripple of twice the frequency of the wave,
which the slow apical dendrite of the tufts takes away. What a token adds to others in time is a matter of gates: a closed
microcolumn (`mask`) is one of the future. A token that is silent instead would weigh exp(0) = 1.

Before they are multiplied both carriers pass a soma of thalamus and a dendrite of L2/3, which hold and low-pass them. Both
are delayed alike, which leaves their difference in phase as it is, and weakened alike: `kept` says how much is left, and
the weights W_Q and W_K are divided by that. The dendrites of L2/3 have fast synapses, so that this is no large factor.
"""

from typing import NamedTuple

import numpy as np
from brian2 import Hz, Quantity, ms, second

from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.superficial import SUPERFICIAL
from cortical_attention.cells.tuft import AVERAGING, TUFTED
from cortical_attention.circuits.protocol import Protocol
from cortical_attention.circuits.softmax import softmax_wiring
from cortical_attention.wiring.expressions import WiringError

PER_CYCLE = 25  # chosen: phases of a cycle, at least; a cosine in such steps loses 0.3 %, which `kept` counts
LONGEST = 2 * ms  # chosen: phases of slower waves are no longer, so that the mean over samples is the mean over a cycle
LEAST = 8  # chosen: with fewer phases a cycle is no cosine any more
FAST = SUPERFICIAL._replace(fast=("basal", "apical", "shunt"))


class Lags(NamedTuple):
    """What low-passes a carrier on its way from the input of a nucleus to the product in L2/3.

    Attributes
    ----------
    soma, dendrite, relay : Quantity (s)
        Time constants of the soma of a relay cell of thalamus, of a dendrite with fast synapses, and of the inhibitory
        relays that weights of one sign take, 0 where there is none.
    exact : bool
        Whether the dendrite decays exactly from step to step, as that of spikes does; otherwise by Euler's rule.
    """

    soma: Quantity
    dendrite: Quantity
    relay: Quantity = 0 * second
    exact: bool = False


def lags_of(form):
    """Lags of a form (Lags)."""
    relay = form.synapses.constants.get("tau_relay", 0 * second)
    return Lags(form.membrane.lag, form.synapses.tau_fast, relay, form.spikes)


def kept(lags, cycle, phase, dt):
    """Share of the amplitude of a carrier that reaches the product.

    |(1 + H_relay) / 2| |H_soma| |H_dendrite| |H_hold| at the frequency of the carrier. A low-pass that decays by the factor
    r from step to step has H = (1 - r) / (exp(i w dt) - r), with r = 1 - dt / tau by Euler's rule. An input that is held
    for n steps has |H| = sin(n w dt / 2) / (n sin(w dt / 2)). Under Dale's law on and off cells are active in turn, and of
    a cell's signed drive one half takes a relay: the fundamental of on - H_relay off is (1 + H_relay) / 2 of that of
    on - off. (The even harmonics that this leaves are not counted.)

    Parameters
    ----------
    lags : Lags
    cycle : int
        Phases of a cycle.
    phase, dt : Quantity (s)

    Returns
    -------
    float
    """
    n_step = round(float(phase / dt))
    turn = 2 * np.pi / (cycle * n_step)  # in a time step

    def low_pass(tau, exact=False):
        left = float(dt / tau) if tau > 0 * second else 1.0
        r = np.exp(-left) if exact else 1 - left
        return (1 - r) / (np.exp(1j * turn) - r)

    held = np.sin(n_step * turn / 2) / (n_step * np.sin(turn / 2))
    relayed = (1 + low_pass(lags.relay)) / 2 if lags.relay > 0 * second else 1.0
    return float(abs(relayed * low_pass(lags.soma) * low_pass(lags.dendrite, lags.exact) * held))


def waves_wiring(
    times, tokens, W_Q, W_K, W_V, W_O, *, token_phase, context_phase=None, carrier=10 * Hz, lags=None,
    context=None, b_V=None, mask=None,
):  # fmt: skip
    """Circuit and protocol of softmax attention with a travelling wave.

    Parameters
    ----------
    times, tokens, W_Q, W_K, W_V, W_O, context, b_V, mask
        As in `circuits.mask.mask_wiring`. Queries and keys have no biases, which would not take part in the wave.
    token_phase : ndarray, shape (n_token,) or (batch, n_token)
        Phase of the wave at each macrocolumn, theta_i (rad).
    context_phase : ndarray, shape (n_context,) or (batch, n_context), optional
        theta_j of each context token; None: that of the tokens.
    carrier : Quantity (Hz)
        Frequency of the wave, rounded so that a cycle is a whole number of phases.
    lags : Lags, optional
        Of the form in which the circuit runs (`lags_of`); None: the rate form.

    Returns
    -------
    Plan

    Raises
    ------
    WiringError
        For phases of another number than that of the tokens, or a carrier that is too fast for the time step.
    """
    context_phase = token_phase if context_phase is None else context_phase
    _check_phases(token_phase, context_phase, tokens, tokens if context is None else context)
    protocol = protocol_of(times, carrier)
    left = kept(lags_of(RATE) if lags is None else lags, protocol.cycle, protocol.phase, times.dt)
    plan = softmax_wiring(times, tokens, W_Q / left, W_K / left, W_V, W_O, context=context, b_V=b_V, mask=mask)
    populations = {name: _slow_or_fast(each) for name, each in plan.circuit.populations.items()}
    populations["values"] = populations["matrix"]._replace(name="values")
    for name, phases in (("core", token_phase), ("matrix", context_phase)):
        populations[name] = _carried(populations[name], np.asarray(phases, dtype=float), protocol)
    projections = tuple(
        each._replace(source="values") if each.name == "matrix -> intratelencephalic.basal" else each
        for each in plan.circuit.projections
    )
    circuit = plan.circuit._replace(name="waves", populations=populations, projections=projections)
    return plan._replace(circuit=circuit, protocol=protocol)


def protocol_of(times, carrier):
    """Protocol of a carrier: whole cycles of settling, and a window whose quarters are whole cycles.

    Raises
    ------
    WiringError
        If a cycle is shorter than `LEAST` time steps.
    """
    period = 1 / carrier
    phase = max(1, round(float(min(period / PER_CYCLE, LONGEST) / times.dt))) * times.dt
    cycle = round(float(period / phase))
    if cycle < LEAST:
        raise WiringError(
            f"carrier is {carrier} but needs to be at most {1 / (LEAST * times.dt)}, a cycle of {LEAST} time steps of "
            f"{times.dt / ms:g} ms"
        )
    n_settle = cycle * int(np.ceil(round(float(times.settle / (cycle * phase)), 6)))
    n_window = 4 * cycle * max(1, int(np.ceil(round(float(times.window / (4 * cycle * phase)), 6))))
    windows = np.arange(n_settle, n_settle + n_window)[None]
    return Protocol(phase, n_settle + n_window, windows, cycle=cycle)


def _check_phases(token_phase, context_phase, tokens, context):
    for name, phases, of in (("token_phase", token_phase, tokens), ("context_phase", context_phase, context)):
        if np.shape(phases) not in (of.shape[1:2], of.shape[:2]):
            needs = f"{of.shape[1:2]} or {of.shape[:2]}"
            raise WiringError(f"{name} has shape {np.shape(phases)} but needs {needs}, a phase for each token")


def _carried(population, phases, protocol):
    """Nucleus whose input is multiplied by the wave."""
    turns = 2 * np.pi * np.arange(protocol.n_phase) / protocol.cycle
    wave = np.cos(turns[:, None, None, None] + phases[..., None])
    return population._replace(inputs={"soma": wave * population.inputs["soma"]})


def _slow_or_fast(population):
    """Tufts that average over a cycle, and L2/3 cells that do not."""
    cells = {TUFTED.name: AVERAGING, SUPERFICIAL.name: FAST}
    return population._replace(cell=cells.get(population.cell.name, population.cell))
