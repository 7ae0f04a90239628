"""Physiology: does the two-compartment cell reproduce measurements in cortex, and does apical input add or multiply?

Question: of eleven findings about apical input and inhibition, which does the cell reproduce, with either public set of its
constants? And is the effect of apical input over the whole f-I curve nearest to a shift of the basal axis, to an added rate
or to a gain: in all spikes, in bursts, and in the transmitter that facilitating synapses release, which the biophysical form
sends?

Prediction: written before the run, but with the rates of the first set, its shunts and the shift known from earlier runs.
The rate adds and so does the transmitter: a shift leaves less than a constant or a gain; bursts multiply: a gain leaves less
than a shift or a constant. Apical input does not raise the initial slope, contrary to measurements, while current into the
dendrite has a steeper one than current into the soma. L2/3 suppresses spontaneous and evoked activity if it recruits a shunt
of the dendrite, as somatostatin cells do, below the largest conductances measured in cortex. Nine of eleven findings in each
set, the same nine. A difference is one if its interval over eight seeds of the noise excludes zero.

Reference: `trials.physiology.READ` states what was read of each source: abstracts, which give directions, and the f-I points
of Larkum, Senn & Luescher (2004) in the quotation of another analysis. Their full text and those of Pluta et al. (2019) and
Seybold et al. (2015) were not accessible beyond the introduction, so that no other effect size is held against the cell.
Spontaneous activity is that of cells at 0.5 to 5 Hz without apical input; evoked activity that from 600 pA on. Conductances
of stimulated cells in cat visual cortex grow by 20 to 300 % (Anderson, Carandini & Ferster 2000) and to more than three
times that at rest (Borg-Graham, Monier & Fregnac 1998).

Run time: two minutes.
"""

import numpy as np
from brian2 import nS, pA, second
from rich.console import Group
from rich.table import Column, Table

from cortical_attention.cells.membranes.moving_threshold import MovingThreshold
from cortical_attention.cells.membranes.two_compartment import READOUTS, TwoCompartment, counts
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import DONE, script
from cortical_attention.simulation.engine import compiler, device
from cortical_attention.trials.batch import Prediction
from cortical_attention.trials.physiology import (
    ADDS,
    APICAL,
    CHANGES,
    CURRENT,
    DENDRITE,
    READ,
    RECRUITED,
    WITH,
    WITHOUT,
    comparisons,
    judge,
    recruited,
    words,
)
from cortical_attention.trials.physiology_figure import COMPARED, draw

# Parameters
CELLS = {"refractory time": TwoCompartment(), "moving threshold": MovingThreshold()}
PLACES = {"soma": "g_shunt_s", "dendrite": "g_shunt_d"}
N_CELL, WINDOW, SEEDS = 20, 4 * second, range(8)
EXPECTED = {"total": "adds", "burst": "multiplies", "facilitated": "adds"}
ASKED = {
    "current into the dendrite: steeper initial slope": True,
    "apical input raises the initial slope": False,
    "L2/3 suppresses spontaneous activity, by SOM": True,
    "L2/3 suppresses evoked activity, by SOM": True,
}
SCORE = 9


# Protocol
def curve(cell, basal=CURRENT, apical=0.0):
    """Rates (Hz) of each read-out by seed and current, under currents into soma and dendrite (pA), one of them `CURRENT`."""
    currents = [np.repeat(np.broadcast_to(each, CURRENT.shape), N_CELL) * pA for each in (basal, apical)]
    with device("numpy" if compiler() is None else "cython"):
        found = [counts(*currents, cell, WINDOW, seed) for seed in SEEDS]
    shape = len(SEEDS), -1, N_CELL
    return {
        name: np.reshape([each[name] for each in found], shape).mean(axis=2) / float(WINDOW) for name in READOUTS
    }  # fmt: skip


def run(cell):
    """Every curve of a cell, by condition and read-out."""
    shunted = {
        recruited(place, level): curve(cell._replace(**{constant: level * nS}), apical=APICAL)
        for place, constant in PLACES.items() for level in RECRUITED
    }  # fmt: skip
    return {WITHOUT: curve(cell), WITH: curve(cell, apical=APICAL), DENDRITE: curve(cell, 0.0, CURRENT), **shunted}


# Reference
def predictions(found, changes):
    """The predictions: what apical input does to each read-out, and the findings, of both cells."""
    best = {readout: [each[readout][1] for each in changes.values()] for readout in EXPECTED}
    of_changes = [
        _both(f"apical input {does} in {COMPARED[readout]}", [ADDS.get(each, each) for each in best[readout]], does)
        for readout, does in EXPECTED.items()
    ]
    same = {each: [row.same for rows in found.values() for row in rows if row.finding == each] for each in ASKED}
    of_findings = [
        _both(f"{finding}: {_yes(ASKED[finding])}", map(_yes, same[finding]), _yes(ASKED[finding])) for finding in ASKED
    ]
    scores = [sum(each.same for each in rows) for rows in found.values()]
    alike = all(len({each.same for each in rows}) == 1 for rows in zip(*found.values(), strict=True))
    return [
        *of_changes,
        *of_findings,
        _both("nine of eleven findings", scores, SCORE),
        Prediction("both sets agree on every finding", _yes(alike), alike),
    ]


def _both(predicted, measured, wanted):
    """A prediction that holds if what was measured in each cell is as wanted."""
    measured = list(measured)
    return Prediction(predicted, ", ".join(map(str, measured)), set(measured) == {wanted})


def _yes(same):
    return "yes" if same else "no"


# Tables
def tables(found, changes):
    """Findings beside their measurement in cortex, and changes under apical input, with a column for each cell."""
    findings = Table("finding", "source", "in cortex", *found, title="findings in cortex, and whether each cell agrees")
    for rows in zip(*found.values(), strict=True):
        each = rows[0]
        findings.add_row(
            each.finding,
            each.source,
            each.measured,
            *(f"{_yes(row.same)}: {row.cell}" for row in rows),
            end_section=True,
        )
    title = f"what is left of apical input ({APICAL:g} pA), by change of the f-I curve"
    left = Table(Column("read-out", no_wrap=True), "change", *changes, title=title)
    for readout, label in COMPARED.items():
        for k, kind in enumerate(CHANGES):
            left.add_row(label, kind, *(_left(each[readout][0][k]) for each in changes.values()))
        left.add_row(label, "effect", *(_verdict(each[readout][1]) for each in changes.values()), end_section=True)
    return Group(findings, left)


def _left(row):
    """A change and what it leaves, as text."""
    return f"{words(row.value)} {CHANGES[row.change]}: {words([100 * each for each in row.left])} %"


def _verdict(best):
    return f"{ADDS[best]} ({best})" if best in ADDS else best


@with_output
def main(*, output: Output):
    """Hold the cell against physiology, with both sets of its constants."""
    output.check()
    curves = {name: run(cell) for name, cell in CELLS.items()}
    found = {name: judge(curves[name], cell) for name, cell in CELLS.items()}
    changes = {name: {each: comparisons(curves[name], each) for each in COMPARED} for name in CELLS}
    folder = output.folder("physiology", {})
    result = {
        "rows": [{"cells": name, **each._asdict()} for name, rows in found.items() for each in rows],
        "read": READ, "changes": changes, "curves": curves, "failed": {}, "interrupted": False,
    }  # fmt: skip
    content = output.provenance({}, {})
    figure, table = draw(curves, changes), tables(found, changes)
    output.report("physiology", folder, result, figure, content, table, predictions(found, changes))
    return DONE


if __name__ == "__main__":
    script(main)
