"""Forecast of the error of a block through two-compartment cells, before any network runs.

An output is the sum of the terms t_hijvm = W_O,hmv kappa_hij v_hjv over heads h, context tokens j and components v of the
value. Each term passes two stages of two-compartment cells: L2/3 cells multiply phi(q) by phi(k), L5 IT cells attention
by a value. The map from values to currents is fitted on calibration sequences alone, and leaves a loss at each stage: in
L2/3 the squared residual of the attention relative to its square (of the products, where inhibition does not divide these
by their own sum), in L5 IT that of the products, noise of spike counts included (`cells.membranes.product`). If every
term is off by an independent relative error whose square has the mean loss1 + loss2, the answer is off by

::

    relative L2 = c_rss sqrt(loss1 + loss2),        c_rss = sqrt(sum t^2) / |answer|.

c_rss is large where W_V and W_O let terms cancel: 1 for terms that are orthogonal, 1 / sqrt(n) for n equal ones. The answer
is that of the algebra. No constant is fitted to an error, so that the scale of the forecast may be off: errors that terms
share do not add as independent ones, and the normaliser takes back what is common to a row of attention. The experiment
`forecast` measures by how much.

The idea is ours: a first-order propagation of relative errors, as for the rounding of sums (Higham 2002, section 3.1), with
losses in the place of the unit of rounding.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.cells.intratelencephalic import INTRATELENCEPHALIC
from cortical_attention.cells.superficial import SUPERFICIAL
from cortical_attention.circuits.plan import shown
from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.block import check_problem, project
from cortical_attention.simulation import engine
from cortical_attention.simulation.attend import drawn_for
from cortical_attention.simulation.calibrate import divided_by_own_sum
from cortical_attention.simulation.settings import Settings
from cortical_attention.trials.calibration import sequences_of
from cortical_attention.trials.systems import SYSTEMS


class Losses(NamedTuple):
    """Squared residual of the fit of each stage to its products, relative to their square."""

    superficial: float
    intratelencephalic: float


class Forecast(NamedTuple):
    """Error that is expected of a circuit, and what it is made of.

    Attributes
    ----------
    cancellation : float
        c_rss, the root of the sum of squares of all terms over the norm of the answer; infinite if the answer is zero.
    losses : Losses
    """

    cancellation: float
    losses: Losses

    @property
    def relative_l2(self):
        """Expected relative L2 error, c_rss sqrt(loss1 + loss2)."""
        return self.cancellation * float(np.sqrt(sum(self.losses)))


def forecast(case, form, counted, kernel="elu+1", normaliser="pi", tokens=True):
    """Relative L2 error that is expected of a block in a form with two-compartment cells, without running a network.

    Parameters
    ----------
    case : Case
        Its block, mask and calibration sequences; without calibration sequences those are drawn that a circuit would be
        calibrated on (`simulation.attend.drawn_for`).
    form : Form
        One whose L2/3 and L5 IT cells are fitted to products, such as `cells.forms.biophysical.biophysical()`; their
        surface is measured once per process.
    counted : Quantity (s)
        Cells per value times the window.
    kernel : str
    normaliser : str or None
        None: attention without division by Z.
    tokens : bool
        Whether c_rss is that of the case's tokens and context (n_token or n_context, d_model), or of the calibration
        sequences alone. The losses never depend on them where the case has calibration sequences.

    Returns
    -------
    Forecast

    Raises
    ------
    ValueError
        If the form has no such cells, or a shape does not fit.
    """
    others = calibration_sequences(case)
    tested = (case.tokens, case.context) if tokens else others
    how = {"mask": case.mask, "kernel": kernel, "normalised": normaliser is not None}
    return Forecast(
        cancellation(tested[0], case.block, context=tested[1], **how), losses(case, form, counted, kernel, normaliser)
    )


def cancellation(tokens, block, *, context=None, mask=None, **how):
    """Root of the sum of squares of the terms W_O kappa v over the norm of the answer, c_rss.

    Parameters
    ----------
    tokens : ndarray, shape (..., n_token, d_model)
        Leading axes are summed over, as the components of one answer.
    block : Block
    context : ndarray, shape (..., n_context, d_model), optional
        None: the tokens.
    mask : ndarray of bool, shape (n_token, n_context), optional
    **how
        `kernel` and `normalised`, as for `reference.linear_attention`.

    Returns
    -------
    float
        Infinite if the answer is zero.

    Raises
    ------
    ValueError
        If the kernel is unknown or a shape does not fit.
    """
    tokens, context = shown(tokens, tokens if context is None else context, mask)
    attention = linear_attention(tokens, block, context=context, mask=mask, **how)
    problem = check_problem(tokens, block, context, mask)
    weights, values = attention.kappa**2, project(problem)[2] ** 2
    of_value = np.einsum("hmv -> hv", problem.block.W_O**2)
    squares = np.einsum("...hij, ...hjv, hv ->", weights, values, of_value, optimize=True)
    size = np.linalg.norm(attention.output)
    return float(np.sqrt(squares) / size) if size else np.inf


def losses(case, form, counted, kernel="elu+1", normaliser="pi"):
    """Losses of the two stages on the calibration sequences of a case; arguments as for `forecast`.

    Returns
    -------
    Losses

    Raises
    ------
    ValueError
        If the form has no cells that are fitted to products, or a shape does not fit.
    """
    tokens, context = calibration_sequences(case)
    tokens, context = shown(tokens, tokens if context is None else context, case.mask)
    fits = [form.of(cell).drive.fit for cell in (SUPERFICIAL, INTRATELENCEPHALIC)]
    if None in fits:
        raise ValueError(f"form '{form.name}' has no L2/3 and L5 IT cells that are fitted to products but needs them")
    how = {"context": context, "mask": case.mask, "kernel": kernel}
    attention = linear_attention(tokens, case.block, **how, normalised=normaliser is not None)
    plan = SYSTEMS["mask"].wiring(Settings().times(), tokens, **how, normaliser=normaliser, **case.block._asdict())
    divided = divided_by_own_sum(plan.circuit, "superficial")
    queries, keys, values = project(check_problem(tokens, case.block, context, case.mask))
    pairs = {"basal": queries[..., :, None, :], "apical": keys[..., None, :, :]}
    pairs["gate"] = np.ones(1) if case.mask is None else case.mask[..., None].astype(float)
    with engine.device("numpy"):  # the surface may be measured, in a run of its own
        first = fits[0](pairs, {"basal": kernel, "apical": kernel}, False, counted, divided)
        second = fits[1]({"basal": values, "apical": attention.kappa}, {}, True, counted)
    return Losses(first.loss, second.loss)


def calibration_sequences(case):
    """Calibration sequences of a case (n_sequence, n_token, d_model), and their contexts or None: those that it has, or
    drawn ones."""
    if (given := sequences_of(case)) is not None:
        return given
    context = None if case.context is None else case.context[None]
    drawn, block = drawn_for(case.tokens[None], context=context, mask=case.mask)
    return drawn, block["context"]


def forecasts_for(cases, options):
    """Expected relative L2 of the circuit of some options on each of some cases.

    Parameters
    ----------
    cases : sequence of Case
        With one block, mask and calibration sequences.
    options : Options

    Returns
    -------
    list of (float or None)
        None where nothing is expected: in forms without cells that are fitted to products, in other wirings than `mask`,
        for a calibration that was given or is made on the tested input, and for an answer of zero.
    """
    settings = options.settings
    if not _expects(options):
        return [None] * len(cases)
    counted = settings.cells * settings.times().window
    kernel, normaliser = options.kernel, options.normaliser
    how = {"kernel": kernel, "normalised": normaliser is not None}
    with np.errstate(all="ignore"):  # values that overflow are refused elsewhere
        lost = losses(cases[0], settings.form, counted, kernel, normaliser)
        tested = [(each.tokens, each.block, {"context": each.context, "mask": each.mask, **how}) for each in cases]
        found = [Forecast(cancellation(tokens, block, **more), lost).relative_l2 for tokens, block, more in tested]
    return [each if np.isfinite(each) else None for each in found]


def _expects(options):
    """Whether there is anything to forecast."""
    of = options.settings.form.of
    fits = all(of(cell).drive.fit is not None for cell in (SUPERFICIAL, INTRATELENCEPHALIC))
    return fits and options.system is SYSTEMS["mask"] and options.calibration is None and not options.on_input
