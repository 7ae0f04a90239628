"""Recall by CA3 and CA1: does the paper's reading of the hippocampus remember by context?

Question: does a circuit of the hippocampus recall items in their context as often as its algebra does? Items are
stored, each with its context, and a noisy context asks for its item. Does the circuit in which CA3 compares the
perforant path with sparse mossy fibres, and CA1 weighs what layer 3 of entorhinal cortex holds, recall the item as
often as its algebra does; and what do the threshold of the dentate gyrus and that of the perforant path contribute?

Prediction: written before the first run, after scratch runs of the algebra on other draws, in which 85 % (contexts
independent) and 68 % (contexts that share 0.3 of their variance) of the items were recognised, 78 and 54 % without the
threshold of the dentate gyrus, and 63 and 44 % without either. In rates the circuit is within 1e-6 of its algebra and
recognises the same items; in spikes, with one cell per value, it is within 2.5 per cent and recognises the same items but
for one in fifty. The algebra recognises at least 75 and 55 % of the items. Where contexts are alike, the dentate's
threshold adds at least 5 points of a hundred, and its interval over draws lies above zero. Uniform recall and recall that
is blind to the cue are at chance, one in eight, since all cues of an episode have one answer there. A code of exactly k
winners is within 5 points of the threshold.

Found: all but one as predicted in rates (commit b39bbb2). Where contexts are alike, ten winners recognise 5.6 points less
than the threshold, which misses the prediction of 5; where they are independent, 1.9 points more.

Reference: `reference.hippocampus`. The roles of CA3 and CA1: Granier & Senn (2025, section 6), after Kesner & Rolls (2015).
Every draw has contexts, items, noise and directions of granule cells of its own; intervals are over draws. The nearest
stored context, and softmax attention of the same drives, say how good a memory could be; they were added after the first
runs, without a prediction.

Run time: two minutes in rates, ten in spikes.
"""

from functools import partial
from typing import Annotated

import numpy as np
import typer
from rich.table import Column, Table

from cortical_attention.circuits.hippocampus import hippocampus_wiring
from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_of
from cortical_attention.inputs.episodes import episode, formation, recognised
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.readout.formats import per_cent
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.reference.hippocampus import (
    blind_to_the_cue,
    evenly,
    nearest_stored,
    recall,
    softmax_of_drives,
    winners,
)
from cortical_attention.simulation.attend import attend, calibrate
from cortical_attention.simulation.settings import Settings
from cortical_attention.trials.batch import Prediction, ask_in_turn
from cortical_attention.trials.protocol import PROTOCOL

# Parameters
N_ITEM, N_CALIBRATION, N_WINNER = 8, 16, 10
ALIKE = 0.0, 0.3  # share of the variance of contexts that they have in common
THETA = {"theta": 1.0, "theta_pp": 1.0}
CLAIMS = {"rate": 1e-6, "spiking": 0.025}
SAME = {"rate": 1.0, "spiking": 0.98}  # share of items that circuit and algebra both recognise, or both miss
LEAST = {0.0: 0.75, 0.3: 0.55}
CIRCUIT, ALGEBRA, WINNERS = "circuit", "algebra", f"{N_WINNER} winners"
NO_DENTATE, NEITHER = "without the dentate's threshold", "without either threshold"
BLIND, UNIFORM = "blind to the cue", "uniform"
NEAREST, SOFTMAX = "nearest stored context", "softmax attention, same drives"  # how good a memory could be
MODELS = {
    ALGEBRA: partial(recall, **THETA),
    WINNERS: partial(recall, theta=N_WINNER, theta_pp=THETA["theta_pp"], sparse=winners),
    NO_DENTATE: partial(recall, theta=0.0, theta_pp=THETA["theta_pp"]),
    NEITHER: recall,
    BLIND: partial(blind_to_the_cue, **THETA),
}


# Circuit
def drawn(draw, alike, seed):
    """Weights, an episode, and episodes on which a circuit is calibrated."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(draw, round(100 * alike))))
    return (
        formation(rng),
        episode(rng, N_ITEM, alike=alike),
        [episode(rng, N_ITEM, alike=alike) for _ in range(N_CALIBRATION)],
    )


def asker(weights, asked, others, form, target):
    """Answer of the circuit to an episode (callable of a progress report)."""
    settings = Settings(form, target=target, record="sample")
    block = weights._asdict() | THETA

    def ask(report):
        """The answer, calibrated on other episodes in spikes."""
        calibration = None
        if settings.checked().form.spikes:
            cues, stored = map(np.array, zip(*others, strict=True))
            calibration = calibrate(hippocampus_wiring, cues, settings, context=stored, **block)
        return attend(
            hippocampus_wiring, asked.cues[None], settings, report, calibration, context=asked.stored[None], **block
        )

    return ask


# Reference
def row_of(weights, asked, alike, draw, answer):
    """Share of items recognised by the circuit, its algebra and all nulls (dict)."""
    items = asked.stored @ weights.W_ec3.T
    recalled = {name: model(*asked, *weights) for name, model in MODELS.items()}
    found = {name: recognised(each.output, items) for name, each in recalled.items()}
    found |= {CIRCUIT: recognised(answer.output[0], items)}
    found |= {UNIFORM: recognised(evenly(*asked, weights.W_ec3), items)}
    found |= {NEAREST: recognised(nearest_stored(*asked, weights.W_ec3), items)}
    found |= {SOFTMAX: recognised(softmax_of_drives(*asked, weights.W_pp, weights.W_dg, weights.W_ec3), items)}
    return {
        "draw": draw, "alike": alike, "recognised": {name: float(each.mean()) for name, each in found.items()},
        "same": float((found[CIRCUIT] == found[ALGEBRA]).mean()), "settled": bool(answer.settled.settled[0]),
        "from_algebra": relative_l2(answer.output[0], recalled[ALGEBRA].output),
        "active": float((recalled[ALGEBRA].code > 0).mean()),
    }  # fmt: skip


def mean_of(values):
    """Mean over draws and its interval."""
    return float(np.mean(values)), cluster_interval(values, range(len(values)), **PROTOCOL["intervals"])


def summarise(rows):
    """Share of items recognised, by likeness of contexts and model: mean and interval over draws (list of dict)."""
    found = []
    for alike in dict.fromkeys(row["alike"] for row in rows):
        own = [row["recognised"] for row in rows if row["alike"] == alike]
        for name in (CIRCUIT, *MODELS, UNIFORM, NEAREST, SOFTMAX):
            mean, interval = mean_of([each[name] for each in own])
            lost = mean_of([each[ALGEBRA] - each[name] for each in own])
            found.append({"alike": alike, "model": name, "recognised": mean, "interval": interval, "lost": lost[0],
                          "lost_interval": lost[1], "draws": len(own)})  # fmt: skip
    return found


def judge(rows, summaries, form, failed=0):
    """The predictions (list of Prediction)."""
    n = len(rows) + failed
    if not rows:
        return []
    off, settled = max(row["from_algebra"] for row in rows), sum(row["settled"] for row in rows)
    same = float(np.mean([row["same"] for row in rows]))
    found = [
        Prediction(f"{form}: within {per_cent(CLAIMS[form])} of the algebra, settled",
                   f"{per_cent(off)}, {settled} of {n} settled", off <= CLAIMS[form] and settled == n),
        Prediction(f"{form}: the same items recognised, {per_cent(SAME[form])}", per_cent(same), same >= SAME[form]),
    ]  # fmt: skip
    by = {(each["alike"], each["model"]): each for each in summaries}
    for alike, least in LEAST.items():
        right = by[alike, ALGEBRA]["recognised"]
        found.append(
            Prediction(
                f"alike {alike:g}: algebra recognises {per_cent(least)} at least", per_cent(right), right >= least
            )
        )
        lost = abs(by[alike, WINNERS]["lost"])
        found.append(Prediction(f"alike {alike:g}: {WINNERS} within 5 points", per_cent(lost), lost <= 0.05))
        nulls = max(by[alike, name]["recognised"] for name in (BLIND, UNIFORM))
        found.append(
            Prediction(f"alike {alike:g}: blind and uniform at chance", per_cent(nulls), abs(nulls - 1 / N_ITEM) < 1e-9)
        )
    adds = by[max(ALIKE), NO_DENTATE]
    held = adds["lost"] >= 0.05 and adds["lost_interval"] is not None and adds["lost_interval"][0] > 0
    said = f"alike {max(ALIKE):g}: the dentate's threshold adds 5 points at least, interval above zero"
    return [*found, Prediction(said, _shown(adds["lost"], adds["lost_interval"]), held)]


def _shown(mean, interval):
    ends = "" if interval is None else f" ({' to '.join(f'{100 * end:.1f}' for end in interval)})"
    return f"{100 * mean:.1f}{ends} %"


# Figure
def draw(summaries):
    """Share of items recognised by circuit, algebra and nulls."""
    names = list(dict.fromkeys(each["model"] for each in summaries))
    with style():
        figure = new_figure(3.8, width=8.5)
        panel = figure.subplots()
        for k, alike in enumerate(dict.fromkeys(each["alike"] for each in summaries)):
            own = {each["model"]: each for each in summaries if each["alike"] == alike}
            places, values = np.arange(len(names)) + 0.24 * (k - 0.5), [own[name]["recognised"] for name in names]
            ends = np.array([own[name]["interval"] or (np.nan, np.nan) for name in names]).T
            look = {"color": CYCLE[k], "marker": MARKERS[k], "linestyle": ""}
            label = "contexts independent" if alike == 0 else f"contexts share {alike:g} of their variance"
            panel.errorbar(values, places, xerr=np.abs(ends - values), label=label, **look)
        panel.axvline(1 / N_ITEM, color="#777777", linestyle="--", linewidth=1, label="chance")
        panel.set(xlabel="share of items recognised", xlim=(0, 1), ylim=(len(names) - 0.5, -0.5))
        panel.set_yticks(range(len(names)), names)
        panel.grid(color="#DDDDDD", linewidth=0.8)
        panel.set_axisbelow(True)
        figure.legend(*panel.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _table(rows, summaries, form):
    alike = list(dict.fromkeys(each["alike"] for each in summaries))
    table = Table(
        Column("recall", no_wrap=True), *(f"contexts share {each:g}" for each in alike),
        title=f"items recognised, in % (95 % over draws); chance {100 / N_ITEM:.1f} %; circuit in the {form} form",
    )  # fmt: skip
    for name in dict.fromkeys(each["model"] for each in summaries):
        own = {each["alike"]: each for each in summaries if each["model"] == name}
        table.add_row(name, *(_shown(own[each]["recognised"], own[each]["interval"]) for each in alike))
    active = {each: np.mean([row["active"] for row in rows if row["alike"] == each]) for each in alike}
    table.add_row("granule cells active", *(per_cent(active[each]) for each in alike))
    return table


@with_output
def main(
    form: Annotated[str, typer.Option(help=f"Form of the cells: {', '.join(CLAIMS)}.")] = "rate",
    draws: Annotated[int, typer.Option(help="Draws of contexts, items, noise and weights, for each likeness.")] = 20,
    target: o.Target = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    *,
    output: Output,
):
    """Recall items by their contexts, through CA3 and CA1."""
    o.one_of("--form", form, tuple(CLAIMS))
    o.within("--draws", draws, 1, 1000)
    o.within("--seed", seed, 0, 2**32 - 1)
    output.check()
    inputs = {(alike, k): drawn(k, alike, seed) for alike in ALIKE for k in range(draws)}
    with output.progress(f"{len(inputs)} episodes, {form} form") as report:
        swept = ask_in_turn({key: asker(*each, form, target) for key, each in inputs.items()}, report)
    rows = [row_of(*inputs[key][:2], *key, answer) for key, answer in swept.done.items()]
    swept = swept._replace(failed={f"alike {alike:g}, draw {k}": said for (alike, k), said in swept.failed.items()})
    summaries, parameters = summarise(rows), {"form": form, "draws": draws, "target": target, "seed": seed}
    folder, content = output.folder("hippocampus", parameters), output.provenance(parameters, {"draws": seed})
    complete = {each["alike"] for each in summaries} == set(ALIKE)
    output.report(
        "hippocampus", folder, swept.result(rows, summaries=summaries), draw(summaries) if rows else None, content,
        _table(rows, summaries, form), judge(rows, summaries, form, len(swept.failed)) if complete else [],
    )  # fmt: skip
    return status_of(swept, [row["settled"] for row in rows])


if __name__ == "__main__":
    script(main)
