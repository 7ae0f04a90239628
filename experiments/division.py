"""Division in three places: by a shunt of the soma, by a shunt of the apical dendrite, or once, in L5 PT cells.

Question: can inhibition of a two-compartment cell divide the value represented by its bursts, so that attention sums to
one, or does it subtract?

Prediction: written before any run. A shunt of the soma subtracts: the remaining rate is nearer to a difference than to a
ratio, and attention normalised by it is further from the algebra than exactly divided attention. A shunt of the dendrite is
nearer to division than one of the soma. Division in L5 PT, algebraically the same, costs no more than 1.5 times the error
of exact division, since its cells multiply unnormalised attention by a value.

Reference: `reference.linear_attention` on `inputs.suite`; shunting: Wilson et al. (2012) and Seybold et al. (2015), of
which only the abstracts were accessible. Rates are those of measured surfaces, without the noise of counting: the
conductance of each macrocolumn is that at which its cells have the summed rate of the least driven macrocolumn.

Run time: four minutes.
"""

from typing import Annotated

import numpy as np
import typer
from brian2 import nS, second
from rich.table import Column, Table
from scipy.interpolate import RegularGridInterpolator
from scipy.optimize import brentq, minimize_scalar

from cortical_attention.cells.membranes.product import map_product
from cortical_attention.cells.membranes.two_compartment import TwoCompartment, surface
from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import DONE, script
from cortical_attention.inputs.suite import cases as suite_cases
from cortical_attention.readout.agreement import query_identification, relative_l2
from cortical_attention.readout.formats import per_cent, whole_per_cent
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.reference.kernels import KERNELS
from cortical_attention.simulation.engine import compiler, device
from cortical_attention.trials.batch import Prediction
from cortical_attention.trials.bursts_figure import WORDS
from cortical_attention.trials.comparison import reference_of
from cortical_attention.trials.families import answer, calibration_drives, drives
from cortical_attention.trials.stages import ideal

# Parameters
LEVELS = np.array([0, 2, 5, 10, 20, 40, 80, 160])  # nS
PLACES = {"soma": "g_shunt_s", "dendrite": "g_shunt_d"}
EXACT, PT = "exact", "L5 PT"
IDENTIFIED = "identified"
phi = KERNELS["elu+1"].phi
COUNTED = 160 * second  # 40 cells for 4 s, for which the cells are calibrated


class Inhibited:
    """Rates of a cell under a shunt in one place, over both drives and the conductance."""

    def __init__(self, place, readout):
        with device("numpy" if compiler() is None else "cython"):
            every = [surface(TwoCompartment(**{PLACES[place]: level * nS})) for level in LEVELS]
        self.surfaces, self.bare = [each.rates[readout] for each in every], every[0]
        self.grid = LEVELS, every[0].basal, every[0].apical
        self.table = RegularGridInterpolator(self.grid, np.array(self.surfaces))

    def rates(self, conductance, basal, apical):
        """Rates at currents (pA), which are broadcast, under a conductance (nS)."""
        inside = [np.clip(each, grid[0], grid[-1]) for each, grid in zip((basal, apical), self.grid[1:], strict=True)]
        return self.table(tuple(np.broadcast_arrays(conductance, *inside)))

    def shares(self):
        """Residuals of division and subtraction on the surface, at the conductance that most nearly halves it."""
        first = self.surfaces[0]
        half = min(self.surfaces[1:], key=lambda each: abs(each.sum() / first.sum() - 0.5))
        divided = (half * first).sum() / (first**2).sum() * first
        least = minimize_scalar(lambda b: np.linalg.norm(np.clip(first - b, 0, None) - half), (0, first.max() / 4)).x
        return relative_l2(divided, half), relative_l2(np.clip(first - least, 0, None), half)


# Protocol
def attention(case, inhibited, readout):
    """kappa (n_head, n_token, n_context) of a case, divided exactly and by the shunt; and the conductances (nS)."""
    queries, keys, _ = drives(case)
    seen = calibration_drives(case)
    mapping = map_product(inhibited.bare, readout, seen.queries, seen.keys, phi, phi, False, COUNTED)
    basal, apical = mapping.currents(queries[:, :, None, :], keys[:, None, :, :])
    free = inhibited.rates(0.0, basal, apical).sum(axis=-1)
    sums, found, strength = free.sum(axis=-1), np.empty_like(free), np.zeros(free.shape[:2])
    for h, i in np.ndindex(*free.shape[:2]):

        def excess(g, h=h, i=i):
            return inhibited.rates(g, basal[h, i], apical[h, 0]).sum() - sums.min()

        strength[h, i] = LEVELS[-1] if excess(LEVELS[-1]) > 0 else brentq(excess, 0, LEVELS[-1]) if excess(0) > 0 else 0
        found[h, i] = inhibited.rates(strength[h, i], basal[h, i], apical[h, 0]).sum(axis=-1)
    return free / sums[..., None], found / sums.min(), strength, free / float(mapping.unit_rate)


def modulated(case, weights, inhibited, readout, scale="kappa"):
    """Attention times value, summed (n_head, n_token, d_value), by L5 IT cells without inhibition; `scale` says whether the
    weights are divided ("kappa") or not ("products")."""
    values = drives(case)[2]
    seen = calibration_drives(case)
    mapping = map_product(
        inhibited.bare, readout, seen.values, getattr(seen, scale), np.positive, np.positive, True, COUNTED
    )
    on, off = (
        inhibited.rates(0.0, *mapping.currents(sign * values[:, None, :, :], weights[..., None])) for sign in (1, -1)
    )
    return (on - off).sum(axis=2) / float(mapping.unit_rate)


def errors_of(case, cells, readout):
    """Relative L2 of the answers to a case, and queries identified: of the L2/3 stage by place, and of both stages divided
    exactly and in PT."""
    found, sums = {}, {}
    for place, inhibited in cells.items():
        exact, shunted, strength, products = attention(case, inhibited, readout)
        sums[place] = ideal(case, shunted)
        found[f"{place} nS"] = float(strength.max())
    sums[EXACT] = ideal(case, exact)
    bare = cells["soma"]
    sums["both, exact"] = modulated(case, exact, bare, readout)
    sums[f"both, {PT}"] = modulated(case, products, bare, readout, "products") / products.sum(axis=-1)[..., None]
    reference = reference_of(case, "elu+1").attention.output
    for name, each in sums.items():
        output = answer(case, each)
        found |= {name: relative_l2(output, reference), f"{name} {IDENTIFIED}": query_identification(output, reference)}
    return {"case": case.name, **found}


# Reference
def judge(rows, shares):
    """The predictions."""
    soma, dendrite = shares["soma"], shares["dendrite"]
    median = {name: float(np.median([row[name] for row in rows])) for name in rows[0] if name != "case"}
    times = median[f"both, {PT}"] / median["both, exact"]
    return [
        Prediction(
            "a shunt of the soma is nearer to subtraction",
            f"division leaves {per_cent(soma[0])}, subtraction {per_cent(soma[1])}",
            soma[1] < soma[0],
        ),
        Prediction(
            "a shunt of the dendrite is nearer to division than one of the soma",
            f"division leaves {per_cent(dendrite[0])}, {per_cent(soma[0])}",
            dendrite[0] < soma[0],
        ),
        Prediction(
            "attention normalised by a shunt of the soma is worse than by exact division",
            f"{per_cent(median['soma'])}, {per_cent(median[EXACT])}",
            median["soma"] > median[EXACT],
        ),
        Prediction("division in L5 PT costs at most 1.5 times the error", f"{times:.2f} times", times <= 1.5),
    ]


# Figure
def draw(cells, rows):
    """Rates against basal current under each shunt, and the error of every case."""
    with style():
        figure = new_figure(4.4, width=12.0)
        panels = figure.subplots(1, 3, width_ratios=(1, 1, 1.4))
        for panel, (place, inhibited) in zip(panels, cells.items(), strict=False):
            column = np.argmin(np.abs(inhibited.bare.apical - 300))
            for k, level in enumerate(LEVELS[:6]):
                rates = inhibited.surfaces[k][:, column]
                panel.plot(inhibited.bare.basal, rates, color=CYCLE[k % len(CYCLE)], label=f"{level} nS")
            panel.set(xlabel="basal current (pA)", ylabel="what is sent (Hz)", title=f"shunt of the {place}")
            panel.legend(fontsize=8)
        names = EXACT, "soma", "dendrite", "both, exact", f"both, {PT}"
        for k, name in enumerate(names):
            look = {"marker": MARKERS[k], "color": CYCLE[k], "linestyle": ""}
            panels[2].plot([row[name] for row in rows], range(len(rows)), label=name, **look)
        panels[2].set_yticks(range(len(rows)), [row["case"] for row in rows])
        panels[2].set(xscale="log", xlabel="relative L2 error", title="where the division is")
        panels[2].invert_yaxis()
        panels[2].legend(fontsize=8)
    return figure


def _table(rows):
    names = [name for name in rows[0] if f"{name} {IDENTIFIED}" in rows[0]]
    title = (
        "relative L2 / queries identified, by where the division is\n"
        f"(*: a macrocolumn would need more than {LEVELS[-1]} nS)"
    )
    table = Table(Column("case", no_wrap=True), *names, title=title)
    for row in rows:
        capped = [name for name in names if row.get(f"{name} nS", 0) >= LEVELS[-1]]
        shown = (
            f"{per_cent(row[name])}{'*' if name in capped else ''} / {whole_per_cent(row[f'{name} {IDENTIFIED}'])}"
            for name in names
        )
        table.add_row(row["case"], *shown)
    return table


@with_output
def main(
    readout: Annotated[str, typer.Option(help=f"One of {', '.join(WORDS)}.")] = "burst",
    *,
    output: Output,
):
    """Divide by inhibition, in three places."""
    o.one_of("--readout", readout, tuple(WORDS))
    output.check()
    cells = {place: Inhibited(place, readout) for place in PLACES}
    shares = {place: inhibited.shares() for place, inhibited in cells.items()}
    rows = [errors_of(case, cells, readout) for case in suite_cases()]
    given = {"readout": readout}
    folder = output.folder("division", given)
    result = {"rows": rows, "shares": shares, "failed": {}, "interrupted": False}
    content = output.provenance(given, {})
    figure = draw(cells, rows)
    output.report("division", folder, result, figure, content, _table(rows), judge(rows, shares))
    return DONE


if __name__ == "__main__":
    script(main)
