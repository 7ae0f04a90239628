"""Streams in simulated cells (`circuits.prediction`), and the gradient that is read from them."""

from typing import NamedTuple

import numpy as np
from brian2 import ms, second

from cortical_attention.circuits.prediction import Presentations, prediction_wiring
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.gradients import gradients
from cortical_attention.reference.local_terms import Terms
from cortical_attention.simulation.attend import Settings, prepare, read, run
from cortical_attention.trials.credit import read_terms
from cortical_attention.trials.teach import LATE, NEXT, STREAMS, WEIGHTS, drawn_for

SHOWN = 0.8 * second  # of a presentation; chosen: until inhibition has settled
WINDOW = 0.4 * second  # after the last; chosen: four quarters of 0.1 s, to see whether answers stand still
DT = 2 * ms  # chosen: rates that have settled do not depend on it
ALONE = "next, answer alone held"  # a control of `circuits.prediction`
HOW = {NEXT: {}, LATE: {"late": 1}, ALONE: {"held": "answer"}}  # streams that are shown to simulated cells


class Cells(NamedTuple):
    """A stream in simulated cells.

    Attributes
    ----------
    terms : Terms
        Read from the cells, each token in the presentation in which its truth is there.
    errors : ndarray, shape (n_phase, n_token)
        Size of the errors of each token of the first sequence at the end of every phase.
    relative_l2 : dict of str to float
        Of the terms, by weight, from the formal gradient of equations 2 to 5 for the next token.
    answer, error : float
        Relative L2 of the answers, and of the errors while error cells listen, from the algebra.
    settled : bool
    phase : float
        Of the protocol, s.
    wall : float
        s.
    """

    terms: Terms
    errors: np.ndarray
    relative_l2: dict
    answer: float
    error: float
    settled: bool
    phase: float
    wall: float


def present(task, block, seed, n_sequence=2, late=0, held="macrocolumn", shown=SHOWN, target="auto", report=None):
    """Show test sequences to the circuit, one token after another, and read the gradient from its cells (Cells)."""
    drawn = drawn_for(task, np.random.default_rng([seed, STREAMS["cells"]]), n_sequence, "test")
    n = drawn.n_item
    order = Presentations(n, n, late)
    weights = {name: getattr(block, name) for name in WEIGHTS}
    settings = Settings("rate", settle=shown, window=WINDOW, dt=DT, record="sample", target=target)
    prepared = prepare(
        prediction_wiring, drawn.shown[:, : order.n], settings, n_context=n, heard=drawn.heard, late=late, held=held,
        **weights,
    )  # fmt: skip
    done = run(prepared, report)
    if done.interrupted:
        raise KeyboardInterrupt
    answer = read(prepared, done)
    ends = order.ends(settings.times())
    terms = summed(prepared.plan, done.values, ends)
    formal = gradients(drawn.tokens, drawn.truth(), block, context=drawn.context)[1:]
    right = linear_attention(drawn.tokens, block, context=drawn.context).output
    off = {name: relative_l2(found, -each) for name, found, each in zip(WEIGHTS, terms, formal, strict=True)}
    errors = np.stack([done.values["error"][end][:, token] for token, end in enumerate(ends)], axis=1)
    sizes = np.linalg.norm(done.values["error"][:, 0], axis=-1)
    return Cells(
        terms, sizes, off, relative_l2(answer.output, right), relative_l2(errors, drawn.truth() - right),
        bool(answer.settled.settled.all()), float(prepared.plan.protocol.phase), done.wall,
    )  # fmt: skip


def summed(plan, values, ends):
    """Terms of a stream, read from its cells.

    Parameters
    ----------
    plan : Plan
        Of `circuits.prediction.prediction_wiring`.
    values : dict of str to ndarray, shape (n_phase, batch, *sizes)
    ends : ndarray of int
        Phases at whose ends the errors of each token are there; the cells of all others carry none then.

    Returns
    -------
    Terms
    """
    found = [read_terms(plan, {name: each[end] for name, each in values.items()}) for end in ends]
    return Terms(*(sum(each) for each in zip(*found, strict=True)))
