"""The gradient of attention read from cells: what each synapse would multiply, from the rates or the spikes of a run."""

from functools import partial
from typing import NamedTuple

import numpy as np
from brian2 import second

from cortical_attention.cells.kernels import LOG_SLOPES, phi
from cortical_attention.circuits.learning import learning_wiring
from cortical_attention.inputs.recall import recall
from cortical_attention.reference.attention import linear_attention, softmax_attention
from cortical_attention.reference.block import Block
from cortical_attention.reference.gradients import gradients
from cortical_attention.reference.local_terms import Terms, local_terms, softmax_local_terms
from cortical_attention.simulation.attend import attend, calibrate_together
from cortical_attention.simulation.calibrate import digests, drive_of
from cortical_attention.simulation.settings import Settings
from cortical_attention.simulation.settle import window_values
from cortical_attention.wiring.expressions import WiringError

N_PAIR, N_SYMBOL, N_VALUE = 4, 8, 4
D_MODEL, D_KEY, D_VALUE = N_SYMBOL + N_VALUE, 8, 4
N_BATCH, N_MEAN, LONGEST = 16, 10, 1000  # sequences of a presentation; presentations of a mean, and of a training
STEP, MOMENTUM, SHARPER = 0.5, 0.9, 2.0  # chosen: on seeds 100 to 104, all of which then learn both attentions
OVER = {"tokens": 1, "sequences": 0}  # axis along which a null shuffles errors
LOCAL = {"linear": local_terms, "softmax": softmax_local_terms}
ANSWERS = {"linear": linear_attention, "softmax": softmax_attention}


def read_terms(plan, values):
    """Sums over copies of what the synapses of a circuit multiply, every factor from its cells.

    Parameters
    ----------
    plan : Plan
        Of `circuits.learning.learning_wiring`.
    values : dict of str to ndarray, shape (batch, *sizes)
        What each population stood for: rates, or spikes counted over a window.

    Returns
    -------
    Terms
        The direction in which the energy falls, summed over the batch.

    Raises
    ------
    WiringError
        If the kernel of the L2/3 dendrites has no logarithmic slope (`cells.kernels.LOG_SLOPES`).
    """
    query, key = slopes(plan, values)
    credit, core, matrix = (values[name] for name in ("credit", "core", "matrix"))
    product = partial(np.einsum, optimize=True)
    return Terms(
        W_Q=product("bhijk,bhij,bim->hkm", query, credit, core),
        W_K=product("bhijk,bhij,bjm->hkm", key, credit, matrix),
        W_V=product("bhijv,bjm->hvm", values["gain"], matrix),
        W_O=product("bim,bhiv->hmv", values["error"], values["pyramidal_tract"]),
    )


def slopes(plan, values):
    """Derivative of each L2/3 cell with respect to its own query and its own key, from the cell and its dendrites.

    Linear attention: the rate times (log phi)' of the dendrite. Softmax attention: the drive of the other dendrite; the
    synapses of queries hold W_Q / sqrt(d_key), so that this factor is one of their derivative as well.

    Parameters
    ----------
    plan, values
        As for `read_terms`.

    Returns
    -------
    query, key : ndarray, shape (batch, n_head, n_token, n_context, d_key)

    Raises
    ------
    WiringError
        As `read_terms`.
    """
    cells, rate = plan.circuit.populations["superficial"], values["superficial"]
    basal, apical = (dendrite(plan, values, "superficial", port) for port in ("basal", "apical"))
    if not cells.kernels:
        pair = apical / np.sqrt(rate.shape[-1]), basal
    else:
        pair = (rate * _log_slope(cells.kernels[port], u) for port, u in (("basal", basal), ("apical", apical)))
    return tuple(np.broadcast_to(each, rate.shape) for each in pair)


def dendrite(plan, values, name, port):
    """What the dendrites of a population receive from the cells that reach them, before the kernel (ndarray); of size one
    along axes of copies."""
    reaching = (each for each in plan.circuit.projections if each.target == f"{name}.{port}")
    return sum(drive_of(each, values[each.source]) for each in reaching)


def _log_slope(kernel, drive):
    """(log phi)' of a dendrite (ndarray), from its activation."""
    if kernel not in LOG_SLOPES:
        raise WiringError(f"kernel is '{kernel}' but learning needs one of {', '.join(LOG_SLOPES)}")
    names = {"clip": np.clip, "exp": np.exp, "inf": np.inf, "x": phi(kernel)(drive)}
    return eval(LOG_SLOPES[kernel], names)  # noqa: S307 (a constant of ours)


def formal(attention, drawn, block, over=None):
    """Formal gradient of some sequences, its sign turned: equations 2 to 5 of the paper.

    Parameters
    ----------
    attention : {"linear", "softmax"}
        Of softmax attention, which the paper does not derive, the local terms of `reference.local_terms`, which tests hold
        against an independent derivative.
    drawn : inputs.recall.Sequences
    block : Block
    over : {"tokens", "sequences"}, optional
        A null: each token has the error of the next token, or that of the same token of the next sequence.

    Returns
    -------
    Terms
    """
    if over is not None:
        output = ANSWERS[attention](drawn.tokens, block, context=drawn.context).output
        drawn = drawn._replace(targets=output + np.roll(drawn.targets - output, 1, axis=OVER[over]))
    given = drawn.tokens, drawn.targets, block
    if attention == "softmax":
        return softmax_local_terms(*given, context=drawn.context)
    return Terms(*(-each for each in gradients(*given, context=drawn.context)[1:]))


def trained(attention, seed, levels):
    """Weights at several points of a training on recall, by the local terms of the algebra.

    Parameters
    ----------
    attention : {"linear", "softmax"}
    seed : int
    levels : sequence of float, falling
        A point is reached when the energy of a token, the mean over `N_MEAN` presentations of `N_BATCH` sequences, has
        fallen to this share of its start.

    Returns
    -------
    dict of float to (int, Block)
        Presentations by then, and weights; levels that `LONGEST` presentations do not reach are left out.
    """
    stream, found, energies = np.random.default_rng([seed, 1]), {}, []
    weights, velocity = initial(np.random.default_rng([seed, 0])), [0.0] * 4
    for presentation in range(LONGEST):
        block, drawn = Block(*weights), asked(stream, N_BATCH)
        energies.append(energy(attention, drawn, block))
        fallen = np.mean(energies[-N_MEAN:]) / np.mean(energies[:N_MEAN])
        found |= {level: (presentation, block) for level in levels if level not in found and fallen <= level}
        if len(found) == len(levels):
            break
        terms = LOCAL[attention](drawn.tokens, drawn.targets, block, context=drawn.context)
        velocity = [MOMENTUM * v + STEP * each / drawn.labels.size for v, each in zip(velocity, terms, strict=True)]
        weights = [w + v for w, v in zip(weights, velocity, strict=True)]
    return found


def energy(attention, drawn, block):
    """Energy of a token: half the squared error, in the mean (float)."""
    errors = drawn.targets - ANSWERS[attention](drawn.tokens, block, context=drawn.context).output
    return float(np.sum(errors**2)) / (2 * drawn.labels.size)


def initial(rng):
    """Weights of variance 1 / fan-in (list of ndarray); those of queries and keys `SHARPER` times as large."""
    inward = [rng.standard_normal((1, size, D_MODEL)) / np.sqrt(D_MODEL) for size in (D_KEY, D_KEY, D_VALUE)]
    W_O = rng.standard_normal((1, D_MODEL, D_VALUE)) / np.sqrt(D_VALUE)
    return [SHARPER * inward[0], SHARPER * inward[1], inward[2], W_O]


def asked(rng, n_sequence, but_not=frozenset()):
    """Sequences of the recall task.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_sequence : int
    but_not : set of str
        Digests (`simulation.calibrate.digests`) of sequences that are not to be among them.

    Returns
    -------
    Sequences
    """
    drawn = recall(rng, 4 * n_sequence, N_PAIR, N_SYMBOL, N_VALUE, N_PAIR)
    new = [k for k, each in enumerate(digests(drawn.tokens, drawn.context)) if each not in but_not][:n_sequence]
    return type(drawn)(*(each[new] for each in drawn))


class Reading(NamedTuple):
    """A way of reading the gradient.

    Attributes
    ----------
    form : str
    cells : int
        Per value.
    settle, window : float
        Seconds; in rates the value at the end of the window counts.
    together : bool
        Whether the cells are calibrated once for all points of a training, instead of at each of them.
    """

    form: str
    cells: int
    settle: float
    window: float
    together: bool = False

    def settings(self, **given):
        """Settings of a run."""
        times = {"settle": self.settle * second, "window": self.window * second}
        return Settings(self.form, cells=self.cells, record="sample", **times, **given)


def answer(reading, attention, drawn, block, calibration_of, given, report=None):
    """Answer of a circuit with error cells to some sequences.

    Parameters
    ----------
    reading : Reading
    attention : {"linear", "softmax"}
    drawn : inputs.recall.Sequences
    block : Block
        Weights of the circuit.
    calibration_of : (Sequences, list of Block)
        Other sequences, with their targets, on which the cells are set; and the weights that they are set for.
    given : dict
        Further settings.
    report : callable, optional
        Brian2's progress report.

    Returns
    -------
    Answer

    Raises
    ------
    RunError, WiringError, KeyboardInterrupt
        As `simulation.attend.attend`.
    """
    settings, (others, blocks) = reading.settings(**given), calibration_of
    calibration = None
    if reading.form != "rate" or attention == "softmax":  # where the start of interneurons is set
        every = [(others.tokens, _block(others, each, attention)) for each in blocks]
        calibration = calibrate_together(learning_wiring, every, settings)
    return attend(learning_wiring, drawn.tokens, settings, report, calibration, **_block(drawn, block, attention))


def _block(drawn, block, attention):
    """What `learning_wiring` is given besides tokens (dict)."""
    weights = {name: getattr(block, name) for name in Terms._fields}
    return {"targets": drawn.targets, "context": drawn.context, "attention": attention, **weights}


def terms_within(found, form, seconds):
    """Terms read from the first seconds of the measured window of an `Answer` of a form; in rates from its end."""
    protocol = found.plan.protocol
    phases = round(seconds / float(protocol.phase))
    values = window_values(found.run, form, protocol.windows[:, :phases] if form.spikes else protocol.windows)
    return read_terms(found.plan, {name: each[0] for name, each in values.items()})
