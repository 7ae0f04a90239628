"""Calibration of the cells: f-I curves of adaptive cells, and of two-compartment cells at several apical drives.

Question: what is the range of rates of each cell, and does the inverted f-I curve reproduce a target rate?

Prediction: each f-I curve rises up to the 300 Hz at which it ends, and a fresh measurement at the currents of the inverted
curve differs from the target rate by less than 3 per cent from 10 to 100 Hz, where adaptive cells work.

Reference: the curve itself, measured with another stream of noise and half as many cells.

Run time: one minute.
"""

import numpy as np
from brian2 import Hz, ms, second
from rich.table import Table

from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.membranes.f_i import RESOLUTION, TOP, f_i_table, inverse, rates_at
from cortical_attention.cells.membranes.two_compartment import TwoCompartment, surface_of
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import DONE, script
from cortical_attention.readout.formats import number, per_cent
from cortical_attention.readout.style import CYCLE, new_figure, style
from cortical_attention.simulation.engine import device
from cortical_attention.trials.batch import Prediction

# Parameters
ASKED = np.array([10, 20, 40, 60, 80, 100])  # Hz
N_CELL, WINDOW = 20, 10 * second
APICAL = -300, 0, 200, 400, 600  # pA, at which the two-compartment cell is drawn
DT = ADAPTIVE.dt
MEMBRANES = {"pyramidal": ADAPTIVE.membrane, **ADAPTIVE.of_kind}


# Protocol
def run():
    """f-I curve of each membrane with rates of fresh cells, and the surface of the two-compartment cell."""
    with device("numpy"):
        tables = {name: f_i_table(membrane, DT) for name, membrane in MEMBRANES.items()}
        rows = []
        for name, table in tables.items():
            currents = inverse(table)[np.rint(ASKED / (RESOLUTION / Hz)).astype(int)]
            for asked, found in zip(
                ASKED, rates_at(MEMBRANES[name], currents, DT, N_CELL, WINDOW, stream=1), strict=True
            ):
                rows.append({"membrane": name, "asked_hz": float(asked), "answered_hz": float(found)})
        return tables, rows, surface_of(TwoCompartment())


# Reference
def judge(tables, rows):
    """The predictions."""
    top = min(table.rate.max() for table in tables.values())
    worst = max(abs(row["answered_hz"] / row["asked_hz"] - 1) for row in rows)
    return [
        Prediction(f"each table reaches {TOP / Hz:g} Hz", f"{number(top)} Hz", top >= TOP / Hz),
        Prediction("the rate asked for, within 3 %", per_cent(worst), worst < 0.03),
    ]


# Figure
def draw(tables, rows, surface):
    """Figure: f-I curves with rates of fresh cells; f-I curves of the two-compartment cell, all spikes and bursts."""
    with style():
        figure = new_figure(4.2, width=12.0)
        panels = figure.subplots(1, 3)
        for k, (name, table) in enumerate(tables.items()):
            panels[0].plot(table.current, table.rate, color=CYCLE[k], label=f"{name}, measured")
            own = [row for row in rows if row["membrane"] == name]
            currents = inverse(table)[np.rint(ASKED / (RESOLUTION / Hz)).astype(int)]
            answers = [row["answered_hz"] for row in own]
            panels[0].plot(
                currents, answers, "o", color=CYCLE[k], label=f"{name}, asked for {ASKED[0]} to {ASKED[-1]} Hz"
            )
        panels[0].axhline(TOP / Hz, color="#777777", linestyle="--", linewidth=1, label="end of the table")
        panels[0].set(xlabel="current (rest to threshold)", ylabel="rate (Hz)", title="adaptive cells", xlim=(0, 12))
        for panel, readout in zip(panels[1:], ("total", "burst"), strict=True):
            for k, apical in enumerate(APICAL):
                column = np.argmin(np.abs(surface.apical - apical))
                label = f"{surface.apical[column]:.0f} pA apical"
                panel.plot(surface.basal, surface.rates[readout][:, column], color=CYCLE[k], label=label)
            panel.set(xlabel="basal current (pA)", title=f"two compartments, {readout} rate", ylabel="rate (Hz)")
        for panel in panels:
            panel.legend(fontsize=8)
    return figure


def _table(rows):
    table = Table("membrane", "asked (Hz)", "answered (Hz)", title="inverted f-I tables")
    for row in rows:
        table.add_row(row["membrane"], f"{row['asked_hz']:g}", f"{row['answered_hz']:.1f}")
    return table


@with_output
def main(*, output: Output):
    """Show what the cells are calibrated on."""
    output.check()
    tables, rows, surface = run()
    folder = output.folder("calibration", {"dt": DT / ms})
    result = {"rows": rows, "failed": {}, "interrupted": False}
    content = output.provenance({"dt": DT}, {"noise": 1})
    figure = draw(tables, rows, surface)
    output.report("calibration", folder, result, figure, content, _table(rows), judge(tables, rows))
    return DONE


if __name__ == "__main__":
    script(main)
