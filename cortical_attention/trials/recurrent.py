"""Inputs of a memory that forgets, its course, and what attention without a gate leaves of its answers."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from cortical_attention.circuits.leaky import in_turn
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.readout.judged import judged
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.reference.block import Block, check_problem, project
from cortical_attention.reference.gated import gated_linear_attention, gates_of, memories
from cortical_attention.reference.kernels import kernel_named
from cortical_attention.simulation.settings import Settings
from cortical_attention.trials.protocol import PROTOCOL

SIZES = {
    "n_head": 2,
    "d_model": 8,
    "d_key": 6,
    "d_value": 4,
}  # chosen: small enough for minutes, with more keys than values
N_STATE = 2  # chosen: more than one, so that heads forget at different times
LARGEST = 3.0  # of a state; chosen: it leaves 5 % of a memory, and a cell need not fire faster for less
STARTS = (0.2, 0.5, 0.8)  # of a constant decay; chosen: far from each other


class Problem(NamedTuple):
    """Sequences, the modulatory states that go with them, and a block.

    Attributes
    ----------
    block : Block
    W_M : ndarray, shape (n_head, n_state)
        Each row sums to one.
    tokens : ndarray, shape (n_input, n_token, d_model)
    modulation : ndarray, shape (n_input, n_token, n_state)
    calibration, calibration_modulation : ndarray
        Other sequences and states, on which circuits with spikes are set up.
    """

    block: Block
    W_M: np.ndarray
    tokens: np.ndarray
    modulation: np.ndarray
    calibration: np.ndarray
    calibration_modulation: np.ndarray


def drawn(seed, n_input, n_token):
    """Random block, sequences, and states: exponential of mean one, so that gates lie anywhere between 0 and 1.

    Parameters
    ----------
    seed : int or SeedSequence
    n_input : int
        At most as many as half of the sequences of a case; the other half serves calibration.
    n_token : int

    Returns
    -------
    Problem
    """
    seed = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    case = random_case(seed, n_token, **SIZES)
    rng = np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, 100)))
    half = len(case.calibration) // 2
    W_M = rng.dirichlet(np.ones(N_STATE), size=SIZES["n_head"])
    states = rng.exponential(size=(2 * half, n_token, N_STATE)).clip(max=LARGEST)
    return Problem(
        case.block, W_M, case.calibration[:n_input], states[:n_input], case.calibration[half:], states[half:]
    )


def course_of(answer, problem, times):
    """One entry of a memory over time, in the circuit and in the algebra.

    Parameters
    ----------
    answer : Answer
        Of the leaky wiring, without division, to the sequences of the problem.
    problem : Problem
    times : dict of str to Quantity
        Settling time and window of that run.

    Returns
    -------
    dict
        Lists: time (s) and value of the circuit, ends of writes (s) and value of the algebra, starts of leaks (s) and gates;
        and write (s).
    """
    protocol, n_token = answer.plan.protocol, problem.tokens.shape[1]
    values, phase = answer.run.values["memory"][:, 0, 0, 0, 0], float(protocol.phase)
    _, key, value = project(check_problem(problem.tokens[0], problem.block))
    gates = gates_of(problem.modulation[0], problem.W_M)[0]
    entry = memories(kernel_named("elu+1").phi(key[0]), value[0], gates)[:, 0, 0]
    schedule = in_turn(Settings("rate", **times).checked().times(), n_token, n_token)
    last = [np.flatnonzero((schedule.gate > 0) & (schedule.written == t))[-1] + 1 for t in range(n_token)]
    starts = phase * np.arange(n_token) * protocol.n_phase / n_token
    return {
        "time": (phase * (1 + np.arange(len(values)))).tolist(), "circuit": values.tolist(),
        "ends": (phase * np.array(last)).tolist(), "algebra": entry.tolist(), "starts": starts.tolist(),
        "gates": gates.tolist(), "write": float(schedule.tau_write),
    }  # fmt: skip


def geometric(values):
    """Geometric mean of values above zero, and its 95 % interval (None for a single value)."""
    ends = cluster_interval(np.log(values), range(len(values)), **PROTOCOL["intervals"])
    return float(np.exp(np.mean(np.log(values)))), None if ends is None else np.exp(ends).tolist()


def judged_mean(values, rule, threshold):
    """A figure: a geometric mean over seeds, and the outcome of a rule about its interval.

    Parameters
    ----------
    values : sequence of float
        One for each seed, above zero.
    rule : {"at most", "at least"}
    threshold : float

    Returns
    -------
    dict
        As `readout.judged.judged`.
    """
    value, ends = geometric(values)
    return judged(value, threshold, rule, ends)


def best_retention(tokens, block, right):
    """What the best constant decay leaves of an answer: a decay and a scale for each head, set on the answer itself.

    Parameters
    ----------
    tokens : ndarray, shape (..., n_token, d_model)
    block : Block
    right : ndarray, shape (..., n_token, d_model)

    Returns
    -------
    float
        Relative L2.
    ndarray, shape (n_head,)
        The decays.
    """
    n_head = len(block.W_Q)
    found = [
        minimize(lambda decays: scaled(tokens, block, decays, right), np.full(n_head, start), bounds=[(0, 1)] * n_head)
        for start in STARTS
    ]
    best = min(found, key=lambda each: each.fun)
    return float(best.fun), best.x


def scaled(tokens, block, decays, right):
    """What constant decays (n_head,) leave of an answer at the best scale of each head (float): relative L2."""
    heads = [
        gated_linear_attention(tokens, Block(*(W[h : h + 1] for W in block[:4])), np.full((1, 1), decay)).output.ravel()
        for h, decay in enumerate(decays)
    ]
    columns = np.stack(heads, axis=1)
    scales = np.linalg.lstsq(columns, right.ravel(), rcond=None)[0]
    return relative_l2((columns @ scales).reshape(right.shape), right)
