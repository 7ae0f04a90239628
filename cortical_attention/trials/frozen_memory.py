"""Learning with memory synapses that are frozen: random W_K and W_V, learnt W_Q and W_O.

What W_Q and W_O need is there when a token asks: the memory, the error, and the token. Neither a second presentation of the
context nor a tag is needed, and a memory that has been written stays right while these weights change.
"""

from functools import partial

import numpy as np

from cortical_attention.circuits.protocol import RunError
from cortical_attention.reference.attention import Block
from cortical_attention.reference.gradients import gradients
from cortical_attention.reference.kernels import KERNELS
from cortical_attention.trials.memory_tasks import (
    LEARNT,
    N_BATCH,
    TASKS,
    WEIGHTS,
    Condition,
    Task,
    accuracy,
    batches,
    start,
)
from cortical_attention.trials.training import Adam, adam, cosine

N_HEAD, D_KEYS = 2, (4, 8, 16, 32, 64)
TRAINED = 8  # components of a key of each head where all weights change by sequence: the size of the trained blocks
IN_BATCHES = 0.05  # learning rate of Adam at the start; chosen as the step sizes of the tasks
LARGEST = 1e3  # chosen: a hundred times the largest weight of a trained block
GROWING = {"over": "ignore", "invalid": "ignore"}  # floating-point errors of which `_refuse_growth` tells
ELU = KERNELS["elu+1"]


def train_in_batches(task: Task, conditions, seed, part):
    """Blocks of all conditions after training by Adam, the gradient averaged over the tokens of each step.

    Parameters
    ----------
    task : Task
    conditions : sequence of Condition
    seed : int
    part : str
        Of the images, as in `inputs.match.sequences`.

    Returns
    -------
    dict of Condition to Block
    """
    weights = {each: start(task, each, seed) for each in conditions}
    moments = {each: ([0.0] * 4, [0.0] * 4) for each in conditions}
    settings = Adam(IN_BATCHES, weight_decay=0.01)
    for step, drawn in enumerate(batches(task, seed, part)):
        for each in conditions:
            _, *slopes = gradients(drawn.tokens, drawn.targets, Block(**weights[each]), context=drawn.context)
            names = LEARNT[each.learnt]
            moved = [weights[each][name] for name in names]
            slopes = [slopes[WEIGHTS.index(name)] / drawn.labels.size for name in names]
            adam(moved, moments[each], slopes, step, cosine(step, task.n_step), settings)
            weights[each].update(zip(names, moved, strict=True))
    return {each: Block(**weights[each]) for each in conditions}


def train_by_token(task: Task, condition: Condition, seeds, part):
    """Blocks whose W_Q and W_O change after every single token that has asked, by a plain step along their local terms.

    Parameters
    ----------
    task, condition, part
        As for `train_in_batches`; the memory is frozen.
    seeds : sequence of int
        Side by side; none hears of another.

    Returns
    -------
    list of Block
        One a seed.

    Raises
    ------
    RunError
        If weights grow without bound; says at which sequence.
    """
    started = [start(task, condition, seed) for seed in seeds]
    W_Q, W_K, W_V, W_O = (np.stack([each[name] for each in started]) for name in WEIGHTS)
    streams = zip(*(batches(task, seed, part) for seed in seeds), strict=True)
    for step, drawn in enumerate(streams):
        size = task.by_token * cosine(step, task.n_step)
        shown = [np.stack([each[k] for each in drawn], axis=1) for k in range(3)]  # tokens, context and targets
        with np.errstate(**GROWING):
            for tokens, context, targets in zip(*shown, strict=True):
                written = write(context, W_K, W_V)
                for x, y in zip(tokens.swapaxes(0, 1), targets.swapaxes(0, 1), strict=True):
                    dW_Q, dW_O = change(x, y, W_Q, W_O, *written)
                    W_Q, W_O = W_Q + size * dW_Q, W_O + size * dW_O
        _refuse_growth(W_O, step, task.by_token)
    return [Block(*each) for each in zip(W_Q, W_K, W_V, W_O, strict=True)]


def write(context, W_K, W_V):
    """Memory M (..., n_head, d_value, d_key) and its row of ones z of a context (..., n_context, d_model)."""
    written = context[..., None, :, :].swapaxes(-1, -2)
    phi_k = ELU.phi(W_K @ written)
    return (W_V @ written) @ phi_k.swapaxes(-1, -2), phi_k.sum(axis=-1)


def change(x, y, W_Q, W_O, M, z):
    """Terms of W_Q and W_O of one token, from what is there when it asks; each array has the same leading axes.

    Parameters
    ----------
    x, y : array, (..., d_model)
        Token and target.
    W_Q : array, (..., n_head, d_key, d_model)
    W_O : array, (..., n_head, d_model, d_value)
    M : array, (..., n_head, d_value, d_key)
    z : array, (..., n_head, d_key)

    Returns
    -------
    dW_Q, dW_O : ndarray
        In the shapes of the weights.
    """
    query = (W_Q @ x[..., None, :, None])[..., 0]
    phi_q = ELU.phi(query)
    Z = (z * phi_q).sum(axis=-1, keepdims=True)
    pooled = (M @ phi_q[..., None])[..., 0] / Z
    error = y - (W_O @ pooled[..., None])[..., 0].sum(axis=-2)
    delta = (error[..., None, None, :] @ W_O)[..., 0, :] / Z
    taught = (delta[..., None, :] @ M)[..., 0, :] - z * (delta * pooled).sum(axis=-1, keepdims=True)
    dW_Q = (ELU.derivative(query) * taught)[..., None] * x[..., None, None, :]
    return dW_Q, error[..., None, :, None] * pooled[..., None, :]


def train_by_sequence(task: Task, condition: Condition, seed, part):
    """Block whose weights all change when a sequence has ended, by a plain step along its terms; those of W_K and W_V are
    what tags have kept. Parameters, with one seed, and errors are those of `train_by_token`.

    Returns
    -------
    Block
    """
    weights = start(task, condition, seed)
    for step, drawn in enumerate(batches(task, seed, part)):
        size = task.by_sequence * cosine(step, task.n_step)
        for tokens, context, targets in zip(drawn.tokens, drawn.context, drawn.targets, strict=True):
            with np.errstate(**GROWING):
                _, *slopes = gradients(tokens, targets, Block(**weights), context=context)
            moved = zip(weights.items(), [slopes[WEIGHTS.index(name)] for name in weights], strict=True)
            weights = {name: W - size * slope for (name, W), slope in moved}
        _refuse_growth(weights["W_O"], step, task.by_sequence)
    return Block(**weights)


def _refuse_growth(W_O, step, step_size):
    """Raise RunError where output weights are no longer of the size that weights have."""
    if not (np.abs(W_O) < LARGEST).all():
        raise RunError(
            f"weights grew beyond {LARGEST:g} with a step size of {step_size:g}, at sequence {N_BATCH * (step + 1)} at the "
            "latest; a smaller step is needed"
        )


# Jobs
def jobs_of(name, seeds, asked=("test", "training")):
    """What is to be trained of a task, by label: functions of a progress report that give rows (dict).

    Parameters
    ----------
    name : str
        Of `TASKS`.
    seeds : sequence of int
    asked : (str, str)
        Parts of the images that are asked in the end, and that are trained on.
    """
    frozen = [Condition(N_HEAD, d_key, "frozen") for d_key in D_KEYS]
    more = [Condition(n_head, N_HEAD * D_KEYS[2] // n_head, "frozen") for n_head in (1, 4)] if name == "recall" else []
    found = {(name, "batches", f"seed {seed}"): partial(_batch_rows, name, seed, asked) for seed in seeds}
    found |= {(name, "sequence", f"seed {seed}"): partial(_sequence_rows, name, seed, asked) for seed in seeds}
    return found | {
        (name, "token", f"{each.n_head} x {each.d_key}"): partial(_token_rows, name, each, seeds, asked)
        for each in frozen + more
    }


def _batch_rows(name, seed, asked, report=None):
    sizes = [(N_HEAD, d_key, learnt) for learnt in ("all", "frozen") for d_key in D_KEYS]
    conditions = [Condition(*each) for each in (*sizes, (N_HEAD, D_KEYS[-1], "output"))]
    found = train_in_batches(TASKS[name], conditions, seed, asked[1])
    return [_row(name, "batches", each, block, seed, asked) for each, block in found.items()]


def _sequence_rows(name, seed, asked, report=None):
    condition = Condition(N_HEAD, TRAINED, "all")
    return [_row(name, "sequence", condition, train_by_sequence(TASKS[name], condition, seed, asked[1]), seed, asked)]


def _token_rows(name, condition, seeds, asked, report=None):
    found = train_by_token(TASKS[name], condition, seeds, asked[1])
    return [_row(name, "token", condition, block, seed, asked) for seed, block in zip(seeds, found, strict=True)]


def _row(name, steps, condition, block, seed, asked):
    """Accuracy of a block (dict)."""
    right, null = accuracy(TASKS[name], block, seed, asked[0])
    return {
        "task": name, "steps": steps, **condition._asdict(), "features": condition.features, "seed": seed,
        "accuracy": right, "null": null,
    }  # fmt: skip
