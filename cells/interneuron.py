"""Divisive interneuron (parvalbumin-like) of one macrocolumn: its number g is what the pyramidal cells are divided by.

RECURRENT: the gated loop, tau_g dg/dt = sigma_g + g * pool - g, `pool` the summed activity of the cells that g divides.
    With s = d / g for drives d, the fixed point is g = sigma_g + sum(d): exactly Z. The exponent-one form of the
    normalisation circuit of Heeger & Mackey; Rawat, Heeger & Martiniani 2024.
POOLING: tau_g dg/dt = sigma_g + pool - g. Fed by undivided products it holds g = sigma_g + Z (feed-forward inhibition); fed
    by the divided cells it holds g = sqrt(Z), the literal reading of the paper and wrong by design (negative control).

Where its gate is closed, as between two tokens that are presented one after another, g returns to `g_start`, from which
it started: strong inhibition comes first and is then withdrawn.

The pool saturates at `pool_max`, as an interneuron's drive does. Without it the loop dies silently at large Z: all cells
fire before the inhibition has come, g runs away exponentially, and a network with sum(s) = 1e-41 shows no drift.
"""

from brian2 import ms

from cortical_attention.cells.cell import GABA, CellType

PARAMETERS = {
    "sigma_g": 1e-9,  # chosen: costs sigma_g / Z of the output, 1e-6 at Z = 1e-3
    "pool_max": 3.0,  # chosen: three times the fixed point; g then grows at most by 2 / tau_g
    "tau_start": 5 * ms,  # chosen: short against the phases of a protocol
}
PORTS = {"pool": 0.0, "gate": 1.0}

START = "(1 - gate) * (g_start - g) / tau_start"

RECURRENT = CellType(
    "interneuron",
    "L2/3 interneuron",
    PORTS,
    "g",
    f"dg/dt = gate * (sigma_g + g * clip(pool, 0, pool_max) - g) / tau_g + {START} : 1\n g_start : 1 (constant)",
    "g",
    True,
    PARAMETERS,
    transmitter=GABA,
    role="divisive",
    membrane="fast spiking",
    recorded="whole",
)
POOLING = RECURRENT._replace(
    state=f"dg/dt = gate * (sigma_g + pool - g) / tau_g + {START} : 1\n g_start : 1 (constant)"
)


def steady_rate(unit_rate, drive, sigma_g=PARAMETERS["sigma_g"]):
    """Rate in the steady state (Hz), `unit_rate * (sigma_g + drive)`.

    `drive` is the sum of the undivided drives of the macrocolumn: of the cells that the recurrent loop divides, or of
    the cells that the feed-forward pool listens to.
    """
    return unit_rate * (sigma_g + drive)
