"""Throughput of NEST on a network of the model's size: its answer is not the model's.

No cell that NEST has built in multiplies two dendrites or is divided by a third; writing one takes NESTML and a compiler.
So phi = exp: L2/3 is `pp_psc_delta`, a Poisson cell of rate exp(key + query - inhibition), and inhibition is subtracted.
L5 IT adds its two inputs. Populations, synapses and time step are the model's, and mean rates are set to be, though noise
under an exponential lifts them; `relative_l2` is None.
"""

import time

import nest
import numpy as np

from benchmarks import model as of

TAU = 100.0  # ms
BIOLOGICAL = 1.0  # s; no answer has to settle


def run(model, form):
    """Outcome of NEST.

    Parameters
    ----------
    model : Model
    form : {"spiking"}

    Returns
    -------
    Outcome
    """
    start_kernel(of.DT)
    units = of.unit_rates(model, form)
    cells = {name: _cells(name, model, units) for name in of.POPULATIONS}
    for source, target, port, pre, post, weights in of.pairs(model):
        _connect(cells, model, units, source, target, port, pre, post, weights)
    nest.Connect(cells["higher_order"], nest.Create("spike_recorder"))
    run_s, spikes = step_for(BIOLOGICAL)
    return of.Outcome(None, run_s, 0.0, BIOLOGICAL, spikes, of.n_cell(model))


def start_kernel(dt):
    """An empty network with a time step (s), on one thread."""
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.SetKernelStatus({"resolution": 1e3 * dt, "local_num_threads": 1, "rng_seed": 1})


def step_for(duration):
    """Wall time (s) of a simulation of so many seconds, and the spikes of all cells."""
    nest.Prepare()
    start = time.perf_counter()
    nest.Run(1e3 * duration)
    run_s = time.perf_counter() - start
    nest.Cleanup()
    return run_s, float(nest.GetKernelStatus("local_spike_counter"))


def _cells(name, model, units):
    """Cells of a population, at the potential (mV) at which it settles; tau / C is one, so that pA drive as many mV."""
    found = of.numbers(model)[name].ravel()
    unit = np.broadcast_to(units[name], found.shape)
    rate = {"c_1": 1.0, "c_2": 0.0}
    start, current = found * unit, 0.0
    if name in ("core", "matrix"):
        current = start
    if name == "superficial":
        rate = {"c_1": 0.0, "c_2": float(units[name]), "c_3": 1.0}
        start = np.repeat(-_log_sum(model), model.n * model.d)
    constants = {"tau_m": TAU, "C_m": TAU, "dead_time": 0.0, "with_reset": False, **rate}
    cells = nest.Create("pp_psc_delta", found.size, constants)
    cells.set(V_m=start, I_e=np.broadcast_to(current, found.shape))
    return cells


def _connect(cells, model, units, source, target, port, pre, post, weights):
    """Synapses of one pathway; weights in mV."""
    unit = np.broadcast_to(units[source], len(cells[source]))[pre]
    scale = _scale(model, units, target, port)
    weights = (
        np.broadcast_to(weights, pre.shape) * np.broadcast_to(scale, len(cells[target]))[post] / unit / (TAU / 1e3)
    )
    lists = np.array(cells[source].tolist())[pre], np.array(cells[target].tolist())[post]
    delays = np.full(pre.size, 1e3 * of.DT)
    nest.Connect(*lists, "one_to_one", {"weight": weights, "delay": delays})


def _scale(model, units, target, port):
    """What the number one at a port adds to the potential of each target cell."""
    if port == "shunt":  # the interneurons' number is the sum that exp would give; its logarithm is subtracted
        return -np.repeat(_log_sum(model) / of.numbers(model)["interneuron"], model.n * model.d)
    if target == "superficial":
        return 1.0
    if target == "interneuron":
        return of.numbers(model)["interneuron"] * units["interneuron"]
    if target == "intratelencephalic":  # the sum whose mean is that of the product
        mean = {"apical": 1 / model.n, "basal": (model.tokens @ model.W_V.T).mean()}
        return units[target] * mean["basal" if port == "apical" else "apical"] / 2
    return units[target]


def _log_sum(model):
    """Logarithm of the sum over a macrocolumn (n,) of exp(key + query)."""
    query, key = np.exp(model.tokens @ model.W_Q.T), np.exp(model.tokens @ model.W_K.T)
    return np.log(query @ key.sum(axis=0))
