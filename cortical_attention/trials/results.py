"""The folder of a comparison: first what is needed to know the run and to repeat it, then what came of it."""

import sys

import numpy as np
import quantities as pq

from cortical_attention.inputs.cases import arrays
from cortical_attention.readout.figures import comparison as comparison_figure
from cortical_attention.readout.files import replacing, result_folder, write_array, write_json
from cortical_attention.readout.raster import raster
from cortical_attention.readout.store import write_recording
from cortical_attention.readout.style import save
from cortical_attention.simulation import engine
from cortical_attention.trials.calibration import write_calibration
from cortical_attention.trials.loading import own_code
from cortical_attention.trials.options import written
from cortical_attention.trials.provenance import provenance


def write(compared, options, case, folder):
    """Write all files of a result: `write_run`, then `write_comparison`."""
    write_run(compared.answer, options, case, folder)
    write_comparison(compared, folder)


def write_run(presented, options, case, folder):
    """What is known before the run is judged: case.npz, run.json, calibration.json, recording.h5 and raster.png.

    Parameters
    ----------
    presented : Presented or Answer
        Something with a `run`, its `plan` and its `calibration`; it may be interrupted, and need not be read.
    options : Options
    case : Case
        The first input.
    folder : pathlib.Path
    """
    run = presented.run
    write_arrays(folder / "case.npz", arrays(case))
    write_json(folder / "run.json", run_json(presented, options, case.name))
    write_calibration(presented.calibration, folder / "calibration.json")
    write_recording(run, folder / "recording.h5")
    if run.t_stop > 0:
        title = about(options.system.name, options.settings.form.name, case.name)
        save(raster(run, about=title), folder / "raster.png")


def write_comparison(compared, folder):
    """comparison.json, the outputs and attention weights of circuit and algebra, and comparison.png, as far as the run came
    and there is a reference.

    Parameters
    ----------
    compared : Comparison
    folder : pathlib.Path
    """
    write_json(folder / "comparison.json", compared.report)
    for name, array in results_of(compared).items():
        write_array(folder / f"{name}.npy", array)
    if compared.answer.output is not None and compared.reference.attention is not None:
        save(draw(compared), folder / "comparison.png")


def results_of(compared):
    """Arrays of a comparison by the names of their files (dict); those that are not there are left out."""
    algebra = compared.reference.attention
    found = {
        "output": compared.output,
        "attention": compared.attention,
        "reference": None if algebra is None else algebra.output,
        "reference_attention": None if algebra is None else algebra.kappa,
    }
    return {name: array for name, array in found.items() if array is not None}


def write_arrays(path, named):
    """Write arrays by name as `.npz`.

    Raises
    ------
    FolderError
        If the file cannot be written.
    """
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, **named)


def about(wiring, form, case):
    """Beginning of a title."""
    return ", ".join((f"{wiring} wiring", f"{form} form", *([case] if case else [])))


def draw(compared):
    """comparison.png of a finished run that has a reference."""
    return drawn(compared.report, results_of(compared))


def drawn(report, found, heads=None):
    """comparison.png from what a folder holds.

    Parameters
    ----------
    report : dict
        Content of comparison.json.
    found : dict of str to ndarray
        As `results_of` gives them.
    heads : list of int, optional
        Heads whose attention is drawn.

    Returns
    -------
    matplotlib.figure.Figure
    """
    nulls = {name: report[f"{name}_relative_l2"] for name in report["nulls"]}
    kappa, algebra = found.get("attention"), found.get("reference_attention")
    weights = (kappa, algebra) if kappa is not None and algebra is not None else (None, None)
    times, errors = (report["error_over_time"][name] for name in ("s", "relative_l2"))
    rounding = np.inf if report["rounding"] is None else report["rounding"]
    return comparison_figure(
        found["output"],
        found["reference"],
        *weights,
        np.array(times) * pq.s,
        errors,
        nulls,
        heads=heads,
        rounding=rounding,
    )


def run_json(presented, options, case=""):
    """Content of run.json, of what `write_run` takes."""
    run, populations = presented.run, presented.plan.circuit.populations
    unit_rates = {name: rates[0] if len(rates) == 1 else rates for name, rates in run.unit_rates.items()}
    target = {"target": run.target, "reason": run.target_reason, "flags": engine.flags(run.target)}
    parameters = {
        **options.named,
        **options.settings._asdict(),
        **options.settings.times()._asdict(),
        **_longer(presented.plan.protocol, options.settings.times().settle),
        "form": options.settings.form._asdict(),
        "readings": {name: each._asdict() for name, each in presented.plan.readings().items()},
        "cell_types": {name: each.cell._asdict() for name, each in populations.items()},
        "populations": {name: each.parameters for name, each in populations.items() if each.parameters},
    }
    content, words = provenance(sys.argv, parameters, run.seeds, unit_rates, target, run.wall), written(options)
    return content | {"case": case, "options": words, "own_code": own_code((words["wiring"], words["form"]))}


def _longer(protocol, settle):
    """Settling time (dict), where interneurons were given more than was asked for, as `simulation.attend.prepare` does."""
    had = protocol.windows[0, 0] * protocol.phase
    return {"settle": had} if protocol.token_of is None and had - settle > protocol.phase else {}


def content_of(case):
    """All values of a case, for the hash that names its default folder."""
    return {name: array.tolist() for name, array in arrays(case).items()}


def open_folder(experiment, options, case, out, overwrite, about=()):
    """Create the folder of a result, and remove the files of an earlier result from it.

    Parameters
    ----------
    experiment : str
    options : Options
    case : object
        Content of the case or cases (`content_of`); with the options it determines the default name.
    out : path or None
        None: `results/<experiment>/<about>-<UTC time>-<hash>`.
    about : tuple of str
        Words for the default name: case, wiring, form.
    overwrite : bool
        Whether to accept a folder that is not empty.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    FolderError
        If the folder holds files and `overwrite` is False, cannot be written to, or is in use by another run.
    """
    return result_folder(experiment, options.named | options.settings._asdict() | {"case": case}, out, overwrite, about)
