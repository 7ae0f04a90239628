"""The model in BrainPy: dense sums as einsum, the loop over time steps compiled; 32-bit floats, as its users have
it, or 64.

What many cells read is computed once (a shared dendrite), as an einsum has it by itself. Traces decay by their exact
factor before they are read, so that the weights are those of `benchmarks.model.weights_of_spikes`.
"""

import time

import brainpy as bp
import brainpy.math as bm
import jax
import numpy as np

from benchmarks import model as of


def run(model, form):
    """Outcome of BrainPy.

    Parameters
    ----------
    model : Model
    form : {"rate", "spiking"}

    Returns
    -------
    Outcome
    """
    simulator = {"rate": Rate, "spiking": Spiking}[form](model)
    steps = [round(span / of.DT) for span in (of.SETTLE, of.WINDOW)]
    first = seconds(lambda: simulator.advance(*steps))
    simulator.restart()
    run_s = seconds(lambda: simulator.advance(*steps))
    output, spikes = simulator.answer()
    compile_s = max(first - run_s, 0.0)
    return of.Outcome(output, run_s, compile_s, of.SETTLE + of.WINDOW, spikes, of.n_cell(model))


def run_64(model, form):
    """The same with 64-bit floats, as all others compute."""
    bm.enable_x64()
    return run(model, form)


def seconds(call):
    """Wall time of a call, its results waited for."""
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def phi(x):
    """elu + 1."""
    return bm.maximum(x, 0.0) + bm.exp(bm.minimum(x, 0.0))


class _Peer(bp.DynamicalSystem):
    """What both forms share: the state of the interneurons, and how the loop is run."""

    def __init__(self, model, form):
        super().__init__()
        self.model, self.taus, self.units = model, of.TAUS[form], of.unit_rates(model, form)
        self.tokens = bm.asarray(model.tokens)
        self.g_start = bm.asarray(of.start_of_inhibition(model, form))
        n, d = model.n, model.d
        self.state = {name: bm.Variable(bm.asarray(value)) for name, value in self.start(n, d).items()}
        self.at_start = {name: value.value for name, value in self.state.items()}
        self.loop = bm.jit(lambda steps: bm.for_loop(self.update, steps, jit=True))

    def restart(self):
        """Back to time zero."""
        for name, value in self.at_start.items():
            self.state[name].value = value

    def next_g(self, step, g, pool):
        """g after one step."""
        heard = (of.SIGMA + g * bm.clip(pool, 0.0, of.POOL_MAX) - g) / self.taus.g
        return g + of.DT * bm.where(step >= round(of.GATE / of.DT), heard, (self.g_start - g) / of.TAU_START)


class Spiking(_Peer):
    """Integrate-and-fire cells."""

    def __init__(self, model):
        super().__init__(model, "spiking")
        self.weights = {name: bm.asarray(weight) for name, weight in of.weights_of_spikes(model).items()}
        self.per_step = {name: bm.asarray(unit * of.DT) for name, unit in self.units.items()}
        decay = {tau: float(np.exp(-of.DT / getattr(self.taus, tau))) for tau in ("slow", "fast", "pool")}
        self.keep = dict.fromkeys(("query", "key", "value", "attention", "sum", "higher"), decay["slow"])
        self.keep |= {"pool": decay["pool"], "shunt": decay["fast"]}

    def start(self, n, d):
        """Traces, membranes and counts."""
        shapes = {name: each.shape for name, each in of.numbers(self.model).items()}
        v = {f"v_{name}": each.reshape(shapes[name]) for name, each in of.phases(self.model).items()}
        traces = {name: np.zeros((n, d)) for name in ("query", "key", "value", "sum", "higher", "counted")}
        g = np.array(self.g_start)
        return v | traces | {"attention": np.zeros((n, n)), "pool": np.zeros(n), "shunt": g, "g": g}

    def fire(self, name, drive):
        """Spikes (0 or 1) of a population that integrates a drive."""
        v = self.state[f"v_{name}"]
        v.value = v + self.per_step[name] * drive
        spikes = (v >= 1.0).astype(v.dtype)
        v.value = v - spikes
        return spikes

    def update(self, step):
        """One time step; answers with the spikes of all cells."""
        s, w = self.state, self.weights
        for name, keep in self.keep.items():
            s[name].value = s[name] * keep
        gain, key = phi(s["query"].value) / s["shunt"][:, None], phi(s["key"].value)
        fired = {
            "core": self.fire("core", self.tokens),
            "matrix": self.fire("matrix", self.tokens),
            "superficial": self.fire("superficial", gain[:, None] * key[None]),
            "intratelencephalic": self.fire("intratelencephalic", s["attention"][..., None] * s["value"][None]),
            "pyramidal_tract": self.fire("pyramidal_tract", bm.maximum(s["sum"], 0.0)),
            "higher_order": self.fire("higher_order", bm.maximum(s["higher"], 0.0)),
            "interneuron": self.fire("interneuron", s["g"].value),
        }
        s["g"].value = self.next_g(step, s["g"].value, s["pool"].value)
        s["query"] += bm.einsum("im,km->ik", fired["core"], w["W_Q"])
        s["key"] += bm.einsum("jm,km->jk", fired["matrix"], w["W_K"])
        s["value"] += bm.einsum("jm,vm->jv", fired["matrix"], w["W_V"])
        s["higher"] += bm.einsum("iv,mv->im", fired["pyramidal_tract"], w["W_O"])
        sent = fired["superficial"].sum(axis=2)
        s["attention"] += w["attention"] * sent
        s["pool"] += w["pool"] * sent.sum(axis=1)
        s["sum"] += w["value"] * fired["intratelencephalic"].sum(axis=1)
        s["shunt"] += w["shunt"] * fired["interneuron"]
        s["counted"] += fired["higher_order"]
        return sum(each.sum() for each in fired.values())

    def advance(self, settle, window):
        """Settle, then count."""
        before = self.loop(bm.arange(settle))
        self.state["counted"].value = bm.zeros_like(self.state["counted"].value)
        after = self.loop(bm.arange(settle, settle + window))
        self.spikes = np.asarray(before, dtype=float).sum() + np.asarray(after, dtype=float).sum()
        return after

    def answer(self):
        """Output (n, d) and spikes."""
        return np.asarray(self.state["counted"]) / (self.units["higher_order"] * of.WINDOW), float(self.spikes)


class Rate(_Peer):
    """Leaky rates, in units of their unit rates."""

    def __init__(self, model):
        super().__init__(model, "rate")
        self.weights = {name: bm.asarray(weight) for name, weight in zip("QKVO", model[1:], strict=True)}

    def start(self, n, d):
        """Sums and rates."""
        zeros = {name: np.zeros((n, d)) for name in ("query", "key", "value", "sum", "higher", "core", "pt", "output")}
        grids = {name: np.zeros((n, n, d)) for name in ("superficial", "it")}
        ones = {name: np.ones(n) for name in ("shunt", "g", "interneuron")}
        return zeros | grids | ones | {"attention": np.zeros((n, n)), "pool": np.zeros(n)}

    def relax(self, name, drive, tau):
        """A leaky sum, or rate, one step on."""
        state = self.state[name]
        state.value = state + of.DT / tau * (drive - state)

    def update(self, step):
        """One time step."""
        s, w, taus = self.state, self.weights, self.taus
        self.relax("query", bm.einsum("im,km->ik", s["core"].value, w["Q"]), taus.slow)
        self.relax("key", bm.einsum("jm,km->jk", s["core"].value, w["K"]), taus.slow)  # core and matrix are the same
        self.relax("value", bm.einsum("jm,vm->jv", s["core"].value, w["V"]), taus.slow)
        sent = s["superficial"].sum(axis=2)
        self.relax("attention", sent, taus.slow)
        self.relax("pool", sent.sum(axis=1), taus.pool)
        self.relax("shunt", s["interneuron"].value, taus.fast)
        self.relax("sum", s["it"].sum(axis=1), taus.slow)
        self.relax("higher", bm.einsum("iv,mv->im", s["pt"].value, w["O"]), taus.slow)
        gain, key = phi(s["query"].value) / s["shunt"][:, None], phi(s["key"].value)
        self.relax("superficial", gain[:, None] * key[None], taus.soma)
        self.relax("it", s["attention"][..., None] * s["value"][None], taus.soma)
        self.relax("core", self.tokens, taus.soma)
        self.relax("pt", s["sum"].value, taus.soma)
        self.relax("output", s["higher"].value, taus.soma)
        self.relax("interneuron", s["g"].value, taus.soma)
        s["g"].value = self.next_g(step, s["g"].value, s["pool"].value)
        return 0.0

    def advance(self, settle, window):
        """All steps at once."""
        return self.loop(bm.arange(settle + window))

    def answer(self):
        """Output (n, d), no spikes."""
        return np.asarray(self.state["output"], dtype=float), None
