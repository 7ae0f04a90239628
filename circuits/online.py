"""A circuit with errors (`circuits.learning`) that learns while it is shown one sequence after another."""

import re

import numpy as np

from cortical_attention.cells.kernels import LOG_SLOPES, log_slope
from cortical_attention.cells.rules.exact import EXACT, SOFTMAX
from cortical_attention.circuits.learning import learning_wiring
from cortical_attention.circuits.protocol import Protocol
from cortical_attention.wiring.expressions import WiringError

QUARTERS = 4  # of a presentation, of which the last is the measured window, in which the teaching gate is open
LEARNT = {
    "core -> superficial.basal": "W_Q",
    "matrix -> superficial.apical": "W_K",
    "matrix -> intratelencephalic.basal": "W_V",
    "matrix -> mismatch.basal": "W_V",
    "pyramidal_tract -> higher_order.soma": "W_O",
}
FEEDBACK = "error -> feedback.apical"


def online_wiring(
    times, tokens, targets, weights, learning, steps, *, context, velocity=None, attention="linear", kernel="elu+1", warm=1,
):  # fmt: skip
    """Circuit and protocol in which sequences are shown one after another, and weights change after each.

    Parameters
    ----------
    times : Times
        A presentation lasts `settle` and `window`, which needs to be a quarter of both together.
    tokens, targets : ndarray, shape (n_presentation, batch, n_token, d_model)
    weights : dict of str to ndarray
        W_Q, W_K, W_V, W_O, and F where feedback has its own.
    learning : cells.rules.rule.Learning
    steps : dict
        `step` and `momentum` of all rules.
    context : ndarray, shape (n_presentation, batch, n_context, d_model)
    velocity : dict of str to ndarray, optional
        With which learning goes on; None: zero.
    attention : {"linear", "softmax"}
        In softmax attention the synapses of queries hold W_Q / sqrt(d_key), and learn as such.
    kernel : str
        Of the L2/3 dendrites, in linear attention.
    warm : int
        Presentations before learning begins, in which the first is shown.

    Returns
    -------
    Plan

    Raises
    ------
    WiringError
        If the slope of the logarithm of the kernel has no bound, or the window is no quarter of a presentation.
    """
    if kernel not in LOG_SLOPES:
        raise WiringError(
            f"kernel is '{kernel}', but a rule of learning needs one without zeros: {', '.join(LOG_SLOPES)}"
        )
    targets = shuffled(targets, learning.shuffled)
    feedback = weights[learning.feedback]
    block = [weights[name] for name in ("W_Q", "W_K", "W_V", "W_O")]
    plan = learning_wiring(
        times, tokens[0], targets[0], *block, attention=attention, context=context[0], kernel=kernel, feedback=feedback
    )  # fmt: skip
    protocol = presentations(times, len(tokens), warm)
    circuit = _shown(plan.circuit, protocol, warm, {"core": tokens, "matrix": context, "error": targets})
    circuit = _without(circuit, learning.without)
    named = LEARNT | {FEEDBACK: learning.feedback}
    rules = {name: _rule(each, steps, velocity or {}, name, kernel) for name, each in _of(learning, attention).items()}
    projections = tuple(
        each._replace(learnt=named[each.name]) if named.get(each.name) in rules else each
        for each in circuit.projections
    )
    return plan._replace(circuit=circuit._replace(projections=projections, rules=rules), protocol=protocol)


def _of(learning, attention):
    """Rules for one of the attentions (dict of Rule)."""
    if attention == "linear":
        return learning.rules
    for name in SOFTMAX.keys() & learning.rules.keys():
        if learning.rules[name] != EXACT.rules[name]:
            raise WiringError(f"softmax attention has no rule of {name} but the exact one, and this one differs")
    return learning.rules | {name: each for name, each in SOFTMAX.items() if name in learning.rules}


def presentations(times, n, warm):
    """Protocol of presentations of equal length, each measured in its last quarter (Protocol)."""
    if not np.isclose(float(times.settle / times.window), QUARTERS - 1):
        raise WiringError(
            f"window is {times.window} and settle {times.settle}, but a presentation is measured in its last quarter"
        )
    ends = QUARTERS * np.arange(warm + 1, warm + n + 1) - 1
    return Protocol(times.window, QUARTERS * (warm + n), ends[:, np.newaxis])


def _shown(circuit, protocol, warm, sequences):
    """Circuit whose nuclei and error cells are given one sequence after another, the first also while it warms up."""
    populations = dict(circuit.populations)
    for name, values in sequences.items():
        port = populations[name].signed
        rows = np.repeat(np.concatenate([values[:1]] * warm + [values]), QUARTERS, axis=0)
        populations[name] = populations[name]._replace(inputs=populations[name].inputs | {port: rows})
    closed = np.ones((protocol.n_phase, 1, 1, 1))
    closed[0] = 0  # as in `circuits.mask`, until L2/3 cells have their drive
    interneuron = populations["interneuron"]
    populations["interneuron"] = interneuron._replace(inputs=interneuron.inputs | {"gate": closed})
    return circuit._replace(populations=populations)


def _without(circuit, names):
    """Circuit without some projections."""
    known = {each.name for each in circuit.projections}
    for name in set(names) - known:
        raise WiringError(f"there is no projection '{name}' to leave out")
    return circuit._replace(projections=tuple(each for each in circuit.projections if each.name not in names))


def _rule(rule, steps, velocity, name, kernel):
    """Rule with its steps, its velocity, and the slopes of a kernel."""
    factors = tuple(
        each._replace(what=re.sub(r"slope\((\w+)\)", lambda found: log_slope(kernel, found[1]), each.what))
        for each in rule.factors
    )
    return rule._replace(factors=factors, velocity=velocity.get(name, 0.0), **steps)


def shuffled(targets, over):
    """Targets (n_presentation, batch, n_token, d_model) of others.

    Sequences have those of the sequence before them. Tokens of the first sequence keep their own, those of the next have
    that of the token before them, and so on round the sequence, so that over `n_token` sequences each token has every
    target once. If no token had its own, the right answer would be what is never the target, and cells would learn that.
    """
    if over == "sequences":
        return np.roll(targets, 1, axis=1)
    if over == "tokens":
        return np.stack([np.roll(targets[:, k], k, axis=1) for k in range(targets.shape[1])], axis=1)
    return targets
