"""Learning from one presentation to the next, in runs of some presentations, of which each goes on where the last ended."""

from typing import NamedTuple

import numpy as np
from brian2 import ms, second

from cortical_attention.cells.forms.rate import RATE
from cortical_attention.circuits.online import online_wiring
from cortical_attention.circuits.protocol import Times
from cortical_attention.reference.block import Block
from cortical_attention.reference.gradients import gradients
from cortical_attention.simulation.calibrate import rate_units
from cortical_attention.simulation.run import simulate

BLOCK = ("W_Q", "W_K", "W_V", "W_O")
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
    run : simulation.run.Run
    state : State
        After the last presentation.
    """

    weights: dict
    product: dict
    output: np.ndarray
    run: object
    state: State


def initial(rng, n_head, d_key, d_value, d_model):
    """Weights of variance 1 / fan-in (dict of ndarray): W_Q, W_K, W_V, W_O, and F for feedback of its own."""
    inward = [rng.standard_normal((n_head, size, d_model)) / np.sqrt(d_model) for size in (d_key, d_key, d_value)]
    outward = [rng.standard_normal((n_head, d_model, d_value)) / np.sqrt(n_head * d_value) for _ in range(2)]
    return dict(zip((*BLOCK, "F"), (*inward, *outward), strict=True))


def teach(drawn, state, learning, steps, how):
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

    Returns
    -------
    Course

    Raises
    ------
    RunError
        If the simulation diverged.
    """
    quarter = how.presentation / 4
    plan = online_wiring(
        Times(3 * quarter, quarter, quarter, how.dt), drawn.tokens, drawn.targets, state.weights, learning, steps,
        context=drawn.context, velocity=state.velocity,
    )  # fmt: skip
    run = simulate(plan, how.form, rate_units(plan), dt=how.dt, target=how.target, record=how.record, report=how.report)
    if run.interrupted:
        raise KeyboardInterrupt
    velocity = {name: each.velocity for name, each in run.learnt.items()}
    product = {
        name: (each[1:] - steps["momentum"] * each[:-1]) / (steps["step"] or 1) for name, each in velocity.items()
    }
    n = len(drawn.tokens)
    constant = {name: np.broadcast_to(each, (n + 1, *each.shape)) for name, each in state.weights.items()}
    weights = constant | {name: each.weights for name, each in run.learnt.items()}
    after = State(
        {name: each[-1] for name, each in weights.items()}, {name: each[-1] for name, each in velocity.items()}
    )
    output = run.values["higher_order"][plan.protocol.windows[:, -1]]
    return Course(weights, product, output, run, after)


class How(NamedTuple):
    """How presentations are simulated."""

    form: object = RATE
    presentation: object = 0.5 * second
    dt: object = 2 * ms
    target: str = "auto"
    record: object = "sample"
    report: object = None


def losses(course, targets):
    """Squared error of the circuit's answers, half of its sum over components, mean over tokens (n_presentation,)."""
    return 0.5 * ((targets - course.output) ** 2).sum(axis=-1).mean(axis=(1, 2))


def cosines(course, drawn):
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
        right = dict(zip(BLOCK, gradients(tokens, targets, block, context=context)[1:], strict=True))
        for name in names:
            found[name].append(_cosine(course.product[name][k], -right[name]))
    return {name: np.array(each) for name, each in found.items()}


def _cosine(first, second_):
    """Cosine of two arrays; zero where one is."""
    size = np.linalg.norm(first) * np.linalg.norm(second_)
    return float((first * second_).sum() / size) if size > 0 else 0.0
