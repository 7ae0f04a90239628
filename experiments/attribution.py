"""What the error of a rung is made of: one idealisation at a time is put back.

Question: how much of the squared error of spiking, adaptive and biophysical cells goes with each thing that is not ideal in
them: ripple, shunts, few cells, noise, adaptation, refractory time, leak, saturation, the calcium dendrite?

Prediction: written before the runs of each rung. *adaptive* (8 cells, conductance ratio 0.001): noise and saturation carry
most of it at scale 1 and 2; adaptation and refractory time, which the measured f-I table takes out, less than a tenth each.
*spiking*: counting, so that four cells a number take away more than half. *biophysical*: the two-compartment cells of L2/3
and L5 IT carry more than half of it together, the shunt less than a tenth. The parts, what the rung below leaves, and the
interaction are the whole, by definition; the table prints the sum.

Reference: `reference.linear_attention` on the cases with 4 tokens of `experiments.suite`. A part is the squared error of
the rung less that of the rung without it; the interaction is what is then left. The exact shunt takes Z from the circuit's
own rate form.

Run time: ten minutes a rung for two seeds; biophysical cells take half an hour.
"""

import sys
import time
from typing import Annotated, NamedTuple

import numpy as np
import typer
from brian2 import ms, pA
from rich.table import Column, Table

from cells.forms.adaptive import ADAPTIVE
from cells.forms.biophysical import BIOPHYSICAL, CELL, biophysical
from cells.forms.form import Form
from cells.forms.rate import RATE
from cells.forms.spiking import SPIKING
from circuits.mask import mask_wiring
from experiments import options as o
from experiments.causes import idealised
from experiments.command import script
from experiments.comparison import reference_of
from experiments.in_turn import Prediction, ask, ask_in_turn, say, write
from experiments.ladder import PROTOCOL
from experiments.progress import progress
from experiments.suite import cases as suite_cases
from experiments.tables import console_for, per_cent
from readout.agreement import relative_l2
from readout.files import check_folder, result_folder
from readout.provenance import provenance
from readout.style import CYCLE, MARKERS, new_figure, style

WHOLE, BELOW, INTERACTION = "all of them", "rung below", "interaction"


# Parameters
class Network(NamedTuple):
    """A form, how many times the cells a number that its rung has, and what is given as numbers (`experiments.causes`)."""

    form: Form
    cells: int = 1
    exact: tuple = ()


def with_membranes(**changes):
    """The adaptive form with other constants of every membrane."""
    return ADAPTIVE._replace(membranes={name: each._replace(**changes) for name, each in ADAPTIVE.membranes.items()})


def only(*names):
    """The biophysical form with two compartments in these cell types only."""
    return BIOPHYSICAL._replace(of_cell={name: BIOPHYSICAL.of_cell[name] for name in names})


def ideals(form):
    """What can be put back at every rung: exact numbers, and more cells."""
    return {
        "ripple": Network(form, exact=("nuclei",)),
        "shunt": Network(form, exact=("shunt",)),
        "few cells": Network(form, cells=4),
    }


IN_SATURATING = {
    name: getattr(ADAPTIVE, name) for name in ("dendrite", "held", "synapse", "conductance", "unsaturated")
}
RUNGS = {
    "spiking": {
        WHOLE: Network(SPIKING),
        BELOW: Network(RATE),
        **ideals(SPIKING),
        "time step": Network(SPIKING._replace(dt=0.25 * ms)),
    },
    "adaptive": {
        WHOLE: Network(ADAPTIVE),
        BELOW: Network(SPIKING._replace(ceiling=ADAPTIVE.ceiling)),
        **ideals(ADAPTIVE),
        "noise": Network(with_membranes(sigma=0.0)),
        "adaptation": Network(with_membranes(b=0.0)),
        "refractory": Network(with_membranes(refractory=0 * ms)),
        "saturation": Network(ADAPTIVE._replace(conductance=0.0)),
        "leaky soma": Network(
            SPIKING._replace(ceiling=ADAPTIVE.ceiling, constants=ADAPTIVE.constants, **IN_SATURATING)
        ),
        "time step": Network(ADAPTIVE._replace(dt=0.25 * ms)),
    },
    "biophysical": {
        WHOLE: Network(BIOPHYSICAL),
        BELOW: Network(ADAPTIVE),
        **ideals(BIOPHYSICAL),
        "L2/3 dendrite": Network(only("intratelencephalic")),
        "L5 IT dendrite": Network(only("superficial")),
        "noise": Network(biophysical(cell=CELL._replace(sigma=0 * pA))),
        "adaptation": Network(biophysical(cell=CELL._replace(b=0 * pA))),
        "facilitation": Network(biophysical("burst")),
    },
}


# Protocol
class Measured(NamedTuple):
    """A finished run, the squared relative L2 error of its answers, the mean over seeds, and whether all have settled."""

    run: object
    error: float
    settled: bool


def measure(case, rung, network, given, n_seed, report=None):
    """Ask one network of a rung (Measured)."""
    asked = PROTOCOL.get(rung, {})
    options = o.check(
        form=rung, cells=network.cells * asked.get("cells", 1), duration=asked.get("duration"), record="sample", **given
    )
    settings = options.settings._replace(form=network.form)
    if network.exact:
        options = options._replace(wiring=exactly(network.exact, gains(case, n_seed)))
    answer = ask([case] * n_seed, options._replace(settings=settings), report)
    if answer.output is None:
        raise KeyboardInterrupt
    right = reference_of(case, options.kernel).attention.output
    errors = [relative_l2(each, right) ** 2 for each in answer.output]
    return Measured(answer.run, float(np.mean(errors)), bool(answer.settled.settled.all()))


def exactly(exact, normaliser):
    """The mask wiring with exact numbers in place of some cells, as `circuits.attend.attend` takes it."""
    return lambda times, tokens, **block: idealised(mask_wiring(times, tokens, **block), exact, normaliser)


def gains(case, n_seed):
    """Z of each seed (n_seed, n_head, n_token), from the rate form."""
    answer = ask([case], o.check(target="numpy"))
    if answer.output is None:
        raise KeyboardInterrupt
    return np.repeat(answer.run.numbers["interneuron"][-1], n_seed, axis=0)


def run(cases, rungs, given, n_seed, report=None):
    """Rows, one a rung and a case whose networks have all been run, and Swept."""
    every = [(case, rung, name) for rung in rungs for case in cases for name in RUNGS[rung]]
    asked = {label(*each): _asker(*each, given, n_seed) for each in every}
    swept = ask_in_turn(asked, report)
    rows = []
    for rung in rungs:
        for case in cases:
            found = {name: swept.done.get(label(case, rung, name)) for name in RUNGS[rung]}
            if None not in found.values():
                unsettled = [name for name, each in found.items() if not each.settled]
                errors = {name: each.error for name, each in found.items()}
                rows.append({"rung": rung, **row(case.name, errors), "unsettled": unsettled})
    return rows, swept


def label(case, rung, name):
    """How messages call a network."""
    return f"{rung}, {case.name}, {name}"


def _asker(case, rung, name, given, n_seed):
    return lambda report: measure(case, rung, RUNGS[rung][name], given, n_seed, report)


def row(name, errors):
    """Parts of the squared error of one case; with `INTERACTION` they add up to the whole."""
    whole, below = errors[WHOLE], errors[BELOW]
    parts = {part: whole - error for part, error in errors.items() if part not in (WHOLE, BELOW)}
    rest = whole - below - sum(parts.values())
    return {"case": name, "squared_error": whole, "parts": {BELOW: below, **parts, INTERACTION: rest}}


# Reference
def judge(rows):
    """The predictions."""
    found = []
    adaptive = _of(rows, "adaptive")
    if adaptive:
        easy = [each for each in adaptive if "scale3" not in each["case"]] or adaptive
        large = min(_share(each, "noise", "saturation") for each in easy)
        small = max(_share(each, part) for each in adaptive for part in ("adaptation", "refractory"))
        found += [
            Prediction("adaptive: noise and saturation more than half at scale 1 and 2", per_cent(large), large > 0.5),
            Prediction("adaptive: adaptation, refractory time less than a tenth each", per_cent(small), small < 0.1),
        ]
    if _of(rows, "spiking"):
        least = min(_share(each, "few cells") for each in _of(rows, "spiking"))
        found.append(Prediction("spiking: few cells more than half", per_cent(least), least > 0.5))
    if _of(rows, "biophysical"):
        least = min(_share(each, "L2/3 dendrite", "L5 IT dendrite") for each in _of(rows, "biophysical"))
        most = max(_share(each, "shunt") for each in _of(rows, "biophysical"))
        found += [
            Prediction("biophysical: the two dendrites more than half together", per_cent(least), least > 0.5),
            Prediction("biophysical: the shunt less than a tenth", per_cent(most), most < 0.1),
        ]
    return found


def _of(rows, rung):
    return [each for each in rows if each["rung"] == rung]


def _share(row, *parts):
    return sum(row["parts"][part] for part in parts) / row["squared_error"]


# Figure
def draw(rows):
    """Shares of the squared error, a panel a rung: every part a row, every case a mark."""
    rungs = list(dict.fromkeys(each["rung"] for each in rows))
    longest = max(len(each["parts"]) for each in rows)
    with style():
        figure = new_figure(1.4 + 0.3 * longest, width=3.4 * len(rungs) + 1)
        panels = figure.subplots(1, len(rungs), squeeze=False)[0]
        for panel, rung in zip(panels, rungs, strict=True):
            own = _of(rows, rung)
            names = list(own[0]["parts"])
            for k, each in enumerate(own):
                shares = [100 * each["parts"][name] / each["squared_error"] for name in names]
                look = {"color": CYCLE[k % len(CYCLE)], "marker": MARKERS[k % len(MARKERS)], "label": each["case"]}
                panel.plot(shares, np.arange(len(names)) + 0.15 * (k - 1), linestyle="", **look)
            panel.axvline(0, color="#777777", linewidth=1)
            panel.grid(axis="y", color="#EEEEEE")
            panel.set_axisbelow(True)
            panel.set(xlabel="share of the squared error (%)", title=f"{rung} cells")
            panel.set_yticks(range(len(names)), names)
            panel.invert_yaxis()
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _table(rows):
    """A row a rung and part, a column a case; the first row of a rung is its error."""
    cases = list(dict.fromkeys(each["case"] for each in rows))
    heads = (Column(name, no_wrap=True) for name in ("rung", "part", *cases))
    table = Table(*heads, title="shares of the squared error, %")
    for rung in dict.fromkeys(each["rung"] for each in rows):
        own = {each["case"]: each for each in _of(rows, rung)}

        def line(name, shown, rung=rung, own=own):
            table.add_row(rung, name, *(shown(own[case]) if case in own else "-" for case in cases))

        line("error", lambda each: per_cent(each["squared_error"] ** 0.5))
        for part in next(iter(own.values()))["parts"]:
            line(part, lambda each, part=part: f"{100 * _share(each, part):.0f}")
        line("sum", lambda each: f"{100 * _share(each, *each['parts']):.0f}", own=own)
        table.add_section()
    return table


def main(
    rungs: Annotated[str, typer.Option(help=f"Some of {','.join(RUNGS)}.")] = "adaptive",
    seeds: Annotated[int, typer.Option(help="Starting phases and noises of each case.")] = 2,
    target: o.Target = "auto",
    seed: o.Seed = 0,
    out: o.Out = None,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
    json: o.Json = False,
):
    """Attribute the error of a rung."""
    start, given = time.perf_counter(), {"target": target, "seed": seed}
    chosen = o.some_of("--rungs", rungs, tuple(RUNGS))
    o.within("--seeds", seeds, 1, 1000)
    o.check(**given)
    check_folder(out, overwrite)
    console, cases = console_for(json), [case for case in suite_cases() if case.name.startswith("self_n4")]
    with progress(f"{len(cases) * sum(len(RUNGS[rung]) for rung in chosen)} circuits", quiet) as report:
        rows, swept = run(cases, chosen, given, seeds, report)
    asked = given | {"rungs": chosen, "seeds": seeds}
    folder, result = result_folder("attribution", asked, out, overwrite), swept.result(rows)
    forms = {
        rung: {name: each._replace(form=each.form._asdict()) for name, each in RUNGS[rung].items()} for rung in chosen
    }
    content = provenance(sys.argv, asked | {"forms": forms}, {"first": seed}, wall_time_s=time.perf_counter() - start)
    write("attribution", folder, result, draw(rows) if rows else None, content)
    say(result, _table(rows), judge(rows), folder, console, json)
    for each in rows:
        if each["unsettled"]:
            console.print(
                f"not settled: {each['rung']}, {each['case']}: {', '.join(each['unsettled'])}", highlight=False
            )
    return swept.status([])


if __name__ == "__main__":
    script(main)
