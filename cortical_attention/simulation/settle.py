"""Whether an answer is a steady state: it no longer drifts, and the attention sums to one.

Drift alone passes a network whose normaliser has died: its output is still, and zero.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.wiring.expressions import parse

RELATIVE = 1e-6  # rate form: the agreement with the algebra that is asked of it
SPIKES = 6.0  # spiking form: standard deviations of the squared distance, whose size is itself judged from few spikes
SUMS = 4.0  # the same for the worst of many sums: one of a thousand independent ones exceeds it in 6 % of runs


class Settled(NamedTuple):
    """Judgement of each input, shape (batch,).

    Attributes
    ----------
    settled : ndarray of bool
    drift, drift_tolerance : ndarray
        Distance (L2) between the outputs of the last two quarters of the window, and what it may be.
    sum_error, sum_tolerance : ndarray
        Distance from one of the attention of the head and token that misses its tolerance most, and that tolerance; 0
        without normalisation.
    silent : ndarray of int
        Macrocolumns whose L2/3 cells and interneuron are both silent: without drive, their attention is zero by
        definition and is left out of `sum_error`. (Where the normaliser has died, the interneuron is not silent.)
    """

    settled: np.ndarray
    drift: np.ndarray
    drift_tolerance: np.ndarray
    sum_error: np.ndarray
    sum_tolerance: np.ndarray
    silent: np.ndarray


def judge(plan, run, form, cells):
    """Settled of a finished run.

    Parameters
    ----------
    plan : Plan
    run : Run
    form : Form
    cells : int
        Cells a number.

    Returns
    -------
    Settled
    """
    windows = plan.protocol.windows
    third, fourth = np.array_split(windows, 4, axis=1)[2:]
    before, after = (plan.output(slots(run, form, quarter)) for quarter in (third, fourth))
    drift = np.linalg.norm(after - before, axis=(1, 2))
    drift_tolerance = RELATIVE * np.linalg.norm(after, axis=(1, 2))
    if form.spikes:
        variance = _variance(plan.output, plan, run, form, fourth, cells)
        drift_tolerance = _largest_norm(2 * variance)
    if plan.attention_sum is None:
        nothing = np.zeros(len(drift))
        return Settled(drift <= drift_tolerance, drift, drift_tolerance, nothing, nothing, nothing.astype(int))
    error, tolerance, silent = _attention_sum(plan, run, form, cells)
    worst = np.argmax((error / tolerance).reshape(len(drift), -1), axis=1)
    sum_error, sum_tolerance = (
        np.take_along_axis(each.reshape(len(drift), -1), worst[:, None], axis=1)[:, 0] for each in (error, tolerance)
    )
    still = (drift <= drift_tolerance) & (sum_error <= sum_tolerance)
    return Settled(still, drift, drift_tolerance, sum_error, sum_tolerance, silent.sum(axis=(1, 2)))


def slots(run, form, windows):
    """Numbers of every population in each window, shape (n_slot, batch, *sizes): the mean over the window of what spikes
    stood for, or the rates at its end."""
    if form.spikes:
        return {name: numbers[windows].mean(axis=1) for name, numbers in run.numbers.items()}
    return {name: numbers[windows[:, -1]] for name, numbers in run.numbers.items()}


def _largest_norm(variance):
    """Largest norm (batch,) of numbers (batch, ...) with a variance each: `SPIKES` standard deviations beyond the mean of
    its square, which for Gaussian numbers are sum(variance) and sqrt(2 sum(variance**2))."""
    variance = variance.reshape(len(variance), -1)
    return np.sqrt(variance.sum(axis=1) + SPIKES * np.sqrt(2 * (variance**2).sum(axis=1)))


def _variance(read, plan, run, form, windows, cells):
    """Variance of a reading of the numbers over windows: by counting, or, where cells are not regular, from how much it
    changes from one pair of phases to the next (half of the mean square of successive differences, von Neumann 1941).
    Pairs, since slow synapses make a phase resemble the one before."""
    if form.regular:
        return read(spike_variance(plan, run, windows, cells))
    every = plan.protocol.windows
    pairs = np.array([read(slots(run, form, every[:, [k, k + 1]])) for k in range(0, every.shape[1] - 1, 2)])
    return np.mean(np.diff(pairs, axis=0) ** 2, axis=0) / windows.shape[1]


def spike_variance(plan, run, windows, cells):
    """Variance of the number of each cell if its count in a window is right to one spike, shaped as `slots`.

    The count of a regular train is its expectation rounded up or down, which happens with variance 1/6 on average over
    expectations, and with no more than the expectation where that is below 1/6. A cell that sums (a soma port) inherits
    the variance of its sources; a cell that multiplies starts anew.
    """
    span = windows.shape[1] * plan.protocol.phase
    numbers = {name: np.abs(each[plan.protocol.windows].mean(axis=1)) for name, each in run.numbers.items()}
    variance = {}

    def of(name):
        """Variance of one population, after those that it sums."""
        if name not in variance:
            summed = [each for each in plan.circuit.projections if each.target == f"{name}.soma"]
            shape = plan.circuit.populations[name].shape
            one_spike = np.asarray(1 / (run.unit_rates[name] * span))
            one_spike = one_spike.reshape(*one_spike.shape, *(1 for _ in range(1 + len(shape) - one_spike.ndim)))
            expected = numbers[name] / one_spike
            own = one_spike**2 * np.minimum(expected, 1 / 6) / cells
            variance[name] = sum((_inherited(each, of(each.source)) for each in summed), own)
        return variance[name]

    return {
        name: np.broadcast_to(of(name), (len(windows), *numbers.shape[1:])) for name, numbers in run.numbers.items()
    }


def _inherited(projection, variance):
    """Variance that a weighted sum inherits from what it sums."""
    expression = parse(projection.expression)
    line = f"...{expression.source},{expression.weight}->...{expression.distinct}"
    return np.einsum(line, variance, np.asarray(projection.weights, dtype=float) ** 2)


def _attention_sum(plan, run, form, cells):
    """Distance from one of the attention of each head and token over the window, its tolerance, and who is silent.

    In spikes the sum is right to one spike of each cell that is summed, and to the relative error that one spike of the
    interneuron makes in what it divides by; in a form with noise, to what that makes of both.
    """
    windows = plan.protocol.windows
    measured, last = slots(run, form, windows), slots(run, form, np.array_split(windows, 4, axis=1)[3])
    attention, gain = plan.attention_sum(measured), plan.gain(measured)
    nothing = 0 if form.spikes else RELATIVE
    silent = (attention <= nothing) & (plan.gain(last) <= nothing)
    tolerance = np.full(attention.shape, RELATIVE)
    if form.spikes:
        one_spike = np.sqrt(_variance(plan.gain, plan, run, form, windows, cells))
        divided = one_spike / np.maximum(gain, np.maximum(one_spike, np.finfo(float).tiny))
        counted = _variance(plan.attention_sum, plan, run, form, windows, cells)
        tolerance = np.maximum(RELATIVE, SUMS * np.sqrt(counted + divided**2))
    return np.where(silent, 0, np.abs(attention - 1)), tolerance, silent
