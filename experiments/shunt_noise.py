"""Why a leaky normaliser needs more cells where cells are noisy: division by an inhibition that fluctuates.

Question: a summing interneuron without an integrator (`--normaliser plausible`) divides idealised spikes well and adaptive
cells badly: do its cells miss the value that their drives ask for, or does the division?

Prediction: written after a first run on other weights. The interneurons hold what their drives ask for, within 10 %, in both
forms. But L2/3 cells divide by the momentary shunt, whose mean reciprocal exceeds the reciprocal of its mean by the square
of its coefficient of variation: for irregular spikes 1 / (2 P r tau), P cells at rate r through a shunt of time constant
tau. In adaptive cells the attention exceeds Z / g by at least half of that, and the excess falls by more than half from 32
to 128 cells per value. An integrator takes the mean excess back, a leaky loop only a part of it.

Control: the same circuit whose L2/3 cells are divided by exact values of Z, which do not fluctuate. Prediction, written
after the run above and before this one: in adaptive cells, 8 and 32 per value, the excess is then at most a third of that
with interneurons, so that the fluctuation of the shunt makes most of it.

Reference: Campbell's theorem for the variance of filtered Poisson spikes; the recurrent drives of the interneuron are off
here, so that nothing corrects the sum.

Run time: a minute on two cores, once compiled.
"""

from functools import partial
from typing import Annotated

import numpy as np
import typer
from brian2 import second
from rich.table import Table

from cortical_attention.command import options as o
from cortical_attention.command.heads import executor_of
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_by
from cortical_attention.readout.formats import number, per_cent
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.simulation.attend import calibrate, prepare, run
from cortical_attention.simulation.settle import window_values
from cortical_attention.trials.batch import Prediction, collected, part_of, side_by_side, stacked
from cortical_attention.trials.comparison import reference_for
from cortical_attention.trials.onset import BEYOND
from cortical_attention.trials.spike_error_sources import idealised

# Parameters
FORMS, CELLS = ("spiking", "adaptive"), (8, 32, 128)
N_TOKEN, N_INPUT, SCALE, UNIT_RATE = 4, 4, 2.0, 300.0
TIMES = {"settle": 0.3, "duration": 0.5}  # s
HELD = 0.1  # relative, of what interneurons hold
OPEN = {"a": 0.0, "a_s": 0.0}  # gains of the recurrent drives


# Circuit
def without_loops(wiring, times, tokens, **block):
    """Plan whose interneurons hear thalamocortical drives alone."""
    plan = wiring(times, tokens, **block)
    populations = dict(plan.circuit.populations)
    populations["interneuron"] = populations["interneuron"]._replace(parameters=OPEN)
    return plan._replace(circuit=plan.circuit._replace(populations=populations))


def with_exact_shunt(wiring, z, times, tokens, **block):
    """Plan whose L2/3 cells are divided by values (batch, n_head, n_token), without interneurons."""
    return idealised(wiring(times, tokens, **block), ("shunt",), z)


# Protocol
def answered(wiring, cases, options, calibration, block, report=None):
    """Values of a circuit whose wiring may have changed since its calibration, and what was prepared."""
    prepared = prepare(wiring, stacked(cases)[0], options.settings, calibration, **block)
    found = run(prepared, report, beyond=BEYOND)
    if found.interrupted:
        raise KeyboardInterrupt
    return window_values(found, options.settings.form, prepared.plan.protocol.windows), prepared


def row_of(form, cells, given, report=None):
    """Figures of one form and number of cells per value (dict)."""
    fixed = {"normaliser": "plausible", "synapses": "fast", "unit_rate": UNIT_RATE, "record": "sample", **TIMES}
    options = o.check(form=form, cells=cells, **fixed, **given)
    cases = side_by_side(given["seed"], N_INPUT, N_TOKEN, scale=SCALE)
    block = {"normaliser": "plausible", "kernel": "elu+1", **cases[0].block._asdict()}
    calibration = calibrate("mask", cases[0].calibration, options.settings, **block)
    z = np.array([reference_for(case, options).attention.normaliser for case in cases])
    changes = (
        (partial(without_loops, options.system.wiring), calibration),
        (partial(with_exact_shunt, options.system.wiring, z), calibration.without_interneurons()),
    )
    (values, prepared), (exact, _) = (
        answered(wiring, cases, options, held, block, part_of(report, k, 2)) for k, (wiring, held) in enumerate(changes)
    )
    figures = figures_of(values, z, prepared, cells)
    return {"form": form, "cells": cells, **figures, "excess_of_exact": float(np.median(attention_sums(exact)) - 1)}


# Reference
def figures_of(values, z, prepared, cells):
    """What interneurons hold beside what their drives ask for, and by how much the attention exceeds Z / g: medians over
    macrocolumns; the excess that filtered Poisson spikes of that rate would make; and the rate.

    Parameters
    ----------
    values : dict of str to ndarray, shape (1, batch, *sizes)
    z : ndarray, shape (batch, n_head, n_token)
    prepared : Prepared
    cells : int

    Returns
    -------
    dict of str to float
    """
    held, sums = values["interneuron"][0], attention_sums(values)
    inputs = prepared.plan.circuit.populations["interneuron"].inputs
    queries, keys = values["spiny"][0].sum(axis=-1), values["keys"][0].sum(axis=(-1, -2))[..., None]
    asked = np.maximum(inputs["w_q"] * queries + inputs["w_k"] * keys + inputs["w_0"], 0) ** 2
    rate = held * np.asarray(prepared.unit_rates["interneuron"])
    tau = float(prepared.settings.form.synapses.tau_fast / second)
    return {
        "held": float(np.median(held / asked)),
        "excess": float(np.median(sums * held / z) - 1),
        "excess_of_poisson": float(np.median(1 / (2 * cells * rate * tau))),
        "rate_hz": float(np.median(rate)),
    }


def attention_sums(values):
    """Sum of the attention of every macrocolumn, (batch, n_head, n_token)."""
    return values["superficial"][0].sum(axis=(-1, -2))


def judge(rows):
    """The predictions, of those rows that are there."""
    found = []
    for row in rows:
        said = f"{row['form']}, {row['cells']} cells: interneurons hold what is asked for, within {per_cent(HELD)}"
        found.append(Prediction(said, per_cent(row["held"] - 1), abs(row["held"] - 1) <= HELD))
    excess = {row["cells"]: row for row in rows if row["form"] == "adaptive"}
    for cells, row in excess.items():
        half = row["excess_of_poisson"] / 2
        said = f"adaptive, {cells} cells: attention exceeds Z / g by at least {per_cent(half)}"
        found.append(Prediction(said, per_cent(row["excess"]), row["excess"] >= half))
        if cells < max(CELLS):
            third, left = row["excess"] / 3, row["excess_of_exact"]
            said = f"adaptive, {cells} cells: an exact shunt leaves at most a third of that, {per_cent(third)}"
            found.append(Prediction(said, per_cent(left), abs(left) <= third))
    if {32, 128} <= excess.keys():
        ratio = excess[128]["excess"] / excess[32]["excess"]
        found.append(
            Prediction("adaptive: the excess falls by more than half from 32 to 128 cells", number(ratio), ratio < 0.5)
        )
    return found


# Figure
def draw(rows):
    """Excess of attention against the number of cells, measured and of Poisson spikes."""
    with style():
        figure = new_figure(4.2, width=6.0)
        panel = figure.subplots()
        for k, form in enumerate(dict.fromkeys(row["form"] for row in rows)):
            own = [row for row in rows if row["form"] == form]
            look, cells = {"color": CYCLE[k], "marker": MARKERS[k]}, [row["cells"] for row in own]
            panel.plot(cells, [row["excess"] for row in own], label=f"{form} cells", **look)
            expected = [row["excess_of_poisson"] for row in own]
            panel.plot(cells, expected, linestyle=":", label=f"Poisson spikes of the rate of {form} cells", **look)
            exact = [row["excess_of_exact"] for row in own]
            panel.plot(cells, exact, linestyle="--", label=f"{form} cells, exact shunt", **look)
        panel.set(xscale="log", xlabel="cells per value", ylabel="attention in excess of Z / g (relative)")
        panel.set_xticks(CELLS, [str(each) for each in CELLS], minor=False)
        panel.minorticks_off()
        panel.legend()
    return figure


def _table(rows):
    table = Table(
        "form", "cells", "interneuron (Hz)", "held / asked for", "excess", "of Poisson spikes", "exact shunt",
        title="division by a fluctuating shunt, fast synapses, no recurrent drive of the interneurons",
    )  # fmt: skip
    for row in rows:
        figures = (
            number(row["rate_hz"]),
            number(row["held"]),
            per_cent(row["excess"]),
            per_cent(row["excess_of_poisson"]),
            per_cent(row["excess_of_exact"]),
        )
        table.add_row(row["form"], str(row["cells"]), *figures)
    return table


@with_output
def main(
    workers: Annotated[
        int, typer.Option(help="Number of local processes that run circuits side by side; 0: this one alone.")
    ] = 0,
    target: o.Target = "auto",
    seed: o.InputSeed = 0,
    *,
    output: Output,
):
    """Measure what a fluctuating shunt does to division."""
    given = {"target": target, "seed": seed}
    o.check(**given)
    output.check()
    asked = [((form, cells), partial(row_of, form, cells, given)) for cells in reversed(CELLS) for form in FORMS]
    with executor_of(workers) as executor, output.progress(f"{len(asked)} circuits") as report:
        swept = collected(asked, report, executor, name=lambda job: f"{job[0]}, {job[1]} cells")
    done = swept.done
    rows = [done[form, cells] for form in FORMS for cells in CELLS if (form, cells) in done]
    folder, content = output.folder("shunt_noise", given), output.provenance(given, {"first": seed})
    result = swept.result(rows)
    output.report("shunt_noise", folder, result, draw(rows) if rows else None, content, _table(rows), judge(rows))
    return status_by([True], swept.interrupted, swept.failed)


if __name__ == "__main__":
    script(main)
