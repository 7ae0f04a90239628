"""Prediction as teacher: tokens come one after another, and the truth about an answer is the token that comes next.

::

    error        e_i = truth - xt_i      L2/3 of the area above; listens in the one presentation after token i
       ^              ^
       |          higher-order nucleus   xt_i = sum_h W_O vt_i, still there, since core and matrix hold
       |              ^
       |          the learning wiring (`circuits.learning`): areas, inhibition, and feedback, mismatch, credit and gain cells
       |              ^
       |          core   x_i             macrocolumn i takes on token i of the second part of the stream, and holds it
       |          matrix x_j             takes on token j of the first part, and holds it
       |              ^
    truth        what is seen now; a first-order nucleus of its own
       ^              ^
       +--------------+---- the stream, one token in each presentation

Nothing comes from outside but the stream: learning needs an error, and an error needs a desired answer, which is here what
the senses bring next. It comes when the cells of the token that predicted it would be silent. It is not enough that the
higher-order nucleus holds its answer until then: the local terms (`circuits.learning`) are products of the rates of core,
matrix, L2/3 and L5 cells for the same token. So core and matrix hold (`cells.holding_relay`), and with them the macrocolumn;
that the nucleus of the answer alone holds is a control (`held`).

When a relay cell loads, when it holds, and when an error cell listens is set by a protocol from outside. The circuit is
ours. That projections to the pulvinar predict, that driver inputs bring the actual outcome some 100 ms later, and that the
difference teaches is the proposal of O'Reilly et al. (2021, abstract read); theirs follow one another in the same nucleus.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.cells.holding_relay import HOLDING_CORE
from cortical_attention.cells.relay import CORE, HIGHER_ORDER
from cortical_attention.circuits.learning import learning_wiring
from cortical_attention.circuits.plan import named
from cortical_attention.circuits.protocol import phase_of
from cortical_attention.wiring.circuit import Population, Projection
from cortical_attention.wiring.expressions import WiringError

HOLDING_MATRIX = HOLDING_CORE._replace(nucleus="matrix")
HOLDING_ANSWER = HOLDING_CORE._replace(layer=HIGHER_ORDER.layer, nucleus=HIGHER_ORDER.nucleus)
HELD = "macrocolumn", "answer"


class Presentations(NamedTuple):
    """Order of presentations.

    Attributes
    ----------
    n_context, n_token : int
        Tokens that matrix cells hold, and tokens that predict.
    late : int
        Presentations that error cells wait beyond the next one.
    """

    n_context: int
    n_token: int
    late: int = 0

    @property
    def n(self):
        """Presentations in all (int)."""
        return self.n_context + self.n_token + 1 + self.late

    def truth_of(self, token):
        """Presentation in which the error cells of a token listen (int or ndarray)."""
        return self.n_context + 1 + self.late + token

    def ends(self, times):
        """Phases at whose ends the errors of each token are there (ndarray of int, (n_token,))."""
        return (self.truth_of(np.arange(self.n_token)) + 1) * phase_of(times)[2] - 1


def prediction_wiring(
    times, tokens, W_Q, W_K, W_V, W_O, *, n_context, heard, late=0, held="macrocolumn", kernel="elu+1",
    feedback=None,
):  # fmt: skip
    """Circuit and protocol of a stream whose next token teaches.

    Parameters
    ----------
    times : Times
        `settle` is the time of one presentation.
    tokens : ndarray, shape (batch, n_shown, d_model)
        The stream: context tokens, then tokens that predict, then the truth of the last.
    W_Q, W_K, W_V, W_O, kernel, feedback
        As in `circuits.learning.learning_wiring`.
    n_context : int
        Tokens of the stream that matrix cells hold.
    heard : ndarray of bool, shape (d_model,)
        Components of a token that the senses bring; of the others the truth is zero.
    late : int
        Presentations that error cells wait beyond the next one: a control.
    held : {"macrocolumn", "answer"}
        Whether core cells hold their token, and with it the whole macrocolumn its answer; or, a control, core cells of all
        macrocolumns follow the stream, and only the higher-order nucleus holds what it represented during its token.

    Returns
    -------
    Plan
        Its window follows the last presentation, and all answers are there in it.

    Raises
    ------
    WiringError
        If the stream is too short for a token that predicts and its truth, or for another `held`.
    """
    if held not in HELD:
        raise WiringError(f"held is {held!r} but needs to be one of {', '.join(HELD)}")
    tokens, heard = np.asarray(tokens, dtype=float), np.asarray(heard, dtype=float)
    order = Presentations(n_context, tokens.shape[1] - n_context - 1 - late, late)
    if min(n_context, order.n_token) < 1 or late < 0:
        raise WiringError(
            f"a stream of {tokens.shape[1]} tokens with n_context = {n_context} and late = {late} leaves no token whose "
            "truth comes"
        )
    phase, _, n_shown, _ = phase_of(times)
    first = tokens[:, n_context : n_context + order.n_token]  # replaced by what the nuclei hold
    plan = learning_wiring(
        times._replace(settle=order.n * n_shown * phase), first, np.zeros_like(first), W_Q, W_K, W_V, W_O,
        context=tokens[:, :n_context], kernel=kernel, feedback=feedback,
    )  # fmt: skip
    turn = np.minimum(np.arange(plan.protocol.n_phase) // n_shown, order.n - 1)
    seen = tokens[:, turn].swapaxes(0, 1)
    populations = plan.circuit.populations | _streamed(plan.circuit.populations, seen, turn, order)
    senses = Population("truth", CORE, populations["error"].axes[1:], signed="soma", inputs={"soma": heard * seen})
    populations |= named(senses) | (_answer_alone(populations) if held == "answer" else {})
    truth = Projection("truth", "error.basal", "m -> im")
    circuit = plan.circuit._replace(
        name="prediction", populations=populations, projections=(*plan.circuit.projections, truth)
    )
    return plan._replace(circuit=circuit)


def _streamed(populations, seen, turn, order):
    """Nuclei that hear the stream and hold, and error cells that listen (dict); `seen` is (n_phase, batch, d_model)."""
    core, matrix, error = (populations[name] for name in ("core", "matrix", "error"))
    token, soma = np.arange(order.n_token), seen[:, :, None]
    own = {"soma": soma, "load": _open(turn, order.n_context + token)}
    context = {"soma": soma, "load": _open(turn, np.arange(order.n_context))}
    return named(
        core._replace(cell=HOLDING_CORE, inputs=own),
        matrix._replace(cell=HOLDING_MATRIX, inputs=context),
        error._replace(inputs={"gate": _open(turn, order.truth_of(token))}),
    )


def _answer_alone(populations):
    """Core cells that follow the stream, and a higher-order nucleus that holds (dict)."""
    core, answer = (populations[name] for name in ("core", "higher_order"))
    load = core.inputs["load"]
    return named(
        core._replace(inputs=core.inputs | {"load": np.ones_like(load)}),
        answer._replace(cell=HOLDING_ANSWER, inputs={"load": load}),
    )


def _open(turn, at):
    """Gate of each place (n_phase, 1, n_place, 1): one in the presentation `at`."""
    return (turn[:, None] == at).astype(float)[:, None, :, None]
