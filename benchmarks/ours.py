"""The model in the project's own circuit: shared dendrites, one synapse a pair, and the on/off circuit with its relays.

`shared` and `explicit` are the spiking or rate form without pairs, so that cells and numbers are those of every other
peer. `on_off` is the spiking form as it is: two cells a signed number, which are joined by one-signed synapses, and one
relay a cell that inhibits. `circuit` is another one: a case of the suite in a form whose cells have membranes.
"""

import numpy as np
from brian2 import Hz, second

from benchmarks import case as real
from benchmarks import model as of
from benchmarks.standalone import clocked
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.protocol import Times
from cortical_attention.simulation import attend
from cortical_attention.simulation.run import simulate
from cortical_attention.simulation.settle import window_values

FORMS = {"rate": RATE, "spiking": SPIKING._replace(coding=SPIKING.coding._replace(paired=False))}
TIMES = Times(of.SETTLE * second, of.WINDOW * second, of.GATE * second, of.DT * second)


def shared(model, form):
    """Outcome with shared dendrites."""
    return run(model, form)


def single(asked, form):
    """Outcome with shared dendrites, in single precision."""
    return circuit(asked, form, "single") if form in real.FORMS else run(asked, form, precision="single")


def explicit(model, form):
    """Outcome with one synapse a pair."""
    return run(model, form, shared=False)


def on_off(model, form):
    """Outcome of the on/off circuit. Off cells are silent, since no number is negative; spikes of relays are not told."""
    return run(model, form, paired=form == "spiking")


def run(model, form, shared=True, paired=False, target="cpp", precision="double"):
    """Outcome of the project's circuit.

    Parameters
    ----------
    model : Model
    form : {"rate", "spiking"}
    shared : bool
        Shared dendrites, or one synapse a pair.
    paired : bool
        On/off pairs and relays.
    target : {"cpp", "numpy"}
    precision : {"double", "single"}

    Returns
    -------
    Outcome
    """
    block, runs_as = model.block, FORMS[form]
    runs_as = runs_as._replace(coding=runs_as.coding._replace(paired=paired))
    plan = mask_wiring(TIMES, model.tokens[None], block.W_Q, block.W_K, block.W_V, block.W_O, normaliser="slow")
    plan = _starting(plan, of.start_of_inhibition(model, form))
    units = {name: np.atleast_1d(unit)[None] * Hz for name, unit in of.unit_rates(model, form).items()}
    units = {name: unit if name == "interneuron" else unit[:, 0] for name, unit in units.items()}
    with clocked() as seen:
        answer = simulate(
            plan, runs_as, units, dt=TIMES.dt, shared=shared, target=target, record="sample", precision=precision
        )
    output = plan.read(plan.output, window_values(answer, runs_as, plan.protocol.windows))[0]
    spikes = _spikes(answer, plan.protocol.phase) if runs_as.spikes else None
    run_s = answer.wall if seen.run_s is None else seen.run_s
    return of.Outcome(output, run_s, seen.compile_s, float(answer.t_stop / second), spikes, answer.n_cell, seen.program)


def _starting(plan, values):
    """Plan whose interneurons start with values (n,)."""
    populations = dict(plan.circuit.populations)
    inhibition = populations["interneuron"]
    populations["interneuron"] = inhibition._replace(inputs=inhibition.inputs | {"start": values[None, None]})
    return plan._replace(circuit=plan.circuit._replace(populations=populations))


def _spikes(answer, phase):
    """Spikes of all cells over all phases: what numbers stood for, turned back into counts."""
    counts = (each * (answer.unit_rates[name] * phase) for name, each in answer.values.items())
    return float(sum(np.sum(count) for count in counts))


def circuit(case, form, precision="double"):
    """Outcome of the circuit of a case, compiled; its cells are measured and its unit rates found before.

    Parameters
    ----------
    case : Case
    form : {"adaptive", "biophysical"}
    precision : {"double", "single"}

    Returns
    -------
    Outcome
        Spikes are those of the measured windows, taken as the rate of the whole run; those of relays are not told.
    """
    settings = attend.Settings(
        form, real.WINDOW * second, real.SETTLE * second, real.DT[form] * second, cells=real.CELLS, target="cpp",
        precision=precision, record="sample",
    )  # fmt: skip
    calibration = attend.calibrate("mask", case.calibration, settings, **case.block._asdict())
    prepared = attend.prepare("mask", case.tokens[None], settings, calibration, **case.block._asdict())
    with clocked() as seen:
        answer = attend.read(prepared, attend.run(prepared))
    run = answer.run
    rate = sum(float(each.mean_rate[0]) * np.prod([size for _, size in each.axes]) for each in run.records)
    biological_s = float(run.t_stop / second)
    return of.Outcome(
        answer.output[0], run.stepping, seen.compile_s, biological_s, rate * biological_s, run.n_cell, seen.program,
        real.DT[form],
    )  # fmt: skip
