"""Can short-term Hebbian synapses of a point neuron match a query with a key, and hand the cell over to it?

Question: how often does a point neuron follow the axon whose spikes match its own? The match-and-control principle
(Ellwood 2024) is the one biophysical model of attention with a rate of success. Synapses whose axon is active together
with the cell become up to eight times as strong for some seconds; the axon whose spike train (key) resembles that of
the cell (query) then controls it. His cell has 1,500 spines and active dendrites. With which probability does a point
neuron, whose 150 synapses count coincidences, follow the matched axon after 0.5, 1 and 2 s, and how often does another
axon match?

Prediction: written after scratch runs of 150 trials on other seeds, with kernels of 8 to 12 ms (success of .23 to .45
after 0.5 s, .49 to .76 after 1 s and .86 to .93 after 2 s; false matches in .07 to .17 of the trials, most after 2 s,
since an axon that is potentiated during the match makes the cell spike besides), and before any run of this file. The
form of the kernel and the latency of 7 ms were chosen in scratch runs too, after Ellwood's data. One constant, that of
the kernel, is chosen by the run itself on trains of two other seeds, out of six, so that the three rates of success come
nearest to Ellwood's; the weight of an axon was chosen before (`trials.match_and_control`). On other trains success is
within .05 of .34, .68 and .91. The threshold is set so that in a tenth of the calibration trials some axon that does not
match passes it, as Ellwood does; in other trials the rate of such false matches is within .03 of a tenth. Where the axon
does not send the train of the query, or synapses are not potentiated, the cell follows fewer than a tenth of its spikes.

Found (commit cd85796): as predicted, but for the success after 1 s, .729, whose interval reaches beyond .73. A kernel of
9 ms was chosen. Of the spikes in the control phase more are spurious than in Ellwood's cell, .38, .24 and .16.

Reference: `reference.match_and_control`, an ideal counter with the same kernel; success of .336, .683 and .913 and
spurious spikes of .145, .115 and .110 are means over the 1,000 trials for each window in the data of Ellwood's repository
(github.com/iellwood/MatchAndControlPaper: code and data were read; of the paper the abstract). Intervals are Student's t
over seeds, each with trains and a threshold of its own.

Run time: two minutes; one with --quick.
"""

from typing import Annotated

import numpy as np
import typer
from rich.console import Group
from rich.table import Table

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import DONE, script
from cortical_attention.readout.judged import judged
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.reference.match_and_control import coincidences, threshold_of
from cortical_attention.trials.batch import Swept, prediction_of
from cortical_attention.trials.match_and_control import NEVER, drawn, first_of, joined, simulate
from cortical_attention.trials.protocol import PROTOCOL

# Parameters
WINDOWS = 0.5, 1.0, 2.0  # s of coincidence (Ellwood 2024)
TAUS = 0.007, 0.008, 0.009, 0.010, 0.011, 0.012  # s; chosen: about the lead of a matched axon, 7 ms, and longer
ASKED = PROTOCOL["match_and_control"]
ELLWOOD = {"success": (0.336, 0.683, 0.913), "spurious": (0.145, 0.115, 0.110)}
MORE = 2  # times as many trials choose the kernel, and set the thresholds
KERNEL, CALIBRATION, TEST, INDEPENDENT = range(4)  # roles of trains, each with seeds of its own


# Protocol
def trains_of(seed, role, n_trial, window, match="matched"):
    """Trains of a seed in a role."""
    return drawn([seed, role, round(10 * window)], n_trial, window, match)


def chosen_kernel(seed, n_trial):
    """Constant of the kernel (s) whose success is nearest to Ellwood's, on trains of its own, and all that were tried."""
    tried = {tau: [] for tau in TAUS}
    for window in WINDOWS:
        first, second = (trains_of(seed + k, KERNEL, n_trial, window) for k in (0, 1))
        tau = np.repeat(TAUS, n_trial)
        counts = simulate(joined(len(TAUS) * [first]), NEVER, tau, control=False).counts
        theta = [threshold_of(own[:, 1:], ASKED["false"]) for own in np.split(counts, len(TAUS))]
        followed = simulate(joined(len(TAUS) * [second]), np.repeat(theta, n_trial), tau).followed
        for each, own in zip(TAUS, np.split(followed, len(TAUS)), strict=True):
            tried[each].append(float(np.nanmean(own)))
    off = {tau: float(np.sum((np.array(own) - ASKED["success"]) ** 2)) for tau, own in tried.items()}
    return min(off, key=off.get), tried


def rows_of(window, tau, seeds, n_trial):
    """Figures of one window, a row for each seed (list of dict)."""
    before = [trains_of(seed, CALIBRATION, MORE * n_trial, window) for seed in seeds]
    counts = np.split(simulate(joined(before), NEVER, tau, control=False).counts, len(seeds))
    thresholds = [threshold_of(own[:, 1:], ASKED["false"]) for own in counts]
    ideal = [threshold_of(_counts(own, tau)[:, 1:], ASKED["false"]) for own in before]
    tested = [trains_of(seed, TEST, n_trial, window) for seed in seeds]
    alone = [trains_of(seed, INDEPENDENT, n_trial // 2, window, "independent") for seed in seeds]
    few = [first_of(own, n_trial // 4) for own in tested]
    done = _parts(simulate(joined(tested), np.repeat(thresholds, n_trial), tau), len(seeds))
    without = _parts(simulate(joined(alone), np.repeat(thresholds, n_trial // 2), tau), len(seeds))
    rested = _parts(simulate(joined(few), NEVER, tau), len(seeds))
    rows = []
    for k, seed in enumerate(seeds):
        counts, known = done[k].counts, _counts(tested[k], tau)
        rows.append({
            "window": window, "seed": seed, "threshold": thresholds[k], "success": _mean(done[k].followed), "false":
            _any_above(counts, thresholds[k]), "spurious": _mean(done[k].spurious), "matched": float((counts[:, 0] >
            thresholds[k]).mean()), "ideal": float((known[:, 0] > ideal[k]).mean()), "ideal_false": _any_above(known,
            ideal[k]), "without_match": _mean(without[k].followed), "without_potentiation": _mean(rested[k].followed),
        })  # fmt: skip
    return rows


def _counts(trains, tau):
    """Coincidences of every axon by the ideal counter, (n_trial, n_axon)."""
    return np.array([coincidences(*pair, tau) for pair in zip(trains.match, trains.query, strict=True)])


def _parts(trials, n):
    """Trials of each seed (list of Trials)."""
    return [type(trials)(*each) for each in zip(*(np.split(own, n) for own in trials), strict=True)]


def _mean(values):
    return float(np.nanmean(values))


def _any_above(counts, threshold):
    """Share of trials in which an axon other than the matched one passes a threshold."""
    return float((counts[:, 1:].max(axis=1) > threshold).mean())


# Reference
def figures_of(rows):
    """Figures for a verdict, by name: for each window T, `success_T`, `false_matches_T`, `without_match_T` and
    `without_potentiation_T` (dict of str to dict, as of `readout.judged.judged`).

    Success is the share of the spikes of the matched axon that a spike of the cell follows within 20 ms after
    potentiation; false matches are the share of trials in which another axon passes the threshold.
    """
    found = {}
    for window, wanted in zip(WINDOWS, ASKED["success"], strict=True):
        own = [row for row in rows if row["window"] == window]
        for name, measure, threshold, rule in (
            ("success", "success", (wanted, ASKED["success_within"]), "within"),
            ("false_matches", "false", (ASKED["false"], ASKED["spurious_within"]), "within"),
            ("without_match", "without_match", ASKED["control"], "at most"),
            ("without_potentiation", "without_potentiation", ASKED["control"], "at most"),
        ):
            values = [row[measure] for row in own]
            found[f"{name}_{window:g}"] = judged(np.mean(values), threshold, rule, _interval(values))
    return found


def _interval(values):
    return cluster_interval(values, range(len(values)), **PROTOCOL["intervals"])


def judge(figures):
    """The predictions."""
    return [prediction_of(each, f"{name}: {_limits(each)}", f"{each['value']:.3f}") for name, each in figures.items()]


def _limits(figure):
    threshold = figure["threshold"]
    if figure["rule"] == "within":
        return f"{threshold[0]:g} within {threshold[1]:g}"
    return f"{figure['rule']} {threshold:g}"


# Figure
MEASURES = {
    "success": "success", "matched": "matched axon above threshold", "ideal": "ideal counter", "false": "false matches",
    "spurious": "spurious spikes", "without_match": "success without a match",
}  # fmt: skip


def draw(rows):
    """Success and what is held beside it, over the time of coincidence."""
    with style():
        figure = new_figure(4.2, width=7.5)
        panel = figure.subplots()
        for k, (measure, label) in enumerate(MEASURES.items()):
            values = np.array([[row[measure] for row in rows if row["window"] == window] for window in WINDOWS])
            means, bars = values.mean(axis=1), [_interval(own) for own in values]
            look = {"color": CYCLE[k], "marker": MARKERS[k], "label": label, "capsize": 2}
            panel.errorbar(WINDOWS, means, yerr=np.abs(np.array(bars).T - means), **look)
        for measure, mark in (("success", "x"), ("spurious", "+")):
            panel.plot(WINDOWS, ELLWOOD[measure], mark, color="#000000", markersize=9, label=f"Ellwood 2024, {measure}")
        panel.set(xlabel="time of coincidence (s)", ylabel="probability", ylim=(0, 1))
        panel.set_xticks(WINDOWS)
        figure.legend(*panel.get_legend_handles_labels(), loc="outside right upper")
    return figure


def _tables(rows, tau, tried, figures):
    """Tables of what was measured, of the kernels tried and of the figures."""
    measures = [name for name in rows[0] if name not in ("window", "seed")]
    table = Table("means over seeds", *(f"{window:g} s" for window in WINDOWS), title=f"kernel of {1e3 * tau:g} ms")
    for name in measures:
        own = [[row[name] for row in rows if row["window"] == window] for window in WINDOWS]
        cells = ("{:.3f} ({:.3f} to {:.3f})".format(np.mean(each), *_interval(each)) for each in own)
        table.add_row(name.replace("_", " "), *cells)
    for name, values in ELLWOOD.items():
        table.add_row(f"Ellwood 2024, {name}", *(f"{each:.3f}" for each in values))
    kernels = Table("kernel", *(f"{window:g} s" for window in WINDOWS), title="success on trains that chose the kernel")
    for each, own in tried.items():
        kernels.add_row(f"{1e3 * each:g} ms", *(f"{value:.3f}" for value in own))
    judgement = Table("figure", "value", "95 %", "threshold", "outcome", title="figures")
    for name, each in figures.items():
        ends = "{:.3f} to {:.3f}".format(*each["interval"])
        judgement.add_row(name, f"{each['value']:.3f}", ends, _limits(each), each["outcome"])
    return Group(table, kernels, judgement)


@with_output
def main(
    seeds: Annotated[int, typer.Option(help="Seeds, each with trains and a threshold of its own.")] = 8,
    trials: Annotated[int, typer.Option(help="Trials of each seed and window.")] = 200,
    seed: Annotated[int, typer.Option(help="The first seed; two others choose the kernel.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="A quarter of the trials, and half of those that choose the kernel.")
    ] = False,
    *,
    output: Output,
):
    """Match a key with a query, and let it control the cell; the result has the figures that `figures_of` names."""
    o.within("--seeds", seeds, 2, 1000)
    o.within("--trials", trials, 8, 10_000)
    o.within("--seed", seed, 0, 2**31 - 1001)
    output.check()
    n_trial = max(trials // 4, 8) if quick else trials
    chosen = range(seed, seed + seeds)
    parameters, rows = {"seeds": seeds, "trials": trials, "seed": seed, "quick": quick}, []
    try:
        tau, tried = chosen_kernel(2**31 + seed, trials if quick else MORE * trials)
        for window in WINDOWS:
            rows += rows_of(window, tau, chosen, n_trial)
    except KeyboardInterrupt:
        return output.stopped("match_and_control", parameters, {"trains": list(chosen)}, rows=rows)
    figures = figures_of(rows)
    folder, content = (
        output.folder("match_and_control", parameters),
        output.provenance(parameters, {"trains": list(chosen)}),
    )
    kernels = [{"tau_c_s": each, "success": own} for each, own in tried.items()]
    result = Swept({}, {}, False).result(rows, figures=figures, tau_c_s=tau, kernels=kernels, ellwood=ELLWOOD)
    output.report(
        "match_and_control", folder, result, draw(rows), content, _tables(rows, tau, tried, figures), judge(figures)
    )  # fmt: skip
    return DONE


if __name__ == "__main__":
    script(main)
