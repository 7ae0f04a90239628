"""The model in Nengo: every number on an ensemble of LIF cells, every product decoded from ensembles of its two factors.

A framework that represents by populations takes a hundred cells where the circuit takes one; so the model is small, and
the time step Nengo's own 1 ms. Left out is the loop that divides: 1 / Z_i is exact, in the weights behind the products.
The error is that of decoding, which does not shrink with time.
"""

import time

import nengo
import numpy as np
from nengo.networks import EnsembleArray, Product

from benchmarks import model as of

CELLS = 100  # per value, and per product
DT = 1e-3  # s
N_COUNTED = 100  # steps after the run over which spikes are counted


def run(model, form):
    """Outcome of Nengo.

    Parameters
    ----------
    model : Model
    form : {"spiking"}

    Returns
    -------
    Outcome
    """
    start = time.perf_counter()
    network, probe = _network(model)
    with nengo.Simulator(network, dt=DT, progress_bar=False, seed=0) as simulator:
        built = time.perf_counter()
        simulator.run(of.SETTLE + of.WINDOW, progress_bar=False)
        run_s = time.perf_counter() - built
        output = simulator.data[probe][-round(of.WINDOW / DT) :].mean(axis=0).reshape(model.tokens.shape)
        spikes = _spikes_per_s(network, simulator) * (of.SETTLE + of.WINDOW)
    return of.Outcome(output, run_s, built - start, of.SETTLE + of.WINDOW, spikes, network.n_neurons)


def _network(model):
    """Network and the probe of its answer."""
    query, key, value = (model.tokens @ weights.T for weights in (model.W_Q, model.W_K, model.W_V))
    peak_q, peak_k, found = of.phi(query).max(), of.phi(key).max(), of.numbers(model)
    kappa = found["superficial"].sum(axis=2)
    with nengo.Network(seed=0) as network:
        tokens = nengo.Node(model.tokens.ravel())
        core, matrix = _numbers(model.tokens), _numbers(model.tokens)
        queries, keys, pt, higher = map(_numbers, (query, key, found["pyramidal_tract"], found["higher_order"]))
        attention, product = Product(CELLS, found["superficial"].size), Product(CELLS, found["superficial"].size)
        for nucleus in (core, matrix):
            nengo.Connection(tokens, nucleus.input, synapse=None)
        eye = np.eye(model.n)
        _connect(core.output, queries.input, "ij,km->ikjm", eye, model.W_Q)
        _connect(matrix.output, keys.input, "ij,km->ikjm", eye, model.W_K)
        ones, same = np.ones(model.n), np.eye(model.d)
        _connect(queries.add_output("phi", of.phi), attention.input_a, "il,j,km->ijklm", eye, ones, same / peak_q)
        _connect(keys.add_output("phi", of.phi), attention.input_b, "jl,i,km->ijklm", eye, ones, same / peak_k)
        scale = peak_q * peak_k / found["interneuron"] / kappa.max()  # the exact 1 / Z_i
        _connect(attention.output, product.input_a, "il,jn,v,k,i->ijvlnk", eye, eye, *2 * [np.ones(model.d)], scale)
        _connect(matrix.output, product.input_b, "jl,i,vm->ijvlm", eye, ones, model.W_V / value.max())
        _connect(product.output, pt.input, "il,j,vw->ivljw", eye, ones, same * kappa.max() * value.max())
        _connect(pt.output, higher.input, "ij,mv->imjv", eye, model.W_O)
        return network, nengo.Probe(higher.output, synapse=None)


def _numbers(values):
    """An ensemble for every one of the numbers."""
    return EnsembleArray(CELLS, values.size, radius=np.abs(values).max())


def _connect(source, target, expression, *factors):
    """Connection whose dense weights are an outer product."""
    nengo.Connection(source, target, transform=np.einsum(expression, *factors).reshape(target.size_in, source.size_out))


def _spikes_per_s(network, simulator):
    """Rate of all cells together over the steps that follow."""
    cells = [simulator.model.sig[ensemble.neurons]["out"] for ensemble in network.all_ensembles]
    total = 0.0
    for _ in range(N_COUNTED):
        simulator.step()
        total += sum(simulator.signals[each].sum() for each in cells)  # a spike is 1 / DT
    return total / N_COUNTED
