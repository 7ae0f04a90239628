"""Learning from one presentation to the next, in runs of some presentations, of which each goes on where the last ended."""

from typing import NamedTuple

import numpy as np
from brian2 import ms, second

from cortical_attention.cells.forms.rate import RATE
from cortical_attention.circuits.online import online_wiring
from cortical_attention.circuits.protocol import Times
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import linear_attention, softmax_attention
from cortical_attention.reference.block import Block
from cortical_attention.reference.local_terms import local_terms, softmax_local_terms
from cortical_attention.simulation.attend import with_stand_ins
from cortical_attention.simulation.calibrate import calibration_of, ideal, rate_units, rules_of
from cortical_attention.simulation.run import simulate

BLOCK = ("W_Q", "W_K", "W_V", "W_O")
ALGEBRA = {"linear": linear_attention, "softmax": softmax_attention}
LOCAL = {
    "linear": local_terms,
    "softmax": softmax_local_terms,
}  # equal to the formal gradients (`tests.test_local_terms`)
STILL = {"step": 0.0, "momentum": 0.0, "decay": 0.0}


class State(NamedTuple):
    """Where learning stands: weights and their last change by name (dicts of ndarray)."""

    weights: dict
    velocity: dict


class Course(NamedTuple):
    """What was learnt, presentation by presentation.

    Attributes
    ----------
    weights : dict of str to ndarray, shape (n_presentation + 1, *shape)
    product : dict of str to ndarray, shape (n_presentation, *shape)
        What the rules asked for after each presentation: sums of the products of their factors.
    output : ndarray, shape (n_presentation, batch, n_token, d_model)
        Answers of the circuit, while the teaching gate was open.
    attention : ndarray, shape (n_presentation, batch, n_head, n_token, n_context)
        Of its L2/3 cells, at the same time.
    run : simulation.run.Run
    state : State
        After the last presentation.
    """

    weights: dict
    product: dict
    output: np.ndarray
    attention: np.ndarray
    run: object
    state: State


def initial(rng, n_head, d_key, d_value, d_model):
    """Weights of variance 1 / fan-in (dict of ndarray): W_Q, W_K, W_V, W_O, and F for feedback of its own."""
    inward = [rng.standard_normal((n_head, size, d_model)) / np.sqrt(d_model) for size in (d_key, d_key, d_value)]
    outward = [rng.standard_normal((n_head, d_model, d_value)) / np.sqrt(n_head * d_value) for _ in range(2)]
    return dict(zip((*BLOCK, "F"), (*inward, *outward), strict=True))


class How(NamedTuple):
    """How presentations are simulated.

    Attributes
    ----------
    form : Form
    attention : {"linear", "softmax"}
    presentation : Quantity (s)
        In whose last quarter the teaching gate is open.
    dt : Quantity (s)
    cells : int
        Cells per value.
    target, record, report
        As in `simulation.run.simulate`.
    calibration : Calibration or None
        None in a form without spikes.
    """

    form: object = RATE
    attention: str = "linear"
    presentation: object = 0.5 * second
    dt: object = 2 * ms
    cells: int = 1
    target: str = "auto"
    record: object = "sample"
    report: object = None
    calibration: object = None


def teach(drawn, state, learning, steps, how, seed=0):
    """Show sequences to a circuit that learns.

    Parameters
    ----------
    drawn : inputs.recall.Sequences
        With an axis of presentations before that of the sequences side by side.
    state : State
    learning : cells.rules.rule.Learning
    steps : dict
        `step` and `momentum`; with `STILL` nothing is learnt.
    how : How
    seed : int
        Of the phases at which membranes start.

    Returns
    -------
    Course

    Raises
    ------
    RunError
        If the simulation diverged.
    KeyboardInterrupt
        If it was interrupted.
    """
    plan = _plan(drawn, state, learning, steps, how)
    ready, units = (how.calibration or ideal(plan, how.form)).set(plan, how.form)
    run = simulate(
        ready, how.form, units, dt=how.dt, cells=how.cells, seed=seed, target=how.target, record=how.record,
        report=how.report,
    )  # fmt: skip
    if run.interrupted:
        raise KeyboardInterrupt
    return _course(run, plan, state, steps, how.attention)


def _plan(drawn, state, learning, steps, how):
    quarter = how.presentation / 4
    return online_wiring(
        Times(3 * quarter, quarter, quarter, how.dt), drawn.tokens, drawn.targets, state.weights, learning, steps,
        context=drawn.context, velocity=state.velocity, attention=how.attention,
    )  # fmt: skip


def _course(run, plan, state, steps, attention):
    """What a run of a plan learnt (Course)."""
    gates, scale = plan.protocol.windows[:, -1], scales(attention, state.weights["W_Q"].shape[1])
    velocity = {name: each.velocity for name, each in run.learnt.items()}
    product = {
        name: scale.get(name, 1.0) * (each[1:] - steps["momentum"] * each[:-1]) / (steps["step"] or 1)
        for name, each in velocity.items()
    }
    constant = {name: np.broadcast_to(each, (1 + len(gates), *each.shape)) for name, each in state.weights.items()}
    weights = constant | {name: each.weights / scale.get(name, 1.0) for name, each in run.learnt.items()}
    after = State(*({name: each[-1] for name, each in both.items()} for both in (weights, velocity)))
    kappa = run.values[plan.attention.population][gates]
    kappa = kappa.sum(axis=-1) if plan.attention.sum else kappa
    return Course(weights, product, run.values["higher_order"][gates], kappa, run, after)


def scales(attention, d_key):
    """What the synapses of queries hold, in units of W_Q (dict of float)."""
    return {"W_Q": 1 / np.sqrt(d_key)} if attention == "softmax" else {}


def calibrate(drawn, state, learning, steps, how):
    """Calibration of a circuit that learns, by the rates of a course of learning of its own, all presentations
    together.

    Parameters
    ----------
    drawn, state, learning, steps, how
        As for `teach`; the sequences are to be of another stream than those that are taught.

    Returns
    -------
    Calibration
    """
    in_rates = How(attention=how.attention, target=how.target)
    asked = _plan(drawn, state, learning, steps, in_rates)
    plan = with_stand_ins(asked)
    run = simulate(plan, RATE, rate_units(plan), dt=in_rates.dt, target=how.target, record="sample")
    if run.interrupted:
        raise KeyboardInterrupt
    found = calibration_of([(plan, run)], how.form, how.cells * how.presentation / 4)
    return found._replace(rules=rules_of(asked.circuit))


def losses(course, targets):
    """Squared error of the circuit's answers, half of its sum over components, mean over tokens (n_presentation,)."""
    return 0.5 * ((targets - course.output) ** 2).sum(axis=-1).mean(axis=(1, 2))


def answer_errors(course, drawn, attention="linear"):
    """Relative L2 of the circuit's answers from those of the algebra at the weights of each presentation."""
    found = []
    for k, (tokens, context) in enumerate(zip(drawn.tokens, drawn.context, strict=True)):
        block = Block(*(course.weights[name][k] for name in BLOCK))
        found.append(relative_l2(course.output[k], ALGEBRA[attention](tokens, block, context=context).output))
    return np.array(found)


def cosines(course, drawn, attention="linear"):
    """Cosine of what the rules asked for with the negative gradient of the algebra at the weights of that presentation.

    Returns
    -------
    dict of str to ndarray, shape (n_presentation,)
        By weights; without those that no rule changes.
    """
    names = [name for name in BLOCK if name in course.product]
    found = {name: [] for name in names}
    for k, (tokens, targets, context) in enumerate(zip(drawn.tokens, drawn.targets, drawn.context, strict=True)):
        block = Block(*(course.weights[name][k] for name in BLOCK))
        right = LOCAL[attention](tokens, targets, block, context=context)._asdict()
        for name in names:
            found[name].append(_cosine(course.product[name][k], right[name]))
    return {name: np.array(each) for name, each in found.items()}


def _cosine(one, other):
    """Cosine of two arrays; zero where one of them is."""
    size = np.linalg.norm(one) * np.linalg.norm(other)
    return float((one * other).sum() / size) if size > 0 else 0.0
