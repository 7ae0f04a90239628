"""Comparison of many cases of one block, some side by side in one network."""

from cortical_attention.trials.batch import ask, part_of
from cortical_attention.trials.comparison import Comparison, describe, reference_for
from cortical_attention.trials.forecast import forecasts_for

SIDE_BY_SIDE = 20  # chosen: 20 digits are 300,000 cells


def compare_many(cases, options, report=None, compared=None):
    """Let a circuit answer cases, and compare each; what was done where it was interrupted.

    Parameters
    ----------
    cases : sequence of Case
        Of equal sizes, which share block, mask and calibration sequences.
    options : Options
    report : callable, optional
        Brian2's progress report.
    compared : list, optional
        Is given the comparisons as they are done, so that they outlast an error.

    Returns
    -------
    list of Comparison

    Raises
    ------
    WiringError, RunError, KeyboardInterrupt
        As `trials.batch.ask`.
    """
    n = max(SIDE_BY_SIDE // options.replicas, 1)
    compared, starts = [] if compared is None else compared, range(0, len(cases), n)
    for place, start in enumerate(starts):
        batch = cases[start : start + n]
        forecasts = forecasts_for(batch, options)
        answer = ask(batch, options, part_of(report, place, len(starts)))
        for k, case in enumerate(batch):
            reference, index = reference_for(case, options), k * options.replicas
            figures = describe(answer, reference, options, case, index, forecasts[k])
            compared.append(Comparison(answer, reference, figures, index))
        if answer.run.interrupted:
            break
    return compared
