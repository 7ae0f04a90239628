"""Divisive interneuron (parvalbumin-like) of one macrocolumn: its value g divides the pyramidal cells.

RECURRENT: the gated loop, tau_g dg/dt = sigma_g + g * pool - g, `pool` the summed activity of the cells that g divides.
    With s = d / g for drives d, the fixed point is g = sigma_g + sum(d): exactly Z. The exponent-one form of the
    normalisation circuit of Heeger & Mackey; Rawat, Heeger & Martiniani 2024.
POOLING: tau_g dg/dt = sigma_g + pool - g. Fed by undivided products it settles at g = sigma_g + Z (feed-forward
    inhibition); fed by the divided cells at g = sqrt(Z), the literal reading of the paper, wrong by design (a control).

While its gate is closed, as between two successive tokens, g returns to its initial value `g_start`: inhibition starts
strong and then decreases.

The pool saturates at `pool_max`, as the drive of an interneuron does. Without saturation the loop fails silently at large
Z: all cells fire before inhibition arrives, g grows exponentially, and a network with sum(s) = 1e-41 shows no drift.
"""

from brian2 import ms

from cortical_attention.cells.cell import GABA, CellType

PARAMETERS = {"sigma_g": 1e-9, "pool_max": 3.0, "tau_start": 5 * ms}
SOURCES = {
    "sigma_g": "chosen: costs sigma_g / Z of the output, 1e-6 at Z = 1e-3",
    "pool_max": "chosen: three times the fixed point; g then grows at most by 2 / tau_g",
    "tau_start": "chosen: short against the phases of a protocol",
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
    sources=SOURCES,
)
POOLING = RECURRENT._replace(
    state=f"dg/dt = gate * (sigma_g + pool - g) / tau_g + {START} : 1\n g_start : 1 (constant)"
)


def steady_rate(unit_rate, drive, sigma_g=PARAMETERS["sigma_g"]):
    """Rate in the steady state, `unit_rate * (sigma_g + drive)`.

    Parameters
    ----------
    unit_rate : Quantity (Hz) or float
        Rate that represents the value one.
    drive : float or ndarray
        Sum of the undivided products phi(k) phi(q) of the macrocolumn, without unit.
    sigma_g : float
        Offset of the loop.

    Returns
    -------
    Quantity (Hz), or as `unit_rate`
        Shape of `drive`.
    """
    return unit_rate * (sigma_g + drive)
