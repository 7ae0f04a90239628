"""Picture of the experiment `drivers`."""

import numpy as np

from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.drivers import DEPOLARISED, LEVELS, RATES, RELAYS
from cortical_attention.trials.gates import HEADS, LATENT
from cortical_attention.trials.protocol import PROTOCOL

WANTED = PROTOCOL["drivers"]


def draw(surfaces, rows, price):
    """Surfaces of both cells with depolarisation; what product and sum leave; error over heads."""
    with style():
        figure = new_figure(7.4, width=10.5)
        panels = figure.subplots(2, 3)
        for line, cell in zip(panels, RELAYS, strict=True):
            for panel, driver in zip(line[:2], ("depressing", "plain"), strict=True):
                mean = surfaces[cell, driver, DEPOLARISED].mean(axis=0)
                for k, level in enumerate(LEVELS):
                    panel.plot(RATES, mean[:, k], color=CYCLE[k], marker=MARKERS[k], markersize=4, label=f"{level:g}")
                panel.set(title=f"{cell.replace('_', ' ')}, {driver} driver", xlabel="driver spikes (Hz)")
            line[0].set_ylabel("rate (Hz)")
        panels[0, 0].legend(title="depolarisation", fontsize=8)
        _draw_left(panels[0, 2], rows)
        _draw_price(panels[1, 2], price)
    return figure


def _draw_left(panel, rows):
    """What a product leaves against what a sum leaves, each surface a mark."""
    for k, modulator in enumerate(dict.fromkeys(row["modulator"] for row in rows)):
        for driver, face in (("depressing", CYCLE[k]), ("plain", "white")):
            own = [row for row in rows if (row["modulator"], row["driver"]) == (modulator, driver)]
            points = [
                [np.mean([row[what] for row in own if row["cell"] == cell]) for cell in RELAYS]
                for what in ("sum", "product")
            ]
            panel.plot(*points, color=CYCLE[k], marker=MARKERS[k], markerfacecolor=face, linestyle="",
                       label=modulator if driver == "depressing" else None)  # fmt: skip
    panel.axline((0, 0), slope=1 / WANTED["additive"], color="#777777", linestyle=":")
    panel.axhline(WANTED["rank_one"], color="#777777", linestyle="--")
    panel.set(xlabel="left by the best sum", ylabel="left by the best product", xlim=(0, None), ylim=(0, None))
    panel.set_title("both cells; open: plain driver")
    panel.legend(fontsize=7)


def _draw_price(panel, price):
    """What heads leave of many gains: fitted attention as marks, the bound as lines."""
    for k, n_latent in enumerate(LATENT):
        own = [[row for row in price if (row["latent"], row["heads"]) == (n_latent, heads)] for heads in HEADS]
        panel.plot(HEADS, [np.mean([row["bound"] for row in each]) for each in own], color=CYCLE[k])
        panel.plot(HEADS, [np.mean([row["fitted"] for row in each]) for each in own], color=CYCLE[k], marker=MARKERS[k],
                   linestyle="", label=f"{n_latent} independent")  # fmt: skip
    panel.set(xscale="log", xlabel="heads", ylabel="left of 16 gains", ylim=(0, None))
    panel.set_xticks(HEADS, [str(each) for each in HEADS])
    panel.minorticks_off()
    panel.set_title("lines: bound; marks: fitted attention")
    panel.legend(title="gains", fontsize=8)
