"""Learning with memory synapses that are frozen: random W_K and W_V, learnt W_Q and W_O.

What W_Q and W_O need is there when a token asks: the memory, the error, and the token. Neither a second presentation of the
context nor a tag is needed, and a memory that has been written stays right while these weights change.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from cortical_attention.circuits.protocol import RunError
from cortical_attention.inputs import match, recall
from cortical_attention.reference.attention import Block, linear_attention
from cortical_attention.reference.gradients import gradients
from cortical_attention.reference.kernels import KERNELS
from cortical_attention.reference.nulls import key_only_attention
from cortical_attention.trials.training import Adam, adam, cosine

WEIGHTS = "W_Q", "W_K", "W_V", "W_O"
N_HEAD, D_KEYS = 2, (4, 8, 16, 32, 64)
TRAINED = (
    8  # components of a key of each head where all weights change sequence by sequence, as in the other experiments
)
N_BATCH, N_AT_ONCE = 16, 50  # sequences a step; steps whose sequences are drawn at once, which is faster
NOISE = 0.05  # of the components of images while training, as in `experiments.train_match`
N_PAIR = 8  # of recall: as many symbols, all of them asked
N_TEST = 1000
D_VALUE = 16  # chosen: as many as d_model at most, so that one head's random W_V loses nothing of a token
KEY_SCALE = 3.0  # of frozen random keys; chosen on other seeds (--validation)
LARGEST = 1e3  # chosen: a hundred times the largest weight of a trained block
ELU = KERNELS["elu+1"]
LEARNT = {"all": WEIGHTS, "frozen": ("W_Q", "W_O"), "output": ("W_O",)}


class Task(NamedTuple):
    """A task, and step sizes that were chosen on other seeds and on validation images.

    Attributes
    ----------
    d_model, n_step : int
    by_token, by_sequence : float
        Size of plain steps along the terms of one token, or of one sequence.
    draw : callable
        ``draw(rng, n_sequence, part, noise)`` gives sequences of `inputs.match` or `inputs.recall`, in both of which an
        answer is the largest of the first four components.
    """

    d_model: int
    n_step: int
    by_token: float
    by_sequence: float
    draw: Callable


def _recall(rng, n_sequence, part, noise):
    return recall.recall(rng, n_sequence, n_pair=N_PAIR, n_symbol=N_PAIR, n_value=match.N_TAG, n_asked=N_PAIR)


TASKS = {
    "recall": Task(N_PAIR + match.N_TAG, 500, 0.3, 0.1, _recall),
    "match": Task(match.D_MODEL, 1000, 0.1, 0.03, match.sequences),
}
IN_BATCHES = 0.05  # learning rate of Adam at the start; chosen as the step sizes


class Condition(NamedTuple):
    """What is trained: heads, components of a key, and which weights learn (of `LEARNT`)."""

    n_head: int
    d_key: int
    learnt: str

    @property
    def features(self):
        """Components of the keys of all heads."""
        return self.n_head * self.d_key


def start(task: Task, condition: Condition, seed):
    """Random weights by name, of variance 1 / fan-in; keys that are frozen are larger by `KEY_SCALE` (dict)."""
    rng, (n_head, d_key, learnt) = np.random.default_rng([seed, 0]), condition
    shapes = {"W_Q": (n_head, d_key, task.d_model), "W_K": (n_head, d_key, task.d_model)}
    shapes["W_V"] = n_head, D_VALUE, task.d_model
    found = {name: rng.standard_normal(shape) / np.sqrt(task.d_model) for name, shape in shapes.items()}
    if "W_K" not in LEARNT[learnt]:
        found["W_K"] *= KEY_SCALE
    return found | {"W_O": rng.standard_normal((n_head, task.d_model, D_VALUE)) / np.sqrt(n_head * D_VALUE)}


def batches(task: Task, seed, part):
    """Sequences of every step, which all conditions of a seed share (iterator)."""
    rng = np.random.default_rng([seed, 1])
    for begin in range(0, task.n_step, N_AT_ONCE):
        many = task.draw(rng, N_BATCH * min(N_AT_ONCE, task.n_step - begin), part, NOISE)
        for k in range(0, len(many.tokens), N_BATCH):
            yield type(many)(*(each[k : k + N_BATCH] for each in many))


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
        shown = [np.stack([each[k] for each in drawn], axis=1) for k in range(3)]  # tokens, context and targets
        for tokens, context, targets in zip(*shown, strict=True):
            written = write(context, W_K, W_V)
            for x, y in zip(tokens.swapaxes(0, 1), targets.swapaxes(0, 1), strict=True):
                dW_Q, dW_O = change(x, y, W_Q, W_O, *written)
                W_Q, W_O = (W + task.by_token * cosine(step, task.n_step) * dW for W, dW in ((W_Q, dW_Q), (W_O, dW_O)))
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
            with np.errstate(over="ignore", invalid="ignore"):  # which `_refuse_growth` says
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


def accuracy(task: Task, block: Block, seed, part):
    """Share of right answers, and of those of the null that ignores the query, on sequences of their own (float, float)."""
    drawn = task.draw(np.random.default_rng([seed, 2]), N_TEST, part, 0.0)
    answers = (
        each(drawn.tokens, block, context=drawn.context).output for each in (linear_attention, key_only_attention)
    )
    return tuple(float(np.mean(match.answered(each) == drawn.labels)) for each in answers)


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
