"""Error and query identification of a frozen circuit in short windows, from the moment tokens appear or change."""

from functools import partial

import numpy as np
from brian2 import ms

from cortical_attention.circuits.slots import Slots, in_slots
from cortical_attention.readout.agreement import query_identification, relative_l2
from cortical_attention.simulation.attend import calibrate, prepare, run
from cortical_attention.simulation.settle import window_values
from cortical_attention.trials.batch import stacked
from cortical_attention.trials.calibration import sequences_of
from cortical_attention.trials.comparison import reference_for
from cortical_attention.trials.spike_error_sources import idealised

SLOTS = Slots(rest=150 * ms, shown=250 * ms, phase=25 * ms)
WINDOW = 50 * ms
BEYOND = (
    0.2  # chosen: of spikes beyond the limit of their cells; many are in the moment of a change, and all are reported
)
HALVES = ("onset", "change")
IDEAL = "ideal"  # in place of a normaliser: division by the Z of the shown tokens, from the moment they are shown


def measure(cases, options, ideal=False, report=None):
    """Show sequences after rest, then the sequence of another case in the place of each, without a pause.

    Parameters
    ----------
    cases : sequence of Case
        With one block and one set of calibration sequences, on which the circuit is calibrated once.
    options : Options
    ideal : bool
        Whether L2/3 cells are divided by the Z of the algebra, in place of inhibition: the floor of the chain.
    report : callable, optional
        Progress report of Brian2.

    Returns
    -------
    answers : dict of str to (ndarray, ndarray)
        By half of the run, "onset" and "change": output, shape (n_window, n_case, n_token, d_model), and attention, shape
        (n_window, n_case, n_head, n_token, n_context).
    references : dict of str to list of trials.comparison.Reference
        Of the case that is shown.
    saturated : float
        Largest share of the spikes of a population that is beyond the limit of its cells.

    Raises
    ------
    WiringError, RunError
        As `simulation.attend.attend`.
    """
    tokens, context = stacked(cases)
    sequences, contexts = sequences_of(cases[0])
    block = {"kernel": options.kernel, "normaliser": options.normaliser, **cases[0].block._asdict()}
    settings = options.settings
    calibration = calibrate(options.system, sequences, settings, context=contexts, **block)
    references = [reference_for(case, options) for case in cases]
    wiring = partial(_shown, options.system.wiring, _normalisers(cases, references, options) if ideal else None)
    calibration = calibration.without_interneurons() if ideal else calibration
    prepared = prepare(wiring, tokens, settings, calibration, context=context, **block)
    found = run(prepared, report, beyond=BEYOND)
    if found.interrupted:
        raise KeyboardInterrupt
    answers = {half: _answers(prepared.plan, found, settings.form, slot) for slot, half in enumerate(HALVES, 1)}
    saturated = max((float(each.share.max()) for each in found.saturated.values()), default=0.0)
    return answers, dict(zip(HALVES, (references, [*references[-1:], *references[:-1]]), strict=True)), saturated


def _normalisers(cases, references, options):
    """Z of the algebra (n_case, n_head, n_token) at rest, of the sequences, and of those moved on by one."""
    zeros = cases[0]._replace(
        tokens=0 * cases[0].tokens, context=None if cases[0].context is None else 0 * cases[0].context
    )
    shown = np.array([each.attention.normaliser for each in references])
    rest = np.broadcast_to(reference_for(zeros, options).attention.normaliser, shown.shape)
    return rest, shown, _moved_on(shown)


def _shown(wiring, exact, times, tokens, context=None, **block):
    """Plan of rest, the sequences, and the sequences moved on by one."""
    plans = []
    for change in (np.zeros_like, np.asarray, _moved_on):
        other = None if context is None else change(context)
        plans.append(wiring(times, change(tokens), context=other, **block))
    if exact is not None:
        plans = [idealised(plan, ("shunt",), z) for plan, z in zip(plans, exact, strict=True)]
    return in_slots(plans, SLOTS)


def _moved_on(values):
    """Each sequence in the place of the next one, the last in that of the first."""
    return np.roll(values, 1, axis=0)


def _answers(plan, found, form, slot):
    """Output and attention in the windows of a slot."""
    values = window_values(found, form, SLOTS.windows(slot, WINDOW))
    attention = values[plan.attention.population]  # whose last axis is that of the sum, where there is one
    return values[plan.output.population], attention.sum(axis=-1) if plan.attention.sum else attention


def figures_of(outputs, attention, references):
    """Figures of one half of a run.

    Parameters
    ----------
    outputs : ndarray, shape (n_window, n_case, n_token, d_model)
    attention : ndarray, shape (n_window, n_case, n_head, n_token, n_context)
    references : list of trials.comparison.Reference

    Returns
    -------
    dict
        `relative_l2`, `attention_relative_l2` and `query_identification`, lists by window of lists by case; `best_null`, a
        list by case.
    """
    right, kappa = ([getattr(each.attention, name) for each in references] for name in ("output", "kappa"))
    return {
        "relative_l2": [[relative_l2(*pair) for pair in zip(each, right, strict=True)] for each in outputs],
        "attention_relative_l2": [[relative_l2(*pair) for pair in zip(each, kappa, strict=True)] for each in attention],
        "query_identification": [
            [query_identification(*pair) for pair in zip(each, right, strict=True)] for each in outputs
        ],
        "best_null": [
            min(relative_l2(null, each.attention.output) for null in each.nulls.values()) for each in references
        ],
    }
