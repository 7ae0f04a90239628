"""Simulate a circuit on an attention block of your own, and compare it with the algebra.

Question: given the tokens and weights of an attention block, does the circuit compute linear attention, or, with
`--attention softmax`, softmax attention, and what is the distance between the two on them?

Prediction: in the rate form the relative L2 error is below 1e-6. In the spiking form it is a few tenths of a per cent to
2.5 per cent after two seconds, because each count is correct to one spike.

Reference: Granier & Senn (2025), Algorithm 1; the block of the case in `reference.linear_attention` or
`reference.softmax_attention`.

Run time: seconds in the rate form; ten seconds to a few minutes in spikes.
"""

from pathlib import Path
from typing import Annotated

import typer

from cortical_attention.command import options as o
from cortical_attention.command.heads import executor_of
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_by
from cortical_attention.command.tables import print_comparison, print_plans, say_forecast
from cortical_attention.inputs.cases import load
from cortical_attention.trials.comparison import best_null, held, keeping, plan_of, present, reference_for
from cortical_attention.trials.forecast import forecasts_for
from cortical_attention.trials.results import content_of, open_folder, write_comparison, write_run

CASE = (
    "An .npz or .safetensors file with tokens, W_Q, W_K, W_V, W_O and, if need be, mask: boolean (n_token, n_context), "
    "True where a token may attend, so ~attn_mask of torch.nn.MultiheadAttention."
)


@with_output
def main(
    case: Annotated[Path, typer.Argument(help=CASE)],
    wiring: o.Wiring = "mask",
    attention: o.Attention = None,
    form: o.Form = "rate",
    kernel: o.Kernel = "elu+1",
    unnormalised: o.Unnormalised = False,
    normaliser: o.Normaliser = "pi",
    synapses: o.Synapses = o.DEFAULT,
    dendrites: o.Dendrites = "shared",
    cells: o.Cells = 1,
    duration: o.Duration = None,
    settle: o.Settle = None,
    dt: o.Dt = None,
    unit_rate: o.UnitRate = 100.0,
    target: o.Target = "auto",
    precision: o.Precision = "double",
    seed: o.Seed = 0,
    plan: o.Plan = False,
    record: o.Record = "default",
    calibration: o.Calibration = None,
    calibrate_on_input: o.OnInput = False,
    replicas: o.Replicas = 1,
    *,
    output: Output,
    workers: o.Workers = 0,
    scheduler: o.Scheduler = None,
):
    """Compare a circuit with its algebra, linear or softmax attention, on a case."""
    options = o.check(**locals(), without_reference=True)
    loaded = load(case)
    for notice in loaded.notices:
        output.console.print(f"notice: {notice}", highlight=False)
    if plan:
        planned = plan_of(loaded, options) | {"forecast_relative_l2": foresee(loaded, options, output.console)}
        return print_plans({f"{options.system.name} wiring, {form} form": planned}, output.console, output.json)
    output.check()
    reference = reference_for(loaded, options)
    forecast = foresee(loaded, options, output.console)
    title, about = (
        f"{options.system.name} wiring, {form} form",
        (output.about[0], options.system.name, *output.about[2:]),
    )
    with executor_of(workers, scheduler) as executor, output.progress(title) as told:
        presented = present(loaded, options, told, executor)
    folder = open_folder("compare", options, content_of(loaded), output.out, output.overwrite, about)
    compared = concluded(presented, reference, loaded, options, forecast, folder)
    print_comparison(compared, folder, output.console, output.json)
    output.finish(folder)
    return status_by([compared.report["settled"]], compared.run.interrupted)


def concluded(presented, reference, case, options, forecast, folder):
    """Write a run, judge and compare it, and write what came of it.

    Parameters
    ----------
    presented : Presented
    reference : Reference
    case : Case
    options : Options
    forecast : float or None
    folder : pathlib.Path

    Returns
    -------
    Comparison
    """
    with keeping(folder):
        write_run(presented, options, case, folder)
        compared = held(presented, reference, case, options, forecast)
        write_comparison(compared, folder)
    return compared


def foresee(case, options, console):
    """Error that is expected of the circuit, said before it runs; None, and nothing said, where none is."""
    (forecast,) = forecasts_for([case], options)
    if forecast is not None:
        say_forecast(forecast, best_null(reference_for(case, options)), console)
    return forecast


if __name__ == "__main__":
    script(main)
