"""One spiking network read in windows of increasing length, compared with the algebra.

Every input is simulated with several sets of starting phases, side by side in one network. The average over them keeps the
part of the error that does not depend on the times of single spikes.
"""

from typing import NamedTuple

import numpy as np
from brian2 import second

from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import linear_attention
from cortical_attention.simulation.attend import Answer, Settings, attend, calibrate, prepare, read
from cortical_attention.simulation.attend import run as run_prepared
from cortical_attention.simulation.run import Run
from cortical_attention.simulation.settle import spike_variance, window_values
from cortical_attention.trials.batch import stacked
from cortical_attention.trials.spike_error_sources import READ, idealised

WINDOWS = np.array([0.25, 0.5, 1, 2, 4, 8])  # s
PT, AVERAGED = "read at L5 PT", "averaged over phases"


class Inputs(NamedTuple):
    """The inputs, the answers of algebra and rate form, and the calibration sequences and settings of the spiking form."""

    tokens: np.ndarray
    block: object
    reference: object
    pilot: Answer
    calibration: np.ndarray
    settings: Settings

    @property
    def rate_relative_l2(self):
        """Relative L2 of the rate form, over all inputs."""
        return relative_l2(self.pilot.output, self.reference.output)


class Measured(NamedTuple):
    """A finished network, whether each input settled, and what was read in growing windows, by place of reading."""

    run: Run
    settled: np.ndarray | None
    read: dict


def pilot_of(cases, n_phase, options):
    """Inputs of the networks: every case `n_phase` times side by side, their reference, and their answer in the rate form.

    Parameters
    ----------
    cases : sequence of Case
        Of one size, with the block and the calibration sequences of the first; self-attention without a mask.
    n_phase : int
        Copies of each case, each of which starts from phases of its own. Copies of a case are adjacent on the batch axis.
    options : Options
        Of which the settings are kept for the spiking networks.

    Returns
    -------
    Inputs
        For a batch of n_case * n_phase.

    Raises
    ------
    KeyboardInterrupt
        If the rate form was interrupted.
    ValueError
        If the tokens of the cases differ in shape.
    WiringError, RunError
        As `simulation.attend.attend`.
    """
    cases = [case for case in cases for _ in range(n_phase)]
    tokens, block = stacked(cases)[0], cases[0].block
    pilot = attend(mask_wiring, tokens, Settings(RATE, target="numpy"), **block._asdict())
    if pilot.run.interrupted:
        raise KeyboardInterrupt
    reference = linear_attention(tokens, block)
    return Inputs(tokens, block, reference, pilot, cases[0].calibration, options.settings)


def measure(setting, inputs, report=None):
    """Run one network, and read it in windows of increasing length.

    Parameters
    ----------
    setting : Setting
        With a window of at least the first of `WINDOWS`, 0.25 s.
    inputs : Inputs
    report : callable, optional
        Brian2's progress report.

    Returns
    -------
    Measured
        `read` has an ndarray (n_window, batch, n_token, d_model) by place: the answer, the answer read at L5 PT, and the
        variance of the answer that counting predicts. An interrupted run has no reading, and `settled` is None.

    Raises
    ------
    WiringError, RunError, KeyboardInterrupt
        As `simulation.attend.attend`.
    """
    prepared = _network(setting, inputs)
    run = run_prepared(prepared, report)
    if run.interrupted:
        return Measured(run, None, {})
    plan, form = prepared.plan, prepared.settings.form
    parts = [_read(plan, run, form, setting, window, inputs.block) for window in WINDOWS if window <= setting.window]
    places = {place: np.stack([each[place] for each in parts]) for place in parts[0]}
    return Measured(run, read(prepared, run).settled.settled, places)


def _network(setting, inputs):
    """The circuit of a setting, calibrated and ready to run."""
    form = SPIKING.with_synapses(tau_slow=setting.tau_slow)
    settings = inputs.settings._replace(
        form=form, window=setting.window * second, dt=setting.dt, cells=setting.cells, record="sample",
        settle=SPIKING.settle * max(1.0, float(setting.tau_slow / SPIKING.synapses.tau_slow)),
    )  # fmt: skip
    normaliser = inputs.pilot.run.values["interneuron"][-1]

    def wiring(times, tokens, **block):
        return idealised(mask_wiring(times, tokens, **block), setting.exact, normaliser)

    calibration = calibrate(mask_wiring, inputs.calibration, settings, **inputs.block._asdict())
    calibration = calibration.without_interneurons() if "shunt" in setting.exact else calibration
    prepared = prepare(wiring, inputs.tokens, settings, calibration, **inputs.block._asdict())
    units = {
        name: prepared.unit_rates[name] * setting.units.get(name, 1.0) for name in prepared.plan.circuit.populations
    }
    return prepared._replace(unit_rates=units)


def _read(plan, run, form, setting, window, block):
    """Answers in the first part of the window, by place of reading; and the variance that counting predicts."""
    part = plan.protocol.windows[:, : round(window / float(plan.protocol.phase))]
    values = window_values(run, form, part)
    return {
        "answer": plan.read(plan.output, values),
        PT: np.einsum("bhiv,hmv->bim", values["pyramidal_tract"][0], block.W_O),
        "counting": plan.read(plan.output, spike_variance(plan, run, part, setting.cells)),
    }


def row(setting, measured, inputs, n_phase):
    """Relative L2 errors of a network in every window, and their medians over the batch.

    Parameters
    ----------
    setting : Setting
    measured : Measured
        Of a finished run.
    inputs : Inputs
    n_phase : int
        Copies of each case, as in `pilot_of`.

    Returns
    -------
    dict
        The fields of the setting; `windows` (ndarray, shape (n_window,), s); `settled` (int: number of settled inputs);
        `relative_l2` of the answer (ndarray, shape (n_window, batch)); and `median_relative_l2` by place (dict of str to
        ndarray, shape (n_window,)): of the answer, read at L5 PT, averaged over starting phases, and predicted by counting.
    """
    right, read = inputs.reference.output, measured.read
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
    """Median relative L2 error of a network in one window.

    Parameters
    ----------
    row : dict
        As returned by `row`.
    place : {"answer", "read at L5 PT", "averaged over phases", "counting"}
    window : float
        Length of the window (s).

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the network was not read in such a window.
    KeyError
        For an unknown place.
    """
    return float(row["median_relative_l2"][place][list(row["windows"]).index(window)])
