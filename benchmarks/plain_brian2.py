"""The model in plain Brian2, as its documentation would have it: a group a population, one synapse a pair.

Every L2/3 and L5 IT cell holds its own dendrites, and every microcolumn its own copy of the weights. The C++ standalone
device runs it. Euler steps: a trace is read before it decays, so that one spike adds weight / (unit_rate tau).
"""

import tempfile

import numpy as np
from brian2 import (
    Clock,
    Hz,
    Network,
    NeuronGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    get_device,
    prefs,
    second,
    set_device,
)  # fmt: skip

from benchmarks import model as of
from benchmarks.standalone import clocked

PHI = "(clip({0}, 0, inf) + exp(clip({0}, -inf, 0)))"
SUPERFICIAL = f"{PHI.format('basal')} * {PHI.format('apical')} / shunt"
HEARD = {
    "core": (), "matrix": (), "superficial": ("basal", "apical", "shunt"), "intratelencephalic": ("basal", "apical"),
    "pyramidal_tract": ("soma",), "higher_order": ("soma",), "interneuron": ("pool",),
}  # fmt: skip
NUMBER = {
    "core": "token", "matrix": "token", "superficial": SUPERFICIAL, "intratelencephalic": "basal * apical",
    "pyramidal_tract": "soma", "higher_order": "soma", "interneuron": "g",
}  # fmt: skip
OWN = {
    "core": "token : 1 (constant)",
    "matrix": "token : 1 (constant)",
    "interneuron": """
        dg/dt = int(t < gate) * (g_start - g) / tau_start
                + int(t >= gate) * (sigma + g * clip(pool, 0, pool_max) - g) / tau_g : 1
        g_start : 1 (constant)
    """,
}
SOMA = {
    "spiking": "dv/dt = unit_rate * clip(number, 0, inf) : 1",
    "rate": "drate/dt = (unit_rate * number - rate) / tau_soma : Hz",
}
TAU = {"shunt": "fast", "pool": "pool"}  # of a port; the others are slow


def run(model, form, target="cpp"):
    """Outcome of plain Brian2.

    Parameters
    ----------
    model : Model
    form : {"rate", "spiking"}
    target : {"cpp", "numpy"}

    Returns
    -------
    Outcome
    """
    with tempfile.TemporaryDirectory() as folder, clocked() as seen:
        if target == "cpp":
            set_device("cpp_standalone", directory=folder, build_on_run=True)
        else:
            prefs.codegen.target = target
        try:
            return _simulate(model, form, seen)
        finally:
            if target == "cpp":
                get_device().reinit()
                set_device("runtime")


def _simulate(model, form, seen):
    """Build and run the network; what is measured of it."""
    clock = Clock(of.DT * second)
    groups = {name: _group(name, model, form, clock) for name in of.POPULATIONS}
    pathways = [_pathway(groups, model, form, *each) for each in of.pairs(model)]
    monitors = _monitors(groups, form)
    network = Network(*groups.values(), *pathways, *monitors.values())
    network.run((of.SETTLE + of.WINDOW) * second, namespace={})
    output, spikes = _read(monitors, model, form)
    run_s = np.nan if seen.run_s is None else seen.run_s
    duration = of.SETTLE + of.WINDOW
    return of.Outcome(output, run_s, seen.compile_s, duration, spikes, of.n_cell(model), seen.program)


def _group(name, model, form, clock):
    """Cells of one population."""
    units, taus = of.unit_rates(model, form)[name], of.TAUS[form]
    ports = [_port(port, form) for port in HEARD[name]]
    lines = [*ports, OWN.get(name, ""), f"number = {NUMBER[name]} : 1", "unit_rate : Hz (constant)", SOMA[form]]
    fires = {"threshold": "v >= 1", "reset": "v -= 1"} if form == "spiking" else {}
    constants = {f"tau_{tau}": value * second for tau, value in taus._asdict().items()}
    constants |= {"gate": of.GATE * second, "tau_start": of.TAU_START * second}
    constants |= {"sigma": of.SIGMA, "pool_max": of.POOL_MAX}
    group = NeuronGroup(
        of.numbers(model)[name].size, "\n".join(lines), method="euler", namespace=constants, clock=clock, name=name,
        **fires,
    )  # fmt: skip
    group.unit_rate = units * Hz
    if form == "spiking":
        group.v = of.phases(model)[name]
    if name in ("core", "matrix"):
        group.token = model.tokens.ravel()
    if name == "interneuron":
        group.g = group.g_start = of.start_of_inhibition(model, form)
    if name == "interneuron" and form == "rate":
        group.rate = units * Hz
    if name == "superficial":
        group.shunt = np.repeat(of.start_of_inhibition(model, form), model.n * model.d)
    return group


def _port(port, form):
    """A trace that spikes add to, or a leaky sum of rates."""
    tau = f"tau_{TAU.get(port, 'slow')}"
    if form == "spiking":
        return f"d{port}/dt = -{port} / {tau} : 1"
    return f"d{port}/dt = (drive_{port} - {port}) / {tau} : 1\n drive_{port} : 1"


def _pathway(groups, model, form, source, target, port, pre, post, weights):
    """Synapses of one pathway."""
    unit = np.broadcast_to(of.unit_rates(model, form)[source], groups[source].N)[pre]
    if form == "spiking":
        tau = getattr(of.TAUS[form], TAU.get(port, "slow"))
        equations, on_pre, weights = "w : 1 (constant)", f"{port}_post += w", weights / (unit * tau)
    else:
        equations = f"w : second (constant)\n drive_{port}_post = w * rate_pre : 1 (summed)"
        on_pre, weights = None, weights / unit * second
    synapses = Synapses(
        groups[source], groups[target], equations, on_pre=on_pre, clock=groups[source].clock, namespace={}
    )
    synapses.connect(i=pre, j=post)
    synapses.w = weights
    return synapses


def _monitors(groups, form):
    """Counts of spikes of all cells, times of those of the answer; or rates of the answer every 50 ms."""
    if form == "rate":
        return {"higher_order": StateMonitor(groups["higher_order"], "rate", record=True, dt=0.05 * second)}
    return {name: SpikeMonitor(group, record=name == "higher_order") for name, group in groups.items()}


def _read(monitors, model, form):
    """Output (n, d) and spikes."""
    unit, answer = of.unit_rates(model, form)["higher_order"], monitors["higher_order"]
    if form == "rate":
        return np.array(answer.rate)[:, -1].reshape(model.tokens.shape) / unit, None
    late = np.array(answer.i)[np.array(answer.t) >= of.SETTLE - of.DT / 2]
    counts = np.bincount(late, minlength=model.tokens.size).reshape(model.tokens.shape)
    return counts / (unit * of.WINDOW), float(sum(each.num_spikes for each in monitors.values()))
