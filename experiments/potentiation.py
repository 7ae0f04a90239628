"""How strong do synapses have to become until a cue retrieves its pattern?

Question: by which factor do synapses have to become stronger until cues retrieve their patterns? That a cortex performs
attention because it is an associative memory is as strong as its weakest link, the writing of patterns into synapses.
Ellwood (2024) does it by short-term Hebbian potentiation, which is said to have to be eightfold. By which factor do
synapses have to become stronger until cues retrieve their patterns, from 4, 16 and 64 of them?

Prediction: written before the first run. A cue is off by half of a pattern's norm and counts as retrieved if at most half of
that is left, 0.25. The best of n patterns has at most p / (p + n - 1) of the weight, p being the potentiation, so that 16
patterns are not retrieved at 8, and are at 64. If inhibition takes away what rested synapses bring, and these differ by 30
per cent, they are retrieved at 8, and not at 2; if they differ by 100 per cent, not at 8.

Reference: `reference.hopfield.potentiated`, a model of ours after Ellwood (2024). No circuit is run.

Run time: a few seconds.
"""

from typing import Annotated

import numpy as np
import typer
from rich.table import Column, Table

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import DONE, script
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.reference.hopfield import potentiated, retrieval_error, update
from cortical_attention.trials.batch import Prediction, Swept
from cortical_attention.trials.examples.hopfield import drawn
from cortical_attention.trials.protocol import PROTOCOL

# Parameters
SIZES, N_CUE = (4, 16, 64), 20
BETA = 32  # so large that it does not limit: softmax without a largest weight is in the result beside it
POTENTIATIONS = (1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024)
SPREADS = {  # coefficient of variation of rested synapses, where inhibition takes away their mean
    "nothing taken away": None, "taken away, spread 30 %": 0.3, "taken away, spread 100 %": 1.0,
}  # fmt: skip
RETRIEVED = 0.25


# Protocol
def rows_of(draws, seed):
    """Retrieval errors over the largest potentiation, and without a largest (list of dict)."""
    rows = []
    for n in SIZES:
        rng = np.random.default_rng([seed, n])
        cues, wanted, patterns = drawn(rng, draws, n, N_CUE)
        normal = rng.standard_normal((draws, N_CUE, n))
        rows.append(_row(n, "no largest", None, update(cues, patterns, BETA), wanted))
        for rule, spread in SPREADS.items():
            strength = None if spread is None else log_normal(normal, spread)
            for largest in POTENTIATIONS:
                state = potentiated(cues, patterns, BETA, largest, strength, spread is not None)
                rows.append(_row(n, rule, largest, state, wanted))
    return rows


def log_normal(normal, spread):
    """Strengths with a mean of one and a coefficient of variation, from normal numbers (ndarray)."""
    variance = np.log1p(spread**2)
    return np.exp(np.sqrt(variance) * normal - variance / 2)


def _row(n, rule, largest, state, wanted):
    errors = retrieval_error(state, wanted)
    draw = np.repeat(np.arange(len(errors)), errors.shape[1])
    interval = cluster_interval(errors.ravel(), draw, **PROTOCOL["intervals"])
    return {
        "patterns": n, "rule": rule, "potentiation": largest, "error": float(errors.mean()), "interval": interval,
    }  # fmt: skip


# Reference
def needed(rows):
    """Smallest potentiation from which on cues are retrieved, by rule and number of patterns (dict); None: there is none."""
    found = {}
    for row in rows:
        if row["potentiation"] is not None:
            key = row["rule"], row["patterns"]
            found[key] = None if row["error"] > RETRIEVED else found.get(key) or row["potentiation"]
    return found


def judge(rows):
    """The predictions."""
    by = {(row["rule"], row["potentiation"]): row["error"] for row in rows if row["patterns"] == 16}
    plain, near, far = SPREADS
    wanted = ((plain, 8, False), (plain, 64, True), (near, 8, True), (near, 2, False), (far, 8, False))
    return [
        Prediction(
            f"16 patterns, {rule}, potentiation {p}: {'' if retrieved else 'not '}retrieved", f"{by[rule, p]:.3f}",
            (by[rule, p] <= RETRIEVED) == retrieved,
        )
        for rule, p, retrieved in wanted
    ]  # fmt: skip


# Figure
def draw(rows):
    """Error over the potentiation, a panel for each number of patterns."""
    with style():
        figure = new_figure(3.8, width=10.5)
        panels = figure.subplots(1, len(SIZES), sharey=True)
        for n, panel in zip(SIZES, panels, strict=True):
            for k, rule in enumerate(SPREADS):
                own = [row for row in rows if (row["patterns"], row["rule"]) == (n, rule)]
                places, ends = [row["potentiation"] for row in own], zip(*(row["interval"] for row in own), strict=True)
                look = {"color": CYCLE[k], "marker": MARKERS[k], "markersize": 3, "label": rule}
                panel.plot(places, [row["error"] for row in own], **look)
                panel.fill_between(places, *ends, color=CYCLE[k], alpha=0.2)
            panel.axhline(RETRIEVED, color="#777777", linestyle=":", label="half of the cue's error")
            panel.axvline(8, color="#777777", linestyle="--", label="eightfold")
            panel.set(xscale="log", xlabel="largest potentiation of a synapse", title=f"{n} patterns", ylim=(0, 1.1))
            panel.set_xticks((2, 8, 32, 128, 512), (2, 8, 32, 128, 512))
            panel.minorticks_off()
        panels[0].set_ylabel("retrieval error, of a pattern's norm")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return figure


def _table(rows):
    shown = 2, 4, 8, 16, 64
    table = Table(
        "patterns", Column("rested synapses", no_wrap=True), *(f"{p:g}" for p in shown), "no largest", "retrieved from",
        title="retrieval error by the largest potentiation (95 %)",
    )  # fmt: skip
    by, enough = {(row["patterns"], row["rule"], row["potentiation"]): row for row in rows}, needed(rows)
    for n in SIZES:
        for rule in SPREADS:
            own, without = (by[n, rule, p] for p in shown), by[n, "no largest", None]["error"]
            errors = ("{:.2f} ({:.2f} to {:.2f})".format(row["error"], *row["interval"]) for row in own)
            least = enough[rule, n]
            table.add_row(str(n), rule, *errors, f"{without:.3f}", "none" if least is None else f"{least:g}")
    return table


@with_output
def main(
    draws: Annotated[
        int, typer.Option(help="Sets of patterns, each with 20 cues and rested synapses of its own.")
    ] = 20,
    seed: Annotated[int, typer.Option(help="Seed of patterns, cues and synapses.")] = 0,
    *,
    output: Output,
):
    """Retrieve patterns through synapses of limited strength."""
    o.within("--draws", draws, 2, 1000)
    o.within("--seed", seed, 0, 2**32 - 1)
    output.check()
    rows, parameters = rows_of(draws, seed), {"draws": draws, "seed": seed}
    folder, content = output.folder("potentiation", parameters), output.provenance(parameters, {"patterns": seed})
    enough = [{"rule": rule, "patterns": n, "potentiation": least} for (rule, n), least in needed(rows).items()]
    result = Swept({}, {}, False).result(rows, needed=enough)
    output.report("potentiation", folder, result, draw(rows), content, _table(rows), judge(rows))
    return DONE


if __name__ == "__main__":
    script(main)
