"""Why does an animal choose better without the thalamic cells that amplify, or without those that suppress?

Question: which circuits explain why an animal chooses better, or worse, without two populations of the thalamus?
Mukherjee et al. (2021) silenced two populations of the mediodorsal thalamus in mice that weigh a sequence of cues.
Where cues were sparse, accuracy fell without D2 cells, which amplify prefrontal cortex, and rose without GRIK4 cells,
which suppress it; where cues conflicted, it rose without D2 cells and fell without GRIK4 cells. Which circuits have
these four signs, each with 3 points of accuracy or more? Is it needed that each population hears a signal of its own,
and that D2 cells are silent and GRIK4 cells active under conflict, as these authors found and modelled?

Prediction: written after scratch runs of other code with other noise (docs/amplify_suppress.md lists them in their order,
with what each was expected to give), and before the first run of this file at its full size. Tuned on four signs, an
attractor whose D2 cells hear low input and whose GRIK4 cells hear conflict has all four; at least half a per cent of the
range has them, and at most that of pools that leak, or whose synapses saturate, since nothing locks a choice in there. With
the two signals swapped at most three hold. The control, circuits that are tuned with shuffled signals, is to have three at
most; scratch runs say that it has four too, so that four signs are no evidence of the signals. After a longer climb on six
changes, which adds that silencing both populations hurts in both tasks, the same attractor has all six, counts early and
late pulses alike as mice do, and keeps four signs at a fifth of the points within 20 per cent; it keeps all six with GRIK4
cells of a constant rate, and not with D2 cells of one. An attractor without signals, or with shuffled ones, has at most five
after the same climb. Added after the first full run, whose other figures stand (commit 30962cb), and before any run in
spikes of full size: the circuit tuned on four signs keeps all four where its cells spike.

Reference: `reference.amplify_suppress` (growth of the difference of two pools). Intervals of accuracy: Student's t over
seeds of trials; of shares of the range: Clopper & Pearson over points.

Run time: four minutes.
"""

from typing import Annotated

import numpy as np
import typer
from rich.console import Group
from rich.table import Table

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import DONE, script
from cortical_attention.readout.formats import number
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.amplify_suppress import BOTH, SIGNS, TASKS, courses, trials
from cortical_attention.trials.amplify_suppress_mechanisms import (
    ATTRACTOR,
    CLIMBED,
    LEAKY,
    MECHANISMS,
    OWN_LOW,
    SATURATING,
    SHUFFLED_LOW,
    circuits,
)
from cortical_attention.trials.amplify_suppress_tuning import (
    ASKED,
    SHOWN,
    Asked,
    Design,
    asked_of,
    child,
    examine,
    examine_spikes,
    nearby,
    outcome,
    tune,
)
from cortical_attention.trials.batch import Swept, part_of, prediction_of

# Parameters
FULL = Design(800, 200, 1000, 1000, 100, 50, tuple(MECHANISMS))
QUICK = Design(400, 100, 500, 500, 30, 0, (LEAKY, OWN_LOW, SHUFFLED_LOW))
CLIMB, IN_SPIKES = ", climbed", f"{OWN_LOW}, in spikes"
CONSTANT = {"d2": ("at most", ASKED["all_signs"] - 1), "grik4": ("at least", ASKED["all_signs"])}  # of six signs


# Circuits
def examined(tuned, design, seeds, seed, report):
    """Rows of all circuits, shares of the range around those that were climbed, and the courses of one."""
    points = {each["row"]["mechanism"]: each["point"] for each in tuned}
    best = {name: point for name, point in CLIMBED.items() if name in points}
    asked = asked_of(points) + asked_of(best, CLIMB) + constant_of(OWN_LOW, best[OWN_LOW])
    rows = examine(asked, design, seeds, seed, report)
    if design.spikes:
        rows.append(examine_spikes(Asked(IN_SPIKES, OWN_LOW, points[OWN_LOW]), design, seeds, seed))
    climbed = {name: nearby(name, point, design, seed) for name, point in best.items()}
    shown = {name: np.array([each]) for name, each in best[OWN_LOW].items()}
    return rows, climbed, courses(circuits(OWN_LOW, shown), trials(design.search, child(seed, SHOWN)))


# Reference
def figures_of(tuned, climbed, rows):
    """Figures by name: of circuits whose D2 cells hear low input and GRIK4 cells conflict, and of controls (dict of dict).

    signs_held; sparse_without_d2, sparse_without_grik4, conflict_without_d2, conflict_without_grik4: the four changes;
    all_signs_held, climbed_early_over_late, climbed_signs_swapped, climbed_share_near: of the circuit that was climbed on
    six changes; all_signs_d2_constant, all_signs_grik4_constant: of it without one of the signals; all_signs_constant,
    all_signs_shuffled: of other mechanisms after the same climb; share_of_range, signs_swapped, signs_shuffled,
    share_leaky_pools; and without --quick share_pools_that_saturate, signs_held_in_spikes and all_signs_constant.
    """
    by, shares = {row["circuit"]: row for row in rows}, {each["row"]["mechanism"]: each["row"] for each in tuned}
    own, best, found = by[OWN_LOW], by[OWN_LOW + CLIMB], {}

    def add(name, rule, threshold, value, interval=None):
        given = {"value": value, "interval": interval, "threshold": threshold, "rule": rule}
        found[name] = given | {"outcome": outcome(**given)}

    add("signs_held", "at least", ASKED["signs"], own["signs"])
    for name in SIGNS:
        task, arm = name.split(", ")
        label = f"{task}_without_{arm.removesuffix(' off').lower()}"
        add(label, "at least", ASKED["points"], *own["changes"][name].values())
    if IN_SPIKES in by:
        add("signs_held_in_spikes", "at least", ASKED["signs"], by[IN_SPIKES]["signs"])
    add("all_signs_held", "at least", ASKED["all_signs"], best["all_signs"])
    for label in ("d2", "grik4"):
        value = by[f"{OWN_LOW}{CLIMB}, {label.upper()} constant"]["all_signs"]
        add(f"all_signs_{label}_constant", *CONSTANT[label], value)
    add("climbed_early_over_late", "within", ASKED["even"], *best["early_over_late"].values())
    add("climbed_signs_swapped", "at most", ASKED["swapped"], by[f"{OWN_LOW}{CLIMB}, swapped"]["signs"])
    add("climbed_share_near", "at least", ASKED["near"], climbed[OWN_LOW]["near"], climbed[OWN_LOW]["near_interval"])
    for label, name in (("constant", ATTRACTOR), ("shuffled", SHUFFLED_LOW)):
        if name + CLIMB in by:
            add(f"all_signs_{label}", "at most", ASKED["all_signs"] - 1, by[name + CLIMB]["all_signs"])
    add("share_of_range", "at least", ASKED["share"], shares[OWN_LOW]["share"], shares[OWN_LOW]["share_interval"])
    add("signs_swapped", "at most", ASKED["swapped"], by[f"{OWN_LOW}, swapped"]["signs"])
    add("signs_shuffled", "at most", ASKED["swapped"], by[SHUFFLED_LOW]["signs"])
    for name in (LEAKY, SATURATING):
        if name in shares:
            label = f"share_{name.replace(' ', '_')}"
            add(label, "at most", ASKED["without_lock_in"], shares[name]["share"], shares[name]["share_interval"])
    return found


def judge(figures):
    """The predictions, which are the figures and what is asked of them."""
    return [
        prediction_of(each, f"{name.replace('_', ' ')}: {each['rule']} {each['threshold']:g}", _said(each))
        for name, each in figures.items()
    ]  # fmt: skip


def _said(each):
    ends = each["interval"]
    return number(each["value"]) + (f" ({number(ends[0])} to {number(ends[1])})" if ends else "")


def constant_of(mechanism, point):
    """Circuits of a climbed point in which one of the populations hears nothing (list of Asked)."""
    silent = {"D2 constant": "silenced", "GRIK4 constant": "excited"}
    return [Asked(f"{mechanism}{CLIMB}, {label}", mechanism, point | {name: 0.0}) for label, name in silent.items()]


# Figure
def draw_figure(tuned, rows, courses_of):
    """Changes of accuracy of every circuit, share of the range with four signs, and rates of one circuit."""
    with style():
        figure = new_figure(9.0, width=11.0)
        upper, lower = figure.subfigures(2, 1, height_ratios=(1.3, 1))
        _draw_changes(upper.subplots(), rows)
        left, *others = lower.subplots(1, 3, width_ratios=(1.2, 1, 1))
        _draw_shares(left, tuned)
        times, rates = courses_of
        for k, (panel, task) in enumerate(zip(others, TASKS, strict=True)):
            for n, (name, each) in enumerate(rates.items()):
                panel.plot(
                    times, each[k], color=CYCLE[n], label=f"pool of the {name} rule" if n < 2 else f"{name} cells"
                )
            panel.set(title=task, xlabel="time (s)", ylim=(0, 1.6))
        others[0].set_ylabel(f"mean rate, {OWN_LOW}{CLIMB}")
        others[0].legend()
    return figure


def _draw_changes(panel, rows):
    names = (*SIGNS, *BOTH)
    shown = [row for row in rows if not row["circuit"].endswith(("swapped", "constant"))]
    for k, row in enumerate(shown):
        values = np.array([row["changes"][name]["value"] for name in names])
        ends = np.array([row["changes"][name]["interval"] for name in names]).T
        look = {"color": CYCLE[k % len(CYCLE)], "marker": MARKERS[k // len(CYCLE)], "label": row["circuit"]}
        at = np.arange(len(names)) + (k - len(shown) / 2) * 0.05
        panel.errorbar(at, 100 * values, yerr=100 * np.abs(ends - values), linestyle="", markersize=4, **look)
    panel.axhline(0, color="#000000", linewidth=0.8)
    panel.axhline(100 * ASKED["points"], color="#777777", linestyle="--", label="asked")
    panel.set_xticks(range(len(names)), [name.replace(", ", "\n") for name in names])
    panel.set_ylabel("change of accuracy (points),\npositive as in mice")
    panel.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=7.5)


def _draw_shares(panel, tuned):
    shares = [each["row"] for each in tuned]
    values = np.array([each["share"] for each in shares])
    bars = np.abs(np.array([each["share_interval"] for each in shares]).T - values)
    panel.barh(range(len(shares)), 100 * values, xerr=100 * bars, color="#999999")
    panel.set_yticks(range(len(shares)), [each["mechanism"] for each in shares], fontsize=8)
    panel.invert_yaxis()
    panel.set_xlabel("points of the range\nwith four signs (%)")


def _tables(tuned, climbed, rows):
    table = Table(
        "circuit", *(name.replace(", ", "\n") for name in (*SIGNS, *BOTH)), "four, six", "early",
        title="change of accuracy in points, positive as in mice (± 95 % over seeds)",
    )  # fmt: skip
    intact = Table(
        "circuit", *TASKS, "growth with D2 cells", "and without", title="intact circuits: accuracy, growth in 1/s"
    )
    for row in rows:
        *cells, early = [_points(each) for each in (*row["changes"].values(), row["early_over_late"])]
        table.add_row(row["circuit"], *cells, f"{row['signs']}, {row['all_signs']}", early)
        accurate = (f"{100 * row['accuracy'][task]['intact']:.1f} %" for task in TASKS)
        intact.add_row(row["circuit"], *accurate, *(f"{each:.1f}" for each in row["growth"]))
    shares = Table(
        "mechanism", "points", "four signs", "again", "and both", "and even", "share", title="search of the range"
    )
    for row in (each["row"] for each in tuned):
        counts = [str(row[name]) for name in ("points", "passed", "confirmed", "both", "even")]
        shares.add_row(row["mechanism"], *counts, _share(row, "share"))
    near = Table("climbed circuit", "four signs", "six signs", title="shares of points within 20 %")
    for name, each in climbed.items():
        near.add_row(name, _share(each, "near"), _share(each, "near_both"))
    return Group(table, intact, shares, near)


def _points(each):
    return f"{100 * each['value']:.1f} ± {50 * np.ptp(each['interval']):.1f}"


def _share(row, name):
    return f"{100 * row[name]:.1f} % ({' to '.join(f'{100 * end:.1f}' for end in row[f'{name}_interval'])})"


@with_output
def main(
    seeds: Annotated[int, typer.Option(help="Seeds of trials that circuits are tested on.")] = 8,
    seed: Annotated[int, typer.Option(help="Seed that all others come from.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer points, trials and mechanisms.")] = False,
    *,
    output: Output,
):
    """Silence thalamic cells that amplify, and cells that suppress, in circuits that weigh sparse and conflicting cues."""
    o.within("--seeds", seeds, 2, 100)
    o.within("--seed", seed, 0, 2**32 - 1)
    output.check()
    design, given = QUICK if quick else FULL, {"seeds": seeds, "seed": seed, "quick": quick}
    tuned, n = [], len(design.mechanisms)
    try:
        with output.progress("amplify and suppress") as report:
            for k, mechanism in enumerate(design.mechanisms):
                tuned.append(tune(mechanism, design, seed, part_of(report, k, n + 2)))
            rows, climbed, drawn = examined(tuned, design, seeds, seed, part_of(report, n, n + 2))
    except KeyboardInterrupt:
        return output.stopped("amplify_suppress", given, {"trials": seed}, rows=[], tuned=tuned)
    figures = figures_of(tuned, climbed, rows)
    folder, content = output.folder("amplify_suppress", given), output.provenance(given, {"trials": seed})
    rates = {name: each.mean(axis=1).tolist() for name, each in drawn[1].items()}
    result = Swept({}, {}, False).result(
        rows, tuned=tuned, climbed=climbed, rates=rates, figures=figures, design=design._asdict()
    )
    picture, tables = draw_figure(tuned, rows, drawn), _tables(tuned, climbed, rows)
    output.report("amplify_suppress", folder, result, picture, content, tables, judge(figures))
    return DONE


if __name__ == "__main__":
    script(main)
