"""Figure of the experiment `physiology`."""

import numpy as np

from cortical_attention.readout.changes import changed
from cortical_attention.readout.style import CYCLE, new_figure, style
from cortical_attention.trials.physiology import APICAL, CURRENT, INSIDE, RECRUITED, WITH, WITHOUT, recruited

COMPARED = {"total": "all spikes", "burst": "bursts", "facilitated": "transmitter"}


def draw(curves, changes):
    """f-I curves of each cell without and with apical input and their changes, and with recruited inhibition."""
    with style():
        figure = new_figure(7.4, width=14.0)
        for row, name in zip(figure.subplots(len(curves), 4), curves, strict=True):
            for panel, readout in zip(row, COMPARED, strict=False):
                _draw_changes(panel, curves[name], readout, changes[name][readout][0])
                panel.set_title(f"{name}: {COMPARED[readout]}")
            _draw_recruited(row[-1], curves[name])
            row[-1].set_title(f"{name}: shunted dendrite")
    return figure


def _draw_changes(panel, curves, readout, rows):
    before, after = (curves[each][readout].mean(axis=0) for each in (WITHOUT, WITH))
    for rates, label, color in ((before, WITHOUT, "black"), (after, f"{WITH}, {APICAL:g} pA", CYCLE[0])):
        panel.plot(CURRENT[INSIDE], rates[INSIDE], color=color, label=label, linewidth=2.2)
    for k, each in enumerate(rows):
        rates = changed(each.change, CURRENT, before, np.mean(each.value))
        panel.plot(CURRENT[INSIDE], rates[INSIDE], "--", color=CYCLE[k + 1], label=f"nearest {each.change}")
    panel.set(xlabel="basal current (pA)", ylabel="rate (Hz)")
    panel.legend(fontsize=7)


def _draw_recruited(panel, curves):
    names = {WITHOUT: "black", WITH: CYCLE[0]}
    names |= {recruited("dendrite", level): CYCLE[k + 1] for k, level in enumerate(RECRUITED)}
    for name, color in names.items():
        panel.plot(CURRENT[INSIDE], curves[name]["total"].mean(axis=0)[INSIDE], color=color, label=name)
    panel.set(xlabel="basal current (pA)", ylabel="rate (Hz)")
    panel.legend(fontsize=7)
