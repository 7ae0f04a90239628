"""Whether an answer is a steady state: nothing overflowed, it no longer drifts, the attention sums to one, and its spikes
resolve it.

A test of drift alone would accept a network whose normaliser has died: its output is constant, and zero.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.cells.subtractive_interneuron import lags_from
from cortical_attention.cells.tuft import MARGIN
from cortical_attention.simulation.calibrate import drive_of, highest_rate
from cortical_attention.simulation.coarse import coarse_scores
from cortical_attention.simulation.counting import ROUNDING, one_spike, spike_variance
from cortical_attention.simulation.engine import PRECISIONS
from cortical_attention.simulation.rule import asked_of, with_exact_inputs
from cortical_attention.simulation.saturation import beyond_limits
from cortical_attention.simulation.signals import signals_of
from cortical_attention.wiring.values import SILENT

RELATIVE = 1e-6  # rate form: the agreement with the algebra that is asked of it
SPIKES = 6.0  # spiking form: standard deviations of the squared distance, whose size is itself judged from few spikes
SUMS = 4.0  # the same for the worst of many sums: one of a thousand independent ones exceeds it in 6 % of runs
RIPPLE = 5e-3  # chosen: the ripple of synaptic currents biases a product by 0.1 to 0.2 %, however long the window
OF_EXPONENTIALS = 3e-2  # the same where dendrites are exponential; chosen: three times what `experiments.softmax` finds
RESTLESS = (
    2.0  # chosen: how far ripple may then move an answer, as a factor of counting; 1.3 times in `experiments.softmax`
)
EARLY = 1.5  # chosen: the first half of a window may be off by so much more, since the mean shares it with the rest
LONGEST = 3600.0  # s; chosen: nobody would wait longer for a circuit to settle
LAST_LAGS = 12.0  # chosen: in which a loop of interneurons settles from nearby, to exp(-12)
GROWTH = 2.0  # chosen: values that double from one quarter to the next, twice, run away
SQUARES = (
    1e-100,
    1e100,
)  # chosen: values beyond are scaled before they are squared, so that no norm overflows or vanishes


class Settled(NamedTuple):
    """Judgement of each input, shape (batch,).

    Attributes
    ----------
    settled : ndarray of bool
    drift, drift_tolerance : ndarray
        Distance (L2) of the output in the last quarter of the window from that in the quarter before, and what it may be;
        in spikes, whose answer is a mean over the window, also from that in the first two quarters, which may differ by
        `EARLY` times as much if the circuit had the settling time of its form.
    sum_error, sum_tolerance : ndarray
        Distance from one of the attention of the head and token that misses its tolerance most, and that tolerance. The
        distance is 0 without normalisation, and where the fixed point of the normaliser is not a sum of one.
    silent : ndarray of int
        Macrocolumns without drive: what reaches their L2/3 cells is exactly zero after the kernels, so that their
        attention is zero by definition and is left out of `sum_error`. A small Z is not zero. Where attention is
        exponential only a macrocolumn whose microcolumns are all closed is silent.
    reason : ndarray of str
        Why the input is not settled; empty if it is.
    """

    settled: np.ndarray
    drift: np.ndarray
    drift_tolerance: np.ndarray
    sum_error: np.ndarray
    sum_tolerance: np.ndarray
    silent: np.ndarray
    reason: np.ndarray


def judge(plan, run, form, cells):
    """Settled of a finished run.

    Parameters
    ----------
    plan : Plan
    run : Run
    form : Form
    cells : int
        Cells per value.

    Returns
    -------
    Settled
    """
    quarters = np.array_split(plan.protocol.windows, 4, axis=1)
    read = [window_values(run, form, quarter) for quarter in quarters]
    *before, after = (plan.read(plan.output, each) for each in read[0 if form.spikes else 2 :])
    counted = _largest_norm(2 * _variance(plan.output, plan, run, form, quarters[3], cells))
    # the less time there was, the less of a drift may be hidden by spikes
    lacking = _short_of_time(plan.protocol, form)
    hidden = SPIKES * lacking * counted if lacking else 0
    drift, drift_tolerance = _drift(before, after, np.maximum(_relative(run, form) * _norm(after), counted), plan, form)
    error, tolerance, silent = _attention_sums(plan, run, form, cells)
    with np.errstate(invalid="ignore"):
        missed = np.where(error > 0, error / np.where(error > 0, tolerance, 1), 0)
    worst = np.argmax(missed, axis=1)[:, None]
    sum_error, sum_tolerance = (np.take_along_axis(each, worst, axis=1)[:, 0] for each in (error, tolerance))
    found = Settled(None, drift, drift_tolerance, sum_error, sum_tolerance, silent.sum(axis=1).astype(int), None)
    unresolved = _unresolved(plan, run, form, cells, hidden)
    ends = (
        _runs_away(plan, read, form),
        _below_zero(plan, read[3], form, _relative(run, form)),
        [*map(_joined, coarse_scores(plan, run, form, cells)[:: plan.protocol.n_memory], unresolved)],
        beyond_limits(plan.circuit, run.saturated, form, run.dt) or [""] * len(drift),
    )
    reason = reasons(found, *ends, _on_its_way(plan, run, read[3], form))
    return found._replace(settled=reason == "", reason=reason)


def _joined(*clauses):
    """Clauses that are not empty, as one (str)."""
    return "; ".join(filter(None, clauses))


def reasons(found, runs_away, below_zero, unresolved, beyond, on_its_way):
    """Why each input is not settled.

    Parameters
    ----------
    found : Settled
    runs_away, below_zero, unresolved, beyond, on_its_way : list of str
        By input: the populations whose values run away, or are below zero and cannot be, what spikes do not resolve,
        which population has too many spikes beyond the limit of its cells, and which interneurons had too little time;
        empty if nothing.

    Returns
    -------
    ndarray of str, shape (batch,)
        Clauses joined by semicolons; empty where there are none.
    """
    each = enumerate(zip(runs_away, below_zero, unresolved, beyond, on_its_way, strict=True))
    return np.array(["; ".join(_clauses(found, b, *said)) for b, said in each])


def _clauses(found, b, runs_away, below_zero, unresolved, beyond, on_its_way):
    drift, tolerance = found.drift[b], found.drift_tolerance[b]
    clauses = [f"the values of {runs_away} run away"] if runs_away else []
    if np.isposinf(tolerance) and np.isfinite(drift):
        clauses.append("errors of counting grow without bound in a loop of its projections")
    elif not drift <= tolerance:
        clauses.append(f"the output drifts by {drift:.2g}, tolerance {tolerance:.2g}")
    if not found.sum_error[b] <= found.sum_tolerance[b]:
        clauses.append(
            f"attention misses a sum of one by {found.sum_error[b]:.2g}, tolerance {found.sum_tolerance[b]:.2g}"
            + on_its_way
        )
    if below_zero:
        clauses.append(f"{below_zero} stands for values below zero, which takes on and off cells (`signed`)")
    return [*clauses, *filter(None, (unresolved, beyond))]


def window_values(run, form, windows):
    """Values of every population in each window: the mean over its phases in a form with spikes; the last phase in rates,
    or the mean where inputs never stand still (`Protocol.cycle`).

    Parameters
    ----------
    run : Run
    form : Form
        Of the run.
    windows : ndarray of int, shape (n_window, n_phase_in_window)
        Phases of each query window, or of a part of it.

    Returns
    -------
    dict of str to ndarray, shape (n_window, batch, *sizes)

    Raises
    ------
    IndexError
        If the run was interrupted before the last of these phases.
    """
    return {name: signals_of(form).within(values, windows, run.cycle) for name, values in run.values.items()}


def _drift(before, after, tolerance, plan, form):
    """Drift and its tolerance (batch,), from the outputs of quarters: that before the last one, unless an earlier one is
    farther from the last than it may be."""
    *early, last = (_norm(after - each) for each in before)
    if not early:
        return last, tolerance
    early, allowed = np.max(early, axis=0), tolerance * (1 if _short_of_time(plan.protocol, form) else EARLY)
    moved = ~(early <= allowed)
    return np.where(moved, early, last), np.where(moved, allowed, tolerance)


def _short_of_time(protocol, form):
    """Share of the settling time of the form that the shortest time before a window lacks."""
    spans = [each.stop - each.start for each in protocol.epochs if each.name == "settle"]
    missing = float(form.settle) - min(spans, default=0)
    return missing / float(form.settle) if missing > float(protocol.phase) else 0


def _norm(values):
    """L2 norm of each input (batch,) of values (batch, n_token, d_model)."""
    size = np.abs(values).max(axis=(1, 2), initial=0)
    scale = np.where((size == 0) | ((size > SQUARES[0]) & (size < SQUARES[1])) | ~np.isfinite(size), 1, size)
    return scale * np.linalg.norm(values / scale[:, None, None], axis=(1, 2))


def _relative(run, form):
    """Relative error that is none: `RELATIVE`, or what floats of the run leave of the slowest loop of interneurons (four
    lags), whose integral stands still where a step would change it by less than their rounding."""
    return max(RELATIVE, np.finfo(PRECISIONS[run.precision]).eps * 4 * float(form.tau_loop / run.dt))


def _largest_norm(variance):
    """Largest norm (batch,) of values (batch, ...) with a variance each: `SPIKES` standard deviations beyond the mean of
    its square, which for Gaussian numbers are sum(variance) and sqrt(2 sum(variance**2))."""
    variance = variance.reshape(len(variance), -1)
    return np.sqrt(variance.sum(axis=1) + SPIKES * np.sqrt(2 * (variance**2).sum(axis=1)))


def _variance(reading, plan, run, form, windows, cells):
    """Variance of a reading of the values over windows: by counting, or, where cells are not regular, from how much it
    changes from one pair of phases to the next (half of the mean square of successive differences, von Neumann 1941).
    Pairs, since slow synapses make a phase resemble the one before; and of the later half alone where the circuit had less
    than the settling time of its form, since what is still on its way is no noise."""
    if not form.spikes:
        return np.zeros_like(plan.read(reading, window_values(run, form, windows)))
    if form.regular:
        counted = plan.read(reading, spike_variance(plan, run, windows, cells))
        return counted * RESTLESS**2 if plan.restless else counted
    every, together = plan.protocol.windows, 2
    if _short_of_time(plan.protocol, form):
        every = every[:, every.shape[1] // 2 :]
        together = min(2, every.shape[1] // 2)
    starts = range(0, every.shape[1] - together + 1, together)
    means = [plan.read(reading, window_values(run, form, every[:, k : k + together])) for k in starts]
    return np.mean(np.diff(np.array(means), axis=0) ** 2, axis=0) * together / 2 / windows.shape[1]


def _runs_away(plan, read, form):
    """By input: populations with a value that is not finite, or, in rates, whose largest value doubles from quarter to
    quarter of the window. (What spikes stand for is bounded by the rates of the cells.)"""
    found = [[] for _ in range(_n_input(plan))]
    for name in read[0]:
        largest = np.array([_of_input(plan, np.abs(each[name])).max(axis=1) for each in read[1:]])
        finite = np.isfinite(largest).all(axis=0)
        grows = (largest[1:] > GROWTH * largest[:-1]).all(axis=0) & (largest[0] > 0) & (not form.spikes)
        for b in np.flatnonzero(~finite | grows):
            found[b].append(name)
    return [", ".join(names) for names in found]


def _below_zero(plan, measured, form, relative):
    """By input: populations whose rates stand for values below zero without being signed. Only rates of either sign can;
    the cells of every other form are silent there, so that the rate form would not be their steady state."""
    found = [[] for _ in range(_n_input(plan))]
    unsigned = [name for name, each in plan.circuit.populations.items() if not each.signed]
    for name in unsigned * form.coding.plain:
        values = _of_input(plan, measured[name])
        least = np.maximum(relative * np.abs(values).max(axis=1), SILENT)
        for b in np.flatnonzero(values.min(axis=1) < -least):
            found[b].append(name)
    return [", ".join(names) for names in found]


def settling_time(plan, unit_rates, form):
    """Time that subtractive interneurons need on the calibration sequences, whichever of them a circuit is asked: from their
    initial value to log Z, and to settle there.

    The largest log Z is the one that their unit rate was set for, and the least the one that their tonic rate was set for.

    Parameters
    ----------
    plan : Plan
        As `Calibration.set` gives it.
    unit_rates : dict of str to Quantity
        From the same call.
    form : Form

    Returns
    -------
    float
        Seconds; zero in a form without spikes, whose unit rates are not set, and without such interneurons.
    """
    needed = [0.0]
    for name, each in _subtractive(plan) if form.spikes else ():
        start, tonic = (each.inputs[port] for port in ("start", "tonic"))
        largest = highest_rate(each.cell, form) / unit_rates[name] - tonic
        lags = (lags_from(start, end, each.cell.parameters).max() for end in (largest, MARGIN - tonic))
        needed.append(float(form.tau_loop) * (max(lags) + LAST_LAGS))
    return max(needed)


def _subtractive(plan):
    """Subtractive interneurons of a plan, whose initial value and tonic rate are set in calibration (list of pairs)."""
    return [item for item in plan.circuit.populations.items() if {"start", "tonic"} <= item[1].cell.ports.keys()]


def _on_its_way(plan, run, measured, form):
    """By input: that subtractive interneurons had too little time for the way from their initial value to where they are
    at the end of the window, and how much they need; empty if not."""
    spans = [each.stop - each.start for each in plan.protocol.epochs if each.name == "settle"]
    needed, low = np.zeros(_n_input(plan)), np.zeros(_n_input(plan), dtype=bool)
    for name, each in _subtractive(plan):
        start, tonic = (each.inputs.get(port, each.cell.ports[port]) for port in ("start", "tonic"))
        best = _best_scores(plan, run, measured, name)
        held = np.maximum(_of_input(plan, measured[name] - tonic).max(axis=1), best.max(axis=1))
        for end in (held[:, None], _of_input(plan, measured[name] - tonic)):
            lags = lags_from(np.max(start), end, each.cell.parameters) + LAST_LAGS
            needed = np.maximum(needed, float(form.tau_loop) * lags.max(axis=1))
        low |= np.where(np.isneginf(best), 0, best).min(axis=1) < -np.max(tonic)
    return [_why(*each, min(spans, default=0)) for each in zip(needed, low, strict=True)]


def _why(needed, low, had):
    """Why interneurons do not hold log Z (str), empty if nothing speaks for it."""
    if low:
        return " (log Z is lower than calibration left room for: sequences with scores as low would serve)"
    if needed > LONGEST:
        return " (no settling time serves scores as large: smaller queries and keys would)"
    return f" (its interneurons need {needed:.2g} s to settle, at least, and had {had:.2g})" if needed > had else ""


def _best_scores(plan, run, measured, interneuron):
    """Largest score of each macrocolumn (batch, n) that an interneuron inhibits, of its open microcolumns; log Z is no less,
    and no more than that plus the logarithm of the number of tokens."""
    best, targets = [], [each.target for each in plan.circuit.projections if each.source == interneuron]
    for name in dict.fromkeys(each.partition(".")[0] for each in targets):
        population = plan.circuit.populations[name]
        apical = [each for each in plan.circuit.projections if each.target == f"{name}.apical"]
        kinds = [kind for kind, _ in population.axes]
        if apical and "context" in kinds:
            drives = (drive_of(each, measured[each.source], run.unit_rates[each.source]) for each in apical)
            score, gate = np.broadcast_arrays(sum(drives), population.inputs.get("gate", 1.0))
            best.append(_of_input(plan, np.where(gate == 0, -np.inf, score).max(axis=2 + kinds.index("context"))))
    return np.concatenate(best, axis=1) if best else np.zeros((_n_input(plan), 1))


def _n_input(plan):
    return plan.batch // plan.protocol.n_memory


def _of_input(plan, values):
    """All values of each input, flat (batch, n), of values (n_window, batch * n_memory, *sizes)."""
    return values.swapaxes(0, 1).reshape(_n_input(plan), -1)


def _attention_sums(plan, run, form, cells):
    """Error, tolerance and silence (batch, n) of every head and token, of all layers; nothing without a normaliser."""
    layers = list(plan.layers.values()) or [plan.readings()]
    pairs = [(each["attention_sum"], each.get("gain")) for each in layers if "attention_sum" in each]
    found = [_attention_sum(*pair, plan, run, form, cells) for pair in pairs] or [[np.zeros((_n_input(plan), 1))] * 3]
    return [np.concatenate([each.reshape(len(each), -1) for each in one], axis=1) for one in zip(*found, strict=True)]


def _attention_sum(total, gain, plan, run, form, cells):
    """Distance from one of the attention of each head and token over the window, its tolerance, and who is silent.

    The distance is zero where the fixed point of the normaliser is not a sum of one (`Plan.exact`).
    In spikes the sum is right to one spike of each cell that is summed, to the relative error that one spike of the
    interneuron makes in what it divides by, and to what ripple makes of it (`RIPPLE`); in a form with noise, to what noise
    makes of both. A head and token alone tells that from few differences, so it is taken to be no less than on average.
    """
    windows = plan.protocol.windows
    measured, relative = window_values(run, form, windows), _relative(run, form)
    attention = plan.read(total, measured)
    alone = _closed(total, plan) if plan.restless else _without_drive(total, gain, plan, run, measured)
    silent = alone & (attention <= relative)
    counted = _variance(total, plan, run, form, windows, cells)
    if not form.regular:
        counted = np.maximum(counted, counted.mean(axis=(-2, -1), keepdims=True))
    divided = 0 if gain is None else _divided(gain, measured, plan, run, form, cells)
    least = relative
    if form.spikes:
        least = OF_EXPONENTIALS if plan.restless else RIPPLE
    tolerance = np.maximum(least, SUMS * np.sqrt(counted + divided**2))
    return np.where(silent | (not plan.exact), 0, np.abs(attention - 1)), tolerance, silent


def _divided(gain, measured, plan, run, form, cells):
    """Relative error that one spike of an interneuron makes in what it divides by."""
    held = plan.read(gain, measured)
    one = np.sqrt(_variance(gain, plan, run, form, plan.protocol.windows, cells))
    return one / np.maximum(held, np.maximum(one, np.finfo(float).tiny))


def _closed(total, plan):
    """Macrocolumns (batch, n_head, n_token) whose gates are all closed: an exponential is never zero of itself."""
    population = plan.circuit.populations[total.population]
    gates = np.broadcast_to(population.inputs.get("gate", 1.0), (plan.batch, *population.shape))
    return plan.read(total, {total.population: gates[None]}) == 0


def _without_drive(total, gain, plan, run, measured):
    """Macrocolumns (batch, n_head, n_token) of which all cells would stay at zero were they not divided."""
    windows = plan.protocol.windows
    inhibitory = None if gain is None else gain.population
    exact = with_exact_inputs(plan, measured, windows, run.unit_rates)
    undivided = asked_of(plan, exact, total.population, windows, run.unit_rates, without=inhibitory)
    if undivided is None:
        return np.zeros(plan.read(total, measured).shape, dtype=bool)
    return plan.read(total, measured | {total.population: undivided}) == 0


def _unresolved(plan, run, form, cells, hidden):
    """By input: what spikes do not resolve, though there is something to be told; empty if they do, and in rates.

    An answer is resolved if its norm is more than `SPIKES` times what counting would make of zeros (so that counting costs
    less than a sixth of it) and exceeds `hidden`, what its spikes would not show of its drift; a population if it sends any
    spike in the window. Where the rule of the cells asks for exactly zero, silence is the right answer.
    """
    found = [""] * _n_input(plan)
    if not form.spikes:
        return found
    windows = plan.protocol.windows
    measured = window_values(run, form, windows)
    exact = with_exact_inputs(plan, measured, windows, run.unit_rates)
    for name in _heard_by(plan.circuit, plan.output.population):
        asked = asked_of(plan, exact, name, windows, run.unit_rates)
        if asked is None:
            continue
        driven = _of_input(plan, np.nan_to_num(asked) != 0).any(axis=1)
        mute = ~_of_input(plan, measured[name] != 0).any(axis=1)
        for b in np.flatnonzero(driven & mute):
            found[b] = f"{name} is driven but sends no spike: raise its unit rate or the window"
    answer = plan.read(plan.output, measured)
    norm = _norm(answer)
    hidden = np.broadcast_to(hidden, norm.shape)
    resolution = np.maximum(SPIKES * np.sqrt(_of_nothing(plan, run, form, cells).sum(axis=(1, 2))), hidden)
    asked = asked_of(plan, exact, plan.output.population, windows, run.unit_rates)
    driven = asked is not None and (_of_input(plan, asked) != 0).any(axis=1)
    for b in np.flatnonzero((norm <= resolution) & driven):
        when, what = (
            ("with so short a settling time ", "the settling time")
            if hidden[b] == resolution[b]
            else ("", "its unit rate")
        )
        found[b] = (
            f"the answer is {norm[b]:.2g}, and {when}the spikes of {plan.output.population} resolve {resolution[b]:.2g}: "
            f"raise {what} or the window"
        )
    return found


def _of_nothing(plan, run, form, cells):
    """Variance of the answer if its own cells stood for zero: one spike of each more or less, and what they inherit."""
    name, windows = plan.output.population, plan.protocol.windows
    counted = _variance(plan.output, plan, run, form, windows, cells)
    spike = np.broadcast_to(one_spike(plan, run, name, windows), run.values[name].shape[1:])
    own = plan.read(plan.output, {name: np.broadcast_to(spike**2 * ROUNDING / cells, (len(windows), *spike.shape))})
    return np.maximum(counted, own)


def _heard_by(circuit, name):
    """Populations on whose spikes a population depends, in the order of the circuit; itself left out."""
    heard = {name}
    for _ in circuit.populations:
        heard |= {each.source for each in circuit.projections if each.target.partition(".")[0] in heard}
    return [each for each in circuit.populations if each in heard - {name}]
