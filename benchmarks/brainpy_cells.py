"""The cells of the adaptive and the biophysical form in BrainPy, under constant drives and without synapses.

The equations, the constants and the order of a step are those of the C loops; random numbers are BrainPy's own. 32-bit
floats, as its users have it, or 64.
"""

import brainpy as bp
import brainpy.math as bm
import numpy as np
from brian2 import second

from benchmarks import case as of
from benchmarks.brainpy_peer import seconds
from benchmarks.cells import constants, currents, drives, resolution
from benchmarks.model import Outcome


def run(_, form):
    """Outcome of as many cells as the circuit has; arguments as of `c_cells.run`."""
    bm.random.seed(0)
    duration = of.SETTLE + of.WINDOW
    cells = {"adaptive": Adaptive, "biophysical": TwoCompartment}[form](form)
    n_step = round(duration / of.DT[form])
    first = seconds(lambda: cells.advance(n_step))
    cells.restart()
    run_s = seconds(lambda: cells.advance(n_step))
    spikes = float(np.asarray(cells.state["count"]).sum())
    return Outcome(None, run_s, max(first - run_s, 0.0), duration, spikes, of.N_CELL, dt=of.DT[form])


def run_64(_, form):
    """The same with 64-bit floats, as all others compute."""
    bm.enable_x64()
    return run(_, form)


class _Cells(bp.DynamicalSystem):
    """What both cells share: constants, drives, spikes and how the loop is run."""

    def __init__(self, form):
        super().__init__()
        drive, uniform = drives(form, of.N_CELL)
        self.c, self.dt, self.drive = constants(form), of.DT[form], [bm.asarray(each).value for each in drive]
        zeros, silent = np.zeros(of.N_CELL), np.full(of.N_CELL, -round(1 / self.dt), np.int32)
        self.at_start = {"count": silent * 0, "last": silent, **dict.fromkeys(self.names, zeros), **self.start(uniform)}
        self.at_start = {name: bm.asarray(each).value for name, each in self.at_start.items()}
        self.state = {name: bm.Variable(each) for name, each in self.at_start.items()}
        self.loop = bm.jit(lambda steps: bm.for_loop(self.update, steps, jit=True))

    def restart(self):
        """Back to time zero."""
        for name, value in self.at_start.items():
            self.state[name].value = value

    def advance(self, n_step):
        """All steps; answers with the spikes of each cell so far."""
        self.loop(bm.arange(n_step))
        return self.state["count"].value

    def white(self):
        """Uniform noise of mean zero and variance one."""
        return np.sqrt(12) * (bm.random.rand(of.N_CELL) - 0.5)

    def relax(self, name, to, tau):
        """A variable after an Euler step towards a value."""
        return self.state[name] + self.dt / tau * (to - self.state[name])

    def note(self, step, fires, **after):
        """Keep the variables after a step, and who has fired; answers with nothing, as there is no one to hear it."""
        for name, value in after.items():
            self.state[name].value = value
        self.state["last"].value = bm.where(fires, step.astype(np.int32), self.state["last"])
        self.state["count"].value = self.state["count"] + fires.astype(np.int32)


class Adaptive(_Cells):
    """Leaky integrate-and-fire cells with adaptation."""

    names = ("v", "w")

    def __init__(self, form):
        super().__init__(form)
        self.current_of = bm.asarray(currents(self.dt * second)).value

    def start(self, uniform):
        """Membranes anywhere below the threshold."""
        return {"v": uniform}

    def update(self, step):
        """One time step."""
        s, c = self.state, self.c
        current = self.current_of[(self.drive[0] / resolution()).astype(bm.int32)]
        noise = c["sigma"] * np.sqrt(2 * c["tau_m"] / self.dt) * self.white()
        v = self.relax("v", current - s["w"] + noise, c["tau_m"])
        v = bm.where(step - s["last"] >= round(c["refractory"] / self.dt), v, s["v"])
        fires = v > 1
        self.note(step, fires, v=bm.where(fires, 0.0, v), w=self.relax("w", 0, c["tau_w"]) + c["b"] * fires)


class TwoCompartment(_Cells):
    """Two-compartment cells with a plateau, and the release of each."""

    names = ("V_s", "V_d", "w_s", "w_d", "noise_s", "noise_d", "u", "released", "bursting")

    def start(self, uniform):
        """Somata anywhere between rest and threshold, dendrites at rest."""
        c = self.c
        return {"V_s": c["E_L"] + uniform * (c["V_T"] - c["E_L"]), "V_d": np.full(of.N_CELL, c["E_L"])}

    def update(self, step):
        """One time step."""
        s, c, dt = self.state, self.c, self.dt
        ago, scale = step - s["last"], c["sigma"] * np.sqrt(2 * c["tau_noise"] / dt - 1)
        plateau = 1 / (1 + bm.exp(-(s["V_d"] - c["E_d"]) / c["D_d"]))
        back = c["c_d"] * bm.logical_and(ago >= round(0.5e-3 / dt), ago < round(2.5e-3 / dt))
        to_soma = (c["g_s"] * plateau + self.drive[0] + s["w_s"] + s["noise_s"]) * (c["tau_s"] / c["C_s"])
        to_dendrite = (c["g_d"] * plateau + back + self.drive[1] + s["w_d"] + s["noise_d"]) * (c["tau_d"] / c["C_d"])
        V_s = self.relax("V_s", c["E_L"] + to_soma, c["tau_s"])
        V_s = bm.where(ago >= round(c["refractory"] / dt), V_s, s["V_s"])
        fires, u = V_s > c["V_T"], self.relax("u", 0, c["tau_f"])
        self.note(
            step, fires, V_s=bm.where(fires, c["E_L"], V_s), V_d=self.relax("V_d", c["E_L"] + to_dendrite, c["tau_d"]),
            w_s=self.relax("w_s", 0, c["tau_ws"]) + c["b"] * fires,
            w_d=self.relax("w_d", -c["a"] * (s["V_d"] - c["E_L"]), c["tau_wd"]),
            noise_s=self.relax("noise_s", scale * self.white(), c["tau_noise"]),
            noise_d=self.relax("noise_d", scale * self.white(), c["tau_noise"]),
            released=s["released"] + fires * s["u"], u=u + fires * c["U"] * (1 - u),
            bursting=bm.where(fires, ago < round(c["together"] / dt), s["bursting"]),
        )  # fmt: skip
