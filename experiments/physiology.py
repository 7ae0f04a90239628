"""Physiology: does the two-compartment cell reproduce measurements in cortex?

Question: of six findings about apical input and inhibition, which does the cell of the biophysical form reproduce?

Prediction: written before any run. Apical input raises the gain, and input from L2/3 raises the output; inhibition recruited
by L2/3 turns its effect into suppression; a shunt of the soma subtracts from the rate and one of the dendrite divides it,
contrary to measurements with light-driven interneurons: four of six. A gain is raised if the interval over eight seeds of
the noise excludes zero.

Reference: directions only, since only abstracts were accessible. Larkum, Senn & Luescher (2004): dendritic input
raises the gain of L5 pyramidal cells. Quiquempoix et al. (2018): silencing L2/3 lowers the gain of L5. Pluta et al. (2019):
L2/3 suppresses L5, here through a shunt of the soma that it recruits. Wilson et al. (2012): parvalbumin cells divide,
somatostatin cells subtract. Seybold et al. (2015): each does both.

Run time: two minutes.
"""

from typing import NamedTuple

import numpy as np
from brian2 import nS, pA, second
from rich.table import Column, Table
from scipy.optimize import least_squares

from cortical_attention.cells.membranes.two_compartment import TwoCompartment, counts
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import DONE, script
from cortical_attention.readout.formats import number
from cortical_attention.readout.statistics import cluster_interval
from cortical_attention.readout.style import CYCLE, new_figure, style
from cortical_attention.simulation.engine import compiler, device
from cortical_attention.trials.batch import Prediction
from cortical_attention.trials.protocol import PROTOCOL

# Parameters
BASAL = np.linspace(0, 1200, 25)  # pA
APICAL = 400.0  # pA: what L2/3 or the matrix thalamus gives
RECRUITED = np.array([0, 10, 20, 40, 80])  # nS: inhibition that L2/3 recruits
SHUNT = 20.0  # nS: light-driven interneurons
N_CELL, WINDOW, SEEDS = 40, 4 * second, range(8)
LINEAR = 0.2, 0.8  # of the highest rate: where the gain is taken


class Finding(NamedTuple):
    """A finding, its source, the response of the cell (all text), and whether both agree (bool)."""

    finding: str
    source: str
    measured: str
    same: bool


# Protocol
def curve(apical=0.0, soma=0.0, dendrite=0.0):
    """Rates (Hz) by seed and basal current, with an apical current (pA) and shunts (nS)."""
    cell = TwoCompartment(g_shunt_s=soma * nS, g_shunt_d=dendrite * nS)
    basal = np.repeat(BASAL, N_CELL)
    with device("numpy" if compiler() is None else "cython"):
        found = [counts(basal * pA, np.full(basal.size, apical) * pA, cell, WINDOW, seed)["total"] for seed in SEEDS]
    return np.reshape(found, (len(SEEDS), -1, N_CELL)).mean(axis=2) / float(WINDOW)


def run():
    """Every curve, by name."""
    found = {
        "no apical input": curve(),
        "apical input": curve(APICAL),
        "shunt of the soma": curve(APICAL, soma=SHUNT),
        "shunt of the dendrite": curve(APICAL, dendrite=SHUNT),
    }
    return found | {f"recruited {level} nS": curve(APICAL, soma=level) for level in RECRUITED}


def gain(rates):
    """Slope (Hz per nA) of an f-I curve between two shares of its range."""
    low, high = (rates.min() + share * np.ptp(rates) for share in LINEAR)
    inside = (rates >= low) & (rates <= high)
    return 1e3 * np.polyfit(BASAL[inside], rates[inside], 1)[0]


def divided_and_subtracted(before, after):
    """Factor a and constant b (Hz) of max(a before - b, 0), nearest to `after`."""

    def left(p):
        return np.clip(p[0] * before - p[1], 0, None) - after

    return least_squares(left, [0.8, 1.0]).x


# Reference
def judge(curves):
    """The findings."""
    gains = [np.array([gain(rates) for rates in curves[name]]) for name in ("no apical input", "apical input")]
    more = cluster_interval(gains[1] - gains[0], SEEDS, **PROTOCOL["intervals"])
    fits, words = zip(*(_left_by(place, curves) for place in ("soma", "dendrite")), strict=True)
    (a, b), (c, d) = (each.mean(axis=0) for each in fits)
    curves = {name: rates.mean(axis=0) for name, rates in curves.items()}
    evoked = {name: float(rates[BASAL >= 600].mean()) for name, rates in curves.items()}
    flip = [level for level in RECRUITED if evoked[f"recruited {level} nS"] < evoked["no apical input"]]
    mean, both = evoked["apical input"], all(_does_both(each) for each in fits)
    return [
        Finding(
            "apical input raises the gain", "Larkum 2004",
            f"{number(gains[0].mean())} Hz/nA, more by {number(more[0])} to {number(more[1])}", more[0] > 0,
        ),
        Finding(
            "without L2/3 the output is smaller", "Quiquempoix 2018",
            f"{number(mean)} to {number(evoked['no apical input'])} Hz", evoked["no apical input"] < mean,
        ),
        Finding(
            "L2/3 suppresses, with inhibition", "Pluta 2019",
            f"from {flip[0]} nS on" if flip else "never", bool(flip) and flip[0] > 0,
        ),
        Finding("PV divides", "Wilson 2012", words[0], (1 - a) * mean > b),
        Finding("SOM subtracts", "Wilson 2012", words[1], d > (1 - c) * mean),
        Finding("each does both", "Seybold 2015", "; ".join(words), both),
    ]  # fmt: skip


def _left_by(place, curves):
    """Factor and constant of a shunt for each seed (n_seed, 2), and their intervals in words."""
    pairs = zip(curves["apical input"], curves[f"shunt of the {place}"], strict=True)
    found = np.array([divided_and_subtracted(*each) for each in pairs])
    (a, b), (c, d) = (cluster_interval(each, SEEDS, **PROTOCOL["intervals"]) for each in found.T)
    return found, f"{place}: times {a:.2f} to {b:.2f}, less {c:.1f} to {d:.1f} Hz"


def _does_both(fits):
    """Whether, by intervals over seeds, the factor is below one and the constant above zero."""
    factor, constant = (cluster_interval(each, SEEDS, **PROTOCOL["intervals"]) for each in fits.T)
    return factor[1] < 1 and constant[0] > 0


# Figure
def draw(curves):
    """f-I curves."""
    with style():
        figure = new_figure(4.2, width=10.0)
        panels = figure.subplots(1, 2, sharey=True)
        groups = list(curves)[:4], ["no apical input", *list(curves)[4:]]
        for panel, names in zip(panels, groups, strict=True):
            for k, name in enumerate(names):
                panel.plot(BASAL, curves[name].mean(axis=0), color=CYCLE[k % len(CYCLE)], label=name)
            panel.set(xlabel="basal current (pA)")
            panel.legend(fontsize=8)
        panels[0].set_ylabel("rate (Hz)")
        panels[0].set_title(f"apical input {APICAL:g} pA, shunts {SHUNT:g} nS")
        panels[1].set_title("L2/3 that recruits inhibition")
    return figure


def _table(found):
    table = Table(Column("finding"), Column("source", no_wrap=True), "this cell", "same", title="physiology")
    for each in found:
        table.add_row(each.finding, each.source, each.measured, "yes" if each.same else "no")
    return table


@with_output
def main(*, output: Output):
    """Hold the cell against physiology."""
    output.check()
    curves = run()
    found, folder = judge(curves), output.folder("physiology", {})
    score = sum(each.same for each in found)
    rows = [each._asdict() for each in found]
    result = {"rows": rows, "score": score, "curves": curves, "failed": {}, "interrupted": False}
    content = output.provenance({}, {})
    predicted = [Prediction("four of six findings", f"{score} of {len(found)}", score == 4)]
    output.report("physiology", folder, result, draw(curves), content, _table(found), predicted)
    return DONE


if __name__ == "__main__":
    script(main)
