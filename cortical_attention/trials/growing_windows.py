"""One spiking network read in growing windows, beside the algebra.

Every input starts from several starting phases, side by side in one network. Averaging the answers over them leaves
what does not depend on when each spike came.
"""

from typing import NamedTuple

import numpy as np
from brian2 import second

from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import linear_attention
from cortical_attention.simulation.attend import Settings
from cortical_attention.simulation.calibrate import rate_units, unit_rates
from cortical_attention.simulation.run import Run, simulate
from cortical_attention.simulation.settle import judge, slots, spike_variance
from cortical_attention.trials.batch import stacked
from cortical_attention.trials.spike_error_sources import READ, idealised

WINDOWS = np.array([0.25, 0.5, 1, 2, 4, 8])  # s
PT, AVERAGED = "read at L5 PT", "averaged over phases"


class Asked(NamedTuple):
    """The inputs, what the algebra answers, and the unit rates that the pilot found."""

    tokens: np.ndarray
    block: object
    reference: object
    units: dict
    rate_relative_l2: float
    normaliser: np.ndarray
    target: str
    seed: int


class Measured(NamedTuple):
    """A finished network, whether each input settled, and what was read in growing windows, by place of reading."""

    run: Run
    settled: np.ndarray | None
    read: dict


def prepare(cases, n_phase, options):
    """Every input `n_phase` times side by side, each with starting phases of its own; and a pilot in rates."""
    cases = [case for case in cases for _ in range(n_phase)]
    tokens, block = stacked(cases)[0], cases[0].block
    reference, times = linear_attention(tokens, block), Settings(RATE).times()
    plan = mask_wiring(times, tokens, *block[:4])
    pilot = simulate(plan, RATE, rate_units(plan), dt=times.dt, target="numpy")
    if pilot.interrupted:
        raise KeyboardInterrupt
    found = relative_l2(plan.output(slots(pilot, RATE, plan.protocol.windows)), reference.output)
    normaliser = pilot.numbers["interneuron"][-1]
    units = unit_rates(plan, pilot, SPIKING, options.settings.unit_rate)
    return Asked(tokens, block, reference, units, found, normaliser, options.settings.target, options.settings.seed)


def measure(setting, asked, report=None):
    """Run one network, and read it in growing parts of its window."""
    form = SPIKING.with_synapses(tau_slow=setting.tau_slow)
    settle = SPIKING.settle * max(1.0, float(setting.tau_slow / SPIKING.synapses.tau_slow))
    times = Settings(form, setting.window * second, settle, setting.dt).times()
    plan = idealised(mask_wiring(times, asked.tokens, *asked.block[:4]), setting.exact, asked.normaliser)
    units = {name: asked.units[name] * setting.units.get(name, 1.0) for name in plan.circuit.populations}
    run = simulate(
        plan, form, units, dt=setting.dt, cells=setting.cells, seed=asked.seed, target=asked.target, record="sample",
        report=report,
    )  # fmt: skip
    if run.interrupted:
        return Measured(run, None, {})
    read = [_read(plan, run, form, setting, window, asked.block) for window in WINDOWS if window <= setting.window]
    places = {place: np.stack([each[place] for each in read]) for place in read[0]}
    return Measured(run, judge(plan, run, form, setting.cells).settled, places)


def _read(plan, run, form, setting, window, block):
    """Answers in the first part of the window, by place of reading; and the variance that counting predicts."""
    part = plan.protocol.windows[:, : round(window / float(plan.protocol.phase))]
    numbers = slots(run, form, part)
    return {
        "answer": plan.output(numbers),
        PT: np.einsum("bhiv,hmv->bim", numbers["pyramidal_tract"][0], block.W_O),
        "counting": plan.output(spike_variance(plan, run, part, setting.cells)),
    }


def row(setting, measured, asked, n_phase):
    """Relative L2 in every window (n_window, batch), and its median: as it is, read at L5 PT, averaged over phases."""
    right, read = asked.reference.output, measured.read
    size = np.linalg.norm(right, axis=(1, 2))
    error = {place: np.linalg.norm(read[place] - right, axis=(2, 3)) / size for place in ("answer", PT)}
    averaged = _averaged(read["answer"], n_phase) - _averaged(right, n_phase)
    error[AVERAGED] = np.linalg.norm(averaged, axis=(2, 3)) / size[::n_phase]
    error["counting"] = np.sqrt(read["counting"].sum(axis=(2, 3))) / size
    return {
        **setting._asdict(),
        "windows": WINDOWS[: len(read["answer"])],
        "settled": int(measured.settled.sum()),
        "relative_l2": error["answer"],
        "median_relative_l2": {place: np.median(each, axis=1) for place, each in error.items()},
    }


def _averaged(output, n_phase):
    """Mean over the starting phases, which lie side by side on the batch axis (the third from the end)."""
    return output.reshape(*output.shape[:-3], -1, n_phase, *output.shape[-2:]).mean(axis=-3)


def at(row, place="answer", window=READ):
    """Median relative L2 of a network in one window."""
    return float(row["median_relative_l2"][place][list(row["windows"]).index(window)])
