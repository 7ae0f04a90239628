"""Picture of the experiment `layer_6`."""

import numpy as np

from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.drivers import RELAYS
from cortical_attention.trials.layer_6 import ASKED, CONDITIONS, DARK, LIT, RETICULAR_ALONE, SLOT, SWITCHED, UNLIT
from cortical_attention.trials.temperature import PATHS


def draw(rows, courses, temperatures):
    """Receptive fields, rates over time and burst shares of both cells, and temperatures."""
    with style():
        figure = new_figure(6.4, width=11.0)
        panels = figure.subplots(2, 4)
        for line, cell in zip(panels, RELAYS, strict=True):
            for panel, condition in zip(line[:2], (ASKED, SWITCHED), strict=True):
                _draw_field(panel, [row for row in rows if (row["cell"], row["condition"]) == (cell, condition)])
                panel.set_title(f"{cell.replace('_', ' ')}, {condition}")
            _draw_course(line[2], courses[cell])
            line[2].set_title(f"{cell.replace('_', ' ')}, all stimuli")
            line[0].set_ylabel("rate (Hz)")
        panels[0, 0].legend()
        panels[0, 2].legend(fontsize=7)
        _draw_shares(panels[0, 3], rows)
        _draw_temperatures(panels[1, 3], temperatures)
    return figure


def _draw_field(panel, rows):
    for k, name in enumerate(("dark", "lit")):
        field = np.mean([row[f"field_{name}"] for row in rows], axis=0)
        half = len(field) // 2
        panel.plot(
            np.arange(-half, half), np.roll(field, half), color=CYCLE[k], marker=MARKERS[k], markersize=4, label=name
        )
    panel.set(xlabel="channels from the preferred one", ylim=(0, None), xticks=(-6, -3, 0, 3))


def _draw_course(panel, course):
    times = (np.arange(len(course)) + 0.5 - DARK[1]) * float(SLOT)
    for k, condition in enumerate((ASKED, RETICULAR_ALONE, SWITCHED)):
        panel.plot(times[3:], course[3:, list(CONDITIONS).index(condition)], color=CYCLE[k], label=condition)
    panel.axvline(0, color="#777777", linestyle=":")
    panel.axvline((LIT[0] - DARK[1]) * float(SLOT), color="#777777", linestyle="--")
    panel.set(xlabel="time from light (s)", ylabel="rate (Hz)", ylim=(0, None))


def _draw_shares(panel, rows):
    for k, cell in enumerate(RELAYS):
        for condition, line in ((SWITCHED, "-"), (UNLIT, ":")):
            own = [row for row in rows if (row["cell"], row["condition"]) == (cell, condition)]
            shares = [np.mean([row[name] for row in own]) for name in ("share_dark", "share_lit")]
            panel.plot((0, 1), shares, linestyle=line, color=CYCLE[k], marker=MARKERS[k],
                       label=f"{cell.replace('_', ' ')}{', no light' if condition == UNLIT else ''}")  # fmt: skip
    panel.set(title="both cells, burst", ylabel="share of spikes in bursts", ylim=(0, None), xlim=(-0.2, 1.2))
    panel.set_xticks((0, 1), ("dark", "after 200 ms"))
    panel.legend(fontsize=7, loc="lower left")


def _draw_temperatures(panel, temperatures):
    lights = sorted({row["light"] for row in temperatures})
    for k, path in enumerate(PATHS):
        own = [[row for row in temperatures if (row["path"], row["light"]) == (path, light)] for light in lights]
        x = [each[0]["layer_6_Hz"] for each in own]
        panel.plot(x, [np.mean([row["by_rates"] for row in each]) for each in own], color=CYCLE[k])
        panel.plot(x, [np.mean([row["temperature"] for row in each]) for each in own], color=CYCLE[k], marker=MARKERS[k],
                   linestyle="", label=path)  # fmt: skip
    panel.set(xlabel="layer 6 (Hz)", ylabel="temperature", ylim=(0, None))
    panel.set_title("marks: sparsemax; lines: R / G")
    panel.legend(fontsize=7)
