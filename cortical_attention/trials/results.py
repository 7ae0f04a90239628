"""The folder of a comparison: first what is needed to know the run, then what came of it."""

import sys

from cortical_attention.inputs.cases import arrays
from cortical_attention.readout.figures import comparison as comparison_figure
from cortical_attention.readout.files import result_folder, write_array, write_json
from cortical_attention.readout.raster import raster
from cortical_attention.readout.recording import to_block, write_nix
from cortical_attention.readout.style import save
from cortical_attention.simulation import engine
from cortical_attention.trials.comparison import error_over_time
from cortical_attention.trials.provenance import provenance


def write(compared, options, folder):
    """Write all files of a result: `write_run`, then `write_comparison`."""
    write_run(compared.answer, options, folder)
    write_comparison(compared, options, folder)


def write_run(presented, options, folder):
    """run.json, and the recording of the first input.

    Parameters
    ----------
    presented : Presented or Answer
        Something with a `run` and its `plan`; it may be interrupted, and need not be read.
    options : Options
    folder : pathlib.Path
    """
    write_json(folder / "run.json", run_json(presented, options))
    write_recording(presented, options, folder)


def write_comparison(compared, options, folder):
    """reference.npy, comparison.json, output.npy and comparison.png, as far as the run came and there is a reference."""
    answer, reference, report = compared
    if reference.attention is not None:
        write_array(folder / "reference.npy", reference.attention.output)
    write_json(folder / "comparison.json", report)
    if answer.output is not None:
        write_array(folder / "output.npy", answer.output[0])
        if reference.attention is not None:
            save(draw(compared, options), folder / "comparison.png")


def write_recording(presented, options, folder):
    """recording.nix and raster.png of the first input, as `write_run`."""
    run = presented.run
    write_nix(to_block(run, wiring=options.system.name, form=options.settings.form.name), folder / "recording.nix")
    if len(run.records[0].sample_time) > 1:
        save(raster(run, settle=presented.plan.protocol.settle), folder / "raster.png")


def draw(compared, options):
    """comparison.png of a finished run that has a reference."""
    answer, reference, report = compared
    times, errors = error_over_time(answer, reference, options)
    nulls = {name: report[f"{name}_relative_l2"] for name in reference.nulls}
    algebra = reference.attention
    kappa = None if answer.attention is None or algebra.kappa is None else answer.attention[0]
    shown = kappa, algebra.kappa, times, errors, nulls
    return comparison_figure(answer.output[0], algebra.output, *shown, rounding=reference.rounding)


def run_json(presented, options):
    """Content of run.json, of what `write_run` takes."""
    run, populations = presented.run, presented.plan.circuit.populations
    unit_rates = {name: rates[0] if len(rates) == 1 else rates for name, rates in run.unit_rates.items()}
    target = {"target": run.target, "reason": run.target_reason, "flags": engine.flags(run.target)}
    parameters = {
        **options.named,
        **options.settings._asdict(),
        **options.settings.times()._asdict(),
        "form": options.settings.form._asdict(),
        "readings": {name: each._asdict() for name, each in presented.plan.readings().items()},
        "cell_types": {name: each.cell._asdict() for name, each in populations.items()},
        "populations": {name: each.parameters for name, each in populations.items() if each.parameters},
    }
    return provenance(sys.argv, parameters, run.seeds, unit_rates, target, run.wall)


def content_of(case):
    """All values of a case, for the hash that names its default folder."""
    return {name: array.tolist() for name, array in arrays(case).items()}


def open_folder(experiment, options, case, out, overwrite, about=()):
    """Folder of a result; `out`, `overwrite` and `about` as in `readout.files.result_folder`."""
    settings = options.named | options.settings._asdict() | {"case": case}
    return result_folder(experiment, settings, out, overwrite, about)
