"""Divisive interneuron (parvalbumin-like) of one macrocolumn: its value g divides the pyramidal cells.

Three cells with one slow variable g, of which `pool` is the summed activity of the cells that g divides, or of sister cells:

INTEGRATING
    tau_g dg/dt = sigma_g + g * pool - g. With s = d / g for drives d, the fixed point is g = sigma_g + sum(d): exactly Z.
    The exponent-one form of the normalisation circuit of Heeger & Mackey; Rawat, Heeger & Martiniani 2024.
PROPORTIONAL
    The same equation, and the value g * exp(k_p * (pool - 1)): the cell also responds to its drive at once. It has the same
    fixed point, and with tau_g of one lag of the loop it reaches it in the time of the dendrites, where the integrator alone
    takes four lags or rings.
POOLING
    tau_g dg/dt = sigma_g + pool - g. Fed by undivided products it settles at g = sigma_g + Z (feed-forward inhibition); fed
    by the divided cells at g = sqrt(Z), the literal reading of the paper, wrong by design (a control).

In log g the first two are integrators without leak of pool - 1: by rule, not by a mechanism. While the gate is closed, as
between two successive tokens, g returns to its initial value `start`.

The pool saturates (at `pool_max`, and `p_max` in the proportional term), as the drive of an interneuron does. Without
saturation the loop fails silently at large Z: all cells fire before inhibition arrives, g grows exponentially, and a network
with sum(s) = 1e-41 shows no drift.
"""

from brian2 import ms

from cortical_attention.cells.cell import GABA, CellType, in_the_middle

PARAMETERS = {"sigma_g": 1e-9, "pool_max": 3.0, "lags": 4.0, "tau_start": 5 * ms}
SOURCES = {
    "sigma_g": "chosen: costs sigma_g / Z of the output, 1e-6 at Z = 1e-3",
    "pool_max": "chosen: three times the fixed point; g then grows at most by 2 / tau_g",
    "lags": "chosen: tau_g of four lags of the loop damps an integrator well: critically, were the lag a single stage",
    "tau_start": "chosen: short against the phases of a protocol",
}
STATE = """
dg/dt = gate * (sigma_g + {drive} - g) / (lags * tau_loop) + (1 - gate) * (start - g) / tau_start : 1
"""

INTEGRATING = CellType(
    "interneuron",
    "L2/3 interneuron",
    {"pool": 0.0, "gate": 1.0, "start": 1.0},
    "g",
    STATE.format(drive="g * clip(pool, 0, pool_max)"),
    "g",
    True,
    PARAMETERS,
    transmitter=GABA,
    role="interneuron",
    membrane="fast spiking",
    recorded="whole",
    sources=SOURCES,
    fitted=("start",),
)
POOLING = INTEGRATING._replace(state=STATE.format(drive="pool"))
PROPORTIONAL = INTEGRATING._replace(
    value="g * exp(gate * k_p * (clip(pool, 0, p_max) - 1))",
    starts_at_ceiling=False,
    fit=in_the_middle,
    parameters=PARAMETERS | {"pool_max": 5.0, "lags": 1.0, "k_p": 0.5, "p_max": 3.0},
    sources=SOURCES
    | {
        "lags": "chosen: the least that is damped well once the proportional term is there",
        "pool_max": "chosen: at 3 the ripple of slow interneurons is clipped, and the sum biased; at 10 the loop overshoots",
        "p_max": "chosen: the immediate response is then at most a factor exp(k_p (p_max - 1)) = e",
        "k_p": "chosen: damps the loop at a tau_g of one lag",
    },
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
