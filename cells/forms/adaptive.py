"""Adaptive form: leaky integrate-and-fire cells with refractory time, adaptation and noise, on conductance synapses.

tau_m dv/dt = current - v - w + noise      v from rest (0) to threshold (1), a distance of about 20 mV
tau_w dw/dt = -w, w += b at each spike     spike-frequency adaptation

The rule of a cell type still says which rate its number asks for. The current that gives this rate is read from an f-I
table, which is measured once for each membrane (`f_i_table`) and inverted; a drive beyond it fails the run. A dendrite
holds conductances, and its voltage saturates:

filtered = (E - I) / (1 + c (E + r I))

E and I the excitatory and inhibitory drive in numbers, c the excitatory conductance of the number one over the leak, r the
driving force of excitation over that of inhibition (inhibition needs r times the conductance for the same number). The
shunt divides by a conductance as it is, and does not saturate. Relays pass on each spike.

There is no closed form of the f-I curve of these cells; `f_i_table` is measured.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from brian2 import Clock, Hz, Network, NeuronGroup, Quantity, TimedArray, ms, second
from scipy.optimize import isotonic_regression

from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.noise import noise

MEMBRANE = """
    dv/dt = (current - v - w + sigma * sqrt(2 * tau_m / dt) * white) / tau_m : 1 (unless refractory)
    white = noise(i, t_in_timesteps, stream) : 1   # of variance one, new each step
    dw/dt = -w / tau_w : 1
"""
RESOLUTION = 0.1 * Hz  # chosen: of the inverted table; a step of the drive of the least that one spike in 10 s can tell
HIGHEST = 16.0  # chosen: a current that drives every membrane beyond TOP
TOP = 300 * Hz  # chosen: the end of the table, beyond which a run fails


class Membrane(NamedTuple):
    """Constants of a cell's membrane, in units of the distance from rest to threshold."""

    tau_m: Quantity = 20 * ms  # pyramidal cells, mouse; chosen: Naud & Sprekeler 2018 have 16 ms
    tau_w: Quantity = 100 * ms  # Naud & Sprekeler 2018: spike-triggered adaptation
    b: float = 0.05  # chosen: at 50 Hz a quarter of the way to threshold
    sigma: float = 0.2  # chosen: 4 mV of 20 mV, as in vivo (Destexhe, Rudolph & Pare 2003)
    refractory: Quantity = 2 * ms  # chosen: order of an action potential


MEMBRANES = {
    "pyramidal": Membrane(),
    "fast spiking": Membrane(tau_m=10 * ms, b=0.0),  # parvalbumin-like: fast and without adaptation
}


def membrane_of(cell):
    """Name of the membrane of a cell type; relay cells are taken to have that of pyramidal cells."""
    return "fast spiking" if cell.name == "interneuron" else "pyramidal"


class Table(NamedTuple):
    """A measured f-I curve.

    Attributes
    ----------
    current : ndarray, shape (n_level,)
        In units of the distance from rest to threshold.
    rate : ndarray, shape (n_level,)
        Hz, made monotone (isotonic regression).
    """

    current: np.ndarray
    rate: np.ndarray


def f_i_table(membrane, dt):
    """f-I curve of a membrane at a time step, measured in Brian2 once in a process (Table).

    The levels lie close where the cell begins to fire: about its threshold, and about what noise takes across it. The
    first half second is left out.
    """
    return _measure(tuple(float(each) for each in membrane), float(dt))


@lru_cache
def _measure(constants, dt_s, n_level=120, n_cell=40, duration_s=5):
    """The table, from what can be compared: constants in the order of Membrane, and the time step, in SI units."""
    units = [second if isinstance(default, Quantity) else 1 for default in Membrane()]
    membrane = Membrane(*(each * unit for each, unit in zip(constants, units, strict=True)))
    wide, near = np.geomspace(0.2, HIGHEST, n_level) - 3 * membrane.sigma, 1 + np.geomspace(1e-4, 1, n_level // 3)
    levels = np.sort(np.concatenate([wide, near]))
    clock = Clock(dt_s * second)
    group = NeuronGroup(
        len(levels) * n_cell,
        f"{MEMBRANE}\n current : 1 (constant)\n count : 1",
        threshold="v > 1",
        reset="v = 0; w += b; count += 1",
        refractory=membrane.refractory,
        method="euler",
        namespace={**membrane._asdict(), "noise": noise, "stream": 0},
        clock=clock,
    )
    group.current = np.repeat(levels, n_cell)
    network, counts = Network(group), []
    for span in (0.5, duration_s):
        network.run(span * second, namespace={})
        counts.append(np.array(group.count).reshape(-1, n_cell).mean(axis=1))
    return Table(levels, isotonic_regression((counts[1] - counts[0]) / duration_s).x)


def inverse(table):
    """Currents that give the rates 0, RESOLUTION, ... up to TOP."""
    rates = np.arange(0, TOP / Hz + 2 * RESOLUTION / Hz, RESOLUTION / Hz)
    rising = np.append(True, np.diff(table.rate) > 0)
    return np.interp(rates, table.rate[rising], table.current[rising])


def constants_of(form, cell, dt):
    """Constants of the soma of a cell type; measures its f-I table if that has not been done in this process."""
    membrane = form.membranes[membrane_of(cell)]
    # a table over rates: Brian2 has tables over time, so that 1 Hz is read at 1 s
    table = TimedArray(inverse(f_i_table(membrane, dt)), float(RESOLUTION / Hz) * second)
    return {**membrane._asdict(), "current_of": table, "noise": noise, "top": TOP}


DRIVING_FORCE = 70.0, 15.0  # mV from rest at -70: excitation at 0, inhibition at -85 (chosen: between GABA_A and K+)

ADAPTIVE = SPIKING._replace(
    name="adaptive",
    ceiling=100 * Hz,  # chosen: a third of the table, so that what noise adds to a drive stays within it
    dendrite="""
        filtered = (excited - inhibited) / (1 + conductance * (excited + ratio * inhibited)) : 1
        dexcited/dt = -excited / tau : 1
        dinhibited/dt = -inhibited / tau : 1
        conductance : 1 (constant)   # c, zero where a dendrite does not saturate
    """,
    held="excited",
    synapse={"excitation": "excited_post += weight", "inhibition": "inhibited_post += weight"},
    soma=f"""
        rate = unit_rate * clip(number, 0, inf) : Hz
        current = current_of(rate * second ** 2) : 1
        {MEMBRANE}
        count : 1     # spikes so far
        crowded : 1   # spikes at a drive beyond the table
    """,
    threshold="v > 1",
    reset="v = 0; w += b; count += 1; crowded += int(rate > top)",
    crowding="a rate beyond its measured f-I table",
    constants={"ratio": DRIVING_FORCE[0] / DRIVING_FORCE[1]},
    conductance=0.001,  # chosen in pilot runs, so that saturation does not outweigh all else; see `attribution`
    unsaturated=("shunt", "gate"),
    constants_of=constants_of,
    membranes=MEMBRANES,
    refractory="refractory",
    regular=False,
)
