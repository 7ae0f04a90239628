"""Throughput of NEST on the nearest cells that it has built in, under constant drives and without synapses.

adaptive       `gif_psc_exp`, a leaky cell with refractory time and spike-triggered adaptation, whose threshold is soft where
               the project's cell has noise in its current. Exact steps.
biophysical    `pp_cond_exp_mc_urbanczik`, a soma and a dendrite with a soft threshold; there are no plateau, no
               back-propagated spike, no adaptation and no release. Its steps are those of an adaptive solver.

Currents, capacities and leaks are those of the project's cells. Adaptive cells fire at the same mean rate; those with two
compartments fire at a twentieth, as they have no plateau, which saves little: nearly all of their time goes to the solver.
"""

import nest
from brian2 import second

from benchmarks import case as of
from benchmarks.cells import constants, currents, drives, resolution
from benchmarks.model import Outcome
from benchmarks.nest_peer import start_kernel, step_for

BIOLOGICAL = 0.5  # s; no answer has to settle
REST, DISTANCE, LEAK = -70.0, 20.0, 10.0  # mV, mV and nS; of the adaptive cell, which has no units of its own


def run(_, form):
    """Outcome of as many cells as the circuit has; arguments as of `c_cells.run`."""
    start_kernel(of.DT[form])
    {"adaptive": _adaptive, "biophysical": _two_compartment}[form](constants(form), *drives(form, of.N_CELL))
    run_s, spikes = step_for(BIOLOGICAL)
    return Outcome(None, run_s, 0.0, BIOLOGICAL, spikes, of.N_CELL, dt=of.DT[form])


def _adaptive(c, drive, uniform):
    """Cells in mV, pA, pF, nS and ms; the threshold is as soft as the noise is wide."""
    current = currents(of.DT["adaptive"] * second)[(drive[0] / resolution()).astype(int)]
    cells = nest.Create("gif_psc_exp", of.N_CELL, {
        "C_m": 1e3 * c["tau_m"] * LEAK, "g_L": LEAK, "E_L": REST, "V_reset": REST, "V_T_star": REST + DISTANCE,
        "Delta_V": c["sigma"] * DISTANCE, "lambda_0": 1 / c["tau_m"], "t_ref": 1e3 * c["refractory"],
        "tau_stc": [1e3 * c["tau_w"]], "q_stc": [c["b"] * DISTANCE * LEAK],
    })  # fmt: skip
    cells.set(V_m=REST + DISTANCE * uniform, I_e=current * DISTANCE * LEAK)


def _two_compartment(c, drive, uniform):
    """Cells in mV, pA, pF, nS and ms."""
    parts = {}
    for name, short, current in (("soma", "s", drive[0]), ("dendritic", "d", drive[1])):
        capacity, tau = 1e12 * c[f"C_{short}"], 1e3 * c[f"tau_{short}"]
        fixed = {"C_m": capacity, "g_L": capacity / tau, "E_L": 1e3 * c["E_L"]}
        parts[name] = [{**fixed, "I_e": each} for each in 1e12 * current]
    cells = nest.Create(
        "pp_cond_exp_mc_urbanczik", of.N_CELL, {"t_ref": 1e3 * c["refractory"], "theta": 1e3 * c["V_T"]}
    )
    cells.set([{name: part[k] for name, part in parts.items()} for k in range(of.N_CELL)])
    start = 1e3 * (c["E_L"] + uniform * (c["V_T"] - c["E_L"]))
    cells.set([{"soma": {"V_m": each}} for each in start])
