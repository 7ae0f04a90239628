"""Match and control in spikes: trains of axons and of a query, a point neuron with synapses that count coincidences.

::

    match, T         every axon sends its own train; the query drives the cell to spike; the matched axon sends
                     the train of the query 7 ms earlier
    gap, 0.5 s       axons are silent
    control, 1 s     every axon sends its own train; the matched one takes the cell over where its synapse was potentiated

Rates, refractory times, phases, the lead of 7 ms and the number of axons are those of Ellwood (2024), whose code was
read; his pyramidal cell of 1,500 spines, ten for each axon, is a leaky point neuron here, with one synapse for each axon.
"""

from typing import NamedTuple

import numpy as np
from brian2 import Clock, Network, NeuronGroup, Quantity, SpikeGeneratorGroup, SpikeMonitor, Synapses, ms, second

from cortical_attention.cells.short_term_hebbian import AT_AXON, AT_CELL, EFFECT, SYNAPSE, ShortTermHebbian
from cortical_attention.simulation.engine import device

N_AXON, RATE, REFRACTORY, LEAD = 150, 6.0, 0.05, 0.007  # Hz, s, s (Ellwood 2024, code); axon 0 is the matched one
START, GAP, CONTROL, AFTER = (
    0.1,
    0.5,
    1.0,
    0.05,
)  # s; gap and control: Ellwood 2024, code; chosen: room before and after
FOLLOWS = 0.02  # s within which a spike of the cell follows one of the axon (Ellwood 2024, code)
MATCHES = "matched", "independent"
NEVER = 1e9


class PointNeuron(NamedTuple):
    """Constants of the cell, with their `sources`: tau_m dv/dt = -v, from rest (0) to threshold (1)."""

    tau_m: Quantity = 5 * ms
    w: float = 0.105  # of a spike of a rested axon, in units of the distance from rest to threshold
    refractory: Quantity = 2 * ms
    driven: float = 2.0  # what a spike of the query adds: beyond threshold
    dt: Quantity = 0.5 * ms

    sources = {
        "tau_m": "1 uF over 0.2 mS (Ellwood 2024, code: capacitance and leak of the tuft)",
        "w": "chosen: half way between 0.10, where one of nine spikes of a potentiated axon fails, and 0.11, where one "
        "spike of the cell in seven is spurious",
        "refractory": "chosen: order of an action potential",
        "driven": "chosen: for the current of 4 nA for 1 ms (Ellwood 2024, code), which makes one spike",
        "dt": "chosen: short against the lead of 7 ms",
    }


class Trains(NamedTuple):
    """Spike trains of trials; times in s from the start of the run, padded with nan.

    Attributes
    ----------
    query : ndarray, shape (n_trial, n_query)
    match, control : ndarray, shape (n_trial, n_axon, n_spike)
        Of the axons in either phase.
    window : float
        Length of the match phase, s.
    """

    query: np.ndarray
    match: np.ndarray
    control: np.ndarray
    window: float


def poisson(stream, shape, length):
    """Trains of `RATE` with the refractory time, from 0 to `length` (s): (*shape, n_spike), padded with nan."""
    most = int(length / REFRACTORY) + 1
    waits = stream.exponential(1 / RATE - REFRACTORY, (*shape, most))
    waits[..., 1:] += REFRACTORY
    times = waits.cumsum(axis=-1)
    times[times > length] = np.nan
    return times[..., : max(1, int((~np.isnan(times)).sum(axis=-1).max()))]


def drawn(seed, n_trial, window, match="matched"):
    """Trains of trials.

    Parameters
    ----------
    seed : int or sequence of int
    n_trial : int
    window : float
        Length of the match phase, s.
    match : {"matched", "independent"}
        Whether axon 0 sends the train of the query in the match phase, earlier by `LEAD`, or one of its own.

    Returns
    -------
    Trains
    """
    stream = np.random.default_rng(seed)
    query = START + poisson(stream, (n_trial,), window)
    axons = START + poisson(stream, (n_trial, N_AXON), window)
    control = START + window + GAP + poisson(stream, (n_trial, N_AXON), CONTROL)
    if match == "matched":
        wide = max(axons.shape[-1], query.shape[-1])
        axons = np.pad(axons, ((0, 0), (0, 0), (0, wide - axons.shape[-1])), constant_values=np.nan)
        axons[:, 0] = np.nan
        axons[:, 0, : query.shape[-1]] = query - LEAD
    return Trains(query, axons, control, window)


def joined(trains):
    """Trains of several sets of trials of one window, side by side (Trains)."""

    def wide(arrays):
        most = max(each.shape[-1] for each in arrays)
        pad = [np.pad(e, (*((0, 0),) * (e.ndim - 1), (0, most - e.shape[-1])), constant_values=np.nan) for e in arrays]
        return np.concatenate(pad)

    return Trains(*(wide([getattr(each, name) for each in trains]) for name in Trains._fields[:3]), trains[0].window)


def first_of(trains, n_trial):
    """Trains of the first trials (Trains)."""
    return trains._replace(**{name: getattr(trains, name)[:n_trial] for name in Trains._fields[:3]})


class Trials(NamedTuple):
    """What came of simulated trials.

    Attributes
    ----------
    counts : ndarray, shape (n_trial, n_axon)
        Coincidences of every synapse after the match phase.
    followed : ndarray, shape (n_trial,)
        Share of the spikes of axon 0 in the control phase that a spike of the cell follows; nan without any.
    spurious : ndarray, shape (n_trial,)
        Share of the spikes of the cell in the control phase that do not follow one of axon 0; 0 without any.
    """

    counts: np.ndarray
    followed: np.ndarray
    spurious: np.ndarray


def simulate(trains, theta, tau_c, *, hebbian=None, cell=None, control=True, target="numpy"):
    """Trials side by side in one Brian2 network.

    Parameters
    ----------
    trains : Trains
    theta : float or ndarray, shape (n_trial,)
        Threshold of potentiation; `NEVER` for none.
    tau_c : float or ndarray, shape (n_trial,)
        Constant of the kernel, s.
    hebbian : ShortTermHebbian, optional
    cell : PointNeuron, optional
    control : bool
        Whether to run the control phase; without it `followed` and `spurious` are empty.
    target : str
        Code generation of Brian2.

    Returns
    -------
    Trials

    Raises
    ------
    KeyboardInterrupt
        On an interrupted simulation.
    """
    cell = PointNeuron() if cell is None else cell
    with device(target):
        network, synapses, monitor = _network(trains, theta, tau_c, hebbian or ShortTermHebbian(), cell)
        _run(network, START + trains.window + AFTER)
        counts = np.array(synapses.c).reshape(-1, N_AXON)
        if not control:
            return Trials(counts, np.array([]), np.array([]))
        _run(network, GAP + CONTROL)
        cells, times = np.array(monitor.i), np.array(monitor.t / second)
    late = times > START + trains.window + GAP
    return Trials(counts, *_outcomes(trains.control[:, 0], cells[late], times[late]))


def _run(network, span):
    end = network.t + span * second
    network.run(span * second, namespace={})
    if network.t < end - 1 * ms:
        raise KeyboardInterrupt


def _network(trains, theta, tau_c, hebbian, cell):
    """Network, its plastic synapses in the order of trials and axons, and the monitor of the cells."""
    n_trial, clock = len(trains.query), Clock(cell.dt)
    names = {name: value for name, value in hebbian._asdict().items() if name != "tau_c"} | cell._asdict()
    cells = NeuronGroup(
        n_trial, "dv/dt = -v / tau_m : 1 (unless refractory)", threshold="v > 1", reset="v = 0",
        refractory=cell.refractory, method="exact", clock=clock, namespace=names,
    )  # fmt: skip
    axons = _source(np.concatenate([trains.match, trains.control], axis=-1).reshape(n_trial * N_AXON, -1), clock)
    query = _source(trains.query, clock)
    synapses = Synapses(
        axons, cells, SYNAPSE, on_pre={"pre": AT_AXON, "effect": EFFECT}, on_post=AT_CELL,
        delay={"effect": LEAD * second}, clock=clock, namespace=names,
    )  # fmt: skip
    synapses.connect(i=np.arange(n_trial * N_AXON), j=np.repeat(np.arange(n_trial), N_AXON))
    synapses.theta = np.repeat(np.broadcast_to(theta, n_trial), N_AXON)
    synapses.tau_c = np.repeat(np.broadcast_to(tau_c, n_trial), N_AXON) * second
    driving = Synapses(query, cells, on_pre="v_post += driven", clock=clock, namespace=names)
    driving.connect(j="i")
    monitor = SpikeMonitor(cells)
    return Network(cells, axons, query, synapses, driving, monitor), synapses, monitor


def _source(times, clock):
    """Cells that send given trains (n_cell, n_spike), without what lies before the run."""
    cell, place = np.nonzero(times >= 0)
    return SpikeGeneratorGroup(len(times), cell, times[cell, place] * second, clock=clock)


def _outcomes(axon, cells, times):
    """Shares `followed` and `spurious` from the trains of axon 0 (n_trial, n_spike), and cells and times of spikes."""
    followed, spurious = np.full(len(axon), np.nan), np.zeros(len(axon))
    order = np.argsort(cells, kind="stable")
    split = np.split(times[order], np.searchsorted(cells[order], np.arange(1, len(axon))))
    for k, (sent, own) in enumerate(zip(axon, split, strict=True)):
        sent = sent[~np.isnan(sent)]
        late = own[None] - sent[:, None]
        pairs = (late >= 0) & (late <= FOLLOWS)
        if len(sent):
            followed[k] = pairs.any(axis=1).mean()
        if len(own):
            spurious[k] = 1 - pairs.any(axis=0).mean() if len(sent) else 1.0
    return followed, spurious
